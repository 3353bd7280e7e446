"""A column: its name, type and meaning, and how columns become an Arrow schema.

The columns themselves are in columns.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

ARROW_TYPES: Mapping[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "DECIMAL(18,6)": pa.decimal128(18, 6),
    "DECIMAL(38,6)": pa.decimal128(38, 6),
}


@dataclass(frozen=True)
class Column:
    """A column: name, type and meaning (including the unit and the meaning of null)."""

    name: str
    type: str
    meaning: str


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Returns the Arrow schema of a file with these columns."""
    return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in columns])


def text(name: str, meaning: str) -> Column:
    """Returns a VARCHAR column."""
    return Column(name, "VARCHAR", meaning)


def count(name: str, meaning: str) -> Column:
    """Returns a BIGINT column. Counts are never null unless the meaning says so."""
    return Column(name, "BIGINT", meaning)


def flag(name: str, meaning: str) -> Column:
    """Returns a BOOLEAN column. Flags are never null unless the meaning says so."""
    return Column(name, "BOOLEAN", meaning)


def time(name: str, meaning: str) -> Column:
    """Returns a TIMESTAMP column: UTC, microseconds."""
    return Column(name, "TIMESTAMP", meaning)


def rate(name: str, meaning: str) -> Column:
    """Returns a DOUBLE column with a share from 0 to 1; null where the denominator is 0."""
    return Column(name, "DOUBLE", meaning)


def date(name: str, meaning: str) -> Column:
    """Returns a DATE column: a local date in the reporting time zone."""
    return Column(name, "DATE", meaning)
