"""Finds which days are built: those with events, and the day after each.

Whether a day is stale is decided in planner.py.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

from session_pipeline.reference.days import Calendar
from session_pipeline.reference.quarters import QUARTER, QUARTERS_A_DAY, mask_of
from session_pipeline.store.records import Partition


def wanted_days(partitions: Iterable[Partition], calendar: Calendar, start: date, until: date) -> tuple[date, ...]:
    """Return the local days to build: those with events and, for each of them, the next day.

    The next day closes their sessions.

    Args:
        partitions: The partitions of raw_events.
        calendar: The local days.
        start: The first day that counts.
        until: The horizon: the last day that counts.
    """
    days = days_with_events(partitions, calendar, start)
    days |= {calendar.next(day) for day in days}
    return tuple(sorted(day for day in days if day <= until))


def days_with_events(partitions: Iterable[Partition], calendar: Calendar, start: date) -> set[date]:
    """Return the local days that have raw events, from `start` on.

    Each partition of raw_events records the quarter hours that have events, so no file has to be read for this.
    """
    quarters: dict[date, int] = {}
    for partition in partitions:
        day = partition.key.date
        assert day is not None
        quarters[day] = quarters.get(day, 0) | mask_of(partition.counts)
    return {local for day, mask in quarters.items() for local in _local_days(day, mask, calendar) if start <= local}


@lru_cache(maxsize=10_000)
def _local_days(utc_date: date, mask: int, calendar: Calendar) -> tuple[date, ...]:
    """Return the local days that have events, given the quarter hours with events of a UTC date as bits."""
    midnight = Calendar("UTC").start(utc_date)
    day = calendar.local_date(midnight)
    found = []
    while calendar.start(day) < midnight + timedelta(days=1):
        if mask & quarters_of(day, utc_date, calendar):
            found.append(day)
        day = calendar.next(day)
    return tuple(found)


def quarters_of(day: date, utc_date: date, calendar: Calendar) -> int:
    """Return the quarter hours of a UTC date that overlap a local day, as bits. The two must overlap."""
    midnight = Calendar("UTC").start(utc_date)
    first = max((calendar.start(day) - midnight) // QUARTER, 0)
    last = min(-((midnight - calendar.end(day)) // QUARTER), QUARTERS_A_DAY)
    return ((1 << (last - first)) - 1) << first
