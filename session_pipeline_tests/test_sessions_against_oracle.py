"""Compares the pipeline with the oracles on thousands of generated cases, built at once and piecewise.

PIPELINE_TESTS_CASES sets the number of cases; the default is 2,000. A failure names the seed of its group and shows
one case.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import generated_cases
from session_pipeline_tests.oracles.border_cases import case_of
from session_pipeline_tests.oracles.expected_tables import Row, expected_tables
from session_pipeline_tests.oracles.generated_cases import PLACES, SEEDS, Group
from session_pipeline_tests.oracles.sessions import ONE_DAY

# All tables except those that log when and from which file name something was built.
COMPARED = [name for name, contract in TABLES.items() if name != "warehouse_info" and not contract.is_log]
EXPECTED = ("events", "duplicate_events", "recent_event_ids", "open_sessions", "sessions", "funnel_entries")
LOG_COLUMNS = {"source_files": ["path"]}
PIECEWISE = 1  # groups of which the tables with an oracle are also built piecewise there, which is long
# A group with a day of 25 hours (generated_cases.PLACES).
USUAL = (7,)
# Groups whose days are ordinary ones, or as long as those of another group.
LIKE_OTHERS = (3, 4, 8)


def marker(seed: int) -> tuple[pytest.MarkDecorator, ...]:
    """Return the marker of a group in the test with the oracle, or none."""
    if seed in USUAL:
        return ()
    return (pytest.mark.nightly if seed in LIKE_OTHERS or seed >= len(PLACES) else pytest.mark.long,)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=marker(seed)) for seed in SEEDS])
def test_pipeline_equals_oracle(seed: int, tmp_path: Path) -> None:
    group = generated_cases.group(seed)
    at_once = build_at_once(group, tmp_path / "at once", only=EXPECTED)
    for name, rows in expected_tables(group, file_ids(group, at_once)).items():
        compare(group, name, rows, at_once)
    if seed < PIECEWISE:
        require_equal_piecewise(group, at_once, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", SEEDS[::5])  # every fifth one, because it takes long
def test_building_in_any_order_gives_the_same_rows(seed: int, tmp_path: Path) -> None:
    group = generated_cases.group(seed)
    require_equal_piecewise(group, build_at_once(group, tmp_path / "at once"), tmp_path)


def require_equal_piecewise(group: Group, at_once: Deployment, tmp_path: Path) -> None:
    piecewise = build_piecewise(group, tmp_path / "piecewise", at_once.only)
    for name in COMPARED:
        pd.testing.assert_frame_equal(
            piecewise.table(name).drop(columns=LOG_COLUMNS.get(name, [])),
            at_once.table(name).drop(columns=LOG_COLUMNS.get(name, [])),
            obj=f"{name} of {group}, built piecewise,",
        )


def build_at_once(group: Group, folder: Path, only: Collection[str] | None = None) -> Deployment:
    deployment = Deployment(folder, group.settings, only=only)
    for delivered in group.deliveries:
        deployment.deliver(delivered.name, delivered.lines, delivered.source)
    deployment.run(until=group.until, publishes=False)
    return deployment


def build_piecewise(group: Group, folder: Path, only: Collection[str] | None) -> Deployment:
    """Deliver in random order, building some days in between; then deliver late lines; then build the last day."""
    random = Random(group.seed)
    deployment = Deployment(folder, group.settings, only=only)
    for delivered in random.sample(group.early, len(group.early)):
        deployment.deliver(delivered.name, delivered.lines, delivered.source)
        if random.random() < 0.25:
            days = random.sample(group.days, random.choice([1, 2, 4]))
            deployment.run(until=random.choice(group.days), days=random.choice([None, days]), publishes=False)
    deployment.run(until=group.until - ONE_DAY, publishes=False)
    for delivered in group.late:
        deployment.deliver(delivered.name, delivered.lines, delivered.source)
        deployment.run(until=group.until - ONE_DAY, publishes=False)
    deployment.run(until=group.until, publishes=False)
    return deployment


def file_ids(group: Group, deployment: Deployment) -> dict[str, str]:
    """Return the file_id of each delivery by name; content delivered twice has one file_id."""
    by_path = {Path(row["path"]).stem: row["file_id"] for row in deployment.records("source_files")}
    by_content = {
        delivered.content: by_path[delivered.name] for delivered in group.deliveries if delivered.name in by_path
    }
    return {delivered.name: by_content[delivered.content] for delivered in group.deliveries}


# Comparison


def compare(group: Group, table: str, expected: list[Row], deployment: Deployment) -> None:
    """Fail and show one case whose rows differ: the rows of oracle and pipeline, and its lines."""
    rows = deployment.table(table)
    if not expected:
        assert rows.empty, f"{table} of {group}: the oracle expects no rows"
        return
    columns = list(expected[0])
    wanted = Counter(tuple(row.values()) for row in expected)
    found = Counter(rows[columns].itertuples(index=False, name=None))
    signed = [("expected", row) for row in wanted - found] + [("found", row) for row in found - wanted]
    if signed:
        differing = [(sign, dict(zip(columns, row, strict=True))) for sign, row in signed]
        pytest.fail(difference(group, table, differing), pytrace=False)


def difference(group: Group, table: str, differing: list[tuple[str, Row]]) -> str:
    """Describe the case with the fewest rows among all cases that differ."""
    rows_of_case = defaultdict(list)
    for sign, row in differing:
        rows_of_case[case_of(row["visitor_id"])].append((sign, row))
    case, rows = min(rows_of_case.items(), key=lambda item: (len(item[1]), item[0]))
    delivered = [
        f"  {file.name}:{number} {text}"
        for file in group.deliveries
        for number, text in enumerate(file.lines, start=1)
        if case_of(json.loads(text)["visitor_id"]) == case
    ]
    shown = [
        f"{sign}: " + ", ".join(f"{name} {value}" for name, value in row.items())
        for sign, row in sorted(rows, key=lambda signed: str(list(signed[1].values())))
    ]
    title = f"{table} differs in {len(rows_of_case)} cases, of which case {case} of {group}"
    return "\n".join([title, *shown, "delivered:", *delivered])
