"""Makes tables of changes from rows: what progress_changes and outcome_changes have in common.

found_progress.py and found_outcomes.py make the rows.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from session_pipeline.tables.changes import contracts
from session_pipeline.tables.changes.periods import Period, Shares

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

KEPT_SCORE = 2.5  # rows with a smaller absolute score are only counted


class Ended(NamedTuple):
    """A change that is over: its first day, the first day after it, and the shares before, during and since."""

    since: date
    over_since: date
    rates: Shares


class Days(NamedTuple):
    """The columns that say when a change was; null for a row that is none.

    Attributes:
        since: The day on which it most likely began.
        over_since: The first day after it; None while it lasts.
        shares: The shares before, during and since, if it is over.
    """

    since: date | None = None
    over_since: date | None = None
    shares: Shares | None = None

    @property
    def ended(self) -> Ended | None:
        """The change, if it is over."""
        if self.since is None or self.over_since is None or self.shares is None:
            return None
        return Ended(self.since, self.over_since, self.shares)


def days_of(period: Period | None, day: Callable[[int], date]) -> Days:
    """Return the days of a change. `day` returns the date of a position."""
    if period is None:
        return Days()
    return Days(day(period.first), None if period.over_from is None else day(period.over_from), period.shares)


def ranked(rows: Iterable[Row], place: Callable[[Row], tuple[Any, ...]]) -> list[Row]:
    """Return the rows of a site and day in the order of their places, with their ranks."""
    return [{**row, "rank": rank} for rank, row in enumerate(sorted(rows, key=place), start=1)]


def table_of(rows: Iterable[Row], name: str, made_by_sql: Collection[str]) -> "pa.Table":
    """Return rows as the table of a contract, with their day and without the columns that SQL makes."""
    import pyarrow as pa

    contract = next(table for table in contracts.TABLES if table.name == name)
    fields = [field for field in contract.schema if field.name not in made_by_sql]
    return pa.Table.from_pylist(list(rows), schema=pa.schema([pa.field("session_date", pa.date32()), *fields]))
