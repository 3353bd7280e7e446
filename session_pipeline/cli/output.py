"""Writes output files at a path that the user gives: a regular file is replaced, anything else is written into.

Handles links, devices, pipes and file descriptors. The content comes from the commands. Files of the data folder are
written by `store` and `publish`.
"""

import os
import shutil
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from session_pipeline import interrupts
from session_pipeline.cli.screen import size, stderr
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import WrongUseError
from session_pipeline.store.files import sync_file, sync_folder

STANDARD_OUTPUT = Path("-")
MOST_LINKS = 40  # the limit of Linux
PREFIX = ".session-pipeline-"


@contextmanager
def destination(path: Path) -> Iterator[Path]:
    """Yield a temporary file name to write to. If no exception is raised, its content ends up at `path`.

    The path and the size are then printed on standard error.

    A regular file is replaced atomically and keeps its permissions. A link stays, and its target is replaced. A device,
    a pipe or an open descriptor (/dev/stdout) is written into. It is opened before the caller writes, so that the
    reader of a pipe does not wait forever for a command that failed. SIGTERM removes the temporary file like Ctrl-C.

    Raises:
        WrongUseError: The path is a folder.
        OSError: The path cannot be written to.
    """
    with interrupted_by_sigterm(), _named(path), ExitStack() as opened:
        special = _opened_special(path, opened)
        target = Path(os.path.realpath(path))
        folder = None if special else target.parent
        temporary = Path(opened.enter_context(TemporaryDirectory(prefix=PREFIX, dir=folder))) / "written"
        yield temporary
        byte_count = temporary.stat().st_size
        if special:
            with temporary.open("rb") as written:
                shutil.copyfileobj(written, special)
            special.flush()
        else:
            _replace(temporary, target)
    stderr.print(f"{path}, {size(byte_count)}", soft_wrap=True)


def refuse_own_file(folder: DataFolder, path: Path) -> None:
    """Check that a file to write is none of the data folder's own.

    Raises:
        WrongUseError: It is one, or it would be in one of the folders for them.
    """
    if folder.contains(path):
        raise WrongUseError(f"{path} belongs to the data folder {folder.path}; name a file somewhere else")


def is_regular(path: Path) -> bool:
    """Return whether the path is a regular file, possibly through links."""
    return path.is_file() and _own_descriptor(path) is None


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C within the block. By default, it would leave the temporary file behind."""
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL or threading.current_thread() is not threading.main_thread():
        yield  # another handler is set, or this thread cannot set one
        return
    signal.signal(signal.SIGTERM, interrupts.interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Make errors name the path that the user gave, not the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None or PREFIX in str(error.filename):
            error.filename = str(path)
        raise


def _opened_special(path: Path, opened: ExitStack) -> BinaryIO | None:
    """Open the path for writing; returns None if it is a regular file or does not exist."""
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        return opened.enter_context(os.fdopen(os.dup(descriptor), "wb"))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        raise WrongUseError(f"{path} is a folder; name a file in it")
    # Without O_CREAT and O_TRUNC: nothing is created or truncated.
    return opened.enter_context(os.fdopen(os.open(path, os.O_WRONLY), "wb"))


def _own_descriptor(path: Path) -> int | None:
    """Return the number of the open descriptor that a path such as /dev/stdout or /dev/fd/3 names, else None.

    The descriptor is needed because opening a redirected file by its name would overwrite it from the beginning.
    """
    descriptors = {os.path.realpath("/proc/self/fd"), "/dev/fd"}
    for _ in range(MOST_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) in descriptors:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _replace(temporary: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        before = target.stat()
        with suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
        os.chmod(temporary, stat.S_IMODE(before.st_mode))
    sync_file(temporary)
    os.replace(temporary, target)
    sync_folder(target.parent)
