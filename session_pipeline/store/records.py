"""Defines what the catalog records: partitions, delivered files and publications, as plain values.

catalog.py reads and writes them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from session_pipeline.store.damage import RecordedValues, damage_explained
from session_pipeline.store.file_facts import FileFacts

NOTHING: Mapping[str, Any] = MappingProxyType({})
CATALOG = "the catalog of the store"  # in errors, where its path is not known


class Key(NamedTuple):
    """Identifies a partition. A tuple, because a plan makes and looks up very many.

    Attributes:
        table: The table.
        date: The value of its date column; None for a table without one.
        file_id: The delivered file, for tables with a partition per delivered file; otherwise empty.
    """

    table: str
    date: date | None
    file_id: str = ""

    def __str__(self) -> str:
        """The key as it is shown to users: events[2026-10-05]."""
        return self.table if self.date is None else f"{self.table}[{self.date}]"


class Recipe(NamedTuple):
    """What the fingerprints of a step have in common on all days.

    Attributes:
        value: Hash of the parts.
        parts: The models, contracts, settings and lists of the step, and its logic version, each as a text or a hash.
    """

    value: str
    parts: Mapping[str, str]


class StoredFile(NamedTuple):
    """A file of a partition.

    Attributes:
        path: Its path relative to the store's folder.
    """

    path: str
    sha256: str
    row_count: int
    byte_count: int


class JsonMapping(Mapping[str, Any]):
    """Values that are kept as JSON text until one is needed: a plan needs few, and a catalog can have millions."""

    __slots__ = ("_text", "_values")

    def __init__(self, text: str) -> None:
        """Take the text of a JSON object."""
        self._text = text
        self._values: RecordedValues | None = None

    def __getitem__(self, name: str) -> Any:
        """Return a value.

        Raises:
            StoreError: There is none with this name.
        """
        return self._read()[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a value with this name."""
        return name in self._read()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default without one."""
        return self._read().get(name, default)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._read())

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._read())

    def _read(self) -> RecordedValues:
        if self._values is None:
            with damage_explained(CATALOG):
                self._values = RecordedValues(json.loads(self._text), CATALOG, "a partition")
        return self._values


class Partition(NamedTuple):
    """A built partition: its immutable Parquet files, usually one, and how it was built.

    A tuple, because each process that opens a store makes all of them.

    Attributes:
        path: The file, relative to the store's folder; the first one of several.
        sha256: The hash of the file; of several, the hash of their hashes. It stands for the content.
        row_count: The rows of all files.
        byte_count: The size of all files.
        parts: The parts of the fingerprint, by name: the recipe, the bounds of the day, each input.
        counts: Figures of the build, for metadata and checks.
        reason: Why it was last built, in the words of the plan.
        generation: The generation in which it was last built.
        changed_generation: The generation in which its bytes last changed.
        causes: The origins of its present bytes: delivered files, settings or models; not the tables in between.
        is_damaged: Whether a file was found not to match its hash; the next run rebuilds the partition.
        part_list: Several files as text, see `part_list_of`; empty for one file.
    """

    key: Key
    path: str
    sha256: str
    row_count: int
    byte_count: int
    fingerprint: str
    parts: Mapping[str, str] = NOTHING
    counts: Mapping[str, Any] = NOTHING
    reason: str = ""
    run_id: str = ""
    built_at: str = ""
    generation: int = 0
    is_damaged: bool = False
    changed_generation: int = 0
    causes: tuple[str, ...] = ()
    part_list: str = ""

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The files, in the order of their rows. Most partitions have one."""
        return files_in_list(self.path, self.part_list) or (
            StoredFile(self.path, self.sha256, self.row_count, self.byte_count),
        )

    @property
    def file_paths(self) -> list[str]:
        """The paths of the files, in the order of their rows."""
        return [file.path for file in self.files] if self.part_list else [self.path]


def part_list_of(files: Sequence[StoredFile]) -> str:
    """Return several files of a partition as text: hash, rows and bytes of each. One file needs no list."""
    if len(files) == 1:
        return ""
    return json.dumps([[file.sha256, file.row_count, file.byte_count] for file in files], separators=(",", ":"))


def files_in_list(first_path: str, part_list: str) -> tuple[StoredFile, ...]:
    """Return the files of a list; none if it is empty. All are in the folder of the first, named by their hashes.

    The list is text until it is needed, because a plan needs few files and a catalog can have millions.
    """
    if not part_list:
        return ()
    folder = first_path.rpartition("/")[0]
    with damage_explained(CATALOG):
        return tuple(
            StoredFile(f"{folder}/{file_of_hash(sha256)}", sha256, row_count, byte_count)
            for sha256, row_count, byte_count in json.loads(part_list)
        )


def file_of_hash(sha256: str) -> str:
    """Return the name of the file with this hash, without its folder."""
    return f"{sha256[:32]}.parquet"


@dataclass(frozen=True)
class SourceFile:
    """A delivered file in the ledger.

    Attributes:
        fingerprint: The rules by which its lines were read, as a hash.
        facts: What is known about it.
    """

    file_id: str
    fingerprint: str
    facts: FileFacts


@dataclass(frozen=True)
class Publication:
    """One published generation of all tables."""

    generation: int
    data_until: date
    settings_hash: str
    published_at: str
    run_id: str


def utc_now() -> str:
    """The current time as text. It is only recorded; no result depends on it."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


@dataclass(frozen=True)
class WrittenFile:
    """A file under a temporary name; one of the files of a partition that is not committed yet."""

    path: Path
    row_count: int
    sha256: str


@dataclass(frozen=True)
class Written:
    """A written file under a temporary name, or a folder of part files, to be committed as the partition of a key.

    Attributes:
        path: The file, or the folder of the part files; the files are moved into the store on commit.
        row_count: The number of its rows.
        fingerprint: Hash of what it was built from, and how.
        parts: The fingerprint's parts, by name.
        counts: Figures for metadata and checks.
        reason: Why it was built.
        causes: The origins of the build: delivered files, settings or models. Recorded only if the bytes changed.
        sha256: SHA-256 of the file; empty lets the store compute it.
        files: The files at the path, as `files_at` gives them; empty lets the store look.
    """

    key: Key
    path: Path
    row_count: int
    fingerprint: str
    parts: dict[str, str] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    causes: tuple[str, ...] = ()
    sha256: str = ""
    files: tuple[WrittenFile, ...] = ()
