"""Tests what a run of the command line does before its first job: lock, Dagster, waiting, errors, alerts."""

import json
import re
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.cli.exclusive_runs import exclusive_run
from session_pipeline.cli.progress import Stages
from session_pipeline.defs import alerts, dead_runs, local_runs
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import HistoryError, MemoryTooSmallError, StoreHeldError
from session_pipeline.run.opened import open_folder, open_store
from session_pipeline.run.run import Run
from session_pipeline.store import locks
from session_pipeline.store.catalog_file import RUN_IS_OPEN
from session_pipeline_tests.built_week import UNTIL, day_of_events
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.shop_commands import call


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    made = Deployment(tmp_path / "data", only=("events",))
    made.deliver("day-5", day_of_events(5))
    made.run(UNTIL)
    made.deliver("day-6", day_of_events(6))
    return made


def is_locked(deployment: Deployment) -> bool:
    with closing(open_store(deployment.folder)) as store:
        try:
            with store.writing():
                return False
        except StoreHeldError:
            return True


class Steps:
    """Notes what a run does before its first job and at its end, in order."""

    def __init__(self, deployment: Deployment, patch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        fail, read_ahead = dead_runs.fail_dead_runs, Run.read_ahead

        def failing(*arguments: Any, is_held: bool = False) -> int:
            self.names.append(f"dead runs, {'held' if is_held else 'not held'}")
            assert is_held <= is_locked(deployment)
            return fail(*arguments, is_held=is_held)

        def reading(run: Run) -> None:
            self.names.append("read ahead")
            read_ahead(run)

        def sending(*_: Any) -> int:
            self.names.append(f"alerts, {'locked' if is_locked(deployment) else 'free'}")
            return 0

        patch.setattr(dead_runs, "fail_dead_runs", failing)
        patch.setattr(Run, "read_ahead", reading)
        patch.setattr(alerts, "send_new", sending)


@pytest.fixture
def steps(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(deployment, monkeypatch)


def begin(deployment: Deployment, *, reads_ahead: bool = True) -> None:
    """Begin a run and end it."""
    with open_folder(deployment.folder, until=UNTIL) as opened:
        assert not opened.is_done()
        with exclusive_run(opened, reads_ahead=reads_ahead) as (run, _, _):
            assert is_locked(deployment)
            assert run.store.scratch.is_dir()


def left_as_found(deployment: Deployment) -> bool:
    """Return whether the lock is free, nothing is in scratch, and no run counts as broken off."""
    with closing(open_store(deployment.folder)) as store:
        scratch = deployment.folder.store / "scratch"
        return not any(scratch.iterdir()) and not store.catalog.number(RUN_IS_OPEN) and not is_locked(deployment)


def test_run_reads_ahead_before_dagster_and_sends_alerts_after_the_lock(deployment: Deployment, steps: Steps) -> None:
    begin(deployment)
    assert steps.names == ["read ahead", "dead runs, held", "alerts, free"]
    assert left_as_found(deployment)


@pytest.mark.long
def test_run_that_is_not_asked_to_reads_nothing_ahead(deployment: Deployment, steps: Steps) -> None:
    begin(deployment, reads_ahead=False)
    assert steps.names == ["dead runs, held", "alerts, free"]


def test_run_that_waits_opens_dagster_before(
    deployment: Deployment, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stages, "note", lambda shown, sentence: steps.names.append(sentence))
    with closing(open_store(deployment.folder)) as store, ExitStack() as other_run:
        other_run.enter_context(store.writing())
        monkeypatch.setattr(locks, "sleep", lambda seconds: other_run.close())
        begin(deployment)
    assert steps.names[::2] == ["dead runs, not held", "alerts, free"]
    assert re.fullmatch(r"waiting for process \d+ since .*, which is writing the store", steps.names[1])


@pytest.mark.long
def test_run_that_waited_counts_files_that_arrived_during_the_wait(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_run_ends(seconds: float) -> None:
        other_run.close()
        deployment.deliver("day-7", day_of_events(7))
        deployment.run(UNTIL)

    with closing(open_store(deployment.folder)) as store, ExitStack() as other_run:
        other_run.enter_context(store.writing())
        monkeypatch.setattr(locks, "sleep", other_run_ends)
        code, printed, _ = call("run", "--json", "--until", str(UNTIL), "--data", deployment.folder.path)
    assert code == 0
    files = json.loads(printed)["files"]
    assert (files["found_count"], files["read_count"]) == (3, 0)


@pytest.mark.long
def test_broken_history_leaves_the_store_as_it_was(
    deployment: Deployment, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: object) -> None:
        raise HistoryError("broken")

    monkeypatch.setattr(local_runs, "instance_of", broken)
    with pytest.raises(HistoryError, match="broken"):
        begin(deployment)
    assert left_as_found(deployment)


@pytest.mark.long
def test_error_at_the_beginning_does_not_stop_alerts(
    deployment: Deployment, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_small(engine: DuckDBEngine, *_: object) -> None:
        raise MemoryTooSmallError("too small")

    monkeypatch.setattr(DuckDBEngine, "__init__", too_small)
    with pytest.raises(MemoryTooSmallError, match="too small"):
        begin(deployment)
    assert steps.names == ["dead runs, not held", "alerts, free"]
