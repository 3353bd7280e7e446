"""Cuts days into stretches: neighbouring days that one query builds.

A small day costs as much to plan as to compute, so many small days are built together. A big day is a stretch of its
own. The cuts never change a row or a byte; tests build the same days in different cuts.
"""

from collections.abc import Callable, Iterable
from datetime import date

BIG_DAY_EVENTS = 50_000  # from here on, a query for several days is no faster than one for each (measured)
MOST_EVENTS = 300_000  # bounds the memory of a stretch
# Bounds the length of statements, and what a killed run loses. More than five years: the engine keeps the rows of the
# last stretch only, and later steps, checks and publishing read a file for each table and day of the others.
MOST_DAYS = 2_000


def first_stretch(days: Iterable[date], events_of: Callable[[date], int], scale: int = 1) -> tuple[date, ...]:
    """Return the days at the beginning of `days` that are built in one query; at least one.

    Args:
        days: Days without a gap, in order.
        events_of: Returns the approximate number of events of a day.
        scale: How many times more events the engine builds in one query than DuckDB.
    """
    stretch: list[date] = []
    total = 0
    for day in days:
        count = events_of(day)
        total += count
        if stretch and (count > BIG_DAY_EVENTS * scale or total > MOST_EVENTS * scale or len(stretch) == MOST_DAYS):
            break
        stretch.append(day)
        if count > BIG_DAY_EVENTS * scale:
            break
    return tuple(stretch)
