"""The writer's lock of a store: one process writes at a time, others wait or get the name of the holder.

The process that works holds the lock, so a dead process holds none. What is written under it is in store.py.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from session_pipeline.errors import StoreHeldError
from session_pipeline.store.records import utc_now

LOCK_POLL_SECONDS = 0.2


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
def lock(folder: Path, wait_seconds: float, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the writer lock of a store within the block; its file names the process that holds it.

    The lock belongs to this process. When the process dies, the lock is released; while an orphaned process lives, it
    keeps the next writer out.

    Args:
        folder: The store's folder.
        wait_seconds: How long to wait for another writer.
        on_wait: Called once, with a sentence that names the other writer, if the lock is not free.

    Raises:
        StoreHeldError: Another writer holds it for longer than `wait_seconds`.
    """
    path = folder / "writer.lock"
    with path.open("a+") as file:
        _acquire(file.fileno(), path, wait_seconds, on_wait)
        path.write_text(json.dumps({"pid": os.getpid(), "since": utc_now()}))
        try:
            yield
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _acquire(descriptor: int, path: Path, wait_seconds: float, on_wait: Callable[[str], None] | None) -> None:
    deadline = monotonic() + wait_seconds
    is_reported = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _holder(path)
            if monotonic() >= deadline:
                raise StoreHeldError(
                    f"the store {path.parent} is being written by {holder}; try again when it has finished"
                ) from None
            if on_wait is not None and not is_reported:
                on_wait(f"waiting for {holder}, which is writing the store")
                is_reported = True
            sleep(LOCK_POLL_SECONDS)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']} since {holder['since'][:19]} UTC"
    except (OSError, ValueError, KeyError):
        return "another process"
