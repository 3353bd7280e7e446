"""Converts the records of the store to rows of the catalog, and back.

catalog.py reads and writes the rows.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from session_pipeline.store.records import JsonMapping, Key, Partition, Publication, files_in_list

# The columns of a partition, in the order in which they are read
PARTITION = (
    *("table_name", "date", "file_id", "path", "sha256", "row_count", "byte_count", "fingerprint", "parts", "counts"),
    *("reason", "run_id", "built_at", "generation", "is_damaged", "changed_generation", "causes", "part_list"),
)
OF_KEY = "table_name = ? and date = ? and file_id = ?"  # the row of a partition; the parameters are its `key_values`


def key_values(key: Key) -> tuple[str, str, str]:
    """Return the columns of a key as a row has them; the date of a table without days is empty."""
    return key.table, "" if key.date is None else key.date.isoformat(), key.file_id


def file_paths_of(row: sqlite3.Row) -> list[str]:
    """Return the paths of the files of a row with `path` and `part_list`."""
    return [file.path for file in files_in_list(row["path"], row["part_list"])] or [row["path"]]


def publication_of(row: sqlite3.Row) -> Publication:
    """Return the publication of a row."""
    return Publication(
        row["generation"],
        date.fromisoformat(row["data_until"]),
        row["settings_hash"],
        row["published_at"],
        row["run_id"],
    )


def row_of(partition: Partition) -> dict[str, str | int]:
    """Return the row of a partition, by column."""
    table_name, day, file_id = key_values(partition.key)
    return {
        "table_name": table_name,
        "date": day,
        "file_id": file_id,
        "path": partition.path,
        "sha256": partition.sha256,
        "row_count": partition.row_count,
        "byte_count": partition.byte_count,
        "fingerprint": partition.fingerprint,
        "parts": json.dumps(dict(partition.parts)),
        "counts": json.dumps(dict(partition.counts)),
        "reason": partition.reason,
        "run_id": partition.run_id,
        "built_at": partition.built_at,
        "generation": partition.generation,
        "is_damaged": int(partition.is_damaged),
        "changed_generation": partition.changed_generation,
        "causes": json.dumps(partition.causes),
        "part_list": partition.part_list,
    }


def partition_of(row: Sequence[Any]) -> Partition:
    """Return the partition of a row that has the columns of PARTITION. By position: there can be 20,000 rows."""
    table_name, day, file_id, path, sha256, row_count, byte_count, fingerprint, parts, counts, *more = row
    reason, run_id, built_at, generation, is_damaged, changed_generation, causes, part_list = more
    return Partition(
        Key(table_name, _day(day), file_id),
        path,
        sha256,
        row_count,
        byte_count,
        fingerprint,
        JsonMapping(parts),
        JsonMapping(counts),
        reason,
        run_id,
        built_at,
        generation,
        bool(is_damaged),
        changed_generation,
        _causes(causes),
        part_list,
    )


@lru_cache(maxsize=10_000)
def _day(text: str) -> date | None:
    """Return the date of a text. Each day has a partition of each table."""
    return date.fromisoformat(text) if text else None


@lru_cache(maxsize=10_000)
def _causes(text: str) -> tuple[str, ...]:
    """Return the causes that a text lists. Most partitions of a day have the same."""
    return tuple(json.loads(text))
