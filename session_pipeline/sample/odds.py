"""Draws random values: an item by weight, and a skewed number. Also marks every n-th item.

Uses only `Random.random` and exact arithmetic (no logarithms), so that a seed gives the same sample on every machine.
The other modules of this package define what is drawn.
"""

from bisect import bisect
from collections.abc import Hashable, Iterator, Mapping
from itertools import accumulate, count
from random import Random
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=Hashable)


class Odds(Generic[Thing]):
    """Items to draw from, with probabilities proportional to their weights."""

    def __init__(self, weights: Mapping[Thing, int]) -> None:
        """Prepare the draw. There must be at least one item."""
        self.things = tuple(weights)
        *self._ceilings, self._total = accumulate(weights.values())

    def draw(self, chance: Random) -> Thing:
        """Draw one item."""
        return self.things[bisect(self._ceilings, chance.random() * self._total)]


def skewed(chance: Random, shortest: int, longest: int) -> int:
    """Draw a whole number within the bounds. Small numbers are more likely, as for people's pauses."""
    share = chance.random()
    return shortest + int((longest - shortest) * share * share * share)


def once_in(every: int, first: int) -> Iterator[bool]:
    """Yield True at position `first` (counted from 0) and at every `every`-th position after it, without end."""
    return (number % every == first for number in count())
