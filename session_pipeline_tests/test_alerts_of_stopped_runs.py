"""Tests alerts of runs whose events a test reports: canceled in the UI, killed under a code server, or very many."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils import get_run_crash_explanation

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import alerts, tags
from session_pipeline.settings import AlertSettings
from session_pipeline_tests.listeners import Listener
from session_pipeline_tests.orchestration import instance_in

DAY = "2024-05-06"
OF_THE_DAY = {tags.RANGE_START: DAY, tags.RANGE_END: DAY}


@dg.job
def build() -> None:
    """A job without ops: the tests report the events of its runs."""


class Watched:
    """A history of runs, and what its alert command receives."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = DataFolder(folder / "data")
        self.instance = instance
        self.listener = Listener(folder / "listener")

    def run(self) -> dg.DagsterRun:
        return self.instance.create_run_for_job(build, tags=OF_THE_DAY)

    def report_check(self, run: dg.DagsterRun, *problems: str) -> None:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("sessions"),
            check_name="sessions_cover_events",
            passed=not problems,
            metadata={"problems": dg.JsonMetadataValue(list(problems))} if problems else {},
            description="; ".join(problems) or "they agree",
        )
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
        event = dg.DagsterEvent(kind, run.job_name, event_specific_data=evaluation)
        self.instance.report_dagster_event(event, run.run_id)

    def heard(self) -> list[dict[str, Any]]:
        """Look for new alerts, and return those that were sent."""
        problems: list[str] = []
        settings = AlertSettings(command=self.listener.command, time_limit_seconds=20)
        alerts.send_new(self.instance, self.folder, settings, problems.append)
        assert problems == []
        return self.listener.heard()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with instance_in(DataFolder(tmp_path / "data")) as instance:
        yield Watched(tmp_path, instance)


def test_failed_check_of_a_canceled_run_is_sent_and_the_cancel_is_not(watched: Watched) -> None:
    canceled = watched.run()
    watched.report_check(canceled, f"{DAY}: 1 session differs")
    watched.instance.report_run_canceled(canceled)
    [alert] = watched.heard()
    assert (alert["what"], alert["run_id"]) == ("check_failed", canceled.run_id)
    assert alert["sentence"] == f"{DAY}: 1 session differs"
    canceled_later = watched.run()
    watched.instance.report_run_canceled(canceled_later)
    assert watched.heard() == []


def test_alert_of_a_killed_run_worker_says_how_it_ended(watched: Watched) -> None:
    killed = watched.run()
    # What the code server of a webserver or daemon does.
    end = get_run_crash_explanation(f"Run execution process for {killed.run_id}", -9)
    watched.instance.report_engine_event(f"[DagsterApiServer] {end}", killed)
    watched.instance.report_run_failed(killed)
    [alert] = watched.heard()
    assert alert["what"] == "run_failed"
    assert alert["sentence"] == (
        "The process of this run was terminated by signal 9 (SIGKILL). What it built is kept, and the next run builds"
        " the rest."
    )


def test_alerts_of_more_runs_than_are_examined_at_once_are_sent_later(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that ended in different ways are examined in the order in which they ended, so that none is left out."""
    watched.instance.report_run_failed(watched.run())
    monkeypatch.setattr(alerts, "PAGE", 2)
    assert len(watched.heard()) == 1
    for reason in ("a", "b", "c"):
        failed = watched.run()
        watched.report_check(failed, f"{DAY}: {reason}")
        watched.instance.report_run_failed(failed)
    watched.instance.report_run_canceled(watched.run())
    sent = [alert["sentence"] for alert in (*watched.heard(), *watched.heard()) if alert["what"] == "check_failed"]
    assert sent == [f"{DAY}: a", f"{DAY}: b", f"{DAY}: c"]


def test_first_look_examines_the_latest_runs(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "FIRST_RUNS", 2)
    for reason in ("a", "b", "c"):
        ended = watched.run()
        watched.report_check(ended, f"{DAY}: {reason}")
        watched.instance.report_run_canceled(ended)
    assert [alert["sentence"] for alert in watched.heard()] == [f"{DAY}: b", f"{DAY}: c"]
    assert watched.heard() == []
