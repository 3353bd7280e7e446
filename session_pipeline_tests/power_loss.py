"""A machine that dies at a named place: what was not made durable is lost, then the process is killed.

A file's bytes are kept when it was fsynced, a name when its folder was; all else is taken back, the worst that a disk
may do. SQLite's files are left alone: it syncs them itself. Knows files and names. Does not know what is written, nor
in which order it should be.
"""

import os
import signal
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from session_pipeline import crash_points

SUFFIXES = (".parquet", ".duckdb", "_format.json")
Place = tuple[int, int]


class Disk:
    """What is durable, as far as this process made it so."""

    def __init__(self) -> None:
        self.synced: set[Place] = set()
        self.files: set[Path] = set()  # put in place by this process
        self.names: dict[Path, bytes | None] = {}  # not durable yet, with what lay there before

    def watch(self) -> None:
        """Look on from here at what this process makes durable."""
        fsync, replace, mkdir = os.fsync, os.replace, os.mkdir

        def watched_fsync(descriptor: int) -> None:
            fsync(descriptor)
            self.synced.add(_place(os.fstat(descriptor)))
            folder = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            self.names = {path: before for path, before in self.names.items() if path.parent != folder}

        def watched_replace(source: Any, target: Any) -> None:
            path = Path(target).absolute()
            before = path.read_bytes() if path.is_file() else None
            replace(source, target)
            if path.name.endswith(SUFFIXES):
                self.files.add(path)
                self.names.setdefault(path, before)

        def watched_mkdir(path: Any, *arguments: Any, **more: Any) -> None:
            mkdir(path, *arguments, **more)
            self.names.setdefault(Path(path).absolute(), None)

        os.fsync, os.replace, os.mkdir = watched_fsync, watched_replace, watched_mkdir

    def lose(self) -> None:
        """Take back what was not made durable."""
        for path in filter(Path.is_file, self.files):
            if _place(path.stat()) not in self.synced:
                path.chmod(0o644)
                path.write_bytes(b"")
        for path, before in self.names.items():
            if path.is_dir():
                _remove(path)
            elif path.is_file():
                path.unlink()
                if before is not None:
                    path.write_bytes(before)


@dataclass(frozen=True)
class Death:
    """Makes the process that it is called in die: at a place that it comes by, from 1, or at one of a name.

    It can be sent to another process.
    """

    at: int | str
    loses_power: bool = False

    def __call__(self) -> None:
        disk = Disk()
        if self.loses_power:
            disk.watch()
        passed, reached = count(1), crash_points.reached

        def watched(place: str) -> None:
            if self.at in (next(passed), place):
                with open(os.environ[crash_points.CRASH_LOG], "a") as places:
                    places.write(f"{place}\n")
                disk.lose()
                os.kill(os.getpid(), signal.SIGKILL)
            reached(place)

        crash_points.reached = watched


def _place(state: os.stat_result) -> Place:
    return state.st_dev, state.st_ino


def _remove(folder: Path) -> None:
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in names:
            (Path(parent) / name).unlink()
        for name in folders:
            (Path(parent) / name).rmdir()
    folder.rmdir()
