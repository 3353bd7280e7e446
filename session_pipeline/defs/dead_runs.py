"""Finds runs whose process died but that Dagster still shows as unfinished, and marks them as failed.

Otherwise they would block other runs. Each run has a tag that identifies its process. This module reads processes and
the run history only; runs are launched in `defs.local_runs` and `defs.sensors`.
"""

import json
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg

from session_pipeline import processes
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs.tags import DIED, PROCESS, REASON
from session_pipeline.errors import SessionPipelineError, StoreHeldError
from session_pipeline.run.pipeline import open_store

SERVER = ".dagster/grpc_info"  # Dagster's tag for the code server that starts and watches the run's process
LAUNCH = timedelta(seconds=5)  # Dagster writes that tag within this time, also for a retry that inherited an old one
LONGEST_START = timedelta(minutes=3)  # same as start_timeout_seconds in dagster.yaml
MESSAGE = (
    "The process of this run ended before the run did: it was killed, ran out of memory, or the machine stopped."
    " What it built is kept, and the next run builds the rest."
)
NOT_STARTED = "This run ended before its first step."
# Dagster creates a run before it looks at its days, and tells only the caller of its API that they cannot exist.
NEVER_LAUNCHED = (
    "Dagster created this run and did not launch it, as for days that do not exist. Nothing was built; launch it again,"
    " with days that the UI shows as partitions."
)
MOST_RETRIES = "dagster/max_retries"  # Dagster's tag
BACKFILL = "dagster/backfill"  # Dagster's tag; a backfill launches its runs later
WITH_A_PROCESS = [  # statuses of unfinished runs that have a process or get one now; a queued run has none
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class RunGivenUpError(SessionPipelineError):
    """A run is still working although it was reported as finished."""


def signature(run_id: str) -> dict[str, str]:
    """Return the tag that lets others check whether the process of a run, which is this process, is alive."""
    # It contains the run's id, because a retried run inherits the tags of the previous one.
    return {PROCESS: f"{processes.own_name()}/{run_id}"}


def fail_dead_runs(instance: dg.DagsterInstance, folder: DataFolder, *, is_held: bool = False) -> int:
    """Mark every unfinished run whose process is gone as failed; returns how many.

    A run that was being canceled is marked as canceled. One that Dagster created and never launched is not retried. A
    run without a process tag is dead if nobody holds the store and either its code server is gone or the run had no
    update for LONGEST_START. If such a run is alive after all, it ends with RunGivenUpError and does no work.

    Args:
        instance: The Dagster instance of the data folder.
        folder: The data folder.
        is_held: Whether the caller holds the store, so that no other run does.
    """
    gone = [
        record.dagster_run.run_id
        for record in instance.get_run_records(dg.RunsFilter(statuses=WITH_A_PROCESS))
        if _is_dead(record, folder, is_held=is_held)
    ]
    # Read the status again: a run can finish normally between the two reads. After its process is gone, it is final.
    dead = instance.get_runs(dg.RunsFilter(run_ids=gone, statuses=WITH_A_PROCESS)) if gone else []
    for run in dead:
        is_launched = not _was_never_launched(run)
        instance.add_run_tags(run.run_id, {DIED: run.run_id, **({} if is_launched else {MOST_RETRIES: "0"})})
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message=MESSAGE)
            continue
        if run.status is not dg.DagsterRunStatus.STARTED:
            # Without a start event the UI shows "Failed to start" in place of the start time and the duration.
            started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, message=NOT_STARTED)
            instance.report_dagster_event(started, run.run_id)
        instance.report_run_failed(run, message=MESSAGE if is_launched else NEVER_LAUNCHED)
    return len(dead)


def _was_never_launched(run: dg.DagsterRun) -> bool:
    """Return whether someone started a run that got no process, so that a retry would get none either."""
    is_of_pipeline = REASON in run.tags or BACKFILL in run.tags
    return run.status is dg.DagsterRunStatus.NOT_STARTED and PROCESS not in run.tags and not is_of_pipeline


def has_died(run: dg.DagsterRun) -> bool:
    """Return whether a run ended because its process died, which is not a failure of its work."""
    return run.tags.get(DIED) == run.run_id


def stop_if_ended(instance: dg.DagsterInstance, run_id: str) -> None:
    """Raise an error if a run, which is executing in this process, was canceled or reported as finished.

    Raises:
        DagsterExecutionInterruptedError: The run was canceled. The signal for this can get lost, because Python ignores
            exceptions that are raised while it finalizes an object.
        RunGivenUpError: The run was reported as finished, and another one may have started in its place.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
        raise dg.DagsterExecutionInterruptedError
    if run is None or run.is_finished:
        raise RunGivenUpError("this run was reported as finished while it was still running; it stops now")


def _is_dead(record: dg.RunRecord, folder: DataFolder, *, is_held: bool) -> bool:
    run = record.dagster_run
    process, _, run_id = run.tags.get(PROCESS, "").rpartition("/")
    is_alive = processes.is_alive(process) if run_id == run.run_id else None
    if is_alive is not None:
        return not is_alive
    quiet_for = abs(datetime.now(UTC) - record.update_timestamp)  # in the future if the clock was set back
    is_lost = quiet_for > LONGEST_START or (quiet_for > LAUNCH and _is_server_gone(run))
    return is_lost and (is_held or _is_free(folder))


def _is_server_gone(run: dg.DagsterRun) -> bool:
    """Return whether the code server that should start the run's process is gone; False if none is assigned yet."""
    if SERVER not in run.tags:
        return False
    server = json.loads(run.tags[SERVER])
    try:
        if path := server.get("socket"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
        else:
            socket.create_connection((server["host"], server["port"]), timeout=1).close()
    except OSError:
        return True
    return False


def _is_free(folder: DataFolder) -> bool:
    with closing(open_store(folder)) as store:
        try:
            with store.writing():
                return True
        except StoreHeldError:
            return False
