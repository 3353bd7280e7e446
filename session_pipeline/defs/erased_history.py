"""Removes what the history of runs tells about erased visitors.

The history is meant to have counts only (`defs.metadata`), but an error message can quote a value. So all of Dagster's
files are searched for the ids. Runs and ticks that contain one are deleted, and so are files of logs. All databases are
then written again, because SQLite keeps deleted rows in free pages. `run.erasure` does the other steps of an erasure.
"""

import json
import mmap
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import home, retention
from session_pipeline.defs.event_log import EventLog
from session_pipeline.engines.sql import quote
from session_pipeline.errors import StoreError
from session_pipeline.ingest.erasures import Unfinished
from session_pipeline.run.held import LEAST_SEARCHED
from session_pipeline.store import crash_points
from session_pipeline.store.files import sync_folder

BUSY_SECONDS = 60
MATERIALIZATION = "ASSET_MATERIALIZATION"  # its metadata has counts and names of files only
# Without a row of these tables, Dagster could not open a database or would lose track of what exists.
KEPT_TABLES = {"alembic_version", "asset_keys", "instance_info", "secondary_indexes"}


def remove(instance: dg.DagsterInstance, folder: DataFolder, left: Unfinished) -> int | None:
    """Delete runs, ticks, checks and logs that contain an id of an erased visitor.

    Returns:
        How many were deleted; None if dagster.yaml names another storage, which is not searched.

    Raises:
        StoreError: Another process uses the history.
    """
    event_log = instance.event_log_storage
    if not home.has_own_storage(folder) or not isinstance(event_log, EventLog):
        return None
    texts = _texts(left)
    runs = _runs_with(folder, texts)
    if runs:
        retention.delete_runs(instance, event_log, sorted(runs))
        crash_points.reached("erase: runs deleted")
    count = len(runs) + _remove_files(folder, texts)
    event_log.close_files()
    for path in _databases(folder):
        count += _remove_rows(path, texts)
        crash_points.reached("erase: database written again")
    for each in sorted(path for path in folder.dagster_home.rglob("*") if path.is_dir()):
        sync_folder(each)
    return count


def _texts(left: Unfinished) -> list[str]:
    """Return the ids as they are in files: as they are, and as in JSON."""
    ids = [each for each in left.ids if len(each) >= LEAST_SEARCHED]
    return sorted({form for each in ids for form in (each, json.dumps(each)[1:-1], json.dumps(json.dumps(each))[3:-3])})


def _databases(folder: DataFolder) -> list[Path]:
    return sorted(path for path in folder.dagster_home.rglob("*.db") if path.is_file())


def _runs_with(folder: DataFolder, texts: Sequence[str]) -> set[str]:
    """Return the ids of the runs whose events, tags or output contain a text."""
    history, found = folder.dagster_home / "history", set()
    for path in sorted((history / "runs").glob("*.db")):
        if path.name != "index.db" and any(_rows_with(path, texts)):
            found.add(path.stem)
    for name in ("runs.db", "runs/index.db"):
        path = history / name
        for table_name, rowid in _rows_with(path, texts) if path.is_file() else ():
            found |= _run_of(path, table_name, rowid)
    for path in _files(folder):
        if path.is_relative_to(folder.dagster_home / "storage") and _contains(path, texts):
            found.add(path.relative_to(folder.dagster_home / "storage").parts[0])
    return found


def _run_of(path: Path, table_name: str, rowid: int) -> set[str]:
    with closing(_opened(path)) as connection:
        columns = {row[1] for row in connection.execute(f"pragma table_info({quote(table_name)})")}
        if "run_id" not in columns:
            return set()
        rows = connection.execute(f"select run_id from {quote(table_name)} where rowid = ?", (rowid,))
        return {run_id for (run_id,) in rows if run_id}


def _rows_with(path: Path, texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the table and number of each row with a text.

    The bytes of the file are not enough to tell: SQLite divides long texts over pages.
    """
    if not texts:
        return
    with closing(_opened(path)) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        for (table_name,) in tables.fetchall():
            columns = [row[1] for row in connection.execute(f"pragma table_info({quote(table_name)})")]
            condition = " or ".join(
                f"instr(cast({quote(column)} as text), ?{number})"
                for column in columns
                for number in range(1, len(texts) + 1)
            )
            if table_name == "event_logs":
                condition = f"({condition}) and dagster_event_type is not {MATERIALIZATION!r}"
            rows = connection.execute(f"select rowid from {quote(table_name)} where {condition}", texts)
            yield from ((table_name, rowid) for (rowid,) in rows.fetchall())


def _remove_rows(path: Path, texts: Sequence[str]) -> int:
    """Delete the rows that still have a text, and write the database again."""
    found = [row for row in _rows_with(path, texts) if row[0] not in KEPT_TABLES]
    try:
        with closing(_opened(path)) as connection:
            for table_name, rowid in found:
                connection.execute(f"delete from {quote(table_name)} where rowid = ?", (rowid,))
            connection.execute("vacuum")
            [is_busy, *_] = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    except sqlite3.OperationalError:
        is_busy = True
    if is_busy:
        raise StoreError(
            f"{path} is in use; stop `session-pipeline dev` and everything else that reads the history of runs, then"
            " run `session-pipeline run`, which finishes the erasure"
        )
    return len(found)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _files(folder: DataFolder) -> Iterator[Path]:
    """Yield Dagster's other files: output of runs, messages of ticks, alerts."""
    for path in sorted(folder.dagster_home.rglob("*")):
        is_of_database = path.suffix.startswith(".db")  # also .db-wal and .db-shm
        if path.is_file() and not is_of_database and path != home.settings_of(folder):
            yield path


def _remove_files(folder: DataFolder, texts: Sequence[str]) -> int:
    gone = [path for path in _files(folder) if _contains(path, texts)]
    for path in gone:
        path.unlink()
    return len(gone)


def _contains(path: Path, texts: Sequence[str]) -> bool:
    with path.open("rb") as file:
        if not texts or path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(text.encode()) >= 0 for text in texts)
