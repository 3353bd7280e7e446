"""Divides days into blocks of 10, 100 and 1,000 days, so that all days before a day are few parts.

Days are numbered from 1970-01-01. The days before a day are divided like the digits of its number: the days before
number 20,418 are 20 blocks of 1,000 days, 4 of 100, 1 of 10, and 8 single days. There are at most 9 parts of each
length, except of the longest.

A table with rows for blocks has them in the partition of the day that closes the block: the first built day after it.
Later days do not change which day this is. spans.py makes spans of these dates.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property

BLOCK_DAYS = (10, 100, 1000)
BLOCKS_IN_NEXT = 10
FIRST_DAY = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Return the number of days from 1970-01-01 to a day."""
    return (day - FIRST_DAY).days


class Blocks:
    """Finds the partitions that have the blocks of days, for one list of days to build."""

    def __init__(self, wanted: Sequence[date]) -> None:
        """Take the days to build, in order."""
        self._wanted = wanted
        self._closing: dict[tuple[int, int], tuple[date, ...]] = {}
        self._before: dict[tuple[int, int], tuple[date, ...]] = {}

    def before(self, day: date) -> tuple[date, ...]:
        """Return the dates of the partitions that have the blocks and the single days before a day, in order."""
        number, tens = day_number(day), BLOCK_DAYS[0]
        block = number // tens
        single = self._built_between(block * tens, number)
        return tuple(sorted({*self._blocks_before(0, block), *single}))

    def closed_by(self, day: date) -> tuple[date, ...]:
        """Return the dates of the partitions that have the parts of the blocks that a day closes.

        A part that the day closes, too, is not among them, but the parts of this part are.
        """
        place = bisect_left(self._wanted, day)
        if place == 0:
            return ()
        last = self._wanted[place - 1]
        number, dates = day_number(last), set[date]()
        for level, length in enumerate(BLOCK_DAYS):
            block = number // length
            if block == day_number(day) // length:
                break
            if level == 0:
                dates.update(self._built_between(block * length, number + 1))
            else:
                shorter = BLOCK_DAYS[level - 1]
                for part in range(block * BLOCKS_IN_NEXT, number // shorter):
                    dates.update(self._day_that_closes(level - 1, part))
        return tuple(sorted(dates))

    def _blocks_before(self, level: int, block: int) -> tuple[date, ...]:
        """Return the dates of the blocks of this and longer lengths that the days before a block are divided into."""
        key = level, block
        if key not in self._before:
            longer: tuple[date, ...] = ()
            first = self._first_block
            if level + 1 < len(BLOCK_DAYS):
                first = block // BLOCKS_IN_NEXT * BLOCKS_IN_NEXT
                longer = self._blocks_before(level + 1, block // BLOCKS_IN_NEXT)
            own = (date for part in range(first, block) for date in self._day_that_closes(level, part))
            self._before[key] = (*longer, *own)
        return self._before[key]

    @cached_property
    def _first_block(self) -> int:
        """The number of the first block of the longest length that has days to build."""
        return day_number(self._wanted[0]) // BLOCK_DAYS[-1] if self._wanted else 0

    def _day_that_closes(self, level: int, block: int) -> tuple[date, ...]:
        """Return the first day to build after a block; () if no day of the block is built, or none after it."""
        key = level, block
        if key not in self._closing:
            length = BLOCK_DAYS[level]
            first, after = self._place(block * length), self._place((block + 1) * length)
            self._closing[key] = tuple(self._wanted[after : after + 1]) if after > first else ()
        return self._closing[key]

    def _built_between(self, first: int, end: int) -> Sequence[date]:
        return self._wanted[self._place(first) : self._place(end)]

    def _place(self, number: int) -> int:
        return bisect_left(self._wanted, FIRST_DAY + timedelta(days=number))
