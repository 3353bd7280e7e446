"""Replaces the rows of native tables in the copy of the warehouse.

Which tables are native, and publishing itself, is decided in warehouse.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.engines.sql import literal, query_text, quote, rows_of
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import Table

if TYPE_CHECKING:  # slow to load, and readers do not need it
    import pyarrow as pa

# For tables that only this package uses. In a schema of their own, they do not show up among the tables for analysts.
INTERNAL_SCHEMA = "_internal"
PUBLISHED = f"{INTERNAL_SCHEMA}.published"
# The files of partitions of several files, by the hash in PUBLISHED. Made when there is such a partition.
PART_FILES = f"{INTERNAL_SCHEMA}.part_files"
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
    columns = [f"{quote(column.name)} {column.type}" for column in contract.columns]
    if contract.date_column:
        columns.append(f"{quote(contract.date_column)} DATE")
    return ", ".join(columns)


def native_columns(connection: duckdb.DuckDBPyConnection) -> Columns:
    """The names and types of the columns of each native table of the file."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table_name, column, kind in connection.execute(query_text(__package__, "columns_of_tables")).fetchall():
        found.setdefault(table_name, []).append((column, kind))
    return found


def is_current(columns: Columns, contract: Table) -> bool:
    """Whether the file has this table, as a native table with the contract's columns."""
    expected = [(column.name, column.type) for column in contract.columns]
    if contract.date_column:
        expected.append((contract.date_column, "DATE"))
    return columns.get(contract.name) == expected


def make_table(connection: duckdb.DuckDBPyConnection, contract: Table) -> None:
    """Make a table empty and new, with comments."""
    drop(connection, contract.name)
    connection.execute(f"create table {quote(contract.name)} ({columns_of(contract)})")
    connection.execute(f"delete from {PUBLISHED} where table_name = ?", [contract.name])
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
    meanings = [(column.name, column.meaning) for column in contract.columns]
    if contract.date_column:
        meanings.append((contract.date_column, contract.date_meaning))
    name = quote(contract.name)
    comments = [f"comment on {kind} {name} is {literal(contract.grain)}"]
    comments += [f"comment on column {name}.{quote(column)} is {literal(meaning)}" for column, meaning in meanings]
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
) -> int:
    """Replace the partitions whose file differs from the one that the table's rows were read from.

    Args:
        connection: The connection to the copy of the warehouse.
        columns: The native tables that the copy had, with their columns.
        store: The store.
        contract: The table.
        found: The partitions to show.
        kept: The rows that are still in memory.

    Returns:
        The number of partitions that were inserted, replaced or deleted.
    """
    if not is_current(columns, contract):
        make_table(connection, contract)
    rows = connection.execute(
        f"select date, file_id, sha256 from {PUBLISHED} where table_name = ?", [contract.name]
    ).fetchall()
    present: dict[tuple[date | None, str], str] = {(row[0], row[1]): row[2] for row in rows}
    wanted = {(partition.key.date, partition.key.file_id): partition for partition in found}
    stale = [place for place, sha256 in present.items() if place not in wanted or wanted[place].sha256 != sha256]
    fresh = [partition for place, partition in wanted.items() if present.get(place) != partition.sha256]
    _delete(connection, contract, stale)
    if fresh:
        _insert(connection, store, contract, fresh, kept)
    return len({*stale, *((partition.key.date, partition.key.file_id) for partition in fresh)})


def _delete(connection: duckdb.DuckDBPyConnection, contract: Table, places: Sequence[tuple[date | None, str]]) -> None:
    if not places:
        return
    dates = [day for day, _ in places if day is not None]
    files = [file_id for _, file_id in places if file_id]
    if dates:
        assert contract.date_column is not None
        connection.execute(f"delete from {quote(contract.name)} where {quote(contract.date_column)} in $1", [dates])
        connection.execute(f"delete from {PUBLISHED} where table_name = $1 and date in $2", [contract.name, dates])
    elif files:
        connection.execute(f"delete from {quote(contract.name)} where file_id in $1", [files])
        connection.execute(f"delete from {PUBLISHED} where table_name = $1 and file_id in $2", [contract.name, files])
    else:
        connection.execute(f"delete from {quote(contract.name)}")
        connection.execute(f"delete from {PUBLISHED} where table_name = $1", [contract.name])


def _insert(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    contract: Table,
    fresh: Sequence[Partition],
    kept: Kept,
) -> None:
    # DuckDB compresses inserted rows at once, but those that fill no row group again at the end of the transaction.
    is_long = sum(partition.row_count for partition in fresh) > ROW_GROUP_ROWS
    connection.execute(f"set session enable_optimistic_write = {literal(is_long)}")
    divided = kept.divide(contract, fresh)
    if divided.in_memory:
        connection.execute(f"insert into {quote(contract.name)} by name {divided.in_memory}")
    if divided.in_files:
        paths = [path for partition in divided.in_files for path in store.paths_of(partition)]
        rows = rows_of(contract, paths, with_date=True)
        connection.execute(f"insert into {quote(contract.name)} by name {rows}")
    record(connection, contract, fresh)


def record(connection: duckdb.DuckDBPyConnection, contract: Table, partitions: Sequence[Partition]) -> None:
    """Record which partitions a table shows."""
    connection.execute(
        f"insert into {PUBLISHED} select $1, unnest($2::date[]), unnest($3::varchar[]), unnest($4::varchar[])",
        [
            contract.name,
            [partition.key.date for partition in partitions],
            [partition.key.file_id for partition in partitions],
            [partition.sha256 for partition in partitions],
        ],
    )
    if several := [partition for partition in partitions if len(partition.files) > 1]:
        _record_parts(connection, several)


def has_part_files(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse shows a partition of several files."""
    found = "select 1 from duckdb_tables() where schema_name = $1 and table_name = 'part_files'"
    return connection.execute(found, [INTERNAL_SCHEMA]).fetchone() is not None


def _record_parts(connection: duckdb.DuckDBPyConnection, partitions: Sequence[Partition]) -> None:
    parts = [
        (partition.sha256, number, file.sha256)
        for partition in partitions
        for number, file in enumerate(partition.files, start=1)
    ]
    connection.execute(f"create table if not exists {PART_FILES} (content varchar, number integer, sha256 varchar)")
    connection.execute(f"delete from {PART_FILES} where content not in (select sha256 from {PUBLISHED})")
    connection.execute(
        f"insert into {PART_FILES} {query_text(__package__, 'new_part_files')}",
        list(map(list, zip(*parts, strict=True))),
    )
