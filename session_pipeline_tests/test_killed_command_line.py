"""Tests runs of the command line that are killed or interrupted: the next run needs no manual repair."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import dagster as dg
import pytest

from session_pipeline.defs import dead_runs
from session_pipeline.run.pipeline import open_store
from session_pipeline.store import crash_points
from session_pipeline_tests.checked_stores import WEEKS, change
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.dying_runs import FAILURE, SUCCESS, ignore_interrupts, recovered, three_days
from session_pipeline_tests.orchestration import COMMAND, Orchestrated, command_line, orchestrated
from session_pipeline_tests.reliability.figures import effort
from session_pipeline_tests.servers import PATIENCE


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Orchestrated]:
    with three_days(tmp_path / "data") as made:
        yield made


@pytest.mark.long
def test_background_run_ends_on_interrupt(deployment: Orchestrated) -> None:
    with closing(open_store(deployment.folder)) as store, store.writing():
        waiting = subprocess.Popen(
            [*COMMAND, "run", "--data", str(deployment.folder.path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=ignore_interrupts,
        )
        with waiting:
            assert waiting.stderr is not None
            assert any("waiting for process" in line for line in waiting.stderr)
            waiting.send_signal(signal.SIGINT)
            waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == 130


@pytest.mark.reliability
def test_repeatedly_killed_run_ends_equal_to_a_clean_run(deployment: Orchestrated) -> None:
    last = len(places_of_a_run(deployment))
    kills = 3 * effort()
    # At the first crash point, then at consecutive crash points, so that each kill is at another point of a commit.
    killed_at_each(deployment, [1, *(last // (kills + 1) + number for number in range(kills - 1))])


def places_of_a_run(deployment: Orchestrated) -> list[str]:
    """Return the crash points that an undisturbed run reaches."""
    with orchestrated(deployment.folder.path.parent / "counted", copy_of=deployment) as copy:
        log = copy.folder.path.parent / "places"
        assert command_line(copy, **{crash_points.CRASH_AT: "0", crash_points.CRASH_LOG: str(log)}).returncode == 0
        return log.read_text().splitlines()


def killed_at_each(deployment: Orchestrated, places: list[int]) -> None:
    """Run the command line once per crash point and kill it there, then run it once without a kill."""
    died: set[str] = set()
    for place in places:
        assert command_line(deployment, **{crash_points.CRASH_AT: str(place)}).returncode == -signal.SIGKILL
        open_runs = deployment.instance.get_runs(dg.RunsFilter(statuses=dead_runs.WITH_A_PROCESS))
        assert died.isdisjoint(run.run_id for run in open_runs), "the start after it failed the dead run"
        died |= {run.run_id for run in open_runs}  # empty if it was killed before or between the runs of its jobs
    assert died
    started = monotonic()
    ended = command_line(deployment)
    recovered(deployment, len(died), monotonic() - started)
    assert ended.returncode == 0, ended.stderr
    ends = {run.run_id: run.status for run in deployment.instance.get_runs()}
    assert set(ends.values()) == {SUCCESS, FAILURE}
    assert {run_id for run_id, status in ends.items() if status is FAILURE} == died, "and no other"
    assert all(run.remote_job_origin is not None for run in deployment.instance.get_runs())


@pytest.mark.long
def test_days_of_a_killed_run_are_checked_before_they_are_published(four_weeks: Deployment, tmp_path: Path) -> None:
    killed = four_weeks.copied_to(tmp_path / "data")
    # As if a run with a faulty model was killed after its last step, so that nothing is stale.
    change(
        killed, "daily_summary", "select * replace (session_count + 1 as session_count) from daily_summary", WEEKS[0]
    )
    ended = command_line(killed, COLUMNS="200")
    assert ended.returncode == 1
    assert f"failed: outcomes_add_up: {WEEKS[0]}, main: 5 in sessions" in ended.stderr
