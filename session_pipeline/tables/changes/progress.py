"""Finds steps that sessions take less or more often than before: which are tested, and their scores.

attribution.py decides which of them are alerts, found_progress.py which are rows. docs/changes.md has the terms.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from session_pipeline.reference.changes import BASE_DAYS, LEAST_BASE_DAYS, LEAST_USUAL_CONVERSIONS, WINDOWS
from session_pipeline.tables.changes.counts import PARTS, SiteCounts
from session_pipeline.tables.changes.scores import WEEK_PRIOR, Counts, Floats, drop_q_values, signed_root
from session_pipeline.tables.parameters import DAYS_OF_WEEK

LEAST_SESSIONS, LEAST_USUAL_SESSIONS = 5, 20  # at risk
LEAST_USUAL_DAYS = DAYS_OF_WEEK  # with sessions at risk: weekdays alone would be compared with a weekend
LEAST_STAKE, LEAST_STAKE_SHARE = 5.0, 0.02  # conversions that depend on the step in the window, and of all of its
COMPARED_DIGITS = 9  # of conversions, so that 5 are not fewer than 5 because a factor was rounded
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Window:
    """The sums of all steps of a site over a window and over the 56 days before it."""

    days: int
    last: int
    at_risk: Floats
    progressed: Floats
    usual_at_risk: Floats
    usual_progressed: Floats
    usual_converted: Floats
    usual_progressed_and_converted: Floats

    @property
    def first(self) -> int:
        """The position of the first day of the window."""
        return self.last - self.days + 1

    @property
    def first_usual(self) -> int:
        """The position of the first day before the window that it is compared with."""
        return self.first - BASE_DAYS

    def lost(self, step: int) -> float:
        """Return the sessions that no longer take a step; 0 where there are too few sessions to say."""
        n1, n0 = float(self.at_risk[step]), float(self.usual_at_risk[step])
        if n1 < LEAST_SESSIONS or n0 < LEAST_USUAL_SESSIONS:
            return 0.0
        return n1 * (float(self.usual_progressed[step]) / n0) - float(self.progressed[step])


@dataclass(frozen=True, eq=False)
class Tested:
    """The steps that are tested in a window. All arrays have an entry for each of them.

    Attributes:
        window: The window.
        step: The position of the step.
        step_value: How much more often sessions that go on convert.
        spread: How much more days and weeks differ than by chance, as a ratio of variances.
        score: The signed root of the likelihood ratio, divided by the root of spread; rounded.
        q_value: The share of wrong findings among the drops up to this one.
    """

    window: Window
    step: NDArray[np.int64]
    step_value: Floats
    spread: Floats
    score: Floats
    q_value: Floats


def tested_windows(counts: SiteCounts, day: int) -> Iterator[Tested]:
    """Yield the tested steps of each window that ends with a day and has enough days before it."""
    for days in WINDOWS:
        first = day - days + 1
        has_sessions = counts.has_sessions[max(first - BASE_DAYS, 0) : max(first, 0)]
        if int(has_sessions.sum()) < LEAST_BASE_DAYS:
            continue
        tested = _tested(counts, _window(counts, days, day))
        if len(tested.step):
            yield tested


def _window(counts: SiteCounts, days: int, last: int) -> Window:
    first = last - days + 1
    usual = first - BASE_DAYS, first - 1
    return Window(
        days=days,
        last=last,
        at_risk=counts.at_risk_sums.between(first, last).astype(np.float64),
        progressed=counts.progressed_sums.between(first, last).astype(np.float64),
        usual_at_risk=counts.at_risk_sums.between(*usual).astype(np.float64),
        usual_progressed=counts.progressed_sums.between(*usual).astype(np.float64),
        usual_converted=counts.converted_sums.between(*usual).astype(np.float64),
        usual_progressed_and_converted=counts.progressed_and_converted_sums.between(*usual).astype(np.float64),
    )


def _tested(counts: SiteCounts, window: Window) -> Tested:
    """Return the steps that conversions of the window depend on, with their scores."""
    is_goal = counts.steps[:, 2] == len(counts.actions) - 1
    # Whoever takes a step that always comes with a conversion has converted: it is the goal itself.
    is_conversion = ~is_goal & (window.usual_progressed_and_converted == window.usual_progressed)
    enough = (
        (window.at_risk >= LEAST_SESSIONS)
        & (window.usual_at_risk >= LEAST_USUAL_SESSIONS)
        & (counts.day_sums.between(window.first_usual, window.first - 1) >= LEAST_USUAL_DAYS)
        & (window.usual_progressed_and_converted >= LEAST_USUAL_CONVERSIONS)
        & ~is_conversion
        & ~_is_whole(counts, window)
    )
    step = np.flatnonzero(enough)
    n1, k1, n0, k0 = (
        each[step] for each in (window.at_risk, window.progressed, window.usual_at_risk, window.usual_progressed)
    )
    with_step = window.usual_progressed_and_converted[step]
    without_step = np.maximum(window.usual_converted[step] - with_step, 0.0)
    # Without ½ for the others: if every session takes the step, there is none that would convert without it.
    step_value = np.where(is_goal[step], 1.0, (with_step + 0.5) / (k0 + 1) - without_step / (n0 - k0 + 1))
    goals = int(counts.goals[max(window.first, 0) : window.last + 1].sum())
    least = round(max(LEAST_STAKE, LEAST_STAKE_SHARE * goals), COMPARED_DIGITS)
    stake = np.round(n1 * (k0 / n0) * step_value, COMPARED_DIGITS)
    chosen = (step_value > 0) & (stake >= least)
    step, step_value = step[chosen], step_value[chosen]
    n1, k1, n0, k0 = (each[chosen] for each in (n1, k1, n0, k0))
    spread = _spread(counts, window, step, k0, n0)
    score = np.round(signed_root(k1, n1, k0, n0) / np.sqrt(spread), DIGITS)
    return Tested(window, step, step_value, spread, score, drop_q_values(score))


def _is_whole(counts: SiteCounts, window: Window) -> NDArray[np.bool_]:
    """Return the steps of a dimension value that has all sessions of the step: they would be tested twice."""
    whole = counts.whole_of
    is_part: NDArray[np.bool_] = (counts.steps[:, 0] != 0) & (whole >= 0)
    is_part &= window.at_risk == window.at_risk[whole]
    is_part &= window.usual_at_risk == window.usual_at_risk[whole]
    return is_part


def _spread(counts: SiteCounts, window: Window, step: Counts, k0: Floats, n0: Floats) -> Floats:
    """Return how much more the days, and the weeks, before the window differ than by chance alone; at least 1.

    Pearson's statistic over its degrees of freedom. Weeks count, because neighbouring days are alike, so single days
    alone say too little about a window of many days. Few weeks say little, so they are drawn towards 1.
    """
    share = k0 / n0
    varies = (k0 > 0) & (k0 < n0)
    variance = np.where(varies, share * (1 - share), 1.0)
    usual = window.first_usual, window.first - 1
    squares = counts.square_sums.between(*usual)[step] / PARTS
    free = counts.day_sums.between(*usual)[step] - 1
    spread = np.where(free > 0, (squares - share * k0) / variance / np.maximum(free, 1), 1.0)
    if window.days >= DAYS_OF_WEEK:
        chi, weeks = np.zeros(len(step)), np.zeros(len(step))
        for week in range(BASE_DAYS // DAYS_OF_WEEK):
            days = window.first - DAYS_OF_WEEK * (week + 1), window.first - DAYS_OF_WEEK * week - 1
            n = counts.at_risk_sums.between(*days)[step].astype(np.float64)
            k = counts.progressed_sums.between(*days)[step]
            chi += np.where(n > 0, (k - n * share) ** 2 / (np.maximum(n, 1) * variance), 0.0)
            weeks += n > 0
        spread = np.maximum(spread, (chi + WEEK_PRIOR) / (weeks - 1 + WEEK_PRIOR))
    return np.where(varies, np.maximum(spread, 1.0), 1.0)
