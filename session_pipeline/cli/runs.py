"""Commands that work: run, and dev, the Dagster UI."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from session_pipeline import data_folder, pipeline, report, settings_warnings
from session_pipeline.cli import planned, progress, summary
from session_pipeline.cli.app import AsJson, Data, Until, Upgrade, ended
from session_pipeline.cli.screen import counted, say, say_json
from session_pipeline.data_folder import DataFolder
from session_pipeline.days import dates
from session_pipeline.defs import home, tags
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.ingest.deliveries import IngestSummary, deliveries
from session_pipeline.plan import Plan
from session_pipeline.publish import publication
from session_pipeline.settings import Settings, load_settings
from session_pipeline.shortage import shortage_said
from session_pipeline.steps import STEPS
from session_pipeline.store import held

if TYPE_CHECKING:  # importing it imports Dagster, which takes its time to load
    from dagster import DagsterInstance

    from session_pipeline.defs.local_runs import Finished

SAID_ANYWAY = (
    "set_aside_rate",
    "built_by_current_rules",
    "settings_match_data",
)  # checks of what the summary says more about
SHOWN_WARNINGS = 10  # about settings
ROUNDS = 3  # what was damaged and mended can make more stale than the first plan knew


def run(until: Until = None, upgrade: Upgrade = False, as_json: AsJson = False, data: Data = None) -> None:
    """Ingest what was delivered, build what is stale, publish.

    Each run is one that the Dagster UI shows. The report is written, too.
    """
    started = perf_counter()
    _end_on_signals()
    folder = data_folder.find(data)
    settings = load_settings(folder.path)
    last_day = pipeline.horizon(settings, until.date() if until else None)

    plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
    files = IngestSummary(found_count=sum(1 for _ in deliveries(folder)))
    finished: list[Finished] = []
    # Of the store it is said already when there is no room; what is left is Dagster's.
    with shortage_said(folder.dagster_home), ExitStack() as our_turn:
        if not _is_done(folder, settings, plan):
            instance, shown = our_turn.enter_context(_our_turn(folder, settings))
            plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
            if not _is_done(folder, settings, plan):  # else the run that was waited for did it
                files, finished, plan = _work(folder, settings, last_day, upgrade, instance, shown)
        if unpublished := publication.why_not(plan):
            raise ended(f"{unpublished}; run again, and if that says the same, look at `session-pipeline dev`")
        if not report.is_current(folder):
            report.write(folder)

        errors = [f"{check}: {sentence}" for one in finished for check, sentence in one.errors.items()]
        warnings = [
            f"{check}: {sentence}"
            for one in finished
            for check, sentence in one.warnings.items()
            if check not in SAID_ANYWAY
        ]
        told = summary.gather(
            folder,
            settings,
            files,
            {one.run_id for one in finished},
            alarms=[
                *errors,
                *warnings,
                *planned.deferred_days(plan),
                *_nothing_delivered(folder, files.found_count),
                *_settings_to_check(folder, settings),
            ],
            seconds=perf_counter() - started,
        )
    if as_json:
        say_json(asdict(told))
    else:
        summary.show(told)
    if errors:
        raise ended(f"{counted(len(errors), 'check')} failed: {'; '.join(errors)}")


def dev(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where on 127.0.0.1.")] = 3000, data: Data = None
) -> None:
    """Open the Dagster UI on 127.0.0.1.

    Schedule and sensors are on, so that what is delivered meanwhile is built.
    """
    folder = data_folder.find(data)
    load_settings(folder.path)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise WrongUseError(f"port {port} is in use; name another with --port") from None

    from session_pipeline.defs import dead_runs, local_runs

    with local_runs.instance_of(folder) as instance:
        dead_runs.fail_dead_runs(instance, folder)
    say(f"The Dagster UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C ends it.")
    sys.stdout.flush()
    _end_on_signals()
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    dagster = ["-m", "dagster", "dev", "-m", "session_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.execve(sys.executable, [*python, *dagster], {**os.environ, **home.prepare(folder)})


def _end_on_signals() -> None:
    """What a script starts with & ignores SIGINT, and Dagster handles SIGTERM as SIGINT: only KILL would end it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _our_turn(folder: DataFolder, settings: Settings) -> Iterator[tuple["DagsterInstance", progress.Stages]]:
    """Hold the store over all jobs of a run, so that another run, of other days perhaps, comes before or after it.

    However they end, their alarms are told after it.
    """
    from session_pipeline.defs import alarms, dead_runs, local_runs  # Dagster takes its time to load

    with (
        local_runs.instance_of(folder) as instance,
        progress.stages() as shown,
        progress.watching(shown),
        ExitStack() as at_the_end,
    ):
        at_the_end.callback(alarms.look, instance, folder, settings.alerts, shown.note)
        dead = dead_runs.fail_dead_runs(instance, folder)
        if dead:
            shown.note(f"{counted(dead, 'run')} that a dead process left open: reported as failed")
        with held(folder.store, wait_seconds=pipeline.LOCK_WAIT_SECONDS, on_wait=shown.note):
            yield instance, shown


