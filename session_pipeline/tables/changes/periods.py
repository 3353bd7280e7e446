"""Finds the days of a change: since when it lasts or, if it is over, from when to when it lasted.

Windows of many days contain a change long after it is over. Only clear evidence ends it, so that some good days by
chance do not. A change that comes back on certain weekdays lasts; one that comes back after a pause of a week or more
is a new one. What was before a change leaves out an older one. scores.py has the formulas.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from session_pipeline.tables.changes.scores import (
    LEAST_DAYS_BEFORE_A_CHANGE,
    Counts,
    Floats,
    first_day_of_change,
    signed_root,
)
from session_pipeline.tables.parameters import DAYS_OF_WEEK

LEAST_DAYS_SINCE = 3  # a weekend alone can differ
LEAST_DAYS_OF_PAUSE = DAYS_OF_WEEK  # until a change that comes back is a new one
ALIKE, ALIKE_OF = 9, 10  # two shares are alike from a ratio of nine tenths on
CLEAR_SCORE = -3.0  # a change that lasts then looks as if it were over on fewer than 1 of 100 days
UNUSUAL_SCORE = -2.0  # of all days since together
SCORE_DIGITS = 6
OLDER_SCORE = -4.0  # of an older change against all other days before; by chance, about 1 of 100 rows has such days


class Shares(NamedTuple):
    """The shares of cases before, during and since a change."""

    before: float
    during: float
    since: float


@dataclass(frozen=True)
class Period:
    """The days of a change.

    Attributes:
        first: The position of the day on which it most likely began.
        over_from: The position of the first day with cases after it; None while it lasts.
        shares: The shares; None while it lasts.
        older: The first day of an older change that was over before this one, and the first day after it.
    """

    first: int
    over_from: int | None = None
    shares: Shares | None = None
    older: tuple[int, int] | None = None


def period_of_change(
    counts: Counts, totals: Counts, *, start: int, window: int, spread: float, is_drop: bool
) -> Period:
    """Return the days of a change in a window.

    The days of a change that is over are those that differ most from all others. It is over if at least three days
    follow, if these clearly differ from it, if their share is usual again, and if the latest of them, however many,
    are not clearly unusual again. Within a week, it is not over if it had paused like this a week before.

    Args:
        counts: The cases of each day, such as sessions that went on.
        totals: The trials of each day. Days without trials are left out.
        start: The position of the first of these days.
        window: The position of the first day of the window. A change that is over lasted until that day or longer.
        spread: How much more the days differ than by chance, as a ratio of variances.
        is_drop: Whether the change is a drop, otherwise a rise.
    """
    days = np.flatnonzero(totals)
    k, n = counts[days], totals[days]
    deviation = math.sqrt(spread)
    in_window = int(np.searchsorted(days, window - start)) + 1
    found = _ended(k, n, range(in_window, len(days) - LEAST_DAYS_SINCE + 1), deviation, is_drop=is_drop)
    if found is not None and not _paused_a_week_before(days, k, n, found[1], len(counts), deviation, is_drop=is_drop):
        first, over, shares = found
        over_from = start + int(days[over])
    else:
        first, over_from, shares = _first_since_pause(k, n, deviation, is_drop=is_drop), None, None
    older = _older(k[:first], n[:first], is_drop=is_drop)
    if older is not None and shares is not None:
        others = _without(k[:first], older), _without(n[:first], older)
        shares = shares._replace(before=others[0] / others[1])
    at = None if older is None else (start + int(days[older[0]]), start + int(days[older[1]]))
    return Period(start + int(days[first]), over_from, shares, at)


def _older(counts: Counts, totals: Counts, *, is_drop: bool) -> tuple[int, int] | None:
    """Return the first day of an older change that is over, and the first day after it, if it is clear.

    It raises the spread itself, so only the other days say how much days differ.
    """
    ends = range(LEAST_DAYS_BEFORE_A_CHANGE + 1, len(counts) - LEAST_DAYS_SINCE + 1)
    found = _ended(counts, totals, ends, 1.0, is_drop=is_drop)
    if found is None:
        return None
    days = found[:2]
    k, n = (np.delete(each, slice(*days)).astype(np.float64) for each in (counts, totals))
    trials = (counts[slice(*days)].sum(), totals[slice(*days)].sum(), k.sum(), n.sum())
    score = float(signed_root(*(np.array([each], np.float64) for each in trials))[0])
    score = round(score / math.sqrt(_spread_of_days(k, n)), SCORE_DIGITS)
    return days if (score if is_drop else -score) <= OLDER_SCORE else None


def _spread_of_days(counts: Floats, totals: Floats) -> float:
    """Return how much more days differ than by chance: Pearson's statistic over its degrees of freedom; at least 1."""
    share = counts.sum() / totals.sum()
    if not 0 < share < 1:
        return 1.0
    terms = (counts - totals * share) ** 2 / (totals * share * (1 - share))
    return max(1.0, math.fsum(terms.tolist()) / (len(terms) - 1))


