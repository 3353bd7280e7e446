"""Holds the daily counts of the steps of a site as arrays, so that sums over windows of days are differences.

counts_of_rows.py makes them from rows, and progress.py decides what is tested. Sums are whole numbers, so they do not
depend on where a stretch of days starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from session_pipeline.reference.changes import Segment
from session_pipeline.tables.changes.scores import Counts

PARTS = 1 << 20  # squares of shares are summed in whole parts of a session


class SlidingSums:
    """Sums of columns of whole numbers over any days."""

    def __init__(self, by_day: Counts) -> None:
        """Add up an array with a row for each day."""
        self._sums = np.zeros((by_day.shape[0] + 1, by_day.shape[1]), np.int64)
        np.cumsum(by_day, axis=0, out=self._sums[1:])

    def between(self, first: int, last: int) -> Counts:
        """Return the sums of the days from `first` to `last`, both included; days before the first count as empty."""
        sums: Counts = self._sums[max(last + 1, 0)] - self._sums[max(first, 0)]
        return sums


@dataclass(frozen=True, eq=False)
class SiteCounts:
    """The counts of a site: arrays with a row for each calendar day and a column for each step, or action of a segment.

    Steps are ordered by segment (all sessions first), action and next action. Those that no test reads are left out.

    Attributes:
        site: The site.
        first: The first day of the arrays.
        asked_for: The positions of the days for which changes are asked.
        has_sessions: Whether each day has a session with an action.
        goals: For each day, its conversions.
        segments: The segments: dimension and value.
        visits_of_segment: For each day and segment, its sessions at an action, summed over actions.
        actions: The actions; the last one is the goal.
        steps: For each step: segment, action and next action, as positions.
        visits: For each step, the position of its action and segment in `values` and `stopped`.
        at_risk: Sessions at the action that had not done the next one before.
        progressed: Of these, those that went on to the next action.
        converted: Of at_risk, those with a conversion after the action.
        progressed_and_converted: Of progressed, those with a conversion after the action.
        values: Value of the conversions after an action of a segment; NaN without one.
        stopped: Ids of sessions that stopped at an action of a segment; None without one.
    """

    site: str
    first: date
    asked_for: Sequence[int]
    has_sessions: NDArray[np.bool_]
    goals: Counts
    segments: Sequence[Segment]
    visits_of_segment: Counts
    actions: Sequence[str]
    steps: Counts
    visits: Counts
    at_risk: Counts
    progressed: Counts
    converted: Counts
    progressed_and_converted: Counts
    values: NDArray[np.float64]
    stopped: NDArray[Any]

    @cached_property
    def segment_sums(self) -> SlidingSums:
        """Sums of visits_of_segment."""
        return SlidingSums(self.visits_of_segment)

    @cached_property
    def at_risk_sums(self) -> SlidingSums:
        """Sums of at_risk."""
        return SlidingSums(self.at_risk)

    @cached_property
    def progressed_sums(self) -> SlidingSums:
        """Sums of progressed."""
        return SlidingSums(self.progressed)

    @cached_property
    def converted_sums(self) -> SlidingSums:
        """Sums of converted."""
        return SlidingSums(self.converted)

    @cached_property
    def progressed_and_converted_sums(self) -> SlidingSums:
        """Sums of progressed_and_converted."""
        return SlidingSums(self.progressed_and_converted)

    @cached_property
    def square_sums(self) -> SlidingSums:
        """Sums of progressed² / at_risk, in whole parts."""
        squares = self.progressed.astype(np.float64) ** 2 / np.maximum(self.at_risk, 1)
        return SlidingSums(np.rint(squares * PARTS).astype(np.int64))

    @cached_property
    def day_sums(self) -> SlidingSums:
        """Sums of days with sessions at risk."""
        return SlidingSums((self.at_risk > 0).astype(np.int64))

    @cached_property
    def position_of(self) -> dict[tuple[int, int, int], int]:
        """The position of each step, by segment, action and next action."""
        return {(segment, action, later): place for place, (segment, action, later) in enumerate(self.steps.tolist())}

    @cached_property
    def whole_of(self) -> NDArray[np.int64]:
        """For each step, the position of the same step among all sessions; -1 without one."""
        return np.array([self.position_of.get((0, step[1], step[2]), -1) for step in self.steps.tolist()], np.int64)

    @cached_property
    def has_dimension(self) -> dict[str, NDArray[np.bool_]]:
        """For each dimension, whether each day has it. A day on which no session has a value does not."""
        found: dict[str, NDArray[np.bool_]] = {}
        for place, (dimension, _) in enumerate(self.segments):
            has_visits = self.visits_of_segment[:, place] > 0
            found[dimension] = found[dimension] | has_visits if dimension in found else has_visits
        return found

    def day(self, position: int) -> date:
        """Return the date of a position."""
        return self.first + timedelta(days=position)
