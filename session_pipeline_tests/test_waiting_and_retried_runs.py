"""Tests runs that wait for another one, and steps that are built again after an error in the same run."""

import errno
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import open_folder, open_run, writing
from session_pipeline.store import store_files
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.simulation.simulated_clock import simulated

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


@pytest.mark.parametrize("table", ["visitor_states", "events", "sessions"])
def test_step_that_failed_at_a_later_stretch_is_built_from_what_is_stored(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster retries a step in the same process, whose engine has the rows of the stretch that failed."""
    clean, retried = (Deployment(tmp_path / name, SETTINGS) for name in ("clean", "retried"))
    for deployment in (clean, retried):
        deployment.deliver("events", lines(DAYS))
    clean.run(UNTIL)
    monkeypatch.setattr(store_files, "at_once", failing_once(table, DAYS[3]))
    failures = 0
    with open_run(retried.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        for step, days in run.plan().by_step:
            try:
                run.build(step, days)
            except OSError:
                failures += 1
                run.build(step, days)
        run.publish()
    assert failures == 1
    assert retried.hashes() == clean.hashes()


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
            assert run.is_done()
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


def test_run_that_did_not_wait_keeps_what_it_was_given(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("sessions",))
    deployment.deliver("events", lines(DAYS[:1]))
    deployment.run(UNTIL)
    with open_folder(deployment.folder, until=DAYS[1]) as opened:
        settings = opened.settings
        with writing(opened, run_id="at once") as run:
            assert run.settings is settings
    with open_folder(deployment.folder, settings, until=DAYS[1]) as opened:
        deployment.run(UNTIL)
        with writing(opened, run_id="waited") as run:
            assert run.settings is settings
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
