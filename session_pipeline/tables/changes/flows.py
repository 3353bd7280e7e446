"""Says how sessions usually move between actions, and so what a loss at one step takes from others.

Everything is derived from the counts before a window. attribution.py uses it to restore what a drop accounts for.
"""

from dataclasses import dataclass

from session_pipeline.reference.changes import LEAST_USUAL_CONVERSIONS, WHOLE
from session_pipeline.tables.changes.counts import SiteCounts
from session_pipeline.tables.changes.progress import Window

OFTEN_BEFORE = 2  # an action precedes another if it comes first more than this many times as often


@dataclass(frozen=True, eq=False)
class UsualFlows:
    """All sessions of a site in the days before a window. Actions are positions; the last one is the goal."""

    counts: SiteCounts
    window: Window

    @property
    def goal(self) -> int:
        """The position of the goal among the actions."""
        return len(self.counts.actions) - 1

    def visits(self, segment: int, action: int) -> float:
        """Return the sessions of a segment at an action."""
        place = self.counts.position_of.get((segment, action, self.goal))
        return 0.0 if place is None else float(self.window.usual_at_risk[place])

    def passed(self, action: int, later: int) -> float:
        """Return the sessions that went on from an action to a later one."""
        place = self.counts.position_of.get((0, action, later))
        return 0.0 if place is None else float(self.window.usual_progressed[place])

    def precedes(self, action: int, other: int) -> bool:
        """Whether sessions do one action before the other; the goal comes last."""
        if self.goal in (action, other):
            return other == self.goal and action != other
        return self.passed(action, other) > OFTEN_BEFORE * self.passed(other, action)

    def went_on(self, action: int, later: int) -> float:
        """Return the share of sessions at risk at an action that went on to a later one."""
        if action == later:
            return 1.0
        place = self.counts.position_of.get((0, action, later))
        at_risk = 0.0 if place is None else float(self.window.usual_at_risk[place])
        return self.passed(action, later) / at_risk if at_risk else 0.0

    def had_before(self, action: int, earlier: int) -> float:
        """Return the share of sessions at an action that had been at an earlier one."""
        return self.passed(earlier, action) / max(1.0, self.visits(0, action))

    def reaches_after(self, action: int, later: int) -> float:
        """Return the share of all sessions at an action that went on to a later one, not only of those at risk."""
        return self.passed(action, later) / max(1.0, self.visits(0, action))

    def had_before_in(self, segment: int, action: int, earlier: int) -> float:
        """Return the share of all sessions at an action that are of a segment and had been at an earlier one.

        It is 0 with few conversions. Whether such a pair is read depends on the days that are built together.
        """
        place = self.counts.position_of.get((segment, earlier, action))
        if place is None or self.window.usual_progressed_and_converted[place] < LEAST_USUAL_CONVERSIONS:
            return 0.0
        return float(self.window.usual_progressed[place]) / max(1.0, self.visits(0, action))

    def carried(self, lost_at: int, step: int, *, is_loss: bool) -> float:
        """Return how many sessions a session lost at one step, from A to B, takes from another step, from C to D.

        Args:
            lost_at: The position of the step from A to B.
            step: The position of the step from C to D.
            is_loss: Whether conversions are missing at the step from A to B.
        """
        if lost_at == step:
            return 1.0
        (segment, a, b), (other, c, d) = (self.counts.steps[each].tolist() for each in (lost_at, step))
        dimension, other_dimension = self.counts.segments[segment][0], self.counts.segments[other][0]
        if dimension == other_dimension and segment != other:
            return 0.0
        is_within = other_dimension in (WHOLE[0], dimension)
        # Across dimensions, a session's values are taken as independent; attribution.py adds what is known otherwise.
        share = 1.0 if is_within else self.visits(other, a) / max(1.0, self.visits(0, a))
        was_at = share * self._was_at(c, a, b)
        if not is_within and c != a:  # but a value and an action need not be: who lands on a page has been there
            known = (self.had_before_in(other, each, c) for each in (a, b) if each != self.goal)
            was_at = min(share, max(was_at, *known))
        return was_at * self._more_often(a, b, d, is_loss=is_loss)

    def _was_at(self, c: int, a: int, b: int) -> float:
        """Return the share of the sessions lost from A to B that had been at C."""
        if c == a:
            return 1.0
        if b == self.goal:  # C before A, or on the way from A to the goal
            on_the_way = self.passed(a, c) * self.went_on(c, self.goal) / max(1.0, self.passed(a, self.goal))
            return max(self.had_before(a, c), min(1.0, on_the_way))
        return max(self.had_before(a, c), self.had_before(b, c))

    def _more_often(self, a: int, b: int, d: int, *, is_loss: bool) -> float:
        """Return how much more often sessions at A reach D if they go on to B.

        It is a difference of two shares, but at least the share of sessions at B that go on to D; 0 if it is negative.
        """
        if d == b:
            return 1.0
        if b == self.goal:  # the pairs from A to D say which of them convert
            n, k, converted, both = self._usual(a, d)
            return max(0.0, _share(both, converted) - _share(k - both, n - converted))
        if d == self.goal and is_loss:
            # A conversion between A and B counts, too, such as a purchase just before the page that confirms it. If
            # none are missing, B can only have another name, and those that are missing at D have another cause.
            n, k, converted, both = self._usual(a, b)
            return max(0.0, _share(both, k) - _share(max(0.0, converted - both), n - k), self.reaches_after(b, d))
        b_to_d = min(1.0, self.went_on(b, d) + self.had_before(b, d))
        a_to_b = self.went_on(a, b)
        without = max(0.0, (self.went_on(a, d) - a_to_b * b_to_d) / (1 - a_to_b)) if a_to_b < 1 else 0.0
        # A session that fails at B often leaves: it does not do in another way what comes after B. A comes before B.
        return max(0.0, b_to_d - without, self.reaches_after(b, d) if d != a else 0.0)

    def _usual(self, action: int, later: int) -> tuple[float, float, float, float]:
        """Return the sessions at risk, and those of them that went on, converted, and did both."""
        place = self.counts.position_of.get((0, action, later))
        if place is None:
            return 0.0, 0.0, 0.0, 0.0
        return (
            float(self.window.usual_at_risk[place]),
            float(self.window.usual_progressed[place]),
            float(self.window.usual_converted[place]),
            float(self.window.usual_progressed_and_converted[place]),
        )


def _share(count: float, whole: float) -> float:
    return count / whole if whole > 0 else 0.0
