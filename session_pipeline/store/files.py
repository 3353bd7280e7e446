"""Writes files atomically and durably: fsync of files and folders, replacement by rename, cleanup after crashes.

This module does not look into files. store.py handles the Parquet files of the store.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from time import time
from typing import TypeVar

from session_pipeline import processes
from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points

DIGEST_LENGTH = 32
SYNCING_THREADS = 8
LONGEST_SILENCE_SECONDS = 86_400  # of a process that still writes a temporary file
# What ends the name of a temporary file: the name of its process, or its number, which older versions wrote.
WRITER = r"(?:[0-9a-f]{8}-[0-9a-f]{8}-\d+-\d+-\d+|\d{1,7})"
LARGEST_PROCESS_ID = 2**22  # of Linux

T = TypeVar("T")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (fsync), after a rename into it."""
    _sync(folder)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable (fsync)."""
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def at_once(sync: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """Make several files or folders durable. The disk combines the waits of several threads.

    Measured: a third of the time with four threads; with eight, a third less again.
    """
    in_threads(sync, paths, SYNCING_THREADS)


def in_threads(do: Callable[[T], None], items: Sequence[T], count: int) -> None:
    """Call a function with each item, in several threads. Each thread takes a share, because handing over costs time.

    The calling thread takes a share, too, because a new thread costs time.

    Raises:
        Exception: What a call raised; the other items of its share are left out.
    """
    if len(items) < count:
        for item in items:
            do(item)
        return

    def do_share(number: int) -> None:
        for item in items[number::count]:
            do(item)

    with ThreadPoolExecutor(count - 1) as pool:
        others = pool.map(do_share, range(1, count))
        do_share(0)
        list(others)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents if they do not exist.

    Raises:
        StoreError: The path, or a parent of it, is a broken link or not a folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        places = (*reversed(folder.parents), folder)
        obstacle = next((place for place in places if os.path.lexists(place) and not place.is_dir()), folder)
        if obstacle.is_symlink():
            target = os.path.realpath(obstacle)
            raise StoreError(
                f"{obstacle} is a link to {target}, which is not a folder; create that folder or remove the link"
            ) from None
        raise StoreError(f"{obstacle} is not a folder; move it elsewhere, and run again") from None


@contextmanager
def refusal_explained(path: Path) -> Iterator[None]:
    """Turn an error that the user can fix at the path into one clear error. Other errors pass through unchanged.

    Args:
        path: The file that is written, possibly through a link; the message names it.

    Raises:
        StoreError: The file system does not allow the write, the path is a folder, or a link to a place that does not
            exist.
    """
    try:
        yield
    except OSError as error:
        if sentence := _explained(path, error):
            raise StoreError(f"{sentence}, and run again") from None
        raise


def _explained(path: Path, error: OSError) -> str | None:
    """Return why a file cannot be written, and what to do; None if the reason is another one."""
    place = Path(os.path.realpath(path))
    if error.errno == errno.EISDIR and place.is_dir():
        return f"{path} is a folder; move it elsewhere"
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and path.is_symlink() and not place.parent.is_dir():
        return f"{path} is a link to {place}, whose folder does not exist; create that folder or remove the link"
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return None
    sentence = f"{path} cannot be written ({error.strerror}); make {place.parent} writable for the user that runs this"
    if error.errno == errno.EPERM:
        return f"{sentence}, remove the attribute immutable if `lsattr` shows it (`chattr -i`)"
    return sentence


def entries_of(folder: Path) -> list[Path]:
    """Return the sorted paths in a folder; none if it does not exist.

    Raises:
        OSError: The folder cannot be read. `Path.glob` finds nothing then, from Python 3.12 on.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def temporary_name(path: Path, *parts: object) -> Path:
    """Return a path next to another one for a file that this process writes; it is hidden and ends with the process.

    Args:
        path: The path that the file gets when it is complete.
        parts: What tells files of this process apart.
    """
    return path.with_name(".".join(("", path.name, *map(str, parts), processes.own_name().replace("/", "-"))))


def remove_temporaries(folder: Path, pattern: str, *, is_only_writer: bool = False) -> None:
    """Remove the temporary files of dead processes: those of `temporary_name`, and databases with their logs.

    A file of a process that cannot be judged from here, as in another container, is kept for LONGEST_SILENCE_SECONDS
    after its last change.

    Args:
        folder: The folder of the files.
        pattern: A glob pattern of their names. Names in it are given with `glob.escape`.
        is_only_writer: Whether a lock keeps all others from writing such files, so that those of processes that cannot
            be judged are removed, too.
    """
    for leftover in folder.glob(pattern):
        writer = leftover.name.removesuffix(".wal").rpartition(".")[2]
        if re.fullmatch(WRITER, writer, re.ASCII) is None:  # as .latest.html.swp
            continue
        is_alive = _is_alive(writer)
        if is_alive is None:
            is_alive = not is_only_writer and not _is_silent(leftover)
        if not is_alive:
            leftover.unlink(missing_ok=True)


def _is_alive(writer: str) -> bool | None:
    """Return whether the process that ends the name of a temporary file is alive; None if that cannot be known."""
    if not writer.isdecimal():
        return processes.is_alive(writer.replace("-", "/"))
    number = int(writer)
    if number > LARGEST_PROCESS_ID:  # the date of a backup
        return True
    return number != os.getpid() and processes.has_process(number)  # this version writes no such names


def _is_silent(path: Path) -> bool:
    """Return whether a file has not changed for so long that nobody writes it. Only the system sets its time."""
    try:
        return time() - path.stat().st_ctime > LONGEST_SILENCE_SECONDS
    except FileNotFoundError:
        return True


@contextmanager
def replacing(path: Path, *, is_only_writer: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; at the end, make the file durable and rename it to `path`.

    If `path` is a symbolic link, the link stays and its target is replaced. Several processes may replace a file at
    the same time; the last one wins. Temporary files of dead processes are removed.

    Args:
        path: The file.
        is_only_writer: See `remove_temporaries`.
    """
    path = Path(os.path.realpath(path))
    remove_temporaries(path.parent, f".{escape(path.name)}.*", is_only_writer=is_only_writer)
    temporary = temporary_name(path)
    try:
        yield temporary
        crash_points.reached("replace: file written")
        sync_file(temporary)
        crash_points.reached("replace: file durable")
        os.replace(temporary, path)
        crash_points.reached("replace: file renamed")
    except OSError as error:
        error.filename = error.filename or str(path)  # errors of write() do not name the file
        raise
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    crash_points.reached("replace: name durable")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file within the kernel; blocks are shared where the file system supports it."""
    with source.open("rb") as reader, target.open("wb") as writer:
        remaining = os.fstat(reader.fileno()).st_size
        try:
            while remaining > 0:
                copied = os.copy_file_range(reader.fileno(), writer.fileno(), remaining)
                if copied == 0:
                    break
                remaining -= copied
        except (OSError, AttributeError):  # the file system, or the C library, cannot do it
            remaining = -1
    if remaining != 0:
        shutil.copyfile(source, target)


def digest(value: object) -> str:
    """Return a short hash of a value; what JSON cannot represent is hashed as its text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:DIGEST_LENGTH]
