"""Tests when the sensors wait: for a run, after a failure, a canceled build, or a build of the same days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline import processes
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import tags, waiting
from session_pipeline.defs.tags import PROCESS
from session_pipeline_tests import process_names
from session_pipeline_tests.orchestration import (
    Orchestrated,
    instance_in,
    orchestrated,
    shop_lines,
)
from session_pipeline_tests.simulation.simulated_clock import simulated
from session_pipeline_tests.ticks import DAY, planned, remember, tick, two_days


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    with two_days(tmp_path_factory.mktemp("delivered") / "data") as deployment:
        yield deployment


@pytest.fixture
def deployment(delivered: Orchestrated, tmp_path: Path) -> Iterator[Orchestrated]:
    """Two days a month apart, ingested but not built."""
    with orchestrated(tmp_path / "data", copy_of=delivered) as copy:
        yield copy


@pytest.mark.parametrize("name", ["landing", "stale_days"])
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_nothing_is_launched_during_a_run(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch, name: str, status: dg.DagsterRunStatus
) -> None:
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0)
    deployment.deliver("new", shop_lines(DAY, visitors=7))
    run_id = remember(deployment, "build", status)
    assert tick(deployment, name).skip_message == f"waits for run {run_id[:8]} ({status.value.lower()})"


def test_dead_run_does_not_block_or_count_as_a_failure(deployment: Orchestrated) -> None:
    run_id = str(uuid4())
    died = {PROCESS: f"{process_names.before_the_last_boot()}/{run_id}", **planned(deployment)}
    remember(deployment, "build", dg.DagsterRunStatus.STARTED, run_id, **died)
    assert len(tick(deployment, "stale_days").run_requests or []) == 2
    run = deployment.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_plan_whose_process_its_code_server_saw_being_killed_waits(deployment: Orchestrated) -> None:
    for _ in range(2):  # as for lack of memory; the second run is Dagster's own retry
        run_id = str(uuid4())
        killed = {PROCESS: f"{processes.own_name()}/{run_id}", **planned(deployment)}
        remember(deployment, "build", dg.DagsterRunStatus.FAILURE, run_id, **killed)
    assert str(tick(deployment, "stale_days").skip_message).startswith(
        "the build of the same plan failed 2 times in a row"
    )


@pytest.mark.long
def test_wait_doubles_with_each_failure_of_the_same_plan(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE):
        remember(deployment, "build", status, **planned(deployment))
    assert str(tick(deployment, "stale_days").skip_message).startswith(
        "the build of the same plan failed 3 times in a row; the next attempt is after "
    )
    assert len(tick(deployment, "stale_days").run_requests or []) == 0
    monkeypatch.setattr(waiting, "LONGEST_WAIT", timedelta(0))
    assert len(tick(deployment, "stale_days").run_requests or []) == 2


@pytest.mark.parametrize(
    ("letters", "minutes"),
    [
        ("FS", 5),
        *(pytest.param(*case, marks=pytest.mark.nightly) for case in (("F", 5), ("FFF", 20))),
        ("FFSFF", 10),
        ("F" * 9, 360),
    ],
)
def test_wait_doubles_from_five_minutes_to_six_hours(letters: str, minutes: int, tmp_path: Path) -> None:
    """S is a run of the plan that succeeded, F one that failed."""
    status = {"S": dg.DagsterRunStatus.SUCCESS, "F": dg.DagsterRunStatus.FAILURE}
    with simulated(datetime.now(UTC)) as clock, instance_in(DataFolder(tmp_path)) as instance:
        for letter in letters:
            instance.add_run(dg.DagsterRun(job_name="build", status=status[letter], tags={tags.PLANNED: "plan"}))
        assert waiting.why_after_run(instance, "build", "another plan") is None
        clock.go_on(timedelta(minutes=minutes - 2))
        assert waiting.why_after_run(instance, "build", "plan") is not None
        clock.go_on(timedelta(minutes=3))  # the database adds the time of the machine, some moments later
        assert waiting.why_after_run(instance, "build", "plan") is None


@pytest.mark.long
def test_failures_of_another_plan_cause_no_wait(deployment: Orchestrated) -> None:
    remember(deployment, "build", dg.DagsterRunStatus.FAILURE, **planned(deployment))
    deployment.deliver("late", shop_lines(date(2024, 5, 20)))
    assert deployment.ingest().success
    assert len(tick(deployment, "stale_days").run_requests or []) == 3


def test_rest_of_a_canceled_build_waits(deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = remember(deployment, "build", dg.DagsterRunStatus.CANCELED, **{tags.PLANNED: "all of it"})
    said = str(tick(deployment, "stale_days").skip_message)
    assert said.startswith(f"run {run_id[:8]} was canceled; the remaining days are built after ")
    monkeypatch.setattr(waiting, "FIRST_WAIT", timedelta(0))
    assert len(tick(deployment, "stale_days").run_requests or []) == 2


@pytest.mark.long
def test_rest_waits_after_a_canceled_run_of_chosen_assets(deployment: Orchestrated) -> None:
    run_id = remember(deployment, "__ASSET_JOB", dg.DagsterRunStatus.CANCELED)
    remember(deployment, "ingest", dg.DagsterRunStatus.SUCCESS)
    assert str(tick(deployment, "stale_days").skip_message).startswith(f"run {run_id[:8]} was canceled")


def test_same_days_are_not_built_again_right_after_a_run(deployment: Orchestrated) -> None:
    remember(deployment, "build", dg.DagsterRunStatus.FAILURE, **planned(deployment))
    remember(deployment, "build", dg.DagsterRunStatus.SUCCESS, **planned(deployment))
    assert str(tick(deployment, "stale_days").skip_message).startswith("the build of the same plan ran just now")
