"""Decides which tables of the warehouse are views on files of the store, so that its file stays within a size.

warehouse_file.py writes the tables and views.
"""

from collections.abc import Collection, Mapping, Sequence

from session_pipeline.engines import short_files
from session_pipeline.store.records import Partition
from session_pipeline.tables import TABLES

# How much space rows take in the warehouse is estimated from their file. Measured: a file has so many bytes for each
# column in addition to its values, and these take so many times their space in the warehouse. Short files are written
# without dictionaries.
COLUMN_BYTES = 120
NATIVE_BYTES_OF_SHORT_FILES = 1.5
NATIVE_BYTES_OF_LONG_FILES = 2.5


def partitions_by_table(partitions: Sequence[Partition], left_out: Collection[str]) -> dict[str, list[Partition]]:
    """Return the partitions of each published table that is not left out, in the order of the tables."""
    by_table: dict[str, list[Partition]] = {
        name: [] for name, contract in TABLES.items() if contract.is_published and name not in left_out
    }
    for partition in partitions:
        if partition.key.table in by_table:
            by_table[partition.key.table].append(partition)
    return by_table


def has_views(partitions: Sequence[Partition], native_limit_bytes: float, left_out: Collection[str]) -> bool:
    """Whether some tables of the warehouse are views; arguments as in `warehouse_file.NewFile.write`."""
    return bool(tables_as_views(partitions_by_table(partitions, left_out), native_limit_bytes))


def tables_as_views(by_table: Mapping[str, Sequence[Partition]], native_limit_bytes: float) -> set[str]:
    """Return the largest tables, which must be views so that the file stays within the limit."""
    sizes = {
        name: sum(_native_bytes(partition, len(TABLES[name].columns)) for partition in found)
        for name, found in by_table.items()
    }
    views: set[str] = set()
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if sum(size for other, size in sizes.items() if other not in views) <= native_limit_bytes:
            break
        views.add(name)
    return views


def _native_bytes(partition: Partition, column_count: int) -> float:
    """Return about how many bytes the rows of a partition take in the warehouse."""
    is_short = partition.row_count <= short_files.MOST_ROWS
    factor = NATIVE_BYTES_OF_SHORT_FILES if is_short else NATIVE_BYTES_OF_LONG_FILES
    return max(0, partition.byte_count - COLUMN_BYTES * column_count) * factor
