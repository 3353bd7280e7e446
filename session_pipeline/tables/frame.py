"""Defines `Frame`, which a plan is computed for: the settings, the calendar, the days to build and the last day.

Computes the tables `days` and `day_parts` with the bounds of the days that a query builds. Which dates of an input are
read is in spans.py, and the parameters of models are in parameters.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise

from session_pipeline.reference.days import MICROSECOND, Calendar
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables import parameters
from session_pipeline.tables.blocks import Blocks, day_number
from session_pipeline.tables.parameters import Scalar

BOUNDS = {"day_start": "TIMESTAMP", "day_end": "TIMESTAMP", "day_before": "DATE"}
DAY_TABLES = frozenset(("days", "day_parts"))
DAYS = {
    "event_date": "DATE",
    **BOUNDS,
    "day_number": "BIGINT",
    "number_built_before": "BIGINT",
    "end_of_reach": "DATE",
    "observed_until": "TIMESTAMP",
}
DAY_PARTS = {"utc_date": "DATE", "event_date": "DATE", **BOUNDS}


@dataclass(frozen=True)
class Frame:
    """The settings, the calendar, the days to build and the last day.

    Attributes:
        settings: The settings of the deployment.
        calendar: The local days of its time zone.
        wanted: The local days to build, in order.
        until: The last local day of the plan; later days are not built.
        frozen_before: The first day that is not frozen; earlier days stay as they are. None: no day is frozen.
    """

    settings: Settings
    calendar: Calendar
    wanted: tuple[date, ...]
    until: date
    frozen_before: date | None = None

    def is_frozen(self, day: date | None) -> bool:
        """Whether a day is never built again, because its raw events have expired."""
        return day is not None and self.frozen_before is not None and day < self.frozen_before

    @cached_property
    def open_days(self) -> tuple[date, ...]:
        """The days to build that are not frozen."""
        return tuple(day for day in self.wanted if not self.is_frozen(day))

    @cached_property
    def _wanted(self) -> frozenset[date]:
        return frozenset(self.wanted)

    def is_wanted(self, day: date) -> bool:
        """Whether a local day is one of the days to build."""
        return day in self._wanted

    @cached_property
    def _next_wanted(self) -> dict[date, date]:
        return dict(pairwise(self.wanted))

    def next_wanted(self, day: date) -> date | None:
        """Return the next day to build after one of the days to build, or None."""
        return self._next_wanted.get(day)

    @cached_property
    def _number_built_before(self) -> dict[date, int]:
        """The number of the day to build before each day to build."""
        return {day: day_number(before) for before, day in pairwise(self.wanted)}

    @cached_property
    def blocks(self) -> Blocks:
        """The blocks of 10, 100 and 1,000 days."""
        return Blocks(self.wanted)

    def only_wanted(self, days: Iterable[date]) -> tuple[date, ...]:
        """Return those of the given days that are to be built."""
        return tuple(filter(self.is_wanted, days))

    @cached_property
    def parameters(self) -> dict[str, Scalar]:
        """The parameters of models that are equal for all days."""
        return parameters.parameters(self.settings)

    def bounds(self, day: date) -> dict[str, date | datetime]:
        """Return the first instant of a day, the first instant after it, and the day before it."""
        return {
            "day_start": self.calendar.start(day),
            "day_end": self.calendar.end(day),
            "day_before": self.calendar.previous(day),
        }

    def observed_until(self, day: date) -> datetime:
        """Return the end of what is known for the visitor funnels of a day."""
        return min(self.calendar.end(self.until), self.calendar.end(day) + self.longest_visitor_window)

    def end_of_reach(self, day: date) -> date | None:
        """Return the last day to build, if sessions of the day can reach beyond it; otherwise None."""
        reach = self.reach(day)
        last = max(self.only_wanted(reach))
        return None if last == reach[-1] else last

    def days(self, days: Sequence[date]) -> SmallTable:
        """Return the table `days`: a row for each day that a query builds."""
        rows = [
            {
                "event_date": day,
                **self.bounds(day),
                "day_number": day_number(day),
                "number_built_before": self._number_built_before.get(day),
                "end_of_reach": self.end_of_reach(day),
                "observed_until": self.observed_until(day),
            }
            for day in days
        ]
        return SmallTable(DAYS, rows)

    def day_parts(self, days: Sequence[date]) -> SmallTable:
        """Return the table `day_parts`: a row for each of these days and each UTC date that overlaps it.

        Models join it to tables by UTC date. An equal join and a range are fast on every engine; a range alone is not.
        """
        rows = [
            {"utc_date": utc_date, "event_date": day, **self.bounds(day)}
            for day in days
            for utc_date in self.calendar.utc_dates(day)
        ]
        return SmallTable(DAY_PARTS, rows)

    @cached_property
    def longest_visitor_window(self) -> timedelta:
        """The longest window of the funnels that follow a visitor over sessions; zero without such funnels."""
        windows = [funnel.window_seconds or 0 for funnel in self.settings.funnels if not funnel.is_within_a_session]
        return timedelta(seconds=max(windows, default=0))

    def reach(self, day: date) -> tuple[date, ...]:
        """Return the day and the days after it on which its sessions can have events."""
        span = timedelta(hours=self.settings.sessions.max_hours) - MICROSECOND
        return self.calendar.reach(day, span)

    def reaching(self, day: date) -> tuple[date, ...]:
        """Return the earlier days whose sessions can have events on the day."""
        before = self.calendar.previous(day)
        # A session lasts at most 24 hours, and a day at least 23.
        candidates = (self.calendar.previous(before), before)
        return tuple(earlier for earlier in candidates if day in self.reach(earlier))
