"""Tests runs that wait for another one, and steps that are built again after an error in the same run."""

import errno
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.build import stale_days
from session_pipeline.publish.publication import Published
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import open_folder, open_run, writing
from session_pipeline.store import store_files
from session_pipeline_tests.deployment import Deployment, by_step, steps_of
from session_pipeline_tests.simulation.simulated_clock import simulated

pytestmark = pytest.mark.long  # each takes seconds

FIRST = date(2026, 10, 5)
UNTIL = date(2026, 10, 25)
SETTINGS = {"start_date": FIRST}
DAYS = [FIRST + number * ONE_DAY for number in (0, 1, 2, 15, 16, 17)]  # two series of neighbours


def lines(days: Sequence[date], user: str | None = None) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"{day} {visitor} {minute}",
            "visitor_id": f"v{visitor}",
            "user_id": user,
            "event_time": f"{day}T1{visitor}:{minute:02}:00Z",
            "event_name": "page_view",
        }
        for day in days
        for visitor in range(3)
        for minute in (0, 10)
    ]


def failing_once(table: str, day: date) -> Callable[[Any, Sequence[Path]], None]:
    """Return `store_files.at_once`, which fails at the first file of a table and day."""
    real, left = store_files.at_once, [1]

    def at_once(sync: Any, paths: Sequence[Path]) -> None:
        if left and any(f"/{table}/" in str(path) and str(day) in str(path) for path in paths):
            left.clear()
            raise OSError(errno.EIO, "Input/output error", str(paths[0]))
        real(sync, paths)

    return at_once


def rebuilt_after_an_error(
    folder: Path, delivered: Sequence[dict[str, Any]], *tables: str
) -> tuple[dict[str, str], int]:
    """Build as a command does, range by range, and each step again after an error; return the hashes and the errors.

    Only these tables are built, and what they are made from.
    """
    deployment = Deployment(folder, SETTINGS)
    deployment.deliver("events", delivered)
    errors = 0
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        plan = run.plan()
        for first, last in plan.ranges():
            for step, planned in by_step(plan):
                if step.name not in steps_of(frozenset(tables)):
                    continue
                days = [day for day in planned if day is None or first <= day <= last]
                try:
                    run.build(step, days)
                except OSError:
                    errors += 1
                    run.build(step, days)
    return deployment.hashes(), errors


