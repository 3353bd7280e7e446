"""Defines `SmallTable`: rows in Python that models read as a table, such as the rules of the settings.

The rows become an Arrow table only when an engine needs them, because Arrow is slow to load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SmallTable:
    """A small table.

    Attributes:
        types: The SQL type of each column, by name, in order.
        rows: The rows, with a value for each column.
    """

    types: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]

    def to_arrow(self) -> "pa.Table":
        """Return the table in Arrow's form."""
        import pyarrow as pa

        from session_pipeline.reference.column import arrow_type

        schema = pa.schema([pa.field(name, arrow_type(kind)) for name, kind in self.types.items()])
        return pa.Table.from_pylist([dict(row) for row in self.rows], schema=schema)
