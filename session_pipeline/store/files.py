"""Files that are whole and stay: bytes and names made durable, one file put in another's place.

Knows fsync and rename, and what a process leaves that dies between them. Does not know what is in a file.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points

DIGEST_LENGTH = 32


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


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where it is missing.

    Raises:
        StoreError: It is a link that leads nowhere, or something else has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        places = (*reversed(folder.parents), folder)
        obstacle = next((place for place in places if os.path.lexists(place) and not place.is_dir()), folder)
        if obstacle.is_symlink():
            target = os.path.realpath(obstacle)
            raise StoreError(
                f"{obstacle} is a link to {target}, which is no folder; make that folder or remove the link"
            ) from None
        raise StoreError(f"{obstacle} is no folder; move it away, and run again") from None


@contextmanager
def refusal_explained(path: Path) -> Iterator[None]:
    """Turn missing permission to write into one clear error; any other error goes on as it is.

    Args:
        path: What is written; named when the error itself names no file.

    Raises:
        StoreError: The file system does not allow it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); make {path.parent} writable for the user that runs this,"
            " and run again"
        ) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; at the end what was written is durable and takes the place of `path`, whole.

    A symbolic link stays, and its target is replaced.
    Several processes may do so at once, and the last one stays. What dead ones left is removed.
    """
    path = Path(os.path.realpath(path))
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


def digest(value: object) -> str:
    """A short hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:DIGEST_LENGTH]
