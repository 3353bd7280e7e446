"""Holds the lock of the store during all jobs of a command, and runs the jobs of Dagster until nothing is stale.

`cli.runs` and `cli.erasing` use it. What each job does is in `run.run` and `build`; the jobs are defined in `defs`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from session_pipeline.build.plan import Plan
from session_pipeline.cli import progress
from session_pipeline.cli.screen import counted
from session_pipeline.defs import tags
from session_pipeline.errors import StoreHeldError
from session_pipeline.publish import published_state
from session_pipeline.reference.days import dates
from session_pipeline.run import pipeline
from session_pipeline.run.opened import OpenFolder
from session_pipeline.run.profile import DAGSTER
from session_pipeline.run.run import Run
from session_pipeline.tables.steps import steps_of

if TYPE_CHECKING:  # importing this imports Dagster, which is slow to load
    from dagster import DagsterInstance

    from session_pipeline.defs.local_runs import LocalRuns

RUN_ID = "command"  # until a Dagster run gives its own
ROUNDS = 3  # rebuilding damaged partitions can make more days stale than the first plan contained


class ExclusiveRun(NamedTuple):
    """A run that holds the lock of the store.

    Attributes:
        run: The run.
        jobs: Launches its Dagster jobs.
        shown: Shows its stages.
    """

    run: Run
    jobs: "LocalRuns"
    shown: progress.Stages


@contextmanager
def exclusive_run(opened: OpenFolder, *, reads_ahead: bool = False) -> Iterator[ExclusiveRun]:
    """Hold the lock of the store during all jobs of a run, so that other runs start before or after it, not between.

    If the lock is free, the run begins before Dagster is loaded, and can read delivered files meanwhile. At the end,
    alerts are sent when the lock is released.

    Args:
        opened: The data folder.
        reads_ahead: Whether delivered files are read next.
    """
    with ExitStack() as after_the_run, ExitStack() as of_the_run:
        try:
            run = of_the_run.enter_context(pipeline.writing(opened, run_id=RUN_ID, wait_seconds=0))
        except StoreHeldError:
            run = None
        except Exception:
            with dagster_instance(opened):  # alerts of runs that others launched
                raise
        try:
            if run is not None and reads_ahead:
                run.read_ahead()
            instance, shown = after_the_run.enter_context(dagster_instance(opened, is_held=run is not None))
        except BaseException:
            of_the_run.close()  # it did nothing, so it is not a run that was killed midway
            raise
        shows = progress.of_run(shown)
        if run is None:  # after Dagster is opened, so that the wait is shown
            run = of_the_run.enter_context(pipeline.writing(opened, run_id=RUN_ID, progress=shows))
        run.progress = shows

        from session_pipeline.defs import local_runs  # Dagster is slow to load

        yield ExclusiveRun(run, local_runs.LocalRuns(run, instance), shown)


@contextmanager
def dagster_instance(
    opened: OpenFolder, *, is_held: bool = False
) -> Iterator["tuple[DagsterInstance, progress.Stages]"]:
    """Open the Dagster instance of a data folder, and report runs of dead processes as failed.

    At the end, also after an error, new alerts are sent to the alert command.

    Args:
        opened: The data folder.
        is_held: Whether this process holds the lock of the store.
    """
    with opened.profile.stage(DAGSTER):
        from session_pipeline.defs import alerts, dead_runs, local_runs  # Dagster is slow to load

    with local_runs.instance_of(opened.folder) as instance, progress.stages() as shown, ExitStack() as at_the_end:
        at_the_end.callback(alerts.send_new, instance, opened.folder, opened.settings.alerts, shown.note)
        dead = dead_runs.fail_dead_runs(instance, opened.folder, is_held=is_held)
        if dead:
            shown.note(f"{counted(dead, 'run')} of dead processes reported as failed")
        yield instance, shown


def work(run: Run, jobs: "LocalRuns", shown: progress.Stages) -> None:
    """Run the jobs until nothing is stale and readers have the result."""
    by_hand = _tags_by_hand(run)
    unpublished = published_state.unpublished_days(run.store)  # of a run that was killed
    jobs.ingest(by_hand)
    for _ in range(ROUNDS):
        plan = run.plan(upgrade=run.upgrade)
        ranges = plan.ranges(unpublished)
        if not ranges:
            break
        unpublished = ()  # checked now
        for first, last in ranges:
            shown.begin("Building", _build_count(plan, first, last))
            reason = tags.UPGRADED if run.upgrade else tags.reason_of(plan, first, last, new_data=tags.COMMAND_LINE)
            jobs.build(tags.run_tags(plan, str(first), str(last), reason, upgrade=run.upgrade))
    if not run.plan(upgrade=run.upgrade).days and run.has_work():
        shown.begin("Publishing")
        jobs.build({**by_hand, tags.PLANNED: "publish"})


def read_new_files(run: Run, jobs: "LocalRuns") -> None:
    """Run the ingest alone. `work` does the rest."""
    jobs.ingest(_tags_by_hand(run))


def _tags_by_hand(run: Run) -> dict[str, str]:
    return {tags.UNTIL: str(run.until), tags.REASON: tags.COMMAND_LINE}


def _build_count(plan: Plan, first: date, last: date) -> int:
    """Return how many steps a run over a range processes; a daily step counts once for each wanted day."""
    days = sum(1 for day in dates(first, last) if plan.frame.is_wanted(day))
    return sum(days if step.is_daily else 1 for step in steps_of(plan.frame.settings))
