"""Defines the days that a report covers: a week that ends with its last day, the week before, and the trend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from session_pipeline.reference.changes import ALERT_DAYS, SHORTEST_DAYS_READ
from session_pipeline.tables.parameters import Scalar

TREND_DAYS = 28

PARAMETERS = (
    "first_day",
    "last_day",
    "known_until",
    "before_first_day",
    "before_last_day",
    "trend_first_day",
    "alerts_first_day",
)


@dataclass(frozen=True)
class Window:
    """The days that the report covers.

    Attributes:
        days_with_visits: All days that have visits, in order; there is at least one.
        last_day: Last full day with visits. If there is no full day, the last day with visits.
        known_until: Last full day that the warehouse covers; later than last_day if no visits are known after it. A day
            that somebody asked for is itself the last one.
        is_full: Whether last_day was over when the warehouse was written.
        is_chosen: Whether somebody asked for this last day; otherwise it is the latest possible one.
    """

    days_with_visits: Sequence[date]
    last_day: date
    known_until: date
    is_full: bool
    is_chosen: bool = False

    @property
    def first_known_day(self) -> date:
        """First day that has visits."""
        return self.days_with_visits[0]

    @property
    def latest_day(self) -> date:
        """Last day with visits, full or not."""
        return self.days_with_visits[-1]

    @property
    def first_day(self) -> date:
        """First day of the week."""
        return self.last_day - timedelta(days=6)

    @property
    def before_first_day(self) -> date:
        """First day of the week before."""
        return self.last_day - timedelta(days=13)

    @property
    def before_last_day(self) -> date:
        """Last day of the week before."""
        return self.last_day - timedelta(days=7)

    @property
    def trend_first_day(self) -> date:
        """First day that the report shows individually."""
        return max(self.last_day - timedelta(days=TREND_DAYS - 1), self.first_known_day)

    @property
    def alerts_first_day(self) -> date:
        """First day whose alerts are shown."""
        return self.last_day - timedelta(days=ALERT_DAYS - 1)

    @property
    def known_days(self) -> int:
        """Number of days from the first one with visits to the last day."""
        return (self.last_day - self.first_known_day).days + 1

    @property
    def compared_day_count(self) -> int:
        """Number of days with visits among those that the shortest window of the tables of changes reads."""
        return len(self._with_visits(self.last_day - timedelta(days=SHORTEST_DAYS_READ - 1), self.last_day))

    @property
    def can_compare_weeks(self) -> bool:
        """Whether the same weekdays have visits in the week and in the week before, so that they can be compared."""
        week, before = (
            {day.weekday() for day in self._with_visits(last - timedelta(days=6), last)}
            for last in (self.last_day, self.before_last_day)
        )
        return week == before

    @property
    def has_week_before(self) -> bool:
        """Whether the week before has visits."""
        return bool(self._with_visits(self.before_first_day, self.before_last_day))

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """The days that the queries have as parameters."""
        return {name: getattr(self, name) for name in PARAMETERS}

    def _with_visits(self, first: date, last: date) -> Sequence[date]:
        return [day for day in self.days_with_visits if first <= day <= last]
