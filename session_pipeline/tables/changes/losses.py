"""Decides whether a drop of a step is a loss: whether conversions are missing after its action.

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
GROWTH_SCORE = -3.0  # of the conversions then, instead of LOSS_SCORE


def are_conversions_missing(counts: SiteCounts, window: Window, step: int, lost: float) -> bool:
    """Return whether conversions after the action of a step are missing, and enough for what depends on its loss.

    More visits that convert less are no loss, unless visits grew everywhere: beyond that, they are not counted.
    """
    segment, action, _ = counts.steps[step].tolist()
    visits = _visits(counts, window, segment, action)
    if visits is None or not visits.usual_count:
        return False
    missing = visits.count * visits.usual_converted / visits.usual_count - visits.converted
    counted = min(visits.count, visits.usual_in_window * _growth(counts, window, action))
    trials = visits.converted, counted, visits.usual_converted, visits.usual_count
    root = signed_root(*(np.array([each], np.float64) for each in trials))
    is_enough = round(missing - LEAST_MISSING_SHARE * lost, COMPARED_DIGITS) >= 0
    # Where visits grew much, each step has a lower rate. Then only the conversions say that there is a fault, and among
    # so many steps, a few always have fewer by chance.
    is_diluted = round(visits.count - MUCH_GROWTH * counted, COMPARED_DIGITS) > 0
    return is_enough and float(root[0]) <= (GROWTH_SCORE if is_diluted else LOSS_SCORE)


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
        if segment and visits and visits.usual_converted >= LEAST_USUAL_CONVERSIONS:
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
    """Sessions at an action, in a window and on the same weekdays before it: a Sunday is compared with Sundays."""

    count: int
    converted: int
    days: int  # with visits
    usual_count: int
    usual_converted: int
    usual_days: int

    @property
    def usual_in_window(self) -> float:
        """The usual sessions of as many days with visits as the window has."""
        return self.usual_count * self.days / max(1, self.usual_days)


def _visits(counts: SiteCounts, window: Window, segment: int, action: int) -> _Visits | None:
    to_goal = counts.position_of.get((segment, action, len(counts.actions) - 1))
    if to_goal is None:
        return None
    days = np.arange(max(window.first, 0), window.last + 1)
    usual_days = np.arange(max(window.first_usual, 0), window.first)
    usual_days = usual_days[(window.last - usual_days) % DAYS_OF_WEEK < window.days]
    visits, usual = (counts.at_risk[each, to_goal] for each in (days, usual_days))
    converted, usual_converted = (int(counts.progressed[each, to_goal].sum()) for each in (days, usual_days))
    day_count, usual_day_count = (int((each > 0).sum()) for each in (visits, usual))
    return _Visits(int(visits.sum()), converted, day_count, int(usual.sum()), usual_converted, usual_day_count)
