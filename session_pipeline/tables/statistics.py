"""Provides what several groups of tables compute and write: q-values, shares as percentages, and estimates.

The scores and p-values that they are made from belong to the groups.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_WITHOUT_DECIMAL = 0.0995  # a lower rate is below 10.0 of 100 when it is rounded to one decimal


def q_values(p_values: Sequence[float], groups: "NDArray[np.int64] | None" = None) -> "NDArray[np.float64]":
    """Return for each test the expected share of wrong findings if it and all tests with lower p-values are findings.

    It holds however the tests depend on each other: Y. Benjamini and D. Yekutieli, The control of the false discovery
    rate in multiple testing under dependency (2001).

    Args:
        p_values: The p-value of each test.
        groups: The group of each test; the q-values of a group are computed together. None: all are one group.
    """
    import numpy as np  # slow to load

    p = np.array(p_values, np.float64)
    groups = np.zeros(len(p), np.int64) if groups is None else groups
    found = np.ones(len(p))
    order = np.lexsort((p, groups))
    bounds = np.flatnonzero(np.diff(groups[order])) + 1
    for tests in np.split(order, bounds):
        places = np.arange(1, len(tests) + 1)
        harmonic = math.fsum((1 / places).tolist())
        adjusted = p[tests] * (len(tests) * harmonic) / places
        found[tests] = np.minimum(np.minimum.accumulate(adjusted[::-1])[::-1], 1)
    return found


def of_hundred(rate: float) -> str:
    """Return a share as a number of 100, with one decimal below 10: 23, 2.3, 0."""
    return f"{100 * rate:.0f}" if rate >= LEAST_WITHOUT_DECIMAL or rate == 0 else f"{100 * rate:.1f}"


def percent(rate: float) -> str:
    """Return a share as a percentage for a sentence, with one decimal below 10 unless it is 0: 23 %, 2.3 %, 7 %."""
    text = of_hundred(rate)
    return f"{text if text == '0.0' else text.removesuffix('.0')} %"


def about(value: float) -> str:
    """Return an estimate for a sentence, as a whole number of at most two digits and zeros: 19, 420, 18,000."""
    zeros = max(0, len(f"{abs(value):.0f}") - 2)
    return f"{round(value, -zeros):,.0f}"
