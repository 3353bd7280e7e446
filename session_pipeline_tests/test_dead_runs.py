"""Tests which runs are found dead, and that they are failed or canceled; all others are kept."""

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline import processes
from session_pipeline.defs import dead_runs
from session_pipeline.defs.dead_runs import PROCESS, SERVER
from session_pipeline.defs.tags import LATE, REASON
from session_pipeline.run.pipeline import open_store
from session_pipeline_tests import process_names
from session_pipeline_tests.dying_runs import (
    CANCELED,
    FAILURE,
    STARTED,
    STARTING,
    SUCCESS,
    messages,
    status_of,
    three_days,
    wait_until,
)
from session_pipeline_tests.orchestration import QUIET, Orchestrated, failures


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Orchestrated]:
    with three_days(tmp_path / "data") as made:
        yield made


@pytest.fixture
def gone() -> str:
    """The name of a process that has ended."""
    return process_names.dead()


def remember(
    deployment: Orchestrated, status: dg.DagsterRunStatus, process: str | None = None, **run_tags: str
) -> dg.DagsterRun:
    """Add a run to the history, with a tag that names its process if one is given."""
    run_id = str(uuid4())
    signed = {PROCESS: f"{process}/{run_id}"} if process else {}
    run = dg.DagsterRun(job_name="build", run_id=run_id, status=status, tags={**signed, **run_tags})
    deployment.instance.add_run(run)
    return run


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, STARTING, STARTED])
def test_run_with_a_dead_process_is_failed(deployment: Orchestrated, gone: str, status: dg.DagsterRunStatus) -> None:
    run = remember(deployment, status, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE
    ended = deployment.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert dead_runs.has_died(ended)
    said = [entry.message for entry in deployment.instance.all_logs(run.run_id)]
    assert any(dead_runs.MESSAGE in text for text in said)
    assert any(dead_runs.NOT_STARTED in text for text in said) is (status is not STARTED)
    if status is not STARTED:  # for STARTED, Dagster has a start time already, which `remember` does not write
        [record] = deployment.instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
        assert record.start_time is not None, "the UI would say that it failed to start"


def test_run_from_before_the_last_boot_is_failed(deployment: Orchestrated) -> None:
    run = remember(deployment, STARTED, process_names.before_the_last_boot())
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE


def test_dead_run_in_cancellation_is_canceled(deployment: Orchestrated, gone: str) -> None:
    run = remember(deployment, dg.DagsterRunStatus.CANCELING, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is CANCELED
    assert any(dead_runs.MESSAGE in entry.message for entry in deployment.instance.all_logs(run.run_id))


def test_run_that_succeeds_during_the_check_stays_a_success(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = remember(deployment, STARTED, processes.own_name())

    def ends_now(process: str) -> bool:
        ended = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "build")
        deployment.instance.handle_run_event(run.run_id, ended)
        return False

    monkeypatch.setattr(processes, "is_alive", ends_now)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, run) is SUCCESS


def test_runs_of_live_processes_and_other_machines_are_kept(deployment: Orchestrated, gone: str) -> None:
    runs = [
        remember(deployment, STARTED, processes.own_name()),
        remember(deployment, STARTED, process_names.on_another_machine()),
    ]
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert [status_of(deployment, run) for run in runs] == [STARTED, STARTED]
    dead = remember(deployment, STARTED, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert [status_of(deployment, run) for run in (*runs, dead)] == [STARTED, STARTED, FAILURE]


def test_run_in_another_container_is_kept(deployment: Orchestrated) -> None:
    """Its process id says nothing here, and may be that of another process."""
    run = remember(deployment, STARTED, process_names.in_another_container())
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, run) is STARTED


def test_run_without_a_process_and_a_code_server_dies_after_a_long_silence(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = remember(deployment, STARTING)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(0))
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "it can still be started"
    monkeypatch.setattr(dead_runs, "LONGEST_START", timedelta(0))
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE


@pytest.mark.parametrize(("by", "is_retried"), [({}, False), ({REASON: LATE}, True), ({dead_runs.BACKFILL: "b"}, True)])
def test_run_that_was_never_launched_is_not_retried(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch, by: dict[str, str], is_retried: bool
) -> None:
    monkeypatch.setattr(dead_runs, "LONGEST_START", timedelta(0))
    run = remember(deployment, dg.DagsterRunStatus.NOT_STARTED, **by)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    ended = deployment.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is FAILURE
    assert ended.tags.get("dagster/will_retry") == str(is_retried).lower()
    said = [entry.message for entry in deployment.instance.all_logs(run.run_id)]
    assert any(dead_runs.NEVER_LAUNCHED in text for text in said) is not is_retried


def test_retry_with_the_tags_of_a_dead_run_is_kept(deployment: Orchestrated, gone: str) -> None:
    dead = remember(deployment, STARTED, gone)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    ended = deployment.instance.get_run_by_id(dead.run_id)
    assert ended is not None
    again = remember(deployment, STARTING, **ended.tags)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, again) is STARTING
    assert not dead_runs.has_died(again)


