"""Finds why a sensor waits instead of launching a run: for a run, after one, or for files that are read first.

A reason is the text that the UI shows for the skipped tick.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import tags
from session_pipeline.defs.dead_runs import WITH_A_PROCESS, fail_dead_runs, has_died
from session_pipeline.defs.jobs import BUILD, INGEST
from session_pipeline.defs.retention import FINISHED
from session_pipeline.ingest.admission.raw_folder import deliveries
from session_pipeline.run import delivered_files, pipeline
from session_pipeline.settings import Settings
from session_pipeline.store.files import digest

LANDING = "landing"
SETTLED_SECONDS = 10  # a file that changed more recently may be incomplete
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=6)
RUNS_TO_LOOK_AT = 10
WORK = {INGEST: "the ingest of the same files", BUILD: "the build of the same plan"}  # by job, for reasons to wait
QUEUED_OR_RUNNING = [dg.DagsterRunStatus.QUEUED, *WITH_A_PROCESS]


def why_busy(instance: dg.DagsterInstance, folder: DataFolder) -> str | None:
    """Return why to wait while a run is queued or in progress, or None. Runs of dead processes are marked as failed."""
    if not instance.get_runs(dg.RunsFilter(statuses=QUEUED_OR_RUNNING), limit=1):
        return None
    fail_dead_runs(instance, folder)  # otherwise they would block all others
    runs = instance.get_runs(dg.RunsFilter(statuses=QUEUED_OR_RUNNING), limit=1)
    return f"waits for run {runs[0].run_id[:8]} ({runs[0].status.value.lower()})" if runs else None


def why_after_run(instance: dg.DagsterInstance, job: str, planned: str) -> str | None:
    """Return why to wait after a run of the same plan, or None.

    After a success, more late files are collected for FIRST_WAIT. The wait doubles with each further failure in a row,
    up to LONGEST_WAIT. Runs that `fail_dead_runs` marked as failed do not count: nothing is known
    against their plan. A run whose process its code server saw being killed counts, because a plan that needs more
    memory than there is would be killed each time; Dagster retries such a run once without a wait.
    """
    found = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=FINISHED, tags={tags.PLANNED: planned}), limit=RUNS_TO_LOOK_AT
    )
    runs = [run for run in found if not has_died(run.dagster_run)]
    if not runs:
        return None
    successes = [run.dagster_run.status is dg.DagsterRunStatus.SUCCESS for run in runs]
    failures = successes.index(True) if any(successes) else len(runs)
    wait = min(FIRST_WAIT * 2 ** max(failures - 1, 0), LONGEST_WAIT)
    if not is_recent(runs[0].update_timestamp, wait):
        return None
    again = runs[0].update_timestamp + wait
    if failures:
        count = f" {failures} times in a row" if failures > 1 else ""
        return f"{WORK[job]} failed{count}; the next attempt is after {again:%H:%M} UTC"
    return f"{WORK[job]} ran just now; more changes are collected until {again:%H:%M} UTC"


def why_after_cancel(instance: dg.DagsterInstance) -> str | None:
    """Return why to wait after a user canceled a build: the rest, though it is a different plan, waits FIRST_WAIT."""
    # A build can also be one that a user composed of assets, which Dagster runs as a job of its own.
    finished = instance.get_run_records(dg.RunsFilter(statuses=FINISHED), limit=RUNS_TO_LOOK_AT)
    runs = [run for run in finished if run.dagster_run.job_name != INGEST]
    if not runs or runs[0].dagster_run.status is not dg.DagsterRunStatus.CANCELED or has_died(runs[0].dagster_run):
        return None
    if not is_recent(runs[0].update_timestamp, FIRST_WAIT):
        return None
    again = runs[0].update_timestamp + FIRST_WAIT
    return f"run {runs[0].dagster_run.run_id[:8]} was canceled; the remaining days are built after {again:%H:%M} UTC"


def why_read_first(instance: dg.DagsterInstance, folder: DataFolder, settings: Settings) -> str | None:
    """Return why to wait for an ingest of files whose source's settings changed; None if none is coming.

    A build before it would publish the new settings with the old rows of these files, and would be done again after it.
    Nothing waits if the last ingest failed, or the same files were read just now, or `landing` is switched off: a file
    that cannot be read again must not prevent builds.
    """
    with closing(pipeline.open_store(folder)) as store:
        changed = delivered_files.files_of_other_settings(folder, settings, store)
        if not changed:
            return None
        files = delivered_files.files_to_read(folder, settings, store)
    settled = settled_files(folder, files)
    if changed.isdisjoint(settled) or _is_off(instance, LANDING):
        return None
    last = instance.get_runs(dg.RunsFilter(job_name=INGEST, statuses=FINISHED), limit=1)
    if any(run.status is not dg.DagsterRunStatus.SUCCESS for run in last):
        return None
    if why_after_run(instance, INGEST, files_id(settled)):
        return None
    return "delivered files were read with other settings, or by another version; they are read again first"


def _is_off(instance: dg.DagsterInstance, sensor: str) -> bool:
    """Return whether a user switched a sensor off. Dagster stores the state only of one that was switched."""
    off = instance.all_instigator_state(
        instigator_type=InstigatorType.SENSOR, instigator_statuses={InstigatorStatus.STOPPED}
    )
    return any(state.instigator_name == sensor for state in off)


def settled_files(folder: DataFolder, files: Iterable[str]) -> dict[str, float]:
    """Return the files that have not changed for SETTLED_SECONDS, each with the time of its last change (ctime).

    The modification time is not used, because tools that copy files set it. A file that is gone is settled, with 0.
    """
    changed = {delivery.name: delivery.changed_at for delivery in deliveries(folder)}
    now = datetime.now(UTC).timestamp()
    times = {name: changed.get(name, 0.0) for name in files}
    return {name: time for name, time in times.items() if abs(now - time) >= SETTLED_SECONDS}


def files_id(settled: Mapping[str, float]) -> str:
    """Return a hash of the settled files that are to be read, to recognize an ingest of the same files."""
    return digest(settled)[:12]


def is_recent(moment: datetime, span: timedelta) -> bool:
    """Return whether a moment is less than this span of time ago, or ahead.

    If the clock was set back, the moment can be in the future. Nothing waits for one that is further ahead.
    """
    return abs(datetime.now(UTC) - moment) < span
