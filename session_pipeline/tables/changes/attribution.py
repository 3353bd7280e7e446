"""Decides which drops are alerts: one fault is one alert, at its step and segment, and explains the other drops.

A fault at a step also lowers the steps around it and the segments that overlap. So the strongest drop is taken, what
its loss accounts for elsewhere is restored, and the rest is looked at again. progress.py computes the scores, losses.py
says which drops are losses, and flows.py what a loss takes from other steps.

Only a loss is an alert: conversions must be missing. A drop without a loss explains others like an alert does, without
being one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from session_pipeline.reference.changes import LEAST_USUAL_CONVERSIONS, WHOLE
from session_pipeline.tables.changes.counts import SiteCounts
from session_pipeline.tables.changes.flows import UsualFlows
from session_pipeline.tables.changes.losses import visits_of_loss
from session_pipeline.tables.changes.progress import COMPARED_DIGITS, DIGITS, Tested, Window
from session_pipeline.tables.changes.scores import signed_root

ALERT_SCORE, ALERT_Q = -4.0, 0.05
ALERT_RATE_RATIO = Fraction(9, 10)  # of the usual rate: a smaller drop is no alert by itself
NAME_SCORE = -3.0  # a drop this strong can lend an alert its name, if it explains one
EXPLAINED_SCORE = -2.5
EXPLAINED_SHARE = 0.5  # of the sessions that a drop has lost: an alert that accounts for fewer does not explain it
NEARLY_AS_STRONG = 0.9
MOST_ALERTS = 5


@dataclass(eq=False)
class Drop:
    """A drop of a tested step.

    Attributes:
        window: Its window.
        step: The position of its step.
        score: Its score.
        spread: Its spread.
        is_loss: Whether conversions are missing.
        visits: Its visits, or of a loss those that count: of far more than usual, the others only lower the rate.
        is_small: Whether it is a loss whose rate is too high for an alert.
        can_alert: Whether it is a loss that is large and strong enough for an alert.
        left: The score of its visits after what other drops account for is restored.
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
    visits: float
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

    def left_with(self, sessions: float) -> float:
        """Return the score that is left with some more sessions restored."""
        window, step = self.window, self.step
        k1, n1 = window.progressed[[step]] + (self.restored + sessions), np.array([self.visits])
        root = signed_root(k1, n1, window.usual_progressed[[step]], window.usual_at_risk[[step]])
        return float(root[0]) / math.sqrt(self.spread)

    def restore(self, part: "Part", lost_by: "Drop") -> None:
        """Restore the sessions that another drop accounts for."""
        self.parts.append((part.sessions, lost_by))
        self.restored += part.sessions
        self.left, self.is_weak = part.left, part.is_enough


class Part(NamedTuple):
    """The part of a drop that another one accounts for: its lost sessions, and the score that is left without them."""

    drop: Drop
    sessions: float
    left: float

    @property
    def is_enough(self) -> bool:
        """Whether the drop is too weak for an alert without it."""
        return self.left > ALERT_SCORE


def attribute(counts: SiteCounts, tested: Sequence[Tested]) -> dict[tuple[int, int], Drop]:
    """Return the drops of a day that are alerts or are explained by one, by length of the window and step."""
    drops = _drops(counts, tested)
    _Search(counts, drops).run()
    return {(drop.window.days, drop.step): drop for drop in drops if drop.is_alert or drop.alert is not None}


@dataclass(frozen=True, eq=False)
class _Search:
    """Takes one drop after another and restores what it accounts for, until nothing is left that can be an alert.

    Attributes:
        counts: The counts of the site.
        drops: All drops of the day.
        taken: The drops that account for others; some of them are no loss.
        passed_over: Losses that can be no alert by themselves and explain no drop that can.
    """

    counts: SiteCounts
    drops: Sequence[Drop]
    taken: list[Drop] = field(default_factory=list)
    passed_over: list[Drop] = field(default_factory=list)

    def run(self) -> None:
        """Mark the alerts, and the drops that they explain."""
        while sum(drop.is_alert for drop in self.taken) < MOST_ALERTS:
            top = self._strongest()
            if top is None:
                break
            parts = self._parts(top)
            if top.is_loss and not top.can_alert and not _becomes_alert(top, parts):
                self.passed_over.append(top)
            else:
                self._take(top, parts)

    def _strongest(self) -> Drop | None:
        """Return the drop to look at next; None if none can be taken, or none that is left can be an alert."""
        left = [drop for drop in self.drops if not (drop.is_weak or drop in self.taken or drop in self.passed_over)]
        candidates = [drop for drop in left if _can_be_taken(drop)]
        if not candidates or not any(drop.can_alert for drop in left):
            return None
        return _narrowest(
            self.counts, sorted(candidates, key=lambda drop: (drop.evidence, drop.window.days, drop.step))
        )

    def _parts(self, top: Drop) -> list[Part]:
        """Return the parts of the other drops that `top` accounts for."""
        others = [drop for drop in self.drops if drop is not top and drop not in self.taken]
        parts = [(drop, _accounted_for(self.counts, top, drop)) for drop in others]
        return [Part(drop, sessions, drop.left_with(sessions)) for drop, sessions in parts if sessions > 0]

    def _take(self, top: Drop, parts: Sequence[Part]) -> None:
        top.is_alert = top.is_loss
        self.taken.append(top)
        for part in parts:
            part.drop.restore(part, lost_by=top)


