"""Tests the alerts of runs: each failed run and check is sent once, however the run was started."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import pytest
from dagster._core.events import EngineEventData
from dagster._utils.error import serializable_error_info_from_exc_info

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import alerts as alert_history
from session_pipeline.defs import local_runs, resources
from session_pipeline.defs.dead_runs import MESSAGE, PROCESS, fail_dead_runs
from session_pipeline.errors import DiskFullError, MemoryTooSmallError, SettingsError
from session_pipeline.run.pipeline import open_run
from session_pipeline.settings import AlertSettings, load_settings
from session_pipeline_tests import process_names
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.crashes.killed_runs import PROCESSES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.listeners import Listener, received_alerts
from session_pipeline_tests.orchestration import SMALL, Orchestrated, orchestrated, shop_lines

DAY = date(2024, 5, 6)


# Runs


@pytest.fixture(scope="module")
def built_day(tmp_path_factory: pytest.TempPathFactory) -> Orchestrated:
    """One ingested and built day, for tests to copy."""
    folder = tmp_path_factory.mktemp("alerts")
    settings = {**SMALL, "alerts": {"command": list(Listener(folder / "listener").command)}}
    with orchestrated(folder / "data", settings) as made:
        made.deliver(str(DAY), shop_lines(DAY))
        assert made.ingest().success
        assert made.build().success
        look_at(made)
    return made


@pytest.fixture
def deployment(built_day: Orchestrated, tmp_path: Path, listener: Listener) -> Iterator[Orchestrated]:
    """A copy of the day with its run history and its own listener."""
    settings = {**SMALL, "alerts": {"command": list(listener.command)}}
    with orchestrated(tmp_path / "data", settings, copy_of=built_day) as made:
        assert look_at(made) == []
        assert listener.heard() == []
        yield made


def look_at(deployment: Orchestrated) -> list[str]:
    """Look for alerts and return the log messages."""
    said: list[str] = []
    alert_history.send_new(
        deployment.instance, deployment.folder, load_settings(deployment.folder.path).alerts, said.append
    )
    return said


def tick(deployment: Orchestrated) -> str | None:
    definitions = deployment.definitions()
    with dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context:
        return definitions.resolve_sensor_def("alerts").evaluate_tick(context).skip_message


def lose_a_line(deployment: Deployment) -> None:
    with open_run(deployment.folder, run_id="test") as run:
        [partition] = [found for found in run.store.of_table("raw_events") if found.key.date == DAY]
        run.store.commit([], run_id="test", drop=[partition.key])


@pytest.mark.long
def test_failed_check_and_the_run_it_stopped_are_sent_once(deployment: Orchestrated, listener: Listener) -> None:
    loaded = deployment.definitions()  # definitions loaded later lack the partition of the lost line's day
    lose_a_line(deployment)
    names = ("events", "duplicate_events", "open_sessions", "recent_event_ids")
    for _ in range(2):
        deployment.by_hand(DAY + timedelta(days=1), *names, definitions=loaded)
        assert look_at(deployment) == []
    check, *others = [one for one in listener.heard() if one["what"].startswith("check")]
    assert others == []
    assert {
        name: check[name] for name in ("what", "check", "table", "severity", "launched_by", "first_day", "last_day")
    } == {
        "what": "check_failed",
        "check": "ledger_closes",
        "table": "events",
        "severity": "error",
        "launched_by": "manual",
        "first_day": "2024-05-07",
        "last_day": "2024-05-07",
    }
    assert check["sentence"].startswith(f"raw/test/{DAY}.jsonl: the store has 0 accepted and 0 quarantined")
    assert check["data_folder"] == str(deployment.folder.path)
    assert deployment.instance.get_run_by_id(check["run_id"]) is not None
    assert check["time"].endswith("+00:00")


@pytest.mark.long
def test_warning_is_sent_as_a_warning(deployment: Orchestrated, listener: Listener) -> None:
    (deployment.folder.raw / "test" / "picture.png").write_bytes(b"\x89PNG")
    assert deployment.ingest().success
    assert tick(deployment) == "alerts sent: 1"
    [warned] = listener.heard()
    assert (warned["what"], warned["check"], warned["severity"]) == ("check_warned", "set_aside_rate", "warn")
    assert "test/picture.png: " in warned["sentence"]
    assert warned["job"] == "ingest"
    assert deployment.ingest().success
    assert tick(deployment) == "no new alert"
    (deployment.folder.raw / "test" / "picture.png").unlink()
    assert deployment.ingest().success
    assert tick(deployment) == "no new alert"
    assert listener.heard() == []


@pytest.mark.long
def test_repeated_run_failure_is_sent_once_until_success(deployment: Orchestrated, listener: Listener) -> None:
    settings, definitions = deployment.folder.settings.read_text(), deployment.definitions()
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    for _ in range(2):
        assert not deployment.execute("ingest", {}, definitions=definitions).success
    deployment.folder.settings.write_text(settings)
    look_at(deployment)
    [failed] = listener.heard()
    assert (failed["what"], failed["job"], failed["severity"]) == ("run_failed", "ingest", "error")
    assert "sessions.inactivity_minuts is an unknown setting; did you mean inactivity_minutes?" in failed["sentence"]
    assert deployment.ingest().success
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    assert not deployment.execute("ingest", {}, definitions=definitions).success
    deployment.folder.settings.write_text(settings)
    look_at(deployment)
    assert received_alerts(listener) == [("run_failed", "job ingest")]


@pytest.mark.long
def test_failure_that_differs_only_in_numbers_is_sent_once(
    deployment: Orchestrated, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 100_000
    for reason in (DiskFullError, DiskFullError, MemoryTooSmallError):
        free -= 1

        def fails(*args: Any, free: int = free, reason: Any = reason, **more: Any) -> None:
            raise reason(f"/data/{free}", free) if reason is DiskFullError else reason("2 MB")

        monkeypatch.setattr(resources, "open_run", fails)
        assert not deployment.ingest().success
    look_at(deployment)
    full, small = [one["sentence"] for one in listener.heard()]
    assert full.startswith("cannot write /data/99999: ")
    assert small.startswith("not enough memory")


@pytest.mark.long
def test_loaded_sensor_reports_invalid_settings(deployment: Orchestrated, listener: Listener) -> None:
    definitions = deployment.definitions()
    deployment.folder.settings.write_text("[sessions]\ninactivity_minuts = 30\n")
    assert not deployment.execute("ingest", {}, definitions=definitions).success
    with dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context:
        definitions.resolve_sensor_def("alerts").evaluate_tick(context)
    assert received_alerts(listener) == [("run_failed", "job ingest")]


@pytest.mark.long
@pytest.mark.parametrize("found_by", ["a run", "the sensor"])
def test_dead_run_is_sent(deployment: Orchestrated, listener: Listener, found_by: str) -> None:
    job = deployment.definitions().resolve_job_def("build")
    run_id = str(uuid4())
    died = f"{process_names.before_the_last_boot()}/{run_id}"
    run = deployment.instance.create_run_for_job(job, run_id=run_id, tags={PROCESS: died})
    deployment.instance.report_engine_event("started", run)
    deployment.instance.handle_new_event(_started(run))
    if found_by == "a run":
        assert fail_dead_runs(deployment.instance, deployment.folder) == 1
        look_at(deployment)
    else:
        assert tick(deployment) == "alerts sent: 1"
    [failed] = listener.heard()
    assert (failed["what"], failed["run_id"]) == ("run_failed", run.run_id)
    assert failed["sentence"] == MESSAGE


def _started(run: dg.DagsterRun) -> Any:
    from dagster._core.events import DagsterEvent, DagsterEventType
    from dagster._core.events.log import EventLogEntry

    event = DagsterEvent(event_type_value=DagsterEventType.RUN_START.value, job_name=run.job_name, message="started")
    return EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run.run_id,
        timestamp=0.0,
        dagster_event=event,
        job_name=run.job_name,
    )


@pytest.mark.long
def test_stopped_run_is_not_sent(deployment: Orchestrated, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: Any, **more: Any) -> None:
        raise dg.DagsterExecutionInterruptedError

    monkeypatch.setattr(resources, "open_run", stopped)
    assert not deployment.ingest().success
    look_at(deployment)
    assert listener.heard() == []


@pytest.mark.long
def test_query_that_ctrl_c_interrupts_is_no_failure(
    deployment: Orchestrated, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_a_query(*args: Any, **more: Any) -> None:
        until = monotonic() + 60
        Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with duckdb.connect() as connection:
            while monotonic() < until:
                connection.execute("create or replace table t as select md5(range::varchar) from range(300_000)")
        pytest.fail("it was not interrupted")

    monkeypatch.setattr(resources, "open_run", in_a_query)
    assert not deployment.ingest().success
    look_at(deployment)
    assert listener.heard() == []


@pytest.mark.long
def test_process_that_cannot_load_the_definitions_is_sent_with_the_reason(
    deployment: Orchestrated, listener: Listener
) -> None:
    run = deployment.instance.create_run_for_job(deployment.definitions().resolve_job_def("build"))
    try:
        raise SettingsError("timezone", "is 'Europe/Berln'", "did you mean Europe/Berlin?")
    except SettingsError:
        reason = serializable_error_info_from_exc_info(sys.exc_info())
    deployment.instance.report_engine_event("Could not load job definition.", run, EngineEventData(error=reason))
    deployment.instance.report_run_failed(run, "This run has been marked as failed from outside the execution context.")
    look_at(deployment)
    [failed] = listener.heard()
    assert "timezone is 'Europe/Berln'; did you mean Europe/Berlin?" in failed["sentence"]


@pytest.mark.long
@pytest.mark.parametrize("are_ids_larger", [False, True])
def test_alerts_are_sent_after_the_history_was_deleted(
    deployment: Orchestrated, listener: Listener, are_ids_larger: bool
) -> None:
    (deployment.folder.raw / "test" / "picture.png").write_bytes(b"\x89PNG")
    assert deployment.ingest().success
    look_at(deployment)
    assert len(listener.heard()) == 1
    [before, _] = json.loads((deployment.folder.dagster_home / "alerts.json").read_text())["cursor"]
    for name in ("history", "storage"):
        shutil.rmtree(deployment.folder.dagster_home / name, ignore_errors=True)
    with local_runs.instance_of(deployment.folder) as instance:
        begun = Orchestrated(deployment.folder.path, instance)
        film = deployment.folder.raw / "test" / "film.mov"
        film.write_bytes(b"\0")
        assert begun.ingest().success
        film.unlink()  # so that only the first run has the problem
        if are_ids_larger:
            while instance.event_log_storage.get_maximum_record_id() <= before:
                instance.report_runless_asset_event(dg.AssetObservation("warehouse"))
            assert begun.ingest().success
        ended = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_SUCCESS)
        [record] = instance.fetch_run_status_changes(ended, limit=1).records
        assert (record.storage_id > before) is are_ids_larger
        said: list[str] = []
        settings = AlertSettings(command=listener.command, time_limit_seconds=20)
        alert_history.send_new(instance, deployment.folder, settings, said.append)
        assert said == []
        [warned] = listener.heard()
        assert "film.mov" in warned["sentence"]
        assert "picture.png" not in warned["sentence"], "it was sent before"
        alert_history.send_new(instance, deployment.folder, settings, said.append)
        assert listener.heard() == []


def look_in_this_process(path: Path, said: "SimpleQueue[str]") -> None:
    folder = DataFolder(path)
    with local_runs.instance_of(folder) as instance:
        alert_history.send_new(instance, folder, load_settings(path).alerts, said.put)


@pytest.mark.long
def test_sent_alerts_are_remembered_after_a_restart(deployment: Orchestrated, listener: Listener) -> None:
    (deployment.folder.raw / "test" / "picture.png").write_bytes(b"\x89PNG")
    assert deployment.ingest().success
    look_at(deployment)
    assert len(listener.heard()) == 1
    said = PROCESSES.SimpleQueue()
    processes = [PROCESSES.Process(target=look_in_this_process, args=(deployment.folder.path, said)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert said.empty()
    assert listener.heard() == []


# The command line


def session_pipeline(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return run_program(*arguments, COLUMNS="200")


def run_with_nothing_to_do(deployment: Orchestrated) -> "subprocess.CompletedProcess[str]":
    """Run the command after everything is published and the copied files are known."""
    deployment.run()
    before = deployment.instance.get_runs_count()
    ran = session_pipeline("run", "--data", deployment.folder.path)
    assert deployment.instance.get_runs_count() == before
    return ran


@pytest.mark.long
def test_sensor_does_not_repeat_alerts_of_a_command_line_run(deployment: Orchestrated, listener: Listener) -> None:
    deployment.deliver("broken", ["{"] * 40)
    ran = session_pipeline("run", "--data", deployment.folder.path)
    assert ran.returncode == 0, ran.stderr
    [warned] = [one for one in listener.heard() if one["check"] == "set_aside_rate"]
    assert "40 of 40 lines were quarantined" in warned["sentence"]
    assert warned["launched_by"] == "command line"
    assert tick(deployment) == "no new alert"
    assert listener.heard() == []


@pytest.mark.long
def test_failed_alert_command_does_not_fail_the_run(deployment: Orchestrated, listener: Listener) -> None:
    listener.answers(7)
    deployment.deliver("broken", ["{"] * 40)
    ran = session_pipeline("run", "--data", deployment.folder.path)
    assert ran.returncode == 0, ran.stderr
    assert "[alerts] command ended with 7; the alert is: raw/test/broken.jsonl: " in ran.stdout + ran.stderr
    assert "(it will be sent again)" in ran.stdout + ran.stderr


@pytest.mark.long
def test_failed_command_line_run_is_sent(deployment: Orchestrated, listener: Listener) -> None:
    lose_a_line(deployment)
    deployment.deliver("late", shop_lines(DAY, visitors=7)[-1:])
    ran = session_pipeline("run", "--data", deployment.folder.path)
    assert ran.returncode == 1
    assert {("check_failed", "check ledger_closes"), ("run_failed", "job build")} <= set(received_alerts(listener))


@pytest.mark.long
def test_run_with_nothing_to_do_sends_waiting_alerts(deployment: Orchestrated, listener: Listener) -> None:
    run = deployment.instance.create_run_for_job(deployment.definitions().resolve_job_def("build"))
    deployment.instance.report_run_failed(run, "it failed in the UI")
    ran = run_with_nothing_to_do(deployment)
    assert ran.returncode == 0, ran.stderr
    assert received_alerts(listener) == [("run_failed", "job build")]


@pytest.mark.long
def test_check_that_failed_before_fails_a_run_with_nothing_to_do(deployment: Orchestrated) -> None:
    failed = dg.AssetCheckEvaluation(
        check_name="outcomes_add_up",
        asset_key=dg.AssetKey("daily_summary"),
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description="2024-05-06: one session is missing",
        metadata={},
    )
    deployment.instance.report_runless_asset_event(failed)
    ran = run_with_nothing_to_do(deployment)
    assert ran.returncode == 1
    assert "1 check failed: outcomes_add_up: 2024-05-06: one session is missing" in ran.stderr.replace("\n", " ")
