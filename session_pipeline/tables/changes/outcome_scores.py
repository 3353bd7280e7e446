"""Scores outcome rates against the same weekdays of the 56 days before a window.

session_scores.py scores numbers of sessions, and found_outcomes.py makes the rows of the table. docs/changes.md defines
the terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from session_pipeline.reference.changes import BASE_DAYS, LEAST_BASE_DAYS
from session_pipeline.tables.changes.scores import WEEK_PRIOR, Counts, Floats
from session_pipeline.tables.parameters import DAYS_OF_WEEK

PRIOR_SESSIONS = 50.0  # a weekday's own rate counts as much as this many sessions with the overall rate
LEAST_COUNT = 5.0
DIGITS = 6
EXPECTED_DIGITS = 9  # so that 5 expected sessions are not fewer than 5 because a rate was rounded

Series = tuple[str, str, str]  # dimension, value and outcome


@dataclass(frozen=True, eq=False)
class OutcomeCounts:
    """The counts of a site: arrays with a row for each calendar day and a column for each series.

    Attributes:
        site: The site.
        first: The first day of the arrays: enough days before the first day that is asked for.
        asked_for: The positions of the days for which changes are asked.
        series: Dimension, value and outcome, in order.
        sessions: The sessions of the value.
        with_outcome: Of these, those with the outcome.
    """

    site: str
    first: date
    asked_for: Sequence[int]
    series: Sequence[Series]
    sessions: Counts
    with_outcome: Counts

    def day(self, position: int) -> date:
        """Return the date of a position."""
        return self.first + timedelta(days=position)


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of series; NaN where a series is not tested.

    Attributes:
        expected: The count to expect.
        spread: How much more the days, or the weeks, differ than by chance, as a ratio of variances.
        score: How unusual the count is, in standard deviations; rounded.
    """

    expected: Floats
    spread: Floats
    score: Floats

    @property
    def is_tested(self) -> NDArray[np.bool_]:
        """Whether each series is tested."""
        return ~np.isnan(self.score)


def rate_scores(sessions: Counts, with_outcome: Counts, window_days: int) -> Scores:
    """Score the rates of a window by the likelihood ratio.

    The usual rate of a weekday is drawn to the rate of all days, so that few sessions of a weekday count little.
    Neighbouring days are alike, so the spread of single days says too little about a window of many days: for these,
    the spread of weeks counts, too.

    Args:
        sessions: The sessions of the 56 days before the window and of the window: a row for each day.
        with_outcome: Of these, those with the outcome.
        window_days: The number of days of the window.
    """
    n, k = sessions[:BASE_DAYS], with_outcome[:BASE_DAYS]
    n0, n1 = n.sum(axis=0), sessions[BASE_DAYS:].sum(axis=0)
    k1 = with_outcome[BASE_DAYS:].sum(axis=0).astype(np.float64)
    overall = k.sum(axis=0) / np.maximum(n0, 1)
    by_weekday = (-1, DAYS_OF_WEEK, n.shape[1])
    usual = (k.reshape(by_weekday).sum(axis=0) + PRIOR_SESSIONS * overall) / (
        n.reshape(by_weekday).sum(axis=0) + PRIOR_SESSIONS
    )
    # The days before are whole weeks, so the window begins with the weekday that they begin with.
    expected = _in_order(sessions[BASE_DAYS:] * usual[np.arange(window_days) % DAYS_OF_WEEK])
    expected = np.round(expected, EXPECTED_DIGITS)
    of_day = np.tile(usual, (BASE_DAYS // DAYS_OF_WEEK, 1))
    variance = n * of_day * (1 - of_day)
    pearson = _in_order(np.where(variance > 0, (k - n * of_day) ** 2 / np.where(variance > 0, variance, 1.0), 0.0))
    day_count = (n > 0).sum(axis=0)
    spread = np.maximum(1.0, pearson / np.maximum(1, day_count - DAYS_OF_WEEK))
    if window_days >= DAYS_OF_WEEK:
        spread = np.maximum(spread, _spread_of_weeks(n, k - n * of_day, variance))
    is_tested = (day_count >= LEAST_BASE_DAYS) & (expected > 0) & (expected < n1)
    is_tested &= np.maximum(expected, k1) >= LEAST_COUNT
    # The usual rate is an estimate too, from n0 sessions.
    variance_ratio = spread * (1 + n1 / np.maximum(n0, 1))
    root = _likelihood_root(k1, expected, n1.astype(np.float64), is_tested) / np.sqrt(variance_ratio)
    return _scores(is_tested, expected, spread, root)


def _spread_of_weeks(sessions: Counts, differences: Floats, variance: Floats) -> Floats:
    """Return Pearson's statistic of the weeks before a window over its degrees of freedom, drawn towards 1.

    Args:
        sessions: The sessions of the days before the window.
        differences: How many more of them had the outcome than usual.
        variance: The variance of this number by chance alone.
    """
    by_week = (-1, DAYS_OF_WEEK, sessions.shape[1])
    week_count = (sessions.reshape(by_week).sum(axis=1) > 0).sum(axis=0)
    d, v = (np.stack([_in_order(week) for week in each.reshape(by_week)]) for each in (differences, variance))
    pearson = _in_order(np.where(v > 0, d**2 / np.where(v > 0, v, 1.0), 0.0))
    spread: Floats = (pearson + WEEK_PRIOR) / (week_count - 1 + WEEK_PRIOR)
    return spread


def _likelihood_root(k: Floats, expected: Floats, n: Floats, is_tested: NDArray[np.bool_]) -> Floats:
    """Return the signed root of the likelihood ratio of k of n against an expected count."""
    total = np.zeros(len(k))
    for count, usual in ((k, expected), (n - k, n - expected)):
        is_there = is_tested & (count > 0)
        total += np.where(is_there, count * np.log(np.where(is_there, count / np.where(is_there, usual, 1), 1)), 0)
    return np.sign(k - expected) * np.sqrt(np.maximum(0.0, 2 * total))


def _scores(is_tested: NDArray[np.bool_], expected: Floats, spread: Floats, score: Floats) -> Scores:
    return Scores(*(np.where(is_tested, each, np.nan) for each in (expected, spread, np.round(score, DIGITS))))


def _in_order(terms: Floats) -> Floats:
    """Return the sums of columns, added row by row: the digits do not depend on the number of columns."""
    total: Floats = np.cumsum(terms, axis=0)[-1]
    return total