def _can_be_taken(drop: Drop) -> bool:
    """Return whether a drop can be the one that accounts for others."""
    return drop.evidence <= ALERT_SCORE and drop.left <= NAME_SCORE


def _becomes_alert(top: Drop, parts: Sequence[Part]) -> bool:
    """Return whether a drop that can be no alert by itself becomes one, because it explains drops that can.

    If it is small, one of them must be of its window: it is larger only by chance. In other windows, the same fault can
    be larger, because they have fewer days without it.
    """
    explained = [part.drop for part in parts if part.drop.can_alert and not part.drop.is_weak and part.is_enough]
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
            visits = visits_of_loss(counts, window, step, lost)
            is_missing = visits is not None
            is_small = is_missing and not is_lower
            is_strong = score <= ALERT_SCORE and float(rows.q_value[place]) <= ALERT_Q
            can_alert = is_missing and is_lower and is_strong
            spread = float(rows.spread[place])
            at_risk = float(window.at_risk[step])
            visits = at_risk if visits is None else visits
            drop = Drop(window, step, score, spread, is_missing, visits, is_small, can_alert, left=score)
            if visits < at_risk:
                drop.left = round(drop.left_with(0.0), DIGITS)
            drops.append(drop)
    return drops


def _rate(window: Window, step: int) -> Fraction:
    return Fraction(int(window.progressed[step]), int(window.at_risk[step]))


def _usual_rate(window: Window, step: int) -> Fraction:
    return Fraction(int(window.usual_progressed[step]), int(window.usual_at_risk[step]))


def _accounted_for(counts: SiteCounts, top: Drop, drop: Drop) -> float:
    """Return the sessions of a drop that the loss at `top` accounts for."""
    lost = drop.window.lost(top.step)  # by the same step, in the window of the drop
    if lost <= 0:
        return 0.0
    usual = lost * UsualFlows(counts, drop.window).carried(top.step, drop.step, is_loss=top.is_loss)
    return max(usual, _least_in_common(counts, drop.window, top, drop.step))


def _least_in_common(counts: SiteCounts, window: Window, top: Drop, step: int) -> float:
    """Return the least number of sessions of a drop of another dimension that the loss at `top` accounts for.

    No count says how many sessions two values of different dimensions share. But what the loss takes from the same
    actions, and is not in the other segment, is among the sessions that were lost outside it. A result below 0 says
    nothing. It is 0 if the drop is of the same dimension or of all sessions: their shares are known.
    """
    segment, (other, action, later) = int(counts.steps[top.step, 0]), counts.steps[step].tolist()
    if counts.segments[other][0] in (WHOLE[0], counts.segments[segment][0]):
        return 0.0
    own, whole = (counts.position_of.get((each, action, later)) for each in (segment, 0))
    # Whether a rare pair of a segment is read depends on the days that are built together.
    if own is None or whole is None or window.usual_progressed_and_converted[own] < LEAST_USUAL_CONVERSIONS:
        return 0.0
    lost_by_all = window.lost(whole)
    carried = UsualFlows(counts, window).carried(top.step, own, is_loss=top.is_loss)
    taken = min(lost_by_all, window.lost(top.step) * carried)
    return round(taken - max(0.0, lost_by_all - window.lost(step)), COMPARED_DIGITS)


def _narrowest(counts: SiteCounts, candidates: Sequence[Drop]) -> Drop:
    """Return the strongest drop; of those nearly as strong in its segment and window, the one closest to the fault.

    That is the step that begins later and ends sooner.
    """
    top = candidates[0]
    base = UsualFlows(counts, top.window)
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
