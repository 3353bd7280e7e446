"""Which runs say that they go on though their process is gone; they are reported as failed, so that others can start.

A run says in a tag which process it lives in. Knows processes, and what Dagster remembers of runs. Does not know what a
run does, nor what is stale.
"""

import json
import os
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs.tags import DIED, PROCESS
from session_pipeline.errors import SessionPipelineError, StoreHeldError
from session_pipeline.run.pipeline import open_store

SERVER = ".dagster/grpc_info"  # Dagster's tag: the code server that starts the run's process, and watches it
LAUNCH = timedelta(seconds=5)  # within it Dagster writes that tag, or writes it anew for a run that is tried again
LONGEST_START = timedelta(minutes=3)  # as run_monitoring in dagster.yaml
MESSAGE = (
    "The process of this run ended before the run did: it was killed, ran out of memory, or the machine stopped."
    " What it built is kept, and the next run builds the rest."
)
NOT_STARTED = "The process of this run ended before its first step."
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class RunGivenUpError(SessionPipelineError):
    """A run works on though somebody reported it as finished."""


def signature(run_id: str) -> dict[str, str]:
    """The tag by which others see whether a run's process, which is this one, goes on."""
    # With the run's id, since a run that is tried again inherits the tags of the one before.
    return {PROCESS: f"{process_name(os.getpid())}/{run_id}"}


def fail_dead_runs(instance: dg.DagsterInstance, folder: DataFolder) -> int:
    """Report as failed every run that says it goes on but whose process is gone; returns how many.

    One that was being canceled is reported as canceled. A run that has not said yet where it lives is dead when nobody
    holds the store, and the code server that should have started it is gone, or it had more than enough time. Should
    one of these live after all, it is a run that was given up, and does no work.
    """
    gone = [
        record.dagster_run.run_id
        for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
        if _is_dead(record, folder)
    ]
    # Asked once more: a process can end well between the two looks, and what is gone changes no more.
    dead = instance.get_runs(dg.RunsFilter(run_ids=gone, statuses=UNFINISHED)) if gone else []
    for run in dead:
        instance.add_run_tags(run.run_id, {DIED: run.run_id})
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message=MESSAGE)
            continue
        if run.status is not dg.DagsterRunStatus.STARTED:
            # Without a start the UI says "Failed to start" where it shows of other runs when they were and how long.
            started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, message=NOT_STARTED)
            instance.report_dagster_event(started, run.run_id)
        instance.report_run_failed(run, message=MESSAGE)
    return len(dead)


def has_died(run: dg.DagsterRun) -> bool:
    """Whether a run ended since its process was gone, which says nothing about its work."""
    return run.tags.get(DIED) == run.run_id


def stop_if_ended(instance: dg.DagsterInstance, run_id: str) -> None:
    """End a run from within that goes on though it should not.

    Raises:
        DagsterExecutionInterruptedError: Somebody canceled it. The signal for that can get lost: Python drops what is
            raised while it clears away an object.
        RunGivenUpError: Somebody reported it as finished, and may have started another in its place.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
        raise dg.DagsterExecutionInterruptedError
    if run is None or run.is_finished:
        raise RunGivenUpError("this run was reported as finished while it went on; it does no more work")


def process_name(pid: int) -> str:
    """A process as no other is called: machine, start of the machine, its space of numbers, number, own start."""
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return "/".join((socket.gethostname(), _boot(), os.readlink("/proc/self/ns/pid"), str(pid), start))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _is_dead(record: dg.RunRecord, folder: DataFolder) -> bool:
    run = record.dagster_run
    process, _, run_id = run.tags.get(PROCESS, "").rpartition("/")
    is_alive = _is_alive(process) if run_id == run.run_id else None
    if is_alive is not None:
        return not is_alive
    quiet_for = datetime.now(UTC) - record.update_timestamp
    is_lost = quiet_for > LONGEST_START or (quiet_for > LAUNCH and _is_server_gone(run))
    return is_lost and _is_free(folder)


def _is_alive(process: str) -> bool | None:
    """Whether a process goes on; None when that cannot be seen from here."""
    host, boot, space, pid, _ = process.split("/")
    if host != socket.gethostname():
        return None
    if boot != _boot():
        return False
    if space != os.readlink("/proc/self/ns/pid"):
        return None
    try:
        return process == process_name(int(pid))
    except OSError:
        return False


def _is_server_gone(run: dg.DagsterRun) -> bool:
    """Whether the code server that Dagster asked to start a run's process is gone; False when it did not ask yet."""
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
