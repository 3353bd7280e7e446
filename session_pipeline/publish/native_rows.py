"""Replaces the rows of native tables in the copy of the warehouse.

native_limit.py decides which tables are native, and warehouse_file.py writes the file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.engines.sql import literal, query_text, quote, rows_of
from session_pipeline.publish.shown_files import Place, ShownFiles
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import Table

if TYPE_CHECKING:  # slow to load, and readers do not need it
    import pyarrow as pa

Columns = Mapping[str, Sequence[tuple[str, str]]]


class Divided(NamedTuple):
    """Where the rows of a table's partitions are.

    Attributes:
        in_files: The partitions that must be read from files.
        in_memory: A SELECT of the rows of the others; empty if there are none.
    """

    in_files: Sequence[Partition]
    in_memory: str = ""


@dataclass(frozen=True)
class Kept:
    """The rows that an engine still has in memory, so that their many small files need not be read.

    Attributes:
        connect: Opens a connection to the in-memory database that has them.
        divide: Returns where the rows of some partitions of a table are.
    """

    connect: Callable[[], duckdb.DuckDBPyConnection]
    divide: Callable[[Table, Sequence[Partition]], Divided]


NOTHING_KEPT = Kept(
    connect=private_connection,
    divide=lambda contract, partitions: Divided(partitions),
)


def columns_of(contract: Table) -> str:
    """The columns of a native table as SQL."""
    return ", ".join(f"{quote(column.name)} {column.type}" for column in contract.dated_columns)


def native_columns(connection: duckdb.DuckDBPyConnection) -> Columns:
    """The names and types of the columns of each native table of the file."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table_name, column, kind in connection.execute(query_text(__package__, "columns_of_tables")).fetchall():
        found.setdefault(table_name, []).append((column, kind))
    return found


def is_current(columns: Columns, contract: Table) -> bool:
    """Whether the file has this table, as a native table with the contract's columns."""
    return columns.get(contract.name) == [(column.name, column.type) for column in contract.dated_columns]


def make_table(connection: duckdb.DuckDBPyConnection, contract: Table) -> None:
    """Make a table empty and new, with comments."""
    drop(connection, contract.name)
    connection.execute(f"create table {quote(contract.name)} ({columns_of(contract)})")
    comment(connection, contract, "table")


def drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a table or view of the warehouse if it exists."""
    for kind, catalog in (("table", "duckdb_tables"), ("view", "duckdb_views")):
        found = connection.execute(
            f"select 1 from {catalog}() where database_name = 'warehouse' and schema_name = 'main' and {kind}_name = ?",
            [name],
        ).fetchone()
        if found:
            connection.execute(f"drop {kind} {quote(name)}")


def comment(connection: duckdb.DuckDBPyConnection, contract: Table, kind: str) -> None:
    """Set the comments of a table or view and of its columns."""
    name = quote(contract.name)
    comments = [f"comment on {kind} {name} is {literal(contract.grain)}"]
    comments += [
        f"comment on column {name}.{quote(column.name)} is {literal(column.meaning)}"
        for column in contract.dated_columns
    ]
    connection.execute("; ".join(comments))


def replace_rows(connection: duckdb.DuckDBPyConnection, columns: Columns, contract: Table, rows: "pa.Table") -> None:
    """Replace all rows of a table, such as warehouse_info."""
    if not is_current(columns, contract):
        make_table(connection, contract)
    connection.execute(f"delete from {quote(contract.name)}")
    connection.register("rows_to_insert", rows)
    connection.execute(f"insert into {quote(contract.name)} select * from rows_to_insert")
    connection.unregister("rows_to_insert")


def replace_partitions(
    connection: duckdb.DuckDBPyConnection,
    columns: Columns,
    store: Store,
    contract: Table,
    found: Iterable[Partition],
    kept: Kept,
    shown: ShownFiles,
) -> int:
    """Replace the partitions whose file differs from the one that the table's rows were read from.

    Args:
        connection: The connection to the copy of the warehouse.
        columns: The native tables that the copy had, with their columns.
        store: The store.
        contract: The table.
        found: The partitions to show.
        kept: The rows that are still in memory.
        shown: What the copy shows. It is changed.

    Returns:
        The number of partitions that were inserted, replaced or deleted.
    """
    if not is_current(columns, contract):
        make_table(connection, contract)
        shown.remove_table(contract.name)
    present = shown.of_table(contract.name)
    wanted = {(partition.key.date, partition.key.file_id): partition for partition in found}
    stale = [place for place, sha256 in present.items() if place not in wanted or wanted[place].sha256 != sha256]
    fresh = [partition for place, partition in wanted.items() if present.get(place) != partition.sha256]
    if stale:
        _delete(connection, contract, stale)
        shown.remove(contract.name, stale)
    if fresh:
        _insert(connection, store, contract, fresh, kept)
        shown.add(fresh)
    return len({*stale, *((partition.key.date, partition.key.file_id) for partition in fresh)})


def _delete(connection: duckdb.DuckDBPyConnection, contract: Table, places: Sequence[Place]) -> None:
    dates = [day for day, _ in places if day is not None]
    files = [file_id for _, file_id in places if file_id]
    if dates:
        assert contract.date_column is not None
        connection.execute(f"delete from {quote(contract.name)} where {quote(contract.date_column)} in $1", [dates])
    elif files:
        connection.execute(f"delete from {quote(contract.name)} where file_id in $1", [files])
    else:
        connection.execute(f"delete from {quote(contract.name)}")


def _insert(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    contract: Table,
    fresh: Sequence[Partition],
    kept: Kept,
) -> None:
    is_long = sum(partition.row_count for partition in fresh) > ROW_GROUP_ROWS
    with _written_at_once(connection) if is_long else nullcontext():
        divided = kept.divide(contract, fresh)
        if divided.in_memory:
            connection.execute(f"insert into {quote(contract.name)} by name {divided.in_memory}")
        if divided.in_files:
            store.check_intact(divided.in_files)
            paths = [path for partition in divided.in_files for path in store.paths_of(partition)]
            rows = rows_of(contract, paths, with_date=True)
            connection.execute(f"insert into {quote(contract.name)} by name {rows}")


@contextmanager
def _written_at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """In this block, rows are compressed and written when they are inserted; see `write_at_the_end`."""
    connection.execute("set session enable_optimistic_write = true")
    yield
    write_at_the_end(connection)


def write_at_the_end(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB compress and write the rows that are inserted next only at the end of the transaction.

    Otherwise it does so when they are inserted, and once more at the end if they fill no row group.
    """
    connection.execute("set session enable_optimistic_write = false")
