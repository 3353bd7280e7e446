"""What a plan is made for: the settings, the calendar, the days that are built, and the last day.

Gives each day's bounds and the parameters of its models. Which days an input is read for is in spans.py.
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

# Parameters that differ from day to day; all others are part of the recipe.
DAY_PARAMETERS = frozenset(("event_date", "session_date", "entry_date", "day_start", "day_end", "observed_until"))


@dataclass(frozen=True)
class Frame:
    """The settings, the days that are wanted, and the last day that counts.

    Attributes:
        settings: The settings of the deployment.
        calendar: The local days of its time zone.
        wanted: The local days to build, in order.
        until: The last day that counts.
    """

    settings: Settings
    calendar: Calendar
    wanted: tuple[date, ...]
    until: date

    @cached_property
    def _wanted(self) -> frozenset[date]:
        return frozenset(self.wanted)

    def is_wanted(self, day: date) -> bool:
        """Whether a local day is to be built."""
        return day in self._wanted

    def only_wanted(self, days: Iterable[date]) -> tuple[date, ...]:
        """Those of some days that are to be built."""
        return tuple(filter(self.is_wanted, days))

    def scalars(self, day: date) -> dict[str, Scalar]:
        """Every parameter that a model can read, for a day. Durations are in the units that the models compare."""
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
        """How far the funnels of grain visitor look forward."""
        windows = [funnel.window_seconds or 0 for funnel in self.settings.funnels if funnel.grain == "visitor"]
        return timedelta(seconds=max(windows, default=0))

    def reach(self, day: date) -> tuple[date, ...]:
        """The day and the days after it that its sessions can have events on."""
        span = timedelta(hours=self.settings.sessions.max_hours) - MICROSECOND
        return self.calendar.reach(day, span)

    def reaching(self, day: date) -> tuple[date, ...]:
        """The days before whose sessions can have events on the day."""
        before = self.calendar.previous(day)
        # A session lasts at most 24 hours, and a day at least 23.
        candidates = (self.calendar.previous(before), before)
        return tuple(earlier for earlier in candidates if day in self.reach(earlier))
