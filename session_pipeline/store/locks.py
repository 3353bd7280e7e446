"""The writer's lock of a store: one process writes at a time, others wait or get the name of the holder.

The process that works holds the lock, so a dead process holds none. What is written under it is in store.py.
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from time import monotonic, sleep

from session_pipeline.errors import StoreError, StoreHeldError
from session_pipeline.store.records import utc_now

LOCK_POLL_SECONDS = 0.2
MOST_DELETIONS = 100  # of the lock file, each after it was opened and before it was locked
GONE = {errno.ENOENT, errno.ESTALE}  # ESTALE: another machine deleted a file of NFS that is open on this one


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder for a moment, so that one process creates what is missing in it and the others find it.

    Only processes that use this function are kept out.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock(folder: Path, wait_seconds: float, on_wait: Callable[[str], None] | None) -> Iterator[Callable[[], None]]:
    """Hold the writer lock of a store within the block; its file names the process that holds it.

    The lock belongs to this process. When the process dies, the lock is released; while an orphaned process lives, it
    keeps the next writer out. If the file is deleted, the next writer locks a new one. Therefore a writer calls the
    function that this yields before it commits, replaces or deletes something; it raises StoreError if the file is
    another one or is gone.

    Args:
        folder: The store's folder.
        wait_seconds: How long to wait for another writer.
        on_wait: Called once, with a sentence that names the other writer, if the lock is not free.

    Raises:
        StoreHeldError: Another writer holds it for longer than `wait_seconds`.
        StoreError: Something deletes its file again and again.
    """
    path = folder / "writer.lock"
    with _locked(path, wait_seconds, on_wait) as file:
        # Into the file that is locked: at its path, there can be another one by now.
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "since": utc_now()}).encode())
        try:
            yield lambda: _refuse_other(path, file)
        finally:
            with suppress(OSError):  # of a file that another machine deleted
                fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _locked(path: Path, wait_seconds: float, on_wait: Callable[[str], None] | None) -> FileIO:
    """Return the lock file, open and locked."""
    deadline = monotonic() + wait_seconds
    is_reported = False
    deletion_count = 0
    while True:
        with ExitStack() as stack:
            file = stack.enter_context(FileIO(path, "a+"))
            is_locked = _try_to_lock(path, file)
            if is_locked and _is_at(path, file):
                stack.pop_all()
                return file
        if is_locked is not False:  # it was deleted after it was opened, so nobody holds it
            deletion_count += 1
            if deletion_count == MOST_DELETIONS:
                raise StoreError(f"{path} is deleted again and again; end the program that does this, and run again")
            continue
        holder = _holder(path)
        if monotonic() >= deadline:
            raise StoreHeldError(
                f"the store {path.parent} is being written by {holder}; try again when it has finished"
            )
        if on_wait is not None and not is_reported:
            on_wait(f"waiting for {holder}, which is writing the store")
            is_reported = True
        sleep(LOCK_POLL_SECONDS)


def _try_to_lock(path: Path, file: FileIO) -> bool | None:
    """Lock an open file; return whether this process holds it now, or None if the file is gone."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in GONE:
            error.filename = str(path)  # the system does not name it
            raise
        return None
    return True


def _is_at(path: Path, file: FileIO) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError as error:
        if error.errno not in GONE:
            raise
        return False


def _refuse_other(path: Path, file: FileIO) -> None:
    if not _is_at(path, file):
        raise StoreError(
            f"{path} was deleted while this process wrote the store, so another one can write it, too; run again, and"
            " do not delete this file: the lock ends with the process that holds it"
        )


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']} since {holder['since'][:19]} UTC"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
