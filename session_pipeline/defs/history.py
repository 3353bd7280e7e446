"""Reads past runs and check results from the run history.

Importing Dagster takes longer than everything else that `status` or `plan` does. So the rows are read from Dagster's
SQLite files, with the tables and columns of the Dagster versions that pyproject.toml allows. If the files are not as
expected, or if dagster.yaml names another storage, `defs.instance_history` asks Dagster itself; both give the same.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import broken_history, home, tags
from session_pipeline.engines.sql import query_text
from session_pipeline.errors import DiskFullError, HistoryError, SessionPipelineError
from session_pipeline.run.outcome import FailedCheck
from session_pipeline.store.read_only import connect_to_read
from session_pipeline.store.shortage import report_shortage

LATEST_CHECKS = 10  # a killed run leaves a planned check without a result; then the result before it counts
NO_SENTENCE = "does not hold"
SENTENCE = "sentence"  # key of the metadata of a failed check; its description is for Markdown
Found = TypeVar("Found")


@dataclass(frozen=True)
class PastRun:
    """A run in the run history."""

    run_id: str
    job: str
    status: str
    started_at: datetime
    seconds: float | None
    reason: str


def last_runs(folder: DataFolder, limit: int) -> list[PastRun]:
    """Return the latest runs, newest first.

    Raises:
        HistoryError: The run history cannot be read, as when the disk is full.
    """

    def ask() -> list[PastRun]:
        from session_pipeline.defs import instance_history

        return instance_history.last_runs(folder, limit)

    return _read(folder, lambda: _runs(folder.dagster_home / home.RUNS, limit), ask)


def failed_checks(folder: DataFolder, checks: Iterable[tuple[str, str]]) -> list[FailedCheck]:
    """Return the checks whose latest result is a failure. Each check is given by its name and its table.

    Raises:
        HistoryError: The run history cannot be read, as when the disk is full.
    """
    named = list(checks)

    def ask() -> list[FailedCheck]:
        from session_pipeline.defs import instance_history

        return instance_history.failed_checks(folder, named)

    return _read(folder, lambda: _checks(folder.dagster_home / home.INDEX, named), ask)


def broken(folder: DataFolder) -> str | None:
    """Return a sentence if databases of the run history are broken, or that of schedules is damaged; else None.

    The sentence says what to do. Damage of the others is found when they are read.
    """
    if not home.has_own_storage(folder):
        return None
    return broken_history.broken(folder.dagster_home) or broken_history.damaged_schedules(folder.dagster_home)


def unknown(error: SessionPipelineError | str) -> HistoryError:
    """Return the error for a run history that cannot be read."""
    return HistoryError(f"the last runs and the results of checks are not known: {error}")


def _read(folder: DataFolder, read: Callable[[], list[Found]], ask_dagster: Callable[[], list[Found]]) -> list[Found]:
    if not (folder.dagster_home / home.RUNS).parent.is_dir():
        return []
    if not home.has_own_storage(folder):
        return ask_dagster()
    try:
        with report_shortage(folder.dagster_home):  # also to read, SQLite writes the file that readers share
            return read()
    except DiskFullError as error:
        raise unknown(error) from error
    except (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError):
        return ask_dagster()


def _rows(path: Path, query: str, parameters: Mapping[str, Any]) -> list[Any]:
    with closing(connect_to_read(path, broken_history.BUSY_SECONDS)) as connection:
        return connection.execute(query_text(__package__, query), parameters).fetchall()


def _runs(path: Path, limit: int) -> list[PastRun]:
    rows = _rows(path, "past_runs", {"most_runs": limit})
    return [
        PastRun(
            run_id=run_id,
            job=job,
            status=status.lower(),
            started_at=(
                datetime.fromtimestamp(start, UTC) if start else datetime.fromisoformat(created).replace(tzinfo=UTC)
            ),
            seconds=end - start if start and end else None,
            reason=tags.reason_of_run(json.loads(body)["tags"]),
        )
        for run_id, job, status, body, created, start, end in rows
    ]


def _checks(path: Path, checks: Sequence[tuple[str, str]]) -> list[FailedCheck]:
    failed = []
    for name, table in checks:
        rows = _rows(
            path,
            "check_executions",
            {"asset_key": json.dumps([table]), "check_name": name, "most_executions": LATEST_CHECKS},
        )
        events = (json.loads(event)["dagster_event"] for (event,) in rows if event)
        latest = next((event for event in events if event["event_type_value"] == "ASSET_CHECK_EVALUATION"), None)
        if latest is not None and not (result := latest["event_specific_data"])["success"]:
            is_error = result["severity"]["__enum__"] == "AssetCheckSeverity.ERROR"
            sentence = result["metadata"].get(SENTENCE, {}).get("text") or result["description"] or NO_SENTENCE
            failed.append(FailedCheck(name, sentence, is_error))
    return failed
