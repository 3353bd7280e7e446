"""Shows in a few counts which steps are tested and which drops can be alerts: cases on both sides of each condition.

The counts are those of a usual day, and of the days since a fault began. All rows are also those of the oracle.
"""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from session_pipeline_tests.oracles.progress import GOAL, WHOLE, Segment, rows_of_counts
from session_pipeline_tests.planted_counts import FIRST, OfADay, Step, alerts, changes_of
from session_pipeline_tests.test_attribution_against_oracle import compare

# What is tested


@pytest.mark.parametrize(("session_count", "is_tested"), [(20, True), (19, False)])
def test_a_step_on_which_exactly_5_conversions_depend_is_tested(session_count: int, is_tested: bool) -> None:
    """The value of the step is 0.5. In floating-point numbers, 7.5 / 13 - 1 / 13 is less."""
    days = {FIRST + timedelta(days=offset): {(WHOLE, "x", GOAL): (9, 0, 0)} for offset in range(84)}
    for offset in range(44, 50):  # at least 7 days before have sessions
        days[FIRST + timedelta(days=offset)] |= {(WHOLE, "a", GOAL): (1, 0, 0)}
    days[FIRST + timedelta(days=50)] |= {(WHOLE, "a", GOAL): (18, 8, 0), (WHOLE, "a", "b"): (12, 7, 7)}
    days[FIRST + timedelta(days=83)] |= {(WHOLE, "a", GOAL): (session_count, 6, 0), (WHOLE, "a", "b"): (9, 6, 6)}
    rows = [row for row in compare(rows_of_counts(days, {FIRST + timedelta(days=83)})) if row["window_days"] == 7]
    assert {row["tested_count"] for row in rows} == {1 + is_tested}


@pytest.mark.parametrize(("usual_count", "is_tested"), [(20, True), (19, False)])
def test_a_step_with_at_least_20_usual_sessions_is_tested(usual_count: int, is_tested: bool) -> None:
    days = {FIRST + timedelta(days=offset): {(WHOLE, "x", GOAL): (9, 9, 0)} for offset in range(84)}
    for offset in range(44, 50):
        days[FIRST + timedelta(days=offset)] |= {(WHOLE, "a", GOAL): (1, 0, 0)}
    days[FIRST + timedelta(days=50)] |= {(WHOLE, "a", GOAL): (usual_count - 6, 9, 0)}
    days[FIRST + timedelta(days=83)] |= {(WHOLE, "a", GOAL): (30, 9, 0)}
    rows = [row for row in compare(rows_of_counts(days, {FIRST + timedelta(days=83)})) if row["window_days"] == 7]
    assert {row["tested_count"] for row in rows} == {1 + is_tested}


def test_steps_with_exactly_their_usual_rates_have_equal_scores() -> None:
    """So the one row of each window is the first step."""
    usual: OfADay = {("a", GOAL): (20, 14, 0), ("b", GOAL): (20, 10, 0), (GOAL, GOAL): (20, 20, 0)}
    found = changes_of(usual, usual)
    assert {(key[1], row["score"]) for key, row in found.items()} == {(("a", GOAL), 0)}


@pytest.mark.parametrize(
    ("usual", "faulty", "tested"),
    [((100, 50), (100, 50), 1), ((99, 50), (100, 50), 2), ((100, 50), (99, 50), 2)],
)
def test_a_value_that_has_all_sessions_is_not_tested_twice(
    usual: tuple[int, int], faulty: tuple[int, int], tested: int
) -> None:
    whole: OfADay = {("a", GOAL): (100, 50, 0), (GOAL, GOAL): (50, 50, 0)}
    part: tuple[OfADay, OfADay] = {("a", GOAL): (*usual, 0)}, {("a", GOAL): (*faulty, 0)}
    found = changes_of(whole, whole, faulty_days=28, parts={("device", "m"): part})
    assert {row["tested_count"] for (window_days, *_), row in found.items() if window_days == 28} == {tested}


@pytest.mark.parametrize(("days_before", "window_days"), [(28, {1}), (27, set())])
def test_a_window_needs_28_days_with_sessions_before_it(days_before: int, window_days: set[int]) -> None:
    days = {FIRST + timedelta(days=offset): {(WHOLE, "a", GOAL): (20, 10, 0)} for offset in range(days_before + 1)}
    rows = compare(rows_of_counts(days, {max(days)}))
    assert {row["window_days"] for row in rows} == window_days


def funnel(at_cart: int, passed: int) -> OfADay:
    """Return the counts of a day: sessions at the cart, of which some go to the checkout, where half convert."""
    converted = passed // 2
    return {
        ("cart", GOAL): (at_cart, converted, 0),
        ("cart", "checkout"): (passed, converted, converted),
        ("checkout", GOAL): (passed, converted, 0),
    }


