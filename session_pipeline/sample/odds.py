"""Drawing: one thing of many by weight, a span of time, a thing due once in so many.

Knows numbers. Does not know what is drawn. Uses only `Random.random` and exact arithmetic (no
logarithms), so that a seed gives the same sample on every machine.
"""

from bisect import bisect
from collections.abc import Hashable, Iterator, Mapping
from itertools import accumulate, count
from random import Random
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=Hashable)


class Odds(Generic[Thing]):
    """Things to draw from, each as likely as its weight."""

    def __init__(self, weights: Mapping[Thing, int]) -> None:
        """Takes at least one thing."""
        self.things = tuple(weights)
        *self._ceilings, self._total = accumulate(weights.values())

    def draw(self, chance: Random) -> Thing:
        """One of the things."""
        return self.things[bisect(self._ceilings, chance.random() * self._total)]


def skewed(chance: Random, shortest: int, longest: int) -> int:
    """A whole number within the bounds, mostly a small one, as people's pauses are."""
    share = chance.random()
    return shortest + int((longest - shortest) * share * share * share)


def once_in(every: int, first: int) -> Iterator[bool]:
    """True at the `first` time asked (from 0) and then once in `every` times, for ever."""
    return (number % every == first for number in count())
