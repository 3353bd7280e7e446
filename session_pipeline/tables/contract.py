"""Defines `Table`, the contract of one table, and what is derived from it, such as the Arrow schema.

The tables themselves are defined in <group>/contracts.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from session_pipeline.reference.column import Column, arrow_schema, date

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """One table of the store.

    Attributes:
        name: Plural noun; also the name of the asset and of the warehouse's table.
        grain: What one row is, as a sentence.
        date_column: The date that partitions it: a local date (for raw_events: a UTC date). None for a table without
            partitions. It is part of the folder name; only funnel_events has it also as a column of its files.
        key: Columns that together are unique within a partition. They are never null unless the contract says so.
        columns: In the order of the files and of the warehouse, without the date column.
        own_order: The total order of rows, if another one than by key helps readers.
        is_published: Whether the warehouse and the lake contain it.
        group: The Dagster group: ingest, sessions, answers or publish.
        is_log: Whether it records history. Rows are only added. A clean run would give other rows, so the table cannot
            be rebuilt.
    """

    name: str
    grain: str
    date_column: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    own_order: tuple[str, ...] = ()
    is_published: bool = True
    group: str = "answers"
    is_log: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        """The total order in which rows are written."""
        return self.own_order or self.key

    @cached_property
    def schema(self) -> "pa.Schema":
        """The Arrow schema of the table's files."""
        return arrow_schema(self.columns)

    @cached_property
    def dated_columns(self) -> tuple[Column, ...]:
        """The columns and, as the last one, the date column: the columns of the table in the warehouse."""
        return (*self.columns, date(self.date_column, self.date_meaning)) if self.date_column else self.columns

    @cached_property
    def shape(self) -> list[list[str]]:
        """Names, types, key and order: the part that fingerprints depend on. Changed meanings cause no rebuild."""
        return [
            [f"{column.name} {column.type}" for column in self.columns],
            list(self.key),
            list(self.order),
        ]

    @property
    def date_meaning(self) -> str:
        """The meaning of the date column, for comments and documentation; empty without one."""
        return DATE_MEANINGS[self.date_column] if self.date_column else ""


DATE_MEANINGS: Mapping[str, str] = {
    "utc_date": "UTC date of the event; the partition.",
    "event_date": "Local date of the event, in the reporting time zone; the partition.",
    "session_date": "Local date of the session's first event, in the reporting time zone; the partition.",
    "entry_date": (
        "Local date that the attempt counts for; the partition. Grain session: the date on which the session starts. "
        "Grain visitor: the date of the event that entered the funnel."
    ),
}