@pytest.mark.parametrize("usual", [20, 19])
def test_a_fault_at_a_step_that_usually_every_session_takes_is_the_alert(usual: int) -> None:
    """Of 20 mobile and 20 desktop sessions a day at the cart, all or nearly all go on. Then only 4 mobile ones do."""
    desktop, mobile, faulty = funnel(20, 20), funnel(20, usual), funnel(20, 4)
    found = changes_of(
        {**funnel(40, 20 + usual), (GOAL, GOAL): (20, 20, 0)},
        {**funnel(40, 24), (GOAL, GOAL): (12, 12, 0)},
        parts={("device", "mobile"): (mobile, faulty), ("device", "desktop"): (desktop, desktop)},
    )
    assert alerts(found) == {(("device", "mobile"), ("cart", "checkout"))}
    assert found[7, ("device", "mobile"), ("cart", "checkout")]["usual_rate"] == usual / 20


# What can be an alert


@pytest.mark.parametrize(("actions", "is_alert"), [(250, True), (300, False)])
def test_the_more_steps_are_tested_the_lower_a_score_must_be(actions: int, is_alert: bool) -> None:
    """By chance, a score of -4.04 has a probability of 0.000027. The lowest of 300 scores is as low more often."""
    usual: OfADay = {**{(f"a{number}", GOAL): (200, 100, 0) for number in range(actions)}, (GOAL, GOAL): (100, 100, 0)}
    row = changes_of(usual, {**usual, ("a7", GOAL): (200, (88, 89), 0)})[7, ("a7", GOAL)]
    assert row["score"] == pytest.approx(-4.04, abs=0.005)
    assert row["q_value"] == pytest.approx(0.051 if actions == 300 else 0.041, abs=0.001)
    assert row["is_alert"] == is_alert


@pytest.mark.parametrize(("progressed", "is_alert"), [(297, True), (298, False)])
def test_a_rate_of_exactly_90_percent_of_the_usual_one_is_low_enough(progressed: int, is_alert: bool) -> None:
    """297 of 400 are 90 % of 330 of 400, but not in floating-point numbers."""
    usual: OfADay = {("cart", GOAL): (400, 330, 0), (GOAL, GOAL): (330, 330, 0)}
    found = changes_of(usual, {("cart", GOAL): (400, progressed, 0), (GOAL, GOAL): (progressed, progressed, 0)})
    assert found[7, ("cart", GOAL)]["score"] < -4
    assert alerts(found) == ({("cart", GOAL)} if is_alert else set())


@pytest.mark.parametrize(("converted", "expected"), [(177, {("a", "b")}), (178, set())])
def test_at_least_half_of_the_conversions_that_depend_on_a_drop_must_be_missing(
    converted: int, expected: set[Step]
) -> None:
    """A day has 90 fewer sessions from a to b, of which 45 depend on b. 23 or 22 conversions are missing."""
    found = changes_of(
        {
            ("a", GOAL): (400, 200, 0),
            ("a", "b"): (200, 150, 150),
            ("b", GOAL): (200, 150, 0),
            (GOAL, GOAL): (200, 200, 0),
        },
        {
            ("a", GOAL): (400, converted, 0),
            ("a", "b"): (110, 82, 82),
            ("b", GOAL): (110, 82, 0),
            (GOAL, GOAL): (converted, converted, 0),
        },
    )
    assert found[7, ("a", "b")]["associated_lost"] == pytest.approx(7 * 45, abs=0.2)
    assert found[7, ("a", GOAL)]["score"] < -4
    assert alerts(found) == expected


@pytest.mark.parametrize(("converted", "expected"), [(8, {("a", "b")}), ((7, 9), set())])
def test_fewer_conversions_by_chance_are_no_loss(converted: int | tuple[int, int], expected: set[Step]) -> None:
    """Usually, 70 sessions at a convert in 7 days. The root of 56 is -1.66, that of 57 is -1.53."""
    found = changes_of(
        {("a", GOAL): (500, 10, 0), ("a", "b"): (50, 5, 5), ("b", GOAL): (50, 5, 0), (GOAL, GOAL): (10, 10, 0)},
        {("a", GOAL): (500, converted, 0), ("a", "b"): (10, 1, 1), ("b", GOAL): (10, 1, 0), (GOAL, GOAL): (8, 8, 0)},
    )
    assert found[7, ("a", "b")]["score"] < -4
    assert alerts(found) == expected


# More visits

Visits = tuple[int | tuple[int, ...], int | tuple[int, ...]]  # at a, and those that convert


