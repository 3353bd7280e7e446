"""Finds which days of a step are built within a run, and in which stretches.

planner.py decides what is stale, and stretches.py how long a stretch is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from session_pipeline.build.plan import Kind, Staleness
from session_pipeline.build.planner import Planner
from session_pipeline.build.stretches import first_stretch
from session_pipeline.tables.graph import Step

Stretch = dict[date | None, Staleness | None]  # the days, each with the reason; None if they are built by hand


@dataclass(frozen=True)
class StaleDays:
    """Which days of a step are built, and in which stretches.

    Attributes:
        planner: The planner of the run.
        scale: How many times more events the engine builds in one query than DuckDB.
        is_outdated: Whether a day waits for an upgrade. On such a day, tables that are stale only because settings or
            models changed are not built. Called only for such tables.
        are_all: Whether all days are built, even if they are fresh.
    """

    planner: Planner
    scale: int
    is_outdated: Callable[[date], bool] = lambda day: False
    are_all: bool = False

    def why_not(self, day: date | None, found: Staleness | None) -> str | None:
        """Return why a day is not built ("" if it is fresh); None if it is built."""
        if self.are_all:
            return None
        if found is None:
            return ""
        waits = found.kind is Kind.LOGIC and day is not None and self.is_outdated(day)
        return f"waits for `run --upgrade`: {found.reason}" if waits else None

    def first_stretch(self, step: Step, days: Sequence[date | None], found: Staleness | None) -> Stretch:
        """Return the days that are built together with the first of these days.

        Args:
            step: The step.
            days: Days in order, or (None,) for a step without days. The first is known to be built.
            found: Why the first is stale.
        """
        if days[0] is None:
            return {None: found}
        neighbours = self._stale_neighbours(step, days)
        return {
            day: self.planner.staleness(step, day)
            for day in first_stretch(neighbours, self.planner.inputs.event_count, self.scale)
        }

    def stretches(self, step: Step, days: Sequence[date | None]) -> Iterator[Stretch]:
        """Yield all stretches as they are now. When one of them is built, this can make later days stale."""
        position = 0
        while position < len(days):
            found = self.planner.staleness(step, days[position])
            if self.why_not(days[position], found) is not None:
                position += 1
                continue
            stretch = self.first_stretch(step, days[position:], found)
            yield stretch
            position += len(stretch)

    def _stale_neighbours(self, step: Step, days: Sequence[date | None]) -> Iterator[date]:
        """Yield the first of the days, which is known to be built, and the days that follow it without a gap."""
        last: date | None = None
        for day in days:
            assert day is not None
            if last is not None:
                is_built = self.why_not(day, self.planner.staleness(step, day)) is None
                if not is_built or self.planner.frame.next_wanted(last) != day:
                    return
            yield day
            last = day
