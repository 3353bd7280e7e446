"""Reads published tables from Python: as a DuckDB connection, a DataFrame or a list of Parquet files.

Everything is read from the warehouse, never from the catalog of the store, and nothing is changed. warehouse.py opens
it.
"""

from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from session_pipeline import data_folder
from session_pipeline.engines.sql import literal, query_text, quote
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.publish import shown_files, warehouse
from session_pipeline.store.paths import file_name
from session_pipeline.tables import TABLES, Table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def connect(data: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published warehouse as a DuckDB connection, read-only and locked down. Times are UTC.

    The connection keeps its snapshot when a new one is published; connect again to see the new one.

    Args:
        data: The data folder; otherwise SESSION_PIPELINE_DATA, otherwise `data`.

    Raises:
        WrongUseError: There is no such data folder.
        StoreError: Nothing is published yet, or the file cannot be opened.
    """
    folder = data_folder.find(data, option="the argument data")
    return warehouse.connect(folder.warehouse, folder.store)


def read(
    table: str,
    start: date | str | None = None,
    end: date | str | None = None,
    data: Path | str | None = None,
) -> "pd.DataFrame":
    """Return the rows of a published table as a DataFrame, for some days or for all.

    The rows are ordered by date and then by the order of the contract. Integers are Int64 and flags are boolean; both
    types keep nulls. Decimals are float64; for exact sums, sum in SQL. Dates and times are datetime64 without a time
    zone: times are UTC, dates are local to the time zone in the settings.

    Args:
        table: The name of the table, as in the warehouse.
        start: The first day, by the table's date column; without it, the first day there is.
        end: The last day, inclusive; without it, the last day there is.
        data: The data folder; otherwise SESSION_PIPELINE_DATA, otherwise `data`.

    Raises:
        WrongUseError: There is no such table, a date is invalid, or days were given for a table without dates.
        StoreError: Nothing is published yet.
    """
    contract = published_table(table)
    where = _where(contract, contract.date_column, start, end)
    dates = (contract.date_column,) if contract.date_column else ()
    order = ", ".join(quote(name) for name in (*dates, *contract.order))
    with connect(data) as connection:
        try:
            rows = connection.sql(f"select * from {quote(table)}{where} order by {order}").to_arrow_table()
        except duckdb.CatalogException:
            raise not_built(table) from None
    return _frame(rows)


def files(
    table: str,
    start: date | str | None = None,
    end: date | str | None = None,
    data: Path | str | None = None,
) -> list[Path]:
    """Return the Parquet files of a published table, for some days or for all, for any tool that reads Parquet.

    The files are one snapshot of the table. Unlike files in the lake, they are never replaced. They are deleted at the
    earliest when four newer generations are published, so call this function again for each query. The date is in the
    folder's name, as in the lake (Hive partitioning). Files written by an older version of the package can lack
    columns; read them with the engine's option to unite columns by name.

    Args:
        table: The name of the table, as in the warehouse.
        start: The first day, by the table's date column; without it, the first day there is.
        end: The last day, inclusive; without it, the last day there is.
        data: The data folder; otherwise SESSION_PIPELINE_DATA, otherwise `data`.

    Raises:
        WrongUseError: There is no such table, it has no files, a date is invalid, or days were given for a table
            without dates.
        StoreError: Nothing is published yet.
    """
    contract = published_table(table)
    if table == "warehouse_info":
        raise WrongUseError("warehouse_info is in the warehouse only; read it there")
    where = _where(contract, "date", start, end)
    published = f"select date, sha256 from (from {shown_files.PUBLISHED} where table_name = $1){where} order by all"
    with connect(data) as connection:
        if shown_files.has_part_files(connection):
            published = query_text(__package__, "files_of_parts").replace("$published", published)
        try:
            rows = connection.execute(published, [table]).fetchall()
        except duckdb.CatalogException:
            raise StoreError(
                "the warehouse was written by another version of session_pipeline; run `session-pipeline run`"
            ) from None
    store = data_folder.find(data, option="the argument data").store
    return [store / file_name(contract, day, sha256) for day, sha256 in rows]


def not_built(table: str) -> StoreError:
    """Return the error for a published table that a warehouse does not have."""
    return StoreError(
        f"the warehouse has no {table}: the settings do not build it, or an older version wrote it; run"
        " `session-pipeline run`"
    )


def published_table(name: str) -> Table:
    """Return the contract of a published table.

    Raises:
        WrongUseError: There is no such table, or it is in the store only.
    """
    published = [table.name for table in TABLES.values() if table.is_published]
    if name in published:
        return TABLES[name]
    near = get_close_matches(str(name), published, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the tables are {', '.join(published)}"
    where = "is in the store only" if name in TABLES else "is not a table"
    raise WrongUseError(f"{name} {where}; {hint}")


def _where(contract: Table, column: str | None, start: date | str | None, end: date | str | None) -> str:
    """Return an SQL `where` clause that selects the given days; empty if no day is given."""
    first, last = _day("start", start), _day("end", end)
    if contract.date_column is None and (first or last):
        raise WrongUseError(f"{contract.name} is not split by day; remove start and end")
    if first and last and first > last:
        raise WrongUseError(f"start {first} is after end {last}; swap them")
    conditions = [
        f"{column} {comparison} {literal(day)}" for comparison, day in ((">=", first), ("<=", last)) if day is not None
    ]
    return f" where {' and '.join(conditions)}" if conditions else ""


def _day(argument: str, value: date | str | None) -> date | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise WrongUseError(f"{argument} is {value!r}, which is not a date; write it as '2026-10-05'") from None


def _frame(rows: "pa.Table") -> "pd.DataFrame":
    import pandas as pd  # both are slow to import, and `connect` does not need them
    import pyarrow as pa

    # A column's type depends on the contract only, not on the rows: integers stay integers if there are nulls.
    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    schema = pa.schema([pa.field(column.name, _arrow_type(column.type)) for column in rows.schema])
    frame: pd.DataFrame = rows.cast(schema).to_pandas(types_mapper=types.get)
    return frame


def _arrow_type(written: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_decimal(written):
        return pa.float64()
    return pa.timestamp("us") if pa.types.is_date(written) else written
