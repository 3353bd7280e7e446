"""Tests the blocks of days: they cover all days before a day exactly once, and they are few."""

from datetime import date, timedelta
from random import Random

import pytest

from session_pipeline.tables.blocks import BLOCK_DAYS, FIRST_DAY, Blocks, day_number

MOST_PARTS = 9 * len(BLOCK_DAYS) + 2  # of 2,000 days


def day_of(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def closed_blocks(wanted: list[date], day: date) -> list[tuple[int, int]]:
    """Return the blocks that a day closes: (length, number)."""
    earlier = [other for other in wanted if other < day]
    if not earlier:
        return []
    last, number = day_number(earlier[-1]), day_number(day)
    return [(length, last // length) for length in BLOCK_DAYS if last // length != number // length]


def days_of(length: int, number: int) -> set[int]:
    return set(range(length * number, length * (number + 1)))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_blocks_before_a_day_cover_all_earlier_days_once(share: float) -> None:
    random = Random(3)
    wanted = [day_of(number) for number in range(19_640, 21_700) if random.random() < share]
    blocks = Blocks(wanted)
    for day in random.sample(wanted, 60):
        number, dates = day_number(day), blocks.before(day)
        assert len(dates) <= MOST_PARTS
        assert all(date < day or closed_blocks(wanted, day) for date in dates)
        # The largest blocks that the partitions have, and the single days, of the days before.
        offered = [(1, day_number(date)) for date in dates if date < day]
        offered += [block for date in dates for block in closed_blocks(wanted, date)]
        covered = set().union(*(days_of(*block) for block in offered if max(days_of(*block)) < number))
        assert {day_number(other) for other in wanted if other < day} <= covered


def test_parts_of_a_closed_block_cover_it() -> None:
    wanted = [day_of(number) for number in range(19_000, 20_001)]
    blocks = Blocks(wanted)
    assert blocks.closed_by(day_of(19_005)) == ()
    assert blocks.closed_by(day_of(19_010)) == tuple(map(day_of, range(19_000, 19_010)))
    hundred = [*range(19_110, 19_191, 10), *range(19_191, 19_200)]
    assert [day_number(day) for day in blocks.closed_by(day_of(19_200))] == hundred
    thousand = [*range(19_100, 19_901, 100), *range(19_910, 19_991, 10), *range(19_991, 20_000)]
    assert [day_number(day) for day in blocks.closed_by(day_of(20_000))] == thousand


def test_later_days_do_not_change_which_day_closes_a_block() -> None:
    wanted = [day_of(number) for number in (19_003, 19_007, 19_012)]
    before = Blocks(wanted)
    after = Blocks([*wanted, day_of(19_013), day_of(19_100)])
    for day in wanted:
        assert (before.before(day), before.closed_by(day)) == (after.before(day), after.closed_by(day))