def _work(
    folder: DataFolder,
    settings: Settings,
    last_day: date,
    upgrade: bool,
    instance: "DagsterInstance",
    shown: progress.Stages,
) -> tuple[IngestSummary, list["Finished"], Plan]:
    """Run the jobs: what was read, the runs, and the plan that is left."""
    from session_pipeline.defs.deployment import make_definitions
    from session_pipeline.defs.local_runs import LocalRuns
    from session_pipeline.defs.sensors import run_tags

    jobs = LocalRuns(make_definitions(folder), instance)
    launched_by = {tags.REASON: "command line"}
    ingested, files = jobs.ingest({tags.UNTIL: str(last_day), **launched_by})
    finished = [ingested]
    plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
    for _ in range(ROUNDS):
        for first, last in plan.ranges():
            shown.begin("Building", _build_count(plan, first, last))
            reason = "upgrade" if upgrade else launched_by[tags.REASON]
            finished.append(jobs.build(run_tags(plan, str(first), str(last), reason)))
        plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
        if not plan.days:
            break
    if not plan.days and not _is_done(folder, settings, plan):
        shown.begin("Publishing")
        publishing = {tags.UNTIL: str(last_day), tags.PLANNED: "publish", **launched_by}
        finished.append(jobs.build(publishing, has_days=False))
        plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
    return files, finished, plan


def _build_count(plan: Plan, first: date, last: date) -> int:
    """How many steps of a day a run over a range looks at."""
    days = sum(1 for day in dates(first, last) if plan.frame.is_wanted(day))
    return sum(days if step.is_daily else 1 for step in STEPS)


def _is_done(folder: DataFolder, settings: Settings, plan: Plan) -> bool:
    """Whether there is nothing to read, to build, to mend or to publish, and no run was killed before its end."""
    with closing(pipeline.open_store(folder)) as store:
        return (
            plan.is_empty
            and not store.catalog.number("run_is_open")
            and not pipeline.files_to_read(folder, settings, store)
            and not any(partition.is_damaged for partition in store.partitions.values())
            and publication.is_current(folder, store, plan)
        )


def _settings_to_check(folder: DataFolder, settings: Settings) -> list[str]:
    try:
        found = [str(warning) for warning in settings_warnings.look(folder, settings).warnings]
    except StoreError as error:  # the run itself is done
        return [str(error)]
    more = [f"{len(found) - SHOWN_WARNINGS} more settings to look at; `session-pipeline check` names all"]
    return found[:SHOWN_WARNINGS] + (more if len(found) > SHOWN_WARNINGS else [])


def _nothing_delivered(folder: DataFolder, found_count: int) -> list[str]:
    return [] if found_count else [f"there is no file under {folder.raw} yet; put some into a folder for each source"]
