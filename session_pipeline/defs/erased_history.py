"""Removes what the history of runs contains about erased visitors.

The history is meant to have counts only (`defs.metadata`), but an error message can quote a value. So all of Dagster's
files are searched for the ids. Runs and ticks that contain one are deleted, and so are files of logs. All databases are
then written again, because SQLite keeps deleted rows in free pages. `run.erasure` does the other steps of an erasure.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import home, retention
from session_pipeline.defs.event_log import EventLog
from session_pipeline.engines.sql import literal, quote
from session_pipeline.errors import StoreError
from session_pipeline.ingest.erasing.erasures import IdSearch, Unfinished
from session_pipeline.store import crash_points
from session_pipeline.store.files import sync_folder
from session_pipeline.store.sqlite import is_locked, open_existing, write_again

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
    runs = _runs_with(folder, left.search)
    if runs:
        retention.delete_runs(instance, event_log, sorted(runs))
        crash_points.reached("erase: runs deleted")
    count = len(runs) + _remove_files(folder, left.search)
    event_log.close_files()
    for path in _databases(folder):
        count += _remove_rows(path, left.search)
        crash_points.reached("erase: database written again")
    for each in filter(Path.is_dir, _paths(folder)):
        sync_folder(each)
    return count


def _paths(folder: DataFolder) -> list[Path]:
    """Return what is in Dagster's home, also in folders that are links, such as to another disk.

    A link to a folder that is searched anyway, or that Dagster's home is in, is not followed: the search would repeat
    itself, or leave the history.
    """
    top = folder.dagster_home.resolve()
    searched, found = {top, *top.parents}, []
    for above, folders, files in os.walk(folder.dagster_home, followlinks=True):
        for path in [Path(above, name) for name in folders]:
            target = path.resolve()
            if target in searched or (path.is_symlink() and target.is_relative_to(top)):
                folders.remove(path.name)
            searched.add(target)
        found += [Path(above, name) for name in (*folders, *files)]
    return sorted(found)


def _databases(folder: DataFolder) -> list[Path]:
    return [path for path in _paths(folder) if path.suffix == ".db" and path.is_file()]


def _runs_with(folder: DataFolder, search: IdSearch) -> set[str]:
    """Return the ids of the runs whose events, tags or output contain an id."""
    storage, found = folder.dagster_home / "storage", set()
    messages = storage / retention.MESSAGES  # of ticks, which belong to no run
    for path in _databases(folder):
        of_rows = {row.run_id for row in _rows_with(path, search)}
        if path.parent.name == "runs" and path.name != "index.db" and of_rows:
            of_rows = {path.stem}  # the events of one run
        found |= of_rows
    for path in _files(folder):
        if path.is_relative_to(storage) and not path.is_relative_to(messages) and _contains(path, search):
            found.add(path.relative_to(storage).parts[0])
    return {run_id for run_id in found if run_id}


class Row(NamedTuple):
    """A row of a database with an id. `run_id` is None if the table has no such column."""

    table_name: str
    number: int
    run_id: str | None


def _rows_with(path: Path, search: IdSearch) -> list[Row]:
    """Return the rows that contain an id, except materializations.

    The bytes of the file are not enough to decide: SQLite divides long texts over pages.
    """
    found = []
    with closing(open_existing(path, BUSY_SECONDS)) as connection:
        # The values of a row are searched as one text, because most are too short to be worth a search of their own.
        connection.create_function("has_id", -1, lambda *values: search.is_in("\0".join(map(str, values))))
        tables = connection.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        for (name,) in tables.fetchall():
            columns = [row[1] for row in connection.execute(f"pragma table_info({quote(name)})")]
            condition = f"has_id({', '.join(map(quote, columns))})"
            if name == "event_logs":  # first, because most rows are materializations
                condition = f"dagster_event_type is not {literal(MATERIALIZATION)} and {condition}"
            run_id = "run_id" if "run_id" in columns else "null"
            rows = connection.execute(f"select rowid, {run_id} from {quote(name)} where {condition}")
            found += [Row(name, number, run) for number, run in rows]
    return found


def _remove_rows(path: Path, search: IdSearch) -> int:
    """Delete the rows that still contain an id, and write the database again."""
    found = [row for row in _rows_with(path, search) if row.table_name not in KEPT_TABLES]
    try:
        with closing(open_existing(path, BUSY_SECONDS)) as connection:
            for row in found:
                connection.execute(f"delete from {quote(row.table_name)} where rowid = ?", (row.number,))
            is_done = write_again(connection)
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
        is_done = False
    if not is_done:
        raise StoreError(
            f"{path} is in use; stop `session-pipeline dev` and everything else that reads the history of runs, then"
            " run `session-pipeline run`, which finishes the erasure"
        )
    return len(found)


def _files(folder: DataFolder) -> Iterator[Path]:
    """Yield Dagster's other files: output of runs, messages of ticks, alerts."""
    for path in _paths(folder):
        is_of_database = path.suffix.startswith(".db")  # also .db-wal and .db-shm
        if path.is_file() and not is_of_database and path != home.settings_of(folder):
            yield path


def _remove_files(folder: DataFolder, search: IdSearch) -> int:
    gone = [path for path in _files(folder) if _contains(path, search)]
    for path in gone:
        path.unlink()
    return len(gone)


def _contains(path: Path, search: IdSearch) -> bool:
    return search.is_in(path.read_text(encoding="utf-8", errors="replace"))
