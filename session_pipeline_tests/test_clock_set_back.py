"""Tests a clock that was a year ahead and is right again: what is recorded in the future causes no wait of a year."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import dead_runs, sensors, tags, waiting
from session_pipeline.defs.local_runs import instance_of
from session_pipeline.run.alerts import Alert, send_new
from session_pipeline.settings import AlertSettings
from session_pipeline_tests.listeners import Listener
from session_pipeline_tests.orchestration import instance_in
from session_pipeline_tests.shop_commands import call
from session_pipeline_tests.simulation.simulated_clock import Clock, simulated

YEAR = timedelta(days=365)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that is a year ahead. It has the real time, as SQLite has, which writes the times of runs."""
    with simulated(datetime.now(UTC)) as ahead:
        yield ahead


@pytest.mark.long
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
def test_sensor_does_not_wait_for_a_run_of_the_future(
    clock: Clock, tmp_path: Path, status: dg.DagsterRunStatus
) -> None:
    with instance_in(DataFolder(tmp_path)) as instance:
        instance.add_run(dg.DagsterRun(job_name="build", status=status, tags={tags.PLANNED: "plan"}))
        assert waiting.why_after_run(instance, "build", "plan") is not None
        clock.go_on(-YEAR)
        assert waiting.why_after_run(instance, "build", "plan") is None


def test_sensor_does_not_wait_after_a_cancel_of_the_future(clock: Clock, tmp_path: Path) -> None:
    with instance_in(DataFolder(tmp_path)) as instance:
        instance.add_run(dg.DagsterRun(job_name="build", status=dg.DagsterRunStatus.CANCELED))
        assert waiting.why_after_cancel(instance) is not None
        clock.go_on(-YEAR)
        assert waiting.why_after_cancel(instance) is None


def test_sensor_does_not_wait_for_a_reload_of_the_future(clock: Clock) -> None:
    cursor = f"{sensors.LOADING}{datetime.now(UTC).isoformat()}"
    assert sensors._is_loading(cursor)
    clock.go_on(-YEAR)
    assert not sensors._is_loading(cursor)


def test_clock_set_back_a_little_still_waits(clock: Clock, tmp_path: Path) -> None:
    with instance_in(DataFolder(tmp_path)) as instance:
        failed = dg.DagsterRun(job_name="build", status=dg.DagsterRunStatus.FAILURE, tags={tags.PLANNED: "plan"})
        instance.add_run(failed)
        clock.go_on(-timedelta(minutes=1))
        assert waiting.why_after_run(instance, "build", "plan") is not None


def test_run_that_never_started_in_the_future_is_dead(clock: Clock, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with instance_of(folder) as instance:
        run = dg.DagsterRun(job_name="build", run_id=str(uuid4()), status=dg.DagsterRunStatus.STARTING)
        instance.add_run(run)
        assert dead_runs.fail_dead_runs(instance, folder, is_held=True) == 0
        clock.go_on(-YEAR)
        assert dead_runs.fail_dead_runs(instance, folder, is_held=True) == 1


def test_alert_that_failed_in_the_future_is_sent(clock: Clock, tmp_path: Path, listener: Listener) -> None:
    settings = AlertSettings(command=listener.command, time_limit_seconds=20)
    alert = Alert("run_failed", "build", "the disk is full")
    said: list[str] = []
    listener.answers(1)
    assert send_new(tmp_path, settings, lambda cursor: ([alert], 1), said.append) == 0
    assert "it will be sent again" in said[0]
    listener.answers(0)
    assert send_new(tmp_path, settings, lambda cursor: ([], 1), pytest.fail) == 0
    clock.go_on(-YEAR)
    assert send_new(tmp_path, settings, lambda cursor: ([], 1), pytest.fail) == 1


def test_status_names_a_publication_of_the_future(shop: Path) -> None:
    with simulated(datetime.now(UTC) - YEAR):
        code, _, err = call("status", "--check", "--data", shop)
        assert code == 1
        assert "later than the clock of this machine; set the clock" in err
        assert "run `session-pipeline run`" not in err
        assert ", later than the clock of this machine, days through" in call("status", "--data", shop)[1]
        assert json.loads(call("status", "--json", "--data", shop)[1])["age_seconds"] < 0
