"""Partitions on disk: written whole, never changed, found again, checked.

A file is named by its content's hash and counts only when the catalog names it. Knows folders, Parquet files, the
lock and the catalog. Does not know what a session is, nor what is stale.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from session_pipeline.errors import StoreError, StoreHeldError
from session_pipeline.store import crash_points
from session_pipeline.store.catalog import Catalog, Key, Partition, SourceFile, utc_now
from session_pipeline.store.files import make_folder, replacing, sync_file, sync_folder
from session_pipeline.tables import Table, table

FORMAT = 2  # 1: partitions did not say what set off their last change
KEPT_PUBLICATIONS = 4  # the newest, and three before it that connections may still read
LOCK_POLL_SECONDS = 0.2
READ_ONLY = 0o444
PRIMARY_CODE = 0xFF  # of what SQLite says is wrong
NOT_WRITABLE = "whoever runs this must be able to write there, also to look"
DAMAGED = "put it back from a backup; without one, remove the store: the next run makes it anew from what is under raw/"
UNUSABLE_CATALOG: Mapping[int, str] = {
    sqlite3.SQLITE_PERM: NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: NOT_WRITABLE,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}

# The stores that whoever called us holds; a variable and not an argument, since Dagster can stand in between.
_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others who ask out of a folder for a moment: what it lacks is made by one process, and found by the rest."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(folder: Path, *, wait_seconds: float = 0, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a store against other writers, over all that the caller does within: `Store.writing` then need not wait.

    The lock belongs to this process: a dead process holds nothing, and an orphan keeps a successor out.

    Raises:
        StoreHeldError: Another writer holds it for longer than `wait_seconds`.
    """
    token = _held.set(_held.get() | {folder})
    try:
        with _lock(folder, wait_seconds, on_wait):
            yield
    finally:
        _held.reset(token)


@dataclass(frozen=True)
class Written:
    """A file under a temporary name, to become the partition of a key.

    Attributes:
        path: The file; it is moved into the store on commit.
        row_count: Its rows.
        fingerprint: What it was built from and how.
        parts: The fingerprint's parts, by name.
        counts: Figures for metadata and checks.
        reason: Why it was built.
        causes: What set off the build: files and rules. Kept with the partition if its bytes are others than before.
    """

    key: Key
    path: Path
    row_count: int
    fingerprint: str
    parts: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    causes: tuple[str, ...] = ()


