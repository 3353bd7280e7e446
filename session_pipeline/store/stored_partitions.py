"""Opens the store, and finds and verifies its partitions.

A file is part of the store only if the catalog has a row for it. store.py writes partitions, store_files.py accesses
the files, and part_files.py handles partitions of several files.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from session_pipeline.errors import StoreError
from session_pipeline.store import read_only
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.catalog_file import CATALOG_FILE
from session_pipeline.store.files import make_folder, replacing
from session_pipeline.store.locks import folder_lock
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.store_files import UNREADABLE, StoreFiles
from session_pipeline.tables import TABLES, table

# 1: partitions did not record the causes of their last change; 2: a partition had one file; 3: rows had no digest
FORMAT = 4
FORMAT_FILE = "_format.json"
NOT_WRITABLE = (
    "the user that runs this needs write access there, or, for commands that only read, read access to it and to the"
    " files next to it"
)
RELEASE = re.compile(r"\d+(?:\.\d+)*")


class DamagedError(StoreError):
    """A file that is needed is damaged or missing. Whoever can build its rows again catches this, and tries again.

    Attributes:
        partition: The partition of the file.
    """

    def __init__(self, partition: Partition) -> None:
        """Take the partition of the file."""
        super().__init__(f"{partition.key} is damaged; `session-pipeline verify` shows what `run` can build again")
        self.partition = partition


class StoredPartitions:
    """The store of one data folder, for reading."""

    def __init__(self, folder: Path, package_version: str) -> None:
        """Open the store; create it if it does not exist.

        Raises:
            StoreError: A newer version of the package wrote it, or its catalog cannot be used.
        """
        self.folder = folder
        self.files = StoreFiles(folder)
        self._package_version = self._recorded_version = package_version
        make_folder(folder)
        # SQLite does not wait for a lock while it changes the journal mode of a new file.
        with folder_lock(folder):
            self._check_format(package_version)
            self.catalog, self._data_version, self.partitions = _opened_catalog(folder / CATALOG_FILE)
        self.change_count = 0  # grows with each change of `partitions`
        self._verified: set[str] = set()

    def close(self) -> None:
        """Close the catalog."""
        self.catalog.close()

    def refresh(self) -> bool:
        """Read the catalog again if another process has changed it; return whether one has."""
        version = self.catalog.data_version()
        if version == self._data_version:
            return False
        self._data_version = version
        found = self.catalog.partitions()
        if found != self.partitions:
            self.partitions = found
            self.change_count += 1
        return True

    def get(self, key: Key) -> Partition | None:
        """Return the partition of a key, or None."""
        return self.partitions.get(key)

    def of_table(self, table: str) -> list[Partition]:
        """Return all partitions of a table, ordered by date and delivered file."""
        return sorted(
            (partition for key, partition in self.partitions.items() if key.table == table),
            key=lambda partition: (str(partition.key.date), partition.key.file_id),
        )

    def path_of(self, partition: Partition) -> Path:
        """Return the path of the partition's first file. Most partitions have one; `paths_of` returns all."""
        return self.files.location(partition.path)

    def paths_of(self, partition: Partition) -> list[Path]:
        """Return the paths of the partition's files, in the order of their rows."""
        return list(map(self.files.location, partition.file_paths))

    def is_intact(self, partition: Partition) -> bool:
        """Whether all files of a partition have the recorded hashes. Each file is hashed at most once per process."""
        return not partition.is_damaged and self.damaged_file(partition) is None

    def check_intact(self, partitions: Iterable[Partition]) -> None:
        """Check that partitions can be read; see `is_intact`.

        Raises:
            DamagedError: One of them is damaged.
        """
        for partition in partitions:
            if not self.is_intact(partition):
                raise DamagedError(partition)

    def damaged_file(self, partition: Partition) -> Path | None:
        """Return the first file of a partition that is missing or not as it was written; None if all are intact.

        Each file is hashed at most once per process. A file that the disk cannot read counts as damaged.

        Raises:
            StoreError: The disk cannot read a file whose rows cannot be built again: that of a log or of a frozen day.
                The disk may be able to read it later, so its rows must not be given up.
        """
        for file in partition.files:
            if file.path not in self._verified:
                if problem := self.files.problem(file.path, file.sha256):
                    if problem == UNREADABLE and not self._can_be_built_again(partition.key):
                        raise StoreError(
                            f"{partition.key}: the disk cannot read {self.files.location(file.path)} (Input/output"
                            " error), and its rows cannot be built again; check the disk and run again, or restore"
                            " store/ from a backup"
                        )
                    return self.files.location(file.path)
                self._verified.add(file.path)
        return None

    def is_unreadable(self, partition: Partition) -> bool:
        """Whether the disk cannot read a file of a partition now."""
        return any(self.files.problem(file.path, file.sha256) == UNREADABLE for file in partition.files)

    def verify(self) -> Iterator[tuple[Partition, str | None]]:
        """Compare the hash of every file with the catalog; yield each partition with its first problem, or None."""
        for partition in sorted(self.partitions.values(), key=lambda partition: partition.path):
            problems = (self.files.problem(file.path, file.sha256) for file in partition.files)
            yield partition, next((problem for problem in problems if problem), None)

    def _can_be_built_again(self, key: Key) -> bool:
        """Whether a partition can be built again, or come from its delivered file. The caller looks for that file."""
        if key.table in TABLES and table(key.table).is_log:  # an older version can have built a table that is no more
            return False
        frozen_before = self.catalog.frozen_before()
        return bool(key.file_id) or key.date is None or frozen_before is None or key.date >= frozen_before

    def _check_format(self, package_version: str) -> None:
        path = self.folder / FORMAT_FILE
        if not path.exists():
            self._write_format(path, package_version)
            return
        try:
            written = json.loads(path.read_text())
            found, writer = int(written["format"]), str(written.get("package_version", ""))
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{path} does not state the version of the store; restore it from a backup") from None
        # With the same format, a newer version can have other models; this one would build its days again.
        if found > FORMAT or (found == FORMAT and _is_newer(writer, than=package_version)):
            raise StoreError(f"the store {self.folder} was written by {_newer(written, package_version)}")
        if found < FORMAT:
            self._write_format(path, package_version)  # the catalog adds the columns that an older format lacks
        self._recorded_version = writer if found == FORMAT else package_version

    def _record_version(self) -> None:
        """Record the version of the package if that of the store is older. Only a writer does this.

        Raises:
            StoreError: A newer version wrote the store since it was opened, such as while this one waited for the lock.
        """
        self._check_format(self._package_version)
        if _is_newer(self._package_version, than=self._recorded_version):
            self._write_format(self.folder / FORMAT_FILE, self._package_version)
            self._recorded_version = self._package_version

    def _write_format(self, path: Path, package_version: str) -> None:
        # By rename: another process may open the store at the same moment and must not read half a file.
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, "package_version": package_version}) + "\n")


