"""Computes differences, intervals, tests and ranks from the sums of matched sessions.

matched_sums.py makes the sums, findings.py rounds the figures. Equal sums give equal figures: floats are computed only
here, from whole numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from session_pipeline.tables.opportunities.matched_sums import FIXED_POINT, Flags, Numbers, Sums
from session_pipeline.tables.statistics import q_values

LARGEST_Q = 0.05
LEAST_SCORE = 2.5  # the table is looked at every day, and a day with one comparison would need only 2

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimates:
    """The figures of each comparison.

    Attributes:
        rate_with: Share of the sessions with the factor that converted later.
        rate_without: Share of those without it, with the same weights.
        difference: rate_with - rate_without.
        low: Lower bound of its interval.
        high: Upper bound of its interval.
        score: Root of the Mantel-Haenszel statistic, with the sign of the difference.
        q_value: The expected share of wrong findings among the comparisons up to this one.
        can_be_chance: Whether q_value is above LARGEST_Q, or the score nearer to 0 than LEAST_SCORE.
        is_significant: Whether it cannot be chance, and has the direction that is looked for.
    """

    rate_with: Floats
    rate_without: Floats
    difference: Floats
    low: Floats
    high: Floats
    score: Floats
    q_value: Floats
    can_be_chance: Flags
    is_significant: Flags


def estimates(sums: Sums, groups: Numbers, sign: int, z: float) -> Estimates:
    """Return the figures of each comparison.

    The interval of the difference is Sato's. The test is that of Mantel and Haenszel, which also holds for few
    conversions, where Sato's variance does not.

    Args:
        sums: The sums of each comparison.
        groups: The group of each comparison; the q-values of a group are computed together.
        sign: 1 if more conversions are looked for with the factor, -1 if fewer.
        z: The normal quantile of the interval.
    """
    weight = sums.weight.astype(np.float64)
    rate_with, rate_without = sums.rate_with / weight, sums.rate_without / weight
    difference = (sums.rate_with - sums.rate_without) / weight
    variance = np.maximum(difference * sums.sato_of_difference + sums.sato, 0) / FIXED_POINT
    margin = z * np.sqrt(variance) / (weight / FIXED_POINT)
    surplus = sums.with_converted - sums.expected / FIXED_POINT
    score = surplus / np.sqrt(sums.variance / FIXED_POINT)
    q_value = q_values([p_value(each) for each in score.tolist()], groups)
    can_be_chance = (q_value > LARGEST_Q) | (np.abs(score) < LEAST_SCORE)
    return Estimates(
        rate_with=rate_with,
        rate_without=rate_without,
        difference=difference,
        low=np.maximum(difference - margin, -1),
        high=np.minimum(difference + margin, 1),
        score=score,
        q_value=q_value,
        can_be_chance=can_be_chance,
        is_significant=~can_be_chance & (sign * score > 0),
    )


def p_value(score: float) -> float:
    """Return the probability that a normal deviate is at least this far from 0."""
    return math.erfc(abs(score) / math.sqrt(2))


def ranks(groups: Numbers, *by: Floats | Numbers | Flags) -> Numbers:
    """Return the place of each row in its group, from 1, in order of some columns."""
    order = np.lexsort((*reversed(by), groups))
    sizes = np.unique(groups, return_counts=True)[1]
    places = np.zeros(len(groups), np.int64)
    places[order] = np.concatenate([np.zeros(0, np.int64), *(np.arange(1, size + 1) for size in sizes)])
    return places
