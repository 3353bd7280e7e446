"""Decides whether a drop of a step is a loss: whether conversions are missing after its action, and for which visits.

If an event is no longer sent, a page is renamed, or more visitors come who never buy, steps drop as well, but no
conversions are missing. attribution.py decides which losses are alerts.
"""

from dataclasses import dataclass

import numpy as np

from session_pipeline.reference.changes import LEAST_USUAL_CONVERSIONS
from session_pipeline.tables.changes.counts import SiteCounts
from session_pipeline.tables.changes.progress import COMPARED_DIGITS, Window
from session_pipeline.tables.changes.scores import signed_root
from session_pipeline.tables.parameters import DAYS_OF_WEEK

LEAST_MISSING_SHARE = 0.5  # of the conversions that depend on the step: if fewer are missing, it is no loss
LOSS_SCORE = -1.64  # of the conversions after the action, of the visits that are counted; one-sided 5 %
MUCH_GROWTH = 1.25  # times the visits that are counted: if more came, the rate can be lower without a fault
GROWTH_SCORE = -3.0  # of the conversions then, instead of LOSS_SCORE, and of the visits that go on


def visits_of_loss(counts: SiteCounts, window: Window, step: int, lost: float) -> float | None:
    """Return the visits at a step that count if conversions after its action are missing, enough for its loss.

    More visits that convert less are no loss, unless visits grew everywhere: beyond that, they are not counted. All are
    counted if not many more came.

    Args:
        counts: The counts of the site.
        window: The window.
        step: The position of the step.
        lost: The conversions that depend on the loss of the step.

    Returns:
        The visits at risk of the step that count; None if the drop is no loss.
    """
    segment, action, _ = counts.steps[step].tolist()
    visits = _visits(counts, window, segment, action)
    if visits is None or not visits.usual_count:
        return None
    missing = visits.count * visits.usual_went_on / visits.usual_count - visits.went_on
    if round(missing - LEAST_MISSING_SHARE * lost, COMPARED_DIGITS) < 0:
        return None
    growth = _growth(counts, window, action)
    if not visits.is_diluted(growth):
        return float(window.at_risk[step]) if visits.score(growth) <= LOSS_SCORE else None
    # Where visits grew much, each step has a lower rate. Then only the conversions say that there is a fault, and among
    # so many steps, a few always have fewer by chance. If as many visits as usual go on, the fault is at another step.
    going_on = _visits_of_step(counts, window, step)
    is_loss = max(visits.score(growth), going_on.score(growth)) <= GROWTH_SCORE
    return going_on.counted(growth) if is_loss else None


def _growth(counts: SiteCounts, window: Window, action: int) -> float:
    """Return how many times as many visits as usual are at an action, apart from a single source of more; at least 1.

    Of each dimension, the values with enough conversions count, without the one that gained the most visits. The
    dimension with the least growth counts.
    """
    whole = _visits(counts, window, 0, action)
    if whole is None or not whole.usual_in_window:
        return 1.0
    by_dimension: dict[str, list[tuple[int, int]]] = {}
    for segment, (dimension, _) in enumerate(counts.segments):
        visits = _visits(counts, window, segment, action)
        if segment and visits and visits.usual_went_on >= LEAST_USUAL_CONVERSIONS:
            # Both times the usual days, so that gains are whole numbers and can be equal.
            of_value = visits.count * whole.usual_days, visits.usual_count * whole.days
            by_dimension.setdefault(dimension, []).append(of_value)
    growths = []
    for values in by_dimension.values():
        rest = sorted(values, key=lambda each: each[0] - each[1])[:-1]
        if rest:
            growths.append(sum(count for count, _ in rest) / sum(usual for _, usual in rest))
    return max(1.0, min(growths, default=1.0))


@dataclass(frozen=True)
class _Visits:
    """Sessions at risk of a step, in a window and on the same weekdays before it: a Sunday is compared with Sundays."""

    count: int
    went_on: int
    days: int  # with visits
    usual_count: int
    usual_went_on: int
    usual_days: int

    @property
    def usual_in_window(self) -> float:
        """The usual sessions of as many days with visits as the window has."""
        return self.usual_count * self.days / max(1, self.usual_days)

    def counted(self, growth: float) -> float:
        """Return the sessions that count: of more than usual, only as many as visits grew everywhere."""
        return min(self.count, self.usual_in_window * growth)

    def is_diluted(self, growth: float) -> bool:
        """Return whether far more sessions came than count."""
        return round(self.count - MUCH_GROWTH * self.counted(growth), COMPARED_DIGITS) > 0

    def score(self, growth: float) -> float:
        """Return how unusual it is that so few of the sessions that count went on."""
        trials = self.went_on, self.counted(growth), self.usual_went_on, self.usual_count
        return float(signed_root(*(np.array([each], np.float64) for each in trials))[0])


def _visits(counts: SiteCounts, window: Window, segment: int, action: int) -> _Visits | None:
    """Return the sessions at an action of a segment, of which those with a conversion after it went on."""
    to_goal = counts.position_of.get((segment, action, len(counts.actions) - 1))
    return None if to_goal is None else _visits_of_step(counts, window, to_goal)


def _visits_of_step(counts: SiteCounts, window: Window, step: int) -> _Visits:
    days = np.arange(max(window.first, 0), window.last + 1)
    usual_days = np.arange(max(window.first_usual, 0), window.first)
    usual_days = usual_days[(window.last - usual_days) % DAYS_OF_WEEK < window.days]
    visits, usual = (counts.at_risk[each, step] for each in (days, usual_days))
    went_on, usual_went_on = (int(counts.progressed[each, step].sum()) for each in (days, usual_days))
    day_count, usual_day_count = (int((each > 0).sum()) for each in (visits, usual))
    return _Visits(int(visits.sum()), went_on, day_count, int(usual.sum()), usual_went_on, usual_day_count)
