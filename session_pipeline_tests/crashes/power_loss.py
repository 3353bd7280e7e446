"""Simulates a power loss: rebuilds a data folder without what was not durable when its process died.

A killed process leaves everything it wrote in the page cache, so kills do not test fsync. Here the process records each
fsync; afterwards the folder is rebuilt as the disk could have it. The simulation is strict: the bytes of a file are
kept only after its own fsync, a name only after the fsync of its folder. SQLite syncs its own files, so they are copied
unchanged.
"""

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from threading import Lock

# The content of a folder at one moment: for each name, the inode and whether it is a folder.
Names = dict[str, tuple[int, bool]]
CATALOG = "catalog.sqlite"
LINK = os.link  # the original function, also when a test replaces os.link


class Lost(Enum):
    """What is lost of the data that was not made durable. A real disk may have written part of it, in any order."""

    NAMES = "names and bytes that were not made durable"
    BYTES = "bytes that were not made durable; names are all there"


class SimulatedDisk:
    """Tracks what the disk of a folder is guaranteed to have while a process works there."""

    def __init__(self, folder: Path, notes: Path) -> None:
        """Take a folder, whose present content counts as durable, and a folder on the same file system for notes."""
        self._folder = folder
        self._notes = notes
        (notes / "inodes").mkdir(parents=True)
        self._durable = {inode for path in _folders(folder) for inode, _ in _note(path, notes).values()}

    def recorder(self, then: Callable[[], None] | None = None) -> Callable[[], None]:
        """Return a function that the process calls first: it records each fsync from then on, then calls `then`."""
        return partial(_record, self._folder, self._notes, then)

    def lose_power(self, target: Path, lost: Lost) -> None:
        """Rebuild the folder at `target` as it is after the power loss."""
        names: dict[int, Names] = {}
        durable = set(self._durable)
        for line in (self._notes / "journal").read_text().splitlines():
            inode, entries = json.loads(line)
            durable.add(inode)
            if entries is not None:
                names[inode] = {name: (number, is_folder) for name, (number, is_folder) in entries.items()}
        self._restore(os.stat(self._folder).st_ino, self._folder, target, names, durable, lost)

    def _restore(
        self, inode: int, now: Path | None, target: Path, names: dict[int, Names], durable: set[int], lost: Lost
    ) -> None:
        target.mkdir()
        present = _names(now) if now is not None else {}
        entries = names.get(inode, {})
        if lost is Lost.BYTES:
            entries = present
        else:
            entries = {name: entry for name, entry in present.items() if _is_catalog(name)} | {
                name: entry for name, entry in entries.items() if not _is_catalog(name)
            }
        for name, (number, is_folder) in sorted(entries.items()):
            if name == "raw" and now == self._folder:
                # Moved, because a copy would look like a new delivery. Delivered files are never written to.
                os.rename(now / name, target / name)
                continue
            here = now / name if now is not None and present.get(name) == (number, is_folder) else None
            if is_folder:
                self._restore(number, here, target / name, names, durable, lost)
                continue
            source = here or self._notes / "inodes" / str(number)
            if number in durable or _is_catalog(name):
                shutil.copy2(source, target / name)
            else:
                (target / name).touch()


def _record(folder: Path, notes: Path, then: Callable[[], None] | None) -> None:
    sync, one_at_a_time = os.fsync, Lock()

    def noted(descriptor: int) -> None:
        sync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_relative_to(folder):
            with one_at_a_time:
                _note(path, notes)

    os.fsync = noted
    if then is not None:
        then()


def _note(path: Path, notes: Path) -> Names:
    """Add to the journal what is durable from now on. Bytes of files are kept, even if their name is removed."""
    state = path.stat()
    names = _names(path) if stat.S_ISDIR(state.st_mode) else None
    files = {path: state.st_ino} if names is None else {path / name: inode for name, (inode, _) in names.items()}
    for file, inode in files.items():
        kept = notes / "inodes" / str(inode)
        # A link would change the stamp by which ingest recognizes a delivered file. These are never changed or removed.
        if file.is_file() and not kept.exists() and "raw" not in file.parts and not _is_catalog(file.name):
            LINK(file, kept)
    with (notes / "journal").open("a") as journal:
        journal.write(json.dumps([state.st_ino, names]) + "\n")
    return names or {}


def _names(folder: Path) -> Names:
    with os.scandir(folder) as entries:
        return {entry.name: (entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in entries}


def _folders(folder: Path) -> Iterator[Path]:
    return (Path(path) for path, _, _ in os.walk(folder))


def _is_catalog(name: str) -> bool:
    return name.startswith(CATALOG)
