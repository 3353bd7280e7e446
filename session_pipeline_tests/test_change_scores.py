"""Tests the formulas of changes by hand, against scipy and against statsmodels."""

import math

import numpy as np
import pytest

from session_pipeline.tables.changes.scores import (
    drop_q_values,
    first_day_of_change,
    largest_share_with_score,
    signed_root,
)


def test_score_equals_the_calculation_by_hand() -> None:
    # 12 of 49 against 24 of 31: G = 2 * (12 ln(12/22.05) + 37 ln(37/26.95) + 24 ln(24/13.95) + 7 ln(7/17.05))
    terms = ((12, 22.05), (37, 26.95), (24, 13.95), (7, 17.05))
    by_hand = -math.sqrt(2 * sum(count * math.log(count / expected) for count, expected in terms))
    found = signed_root(*(np.array([float(each)]) for each in (12, 49, 24, 31)))
    assert found[0] == pytest.approx(by_hand)


def test_score_is_zero_without_trials_or_without_a_difference() -> None:
    counts = [np.array(each, float) for each in ([0, 5, 0, 10], [0, 10, 10, 10], [5, 20, 0, 20], [10, 40, 40, 20])]
    assert signed_root(*counts).tolist() == [0, 0, 0, 0]


@pytest.mark.long
def test_score_equals_that_of_scipy() -> None:
    from scipy import stats  # takes seconds, which each worker of the tests would need

    g = stats.chi2_contingency([[12, 37], [24, 7]], correction=False, lambda_="log-likelihood")[0]
    found = signed_root(*(np.array([float(each)]) for each in (12, 49, 24, 31)))
    assert found[0] == pytest.approx(-np.sqrt(g))


def test_q_values_equal_the_calculation_by_hand() -> None:
    # Two rows: p = 0.00135 and 0.5, harmonic 1.5. The first: p * 2 * 1.5 / 1; the second: p * 2 * 1.5 / 2.
    assert drop_q_values(np.array([0.0, -3.0])) == pytest.approx([0.75, 3 * 0.0013498980316301])
    assert drop_q_values(np.array([])).tolist() == []
    assert drop_q_values(np.array([3.0])).tolist() == [1]  # a gain; by the formula, it would be 0.99865


@pytest.mark.long
def test_q_values_equal_those_of_statsmodels() -> None:
    from scipy import stats  # takes seconds, which each worker of the tests would need
    from statsmodels.stats import multitest

    scores = np.array([-4.2, -3.9, -1, 0.5, 2, -2.5])
    assert np.allclose(drop_q_values(scores), multitest.multipletests(stats.norm.cdf(scores), method="fdr_by")[1])


def test_change_begins_where_the_share_differs_most() -> None:
    assert first_day_of_change([5] * 20 + [1] * 5, [10] * 25, is_drop=True) == 20
    assert first_day_of_change([5] * 20 + [9] * 5, [10] * 25, is_drop=False) == 20
    assert first_day_of_change([5, 1, 1], [10, 10, 10], is_drop=True) == 2


def test_detectable_share_has_the_score_asked_for() -> None:
    n1, k0, n0, spread = (np.array([float(each)]) for each in (100, 400, 800, 1.5))
    [share] = largest_share_with_score(-4.0, n1, k0, n0, spread)
    assert signed_root(np.array([share * 100]), n1, k0, n0)[0] / math.sqrt(1.5) == pytest.approx(-4)
    assert np.isnan(largest_share_with_score(-4.0, np.array([5.0]), k0, n0, spread)[0])
