"""The commands run (ingest, build and publish) and dev (the Dagster UI).

`run` starts the jobs of Dagster one after the other, under the lock of the store: ingest, then plan and build until
nothing is stale, then publish. What each job does is in `run.run` and `build`; the jobs are defined in `defs`. The
summary that `run` prints is in `cli.summary`.
"""

import errno
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from session_pipeline import interrupts, report
from session_pipeline.build.plan import Plan
from session_pipeline.cli import problems, progress, summary
from session_pipeline.cli.app import AsJson, Data, Until, Upgrade, chosen_folder, ended
from session_pipeline.cli.screen import counted, echo, echo_json
from session_pipeline.defs import home, tags
from session_pipeline.errors import HistoryError, StoreHeldError, WrongUseError
from session_pipeline.ingest.admission.raw_folder import deliveries
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish import publication, published_state
from session_pipeline.reference.days import dates
from session_pipeline.run import pipeline
from session_pipeline.run.opened import OpenFolder
from session_pipeline.run.outcome import Outcome
from session_pipeline.run.pipeline import Run
from session_pipeline.run.profile import DAGSTER, Spent
from session_pipeline.settings import load_settings
from session_pipeline.store.shortage import report_shortage
from session_pipeline.tables.steps import steps_of

if TYPE_CHECKING:  # importing this imports Dagster, which is slow to load
    from dagster import DagsterInstance

    from session_pipeline.defs.local_runs import LocalRuns

RUN_ID = "command"  # until a Dagster run gives its own
ROUNDS = 3  # rebuilding damaged partitions can make more days stale than the first plan contained


def run(
    until: Until = None,
    upgrade: Upgrade = False,
    as_profile: Annotated[bool, typer.Option("--profile", help="Also print the seconds of each stage.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Ingest delivered files, build stale days and publish.

    Also writes the report. The Dagster UI shows each run.
    """
    started = perf_counter()
    # A process started by a script with & ignores SIGINT, and Dagster handles SIGTERM like SIGINT. Without this call,
    # only SIGKILL would end it.
    interrupts.raise_interrupts(even_if_ignored=True)
    folder = chosen_folder(data)
    # The store reports its own disk-full errors. Those that remain are about Dagster's files.
    with report_shortage(folder.dagster_home), ExitStack() as stack:
        last_day = until.date() if until else None
        opened = stack.enter_context(pipeline.open_folder(folder, until=last_day, upgrade=upgrade))
        # Also if there is nothing to do. Without dagster.yaml, webserver and daemon start with Dagster's own defaults;
        # without its folder, they do not start.
        home.prepare(folder)
        exclusive = None if opened.is_done() else stack.enter_context(exclusive_run(opened, reads_ahead=True))
        opened = opened if exclusive is None else exclusive.run
        # If this run waited for another one, that one may have done the work.
        if exclusive is not None and (opened.has_unfinished_erasure() or opened.has_work()):
            work(*exclusive)
            outcome = exclusive.run.outcome
        else:
            outcome = Outcome(files=IngestSummary(found_count=sum(1 for _ in deliveries(folder))))
        if exclusive is None and opened.settings.alerts.command:
            with dagster_instance(opened):  # alerts of runs that others launched
                pass
        plan = opened.plan(upgrade=upgrade)
        if unpublished := publication.why_not(plan):
            raise ended(f"{unpublished}; run again; if this error remains, check the runs in `session-pipeline dev`")
        if not report.is_current(folder):
            report.write(folder, opened.settings)
        if exclusive is not None and opened.has_unfinished_erasure():
            _finish_erasure(exclusive)
        found = problems.find(folder, opened.settings, opened.store, plan, outcome.findings)
        # A check that failed before counts until it passes: the next run of a timer may have nothing to check.
        now_failed = (str(check) for check in outcome.failed_checks if check.is_error)
        errors = [*dict.fromkeys([*now_failed, *found.failed_checks])]
        warnings = _warnings(outcome, found, errors)
        result = summary.gather(opened, outcome, warnings=warnings, seconds=perf_counter() - started)
    _show(result, summary.stages(opened.profile, perf_counter() - started) if as_profile else None, as_json=as_json)
    if errors:
        raise ended(f"{counted(len(errors), 'check')} failed: {'; '.join(errors)}")


def _show(result: summary.Summary, stages: Mapping[str, Spent] | None, *, as_json: bool) -> None:
    """Print the summary of a run, and the time of each stage, unless that is None."""
    if as_json:
        shown = {} if stages is None else {"stages": {name: asdict(spent) for name, spent in stages.items()}}
        echo_json({**result.as_json(), **shown})
        return
    summary.show(result)
    if stages is not None:
        summary.show_stages(stages)


def _warnings(outcome: Outcome, found: problems.Problems, errors: Sequence[str]) -> list[str]:
    """Return what a person should look at after a run, each sentence once: errors, then what may be right."""
    of_checks = [
        str(check)
        for check in outcome.failed_checks
        if not check.is_error and check.name not in problems.COUNTED_HERE and check.sentence not in found.errors
    ]
    return [*dict.fromkeys([*errors, *found.errors, *of_checks, *found.warnings])]


def dev(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 3000, data: Data = None
) -> None:
    """Start the Dagster UI on 127.0.0.1.

    The schedule and the sensors are on, so files delivered while it runs are ingested and built.
    """
    folder = chosen_folder(data)
    load_settings(folder.path)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            problem = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened: {error.strerror}"
            raise WrongUseError(f"port {port} {problem}; name another with --port, such as 3001") from None

    from sqlalchemy.exc import SQLAlchemyError

    from session_pipeline.defs import dead_runs, local_runs

    try:
        with report_shortage(folder.dagster_home):
            local_runs.check_parts_of_processes(folder)
            with local_runs.instance_of(folder) as instance:
                dead_runs.fail_dead_runs(instance, folder)
    except SQLAlchemyError as error:
        why = str(error).splitlines()[0]
        raise HistoryError(
            f"Dagster cannot use its database in {folder.dagster_home} ({why}); check the disk, and whether another"
            " program uses that folder"
        ) from error
    echo(f"The Dagster UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C stops it.")
    sys.stdout.flush()
    interrupts.raise_interrupts(even_if_ignored=True)
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    dagster = ["-m", "dagster", "dev", "-m", "session_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.chdir(folder.path)  # in a folder with a dagster.yaml of another home, as in the repository, Dagster warns
    os.execve(sys.executable, [*python, *dagster], {**os.environ, **home.prepare(folder)})


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


def _finish_erasure(exclusive: ExclusiveRun) -> None:
    from session_pipeline.cli import erasing  # it imports this module

    erasing.finish(exclusive.run, exclusive.jobs.instance)
    exclusive.shown.note("the erasure that was interrupted is finished")


def work(run: Run, jobs: "LocalRuns", shown: progress.Stages) -> None:
    """Run the jobs until nothing is stale and readers have the result."""
    by_hand = {tags.UNTIL: str(run.until), tags.REASON: tags.COMMAND_LINE}
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


def _build_count(plan: Plan, first: date, last: date) -> int:
    """Return how many steps a run over a range processes; a daily step counts once for each wanted day."""
    days = sum(1 for day in dates(first, last) if plan.frame.is_wanted(day))
    return sum(days if step.is_daily else 1 for step in steps_of(plan.frame.settings))
