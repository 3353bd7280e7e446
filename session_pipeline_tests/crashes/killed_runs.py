"""Runs a deployment in a separate process, which can be killed at a crash point or at any moment.

The checks afterwards are in recovery.py.
"""

import multiprocessing
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic

from session_pipeline import report
from session_pipeline.store import crash_points
from session_pipeline_tests.deployment import Deployment

# Children are forked from a process that has loaded the pipeline and runs nothing. They therefore start fast and share
# no thread, lock or connection with the tests.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "session_pipeline.run.pipeline",
        "session_pipeline.cli.runs",
        "session_pipeline.defs.alerts",
        "session_pipeline.defs.dead_runs",
        "session_pipeline.defs.local_runs",
        "session_pipeline.report.figures",
        "session_pipeline.report.page",
        "session_pipeline_tests.deployment",
        "session_pipeline_tests.commands",
        "session_pipeline_tests.crashes.preload",
        __name__,
    ]
)
LONGEST_SECONDS = 300.0
POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Ended:
    """How a run in a separate process ended.

    Attributes:
        was_killed: Whether it died of SIGKILL.
        places: The crash points it reached, in order; if it was killed at one, that is the last.
        error: The error it raised; None if it succeeded or was killed.
    """

    was_killed: bool
    places: Sequence[str]
    error: str | None


@dataclass(frozen=True)
class KillAt:
    """Kills the calling process at a crash point: the n-th of all (from 1), or one of that name. Can be pickled."""

    place: int | str

    def __call__(self) -> None:
        """Watch the crash points of this process from now on."""
        passed, reached = count(1), crash_points.reached

        def watched(place: str) -> None:
            if self.place in (next(passed), place):
                with open(os.environ[crash_points.CRASH_LOG], "a") as places:
                    places.write(f"{place}\n")
                os.kill(os.getpid(), signal.SIGKILL)
            reached(place)

        crash_points.reached = watched


def run_in_child(
    deployment: Deployment,
    until: date | None = None,
    *,
    crash_at: int = 0,
    kill_after: float | None = None,
    kill_when: Callable[[], bool] | None = None,
    writes_report: bool = False,
    prepare: Callable[[], None] | None = None,
) -> Ended:
    """Run a deployment in a separate process, as `Deployment.run` does, and wait for its end.

    Args:
        deployment: The deployment.
        until: The last day to build.
        crash_at: The number (from 1) of the crash point at which it is killed; 0 for none.
        kill_after: The run is killed after this many seconds.
        kill_when: Polled by the caller's process; the run is killed as soon as it returns true.
        writes_report: Whether to write the report at the end, as the command line does.
        prepare: Called in the child before the run. It must be picklable, so not a lambda.
    """
    with tempfile.TemporaryDirectory() as folder:
        places, error = Path(folder) / "places", Path(folder) / "error"
        child = PROCESSES.Process(
            target=_run,
            args=(deployment.folder.path, until, crash_at, str(places), str(error), writes_report, prepare),
            daemon=True,
        )
        child.start()
        _wait(child, kill_after, kill_when)
        return Ended(
            child.exitcode == -signal.SIGKILL,
            places.read_text().splitlines() if places.exists() else [],
            error.read_text() if error.exists() else None,
        )


def places_of(ended: Sequence[Ended]) -> Counter[str]:
    """Return how many runs were killed at each crash point."""
    return Counter(one.places[-1] for one in ended if one.was_killed and one.places)


def _wait(child: BaseProcess, kill_after: float | None, kill_when: Callable[[], bool] | None) -> None:
    deadline = monotonic() + LONGEST_SECONDS
    while kill_when is not None and child.is_alive() and not kill_when() and monotonic() < deadline:
        child.join(POLL_SECONDS)
    child.join(kill_after if kill_after is not None else 0 if kill_when is not None else LONGEST_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        assert kill_after is not None or monotonic() < deadline, f"the run took longer than {LONGEST_SECONDS:.0f} s"


def _run(
    folder: Path,
    until: date | None,
    crash_at: int,
    places: str,
    error: str,
    writes_report: bool,
    prepare: Callable[[], None] | None,
) -> None:
    os.environ[crash_points.CRASH_AT] = str(crash_at)
    os.environ[crash_points.CRASH_LOG] = places
    try:
        if prepare is not None:
            prepare()
        deployment = Deployment.at(folder)
        deployment.in_two_threads = True
        deployment.run(until)
        if writes_report:
            report.write(deployment.folder)
    except BaseException as raised:
        Path(error).write_text(f"{type(raised).__name__}: {raised}")
        raise SystemExit(1) from None
