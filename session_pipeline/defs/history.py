"""Reads past runs and check results from the run history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from session_pipeline.defs import tags
from session_pipeline.run.outcome import FailedCheck

LATEST_CHECKS = 10


@dataclass(frozen=True)
class PastRun:
    """A run in the run history."""

    run_id: str
    job: str
    status: str
    started_at: datetime
    seconds: float | None
    reason: str


def last_runs(instance: dg.DagsterInstance, limit: int) -> list[PastRun]:
    """Return the latest runs, newest first."""
    return [
        PastRun(
            run_id=record.dagster_run.run_id,
            job=record.dagster_run.job_name,
            status=record.dagster_run.status.value.lower(),
            started_at=datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp,
            seconds=record.end_time - record.start_time if record.start_time and record.end_time else None,
            reason=record.dagster_run.tags.get(tags.REASON, tags.MANUAL),
        )
        for record in instance.get_run_records(limit=limit)
    ]


def failed_checks(instance: dg.DagsterInstance, checks: Iterable[tuple[str, str]]) -> list[FailedCheck]:
    """Return the checks whose latest result is a failure. Each check is given by its name and its table."""
    failed = []
    for name, table in checks:
        key = dg.AssetCheckKey(dg.AssetKey(table), name)
        # A killed run leaves a planned check without a result; then the result before it counts.
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=LATEST_CHECKS)
        evaluations = (record.event.dagster_event for record in records if record.event and record.event.dagster_event)
        latest = next((e for e in evaluations if e.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION), None)
        if latest is not None and not latest.asset_check_evaluation_data.passed:
            result = latest.asset_check_evaluation_data
            is_error = result.severity is dg.AssetCheckSeverity.ERROR
            failed.append(FailedCheck(name, result.description or "does not hold", is_error))
    return failed