def _without(counts: Counts, days: tuple[int, int]) -> int:
    """Return the sum of the counts of all days but some."""
    return int(counts.sum()) - int(counts[slice(*days)].sum())


def _paused_a_week_before(
    days: NDArray[Any], counts: Counts, totals: Counts, over: int, end: int, deviation: float, *, is_drop: bool
) -> bool:
    """Return whether a change was over a week before as well, and so comes back on certain weekdays.

    Once all weekdays have come since, it can no longer come back on one of them.

    Args:
        days: The positions of the days with trials.
        counts: The cases of each of them.
        totals: Their trials.
        over: Which of them is the first one after the change.
        end: The position after the last day.
        deviation: How much more the days differ than by chance.
        is_drop: Whether the change is a drop.
    """
    last_of_change = int(days[over - 1])
    if end - 1 - last_of_change >= DAYS_OF_WEEK:
        return False
    known, over_before = np.searchsorted(days, (end - DAYS_OF_WEEK, last_of_change - DAYS_OF_WEEK + 1)).tolist()
    if known - over_before < LEAST_DAYS_SINCE:
        return False
    ends = range(over_before, over_before + 1)
    return _ended(counts[:known], totals[:known], ends, deviation, is_drop=is_drop) is not None


def _first_since_pause(counts: Counts, totals: Counts, deviation: float, *, is_drop: bool) -> int:
    """Return the first day of a change that lasts, not that of an older change, which was over for a week or more."""
    first = first_day_of_change(counts.tolist(), totals.tolist(), is_drop=is_drop)
    for known in range(len(counts) - 1, first + LEAST_DAYS_OF_PAUSE, -1):  # what could be known earlier, latest first
        ends = range(first + 1, known - LEAST_DAYS_SINCE + 1)
        older = _ended(counts[:known], totals[:known], ends, deviation, is_drop=is_drop)
        if older is not None and known - older[1] >= LEAST_DAYS_OF_PAUSE:
            over = older[1]
            return over + _first_since_pause(counts[over:], totals[over:], deviation, is_drop=is_drop)
    return first


def _ended(
    counts: Counts, totals: Counts, ends: range, deviation: float, *, is_drop: bool
) -> tuple[int, int, Shares] | None:
    """Return the first day of a change, the first day after it (one of `ends`), and the shares; None while it lasts."""
    last = len(counts)
    k, n = (np.concatenate(([0.0], np.cumsum(each, dtype=np.float64))) for each in (counts, totals))

    def scores(first: NDArray[Any], end: NDArray[Any], others_k: Floats, others_n: Floats) -> Floats:
        """Return how days, from `first` to before `end`, differ from others: negative in the direction of a change."""
        score = signed_root(k[end] - k[first], n[end] - n[first], others_k, others_n) / deviation
        return score if is_drop else -score

    firsts, overs = np.meshgrid(np.arange(LEAST_DAYS_BEFORE_A_CHANGE, last), np.array(ends, np.int64), indexing="ij")
    firsts, overs = firsts[firsts < overs], overs[firsts < overs]
    if not len(firsts):
        return None
    others = [each[last] - (each[overs] - each[firsts]) for each in (k, n)]
    best = int(np.argmin(scores(firsts, overs, *others)))
    first, over = int(firsts[best]), int(overs[best])
    since = [each[last] - each[[over]] for each in (k, n)]
    if scores(firsts[[best]], overs[[best]], *since)[0] > CLEAR_SCORE:
        return None
    latest = np.arange(over, last)  # all days since, then fewer and fewer
    before = [np.full(len(latest), each[first]) for each in (k, n)]
    score = scores(latest, np.full(len(latest), last), *before)
    share = (k[last] - k[latest]) / (n[last] - n[latest])
    usual = float(k[first] / n[first])
    # Both shares times both totals: whole numbers.
    of_since, of_before = (k[last] - k[latest]) * n[first], k[first] * (n[last] - n[latest])
    low, high = (of_since, of_before) if is_drop else (of_before, of_since)
    is_alike = ALIKE_OF * low >= ALIKE * high
    if not (is_alike[0] or score[0] > UNUSUAL_SCORE) or (~is_alike & (score <= CLEAR_SCORE)).any():
        return None
    during = float((k[over] - k[first]) / (n[over] - n[first]))
    return first, over, Shares(usual, during, float(share[0]))
