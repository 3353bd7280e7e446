"""Want of room on the disk or in memory, said in one sentence.

Knows how the operating system, DuckDB and SQLite say that there is none. Does not know who was writing what.
"""

import errno
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from session_pipeline.errors import DiskFullError, MemoryTooSmallError, SessionPipelineError

CATALOG = "catalog.sqlite"  # SQLite's errors do not name the file
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_ROOM_IN_WORDS = re.compile(
    r"no space left on device|disk quota exceeded|file too large|database or disk is full", re.IGNORECASE
)
NO_ROOM_TO_SPILL = "max_temp_directory_size"
NO_ROOM_IN_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
FILE_IN_WORDS = re.compile(r'\\?"(/[^"\\]+)')  # DuckDB quotes it, and quotes the quotes when it tells of a thread


@contextmanager
def shortage_said(folder: Path) -> Iterator[None]:
    """Tell of a full disk, or too little memory, in one way, whoever met it; any other error goes on as it is.

    Args:
        folder: Where it is written; named when the error itself names no file.

    Raises:
        DiskFullError: A file could not be written for want of room.
        MemoryTooSmallError: The engine could not work within its memory, not even by spilling.
    """
    try:
        yield
    except SessionPipelineError:
        raise
    except Exception as error:
        for cause in _causes(error):
            file = _without_room(cause, folder)
            if file is not None:
                raise disk_full(folder / file) from error
            if isinstance(cause, duckdb.OutOfMemoryException):
                raise MemoryTooSmallError(str(cause).partition("\n")[0]) from error
        raise


def disk_full(path: Path) -> DiskFullError:
    """The error that says there is no room for a file, with how much there is."""
    folder = path
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        return DiskFullError(str(path), shutil.disk_usage(folder).free)
    except OSError:
        return DiskFullError(str(path), None)


def tells_of_no_room(text: str) -> bool:
    """Whether that is what an error says, of which there is nothing but its text."""
    return NO_ROOM_IN_WORDS.search(text) is not None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _without_room(error: BaseException, folder: Path) -> str | None:
    """The file for which there is no room, empty when the error does not name it; None when it is another error."""
    if isinstance(error, OSError):
        return str(error.filename or "") if error.errno in NO_ROOM else None
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", None) not in NO_ROOM_IN_SQLITE:
            return None
        return CATALOG if (folder / CATALOG).exists() else ""
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return "" if NO_ROOM_TO_SPILL in text else None
    if not isinstance(error, duckdb.IOException) or not NO_ROOM_IN_WORDS.search(text):
        return None
    file = FILE_IN_WORDS.search(text)
    return file.group(1) if file else ""