def test_queued_run_has_time_to_start(deployment: Orchestrated) -> None:
    run = dg.DagsterRun(job_name="build", run_id=str(uuid4()))
    deployment.instance.run_storage.add_historical_run(run, datetime.now(UTC) - timedelta(hours=1))
    launched = dg.DagsterEvent(event_type_value="PIPELINE_STARTING", job_name="build")
    deployment.instance.report_dagster_event(launched, run.run_id)
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
    assert status_of(deployment, run) is STARTING


def test_run_without_a_process_dies_with_its_code_server(
    deployment: Orchestrated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "server"
    info = f'{{"host": "localhost", "socket": "{path}"}}'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        run = remember(deployment, STARTING, **{SERVER: info})
        monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(0))
        assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "its server watches it"
    store = open_store(deployment.folder)
    with store.writing():
        assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "it may be who holds the store"
    store.close()
    monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(hours=1))
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0, "the server's name may be an old one"
    monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(0))
    assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 1
    assert status_of(deployment, run) is FAILURE


def test_run_without_a_process_is_dead_if_the_caller_holds_the_store(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = remember(deployment, STARTING, **{SERVER: '{"host": "localhost", "socket": "/gone"}'})
    monkeypatch.setattr(dead_runs, "LAUNCH", timedelta(0))
    with closing(open_store(deployment.folder)) as store, store.writing():
        assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder) == 0
        assert dead_runs.fail_dead_runs(deployment.instance, deployment.folder, is_held=True) == 1
    assert status_of(deployment, run) is FAILURE


def test_run_stops_if_it_was_canceled_finished_or_deleted(deployment: Orchestrated) -> None:
    dead_runs.stop_if_ended(deployment.instance, remember(deployment, STARTED).run_id)
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        dead_runs.stop_if_ended(deployment.instance, remember(deployment, dg.DagsterRunStatus.CANCELING).run_id)
    for run_id in (remember(deployment, FAILURE).run_id, str(uuid4())):
        with pytest.raises(dead_runs.RunGivenUpError, match="reported as finished"):
            dead_runs.stop_if_ended(deployment.instance, run_id)


def test_run_reported_as_failed_does_no_more_work(deployment: Orchestrated) -> None:
    run_id, results = str(uuid4()), []
    job = deployment.definitions().resolve_job_def("ingest")

    def work() -> None:
        result = job.execute_in_process(
            instance=deployment.instance, run_id=run_id, run_config=QUIET, raise_on_error=False
        )
        results.append(result)

    store = open_store(deployment.folder)
    with store.writing():
        orphan = Thread(target=work)
        orphan.start()
        wait_until(lambda: any("waiting for process" in text for text in messages(deployment, run_id)), "it waits")
        run = deployment.instance.get_run_by_id(run_id)
        assert run is not None
        assert run.tags[PROCESS] == f"{processes.own_name()}/{run_id}"
        deployment.instance.report_run_failed(run)
    orphan.join()
    assert failures(results[0]) == ["this run was reported as finished while it was still running; it stops now"]
    store.refresh()
    assert not store.partitions
    store.close()
