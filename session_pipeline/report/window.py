"""Defines the days that a report covers: a week that ends with its last day, the week before, and the trend."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from session_pipeline.tables.parameters import Z_95, Scalar

TREND_DAYS = 28
ALERT_DAYS = 14  # alerts flicker, so those of two weeks are shown

PARAMETERS = (
    "first_day",
    "last_day",
    "before_first_day",
    "before_last_day",
    "trend_first_day",
    "alerts_first_day",
)


@dataclass(frozen=True)
class Window:
    """The days that the report covers.

    Attributes:
        first_known_day: First day that has visits.
        last_day: Last full day with visits. If there is no full day, the last day with visits.
        latest_day: Last day with visits, full or not.
        is_full: Whether last_day was over when the warehouse was written.
        is_chosen: Whether somebody asked for this last day; otherwise it is the latest possible one.
    """

    first_known_day: date
    last_day: date
    latest_day: date
    is_full: bool
    is_chosen: bool = False

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
    def has_before(self) -> bool:
        """Whether the first day with visits is not later than the first day of the week before."""
        return self.first_known_day <= self.before_first_day

    @property
    def has_some_before(self) -> bool:
        """Whether the first day with visits is in the week before, or earlier."""
        return self.first_known_day <= self.before_last_day

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """The parameters of the queries."""
        return {"z": Z_95, **{name: getattr(self, name) for name in PARAMETERS}}
