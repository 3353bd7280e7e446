"""Provides the formulas of changes: scores of rates, shares of wrong findings, and when a change began.

All functions are pure and give the same digits for a row, whatever the other rows are.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from session_pipeline.tables.statistics import q_values

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LEAST_DAYS_BEFORE_A_CHANGE = 7
WEEK_PRIOR = 7.0  # of a spread of weeks: as if this many more weeks had differed by chance alone
BISECTIONS = 40  # a share is then known to 12 digits


def signed_root(k1: Floats, n1: Floats, k0: Floats, n0: Floats) -> Floats:
    """Return the signed root of the likelihood ratio of two shares: negative where k1 / n1 is lower than k0 / n0.

    Its square is the statistic G of Wilks (1938), about chi-squared with one degree of freedom if the shares are equal.
    Where a side has no trials, the result is 0.
    """
    k1 = np.clip(k1, 0.0, n1)
    has_both = (n1 > 0) & (n0 > 0)
    n1, n0 = np.where(has_both, n1, 1.0), np.where(has_both, n0, 1.0)
    k1, k0 = np.where(has_both, k1, 0.0), np.where(has_both, k0, 0.0)
    pooled = (k0 + k1) / (n0 + n1)
    terms = _terms(k1, n1, pooled) + _terms(k0, n0, pooled)
    return np.sign(k1 / n1 - k0 / n0) * np.sqrt(np.maximum(0.0, 2 * terms))


def _terms(k: Floats, n: Floats, share: Floats) -> Floats:
    """Return k ln(k / (n share)) + (n - k) ln((n - k) / (n (1 - share))); a term with no cases is 0."""
    missed = n - k
    ratios = np.where(k > 0, k, 1.0) / np.where(k > 0, n * share, 1.0)
    missed_ratios = np.where(missed > 0, missed, 1.0) / np.where(missed > 0, n * (1 - share), 1.0)
    return k * np.log(ratios) + missed * np.log(np.where(missed_ratios > 0, missed_ratios, 1.0))


def drop_q_values(scores: Floats) -> Floats:
    """Return for each score the share of wrong findings if it and all lower scores count as drops; 1 for a gain."""
    one_sided = q_values([0.5 * math.erfc(-score / math.sqrt(2)) for score in scores.tolist()])
    return np.where(scores > 0, 1.0, one_sided)


def first_day_of_change(counts: Sequence[int], totals: Sequence[int], *, is_drop: bool) -> int:
    """Return the position from which on the share is most likely another one; at least seven positions come before it.

    Args:
        counts: The cases of each day, such as sessions that went on.
        totals: The trials of each day; at least one.
        is_drop: Whether the start of a drop is asked for, otherwise that of a rise.
    """
    k, n = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    splits = np.arange(min(LEAST_DAYS_BEFORE_A_CHANGE, len(k) - 1), len(k))
    k_since = np.cumsum(k[::-1])[::-1][splits]
    n_since = np.cumsum(n[::-1])[::-1][splits]
    scores = signed_root(k_since, n_since, k.sum() - k_since, n.sum() - n_since)
    return int(splits[np.argmin(scores if is_drop else -scores)])


def largest_share_with_score(score: float, n1: Floats, k0: Floats, n0: Floats, spread: Floats) -> Floats:
    """Return the largest share of n1 that has at most this (negative) score; NaN where even 0 has a higher one."""
    wanted = score * np.sqrt(spread)
    low, high = np.zeros(len(n1)), k0 / n0
    is_there = signed_root(np.zeros(len(n1)), n1, k0, n0) <= wanted
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_low = signed_root(middle * n1, n1, k0, n0) <= wanted
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return np.where(is_there, low, np.nan)
