"""Quarter hours of a UTC date, from 0 to 95: which of them have events, as bits, and as the catalog records them.

ingest finds them when it reads a file; build/wanted.py compares them with local days.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

MINUTES_OF_QUARTER = 15
QUARTER = timedelta(minutes=MINUTES_OF_QUARTER)
QUARTERS_A_DAY = 96
RECORDED = "quarters"  # among the counts of a partition of raw_events


def recorded(quarters: Iterable[int]) -> dict[str, str]:
    """Return what the catalog records about a partition that has events in these quarter hours: the bits, in hex."""
    return {RECORDED: f"{sum(1 << quarter for quarter in quarters):x}"}


def mask_of(counts: Mapping[str, str]) -> int:
    """Return the recorded quarter hours of a partition, as bits."""
    return int(counts[RECORDED], 16)


def quarters_in(mask: int) -> tuple[int, ...]:
    """Return the numbers of the quarter hours that are given as bits."""
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)
