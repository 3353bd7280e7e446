"""Deletes old runs from the run history, and old messages of ticks, so that they do not grow without limit.

The job `ingest` calls this, because every deployment runs it: command line, schedule and sensors. What of a deleted run
stays in the history is decided in `defs.event_log`. Dagster itself deletes old ticks, as dagster.yaml says, but not the
files with their messages.
"""

import shutil
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg

from session_pipeline.defs.event_log import EventLog
from session_pipeline.settings import HistorySettings

MOST_AT_ONCE = 100  # runs deleted per call, so that a long history does not delay a run; the next call goes on
ALWAYS_KEPT = 20  # latest runs that stay at any age: sensors and `status` read them
MESSAGES = "__repository__"  # folder in storage/: Dagster's name for our definitions; in it, <sensor>/<tick>.err
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def delete_old_runs(instance: dg.DagsterInstance, settings: HistorySettings, log: Callable[[str], None]) -> int:
    """Delete runs that ended more than `keep_days` ago; return how many. Never raises; errors are logged.

    Messages of ticks are deleted at the same age. Runs that are not finished stay. If the process is killed, the next
    call deletes the rest. Another event log than ours is left alone, because it would forget which days are built.
    """
    event_log = instance.event_log_storage
    if not settings.keep_days or not isinstance(event_log, EventLog):
        return 0
    before = datetime.now(UTC) - timedelta(days=settings.keep_days)
    try:
        old = _old_runs(instance, before)
        if old:
            delete_runs(instance, event_log, old)
        _delete_messages(_storage(instance) / MESSAGES, before)
    except Exception as error:  # an error here must not fail the caller's run
        log(f"could not delete old runs: {type(error).__name__}: {error}")
        return 0
    return len(old)


def _old_runs(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    ended = dg.RunsFilter(statuses=FINISHED, updated_before=before)
    found = instance.get_run_records(ended, limit=MOST_AT_ONCE, ascending=True)
    if not found:
        return []
    latest = set(instance.get_run_ids(limit=ALWAYS_KEPT))
    return [record.dagster_run.run_id for record in found if record.dagster_run.run_id not in latest]


def delete_runs(instance: dg.DagsterInstance, event_log: EventLog, old: Collection[str]) -> None:
    """Delete runs with their events and outputs."""
    # The run itself is deleted last: until then, the next call finds it again.
    storage = _storage(instance)
    found = event_log.run_ids() | _folders(storage)
    # Also runs that were deleted earlier. What stayed of them can be superseded by now. Read after `found`: a run is
    # created before its first event.
    gone = found.difference(instance.get_run_ids())
    event_log.delete_events_of(gone.union(old))
    for run_id in gone.union(old):
        shutil.rmtree(storage / run_id, ignore_errors=True)
    for run_id in old:
        instance.run_storage.delete_run(run_id)


def _delete_messages(folder: Path, before: datetime) -> None:
    for path in folder.glob("*/*"):
        if path.stat().st_mtime < before.timestamp():
            path.unlink()


def _storage(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "storage"


def _folders(storage: Path) -> set[str]:
    return {path.name for path in storage.glob("*-*-*-*-*") if _is_id(path.name)}


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
