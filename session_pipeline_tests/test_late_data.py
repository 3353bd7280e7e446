"""Tests late deliveries: the days in the plan, what is built, what changes, and which sessions are replaced.

Each case of late_deliveries.py adds a few late lines to a built week. The inputs of each step are listed there a second
time. The test therefore finds days that are built needlessly as well as days that are missed.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.build.plan import Certainty, Kind
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment, by_step
from session_pipeline_tests.late_deliveries import (
    BASE,
    BUILT_DAYS,
    CASES,
    CLOSES_THE_OLD_DAYS,
    GIVES,
    OLD_DAYS,
    READS,
    SETTINGS,
    UNDATED_READERS,
    Case,
)
from session_pipeline_tests.reliability.figures import record

UNTIL = date(2026, 10, 12)


@dataclass(frozen=True)
class Week:
    """A built week and its partitions. Tests must not write to it."""

    deployment: Deployment
    partitions: Mapping[tuple[str, date | None], str] = field(repr=False)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Week]:
    weeks = {}
    for timezone in sorted({case.timezone for case in CASES}):
        deployment = Deployment(tmp_path_factory.mktemp("week"), settings_of(timezone))
        deployment.deliver("base", BASE)
        deployment.run(UNTIL, publishes=False)
        weeks[timezone] = Week(deployment, partitions_of(deployment))
    return weeks


# The long tests have every fourth case, the reliability tests the others.
PARAMETERS = [
    pytest.param(case, id=case.name, marks=pytest.mark.reliability if number % 4 else pytest.mark.long)
    for number, case in enumerate(CASES)
]


@pytest.mark.parametrize("case", PARAMETERS)
def test_late_delivery_builds_exactly_what_it_can_change(case: Case, weeks: Mapping[str, Week], tmp_path: Path) -> None:
    week = weeks[case.timezone]
    deployment = week.deployment.copied_to(tmp_path / "week")
    deployment.deliver("late", case.late, case.source)

    named, reasons, built = run(deployment)
    partitions = partitions_of(deployment)
    changed = {key for key, sha256 in partitions.items() if week.partitions.get(key) != sha256}

    will: set[tuple[str, date | None]] = {(step, day) for day in case.touched for step in ("agents_seen", "sessionize")}
    will |= {(step, day) for day in case.new_days for step in READS}
    wanted = (*case.new_days, *BUILT_DAYS)
    assert named[Certainty.WILL] == will
    assert named[Certainty.MAY] == below(will, wanted) - will
    assert set(reasons) == ({"raw_events changed"} if case.touched else set()) | (
        {"new day"} if case.new_days else set()
    )
    assert changed == case.changed_partitions
    assert week.partitions.keys() <= partitions.keys()
    assert sorted(built, key=str) == sorted(will | readers(changed, wanted), key=str)

    assert replaced_in(deployment) == sorted(case.replaced, key=str)
    for day, reason, file in causes_in(deployment):
        assert file == f"file {case.source}/late.jsonl"
        assert reason == (file if day in case.touched else f"{file} (lines of other days)")
    assert_equal_to_a_clean_run(deployment, tmp_path / "clean")
    record(late_data_cases=1)


def run(
    deployment: Deployment,
) -> tuple[dict[Certainty, set[tuple[str, date | None]]], list[str], list[tuple[str, date | None]]]:
    """Run once; return what the plan lists as certain and as possible, the reasons, and what was built."""
    named: dict[Certainty, set[tuple[str, date | None]]] = {certainty: set() for certainty in Certainty}
    with open_run(deployment.folder, run_id="test", until=UNTIL, wait_seconds=60) as run:
        run.ingest()
        plan = run.plan()
        assert plan.unwanted == ()
        assert plan.outdated == ()
        assert {item.kind for item in plan.items} <= {Kind.DATA}
        for item in plan.items:
            named[item.certainty].add((item.step.name, item.day))
        reasons = [item.reason for item in plan.items if item.certainty is Certainty.WILL]
        built = [
            (step.name, result.day)
            for step, days in by_step(plan)
            for result in run.build(step, days)
            if result.was_built
        ]
        assert run.plan().is_empty
    return named, reasons, built


def readers(partitions: set[tuple[str, date | None]], wanted: Sequence[date]) -> set[tuple[str, date | None]]:
    """Return the steps, by day, that read one of these partitions; undated ones with None."""
    found: set[tuple[str, date | None]] = {
        (step, day)
        for day in wanted
        for step, inputs in READS.items()
        for table, offsets in inputs.items()
        if any((table, day + timedelta(days=offset)) in partitions for offset in offsets)
    }
    if CLOSES_THE_OLD_DAYS in wanted and partitions & {("visitor_states", day) for day in OLD_DAYS}:
        found.add(("visitor_states", CLOSES_THE_OLD_DAYS))
    return found | {
        (step, None) for step, (table, days) in UNDATED_READERS.items() if partitions & {(table, day) for day in days}
    }


def below(steps: set[tuple[str, date | None]], wanted: Sequence[date]) -> set[tuple[str, date | None]]:
    """Return the steps, by day, that depend directly or indirectly on these steps; these are included."""
    reached = set(steps)
    while True:
        tables = {(table, day) for step, day in reached for table in GIVES.get(step, (step,))}
        further = readers(tables, wanted) | reached
        if further == reached:
            return reached
        reached = further


def settings_of(timezone: str) -> dict[str, Any]:
    return {"timezone": timezone, **SETTINGS}


def partitions_of(deployment: Deployment) -> dict[tuple[str, date | None], str]:
    """Return the SHA-256 of everything built."""
    store = open_store(deployment.folder)
    delivered = ("raw_events", "source_files", "quarantined_lines")
    found = {
        (key.table, key.date): partition.sha256
        for key, partition in store.partitions.items()
        if key.table not in delivered and not TABLES[key.table].is_log
    }
    store.close()
    return found


def replaced_in(deployment: Deployment) -> list[tuple[Any, ...]]:
    changes = deployment.table("session_changes")
    columns = ["visitor_id", "replaced_session_date", "change", "session_date"]
    return sorted((tuple(row) for row in changes[columns].to_numpy().tolist()), key=str)


def causes_in(deployment: Deployment) -> list[tuple[date, str, str]]:
    """Return the day and the reason of each change, and the reason expected for a day with lines of its file."""
    changes, files = deployment.table("session_changes"), deployment.table("source_files")
    paths = dict(zip(files["file_id"], files["path"], strict=True))
    return [(row["event_date"], row["reason"], f"file {paths[row['file_id']]}") for row in changes.to_dict("records")]


def assert_equal_to_a_clean_run(deployment: Deployment, folder: Path) -> None:
    shutil.copytree(deployment.folder.raw, folder / "raw")
    shutil.copyfile(deployment.folder.settings, folder / "settings.toml")
    clean = Deployment.at(folder)
    clean.run(UNTIL, publishes=False)
    assert deployment.hashes() == clean.hashes()