def _is_newer(version: str, *, than: str) -> bool:
    """Whether a version such as 0.10.0 is newer than another one; false if one is not known."""
    releases = [RELEASE.match(each) for each in (version, than)]
    numbers = [[int(number) for number in each[0].split(".")] for each in releases if each]
    return len(numbers) == 2 and numbers[0] > numbers[1]


def _newer(written: Mapping[str, Any], package_version: str) -> str:
    """Return what wrote a store of a newer format, and what to install."""
    newer = written.get("package_version", "newer")
    if newer == package_version:  # two states of the repository between releases
        return (
            f"a newer state of session_pipeline {newer}, and this one cannot read it; install that state or a newer one"
        )
    return f"session_pipeline {newer}, and {package_version} cannot read it; install that version or a newer one"


def _opened_catalog(path: Path) -> tuple[Catalog, int, dict[Key, Partition]]:
    """Open the catalog and read its version and partitions. A disk-full error passes through as SQLite raises it."""
    catalog = None
    try:
        catalog = Catalog(path)
        return catalog, catalog.data_version(), catalog.partitions()
    except (sqlite3.Error, StoreError) as error:
        if catalog is not None:
            catalog.close()
        if isinstance(error, StoreError) or not read_only.means_no_access(error):
            raise
        raise StoreError(f"{path} cannot be used ({error}); {NOT_WRITABLE}") from error