@pytest.mark.parametrize(
    ("channels", "visits", "converted", "is_loss"),
    [
        # x gained 200 visits, z 100. So growth is that of z: 11 times as many, more than all.
        ({"x": ((1000, 200), (1200, 222)), "z": ((10, 2), (110, 20))}, (1010, 1310), (202, 242), True),
        # x gained 90 visits, z 100. So growth is that of x: 1.09.
        ({"x": ((1000, 200), (1090, 202)), "z": ((10, 2), (110, 20))}, (1010, 1200), (202, 222), False),
        # Both gained 100 visits. Without the last name, growth is 1.1 here, and 11 below.
        ({"x": ((1000, 200), (1100, 204)), "z": ((10, 2), (110, 20))}, (1010, 1210), (202, 222), False),
        ({"x": ((1000, 200), (1100, 204)), "b": ((10, 2), (110, 20))}, (1010, 1210), (202, 222), True),
        # Without x, there are half as many visits as usual. Growth is 1 then.
        ({"x": ((500, 100), (750, 120)), "z": ((500, 100), (250, 40))}, (1000, 1000), (200, 160), True),
        # Without x, growth is 1. w has 4 usual conversions, so its visits do not count.
        (
            {
                "x": ((1000, 200), (1500, 200)),
                "z": ((200, 40), (200, 40)),
                "w": ((100, (1, *[0] * 13)), (400, 0)),
            },
            (1300, 2100),
            (240, 240),
            False,
        ),
        # With 8 conversions, they do: growth is 2.
        (
            {
                "x": ((1000, 200), (1500, 200)),
                "z": ((200, 40), (200, 40)),
                "w": ((100, (1, *[0] * 6)), (400, 0)),
            },
            (1300, 2100),
            (240, 240),
            True,
        ),
        # z has no visits on four of seven days, which count. So growth is 6 / 7, and not 2.
        ({"x": ((1000, 200), (1500, 200)), "z": ((100, 20), ((200, 0), (35, 0)))}, (1100, 1586), (220, 215), False),
    ],
)
def test_more_visits_count_as_far_as_visits_grew_without_the_channel_that_gained_most(
    channels: Mapping[str, tuple[Visits, Visits]], visits: tuple[int, int], converted: tuple[int, int], is_loss: bool
) -> None:
    """As many sessions as usual go on from a to b, of more visits."""
    parts: dict[Segment, tuple[OfADay, OfADay]] = {
        ("channel", name): ({("a", GOAL): (*usual, 0)}, {("a", GOAL): (*faulty, 0)})
        for name, (usual, faulty) in channels.items()
    }
    to_b = [0.3 * visits[0], 0.3 * visits[0] if visits[1] > visits[0] else 0.24 * visits[0]]
    whole: list[OfADay] = [
        {
            ("a", GOAL): (visits[each], converted[each], 0),
            ("a", "b"): (round(to_b[each]), round(0.3 * to_b[each]), 0),
            ("b", GOAL): (round(to_b[each]), round(0.3 * to_b[each]), 0),
            (GOAL, GOAL): (converted[each], converted[each], 0),
        }
        for each in range(2)
    ]
    found = changes_of(*whole, parts=parts)
    assert found[7, ("a", "b")]["score"] < -4
    assert (("a", "b") in alerts(found)) == is_loss


@pytest.mark.parametrize(
    ("visits", "converted", "is_loss"),
    [
        (1400, 17, False),  # 119 of the 140 conversions that are usual in a week: a root of about -1.8
        (1400, 14, True),  # 98: about -3.6
        (1240, 17, True),  # 1.24 times the usual visits can be chance
    ],
)
def test_among_far_more_visits_conversions_are_missing_only_if_that_is_no_chance(
    visits: int, converted: int, is_loss: bool
) -> None:
    """A campaign brings visits that never convert to one channel, so the rate is lower at every step."""
    usual: OfADay = {("a", GOAL): (1000, 20, 0), ("a", "b"): (500, 19, 19), ("b", GOAL): (500, 19, 0)}
    now: OfADay = {("a", GOAL): (visits, converted, 0), ("a", "b"): (250, 12, 12), ("b", GOAL): (250, 12, 0)}
    channels: dict[Segment, tuple[OfADay, OfADay]] = {
        ("channel", "x"): ({("a", GOAL): (900, 18, 0)}, {("a", GOAL): (visits - 100, converted - 2, 0)}),
        ("channel", "z"): ({("a", GOAL): (100, 2, 0)}, {("a", GOAL): (100, 2, 0)}),
    }
    goals: list[OfADay] = [{(GOAL, GOAL): (count, count, 0)} for count in (20, converted)]
    found = changes_of({**usual, **goals[0]}, {**now, **goals[1]}, parts=channels)
    assert found[7, ("a", "b")]["score"] < -4
    assert (("a", "b") in alerts(found)) == is_loss