def test_step_that_failed_in_a_later_range_reads_its_earlier_days_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster repeats a step in the same process, whose engine has the rows of the stretch that failed."""
    tables = "visitor_states", "session_facts"  # the second reads the first
    expected, errors = rebuilt_after_an_error(tmp_path / "clean", lines(DAYS), *tables)
    assert errors == 0
    monkeypatch.setattr(store_files, "at_once", failing_once("visitor_states", DAYS[3]))
    assert rebuilt_after_an_error(tmp_path / "retried", lines(DAYS), *tables) == (expected, 1)


def test_sessions_over_midnight_survive_an_error_in_the_stretch_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale_days, "first_stretch", lambda days, *_: tuple(islice(days, 2)))
    over_midnight = [
        {"event_id": at, "visitor_id": "late", "event_time": f"{at}Z", "event_name": "page_view"}
        for at in (f"{DAYS[1]}T23:55:00", f"{DAYS[2]}T00:05:00")
    ]
    delivered = [*lines(DAYS[:3]), *over_midnight]
    expected, _ = rebuilt_after_an_error(tmp_path / "clean", delivered, "sessions", "session_outcomes")
    monkeypatch.setattr(store_files, "at_once", failing_once("events", DAYS[2]))
    retried = rebuilt_after_an_error(tmp_path / "retried", delivered, "sessions", "session_outcomes")
    assert retried == (expected, 1)


def test_run_that_waited_uses_the_settings_of_the_run_before(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    deployment.deliver("events", lines(DAYS[:1], user="jane@example.org"))
    deployment.run(UNTIL)
    with open_folder(deployment.folder, until=UNTIL) as opened:
        deployment.set({**SETTINGS, "privacy": {"user_ids": "keyed"}})
        deployment.run(UNTIL)
        before = deployment.hashes()
        with writing(opened, run_id="waited") as run:
            assert run.settings.privacy.user_ids == "keyed"
            assert not run.has_work()
    assert deployment.hashes() == before


def test_run_that_waited_until_after_midnight_keeps_the_new_day(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("sessions",))
    deployment.deliver("events", lines(DAYS[:3]))
    with simulated(datetime(2026, 10, 7, 23, 59, tzinfo=UTC)):
        deployment.run()
        opening = open_folder(deployment.folder)
        opened = opening.__enter__()
    with simulated(datetime(2026, 10, 8, 0, 1, tzinfo=UTC)):
        deployment.run()
        assert set(deployment.table("sessions")["session_date"]) == set(DAYS[:3])
        with writing(opened, run_id="waited") as run:
            assert run.until == DAYS[2]
            assert run.drop_unwanted() == ()
    opening.__exit__(None, None, None)


def test_publication_with_an_earlier_last_day_has_no_later_days(tmp_path: Path) -> None:
    clean, deployment = (Deployment(tmp_path / name, SETTINGS) for name in ("clean", "data"))
    for each, until in ((clean, DAYS[1]), (deployment, DAYS[2])):
        each.deliver("events", lines(DAYS[:3]))
        each.run(until)
    with open_run(deployment.folder, run_id="build", until=DAYS[1]) as run:
        for step, days in by_step(run.plan()):
            run.build(step, days)
        assert isinstance(run.publish(), Published)
        assert not run.has_work()
    assert deployment.hashes() == clean.hashes()


def test_nothing_is_dropped_while_a_day_is_stale(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    deployment.deliver("events", lines(DAYS[:3]))
    deployment.run(DAYS[2])
    before = deployment.hashes()
    with open_run(deployment.folder, run_id="build", until=DAYS[1]) as run:
        assert "is stale" in str(run.publish())
    assert deployment.hashes() == before


def test_build_keeps_published_days_up_to_the_usual_last_day(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    deployment.deliver("events", lines(DAYS[:3]))
    with open_run(deployment.folder, run_id="first", until=DAYS[0]) as run:
        run.keep_published_days()
        assert run.until == DAYS[0]
    deployment.run(DAYS[2])
    at_noon = time(12, tzinfo=UTC)
    for today, last_day in ((DAYS[1], DAYS[0]), (DAYS[2], DAYS[1]), (UNTIL, DAYS[2])):
        with (
            simulated(datetime.combine(today, at_noon)),
            open_run(deployment.folder, run_id="build", until=DAYS[0]) as run,
        ):
            run.keep_published_days()
            assert run.until == last_day
            assert run.planner.frame.until == last_day


def test_run_that_did_not_wait_keeps_what_it_was_given(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("sessions",))
    deployment.deliver("events", lines(DAYS[:1]))
    deployment.run(UNTIL)
    with open_folder(deployment.folder, until=DAYS[1]) as opened:
        settings = opened.settings
        with writing(opened, run_id="at once") as run:
            assert run.settings is settings
    with open_folder(deployment.folder, until=DAYS[1]) as opened:
        deployment.run(UNTIL)
        with writing(opened, run_id="waited") as run:
            assert run.until == DAYS[1]


def test_lake_follows_a_store_that_was_restored_from_a_backup(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    deployment.deliver("events", lines(DAYS[:2]))
    deployment.run(UNTIL)
    lake = {path: path.read_bytes() for path in deployment.folder.lake.rglob("*.parquet")}
    shutil.copytree(deployment.folder.store, tmp_path / "backup")
    deployment.set({**SETTINGS, "sessions": {"inactivity_minutes": 5}})
    deployment.run(UNTIL)
    assert {path: path.read_bytes() for path in deployment.folder.lake.rglob("*.parquet")} != lake
    deployment.set(SETTINGS)
    shutil.rmtree(deployment.folder.store)
    shutil.copytree(tmp_path / "backup", deployment.folder.store)
    deployment.run(UNTIL)
    assert {path: path.read_bytes() for path in deployment.folder.lake.rglob("*.parquet")} == lake
