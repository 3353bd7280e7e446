"""Reads past runs and check results from a Dagster instance. `defs.history` does it without importing Dagster.

Raises HistoryError if that is not possible: on a full disk, with a damaged database, or without its server.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import tags
from session_pipeline.defs.check_results import sentence_of
from session_pipeline.defs.history import LATEST_CHECKS, NO_SENTENCE, PastRun, unknown
from session_pipeline.defs.local_runs import instance_of
from session_pipeline.errors import DamagedHistoryError, DiskFullError
from session_pipeline.run.outcome import FailedCheck
from session_pipeline.store.shortage import report_shortage


@contextmanager
def _readable(folder: DataFolder) -> Iterator[dg.DagsterInstance]:
    try:
        with report_shortage(folder.dagster_home), instance_of(folder) as instance:
            yield instance
    except (DiskFullError, DamagedHistoryError) as error:
        raise unknown(error) from error
    except SQLAlchemyError as error:
        why = str(error).splitlines()[0]
        raise unknown(
            f"Dagster cannot read its database ({why}); if this remains, stop all processes and delete"
            f" {folder.dagster_home / 'history'}, or restore the storage that dagster.yaml names: only the history of"
            " runs is lost"
        ) from error


def last_runs(folder: DataFolder, limit: int) -> list[PastRun]:
    """Return the latest runs, newest first."""
    with _readable(folder) as instance:
        records = instance.get_run_records(limit=limit)
    return [
        PastRun(
            run_id=record.dagster_run.run_id,
            job=record.dagster_run.job_name,
            status=record.dagster_run.status.value.lower(),
            started_at=datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp,
            seconds=record.end_time - record.start_time if record.start_time and record.end_time else None,
            reason=tags.reason_of_run(record.dagster_run.tags),
        )
        for record in records
    ]


def failed_checks(folder: DataFolder, checks: Iterable[tuple[str, str]]) -> list[FailedCheck]:
    """Return the checks whose latest result is a failure. Each check is given by its name and its table."""
    failed = []
    with _readable(folder) as instance:
        for name, table in checks:
            key = dg.AssetCheckKey(dg.AssetKey(table), name)
            records = instance.event_log_storage.get_asset_check_execution_history(key, limit=LATEST_CHECKS)
            events = (record.event.dagster_event for record in records if record.event and record.event.dagster_event)
            latest = next((e for e in events if e.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION), None)
            if latest is not None and not latest.asset_check_evaluation_data.passed:
                result = latest.asset_check_evaluation_data
                is_error = result.severity is dg.AssetCheckSeverity.ERROR
                failed.append(FailedCheck(name, sentence_of(result) or NO_SENTENCE, is_error))
    return failed
