"""Adds up the sessions with and without a factor over the moments at which there are both.

windows.py counts the sessions at each moment. matched.py computes rates, intervals and tests from the sums.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Fractions are added as multiples of 2^-30, because a sum of doubles depends on the order.
FIXED_POINT = float(2**30)

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sums:
    """Sums over the moments of a factor at which there are sessions with and without it; an element for each window.

    Attributes:
        factor: The index of the factor.
        day: The last day of the window, in days since 1970.
        window: The number of days of the window.
        with_count: Sessions with the factor.
        with_converted: Those that converted later.
        without_count: Sessions without the factor.
        without_converted: Those that converted later.
        converted: Conversions of all sessions at these moments.
        cents: The value of these conversions, in hundredths.
        values: Days and moments with such a value; 0 if none of these conversions has one.
        rate_with: Conversions with the factor, each moment weighted by its sessions; in FIXED_POINT, like all below.
        rate_without: Conversions without it, with the same weights.
        weight: The weights.
        expected: Conversions with the factor to expect if it made no difference.
        variance: The variance of this number.
        sato_of_difference: The part of Sato's variance that is multiplied by the difference.
        sato: The other part.
    """

    factor: Numbers
    day: Numbers
    window: Numbers
    with_count: Numbers
    with_converted: Numbers
    without_count: Numbers
    without_converted: Numbers
    converted: Numbers
    cents: Numbers
    values: Numbers
    rate_with: Numbers
    rate_without: Numbers
    weight: Numbers
    expected: Numbers
    variance: Numbers
    sato_of_difference: Numbers
    sato: Numbers


def sums_of_matched(cells: dict[str, Numbers], moments: dict[str, Numbers], starts: Numbers) -> dict[str, Numbers]:
    """Return the sums of each factor over the moments that have sessions with and without it, by their names in `Sums`.

    N. Mantel and W. Haenszel, Statistical aspects of the analysis of data from retrospective studies of disease (1959).
    T. Sato, On the variance estimator for the Mantel-Haenszel risk difference, Biometrics 45 (1989).

    Args:
        cells: The counts of the sessions with a factor at a moment: a row for each day, a column for each cell.
        moments: The counts of all sessions at the moment of each cell.
        starts: The first cell of each factor.
    """
    with_count, with_converted = cells["session_count"], cells["converted_count"]
    without_count = moments["session_count"] - cells["excluded_count"]
    without_converted = moments["converted_count"] - cells["excluded_converted_count"]
    is_matched = (with_count > 0) & (without_count > 0)

    def added(values: Numbers) -> Numbers:
        return np.add.reduceat(values * is_matched, starts, axis=1)

    n1, n0 = with_count.astype(np.float64), without_count.astype(np.float64)
    a, c = with_converted.astype(np.float64), without_converted.astype(np.float64)
    n = np.where(is_matched, n1 + n0, 2.0)  # 2 where nothing is added, so that no division fails
    fractions = {
        "rate_with": a * n0 / n,
        "rate_without": c * n1 / n,
        "weight": n1 * n0 / n,
        "expected": n1 * (a + c) / n,
        "variance": n1 * n0 * (a + c) * (n - a - c) / (n * n * (n - 1)),
        "sato_of_difference": (n1 * n1 * c - n0 * n0 * a + n1 * n0 * (n0 - n1) / 2) / (n * n),
        "sato": (a * (n0 - c) + c * (n1 - a)) / (2 * n),
    }
    return {
        "with_count": added(with_count),
        "with_converted": added(with_converted),
        "without_count": added(without_count),
        "without_converted": added(without_converted),
        "converted": added(moments["converted_count"]),
        "cents": added(moments["value"]),
        "values": added(moments["has_value"]),
        **{name: added(np.rint(values * FIXED_POINT).astype(np.int64)) for name, values in fractions.items()},
    }
