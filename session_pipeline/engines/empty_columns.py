"""Finds columns of an input that have no value in any row, so that a big day need not sort them.

A delivery has values in some of the columns of raw_events; which ones depends on its format.
"""

from collections.abc import Iterable

import duckdb

from session_pipeline.engines.sql import quote

FEWEST_ROWS = 100_000  # in fewer rows, looking takes longer than sorting them
ROWS_LOOKED_AT = 2_048


def columns_without_value(connection: duckdb.DuckDBPyConnection, name: str, columns: Iterable[str]) -> frozenset[str]:
    """Return those of some columns of a table that are null in all rows; none if the table is short.

    The first rows tell which columns have values. Only the others are read, and reading nulls takes hardly any time.
    """
    [(row_count,)] = connection.execute(f"select count(*) from {quote(name)}").fetchall()
    if row_count < FEWEST_ROWS:
        return frozenset()
    in_first_rows = _without_value(connection, f"(select * from {quote(name)} limit {ROWS_LOOKED_AT})", sorted(columns))
    return frozenset(_without_value(connection, quote(name), in_first_rows))


def _without_value(connection: duckdb.DuckDBPyConnection, rows: str, columns: list[str]) -> list[str]:
    if not columns:
        return []
    counts = ", ".join(f"count({quote(column)})" for column in columns)
    [found] = connection.execute(f"select {counts} from {rows}").fetchall()
    return [column for column, count in zip(columns, found, strict=True) if count == 0]
