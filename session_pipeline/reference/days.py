"""Computes local days as intervals of UTC: where they start and end, and which day comes before and after.

The bounds come from the pinned tzdata package through Python, so that no engine needs time zone data. Which days have
events and are built is decided in build/wanted.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
ONLY_DATES = (
    "its lines have dates without a time of day, so sessions have no length and events no order; read event_time from a"
    " field with both, or join two fields in expressions"
)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Load a time zone from the pinned tzdata package, never from the machine's own files.

    Raises:
        ValueError: There is no zone of this name.
    """
    parts = name.split("/")
    if not all(part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise ValueError(f"there is no time zone {name!r}")
    try:
        with files("tzdata.zoneinfo").joinpath(*parts).open("rb") as data:
            return ZoneInfo.from_file(data, key=name)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def dates(first: date, last: date) -> Iterator[date]:
    """Yield every calendar date from first to last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def day_ranges(days: Iterable[date]) -> str:
    """Return days as ranges: 2026-10-05 to 2026-10-11, 2026-10-20. More than three ranges are abbreviated."""
    ranges: list[list[date]] = []
    for day in sorted(days):
        if ranges and day - ranges[-1][-1] == ONE_DAY:
            ranges[-1] = [ranges[-1][0], day]
        else:
            ranges.append([day])
    shown = [" to ".join(map(str, found)) for found in ranges]
    return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]}, ..., {shown[-1]} ({len(shown)} stretches)"


@dataclass(frozen=True)
class Calendar:
    """The local days of one time zone. All times are naive UTC."""

    timezone: str
    _starts: dict[date, datetime] = field(default_factory=dict, compare=False, repr=False)

    def start(self, day: date) -> datetime:
        """Return the first instant of a local day.

        If midnight does not exist, this is the instant at which the clocks skip it. If the whole date does not exist,
        it is the start of the next date.
        """
        if day not in self._starts:
            self._starts[day] = self._first_instant(day)
        return self._starts[day]

    def end(self, day: date) -> datetime:
        """Return the first instant after a local day."""
        return max(self.start(day), self.start(day + ONE_DAY))

    def exists(self, day: date) -> bool:
        """Whether the day has a length above zero. 2011-12-30 in Apia does not."""
        return self.end(day) > self.start(day)

    def previous(self, day: date) -> date:
        """Return the latest earlier day that exists."""
        day -= ONE_DAY
        while not self.exists(day):
            day -= ONE_DAY
        return day

    def next(self, day: date) -> date:
        """Return the earliest later day that exists."""
        day += ONE_DAY
        while not self.exists(day):
            day += ONE_DAY
        return day

    def local_date(self, instant: datetime) -> date:
        """Return the local day whose interval contains an instant, also where local dates run backwards."""
        day = instant.replace(tzinfo=UTC).astimezone(zone(self.timezone)).date()
        while instant < self.start(day):
            day -= ONE_DAY
        while instant >= self.end(day):
            day += ONE_DAY
        return day

    def utc_dates(self, day: date) -> tuple[date, ...]:
        """Return the UTC dates that overlap a local day."""
        if not self.exists(day):
            return ()
        return tuple(dates(self.start(day).date(), (self.end(day) - MICROSECOND).date()))

    def is_over_before(self, utc_date: date, day: date) -> bool:
        """Whether all local days that overlap a UTC date are before a day."""
        end = datetime(utc_date.year, utc_date.month, utc_date.day) + ONE_DAY
        return self.local_date(end - MICROSECOND) < day

    def reach(self, day: date, span: timedelta) -> tuple[date, ...]:
        """Return the existing days from a day to the one that contains the last instant before its end plus span."""
        last = self.local_date(self.end(day) + span - MICROSECOND)
        return tuple(reached for reached in dates(day, last) if self.exists(reached))

    def _first_instant(self, day: date) -> datetime:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone(self.timezone))
        return midnight.astimezone(UTC).replace(tzinfo=None)


def are_midnights(times: Sequence[datetime], timezone: str) -> bool:
    """Whether all times, in naive UTC, are the start of a local day, or all that of a day of UTC."""
    calendars = (Calendar(timezone), Calendar("UTC"))
    return any(all(calendar.start(calendar.local_date(time)) == time for time in times) for calendar in calendars)
