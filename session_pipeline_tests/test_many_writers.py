"""Tests concurrent processes that run different and equal days of one data folder: the result equals one clean run."""

import os
import re
import shutil
import traceback
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import session_pipeline
from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import broken_history, home
from session_pipeline.run.pipeline import open_store
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.commands import run_at_once
from session_pipeline_tests.crashes.killed_runs import LONGEST_SECONDS, PROCESSES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.reliability.figures import effort, record

pytestmark = pytest.mark.usefixtures("forked")

PROCESS_COUNT = 4
DAYS = [date(2024, 3, day) for day in range(4, 10)]
LAST = date(2024, 3, 10)
SETTINGS = {
    "start_date": DAYS[0],
    "funnels": [
        {
            "name": "checkout",
            "grain": "visitor",
            "window_seconds": 2 * 86_400,
            "steps": [
                {"name": "view", "where": "event_name = 'page_view'"},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
        }
    ],
}
# Everything that a run may print on standard error if it is not a terminal.
SAID = re.compile(
    r"waiting for process \d+ since [\d: -]+ UTC, which is writing the store"
    r"|Reading: \d+ files?|Building: \d+ steps?|Publishing"
)


def visits(name: str, day: date, hour: int = 10) -> list[dict[str, Any]]:
    """Return three sessions of a day; the last continues past midnight and has a purchase."""
    return [
        {
            "event_id": f"{name} {day} {visitor} {number}",
            "visitor_id": f"visitor {visitor}",
            "event_time": f"{day}T{23 if visitor == 2 else hour + visitor}:{40 + number}:00Z",
            "event_name": event_name,
            "page_url": f"https://shop.example/{name}/{number}",
            "value": 10 if event_name == "purchase" else None,
        }
        for visitor in range(3)
        for number, event_name in enumerate(["page_view", "page_view", "purchase"][: visitor + 1])
    ]


def at_once(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Call a function in one process for each element of `arguments`; all start at the same moment."""
    together, errors = PROCESSES.Barrier(len(arguments)), PROCESSES.SimpleQueue()
    children = [
        PROCESSES.Process(target=_call, args=(together, errors, target, given), daemon=True) for given in arguments
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(LONGEST_SECONDS)
    assert errors.empty(), errors.get()
    assert [child.exitcode for child in children] == [0] * len(children)


def _call(together: Any, errors: Any, target: Callable[..., None], given: tuple[Any, ...]) -> None:
    together.wait(LONGEST_SECONDS)
    try:
        target(*given)
    except BaseException:
        errors.put(traceback.format_exc())


def published(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows that readers see, without history tables and publication times."""
    names = [name for name, contract in TABLES.items() if contract.is_published and not contract.is_log]
    with session_pipeline.connect(folder) as warehouse:
        return {
            name: sorted(warehouse.execute(f"from {name}").fetchall(), key=repr)
            for name in names
            if name != "warehouse_info"
        }


def assert_as_a_clean_run(deployment: Deployment, folder: Path) -> None:
    again = Deployment(folder)
    shutil.copytree(deployment.folder.raw, folder / "raw")
    shutil.copyfile(deployment.folder.settings, again.folder.settings)
    again.run(LAST)
    assert deployment.hashes() == again.hashes()
    assert published(deployment.folder.path) == published(folder)


def _deliver_and_run(folder: Path, name: str, day: date, until: date) -> None:
    deployment = Deployment.at(folder)
    deployment.in_two_threads = True
    deployment.deliver(name, visits(name, day))
    deployment.run(until)


def _open_store(folder: Path, count: int) -> None:
    for number in range(count):
        open_store(DataFolder(folder / str(number))).close()


def _open_instances(folder: Path, count: int) -> None:
    from session_pipeline.defs import local_runs

    for number in range(count):
        with local_runs.instance_of(DataFolder(folder / str(number))) as instance:
            assert instance.get_run_records(limit=1) == []
            assert not instance.telemetry_enabled  # set in dagster.yaml, which must never be read half-written


def test_new_store_is_opened_by_many_processes(tmp_path: Path) -> None:
    at_once(_open_store, [(tmp_path, 8)] * PROCESS_COUNT)


@pytest.mark.long
def test_two_concurrent_runs_equal_a_clean_run(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    at_once(_deliver_and_run, [(tmp_path / "data", f"file {day}", day, LAST) for day in DAYS[:2]])
    deployment.run(LAST)
    assert_as_a_clean_run(deployment, tmp_path / "clean")


def _start_dagster(folder: Path, count: int) -> None:
    """Open the instances of new folders as the webserver and the daemon do."""
    import dagster as dg

    for number in range(count):
        for name, value in home.prepare(DataFolder(folder / str(number))).items():
            os.environ[name] = value
        with dg.DagsterInstance.get() as instance:
            assert instance.get_run_records(limit=1) == []
            assert instance.all_instigator_state() == []


@pytest.mark.reliability
@pytest.mark.parametrize("opened", [_open_instances, _start_dagster], ids=["commands", "webserver and daemon"])
def test_new_dagster_tables_are_created_by_many_processes(tmp_path: Path, opened: Callable[[Path, int], None]) -> None:
    at_once(opened, [(tmp_path, 5)] * PROCESS_COUNT)
    for number in range(5):
        assert broken_history.broken(DataFolder(tmp_path / str(number)).dagster_home) is None


@pytest.mark.reliability
def test_concurrent_runs_of_various_days_equal_a_clean_run(tmp_path: Path) -> None:
    for number in range(effort()):
        folder = tmp_path / f"data {number}"
        deployment = Deployment(folder, SETTINGS)
        for turn, (one, other) in enumerate([(DAYS[1], LAST), (DAYS[4], LAST), (LAST, LAST), (DAYS[2], DAYS[3])]):
            last_days = [one, one, other, other]
            at_once(
                _deliver_and_run,
                [
                    (folder, f"{turn} {process}", DAYS[(turn + process) % len(DAYS)], until)
                    for process, until in enumerate(last_days)
                ],
            )
            record(concurrent_runs=len(last_days))
            deployment.run(LAST)
            assert_as_a_clean_run(deployment, tmp_path / f"clean {number} {turn}")


def commands_at_once(folder: Path, last_days: Sequence[date]) -> list[str]:
    """Run `session-pipeline run` in one process for each last day; return what they print."""
    commands = [("run", "--data", folder, "--until", str(until)) for until in last_days]
    ended = run_at_once(commands, seconds=LONGEST_SECONDS)
    for one in ended:
        assert one.returncode == 0, one.stderr
        assert [line for line in one.stderr.splitlines() if not SAID.fullmatch(line)] == []
    record(concurrent_runs=len(last_days))
    return [one.stdout for one in ended]


@pytest.mark.reliability
def test_concurrent_commands_of_various_days_equal_a_clean_run(tmp_path: Path) -> None:
    from session_pipeline.defs import history

    for number in range(effort()):
        deployment = Deployment(tmp_path / f"data {number}", SETTINGS)
        folder = deployment.folder.path
        for day in DAYS:
            deployment.deliver(f"file {day}", visits("first", day))
        commands_at_once(folder, [DAYS[2], LAST, DAYS[2], LAST])
        deployment.deliver("late", visits("late", DAYS[1], hour=15))
        outputs = commands_at_once(folder, [LAST] * PROCESS_COUNT)
        assert sum("nothing, all days are up to date" in out for out in outputs) == PROCESS_COUNT - 1  # others waited

        assert deployment.plan(LAST).is_empty
        assert report.is_current(deployment.folder)
        assert_as_a_clean_run(deployment, tmp_path / f"clean {number}")
        assert {run.status for run in history.last_runs(deployment.folder, 100)} == {"success"}
