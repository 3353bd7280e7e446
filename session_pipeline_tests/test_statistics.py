"""Tests q-values and shares as percentages."""

from random import Random

import numpy as np
import pytest

from session_pipeline.tables.statistics import about, of_hundred, percent, q_values
from session_pipeline_tests.oracles.strata import yekutieli


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_q_values_are_those_of_statsmodels(seed: int) -> None:
    from statsmodels.stats import multitest  # takes seconds, which each worker of the tests would need

    random = Random(seed)
    p_values = [random.random() ** 3 for _ in range(9)]
    expected = multitest.multipletests(p_values, method="fdr_by")[1].tolist()
    assert q_values(p_values).tolist() == pytest.approx(expected)


def test_q_values_are_computed_by_group() -> None:
    p_values = [0.01, 0.04, 0.03, 0.5, 0.001]
    of_first = yekutieli([0.01, 0.04, 0.001])
    of_second = yekutieli([0.03, 0.5])
    found = q_values(p_values, np.array([0, 0, 1, 1, 0])).tolist()
    assert found == pytest.approx([of_first[0], of_first[1], of_second[0], of_second[1], of_first[2]])


def test_no_tests_have_no_q_values() -> None:
    assert q_values([]).tolist() == []


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0"),
        (0.0004, "0.0"),
        (0.023, "2.3"),
        (0.0994, "9.9"),
        (0.09949, "9.9"),
        (0.0995, "10"),
        (0.0996, "10"),
        (0.1, "10"),
        (0.234, "23"),
        (1.0, "100"),
    ],
)
def test_rates_below_ten_of_hundred_have_a_decimal(rate: float, text: str) -> None:
    assert of_hundred(rate) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, "0 %"), (0.0004, "0.0 %"), (0.07, "7 %"), (0.0702, "7 %"), (0.073, "7.3 %"), (1.0, "100 %")],
)
def test_percentages_have_no_decimal_that_is_zero(rate: float, text: str) -> None:
    assert percent(rate) == text


def test_no_rate_is_ten_with_a_decimal() -> None:
    assert "10.0" not in {of_hundred(number / 1_000_000) for number in range(90_000, 110_000)}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4, "0"), (19.4, "19"), (99.6, "100"), (421, "420"), (996, "1,000"), (18_236, "18,000"), (-421, "-420")],
)
def test_estimates_have_two_digits(value: float, text: str) -> None:
    assert about(value) == text
