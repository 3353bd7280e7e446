"""Keeps copies of small partitions of neighbouring days in one file: opening a file takes longer than reading it.

A step that reads all days would open a file for each. A copy, called a compacted file, has the rows of ten days. It is
not in the catalog: its name has the hash of the partitions whose rows it has, and the hash of its own bytes. One that
does not fit the present partitions, or is damaged, is not used and is removed. So all of them can be deleted at any
time. build/compaction.py decides when they are read, and writes them.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from session_pipeline.store import crash_points
from session_pipeline.store.files import digest, entries_of, make_folder, sync_folder
from session_pipeline.store.part_files import remove_at
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.store_files import READABLE, sha256_of
from session_pipeline.tables import table

FOLDER = "compacted"
BLOCK_DAYS = 10
FEWEST_DAYS = 20  # of a table that a step reads; with fewer, opening the files does not matter
MOST_ROWS = 10_000  # of a block; with more, reading takes longer than opening
HASH_LENGTH = 24  # characters of each hash in the name of a file


class Block(NamedTuple):
    """Ten days of a table; days are numbered from 0001-01-01."""

    table: str
    number: int

    @property
    def days(self) -> list[date]:
        """The days."""
        first = date.fromordinal(max(self.number * BLOCK_DAYS, 1))
        return [first + timedelta(days=after) for after in range(BLOCK_DAYS)]


class Found(NamedTuple):
    """Where the rows of some partitions of a table are.

    Attributes:
        files: The compacted files that are read.
        partitions: The partitions that are read from their own files.
        missing: Blocks of these partitions that could have a compacted file, with their partitions.
    """

    files: Sequence[Path]
    partitions: Sequence[Partition]
    missing: Mapping[Block, Sequence[Partition]]


class CompactedFiles:
    """The compacted files of a store. Only the process that writes the store uses it."""

    def __init__(self, store_folder: Path) -> None:
        """Find the files of a store."""
        self._folder = store_folder / FOLDER
        self._names: dict[str, Path] = {}  # by the name without the hash of the bytes
        self._intact: set[Path] = set()
        for path in sorted(self._folder.glob("*.parquet")):
            self._names[path.name.rpartition("-")[0]] = path

    def find(self, partitions: Sequence[Partition], of_store: Mapping[Key, Partition]) -> Found:
        """Find the rows of the partitions of a table that a step reads.

        Args:
            partitions: The partitions, in the order of their days.
            of_store: All partitions of the store. Only blocks whose partitions are all read can have a file.
        """
        if len(partitions) < FEWEST_DAYS or not _has_blocks(partitions[0].key):
            return Found((), partitions, {})
        blocks: dict[Block, list[Partition]] = {}
        for partition in partitions:
            blocks.setdefault(_block_of(partition.key), []).append(partition)
        last = max(blocks)  # its days can follow
        files: list[Path] = []
        others: list[Partition] = []
        missing: dict[Block, Sequence[Partition]] = {}
        for block, read in blocks.items():
            path = self._file(block, read)
            if path is not None:
                files.append(path)
                continue
            others += read
            is_whole = len(read) == sum(Key(block.table, day) in of_store for day in block.days)
            if len(read) > 1 and is_whole and block < last and sum(each.row_count for each in read) <= MOST_ROWS:
                missing[block] = read
        return Found(files, others, missing)

    def add(self, block: Block, partitions: Iterable[Partition], written: Path) -> None:
        """Keep a file that has the rows of the partitions of a block, in their order."""
        make_folder(self._folder)
        written.chmod(written.stat().st_mode & READABLE)
        name = _name(block, partitions)
        path = self._folder / f"{name}-{sha256_of(written)[:HASH_LENGTH]}.parquet"
        os.replace(written, path)
        crash_points.reached("compaction: file renamed")
        self._names[name] = path

    def remove_outdated(self, partitions: Mapping[Key, Partition]) -> None:
        """Remove the files that do not have the rows of the present partitions.

        Args:
            partitions: The partitions of the store.

        Raises:
            OSError: The disk cannot read the folder.
        """
        present = {name: path for name, path in self._names.items() if name == _present_name(name, partitions)}
        outdated = sorted(set(entries_of(self._folder)).difference(present.values()))
        for path in outdated:
            remove_at(path)
            crash_points.reached("compaction: file removed")
        if outdated:
            sync_folder(self._folder)
        self._names = present

    def _file(self, block: Block, partitions: Sequence[Partition]) -> Path | None:
        """Return the file of a block, if there is one that is intact."""
        name = _name(block, partitions)
        path = self._names.get(name)
        if path is None or path in self._intact:
            return path
        try:
            is_intact = path.stem == f"{name}-{sha256_of(path)[:HASH_LENGTH]}"
        except OSError:
            is_intact = False
        if not is_intact:
            del self._names[name]  # the next `remove_outdated` deletes the file
            return None
        self._intact.add(path)
        return path


def _has_blocks(key: Key) -> bool:
    """Whether a table has one partition for each day, with the date only in the name of its folder."""
    contract = table(key.table)
    is_daily = key.date is not None and not key.file_id
    return is_daily and all(column.name != contract.date_column for column in contract.columns)


def _block_of(key: Key) -> Block:
    assert key.date is not None
    return Block(key.table, key.date.toordinal() // BLOCK_DAYS)


def _name(block: Block, partitions: Iterable[Partition]) -> str:
    """Return the name of the file that has the rows of these partitions, without the hash of its bytes."""
    lines = [_shape(block.table), *(f"{partition.key.date} {partition.sha256}" for partition in partitions)]
    return f"{block.table}-{block.number}-{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:HASH_LENGTH]}"


def _present_name(name: str, partitions: Mapping[Key, Partition]) -> str | None:
    """Return the name that the file of a block has for the present partitions; None if it has none."""
    try:
        table_name, number, _ = name.split("-")
        block = Block(table_name, int(number))
        found = [partitions.get(Key(block.table, day)) for day in block.days]
        return _name(block, [partition for partition in found if partition is not None])
    except (ValueError, KeyError, OverflowError):
        return None  # not a file of this version


@cache
def _shape(table_name: str) -> str:
    return digest(table(table_name).shape)
