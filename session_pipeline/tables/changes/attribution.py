"""Decides which drops are alerts: one fault is one alert, at its step and segment, and explains the other drops.

A fault at a step also lowers the steps around it and the segments that overlap. So the strongest drop is taken, what
its loss accounts for elsewhere is restored, and the rest is looked at again. Everything is derived from the counts
before the window. progress.py computes the scores.

Only a loss is an alert: conversions must be missing. If an event is no longer sent, a page is renamed, or more visitors
come who never buy, steps drop as well. Such a drop explains others like an alert does, without being one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from session_pipeline.reference.changes import LEAST_USUAL_CONVERSIONS, WHOLE
from session_pipeline.tables.changes.counts import SiteCounts
from session_pipeline.tables.changes.progress import COMPARED_DIGITS, Tested, Window
from session_pipeline.tables.changes.scores import signed_root
from session_pipeline.tables.parameters import DAYS_OF_WEEK

ALERT_SCORE, ALERT_Q = -4.0, 0.05
ALERT_RATE_RATIO = Fraction(9, 10)  # of the usual rate: a smaller drop is no alert by itself
LEAST_MISSING_SHARE = 0.5  # of the conversions that depend on the step: if fewer are missing, it is no loss
LOSS_SCORE = -1.64  # of the conversions after the action, of the visits that are counted; one-sided 5 %
MUCH_GROWTH = 1.25  # times the visits that are counted: if more came, the rate can be lower without a fault
GROWTH_SCORE = -3.0  # of the conversions then, instead of LOSS_SCORE
NAME_SCORE = -3.0  # a drop this strong can lend an alert its name, if it explains one
EXPLAINED_SCORE = -2.5
EXPLAINED_SHARE = 0.5  # of the sessions that a drop has lost: an alert that accounts for fewer does not explain it
NEARLY_AS_STRONG = 0.9
MOST_ALERTS = 5
OFTEN_BEFORE = 2  # an action precedes another if it comes first more than this many times as often


@dataclass(eq=False)
class Drop:
    """A drop of a tested step.

    Attributes:
        window: Its window.
        step: The position of its step.
        score: Its score.
        spread: Its spread.
        is_loss: Whether conversions are missing.
        is_small: Whether it is a loss whose rate is too high for an alert.
        can_alert: Whether it is a loss that is large and strong enough for an alert.
        left: Its score after what other drops account for is restored.
        restored: The sessions that were restored.
        parts: The drops that account for some of these sessions, with how many.
        is_alert: Whether it is an alert.
        is_weak: Whether it is too weak for an alert after that.
    """

    window: Window
    step: int
    score: float
    spread: float
    is_loss: bool
    is_small: bool
    can_alert: bool
    left: float
    restored: float = 0.0
    parts: list[tuple[float, "Drop"]] = field(default_factory=list)
    is_alert: bool = False
    is_weak: bool = False

    @property
    def evidence(self) -> float:
        """The score without the spread, which is an estimate of its own for each step.

        Divided by the spread, a part of the sessions could look stronger than all of them.
        """
        return self.left * math.sqrt(self.spread)

    @property
    def alert(self) -> "Drop | None":
        """The alert that explains it, or None: the drop that accounts for the most, if that is enough and an alert."""
        if not self.is_weak:
            return None
        part, drop = max(self.parts, key=lambda each: each[0])
        return drop if drop.is_alert and part >= EXPLAINED_SHARE * self.window.lost(self.step) else None

    def restore(self, sessions: float, left: float, lost_by: "Drop") -> None:
        """Restore sessions that another drop accounts for, with the score that is left."""
        self.parts.append((sessions, lost_by))
        self.restored += sessions
        self.left, self.is_weak = left, left > ALERT_SCORE


def attribute(counts: SiteCounts, tested: Sequence[Tested]) -> dict[tuple[int, int], Drop]:
    """Return the drops of a day that are alerts or are explained by one, by length of the window and step."""
    drops = list(_drops(counts, tested))
    if not any(drop.can_alert for drop in drops):
        return {}
    taken: list[Drop] = []  # drops that account for others; some of them are no loss
    passed_over: list[Drop] = []  # losses that can be no alert by themselves and explain no drop that can
    while sum(drop.is_alert for drop in taken) < MOST_ALERTS:
        unexplained = [drop for drop in drops if not (drop.is_weak or drop in taken or drop in passed_over)]
        candidates = [drop for drop in unexplained if _can_be_taken(drop)]
        if not candidates or not any(drop.can_alert for drop in unexplained):
            break
        top = _narrowest(counts, sorted(candidates, key=lambda drop: (drop.evidence, drop.window.days, drop.step)))
        rest = [(drop, _accounted_for(counts, top, drop)) for drop in drops if drop is not top and drop not in taken]
        restored = [(drop, sessions, _left(drop, sessions)) for drop, sessions in rest if sessions > 0]
        explained = [drop for drop, _, left in restored if drop.can_alert and not drop.is_weak and left > ALERT_SCORE]
        if top.is_loss and not top.can_alert and not _becomes_alert(top, explained):
            passed_over.append(top)
            continue
        top.is_alert = top.is_loss
        taken.append(top)
        for drop, sessions, left in restored:
            drop.restore(sessions, left, lost_by=top)
    return {(drop.window.days, drop.step): drop for drop in drops if drop.is_alert or drop.alert is not None}


def _can_be_taken(drop: Drop) -> bool:
    """Return whether a drop can be the one that accounts for others."""
    return drop.evidence <= ALERT_SCORE and drop.left <= NAME_SCORE


def _becomes_alert(top: Drop, explained: Sequence[Drop]) -> bool:
    """Return whether a drop that can be no alert by itself becomes one, because it explains drops that can.

    If it is small, one of them must be of its window: it is larger only by chance. In other windows, the same fault can
    be larger, because they have fewer days without it.
    """
    return any(drop.window is top.window or not top.is_small for drop in explained)


def _drops(counts: SiteCounts, tested: Sequence[Tested]) -> Sequence[Drop]:
    """Return the drops that an alert can be, or can explain."""
    drops = []
    for rows in tested:
        window = rows.window
        for place in np.flatnonzero(rows.score <= EXPLAINED_SCORE).tolist():
            step, score = int(rows.step[place]), float(rows.score[place])
            lost = window.lost(step) * float(rows.step_value[place])
            is_lower = _rate(window, step) <= ALERT_RATE_RATIO * _usual_rate(window, step)
            is_missing = _are_conversions_missing(counts, window, step, lost)
            is_small = is_missing and not is_lower
            is_strong = score <= ALERT_SCORE and float(rows.q_value[place]) <= ALERT_Q
            can_alert = is_missing and is_lower and is_strong
            spread = float(rows.spread[place])
            drops.append(Drop(window, step, score, spread, is_missing, is_small, can_alert, left=score))
    return drops


def _are_conversions_missing(counts: SiteCounts, window: Window, step: int, lost: float) -> bool:
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


def _rate(window: Window, step: int) -> Fraction:
    return Fraction(int(window.progressed[step]), int(window.at_risk[step]))


def _usual_rate(window: Window, step: int) -> Fraction:
    return Fraction(int(window.usual_progressed[step]), int(window.usual_at_risk[step]))


def _left(drop: Drop, sessions: float) -> float:
    """Return the score of a drop with some more sessions restored."""
    window, step = drop.window, drop.step
    k1, n1 = window.progressed[[step]] + (drop.restored + sessions), window.at_risk[[step]]
    root = signed_root(k1, n1, window.usual_progressed[[step]], window.usual_at_risk[[step]])
    return float(root[0]) / math.sqrt(drop.spread)


def _accounted_for(counts: SiteCounts, top: Drop, drop: Drop) -> float:
    """Return the sessions of a drop that the loss at `top` accounts for."""
    lost = drop.window.lost(top.step)  # by the same step, in the window of the drop
    if lost <= 0:
        return 0.0
    return lost * (1.0 if drop.step == top.step else _Base(counts, drop.window).carried(top, drop))


def _narrowest(counts: SiteCounts, candidates: Sequence[Drop]) -> Drop:
    """Return the strongest drop; of those nearly as strong in its segment and window, the one closest to the fault.

    That is the step that begins later and ends sooner.
    """
    top = candidates[0]
    base = _Base(counts, top.window)
    segment = counts.steps[top.step, 0]
    least = NEARLY_AS_STRONG * top.evidence
    for drop in candidates[1:]:
        if drop.evidence > least or drop.window is not top.window or counts.steps[drop.step, 0] != segment:
            continue
        if drop.is_loss != top.is_loss:
            continue
        (_, action, later), (_, other, other_later) = counts.steps[top.step].tolist(), counts.steps[drop.step].tolist()
        begins_later = other == action or base.precedes(action, other)
        if begins_later and (other_later == later or base.precedes(other_later, later)):
            top = drop
    return top


@dataclass(frozen=True, eq=False)
class _Base:
    """All sessions of a site in the days before a window. Actions are positions; the last one is the goal."""

    counts: SiteCounts
    window: Window

    @property
    def goal(self) -> int:
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
        """Return the share of sessions at an action that went on to a later one."""
        if action == later:
            return 1.0
        place = self.counts.position_of.get((0, action, later))
        at_risk = 0.0 if place is None else float(self.window.usual_at_risk[place])
        return self.passed(action, later) / at_risk if at_risk else 0.0

    def had_before(self, action: int, earlier: int) -> float:
        """Return the share of sessions at an action that had been at an earlier one."""
        return self.passed(earlier, action) / max(1.0, self.visits(0, action))

    def had_before_in(self, segment: int, action: int, earlier: int) -> float:
        """Return the share of all sessions at an action that are of a segment and had been at an earlier one.

        It is 0 with few conversions. Whether such a pair is read depends on the days that are built together.
        """
        place = self.counts.position_of.get((segment, earlier, action))
        if place is None or self.window.usual_progressed_and_converted[place] < LEAST_USUAL_CONVERSIONS:
            return 0.0
        return float(self.window.usual_progressed[place]) / max(1.0, self.visits(0, action))

    def carried(self, top: Drop, drop: Drop) -> float:
        """Return how many sessions a session lost at `top`, from A to B, takes from another step, from C to D."""
        (segment, a, b), (other, c, d) = (self.counts.steps[each.step].tolist() for each in (top, drop))
        dimension, other_dimension = self.counts.segments[segment][0], self.counts.segments[other][0]
        if dimension == other_dimension and segment != other:
            return 0.0
        is_within = other_dimension in (WHOLE[0], dimension)
        # Across dimensions, a session's values are taken as independent.
        share = 1.0 if is_within else self.visits(other, a) / max(1.0, self.visits(0, a))
        was_at = share * self._was_at(c, a, b)
        if not is_within and c != a:  # but a value and an action need not be: who lands on a page has been there
            known = (self.had_before_in(other, each, c) for each in (a, b) if each != self.goal)
            was_at = min(share, max(was_at, *known))
        return was_at * self._more_often(a, b, d)

    def _was_at(self, c: int, a: int, b: int) -> float:
        """Return the share of the sessions lost from A to B that had been at C."""
        if c == a:
            return 1.0
        if b == self.goal:  # C before A, or on the way from A to the goal
            on_the_way = self.passed(a, c) * self.went_on(c, self.goal) / max(1.0, self.passed(a, self.goal))
            return max(self.had_before(a, c), min(1.0, on_the_way))
        return max(self.had_before(a, c), self.had_before(b, c))

    def _more_often(self, a: int, b: int, d: int) -> float:
        """Return how much more often sessions at A reach D if they go on to B: a difference of two shares, or 0."""
        if d == b:
            return 1.0
        if b == self.goal:  # the pairs from A to D say which of them convert
            return self._more_often_if_converted(a, d)
        b_to_d = min(1.0, self.went_on(b, d) + self.had_before(b, d))
        a_to_b = self.went_on(a, b)
        without = max(0.0, (self.went_on(a, d) - a_to_b * b_to_d) / (1 - a_to_b)) if a_to_b < 1 else 0.0
        return max(0.0, b_to_d - without)

    def _more_often_if_converted(self, a: int, d: int) -> float:
        place = self.counts.position_of.get((0, a, d))
        if place is None:
            return 0.0
        n, k, converted, both = (
            float(each[place])
            for each in (
                self.window.usual_at_risk,
                self.window.usual_progressed,
                self.window.usual_converted,
                self.window.usual_progressed_and_converted,
            )
        )
        without = (k - both) / (n - converted) if converted < n else 0.0
        return max(0.0, both / converted - without) if converted else 0.0
