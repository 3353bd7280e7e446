"""A clock that tests can set, for this process and everything imported into it.

The file system and other processes keep the real time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import time_machine


class Clock:
    """A clock that continues from the time it was set to."""

    def __init__(self, coordinates: time_machine.Traveller) -> None:
        self._coordinates = coordinates

    def set(self, moment: datetime) -> None:
        self._coordinates.move_to(moment.astimezone(UTC))

    def go_on(self, span: timedelta) -> None:
        self._coordinates.shift(span)


@contextmanager
def simulated(moment: datetime) -> Iterator[Clock]:
    with time_machine.travel(moment.astimezone(UTC)) as coordinates:
        yield Clock(coordinates)


def set_for_good(moment: datetime) -> None:
    """Set the clock permanently, for a process that ends with the simulation."""
    time_machine.travel(moment.astimezone(UTC)).start()
