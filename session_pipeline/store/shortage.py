"""Turns the errors of a full or broken disk, too little memory, too many open files and locked files into clear ones.

It recognizes the errors of the operating system, DuckDB, SQLite and Spark. The error classes are in errors.py.
"""

import errno
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from session_pipeline.errors import DiskFullError, MemoryTooSmallError, OpenFilesError, SessionPipelineError, StoreError
from session_pipeline.store.catalog_file import CATALOG_FILE
from session_pipeline.store.sqlite import is_locked, primary_code

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DISK_FULL_TEXT = re.compile(
    r"no space left on device|disk quota exceeded|file too large|database or disk is full", re.IGNORECASE
)
LOCKED = "is locked by another program"
HOW_TO_UNLOCK = "end that program, or its transaction, and run again"
TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}
TOO_MANY_FILES_TEXT = re.compile(r"too many open files", re.IGNORECASE)
TOO_MANY_FILES_IN_PYTHON = re.compile(rf"OSError: \[Errno (?:{errno.EMFILE}|{errno.ENFILE})\] [^:]*(?:: '(.+)')?")
# A write, a commit and a checkpoint. Other errors can quote data, in which the same words can stand.
DUCKDB_WRITES = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException)
SPILL_LIMIT = "max_temp_directory_size"
DISK_FULL_IN_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
FILE_IN_TEXT = re.compile(r'\\?"(/[^"\\]+)')  # DuckDB quotes the path, and escapes the quotes in errors of threads
# Spark's errors are texts of Java. An executor that ran out of memory has the exit code 52.
MEMORY_IN_SPARK = re.compile(r"OutOfMemoryError[^\n]*|UNABLE_TO_ACQUIRE_MEMORY[^\n]*|exited with code 52")
FIX_FOR_SPARK = (
    'raise "spark.executor.memory" in [engine] conf of settings.toml (with a local master: "spark.driver.memory"), or'
    ' raise "spark.sql.shuffle.partitions" so that each task has fewer rows,'
)
# The lines of Java's errors about files, and of those of Python and DuckDB in a task.
FILES_IN_SPARK = re.compile(r"[\w.]*\b(?:IOException|FileNotFoundException|FSError|OSError): [^\n]*")
HADOOP = "org.apache.hadoop.fs."  # Spark writes the rows of computations with it, but not its temporary files
TEMPORARY_OF_SPARK = "a temporary file of Spark below spark.local.dir"


@contextmanager
def report_shortage(folder: Path) -> Iterator[None]:
    """Turn errors of the disk, of memory, of open and of locked files into clear ones; others pass unchanged.

    Of Spark, also those of its tasks on other machines.

    Args:
        folder: The folder that is written to; the message names it if the original error names no file.

    Raises:
        DiskFullError: A file could not be written because the disk is full or a size limit is reached.
        MemoryTooSmallError: The engine needed more memory than its limit, even with spilling.
        OpenFilesError: The process may not open more files.
        StoreError: The disk failed while the catalog was read or written, or another program kept it locked.
    """
    try:
        yield
    except SessionPipelineError:
        raise
    except Exception as error:
        has_catalog, causes = _has_catalog(folder), list(_causes(error))
        if has_catalog and any(type(cause).__module__.startswith("sqlalchemy.") for cause in causes):
            raise  # it is about a database of Dagster, whose folder an outer block names
        shortages = (_shortage(cause, folder, has_catalog=has_catalog) for cause in causes)
        shortage = next((found for found in shortages if found is not None), None)
        if shortage is None:
            raise
        raise shortage from error


def _shortage(error: BaseException, folder: Path, *, has_catalog: bool) -> SessionPipelineError | None:
    """Return the clear error for an error, without its causes; None for other errors."""
    file = _file_that_did_not_fit(error, folder)
    if file is not None:
        return disk_full(folder / file)
    file = _file_beyond_the_limit(error)
    if file is not None:
        return OpenFilesError(file or str(folder))
    if has_catalog and is_disk_error(error):
        return StoreError(f"{folder / CATALOG_FILE}: {error}; check the disk and run again")
    if has_catalog and is_locked(error):
        return StoreError(f"{folder / CATALOG_FILE} {LOCKED} ({error}); {HOW_TO_UNLOCK}")
    if isinstance(error, duckdb.OutOfMemoryException):
        return MemoryTooSmallError(str(error).partition("\n")[0])
    if type(error).__module__.startswith(("pyspark.", "py4j.")):
        return _shortage_in_spark(str(error), folder)
    return None


