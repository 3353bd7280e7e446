"""Defines spans: the dates of an input that a step reads for one of its own days.

A span is a value. Most inputs do not declare one, because the usual span follows from the date columns of the two
tables. How far a change can spread is also derived from the spans. build/ finds the files of these dates.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from session_pipeline.reference.days import MICROSECOND, ONE_DAY, dates
from session_pipeline.tables.contract import Table
from session_pipeline.tables.frame import Frame

DAYS_OF_A_SESSION = 3  # that a session or a UTC date can reach beyond its local day, and one more


@dataclass(frozen=True)
class Span:
    """The dates of an input that are read for a day.

    Attributes:
        name: A phrase that describes the dates. Spans with the same name are equal.
        is_by_settings: Whether the settings decide which dates are read.
        ahead: Gives a number of days; no later date is read for any day. It may be more than are read.
    """

    name: str
    _dates: Callable[[Frame, date], Iterable[date]] = field(compare=False, repr=False)
    _dates_of_all: Callable[[Frame], Iterable[date]] = field(
        default=lambda frame: frame.wanted, compare=False, repr=False
    )
    is_by_settings: bool = field(default=False, compare=False, repr=False)
    ahead: Callable[[Frame], int] = field(default=lambda frame: DAYS_OF_A_SESSION, compare=False, repr=False)

    def dates(self, frame: Frame, day: date | None) -> tuple[date, ...]:
        """Return the dates that are read for a day, in order; for a table without days, usually all days to build."""
        return tuple(self._dates_of_all(frame) if day is None else self._dates(frame, day))

    def all_dates(self, frame: Frame, days: Iterable[date]) -> tuple[date, ...]:
        """Return the dates that are read for any of these days, in order."""
        return tuple(sorted({read for day in days for read in self._dates(frame, day)}))

    def distance(self, frame: Frame, day: date) -> int:
        """Return the number of days between a day and the furthest later date that is read for it; 0 without one."""
        return max((0, *((read - day).days for read in self.dates(frame, day))))


def _visitor_window(frame: Frame, day: date) -> tuple[date, ...]:
    if not frame.longest_visitor_window:
        return (day,)
    first = min((*frame.reaching(day), day))
    last = frame.calendar.local_date(frame.calendar.end(day) - MICROSECOND + frame.longest_visitor_window)
    return frame.only_wanted(around for around in dates(first, last) if frame.calendar.exists(around))


def _two_days(frame: Frame, day: date) -> tuple[date, ...]:
    return (*frame.only_wanted((frame.calendar.previous(day),)), day)


def _history(frame: Frame, day: date) -> tuple[date, ...]:
    return (*frame.blocks.before(day), day)


def _no_days(_: Frame) -> int:
    return 0


THE_DAY = Span("the day", lambda frame, day: (day,), ahead=_no_days)
DAY_BEFORE = Span(
    "the day before", lambda frame, day: frame.only_wanted((frame.calendar.previous(day),)), ahead=_no_days
)
TWO_DAYS = Span("the day and the day before", _two_days, ahead=_no_days)
UTC_DATES = Span("the UTC dates that overlap the day", lambda frame, day: frame.calendar.utc_dates(day))
REACH = Span("the days that its sessions can reach", lambda frame, day: frame.only_wanted(frame.reach(day)))
REACHING = Span(
    "the days before whose sessions can reach the day", lambda frame, day: frame.only_wanted(frame.reaching(day))
)
END_OF_REACH = Span(
    "the last day that is built, when its sessions can reach beyond it",
    lambda frame, day: (last,) if (last := frame.end_of_reach(day)) else (),
)
IDENTITIES_OF_DAY = Span(
    "the day, if identity.by is person", lambda frame, day: (day,), is_by_settings=True, ahead=_no_days
)
VISITOR_WINDOW = Span(
    "the days to the end of the longest visitor window",
    _visitor_window,
    is_by_settings=True,
    ahead=lambda frame: frame.longest_visitor_window.days + DAYS_OF_A_SESSION,
)
CLOSED_BLOCKS = Span(
    "the parts of the blocks that the day closes", lambda frame, day: frame.blocks.closed_by(day), ahead=_no_days
)
HISTORY = Span(
    "the day, and the blocks of all days before it",
    _history,
    lambda frame: _history(frame, frame.wanted[-1]) if frame.wanted else (),
    ahead=_no_days,
)
ALL_DAYS = Span("all days", lambda frame, day: frame.wanted)
WHOLE_TABLE = Span("the table, which has no days", lambda frame, day: ())


def days_back(count: int) -> Span:
    """Return the span of the day and the days before it, `count` days in total."""
    return Span(
        f"the {count} days up to the day",
        lambda frame, day: frame.only_wanted(dates(day - (count - 1) * ONE_DAY, day)),
        ahead=_no_days,
    )


def usual_span(reader: Table, read: Table) -> Span:
    """Return the span that follows from the date columns of two tables.

    A table by session_date that reads a table by event_date needs every day that its sessions can reach. Otherwise it
    would lose their events after midnight.
    """
    columns = reader.date_column, read.date_column
    if read.date_column is None and reader.date_column is not None:
        return WHOLE_TABLE
    if columns == ("event_date", "utc_date"):
        return UTC_DATES
    if reader.date_column in ("session_date", "entry_date") and read.date_column == "event_date":
        return REACH
    if columns == ("event_date", "session_date"):
        return REACHING
    return ALL_DAYS if reader.date_column is None else THE_DAY
