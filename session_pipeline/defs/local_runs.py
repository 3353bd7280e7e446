"""Runs the jobs in this process, against the Dagster instance of the data folder, so that the UI shows the runs.

It also reads past runs and check results from the instance. What is stale is decided in `build.plan`; the command line
prints the results (`cli.runs`, `cli.status`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import code_location, dead_runs, home, tags
from session_pipeline.defs.jobs import BUILD, INGEST
from session_pipeline.defs.partitions import BuiltDays, built_days
from session_pipeline.errors import SessionPipelineError
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.settings import load_settings
from session_pipeline.store.locks import alone_in
from session_pipeline.store.shortage import disk_full, means_disk_full
from session_pipeline.tables.steps import LOGS, STEPS

LATEST_CHECKS = 10
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# Assets without daily partitions; they can be built without a range of days.
UNDATED = [
    *(dg.AssetKey(name) for step in STEPS if not step.is_daily for name in step.tables),
    *(dg.AssetKey(log.table) for log in LOGS),
    *map(dg.AssetKey, ("warehouse", "lake", "report")),
]


class RunFailedError(SessionPipelineError):
    """A run of a job failed."""


@dataclass(frozen=True)
class Finished:
    """A run that succeeded.

    Attributes:
        figures: Integer metadata of its first materialization.
        warnings: Failed checks with severity WARN: name and sentence.
        errors: Failed checks with severity ERROR: name and sentence.
    """

    run_id: str
    figures: Mapping[str, int]
    warnings: Mapping[str, str]
    errors: Mapping[str, str]


@dataclass(frozen=True)
class PastRun:
    """A run in the run history."""

    run_id: str
    job: str
    status: str
    started_at: datetime
    seconds: float | None
    reason: str


@dataclass(frozen=True)
class FailedCheck:
    """A check that does not hold, with its sentence."""

    name: str
    sentence: str
    is_error: bool


@contextmanager
def instance_of(folder: DataFolder) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a data folder."""
    home.prepare(folder)
    with alone_in(folder.dagster_home):  # if two processes create Dagster's tables at once, one fails
        instance = dg.DagsterInstance.from_config(str(folder.dagster_home))
    with instance:
        yield instance


class LocalRuns:
    """Launches the jobs of a data folder in this process."""

    def __init__(
        self, folder: DataFolder, instance: dg.DagsterInstance, load: Callable[[DataFolder], dg.Definitions]
    ) -> None:
        """Take the data folder, its instance, and the function that loads its definitions."""
        self._folder = folder
        self._load = load
        self._instance = instance
        self._loaded: tuple[BuiltDays, dg.Definitions] | None = None

    def _definitions(self) -> dg.Definitions:
        """Return definitions whose partitions match the current days; an ingest can add days."""
        days = built_days(self._folder, load_settings(self._folder.path))
        if self._loaded is None or self._loaded[0] != days:
            self._loaded = days, self._load(self._folder)
        return self._loaded[1]

    def ingest(self, run_tags: Mapping[str, str]) -> tuple[Finished, IngestSummary]:
        """Run the job that ingests delivered files.

        Raises:
            RunFailedError: The run failed; the message states the reason.
        """
        finished = self._run(INGEST, run_tags)
        names = IngestSummary.__dataclass_fields__
        return finished, IngestSummary(**{name: finished.figures[name] for name in names})

    def build(self, run_tags: Mapping[str, str], *, has_days: bool = True) -> Finished:
        """Run the job that builds a range of days and publishes.

        Args:
            run_tags: Tags of the run, with the range of days.
            has_days: False to build only the assets without daily partitions.

        Raises:
            RunFailedError: The run failed; the message states the reason.
        """
        return self._run(BUILD, run_tags, None if has_days else UNDATED)

    def _run(self, name: str, run_tags: Mapping[str, str], assets: Sequence[dg.AssetKey] | None = None) -> Finished:
        run_id = str(uuid4())
        result = code_location.execute(
            self._definitions(),
            name,
            instance=self._instance,
            run_id=run_id,
            run_config=QUIET,
            tags={**run_tags, **dead_runs.signature(run_id)},
            assets=assets,
        )
        failed_checks = [check for check in result.get_asset_check_evaluations() if not check.passed]
        warned, errors = (
            {check.check_name: check.description or "" for check in failed_checks if check.severity is severity}
            for severity in (dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR)
        )
        if not result.success:
            if was_interrupted(result.all_events):
                raise KeyboardInterrupt
            reasons = [f"{check}: {sentence}" for check, sentence in errors.items()] or [why(result.all_events)]
            if means_disk_full(reasons[0]):  # for Dagster's own files; errors of the store are already converted
                raise disk_full(Path(self._instance.root_directory))
            raise RunFailedError(f"{name} failed: {'; '.join(reasons)} (run {result.run_id[:8]})")
        figures = {
            label: int(value.value)
            for event in result.get_asset_materialization_events()[:1]
            for label, value in event.materialization.metadata.items()
            if isinstance(value, dg.IntMetadataValue) and value.value is not None
        }
        return Finished(result.run_id, figures, warned, errors)


def history(instance: dg.DagsterInstance, limit: int) -> list[PastRun]:
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
            failed.append(FailedCheck(name, result.description or "the check failed", is_error))
    return failed


def was_interrupted(events: Sequence[dg.DagsterEvent]) -> bool:
    """Return whether the run was interrupted by Ctrl-C, which Dagster reports as a failure of the current op."""
    error = _first_error(events)
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


def why(events: Sequence[dg.DagsterEvent]) -> str:
    """Return the reason for a failure: the first error of this package in the chain of causes, else the innermost one.

    A run that was marked as failed from outside has no error; then the message of the event is returned.
    """
    error = _first_error(events)
    sentence = next((event.message for event in events if event.is_failure and event.message), "")
    while error is not None:
        kind, _, sentence = error.message.strip().partition(": ")
        if kind.startswith("session_pipeline.") or error.cls_name == "Failure":
            break
        if error.cause is None:
            sentence = f"{error.cls_name}: {sentence}"
        error = error.cause
    return str(sentence) or "Dagster reports no reason"


def _first_error(events: Sequence[dg.DagsterEvent]) -> Any:
    data: Any = next((event.event_specific_data for event in events if event.is_failure), None)
    return data.error if data is not None else None
