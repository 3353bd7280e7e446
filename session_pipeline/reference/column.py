"""A column: its name, type and meaning, and how columns become an Arrow schema.

The columns themselves are in columns.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to load, and many commands only need names and types
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column: name, type and meaning (including the unit and the meaning of null).

    Attributes:
        name: Its name.
        type: DuckDB's name of its type.
        meaning: Its meaning.
        is_personal: Whether its values are of a single person, session or event: an id, or what somebody wrote or
            opened. No warning shows such a value.
    """

    name: str
    type: str
    meaning: str
    is_personal: bool = False


def arrow_type(sql_type: str) -> "pa.DataType":
    """Return the Arrow type of a column type."""
    return _arrow_types()[sql_type]


def arrow_schema(columns: Iterable[Column]) -> "pa.Schema":
    """Return the Arrow schema of a file with these columns."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in columns])


@cache
def _arrow_types() -> Mapping[str, "pa.DataType"]:
    import pyarrow as pa

    return {
        "VARCHAR": pa.string(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us"),
        "DECIMAL(18,6)": pa.decimal128(18, 6),
        "DECIMAL(38,6)": pa.decimal128(38, 6),
    }


def text(name: str, meaning: str, *, is_personal: bool = False) -> Column:
    """Return a VARCHAR column."""
    return Column(name, "VARCHAR", meaning, is_personal)


def count(name: str, meaning: str) -> Column:
    """Return a BIGINT column. Counts are never null unless the meaning says so."""
    return Column(name, "BIGINT", meaning)


def flag(name: str, meaning: str) -> Column:
    """Return a BOOLEAN column. Flags are never null unless the meaning says so."""
    return Column(name, "BOOLEAN", meaning)


def time(name: str, meaning: str) -> Column:
    """Return a TIMESTAMP column: UTC, microseconds."""
    return Column(name, "TIMESTAMP", meaning)


def rate(name: str, meaning: str) -> Column:
    """Return a DOUBLE column with a share from 0 to 1; null where the denominator is 0."""
    return Column(name, "DOUBLE", meaning)


def date(name: str, meaning: str) -> Column:
    """Return a DATE column: a local date in the reporting time zone."""
    return Column(name, "DATE", meaning)
