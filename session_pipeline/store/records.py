"""What the catalog records: partitions, delivered files and publications.

Plain values. Reading and writing them is the work of catalog.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Key:
    """Identifies a partition.

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


@dataclass(frozen=True)
class Partition:
    """A built partition: one immutable Parquet file, and how it was built.

    Attributes:
        path: The file, relative to the store's folder.
        parts: The parts of the fingerprint, by name: the recipe, the bounds of the day, each input.
        counts: Figures of the build, for metadata and checks.
        reason: Why it was last built, in the words of the plan.
        generation: The generation in which it was last built.
        changed_generation: The generation in which its bytes last changed.
        causes: The origins of its present bytes: delivered files, settings or models; not the tables in between.
        is_damaged: Whether the file was found not to match its hash; the next run rebuilds it.
    """

    key: Key
    path: str
    sha256: str
    row_count: int
    byte_count: int
    fingerprint: str
    parts: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    run_id: str = ""
    built_at: str = ""
    generation: int = 0
    is_damaged: bool = False
    changed_generation: int = 0
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceFile:
    """A delivered file in the ledger.

    Attributes:
        fingerprint: The rules by which its lines were read, as a hash.
        facts: The columns of source_files.
    """

    file_id: str
    fingerprint: str
    facts: Mapping[str, Any]


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
class Written:
    """A written file under a temporary name, to be committed as the partition of a key.

    Attributes:
        path: The file; it is moved into the store on commit.
        row_count: The number of its rows.
        fingerprint: Hash of what it was built from, and how.
        parts: The fingerprint's parts, by name.
        counts: Figures for metadata and checks.
        reason: Why it was built.
        causes: The origins of the build: delivered files, settings or models. Recorded only if the bytes changed.
        sha256: SHA-256 of the file; empty lets the store compute it.
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
