"""The commands run (ingest, build and publish) and dev (the Dagster UI).

What a run does is in `run.pipeline` and `build`; its Dagster jobs are in `defs`. The summary that `run` prints is in
`cli.summary`.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from session_pipeline import interrupts, report
from session_pipeline.build.plan import Plan
from session_pipeline.cli import problems, progress, summary
from session_pipeline.cli.app import AsJson, Data, Until, Upgrade, chosen_folder, ended
from session_pipeline.cli.screen import counted, echo, echo_json
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import home, tags
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.raw_folder import deliveries
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish import publication
from session_pipeline.reference.days import dates
from session_pipeline.run import delivered_files, pipeline
from session_pipeline.settings import Settings, load_settings
from session_pipeline.store.locks import held
from session_pipeline.store.shortage import report_shortage
from session_pipeline.tables.steps import STEPS

if TYPE_CHECKING:  # importing this imports Dagster, which is slow to load
    from dagster import DagsterInstance

    from session_pipeline.defs.local_runs import Finished

ROUNDS = 3  # rebuilding damaged partitions can make more days stale than the first plan contained


def run(until: Until = None, upgrade: Upgrade = False, as_json: AsJson = False, data: Data = None) -> None:
    """Ingest delivered files, build stale days and publish.

    Also writes the report. The Dagster UI shows each run.
    """
    started = perf_counter()
    # A process started by a script with & ignores SIGINT, and Dagster handles SIGTERM like SIGINT. Without this call,
    # only SIGKILL would end it.
    interrupts.raise_interrupts(even_if_ignored=True)
    folder = chosen_folder(data)
    settings = load_settings(folder.path)
    last_day = pipeline.horizon(settings, until.date() if until else None)

    plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
    files = IngestSummary(found_count=sum(1 for _ in deliveries(folder)))
    finished: list[Finished] = []
    # The store reports its own disk-full errors. Those that remain are about Dagster's files.
    with report_shortage(folder.dagster_home), ExitStack() as stack:
        if not _is_done(folder, settings, plan):
            instance, shown = stack.enter_context(_exclusive_run(folder, settings))
            plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
            if not _is_done(folder, settings, plan):  # otherwise the run that this one waited for has done the work
                files, finished, plan = _work(folder, settings, last_day, upgrade, instance, shown)
        if unpublished := publication.why_not(plan):
            raise ended(f"{unpublished}; run again; if this error remains, check the runs in `session-pipeline dev`")
        if not report.is_current(folder):
            report.write(folder)

        errors = [f"{check}: {sentence}" for one in finished for check, sentence in one.errors.items()]
        with closing(pipeline.open_store(folder)) as store:
            found = problems.find(folder, settings, store, plan)
        warnings = [
            f"{check}: {sentence}"
            for one in finished
            for check, sentence in one.warnings.items()
            if check not in problems.COUNTED_HERE
        ]
        result = summary.gather(
            folder,
            settings,
            files,
            {one.run_id for one in finished},
            warnings=[*dict.fromkeys([*errors, *found.errors, *warnings, *found.warnings])],
            seconds=perf_counter() - started,
        )
    if as_json:
        echo_json(asdict(result))
    else:
        summary.show(result)
    if errors:
        raise ended(f"{counted(len(errors), 'check')} failed: {'; '.join(errors)}")


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
        except OSError:
            raise WrongUseError(f"port {port} is in use; name another with --port") from None

    from session_pipeline.defs import dead_runs, local_runs

    with local_runs.instance_of(folder) as instance:
        dead_runs.fail_dead_runs(instance, folder)
    echo(f"The Dagster UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C stops it.")
    sys.stdout.flush()
    interrupts.raise_interrupts(even_if_ignored=True)
    python = [sys.executable, "-W", "ignore:Function `dev_command` is superseded"]
    dagster = ["-m", "dagster", "dev", "-m", "session_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.chdir(folder.path)  # in a folder with a dagster.yaml of another home, as in the repository, Dagster warns
    os.execve(sys.executable, [*python, *dagster], {**os.environ, **home.prepare(folder)})


@contextmanager
def _exclusive_run(folder: DataFolder, settings: Settings) -> Iterator[tuple["DagsterInstance", progress.Stages]]:
    """Hold the lock of the store during all jobs of a run, so that other runs start before or after it, not in between.

    At the end, also after an error, new alerts are sent to the alert command.
    """
    from session_pipeline.defs import alerts, dead_runs, local_runs  # Dagster is slow to load

    with (
        local_runs.instance_of(folder) as instance,
        progress.stages() as shown,
        progress.watching(shown),
        ExitStack() as at_the_end,
    ):
        at_the_end.callback(alerts.send_new, instance, folder, settings.alerts, shown.note)
        dead = dead_runs.fail_dead_runs(instance, folder)
        if dead:
            shown.note(f"{counted(dead, 'run')} of dead processes reported as failed")
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
    """Run the jobs. Returns the counts of the ingest, the finished runs and the remaining plan."""
    from session_pipeline.defs.deployment import make_definitions
    from session_pipeline.defs.local_runs import LocalRuns
    from session_pipeline.defs.sensors import reason_of, run_tags

    jobs = LocalRuns(folder, instance, make_definitions)
    launched_by = {tags.REASON: tags.COMMAND_LINE}
    ingested, files = jobs.ingest({tags.UNTIL: str(last_day), **launched_by})
    finished = [ingested]
    plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
    for _ in range(ROUNDS):
        for first, last in plan.ranges():
            shown.begin("Building", _build_count(plan, first, last))
            reason = tags.UPGRADED if upgrade else reason_of(plan, first, last, new_data=tags.COMMAND_LINE)
            finished.append(jobs.build(run_tags(plan, str(first), str(last), reason, upgrade=upgrade)))
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
    """Return how many steps a run over a range processes; a daily step counts once for each wanted day."""
    days = sum(1 for day in dates(first, last) if plan.frame.is_wanted(day))
    return sum(days if step.is_daily else 1 for step in STEPS)


def _is_done(folder: DataFolder, settings: Settings, plan: Plan) -> bool:
    """Return whether nothing needs to be read, built, repaired or published, and no run was killed midway."""
    with closing(pipeline.open_store(folder)) as store:
        return (
            plan.is_empty
            and not store.catalog.number("run_is_open")
            and not delivered_files.files_to_read(folder, settings, store)
            and not any(partition.is_damaged for partition in store.partitions.values())
            and publication.is_current(folder, store, plan)
        )