class Store:
    """The store of one data folder."""

    def __init__(self, folder: Path, package_version: str) -> None:
        """Open the store, and make it where there is none.

        Raises:
            StoreError: A newer version of the package wrote it, or its catalog cannot be used.
        """
        self.folder = folder
        make_folder(folder)
        # SQLite does not wait for a lock while it changes how a new file keeps its journal.
        with alone_in(folder):
            self._check_format(package_version)
            self.catalog, self.partitions = _opened_catalog(folder / "catalog.sqlite")
        self._verified: set[str] = set()
        self._scratch: Path | None = None
        self._has_leftovers = False

    def close(self) -> None:
        """Close the catalog."""
        self.catalog.close()

    def refresh(self) -> None:
        """Read the catalog again, as another process may have written it."""
        self.partitions = self.catalog.partitions()

    # Finding

    def get(self, key: Key) -> Partition | None:
        """The partition of a key, or None."""
        return self.partitions.get(key)

    def of_table(self, table: str) -> list[Partition]:
        """All partitions of a table, by date and file."""
        return sorted(
            (partition for key, partition in self.partitions.items() if key.table == table),
            key=lambda partition: (str(partition.key.date), partition.key.file_id),
        )

    def path_of(self, partition: Partition) -> Path:
        """Where the partition's file is."""
        return self.folder / partition.path

    def checked_path(self, partition: Partition) -> Path | None:
        """The partition's file once its hash was compared, once a process; None when it is damaged or gone."""
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
        """Write into the store, as its one writer: it is held, unless the caller holds it already.

        Files that dead runs and failed commits left are swept first.

        Raises:
            StoreHeldError: Another writer holds it for longer than `wait_seconds`.
        """
        is_held = self.folder in _held.get()
        with nullcontext() if is_held else _lock(self.folder, wait_seconds, on_wait):
            crash_points.reached("store: lock taken")
            self.refresh()
            self._sweep_leftovers()
            crash_points.reached("store: leftovers swept")
            self._scratch = self.folder / "scratch" / str(os.getpid())
            self._scratch.mkdir(parents=True, mode=0o700)  # copies of delivered files may hold addresses
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
                # A run that was cancelled or failed can leave files that no row names, as one that was killed; so can a
                # commit whose error somebody else caught.
                if not is_broken_off and not self._has_leftovers:
                    self.catalog.set_number("run_is_open", 0)
                    crash_points.reached("store: run marked closed")

    @property
    def scratch(self) -> Path:
        """Folder for temporary files of the running writer."""
        if self._scratch is None:
            raise StoreError("the store is not held for writing; use it within `with store.writing():`")
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
        """Take files into the store, and drop partitions, in one step: all of it, or nothing.

        The order is: bytes durable, renamed to the name of their hash, folder durable, then one transaction of the
        catalog. A crash or an error before the last leaves files that no row names, which the next writer sweeps.

        Args:
            written: The files.
            run_id: The run that commits.
            drop: Partitions to take out.
            source_files: The delivered files that the rows are from.
            deliveries: Paths that were seen: the path, the id of the file that it holds, and its stamp.
            forget: Ids of delivered files that leave the ledger.
            recipe: What the files were built by: its hash, and what that stands for.
        """
        leftovers_before, self._has_leftovers = self._has_leftovers, True
        moved = [(item, *self._move_in(item)) for item in written]
        for folder in {(self.folder / path).parent for _, path, _, _ in moved}:
            sync_folder(folder)
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
        for key in dropped:
            del self.partitions[key]
        for partition in committed:
            self.partitions[partition.key] = partition
            self._verified.add(partition.path)
        return committed

    def mark_damaged(self, partition: Partition) -> None:
        """Record that a partition's file is damaged, so that it is built again and not built upon."""
        with self.catalog.transaction(advances=False):
            self.catalog.mark_damaged(partition.key)
        self.partitions[partition.key] = replace(partition, is_damaged=True)
        self._verified.discard(partition.path)

    def sweep(self) -> int:
        """Remove files that no partition has named since the last few publications; returns how many."""
        publications = self.catalog.publications()
        if len(publications) < KEPT_PUBLICATIONS:
            return 0
        paths = self.catalog.retired(publications[KEPT_PUBLICATIONS - 1].generation)
        named = {partition.path for partition in self.partitions.values()}
        # A machine that dies can bring back a name that was removed just before, so a file is forgotten only by the
        # sweep that finds it gone.
        there = [path for path in paths if path not in named and (self.folder / path).exists()]
        for path in there:
            (self.folder / path).unlink(missing_ok=True)
            crash_points.reached("sweep: file removed")
        if gone := set(paths).difference(there):
            with self.catalog.transaction(advances=False):
                self.catalog.forget_retired(gone)
        return len(there)

    def verify(self) -> Iterator[tuple[Partition, str | None]]:
        """Hash every file against the catalog; yields each partition with what is wrong with it, or None."""
        for partition in sorted(self.partitions.values(), key=lambda partition: partition.path):
            path = self.path_of(partition)
            if not path.is_file():
                yield partition, "the file is gone"
            elif sha256_of(path) != partition.sha256:
                yield partition, "its bytes are not those that were written"
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

    def _move_in(self, item: Written) -> tuple[str, str, int]:
        crash_points.reached("commit: file written")
        sha256 = sha256_of(item.path)
        byte_count = item.path.stat().st_size
        final = self.folder / file_name(table(item.key.table), item.key.date, sha256)
        folder = final.parent
        if not folder.is_dir():
            make_folder(folder)
            crash_points.reached("commit: folder made")
            sync_folder(folder.parent)
            sync_folder(folder.parent.parent)
            crash_points.reached("commit: folder durable")
        item.path.chmod(READ_ONLY)
        sync_file(item.path)
        crash_points.reached("commit: file durable")
        os.replace(item.path, final)
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
                self._write_format(path, package_version)  # the catalog adds what an older one lacks
                return
            raise StoreError(
                f"the store {self.folder} was written by session_pipeline {written.get('package_version', 'newer')},"
                f" and {package_version} cannot read it; install that version or a newer one"
            )
        raise StoreError(f"{path} does not say what wrote the store; restore it from a backup")

    def _write_format(self, path: Path, package_version: str) -> None:
        # By rename, since another process may open the store at the same moment and must not find half a file.
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, "package_version": package_version}) + "\n")


def _opened_catalog(path: Path) -> tuple[Catalog, dict[Key, Partition]]:
    """The catalog, and what it says; want of room goes on as SQLite says it."""
    catalog = None
    try:
        catalog = Catalog(path)
        return catalog, catalog.partitions()
    except sqlite3.Error as error:
        if catalog is not None:
            catalog.close()
        hint = UNUSABLE_CATALOG.get(getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE)
        if hint is None:
            raise
        raise StoreError(f"{path} cannot be used ({error}); {hint}") from error


def file_name(contract: Table, day: date | None, sha256: str) -> Path:
    """Where the file of a partition with these bytes lies below the store's folder."""
    return Path(contract.name) / folder_name(contract, day) / f"{sha256[:32]}.parquet"


def folder_name(contract: Table, day: date | None) -> str:
    """The folder of a partition, in the form that engines know how to prune: session_date=2026-10-05."""
    return "all" if day is None else f"{contract.date_column}={day.isoformat()}"


@contextmanager
def _lock(folder: Path, wait_seconds: float, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    path = folder / "writer.lock"
    with path.open("a+") as lock:
        _acquire(lock.fileno(), path, wait_seconds, on_wait)
        path.write_text(json.dumps({"pid": os.getpid(), "since": utc_now()}))
        try:
            yield
        finally:
            fcntl.flock(lock.fileno(), fcntl.LOCK_UN)


def _acquire(descriptor: int, path: Path, wait_seconds: float, on_wait: Callable[[str], None] | None) -> None:
    deadline = monotonic() + wait_seconds
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _holder(path)
            if monotonic() >= deadline:
                raise StoreHeldError(
                    f"the store {path.parent} is being written by {holder}; try again when it has finished"
                ) from None
            if on_wait is not None and not is_told:
                on_wait(f"waiting for {holder}, which is writing the store")
                is_told = True
            sleep(LOCK_POLL_SECONDS)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']} since {holder['since'][:19]} UTC"
    except (OSError, ValueError, KeyError):
        return "another process"
