"""Tests on which days a change lasted, by hand and against the oracle: only clear evidence ends it."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from session_pipeline.tables.changes.periods import Period, period_of_change
from session_pipeline_tests.oracles import periods, progress

USUAL, LOW = (85, 100), (43, 100)
PARTLY = (70, 100)
WEEK = [USUAL] * 5 + [LOW] * 2


def period(
    days: Sequence[tuple[int, int]], window_days: int = 28, spread: float = 1.0, *, is_drop: bool = True
) -> Period:
    """Return the period of a change in the window that ends with the last of these days."""
    counts, totals = (np.array(each, np.int64) for each in zip(*days, strict=True))
    return period_of_change(counts, totals, start=0, window=len(days) - window_days, spread=spread, is_drop=is_drop)


def test_a_change_that_lasts_has_no_end() -> None:
    assert period([USUAL] * 70 + [LOW] * 10) == Period(70)


def test_a_change_that_is_over_has_its_days_and_shares() -> None:
    assert period([USUAL] * 60 + [LOW] * 10 + [USUAL] * 8) == Period(60, 70, (0.85, 0.43, 0.85))


def test_a_rise_that_is_over_has_its_days_and_shares() -> None:
    assert period([LOW] * 60 + [USUAL] * 10 + [LOW] * 8, is_drop=False) == Period(60, 70, (0.43, 0.85, 0.43))


@pytest.mark.parametrize(("days_since", "over_from"), [(2, None), (3, 70)])
def test_a_weekend_alone_ends_no_change(days_since: int, over_from: int | None) -> None:
    assert period([USUAL] * 60 + [LOW] * 10 + [USUAL] * days_since).over_from == over_from


def test_few_usual_sessions_end_no_change() -> None:
    assert period([USUAL] * 60 + [LOW] * 10 + [(1, 1)] * 3).over_from is None


def test_days_that_differ_much_by_themselves_end_no_change() -> None:
    days = [USUAL] * 60 + [LOW] * 10 + [(9, 10)] * 3
    assert [period(days, spread=spread).over_from for spread in (1.0, 4.0)] == [70, None]


def test_a_change_that_is_over_in_part_lasts() -> None:
    assert period([USUAL] * 60 + [LOW] * 10 + [PARTLY] * 8) == Period(60)


def test_a_change_that_returns_lasts() -> None:
    assert period([USUAL] * 60 + [LOW] * 10 + [USUAL] * 15 + [LOW]).over_from is None


@pytest.mark.parametrize(
    ("weeks", "days_since", "found"),
    [
        (1, 3, (75, 77)),  # nothing says yet that it comes back
        (2, 3, (75, None)),
        (2, 5, (75, None)),
        (2, 6, (75, 84)),  # Saturday was usual
        (2, 7, (75, 84)),
        (4, 3, (75, None)),
        (4, 7, (75, 98)),
    ],
)
def test_a_change_of_weekends_lasts_until_one_is_usual(
    weeks: int, days_since: int, found: tuple[int, int | None]
) -> None:
    of_change = period([USUAL] * 70 + WEEK * weeks + [USUAL] * days_since)
    assert (of_change.first, of_change.over_from) == found


def test_a_week_counts_days_without_sessions() -> None:
    """The site has no visits from Thursday on, so the second Friday is the third day with visits after a weekend."""
    week = [USUAL, USUAL, USUAL, (0, 0), (0, 0), LOW, LOW]
    assert period([USUAL] * 70 + week * 2 + week[:3]).over_from is None
    assert period([USUAL] * 70 + week * 2 + [(0, 0)] * 4 + [USUAL] * 3).over_from == 88


def test_a_change_that_was_there_on_all_weekdays_is_over_within_a_week() -> None:
    assert period([USUAL] * 70 + [LOW] * 7 + [USUAL] * 3).over_from == 77


@pytest.mark.parametrize(("pause", "expected"), [(6, Period(50)), (7, Period(77, older=(50, 70)))])
def test_a_change_that_returns_after_a_week_is_a_new_one(pause: int, expected: Period) -> None:
    assert period([USUAL] * 50 + [LOW] * 20 + [USUAL] * pause + [LOW] * 4) == expected


def test_a_change_that_returned_twice_began_with_the_last_return() -> None:
    assert period([USUAL] * 40 + ([LOW] * 10 + [USUAL] * 7) * 2 + [LOW] * 4) == Period(74, older=(40, 67))


def test_a_rise_that_returns_after_a_week_is_a_new_one() -> None:
    assert period([LOW] * 50 + [USUAL] * 10 + [LOW] * 7 + [USUAL] * 4, is_drop=False) == Period(67, older=(50, 60))


def test_a_pause_that_is_not_clear_makes_no_new_change() -> None:
    assert period([USUAL] * 50 + [LOW] * 10 + [PARTLY] * 7 + [LOW] * 4) == Period(50)


def test_a_change_before_the_window_is_not_its_change() -> None:
    days = [USUAL] * 40 + [(5, 100)] * 20 + [USUAL] * 20 + [PARTLY] * 4
    assert period(days, window_days=7).over_from is None


def test_days_without_sessions_are_left_out() -> None:
    days = [USUAL] * 60 + [LOW] * 9 + [(0, 0)] * 2 + [USUAL] * 5
    assert period(days) == Period(60, 71, (0.85, 0.43, 0.85))


@pytest.mark.parametrize(("share_since", "over_from"), [(72, 70), (71, None)])
def test_a_share_of_exactly_90_percent_of_the_usual_one_is_usual(share_since: int, over_from: int | None) -> None:
    """In floating-point numbers, 0.72 is less than 90 % of 0.8."""
    days = [(80, 100)] * 60 + [(40, 100)] * 10 + [(share_since, 100)] * 8
    assert period(days).over_from == over_from


@pytest.mark.parametrize(("count_since", "over_from"), [(200, 70), (201, None)])
def test_after_a_rise_the_usual_share_is_at_least_90_percent_of_that_since(
    count_since: int, over_from: int | None
) -> None:
    days = [(180, 1000)] * 60 + [(600, 1000)] * 10 + [(count_since, 1000)] * 8
    assert period(days, is_drop=False).over_from == over_from


@pytest.mark.parametrize(("count_since", "over_from"), [(48, 70), (47, None)])
def test_a_lower_share_of_few_sessions_is_usual_if_its_score_is_above_2(
    count_since: int, over_from: int | None
) -> None:
    """The scores of 48 and 47 of 63 against 85 % are -1.82 and -2.13."""
    days = [USUAL] * 60 + [LOW] * 10 + [(16, 21), (16, 21), (count_since - 32, 21)]
    assert period(days).over_from == over_from


@pytest.mark.parametrize(("count", "over_from"), [(53, 70), (54, None)])
def test_days_since_differ_from_a_change_with_a_score_of_3(count: int, over_from: int | None) -> None:
    """The score of 530 of 1000 against 17 of 20 is -3.008, that of 531 is -2.999."""
    days = [USUAL] * 60 + [(53, 100)] * 9 + [(count, 100)] + [(7, 8), (5, 6), (5, 6)]
    assert period(days).over_from == over_from


@pytest.mark.parametrize(
    ("last", "over_from"),
    [
        ((74, 100), 70),  # a score of -2.82 against the usual share
        ((73, 100), None),  # -3.06
        ((765, 1000), 70),  # 90 % of the usual share
        ((764, 1000), None),
    ],
)
def test_a_last_day_that_is_clearly_low_again_ends_no_change(last: tuple[int, int], over_from: int | None) -> None:
    assert period([USUAL] * 60 + [LOW] * 10 + [USUAL] * 15 + [last]).over_from == over_from


def test_a_change_begins_after_seven_days_at_the_earliest() -> None:
    assert period([USUAL] * 6 + [LOW] * 20).first == 7
    assert period([USUAL] * 6 + [LOW] * 10 + [USUAL] * 12) == Period(7, 16, pytest.approx((0.79, 0.43, 0.85)))


@pytest.mark.parametrize(("window_days", "over_from"), [(15, 70), (14, 71)])
def test_a_change_that_is_over_has_a_day_in_the_window(window_days: int, over_from: int) -> None:
    days = [USUAL] * 60 + [LOW] * 10 + [USUAL] * 14
    assert period(days, window_days=window_days).over_from == over_from


def random_days(seed: int, lowest: float, days_since: int) -> list[tuple[int, int]]:
    """Return the counts of 84 days: up to 20 of them, before `days_since` usual days, have a lower share."""
    random = Random(seed)
    usual, lasting, size = random.uniform(0.1, 0.9), random.randint(3, 20), random.choice([5, 20, 100])
    ratio = random.uniform(lowest, 1)
    shares = [usual] * (84 - lasting - days_since) + [usual * ratio] * lasting + [usual] * days_since
    if random.random() < 0.5:  # it comes back, or was there before
        every = random.choice((7, 7, 14, 25))
        shares = [min(share, shares[min(83, place + every)]) for place, share in enumerate(shares)]
        shares = [min(share, shares[min(83, place + every)]) for place, share in enumerate(shares)]
    has_visits = random.choice((1, 0.9))
    totals = [random.randint(1, 2 * size) if random.random() < has_visits else 0 for _ in shares]
    return [
        (sum(random.random() < share for _ in range(total)), total) for share, total in zip(shares, totals, strict=True)
    ]


@pytest.mark.parametrize(
    "is_drop", [pytest.param(True, marks=pytest.mark.long), pytest.param(False, marks=pytest.mark.nightly)]
)
def test_periods_are_those_of_the_oracle(*, is_drop: bool) -> None:
    over_count = 0
    for seed in range(24):
        days = random_days(seed, 0.2, Random(-seed).randint(0, 12))
        days = days if is_drop else [(n - k, n) for k, n in days]
        window_days, spread = (7, 14, 28)[seed % 3], 1 + seed % 2
        found = period(days, window_days, spread, is_drop=is_drop)
        over_count += found.over_from is not None
        expected = periods.period(days, 84 - window_days, spread, 1 if is_drop else -1)
        assert (found.first, found.over_from) == expected, seed
    assert 3 < over_count < 21


def score(days: Sequence[tuple[int, int]], window_days: int) -> float:
    """Return the score of the window that ends with the last day against the 56 days before it."""
    (k1, n1), (k0, n0) = (
        [sum(each) for each in zip(*part, strict=True)]
        for part in (days[-window_days:], days[-window_days - 56 : -window_days])
    )
    return progress.root(k1, n1, k0, n0)


@pytest.mark.long
def test_an_alert_that_lasts_hardly_ever_looks_over() -> None:
    alerts = [
        (days, window_days)
        for seed in range(2000)
        for days in [random_days(seed, 0.2, 0)]
        for window_days in [min((7, 14, 28), key=lambda window_days: score(days, window_days))]
        if score(days, window_days) <= -4
    ]
    assert len(alerts) > 1000
    assert sum(period(*alert).over_from is not None for alert in alerts) < 0.01 * len(alerts)
