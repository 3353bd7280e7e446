"""Finds columns of an input that have the same value in all rows, or none, so that a big day need not sort them.

A delivery has values in some of the columns of raw_events; which ones depends on its format. Often a day has one site,
one source and one file.
"""

from collections.abc import Collection, Iterable

import duckdb

from session_pipeline.engines.sql import literal, quote
from session_pipeline.reference.column import Column

FEWEST_ROWS = 100_000  # in fewer rows, looking takes longer than sorting them
ROWS_LOOKED_AT = 2_048
TEXT = "VARCHAR"  # equal numbers can have different bytes, such as 0.0 and -0.0
NOT_IN_SQL = "\0"
NULL = "null"


def constant_columns(connection: duckdb.DuckDBPyConnection, name: str, columns: Collection[Column]) -> dict[str, str]:
    """Return the constant ones of some columns of a table, with their values as SQL; none if the table is short.

    These are columns of text with one text in all rows, and columns that are null in all rows. The first rows tell
    which columns can be constant, and with which value. Only these are read, and compared with this value: DuckDB
    compares each different text of a file once, but looks for the least and the greatest text in every row.
    """
    [(row_count,)] = connection.execute(f"select count(*) from {quote(name)}").fetchall()
    if row_count < FEWEST_ROWS:
        return {}
    first_rows = f"(select * from {quote(name)} limit {ROWS_LOOKED_AT})"
    candidates = _constants(connection, first_rows, columns)
    if not candidates:
        return {}
    differing = ", ".join(_rows_of_others(*each) for each in candidates.items())
    [counts] = connection.execute(f"select {differing} from {quote(name)}").fetchall()
    return {column: value for (column, value), count in zip(candidates.items(), counts, strict=True) if not count}


def _rows_of_others(column: str, value: str) -> str:
    if value == NULL:
        return f"count({quote(column)})"
    return f"count(*) - count(*) filter (where {quote(column)} = {value})"


def _constants(connection: duckdb.DuckDBPyConnection, rows: str, columns: Iterable[Column]) -> dict[str, str]:
    names = [column.name for column in columns]
    figures = [f"count({quote(column.name)}), {_least_and_greatest(column)}" for column in columns]
    if not figures:
        return {}
    [(row_count, *found)] = connection.execute(f"select count(*), {', '.join(figures)} from {rows}").fetchall()
    constants = {}
    for name, count, least, greatest in zip(names, found[::3], found[1::3], found[2::3], strict=True):
        if count == 0:
            constants[name] = NULL
        elif count == row_count and least is not None and least == greatest and NOT_IN_SQL not in least:
            constants[name] = literal(least)
    return constants


def _least_and_greatest(column: Column) -> str:
    if column.type != TEXT:
        return "null, null"
    return f"min({quote(column.name)}), max({quote(column.name)})"
