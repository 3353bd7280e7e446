"""Defines `Frame`, which a plan is computed for: the settings, the calendar, the days to build and the last day.

Computes the bounds of each day and the parameters of its models. Which dates of an input are read is in spans.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from session_pipeline.reference.days import MICROSECOND, Calendar
from session_pipeline.settings import Settings

Scalar = bool | int | float | str | date | datetime | Decimal

CARRIED_MINUTES = 60  # event ids of the last hour of a day are carried to the next day
Z_95 = 1.959963984540054  # normal quantile of a two-sided 95 % interval

# Parameters that differ between days. All others are part of a step's recipe (build/plan.py).
DAY_PARAMETERS = frozenset(("event_date", "session_date", "entry_date", "day_start", "day_end", "observed_until"))


@dataclass(frozen=True)
class Frame:
    """The settings, the calendar, the days to build and the last day.

    Attributes:
        settings: The settings of the deployment.
        calendar: The local days of its time zone.
        wanted: The local days to build, in order.
        until: The last local day of the plan; later days are not built.
    """

    settings: Settings
    calendar: Calendar
    wanted: tuple[date, ...]
    until: date

    @cached_property
    def _wanted(self) -> frozenset[date]:
        return frozenset(self.wanted)

    def is_wanted(self, day: date) -> bool:
        """Whether a local day is one of the days to build."""
        return day in self._wanted

    def only_wanted(self, days: Iterable[date]) -> tuple[date, ...]:
        """Returns those of the given days that are to be built."""
        return tuple(filter(self.is_wanted, days))

    def scalars(self, day: date) -> dict[str, Scalar]:
        """Returns all parameters that models can read, for a day. Durations have the units that the models compare."""
        sessions = self.settings.sessions
        return {
            "event_date": day,
            "session_date": day,
            "entry_date": day,
            "day_start": self.calendar.start(day),
            "day_end": self.calendar.end(day),
            "observed_until": min(self.calendar.end(self.until), self.calendar.end(day) + self.longest_visitor_window),
            "carried_minutes": CARRIED_MINUTES,
            "inactivity_minutes": sessions.inactivity_minutes,
            "max_microseconds": sessions.max_hours * 3_600_000_000,
            "split_at_midnight": sessions.split_at_midnight,
            "separator": sessions.separator,
            "split_on_client_session": sessions.split_on_client_session,
            "split_on_user": sessions.split_on_user,
            "split_on_campaign": sessions.split_on_campaign,
            "engaged_page_views": sessions.engaged_page_views,
            "engaged_microseconds": sessions.engaged_seconds * 1_000_000,
            "engaged_gap_microseconds": sessions.engaged_gap_seconds * 1_000_000,
            "z": Z_95,
        }

    @cached_property
    def longest_visitor_window(self) -> timedelta:
        """The longest window of the funnels with grain visitor; zero without such funnels."""
        windows = [funnel.window_seconds or 0 for funnel in self.settings.funnels if funnel.grain == "visitor"]
        return timedelta(seconds=max(windows, default=0))

    def reach(self, day: date) -> tuple[date, ...]:
        """Returns the day and the days after it on which its sessions can have events."""
        span = timedelta(hours=self.settings.sessions.max_hours) - MICROSECOND
        return self.calendar.reach(day, span)

    def reaching(self, day: date) -> tuple[date, ...]:
        """Returns the earlier days whose sessions can have events on the day."""
        before = self.calendar.previous(day)
        # A session lasts at most 24 hours, and a day at least 23.
        candidates = (self.calendar.previous(before), before)
        return tuple(earlier for earlier in candidates if day in self.reach(earlier))
