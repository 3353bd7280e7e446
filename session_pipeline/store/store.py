"""Writes the store: adds and drops partitions atomically, and deletes files that nothing needs.

A file is named by the hash of its content and is never changed. This module handles commits, scratch files and the
writer lock. stored_partitions.py opens the store and finds partitions. build/planner.py decides what is stale; tables/
defines what the rows mean.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points
from session_pipeline.store.catalog_file import CATALOG_FILE, RUN_IS_OPEN
from session_pipeline.store.compacted import CompactedFiles
from session_pipeline.store.locks import lock
from session_pipeline.store.part_files import content_hash, files_at
from session_pipeline.store.paths import file_name
from session_pipeline.store.records import (
    Key,
    Partition,
    Recipe,
    SourceFile,
    StoredFile,
    Written,
    part_list_of,
    utc_now,
)
from session_pipeline.store.stored_partitions import StoredPartitions
from session_pipeline.tables import table

SCRATCH = "scratch"  # folder for temporary files
NOTHING: Mapping[str, int | str] = {}
KEPT_PUBLICATIONS = 4  # the newest, and the three before it, which connections may still read


class Store(StoredPartitions):
    """The store of one data folder, for reading and writing."""

    def __init__(self, folder: Path, package_version: str) -> None:
        """Open the store; create it if it does not exist.

        Raises:
            StoreError: A newer version of the package wrote it, or its catalog cannot be used.
        """
        super().__init__(folder, package_version)
        self._scratch: Path | None = None
        self._has_leftovers = False

    @cached_property
    def compacted(self) -> CompactedFiles:
        """The compacted files. Only a writer uses them."""
        return CompactedFiles(self.folder)

    @contextmanager
    def writing(self, *, wait_seconds: float = 0, on_wait: Callable[[str], None] | None = None) -> Iterator[bool]:
        """Open the store for writing, as its only writer: take the lock. Yield whether another process has changed it.

        First deletes the files that dead runs and failed commits left behind.

        Args:
            wait_seconds: How long to wait for another writer.
            on_wait: Called once, with a sentence that names the other writer, if the lock is not free.

        Raises:
            StoreHeldError: Another writer holds it for longer than `wait_seconds`.
            StoreError: Since the store was opened, a newer version of the package wrote it. Within the block: at a
                commit and where `check_lock` is called, if the file of the lock was deleted.
        """
        self.require_write_access()
        with lock(self.folder, wait_seconds, on_wait) as refuse_other_lock:
            crash_points.reached("store: lock taken")
            self._record_version()
            is_changed = self.refresh()
            self._sweep_leftovers()
            crash_points.reached("store: leftovers swept")
            self._scratch = self.folder / SCRATCH / str(os.getpid())
            # mode is that of the last folder only, so the one above it is created by itself.
            self._scratch.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._scratch.mkdir(mode=0o700)  # copies of delivered files may contain IP addresses
            self.catalog.set_state(RUN_IS_OPEN, 1)
            crash_points.reached("store: run marked open")
            is_broken_off = True
            self.catalog.before_commit = refuse_other_lock
            try:
                yield is_changed
                is_broken_off = False
            finally:
                self.catalog.before_commit = None
                shutil.rmtree(self._scratch, ignore_errors=True)
                crash_points.reached("store: scratch removed")
                self._scratch = None
                # Like a killed run, a canceled or failed run can leave files without a row. So can a failed commit
                # whose error was caught within. Then the next writer must look for such files.
                if not is_broken_off and not self._has_leftovers:
                    with suppress(StoreError):  # if its file was deleted, the mark can be of another writer
                        refuse_other_lock()
                        self.catalog.set_state(RUN_IS_OPEN, 0)
                        crash_points.reached("store: run marked closed")

    def require_write_access(self) -> None:
        """Check that this user can write the store.

        Raises:
            StoreError: The catalog is open for reading only.
        """
        if self.catalog.is_read_only:
            raise StoreError(
                f"{self.folder / CATALOG_FILE} cannot be written; the user that runs this needs write access"
            )

    def check_lock(self) -> None:
        """Check that no other process can be the writer. For use before what others see is replaced or deleted.

        Each transaction of the catalog does the same before its commit.

        Raises:
            StoreError: The file of the lock was deleted, so another process can have locked a new one.
        """
        if self.catalog.before_commit is not None:
            self.catalog.before_commit()

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
        recipe: Recipe | None = None,
        state: Mapping[str, int | str] = NOTHING,
    ) -> list[Partition]:
        """Add files to the store and drop partitions, atomically: either all of it, or nothing.

        The order of operations is: fsync all files, rename each to its hash, fsync the folders (`StoreFiles.add`), then
        run one transaction of the catalog. A crash or an error before the transaction leaves files without a row; the
        next writer deletes them.

        Args:
            written: The files to add.
            run_id: The run that commits.
            drop: Partitions to remove.
            source_files: Delivered files to record in the ledger.
            deliveries: Paths under raw/ to record: the path, the id of the file at that path, and its stamp.
            forget: Ids of delivered files to remove from the ledger.
            recipe: The recipe that the files were built with.
            state: Numbers and texts of the store's own state to record, by name.

        Returns:
            The committed partitions, in the order of `written`.
        """
        leftovers_before, self._has_leftovers = self._has_leftovers, True
        moved = [self._move_in(item) for item in written]
        self.files.add([move for _, moves in moved for move in moves])
        with self.catalog.transaction() as generation:
            committed = [
                self._partition(item, files, run_id, generation)
                for item, (files, _) in zip(written, moved, strict=True)
            ]
            dropped = [key for key in drop if key in self.partitions]
            for key in dropped:
                self.catalog.drop(key, generation)
            self.catalog.put(committed)
            for file_id in forget:
                self.catalog.forget_source_file(file_id)
            for source_file in source_files:
                self.catalog.put_source_file(source_file)
            for delivery in deliveries:
                self.catalog.put_delivery(*delivery)
            if recipe is not None:
                self.catalog.put_recipe(recipe)
            for name, value in state.items():
                self.catalog.set_state(name, value)
        self._has_leftovers = leftovers_before
        crash_points.reached("commit: done")
        self.change_count += 1
        for key in dropped:
            del self.partitions[key]
        for partition in committed:
            self.partitions[partition.key] = partition
            self._verified.update(file.path for file in partition.files)
        return committed

    def mark_damaged(self, partition: Partition) -> None:
        """Record that a partition's file is damaged, so that it is rebuilt and not read."""
        with self.catalog.transaction(advances=False):
            self.catalog.mark_damaged(partition.key)
        self.partitions[partition.key] = partition._replace(is_damaged=True)
        self.change_count += 1
        self._verified.difference_update(file.path for file in partition.files)

    def sweep(self) -> None:
        """Delete files that no partition has used since the oldest of the last four publications.

        Also deletes compacted files that are outdated.

        Raises:
            StoreError: Another process can be the writer.
        """
        self.check_lock()
        self.compacted.remove_outdated(self.partitions)
        publications = self.catalog.publications()
        if len(publications) < KEPT_PUBLICATIONS:
            return
        paths = self.catalog.retired(publications[KEPT_PUBLICATIONS - 1].generation)
        used = self._used_paths() if paths else set()
        # After a power loss, a file that was deleted just before can be back. So the record of a retired file is
        # deleted only by a later sweep, which finds the file gone.
        there = [path for path in paths if path not in used and self.files.exists(path)]
        for path in there:
            self.check_lock()
            self.files.remove(path)
            crash_points.reached("sweep: file removed")
        if gone := set(paths).difference(there):
            with self.catalog.transaction(advances=False):
                self.catalog.forget_retired(gone)

    def delete_unused(self) -> None:
        """Delete all files that no partition uses, also those that readers of earlier publications may still read.

        Also removes what the catalog deleted from its file, and outdated compacted files. Used after an erasure.

        Raises:
            StoreError: Another process reads the catalog for too long, or can be the writer.
        """
        self.check_lock()
        self.compacted.remove_outdated(self.partitions)
        used = self._used_paths()
        gone = [name for name in self.files.names() if name not in used and not name.startswith(f"{SCRATCH}/")]
        for name in gone:
            self.check_lock()
            self.files.remove(name)
            crash_points.reached("erase: file deleted")
        self.files.sync_folders(gone)
        with self.catalog.transaction(advances=False):
            self.catalog.forget_retired(self.catalog.retired(self.catalog.generation()))
        self.catalog.shrink()
        crash_points.reached("erase: catalog shrunk")

    def _used_paths(self) -> set[str]:
        """Return the paths of the files of all partitions."""
        return {path for partition in self.partitions.values() for path in partition.file_paths}

    def _partition(self, item: Written, files: Sequence[StoredFile], run_id: str, generation: int) -> Partition:
        before = self.partitions.get(item.key)
        sha256 = content_hash(files)
        is_equal = before is not None and before.sha256 == sha256
        return Partition(
            key=item.key,
            path=files[0].path,
            sha256=sha256,
            row_count=item.row_count,
            byte_count=sum(file.byte_count for file in files),
            fingerprint=item.fingerprint,
            parts=item.parts,
            counts=item.counts,
            reason=item.reason,
            run_id=run_id,
            built_at=utc_now(),
            generation=generation,
            changed_generation=before.changed_generation if before and is_equal else generation,
            causes=before.causes if before and is_equal else item.causes,
            part_list=part_list_of(files),
        )

    @staticmethod
    def _move_in(item: Written) -> tuple[list[StoredFile], list[tuple[Path, str]]]:
        """Return the files of a new partition, and the move of each into the store."""
        contract, found = table(item.key.table), item.files or files_at(item.path, item.row_count, item.sha256)
        names = [file_name(contract, item.key.date, file.sha256) for file in found]
        files = [
            StoredFile(name, file.sha256, file.row_count, file.path.stat().st_size)
            for name, file in zip(names, found, strict=True)
        ]
        return files, [(file.path, name) for file, name in zip(found, names, strict=True)]

    def _sweep_leftovers(self) -> None:
        shutil.rmtree(self.folder / SCRATCH, ignore_errors=True)
        if self.catalog.number(RUN_IS_OPEN):
            named = self.catalog.named_paths()
            for name in self.files.names():
                if name not in named:
                    self.files.remove(name)
                    crash_points.reached("store: leftover removed")
