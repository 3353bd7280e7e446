"""The command run: ingests, builds and publishes, writes the report, and prints a summary.

The jobs in between, and the lock of the store, are in `cli.exclusive_runs`; the summary is in `cli.summary`.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from time import perf_counter
from typing import Annotated

import typer

from session_pipeline import interrupts, report
from session_pipeline.cli import problems, summary
from session_pipeline.cli.app import AsJson, Data, Until, Upgrade, chosen_folder, ended
from session_pipeline.cli.exclusive_runs import ExclusiveRun, dagster_instance, exclusive_run, work
from session_pipeline.cli.screen import counted, echo_json
from session_pipeline.defs import home
from session_pipeline.ingest.admission.raw_folder import deliveries
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish import publication
from session_pipeline.run import pipeline
from session_pipeline.run.opened import OpenFolder
from session_pipeline.run.outcome import Outcome
from session_pipeline.run.profile import Spent
from session_pipeline.store.shortage import report_shortage


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
    last_day = until.date() if until else None
    # The store reports its own disk-full errors. Those that remain are about Dagster's files.
    with report_shortage(folder.dagster_home), ExitStack() as stack:
        opened = stack.enter_context(pipeline.open_folder(folder, until=last_day, upgrade=upgrade))
        # Also if there is nothing to do. Without dagster.yaml, webserver and daemon start with Dagster's own defaults;
        # without its folder, they do not start.
        home.prepare(folder)
        exclusive = None if opened.is_done() else stack.enter_context(exclusive_run(opened, reads_ahead=True))
        opened = opened if exclusive is None else exclusive.run
        outcome = _do_work(opened, exclusive)
        if exclusive is None:
            _send_alerts(opened)
        plan = opened.plan(upgrade=upgrade)
        if unpublished := publication.why_not(plan):
            raise ended(f"{unpublished}; run again; if this error remains, check the runs in `session-pipeline dev`")
        if not report.is_current(folder):
            report.write(folder, opened.settings)
        if exclusive is not None and opened.has_unfinished_erasure():
            _finish_erasure(exclusive)
        found = problems.find(folder, opened.settings, opened.store, plan, outcome.findings)
        errors = _errors(outcome, found)
        warnings = _warnings(outcome, found, errors)
        result = summary.gather(opened, outcome, warnings=warnings, seconds=perf_counter() - started)
    _show(result, summary.stages(opened.profile, perf_counter() - started) if as_profile else None, as_json=as_json)
    if errors:
        raise ended(f"{counted(len(errors), 'check')} failed: {'; '.join(errors)}")


def _do_work(opened: OpenFolder, exclusive: ExclusiveRun | None) -> Outcome:
    """Run the jobs if there is work for them, and return what they did."""
    # If this run waited for another one, that one may have done the work.
    if exclusive is not None and (opened.has_unfinished_erasure() or opened.has_work()):
        work(*exclusive)
        return exclusive.run.outcome
    return Outcome(files=IngestSummary(found_count=sum(1 for _ in deliveries(opened.folder))))


def _send_alerts(opened: OpenFolder) -> None:
    """Send new alerts of runs that others launched. A run that holds the lock sends them at its end."""
    if opened.settings.alerts.command:
        with dagster_instance(opened):
            pass


def _show(result: summary.Summary, stages: Mapping[str, Spent] | None, *, as_json: bool) -> None:
    """Print the summary of a run, and the time of each stage, unless that is None."""
    if as_json:
        shown = {} if stages is None else {"stages": {name: asdict(spent) for name, spent in stages.items()}}
        echo_json({**result.as_json(), **shown})
        return
    summary.show(result)
    if stages is not None:
        summary.show_stages(stages)


def _finish_erasure(exclusive: ExclusiveRun) -> None:
    from session_pipeline.cli import erasing  # slow to load, and most runs do without it

    erasing.finish(exclusive.run, exclusive.jobs.instance)
    exclusive.shown.note("the erasure that was interrupted is finished")


def _errors(outcome: Outcome, found: problems.Problems) -> list[str]:
    """Return the failed checks that are errors, each once.

    A check that failed before counts until it passes: the next run of a timer may have nothing to check.
    """
    now_failed = (str(check) for check in outcome.failed_checks if check.is_error)
    return [*dict.fromkeys([*now_failed, *found.failed_checks])]


def _warnings(outcome: Outcome, found: problems.Problems, errors: Sequence[str]) -> list[str]:
    """Return what a person should look at after a run, each sentence once: errors, then what may be right."""
    of_checks = [
        str(check)
        for check in outcome.failed_checks
        if not check.is_error and check.name not in problems.COUNTED_HERE and check.sentence not in found.errors
    ]
    return [*dict.fromkeys([*errors, *found.errors, *of_checks, *found.warnings])]
