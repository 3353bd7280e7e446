"""Accesses the files of the store. Only this module lists, hashes, renames and removes them.

A file has a name: its path relative to the store's folder, with slashes. `location` says where an engine reads it. An
object store needs another class with these methods, and a lock and a catalog that all machines reach. store.py decides
what is added and removed.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points
from session_pipeline.store.files import at_once, make_folder, sync_file, sync_folder

READABLE = 0o444
UNREADABLE = "the disk cannot read it (Input/output error)"
HASHED_BYTES = 65_536  # at once; most files of a store are smaller, and larger buffers take longer to get than to fill


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hex.

    Raises:
        OSError: The file cannot be read; the error names it.
    """
    found = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as data:
            while part := data.read(HASHED_BYTES):
                found.update(part)
    except OSError as error:
        error.filename = error.filename or str(path)  # errors of read() do not name the file
        raise
    return found.hexdigest()


class StoreFiles:
    """The files of a store in a folder that all machines see under the same path."""

    def __init__(self, folder: Path) -> None:
        """Take the store's folder."""
        self._folder = folder

    def location(self, name: str) -> Path:
        """Return where a file can be read."""
        return self._folder / name

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return os.path.isfile(f"{self._folder}/{name}")

    def problem(self, name: str, sha256: str) -> str | None:
        """Return what is wrong with a file, in words; None if it has this SHA-256."""
        if not self.exists(name):
            return "the file is missing"
        try:
            return None if sha256_of(f"{self._folder}/{name}") == sha256 else "its content is not what was written"
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return UNREADABLE

    def names(self) -> Iterator[str]:
        """Yield the names of all files of partitions.

        Raises:
            OSError: The disk cannot read a folder. `Path.glob` leaves such a folder out, from Python 3.12 on.
        """
        for parent, folders, names in os.walk(self._folder, onerror=_if_broken, followlinks=True):
            place = Path(parent).relative_to(self._folder)
            if len(place.parts) == 2:
                folders.clear()
                yield from (f"{place.as_posix()}/{name}" for name in names if name.endswith(".parquet"))

    def remove(self, name: str) -> None:
        """Remove a file; do nothing if it is gone."""
        self.location(name).unlink(missing_ok=True)

    def sync_folders(self, names: Iterable[str]) -> None:
        """Make the removal of files durable."""
        folders = {self.location(name).parent for name in names}
        at_once(sync_folder, sorted(folder for folder in folders if folder.is_dir()))

    def add(self, files: Sequence[tuple[Path, str]]) -> None:
        """Move complete files into the store, and make their bytes and names durable.

        Args:
            files: The path of each file, on the same file system, and its name in the store.

        Raises:
            StoreError: A file is on another file system than its place in the store.
        """
        for path, _ in files:
            crash_points.reached("commit: file written")
            path.chmod(path.stat().st_mode & READABLE)  # nobody can write it, and nobody else can read it now
        at_once(sync_file, [path for path, _ in files])
        crash_points.reached("commit: files durable")
        changed_folders: set[str] = set()
        for path, name in files:
            self._move(path, name, changed_folders)
        at_once(sync_folder, [self.location(folder) for folder in sorted(changed_folders)])
        crash_points.reached("commit: folders durable")

    def _move(self, path: Path, name: str, changed_folders: set[str]) -> None:
        """Give a file its name in the store; add the folders whose names are not durable yet, relative to the store.

        With texts instead of paths, because a history has very many files.
        """
        folder, _, _ = name.rpartition("/")
        if not os.path.isdir(f"{self._folder}/{folder}"):
            make_folder(self.location(folder))
            crash_points.reached("commit: folder made")
            changed_folders |= {folder.rpartition("/")[0], ""}
        try:
            os.replace(path, f"{self._folder}/{name}")
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            raise StoreError(
                f"{self._folder} is on several file systems: a file cannot be moved from its folder scratch to its"
                f" folder {folder}; keep everything in it on one file system, and run again (the folder itself can be a"
                " link or a mount point)"
            ) from None
        changed_folders.add(folder)
        crash_points.reached("commit: file renamed")


def _if_broken(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):  # such as in lost+found
        raise error
