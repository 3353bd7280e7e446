"""Tests which drops of the values of other dimensions a fault of all sessions accounts for.

The counts are those of a usual day, and of the days since a fault began. All rows are also those of the oracle.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from session_pipeline_tests.oracles.progress import GOAL, WHOLE, Segment, rows_of_counts
from session_pipeline_tests.planted_counts import FIRST, OfADay, alerts, changes_of
from session_pipeline_tests.test_attribution_against_oracle import compare

LANDING: Segment = ("landing_action", "home")

# Half of the sessions at the cart no longer go on to pay.
USUAL: OfADay = {
    ("cart", GOAL): (400, 240, 0),
    ("cart", "pay"): (300, 240, 240),
    ("home", GOAL): (500, 100, 0),
    ("home", "cart"): (150, 100, 100),
    ("home", "pay"): (120, 100, 100),
    ("pay", GOAL): (300, 240, 0),
    (GOAL, GOAL): (240, 240, 0),
}
FAULTY: OfADay = USUAL | {
    ("cart", GOAL): (400, 120, 0),
    ("cart", "pay"): (150, 120, 120),
    ("home", GOAL): (500, 50, 0),
    ("home", "cart"): (150, 50, 50),
    ("home", "pay"): (60, 50, 50),
    ("pay", GOAL): (150, 120, 0),
    (GOAL, GOAL): (120, 120, 0),
}
# All sessions that begin with home and are at the cart have been at home, and only a few of the others have.
OF_LANDING: OfADay = {
    ("cart", GOAL): (130, 90, 0),
    ("home", GOAL): (400, 90, 0),
    ("home", "cart"): (130, 90, 90),
    ("home", "pay"): (105, 90, 90),
}
FAULTY_OF_LANDING: OfADay = {
    ("cart", GOAL): (130, 45, 0),
    ("home", GOAL): (400, 45, 0),
    ("home", "cart"): (130, 45, 45),
    ("home", "pay"): (52, 45, 45),
}


def test_a_fault_accounts_for_the_drop_of_those_who_begin_with_an_earlier_action() -> None:
    found = changes_of(USUAL, FAULTY, parts={LANDING: (OF_LANDING, FAULTY_OF_LANDING)})
    assert found[7, LANDING, ("home", "pay")]["score"] < -4
    assert found[7, LANDING, ("home", "pay")]["explained_by"] == "all=all: cart > pay"
    assert alerts(found) == {("cart", "pay")}


def alerts_with_pair(converted: Callable[[int], int], first: int = 57) -> set[tuple[str, str, str]]:
    """Return the alerts of day 140, if so many of those who begin with home and go on to the cart convert each day.

    Rows of day 140 read days from 57 on. Days before are built together with it. Of those who begin otherwise, many are
    at home and convert less often, too, so the drop of all says little about those who begin with home.
    """
    counts = {}
    for offset in range(first, 141):
        of_all, of_landing = (FAULTY, FAULTY_OF_LANDING) if offset >= 134 else (USUAL, OF_LANDING)
        of_all = of_all | {("home", GOAL): (5000, 920 if offset >= 134 else 1000, 0)}
        of_landing = {step: each for step, each in of_landing.items() if step[1] == GOAL}
        of_segments = {WHOLE: of_all, LANDING: of_landing | {("home", "cart"): (130, converted(offset), 0)}}
        counts[FIRST + timedelta(days=offset)] = {
            (segment, *step): each for segment, of_segment in of_segments.items() for step, each in of_segment.items()
        }
    asked_for = {FIRST + timedelta(days=offset) for offset in (*range(first, 57), 140)}
    rows = [row for row in compare(rows_of_counts(counts, asked_for)) if row["is_alert"]]
    last = max(asked_for)
    return {(row["dimension_value"], row["action"], row["next_action"]) for row in rows if row["session_date"] == last}


@pytest.mark.parametrize(("converted", "alert_count"), [(4, 2), (5, 1)])
def test_a_pair_of_a_segment_counts_from_5_usual_conversions_on(converted: int, alert_count: int) -> None:
    assert len(alerts_with_pair(lambda offset: converted if offset == 100 else 0)) == alert_count


@pytest.mark.parametrize("first", [0, 57])
def test_a_pair_that_is_rare_on_the_days_before_counts_neither_alone_nor_with_earlier_days(first: int) -> None:
    found = alerts_with_pair(lambda offset: 9 if offset < 57 else 0, first)
    assert found == {("all", "cart", "pay"), ("home", "home", GOAL)}


# The same sessions in two dimensions

M: Segment = ("device", "m")
IOS: Segment = ("os", "ios")


@pytest.mark.parametrize(("of_all", "expected"), [(400, {M}), (360, {M, IOS})])
def test_a_drop_of_another_dimension_is_accounted_for_if_it_lost_what_all_lost(
    of_all: int, expected: set[Segment]
) -> None:
    """Mobile visits lose 100 conversions, those with iOS 60, and all lose 100 or 140.

    If all lose 100, the 60 are mobile, and with 140 at least 20 of them. As if the dimensions were independent, 36 are.
    """
    found = changes_of(
        {("cart", GOAL): (1000, 500, 0), (GOAL, GOAL): (500, 500, 0)},
        {("cart", GOAL): (1000, of_all, 0), (GOAL, GOAL): (of_all, of_all, 0)},
        parts={
            M: ({("cart", GOAL): (400, 200, 0)}, {("cart", GOAL): (400, 100, 0)}),
            IOS: ({("cart", GOAL): (360, 180, 0)}, {("cart", GOAL): (360, 120, 0)}),
        },
    )
    assert found[7, IOS, ("cart", GOAL)]["score"] < -4
    assert {segment for segment, _ in alerts(found)} == expected


def values_with_alerts(converted: Callable[[int], int], first: int = 57) -> set[str]:
    """Return the values with an alert on day 140, if so many mobile visits go on from home to ship each day.

    Mobile visits no longer go on from the cart to pay, and so not to ship. Some of them begin with home. Rows of that
    day read days from 57 on. Days before are built together with it.
    """
    ship: OfADay = {("home", "ship"): (108, 95, 95), ("pay", "ship"): (270, 230, 230), ("ship", GOAL): (270, 230, 0)}
    of_home = {False: (95, 85, 85), True: (47, 42, 42)}
    desktop: OfADay = {("cart", GOAL): (40, 24, 0), ("cart", "pay"): (30, 24, 24), ("pay", GOAL): (30, 24, 0)}
    counts = {}
    for offset in range(first, 141):
        is_faulty = offset >= 134
        of_ship = {step: tuple(count // (1 + is_faulty) for count in each) for step, each in ship.items()}
        mobile = (FAULTY if is_faulty else USUAL) | of_ship
        whole = {
            step: tuple(map(sum, zip(each, desktop.get(step, (0, 0, 0)), strict=True))) for step, each in mobile.items()
        }
        of_mobile = {step: mobile[step] for step in (("cart", GOAL), ("cart", "pay"), ("home", GOAL))}
        if converted(offset):
            of_mobile[("home", "ship")] = (converted(offset),) * 3
        of_landing = {("home", GOAL): (400, 45 if is_faulty else 90, 0), ("home", "ship"): of_home[is_faulty]}
        counts[FIRST + timedelta(days=offset)] = {
            (segment, *step): each
            for segment, of_segment in ((WHOLE, whole), (M, of_mobile), (LANDING, of_landing))
            for step, each in of_segment.items()
        }
    last = FIRST + timedelta(days=140)
    rows = compare(rows_of_counts(counts, {*(FIRST + timedelta(days=offset) for offset in range(first, 57)), last}))
    return {row["dimension_value"] for row in rows if row["is_alert"] and row["session_date"] == last}


@pytest.mark.parametrize(("converted", "expected"), [(4, {"m", "home"}), (5, {"m"})])
def test_a_pair_of_the_segment_of_the_alert_counts_from_5_usual_conversions_on(
    converted: int, expected: set[str]
) -> None:
    assert values_with_alerts(lambda offset: converted if offset == 107 else 0) == expected


@pytest.mark.parametrize("first", [0, 57])
def test_a_pair_of_the_segment_of_the_alert_that_is_rare_on_the_days_before_does_not_count(first: int) -> None:
    assert values_with_alerts(lambda offset: 9 if offset < 57 else 0, first) == {"m", "home"}
