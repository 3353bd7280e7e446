"""Compares the published files with the store: what readers see must be what the store has.

A link of the lake is the file of the store, so it is not read again. Copies, rewritten files and native tables of the
warehouse are read in full. publication.py decides when they are written again; stored_partitions.py verifies the
store itself.
"""

import errno
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.sql import quote, rows_of
from session_pipeline.errors import StoreError
from session_pipeline.publish import lake, warehouse
from session_pipeline.publish.native_rows import native_columns
from session_pipeline.publish.shown_files import recorded
from session_pipeline.store.records import Partition, StoredFile
from session_pipeline.store.store import Store
from session_pipeline.store.store_files import sha256_of
from session_pipeline.tables import TABLES, Table, table

Difference = Literal["missing", "different"]


def lake_differences(
    store: Store, folder: Path, partitions: Sequence[Partition], on_partition: Callable[[int, Partition], None]
) -> dict[Path, Difference]:
    """Return the files of the lake that are missing or differ from the store.

    Args:
        store: The store.
        folder: The folder of the lake.
        partitions: The published partitions.
        on_partition: Called before each partition, with its number from 1.
    """
    found: dict[Path, Difference] = {}
    for number, partition in enumerate(partitions, start=1):
        on_partition(number, partition)
        for place, file in zip(lake.places_of(partition), partition.files, strict=True):
            difference = _difference(store, folder / place, file, table(partition.key.table))
            if difference is not None:
                found[folder / place] = difference
    return found


def warehouse_difference(store: Store, path: Path, partitions: Sequence[Partition]) -> str | None:
    """Return what differs between the warehouse and the published partitions, in words; None if nothing does.

    All native tables are read, because DuckDB compares the checksum of each block that it reads. A view reads the
    files of the store.
    """
    try:
        with closing(warehouse.connect(path, store.folder)) as connection:
            return _recorded_difference(connection, partitions) or _native_difference(connection, partitions)
    except (StoreError, duckdb.Error) as error:
        return f"it cannot be read ({str(error).splitlines()[0]})"


def _difference(store: Store, shown: Path, file: StoredFile, contract: Table) -> Difference | None:
    if not shown.is_file():
        return "missing"
    stored = store.files.location(file.path)
    if stored.is_file() and shown.samefile(stored):  # that of a damaged partition can be missing
        return None
    try:
        is_equal = sha256_of(shown) == file.sha256
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        is_equal = False
    return None if is_equal or _is_rewritten(stored, shown, contract) else "different"


def _is_rewritten(stored: Path, shown: Path, contract: Table) -> bool:
    """Whether the lake has the rows of a file of an older version, rewritten with today's columns."""
    try:
        if lake.fits(stored, contract) or not lake.fits(shown, contract):
            return False
        before, after = rows_of(contract, [stored]), rows_of(contract, [shown])
        with private_connection() as connection:
            different = f"(({before}) except all ({after})) union all (({after}) except all ({before}))"
            return connection.execute(f"{different} limit 1").fetchone() is None
    except (duckdb.Error, pa.ArrowException, OSError):
        return False


def _recorded_difference(connection: duckdb.DuckDBPyConnection, partitions: Sequence[Partition]) -> str | None:
    """Compare the files that the warehouse says it shows with those of the store."""
    tables = warehouse.tables_of(connection)
    expected = {(*partition.key, partition.sha256) for partition in partitions if partition.key.table in tables}
    different = sorted({row[0] for row in expected.symmetric_difference(recorded(connection))})
    return f"{', '.join(different)}: it shows other files than the store has" if different else None


def _native_difference(connection: duckdb.DuckDBPyConnection, partitions: Sequence[Partition]) -> str | None:
    """Read all columns of all native tables, and compare the number of their rows."""
    for name in sorted(native_columns(connection).keys() & TABLES.keys() - {"warehouse_info"}):
        read = f"select count(*), bit_xor(hash(shown)) from {quote(name)} as shown"  # the hash needs every column
        try:
            row_count, _ = connection.execute(read).fetchall()[0]
        except duckdb.Error as error:
            return f"{name} cannot be read ({str(error).splitlines()[0]})"
        expected = sum(partition.row_count for partition in partitions if partition.key.table == name)
        if row_count != expected:
            return f"{name} has {row_count} rows instead of {expected}"
    return None
