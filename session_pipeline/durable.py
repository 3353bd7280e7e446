"""Files that are whole and stay: bytes and names made durable, one file put in another's place.

Knows fsync and rename, and what a process leaves that dies between them. Does not know what is in a file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from session_pipeline import crash_points


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, after a rename into it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; at the end what was written is durable and takes the place of `path`, whole.

    Several processes may do so at once, and the last one stays. What dead ones left is removed.
    """
    for leftover in path.parent.glob(f".{path.name}.*"):
        if not _is_alive(leftover.suffix):
            leftover.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        crash_points.reached("replace: file written")
        sync_file(temporary)
        crash_points.reached("replace: file durable")
        os.replace(temporary, path)
        crash_points.reached("replace: file renamed")
    except OSError as error:
        error.filename = error.filename or str(path)  # a write does not say where to
        raise
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    crash_points.reached("replace: name durable")


def _is_alive(suffix: str) -> bool:
    try:
        os.kill(int(suffix.removeprefix(".")), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
