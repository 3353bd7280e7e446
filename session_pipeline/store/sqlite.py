"""What the catalog and the databases of Dagster share: how SQLite files are opened and written again, and error codes.

read_only.py opens files that this user cannot write, damage.py and shortage.py explain errors.
"""

import sqlite3
from pathlib import Path

PRIMARY_CODE = 0xFF  # mask for the primary part of SQLite's extended error codes


def primary_code(error: BaseException | None) -> int:
    """Return the primary error code of SQLite; 0 if Python found the error, or if it is none of SQLite."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & PRIMARY_CODE


def is_locked(error: BaseException) -> bool:
    """Whether SQLite could not use a file because another program kept it locked, such as a shell of SQLite.

    SQLITE_LOCKED does not count: it is a conflict within one connection.
    """
    return primary_code(error) == sqlite3.SQLITE_BUSY


def open_existing(path: Path, timeout_seconds: float) -> sqlite3.Connection:
    """Open a database that exists. Each statement is a transaction of its own.

    Not read-only: SQLite must be able to create the files that readers of a write-ahead log share.

    Args:
        path: The database.
        timeout_seconds: How long a statement waits for a lock that another program holds.

    Raises:
        DatabaseError: There is no such file, or it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=timeout_seconds, isolation_level=None)


def write_again(connection: sqlite3.Connection) -> bool:
    """Write a database again without deleted rows, and empty its write-ahead log.

    Returns:
        Whether that is done; False if another program reads it for too long, so that the log keeps the rows.
    """
    connection.execute("vacuum")
    [is_busy, *_] = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
    return not is_busy
