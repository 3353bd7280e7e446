"""Local days as intervals of UTC: where they start and end, which comes before and after.

Bounds come from the pinned tzdata package through Python, so that no engine needs zone data. Knows the calendar of one
time zone. Does not know which days have events.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Load a time zone from the pinned tzdata package, never from the machine's own files.

    Raises:
        ValueError: There is no zone of this name.
    """
    parts = name.split("/")
    if not all(part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise ValueError(f"no time zone is called {name!r}")
    try:
        with files("tzdata.zoneinfo").joinpath(*parts).open("rb") as data:
            return ZoneInfo.from_file(data, key=name)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise ValueError(f"no time zone is called {name!r}") from error


def dates(first: date, last: date) -> Iterator[date]:
    """Every calendar date from first to last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


@dataclass(frozen=True)
class Calendar:
    """The local days of one time zone. All times are naive UTC."""

    timezone: str
    _starts: dict[date, datetime] = field(default_factory=dict, compare=False, repr=False)

    def start(self, day: date) -> datetime:
        """First instant of a local day.

        Where midnight does not exist, the instant at which the clocks jump over it; where a whole date does not exist,
        the start of the next.
        """
        if day not in self._starts:
            self._starts[day] = self._first_instant(day)
        return self._starts[day]

    def end(self, day: date) -> datetime:
        """First instant after a local day."""
        return max(self.start(day), self.start(day + ONE_DAY))

    def exists(self, day: date) -> bool:
        """Whether the day has any time in it. Apia's 2011-12-30 has none."""
        return self.end(day) > self.start(day)

    def previous(self, day: date) -> date:
        """The latest earlier day that exists."""
        day -= ONE_DAY
        while not self.exists(day):
            day -= ONE_DAY
        return day

    def next(self, day: date) -> date:
        """The earliest later day that exists."""
        day += ONE_DAY
        while not self.exists(day):
            day += ONE_DAY
        return day

    def local_date(self, instant: datetime) -> date:
        """The local day that holds an instant: the one whose interval has it, also where local dates run backwards."""
        day = instant.replace(tzinfo=UTC).astimezone(zone(self.timezone)).date()
        while instant < self.start(day):
            day -= ONE_DAY
        while instant >= self.end(day):
            day += ONE_DAY
        return day

    def utc_dates(self, day: date) -> tuple[date, ...]:
        """The UTC dates that overlap a local day."""
        if not self.exists(day):
            return ()
        return tuple(dates(self.start(day).date(), (self.end(day) - MICROSECOND).date()))

    def reach(self, day: date, span: timedelta) -> tuple[date, ...]:
        """The days that exist from a day on to the one that holds the last instant before its end plus a span."""
        last = self.local_date(self.end(day) + span - MICROSECOND)
        return tuple(reached for reached in dates(day, last) if self.exists(reached))

    def _first_instant(self, day: date) -> datetime:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone(self.timezone))
        return midnight.astimezone(UTC).replace(tzinfo=None)
