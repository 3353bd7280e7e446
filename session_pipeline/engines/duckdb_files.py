"""Writes the rows of SELECTs to Parquet files with DuckDB, with the contract's columns, types and order."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

import duckdb

from session_pipeline.engines import short_files
from session_pipeline.engines.parquet_files import FORMAT, ROW_GROUP_ROWS, STATISTICS
from session_pipeline.engines.sql import literal, quote
from session_pipeline.store.files import in_threads
from session_pipeline.tables import Table

WRITING_THREADS = 2


class Statistics:
    """The optimizer of a database that looks at statistics. It is off while a file is written.

    DuckDB writes a column as required if its statistics say that it has no nulls, and the statistics depend on how the
    rows were computed. Without this optimizer every column is optional, so equal rows give equal bytes (measured: 10 %
    slower).
    """

    def __init__(self) -> None:
        """Begin with the optimizer on, as DuckDB does."""
        self._stays_off = False

    @contextmanager
    def off(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Turn the optimizer off for a block."""
        if self._stays_off:
            yield
            return
        self._set(connection, STATISTICS)
        try:
            yield
        finally:
            self._set(connection, "")

    def stay_off(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Turn the optimizer off until `come_back`.

        The setting is that of all connections, and must not change while a query of another one is planned.
        """
        if not self._stays_off:
            self._set(connection, STATISTICS)
            self._stays_off = True

    def come_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Turn the optimizer on again."""
        if self._stays_off:
            with suppress(duckdb.FatalException):  # after a failed fsync: no query follows, and its own error is shown
                self._set(connection, "")
            self._stays_off = False

    @staticmethod
    def _set(connection: duckdb.DuckDBPyConnection, disabled: str) -> None:
        connection.execute(f"set disabled_optimizers = {literal(disabled)}")


def copy_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Table,
    rows: str,
    day: date | None,
    path: Path,
    constants: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Write the rows of a day (None: all rows) to a file, with the contract's columns, types and order.

    Columns that are known to have the same value in all rows, given as SQL, are added after the rows are sorted. They
    do not matter for the order.
    """
    of_day = f" where {quote(str(contract.date_column))} = {literal(day)}" if day is not None else ""
    order = ", ".join(quote(name) for name in contract.order if name not in constants)
    in_order = f"select {casts(contract, constants)} from {rows}{of_day} order by {order}"
    columns = ", ".join(
        f"cast({constants[column.name]} as {column.type}) as {quote(column.name)}"
        if column.name in constants
        else quote(column.name)
        for column in contract.columns
    )
    count = connection.execute(f"copy (select {columns} from ({in_order})) to {literal(str(path))} {FORMAT}").fetchone()
    assert count is not None
    if count[0] <= short_files.MOST_ROWS:
        short_files.write_again(contract.schema, path)
    return int(count[0])


def write_days(
    connection: duckdb.DuckDBPyConnection,
    statistics: Statistics,
    contract: Table,
    sql: str,
    paths: Mapping[date, Path],
) -> dict[date | None, int]:
    """Compute the rows of all days once, and write those of each day.

    The rows are kept in a sorted table (`kept_table`), and a scan keeps the order of a table, so the files need no sort
    and no cast of their own. Only a file of several row groups is sorted again: otherwise, where the day begins in the
    table would decide where its row groups end. Cursors do not see temporary tables, so the table is a normal one.

    Returns:
        The number of rows of each day.
    """
    rows, dated = kept_table(contract.name), quote(str(contract.date_column))
    connection.execute(
        f"create or replace table {rows} as select {casts(contract)}, cast({dated} as date) as {dated}"
        f" from ({sql}\n) order by {', '.join([dated, *map(quote, contract.order)])}"
    )
    columns = ", ".join(quote(column.name) for column in contract.columns)
    of_all_days = connection.sql(f"select {columns}, {dated} from {rows}").to_arrow_table()
    dates = of_all_days.column(len(contract.columns))
    counts = {each["values"]: each["counts"] for each in dates.value_counts().to_pylist()}  # in the order of rows
    starts = dict(zip(counts, accumulate(counts.values(), initial=0), strict=False))
    of_all_days = short_files.prepared(of_all_days.select(range(len(contract.columns))), contract.schema)

    def write_short(day: date) -> None:
        short_files.write(of_all_days.slice(starts.get(day, 0), counts.get(day, 0)), paths[day])

    short = [day for day in paths if counts.get(day, 0) <= short_files.MOST_ROWS]
    in_threads(write_short, short, WRITING_THREADS)
    for day in paths.keys() - short:
        with statistics.off(connection):
            if counts[day] > ROW_GROUP_ROWS:
                copy_rows(connection, contract, rows, day, paths[day])
            else:
                of_day = f"select {columns} from {rows} where {dated} = {literal(day)}"
                connection.execute(f"copy ({of_day}) to {literal(str(paths[day]))} {FORMAT}")
    return {day: counts.get(day, 0) for day in paths}


def kept_table(name: str) -> str:
    """Return the name, as SQL, of the table that has the rows of several days of a table."""
    return f"memory.main.{quote(f'days of {name}')}"


def casts(contract: Table, left_out: Collection[str] = ()) -> str:
    """Return the columns of a table, cast to the types of its contract, as SQL."""
    return ", ".join(
        f"cast({quote(column.name)} as {column.type}) as {quote(column.name)}"
        for column in contract.columns
        if column.name not in left_out
    )
