"""Files and folders that the disk cannot read, for tests: every read of them fails with EIO."""

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def cannot_read(monkeypatch: pytest.MonkeyPatch, *paths: Path, after: int = 0) -> Callable[[Path], bool]:
    """Let reads of files that Python opens fail, as on a broken disk: the error names no file.

    Their first bytes can be read (`after`), and a new file at the same path. Returns a function that says whether a
    path still has a broken file.
    """
    opened = builtins.open
    broken = {_identity(os.stat(path)) for path in paths}

    def open_broken(*args: Any, **arguments: Any) -> Any:
        found = opened(*args, **arguments)
        return _Unreadable(found, after) if _identity(os.fstat(found.fileno())) in broken else found

    monkeypatch.setattr(builtins, "open", open_broken)
    monkeypatch.setattr(io, "open", open_broken)
    return lambda path: _identity(os.stat(path)) in broken


def _identity(found: os.stat_result) -> tuple[int, int]:
    """Return what no other file has. After a file is deleted, a new one can have its number."""
    return found.st_ino, found.st_mtime_ns


def cannot_list(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let it fail to list a folder, as on a broken disk."""

    def failing(listed: Callable[..., Any]) -> Callable[..., Any]:
        def list_unless_broken(path: Any = ".") -> Any:
            if not isinstance(path, int) and Path(path) == folder:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return listed(path)

        return list_unless_broken

    monkeypatch.setattr(os, "listdir", failing(os.listdir))
    monkeypatch.setattr(os, "scandir", failing(os.scandir))


class _Unreadable:
    """An open file that can be read up to a byte."""

    def __init__(self, file: Any, after: int) -> None:
        self._file = file
        self._after = after

    def read(self, count: int = -1) -> Any:
        if 0 <= count <= self._after - self._file.tell():
            return self._file.read(count)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def readinto(self, *_: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def __enter__(self) -> "_Unreadable":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
