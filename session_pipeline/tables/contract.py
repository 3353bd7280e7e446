"""What a contract is made of: the table and what can be derived from it.

Knows Arrow types. Does not know which tables there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from session_pipeline.reference.columns import Column, arrow_schema


@dataclass(frozen=True)
class Table:
    """One table of the store.

    Attributes:
        name: Plural noun; also the name of the asset and of the warehouse's table.
        grain: What one row is, as a sentence.
        date_column: The local (for raw_events: UTC) date that partitions it; None for a table in one piece. It is
            the name of the folder, never a column inside the file.
        key: Columns that together are unique within a partition, and never null unless the contract says so.
        order: The total order that rows are written in; the key where nothing else helps readers.
        columns: In the order that files and the warehouse have them, without the date column.
        is_published: Whether the warehouse and the lake have it.
        group: The Dagster group: ingest, sessions, answers or publish.
        is_log: Whether it keeps what happened: rows are only added, a clean run would give others, and nothing makes
            it again.
    """

    name: str
    grain: str
    date_column: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    is_published: bool = True
    group: str = "answers"
    is_log: bool = False

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of its files."""
        return arrow_schema(self.columns)

    @cached_property
    def shape(self) -> list[list[str]]:
        """Names, types, key and order: what a fingerprint depends on. Meanings may be reworded freely."""
        return [
            [f"{column.name} {column.type}" for column in self.columns],
            list(self.key),
            list(self.order),
        ]

    @property
    def date_meaning(self) -> str:
        """What the date column says, for comments and documentation."""
        return DATE_MEANINGS[self.date_column] if self.date_column else ""


DATE_MEANINGS: Mapping[str, str] = {
    "utc_date": "UTC date of the event; the partition.",
    "event_date": "Local date of the event, in the reporting time zone; the partition.",
    "session_date": "Local date of the session's first event, in the reporting time zone; the partition.",
    "entry_date": (
        "Local date the attempt counts for; the partition. Grain session: the date the session starts on. "
        "Grain visitor: the date of the entering event."
    ),
}