def disk_full(path: Path) -> DiskFullError:
    """Return the error for a file that does not fit on its disk; it states how many bytes are free."""
    folder = path
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        return DiskFullError(str(path), shutil.disk_usage(folder).free)
    except OSError:
        return DiskFullError(str(path), None)


def means_disk_full(text: str) -> bool:
    """Whether the text of an error means that the disk is full. For errors of which only the text is known."""
    return DISK_FULL_TEXT.search(text) is not None


def too_many_files(text: str) -> OpenFilesError | None:
    """Return the clear error for the text of an error of Python, with its class, about open files; None for others."""
    found = TOO_MANY_FILES_IN_PYTHON.match(text)
    return OpenFilesError(found.group(1) or "a file") if found else None


def is_full_disk(error: BaseException) -> bool:
    """Whether DuckDB could not write because the disk is full."""
    return isinstance(error, DUCKDB_WRITES) and means_disk_full(str(error))


def is_disk_error(error: BaseException) -> bool:
    """Whether SQLite could not read or write a file, such as on a broken disk."""
    return primary_code(error) == sqlite3.SQLITE_IOERR


def sentence_of_database(error: BaseException) -> str | None:
    """Return a sentence for an error of DuckDB or SQLite about memory or a file that failed; None for other errors.

    For commands: the errors that `report_shortage` leaves unchanged.
    """
    text = str(error).partition("\n\nStack Trace")[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return str(MemoryTooSmallError(text.partition("\n")[0], "give the process more memory"))
    if isinstance(error, duckdb.IOException) or (
        # After any error during a write, DuckDB refuses the database; a bug of its own must stay visible.
        isinstance(error, duckdb.FatalException) and "INTERNAL" not in text
    ):
        return f"DuckDB cannot read or write a file ({' '.join(text.split())}); check the disk and run again"
    for cause in _causes(error):
        where = "a database in dagster_home/" if type(error).__module__.startswith("sqlalchemy.") else "a database"
        if is_disk_error(cause):
            return f"SQLite cannot read or write {where} ({cause}); check the disk and run again"
        if is_locked(cause):
            return f"{where} {LOCKED} ({cause}); {HOW_TO_UNLOCK}"
    return None


def _shortage_in_spark(text: str, folder: Path) -> SessionPipelineError | None:
    """Return the clear error for the text of an error of Spark; None for other errors.

    Java's error of a full disk names no file: either one below the folder, or a temporary file of an executor, whose
    disk this machine may not see.
    """
    memory = MEMORY_IN_SPARK.search(text)
    if memory:
        return MemoryTooSmallError(f"Spark: {memory.group(0)}", FIX_FOR_SPARK)
    lines = FILES_IN_SPARK.findall(text)
    if any(TOO_MANY_FILES_TEXT.search(line) for line in lines):
        return OpenFilesError("a file in a task of Spark")
    full = [line for line in lines if DISK_FULL_TEXT.search(line)]
    if not full:
        return None
    if all("java.io." in line and HADOOP not in line for line in full):
        return DiskFullError(TEMPORARY_OF_SPARK, None)
    return disk_full(folder)


def _has_catalog(folder: Path) -> bool:
    """Whether a folder is known to have a catalog; false if this user may not look into it."""
    return os.path.exists(folder / CATALOG_FILE)  # Path.exists() would raise an error in place of the one to report


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _file_beyond_the_limit(error: BaseException) -> str | None:
    """Return the file that was one too many to open, empty if the error does not name it; None for other errors."""
    if isinstance(error, OSError):
        return str(error.filename or "") if error.errno in TOO_MANY_FILES else None
    if not isinstance(error, duckdb.IOException) or not TOO_MANY_FILES_TEXT.search(str(error)):
        return None
    file = FILE_IN_TEXT.search(str(error))
    return file.group(1) if file else ""


def _file_that_did_not_fit(error: BaseException, folder: Path) -> str | None:
    """Return the file that did not fit on the disk, empty if the error does not name it; None for other errors."""
    if isinstance(error, OSError):
        return str(error.filename or "") if error.errno in DISK_FULL else None
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", None) not in DISK_FULL_IN_SQLITE:
            return None
        return CATALOG_FILE if _has_catalog(folder) else ""  # SQLite's errors do not name the file
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return "" if SPILL_LIMIT in text else None
    if not is_full_disk(error):
        return None
    file = FILE_IN_TEXT.search(text)
    return file.group(1) if file else ""
