"""Tests that other dates, names, visitors and sites change only the rows that they should.

The deliveries are those of test_metamorphic.py.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import compress, cycle
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.tables import TABLES
from session_pipeline_tests.metamorphic import BuiltGroups, assert_same_rows, each_group, plain_files, reliability, run
from session_pipeline_tests.oracles.equivalent_deliveries import (
    Event,
    File,
    changed,
    differences,
    files_of,
    mapped,
    rows_of,
)
from session_pipeline_tests.oracles.generated_cases import SOURCE_OF_SITE, group
from session_pipeline_tests.reliability.figures import effort, record

UTC_SEEDS = range(0, 10 * effort(), 10)  # every tenth group has its days in UTC


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltGroups:
    return BuiltGroups(tmp_path_factory.mktemp("built"))


@reliability
@pytest.mark.parametrize("seed", UTC_SEEDS)
def test_shift_by_whole_days_shifts_all_rows(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    """In UTC, where all days have equal length. Dates, times, and hashes of times differ by the shift."""
    later = timedelta(days=1000)

    def is_later(event: Event) -> Event:
        at = datetime.fromisoformat(event["event_time"]) + later
        return event | {"event_time": at.isoformat(timespec="microseconds").replace("+00:00", "Z")}

    cases = group(seed)
    assert cases.rules.timezone == "UTC"
    other = run(tmp_path / "other", cases, changed(plain_files(seed), is_later), until=cases.until + later)

    def is_earlier(name: str, value: Any) -> Any:
        return value - later if isinstance(value, date) else value

    here = mapped(rows_of(built.plain(seed)), lambda name, value: value)
    assert_same_rows(here, mapped(rows_of(other), is_earlier), {"file_id", "kept_file_id", "content_hash"})


@reliability
@each_group
def test_renamed_visitors_give_the_same_rows(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    def renamed(visitor: str) -> str:
        return f"'{visitor[::-1]}' | é;"

    files = changed(plain_files(seed), lambda event: event | {"visitor_id": renamed(event["visitor_id"])})
    other = run(tmp_path / "other", group(seed), files)

    def by_the_old_name(name: str, value: Any) -> Any:
        return value[1:].split("'")[0][::-1] if name == "visitor_id" and value else value

    here = mapped(rows_of(built.plain(seed)), lambda name, value: value)
    assert_same_rows(here, mapped(rows_of(other), by_the_old_name), {"file_id", "kept_file_id", "content_hash"})


ADD_UP = {
    *("daily_summary", "daily_outcomes", "daily_breakdowns", "daily_visitors", "daily_bots", "retention"),
    *("funnel_steps", "funnel_drops", "action_transitions", "action_steps", "session_paths", "path_counts"),
    *("action_friction", "daily_friction", "action_visits", "action_progress", "moment_counts", "seen_counts"),
}


# Their rows compare sessions with others, so other visitors change them. So do dead ends.
COMPARE = {"typical_paths", "progress_changes", "outcome_changes", "opportunities", "next_best_actions"}


@reliability
@each_group
def test_unrelated_visitors_add_their_own_rows_and_counts(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    cases = group(seed)
    strangers = [
        File(f"strangers-{file.source}", file.source, tuple(named(event) for event in file.events if is_few(event)))
        for file in plain_files(seed)
    ]
    alone = rows_of(run(tmp_path / "alone", cases, strangers))
    together = rows_of(run(tmp_path / "together", cases, [*files_of(cases), *strangers]))
    before = built.rows(built.delivered(seed))
    for table, rows in together.items():
        expected = [*before[table], *alone[table]]
        if table in ("agents_seen", "user_agents", "action_labels"):
            expected = list({tuple(sorted(row.items())): row for row in expected}.values())
        elif table in ADD_UP:
            assert added_up(table, rows) == added_up(table, expected), table
            continue
        elif table in COMPARE:
            continue
        rows, expected = ([row for row in side if row.get("signal") != "dead_end"] for side in (rows, expected))
        assert differences({table: rows}, {table: expected}) == {}
    record(metamorphic_comparisons=1)


@reliability
@each_group
def test_each_site_has_the_rows_that_it_has_alone(seed: int, tmp_path: Path) -> None:
    """Both sites have the same visitors and ids, and one of them lacks a third of the events."""
    cases = group(seed)
    first = [file for file in plain_files(seed) if file.source == SOURCE_OF_SITE["main"]]
    second = [
        File(f"second-{file.name}", SOURCE_OF_SITE["second"], tuple(compress(file.events, cycle((1, 1, 0)))))
        for file in first
    ]
    together = rows_of(run(tmp_path / "together", cases, [*first, *second]))
    for site, files in (("main", first), ("second", second)):
        alone = rows_of(run(tmp_path / site, cases, files))
        with_a_site = {table for table in alone if "site" in {column.name for column in TABLES[table].columns}}
        here = {table: [row for row in together[table] if row["site"] == site] for table in with_a_site}
        assert_same_rows(here, {table: alone[table] for table in with_a_site})


def named(event: Event) -> Event:
    return event | {"visitor_id": f"stranger {event['visitor_id']}"}


def is_few(event: Event) -> bool:
    return str(event["visitor_id"]) < "0030"


def added_up(table: str, rows: Iterable[Mapping[str, Any]]) -> Mapping[tuple[Any, ...], Mapping[str, Any]]:
    """Return counts and values, summed for each key. Rates are left out, because they are computed from these."""
    contract = TABLES[table]
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for row in rows:
        dated = (contract.date_column,) if contract.date_column else ()
        key = tuple(row[name] for name in (*dated, *contract.key))
        of_key = sums.setdefault(key, Counter())
        for name, value in row.items():
            if name == "value" or (name.endswith("_count") and name not in (*contract.key, "dead_end_count")):
                of_key[name] += value or 0
    return sums
