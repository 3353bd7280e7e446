"""Opens SQLite databases for users that may read them but not write them, or that are on a read-only disk.

Databases here have a write-ahead log. While a program has one open, or after it was killed, the log and its index are
there, and SQLite needs no other file to read it. Otherwise SQLite would have to create both, which such a user cannot.
"""

import sqlite3
from pathlib import Path

from session_pipeline.store.sqlite import open_existing, primary_code

SIGNS_OF_NO_ACCESS = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
WITH_LOG, WITHOUT_LOG = b"\2\2", b"\1\1"  # how a database is written and read, in its header
PLACE_IN_HEADER = slice(18, 20)


def means_no_access(error: BaseException) -> bool:
    """Whether SQLite could not use a file because the user may not, or may not create the files next to it."""
    return primary_code(error) in SIGNS_OF_NO_ACCESS


def connect_to_read(path: Path, timeout_seconds: float) -> sqlite3.Connection:
    """Open a database that exists, to read it; one of this version or of another.

    Changes no table.

    Raises:
        DatabaseError: There is no such file, or it cannot be opened.
    """
    connection = None
    try:
        connection = open_existing(path, timeout_seconds)
        connection.execute("select 1 from sqlite_master limit 1")  # reads the file
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        copy = opened_copy(path) if means_no_access(error) else None
        if copy is None:
            raise
        return copy
    return connection


def opened_copy(path: Path) -> sqlite3.Connection | None:
    """Read a database into memory, and open it there. Changes of it are refused.

    Without a log, the file has everything, and it is complete as long as no program opens it.

    Returns:
        The connection; None if the file cannot be read, has a log, or was opened by a program meanwhile.
    """
    try:
        before = _state(path)
        content = bytearray(path.read_bytes())
        if before is None or _state(path) != before or content[PLACE_IN_HEADER] != WITH_LOG:
            return None
    except OSError:
        return None
    content[PLACE_IN_HEADER] = WITHOUT_LOG  # SQLite has no logs in memory
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.deserialize(bytes(content))
    connection.execute("pragma query_only = on")
    return connection


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what changes if a database is written; None if it has a log."""
    if path.with_name(f"{path.name}-wal").exists():
        return None
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
