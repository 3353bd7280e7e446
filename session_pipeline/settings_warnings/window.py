"""Selects the published days that rules are compared with: the newest days with events, limited to read quickly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from session_pipeline.engines.sql import literal, query_text
from session_pipeline.settings import Settings

MOST_DAYS = 28
MOST_EVENTS = 5_000_000


@dataclass(frozen=True)
class Window:
    """Days with events, the newest first.

    Attributes:
        days: The days; at least one.
        is_everything: Whether these are all days that ever had events.
    """

    days: tuple[date, ...]
    is_everything: bool

    @property
    def words(self) -> str:
        """The days as words that end a sentence such as "matches no event"."""
        if self.is_everything:
            return "so far"
        return (
            "of the last day with events" if len(self.days) == 1 else f"of the last {len(self.days)} days with events"
        )


def recent_days(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Window | None:
    """Return the days to compare with; None if no day has a session whose events are still there.

    The days come from daily_summary, which is small, so that the history of events is not scanned. It can have days
    whose events have expired. If events can expire, it can also lack days that had some, so the days are not all.
    """
    rows = connection.execute(query_text(__package__, "days_with_sessions"), {"most_days": MOST_DAYS + 1}).fetchall()
    if not rows:
        return None
    newest = [row[0] for row in rows[:MOST_DAYS]]
    counts = dict(connection.execute(query_text(__package__, "event_counts"), on_days(newest)).fetchall())
    days: list[date] = []
    event_count = 0
    for day in filter(counts.get, newest):
        event_count += counts[day]
        if days and event_count > MOST_EVENTS:
            break
        days.append(day)
    if not days:
        return None
    return Window(tuple(days), is_everything=len(days) == len(rows) and not settings.privacy.keep_days.events)


def on_days(days: Sequence[date]) -> dict[str, Any]:
    """Return the parameters of a query over some days. The first and the last day let DuckDB skip the other rows."""
    return {"first_day": min(days), "last_day": max(days), "days": list(days)}


def is_on(column: str, days: Sequence[date]) -> str:
    """Return a SQL condition that is true on the given days."""
    return f"{column} in ({', '.join(map(literal, days))})"
