"""Opens the warehouse, the DuckDB file with every published table, for readers.

warehouse_file.py writes the file.
"""

import os
import shlex
from pathlib import Path

import duckdb

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.sql import literal, query_text
from session_pipeline.errors import StoreError

# What a query raises if the warehouse lacks a table or a column; of_another_version explains it.
MISSING = (duckdb.CatalogException, duckdb.BinderException)
MOST_ATTEMPTS = 10  # to open a warehouse that is replaced meanwhile; a run replaces it once


def connect(path: Path, store_folder: Path, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a warehouse read-only and locked down: no other files, no extensions, and these limits cannot be changed.

    With a `memory_limit`, such as "1GB", a query that needs more fails; otherwise DuckDB's default applies.

    Raises:
        StoreError: There is no warehouse yet, it cannot be opened, or its views read another store, because the data
            folder was moved or copied.
    """
    if not path.is_file():
        raise StoreError(f"there is no warehouse at {path} yet; create it with `session-pipeline run`")
    # Attached, not opened: DuckDB opens a path once per process, so a second connection would share the limits and the
    # snapshot of the first.
    connection = private_connection(**({"memory_limit": memory_limit} if memory_limit else {}))
    try:
        _attach(connection, path)
        connection.execute("use warehouse")
        folder = _folder_of_views(connection)
        if folder is None or _is_same(folder, store_folder):
            _lock_down(connection, folder)
            return connection
    except duckdb.Error as error:
        connection.close()
        if not os.access(path, os.R_OK):
            raise StoreError(f"{path} cannot be read; make it readable for the user that runs this") from None
        fix = "close what writes to it, or remove it and run `session-pipeline run`, which rebuilds it"
        raise StoreError(f"{path} cannot be opened {reason_and_fix(error, fix)}") from None
    connection.close()
    raise StoreError(
        f"{path} reads the files of {folder}: the data folder was moved or copied; run"
        f" `session-pipeline run --data {shlex.quote(str(path.parent))}` once"
    )


def reason_and_fix(error: duckdb.Error, fix: str = "run `session-pipeline run`") -> str:
    """Return the end of a sentence about a warehouse that cannot be read: the reason, and how to fix it.

    Args:
        error: The error of DuckDB.
        fix: How to fix the warehouse. If the memory is too small, the warehouse is not the cause.
    """
    if isinstance(error, duckdb.OutOfMemoryException):
        fix = "give the process more memory and run again"
    return f"({str(error).splitlines()[0]}); {fix}"


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Attach a warehouse, again if a run replaced it meanwhile.

    DuckDB opens a file once for its header and once for its blocks, which can then be those of two files.
    """
    for _ in range(MOST_ATTEMPTS):
        before = _identity(path)
        try:
            connection.execute(f"attach {literal(str(path))} as warehouse (read_only)")
        except duckdb.Error:
            if _identity(path) == before:
                raise
        else:
            if _identity(path) == before:
                return
            connection.execute("detach warehouse")
    raise duckdb.IOException("it was replaced again and again while it was opened")


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what distinguishes a file from the one that replaces it; None if there is no file."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def tables_of(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Return the names of the tables and views of an open warehouse."""
    return frozenset(name for (name,) in connection.execute(query_text(__package__, "tables_and_views")).fetchall())


def of_another_version(error: duckdb.Error) -> StoreError:
    """Return the error for a warehouse without a table or a column that a query of this version reads."""
    return StoreError(f"another version wrote the warehouse ({str(error).splitlines()[0]}); run `session-pipeline run`")


def _folder_of_views(connection: duckdb.DuckDBPyConnection) -> Path | None:
    """Return the folder of the files that views read: that of the store; None if no view reads files."""
    found = connection.execute(query_text(__package__, "folder_of_views")).fetchone()
    return None if found is None else Path(found[0])


def _is_same(folder: Path, store_folder: Path) -> bool:
    """Whether these are names of one folder, possibly through links."""
    return folder == store_folder or (folder.is_dir() and folder.samefile(store_folder))


def _lock_down(connection: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
    if folder is not None:
        # Views read the store's files. An allowed folder can also be written to, so these files are read-only on disk.
        connection.execute(f"set allowed_directories = [{literal(str(folder) + os.sep)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
