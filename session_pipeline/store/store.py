"""Stores partitions on disk: writes them atomically, finds them, verifies them.

A file is named by the hash of its content and is never changed. It is part of the store only if the catalog has a row
for it. This module handles folders, Parquet files and the writer lock. build/plan.py decides what is stale; tables/
defines what the rows mean.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.files import at_once, make_folder, replacing, sync_file, sync_folder
from session_pipeline.store.locks import alone_in, lock
from session_pipeline.store.paths import file_name
from session_pipeline.store.records import Key, Partition, SourceFile, Written, utc_now
from session_pipeline.tables import table

FORMAT = 2  # 1: partitions did not record the causes of their last change
KEPT_PUBLICATIONS = 4  # the newest, and the three before it, which connections may still read
READ_ONLY = 0o444
PRIMARY_CODE = 0xFF  # mask for the primary part of SQLite's extended error codes
NOT_WRITABLE = "the user that runs this needs write access there, also for commands that only read"
DAMAGED = "restore it from a backup; without one, remove the store: the next run rebuilds it from the files under raw/"
UNUSABLE_CATALOG: Mapping[int, str] = {
    sqlite3.SQLITE_PERM: NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: NOT_WRITABLE,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


class Store:
    """The store of one data folder."""

    def __init__(self, folder: Path, package_version: str) -> None:
        """Open the store; create it if it does not exist.

        Raises:
            StoreError: A newer version of the package wrote it, or its catalog cannot be used.
        """
        self.folder = folder
        make_folder(folder)
        # SQLite does not wait for a lock while it changes the journal mode of a new file.
        with alone_in(folder):
            self._check_format(package_version)
            self.catalog, self._data_version, self.partitions = _opened_catalog(folder / "catalog.sqlite")
        self.change_count = 0  # grows with each change of `partitions`
        self._verified: set[str] = set()
        self._scratch: Path | None = None
        self._has_leftovers = False

    def close(self) -> None:
        """Close the catalog."""
        self.catalog.close()

    def refresh(self) -> None:
        """Read the catalog again if another process has changed it."""
        version = self.catalog.data_version()
        if version == self._data_version:
            return
        self._data_version = version
        found = self.catalog.partitions()
        if found != self.partitions:
            self.partitions = found
            self.change_count += 1

    # Finding

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
        """Return the path of the partition's file."""
        return self.folder / partition.path

    def checked_path(self, partition: Partition) -> Path | None:
        """Return the path of the partition's file after comparing its hash; None if it is damaged or missing.

        Each file is hashed at most once per process.
        """
        path = self.path_of(partition)
        if partition.path in self._verified:
            return path
        if partition.is_damaged or not path.is_file() or sha256_of(path) != partition.sha256:
            return None
        self._verified.add(partition.path)
        return path

    # Writing

    @contextmanager
    def writing(self, *, wait_seconds: float = 0, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Open the store for writing, as its only writer: take the lock.

        First deletes the files that dead runs and failed commits left behind.

        Args:
            wait_seconds: How long to wait for another writer.
            on_wait: Called once, with a sentence that names the other writer, if the lock is not free.

        Raises:
            StoreHeldError: Another writer holds it for longer than `wait_seconds`.
        """
        with lock(self.folder, wait_seconds, on_wait):
            crash_points.reached("store: lock taken")
            self.refresh()
            self._sweep_leftovers()
            crash_points.reached("store: leftovers swept")
            self._scratch = self.folder / "scratch" / str(os.getpid())
            self._scratch.mkdir(parents=True, mode=0o700)  # copies of delivered files may contain IP addresses
            self.catalog.set_number("run_is_open", 1)
            crash_points.reached("store: run marked open")
            is_broken_off = True
            try:
                yield
                is_broken_off = False
            finally:
                shutil.rmtree(self._scratch, ignore_errors=True)
                crash_points.reached("store: scratch removed")
                self._scratch = None
                # Like a killed run, a cancelled or failed run can leave files without a row. So can a failed commit
                # whose error was caught within. Then the next writer must look for such files.
                if not is_broken_off and not self._has_leftovers:
                    self.catalog.set_number("run_is_open", 0)
                    crash_points.reached("store: run marked closed")

    @property
    def scratch(self) -> Path:
        """The folder for temporary files of the current writer."""
        if self._scratch is None:
            raise StoreError("the store is not locked for writing; use it within `with store.writing():`")
        return self._scratch

    def commit(
        self,
        written: Sequence[Written],
        *,
        run_id: str,
        drop: Iterable[Key] = (),
        source_files: Sequence[SourceFile] = (),
        deliveries: Sequence[tuple[str, str, str]] = (),
        forget: Iterable[str] = (),
        recipe: tuple[str, Mapping[str, str]] | None = None,
    ) -> list[Partition]:
        """Add files to the store and drop partitions, atomically: either all of it, or nothing.

        The order of operations is: fsync all files, rename each to its hash, fsync the folders, then run one
        transaction of the catalog. A crash or an error before the transaction leaves files without a row; the next
        writer deletes them.

        Args:
            written: The files to add.
            run_id: The run that commits.
            drop: Partitions to remove.
            source_files: Delivered files to record in the ledger.
            deliveries: Paths under raw/ to record: the path, the id of the file at that path, and its stamp.
            forget: Ids of delivered files to remove from the ledger.
            recipe: The recipe that the files were built with: its hash and its parts.

        Returns:
            The committed partitions, in the order of `written`.
        """
        leftovers_before, self._has_leftovers = self._has_leftovers, True
        for item in written:
            crash_points.reached("commit: file written")
            item.path.chmod(READ_ONLY)
        at_once(sync_file, [item.path for item in written])
        crash_points.reached("commit: files durable")
        changed_folders: set[Path] = set()
        moved = [(item, *self._move_in(item, changed_folders)) for item in written]
        at_once(sync_folder, sorted(changed_folders))
        crash_points.reached("commit: folders durable")
        with self.catalog.transaction() as generation:
            committed = [
                self._partition(item, path, sha256, byte_count, run_id, generation)
                for item, path, sha256, byte_count in moved
            ]
            dropped = [key for key in drop if key in self.partitions]
            for key in dropped:
                self.catalog.drop(key, generation)
            for partition in committed:
                self.catalog.put(partition)
            for file_id in forget:
                self.catalog.forget_source_file(file_id)
            for source_file in source_files:
                self.catalog.put_source_file(source_file)
            for delivery in deliveries:
                self.catalog.put_delivery(*delivery)
            if recipe is not None:
                self.catalog.put_recipe(*recipe)
        self._has_leftovers = leftovers_before
        crash_points.reached("commit: done")
        self.change_count += 1
        for key in dropped:
            del self.partitions[key]
        for partition in committed:
            self.partitions[partition.key] = partition
            self._verified.add(partition.path)
        return committed

    def mark_damaged(self, partition: Partition) -> None:
        """Record that a partition's file is damaged, so that it is rebuilt and not read."""
        with self.catalog.transaction(advances=False):
            self.catalog.mark_damaged(partition.key)
        self.partitions[partition.key] = replace(partition, is_damaged=True)
        self.change_count += 1
        self._verified.discard(partition.path)

    def sweep(self) -> int:
        """Delete files that no partition has used since the oldest of the last four publications.

        Returns:
            The number of deleted files.
        """
        publications = self.catalog.publications()
        if len(publications) < KEPT_PUBLICATIONS:
            return 0
        paths = self.catalog.retired(publications[KEPT_PUBLICATIONS - 1].generation)
        named = {partition.path for partition in self.partitions.values()}
        # After a power loss, a file that was deleted just before can be back. So the record of a retired file is
        # deleted only by a later sweep, which finds the file gone.
        there = [path for path in paths if path not in named and (self.folder / path).exists()]
        for path in there:
            (self.folder / path).unlink(missing_ok=True)
            crash_points.reached("sweep: file removed")
        if gone := set(paths).difference(there):
            with self.catalog.transaction(advances=False):
                self.catalog.forget_retired(gone)
        return len(there)

    def verify(self) -> Iterator[tuple[Partition, str | None]]:
        """Compare the hash of every file with the catalog; yield each partition with its problem, or None."""
        for partition in sorted(self.partitions.values(), key=lambda partition: partition.path):
            path = self.path_of(partition)
            if not path.is_file():
                yield partition, "the file is missing"
            elif sha256_of(path) != partition.sha256:
                yield partition, "its content is not what was written"
            else:
                yield partition, None

    def _partition(
        self, item: Written, path: str, sha256: str, byte_count: int, run_id: str, generation: int
    ) -> Partition:
        before = self.partitions.get(item.key)
        is_equal = before is not None and before.sha256 == sha256
        return Partition(
            key=item.key,
            path=path,
            sha256=sha256,
            row_count=item.row_count,
            byte_count=byte_count,
            fingerprint=item.fingerprint,
            parts=item.parts,
            counts=item.counts,
            reason=item.reason,
            run_id=run_id,
            built_at=utc_now(),
            generation=generation,
            changed_generation=before.changed_generation if before and is_equal else generation,
            causes=before.causes if before and is_equal else item.causes,
        )

    def _move_in(self, item: Written, changed_folders: set[Path]) -> tuple[str, str, int]:
        """Give a file its final name; add the folders whose names are not durable yet."""
        sha256 = item.sha256 or sha256_of(item.path)
        byte_count = item.path.stat().st_size
        final = self.folder / file_name(table(item.key.table), item.key.date, sha256)
        folder = final.parent
        if not folder.is_dir():
            make_folder(folder)
            crash_points.reached("commit: folder made")
            changed_folders |= {folder.parent, folder.parent.parent}
        os.replace(item.path, final)
        changed_folders.add(folder)
        crash_points.reached("commit: file renamed")
        return final.relative_to(self.folder).as_posix(), sha256, byte_count

    def _sweep_leftovers(self) -> None:
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        if self.catalog.number("run_is_open"):
            named = self.catalog.named_paths()
            for path in self.folder.glob("*/*/*.parquet"):
                if path.relative_to(self.folder).as_posix() not in named:
                    path.unlink(missing_ok=True)
                    crash_points.reached("store: leftover removed")

    def _check_format(self, package_version: str) -> None:
        path = self.folder / "_format.json"
        if not path.exists():
            self._write_format(path, package_version)
            return
        with suppress(ValueError, KeyError, TypeError):
            written = json.loads(path.read_text())
            if int(written["format"]) == FORMAT:
                return
            if int(written["format"]) < FORMAT:
                self._write_format(path, package_version)  # the catalog adds the columns that an older format lacks
                return
            raise StoreError(
                f"the store {self.folder} was written by session_pipeline {written.get('package_version', 'newer')},"
                f" and {package_version} cannot read it; install that version or a newer one"
            )
        raise StoreError(f"{path} does not state the version of the store; restore it from a backup")

    def _write_format(self, path: Path, package_version: str) -> None:
        # By rename: another process may open the store at the same moment and must not read half a file.
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, "package_version": package_version}) + "\n")


def _opened_catalog(path: Path) -> tuple[Catalog, int, dict[Key, Partition]]:
    """Open the catalog and read its version and partitions. A disk-full error passes through as SQLite raises it."""
    catalog = None
    try:
        catalog = Catalog(path)
        return catalog, catalog.data_version(), catalog.partitions()
    except sqlite3.Error as error:
        if catalog is not None:
            catalog.close()
        hint = UNUSABLE_CATALOG.get(getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE)
        if hint is None:
            raise
        raise StoreError(f"{path} cannot be used ({error}); {hint}") from error
