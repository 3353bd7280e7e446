"""Shows in a few counts which drop becomes an alert and what it accounts for: cases in which one rule decides.

The counts are those of a usual day, and of the days since a fault began. All rows are also those of the oracle.
"""

from datetime import timedelta

import pytest

from session_pipeline_tests.oracles.progress import GOAL, WHOLE, rows_of_counts
from session_pipeline_tests.planted_counts import FIRST, OfADay, Step, alerts, changes_of
from session_pipeline_tests.test_attribution_against_oracle import compare

# Which drop is chosen


def test_of_two_windows_with_equal_drops_the_shorter_one_has_the_alert() -> None:
    """Nobody visits a on days 14 to 20 and 70 to 76, so both windows have the same visits, now and before."""
    days = {FIRST + timedelta(days=offset): {(WHOLE, "x", GOAL): (9, 0, 0)} for offset in range(84)}
    for offset in set(range(84)) - {*range(14, 21), *range(70, 77)}:
        days[FIRST + timedelta(days=offset)][WHOLE, "a", GOAL] = (400, 200 if offset < 77 else 120, 0)
    rows = {row["window_days"]: row for row in compare(rows_of_counts(days, {FIRST + timedelta(days=83)}))}
    assert rows[7]["score"] == rows[14]["score"] < -4
    assert [window_days for window_days, row in rows.items() if row["is_alert"]] == [7]


@pytest.mark.parametrize(("other_way", "closest"), [((20, 10), "a"), ((21, 10), "c"), ((10, 21), "a"), ((10, 10), "a")])
def test_an_action_is_earlier_if_more_than_twice_as_many_sessions_go_that_way(
    other_way: tuple[int, int], closest: str
) -> None:
    """The drop from a to b is a little stronger than that from c to b. Only if c is later, the latter is the alert."""
    to_c, to_a = other_way
    order = {("a", "c"): (to_c, 0, 0), ("c", "a"): (to_a, 0, 0)}
    found = changes_of(
        {
            **order,
            ("a", GOAL): (400, 180, 0),
            ("a", "b"): (200, 180, 180),
            ("c", GOAL): (400, 175, 0),
            ("c", "b"): (190, 171, 171),
            ("b", GOAL): (200, 180, 0),
            (GOAL, GOAL): (180, 180, 0),
        },
        {
            **order,
            ("a", GOAL): (400, 90, 0),
            ("a", "b"): (100, 90, 90),
            ("c", GOAL): (400, 85, 0),
            ("c", "b"): (95, 85, 85),
            ("b", GOAL): (100, 90, 0),
            (GOAL, GOAL): (90, 90, 0),
        },
    )
    assert found[7, ("a", "b")]["score"] < found[7, ("c", "b")]["score"] < 0.9 * found[7, ("a", "b")]["score"]
    assert alerts(found) == {(closest, "b")}


@pytest.mark.parametrize(
    ("passed_to_c", "b_is_first", "expected"),
    [
        (102, False, {("a", "b")}),  # the strongest drop is a loss: the nearer drop to c, which is none, is not chosen
        (98, True, set()),  # the strongest drop is none: the nearer drop to b, which is a loss, is not chosen
    ],
)
def test_a_loss_is_not_replaced_by_a_drop_that_is_none_nor_the_other_way_round(
    passed_to_c: int, b_is_first: bool, expected: set[Step]
) -> None:
    """35 conversions of a day are missing: enough for what depends on b (50), but not for what depends on c (87)."""
    order: OfADay = {("b", "c") if b_is_first else ("c", "b"): (190, 0, 0)}
    found = changes_of(
        {
            **order,
            ("a", GOAL): (400, 200, 0),
            ("a", "b"): (200, 150, 150),
            ("a", "c"): (200, 185, 185),
            ("b", GOAL): (200, 150, 0),
            ("c", GOAL): (200, 185, 0),
            (GOAL, GOAL): (200, 200, 0),
        },
        {
            **order,
            ("a", GOAL): (400, 165, 0),
            ("a", "b"): (100, 75, 75),
            ("a", "c"): (passed_to_c, 90, 90),
            ("b", GOAL): (100, 75, 0),
            ("c", GOAL): (100, 92, 0),
            (GOAL, GOAL): (165, 165, 0),
        },
    )
    scores = sorted(found[7, ("a", later)]["score"] for later in "bc")
    assert scores[1] < 0.9 * scores[0]
    assert (found[7, ("a", "b")]["score"] == scores[0]) == (not b_is_first)
    assert alerts(found) == expected


@pytest.mark.parametrize(("swing", "expected"), [(83, ("c", "d")), (95, ("c", GOAL))])
def test_a_drop_with_a_score_above_3_lends_no_alert_its_name(swing: int, expected: Step) -> None:
    """The drop from c to d is the strongest one. The more its usual days differ, the less its score says."""
    found = changes_of(
        {
            ("c", GOAL): (1000, 500, 0),
            ("c", "d"): ((300 - swing, 300 + swing), 285, 285),
            ("d", GOAL): (300, 285, 0),
            (GOAL, GOAL): (500, 500, 0),
        },
        {
            ("c", GOAL): (1000, 436, 0),
            ("c", "d"): (200, 190, 190),
            ("d", GOAL): (200, 190, 0),
            (GOAL, GOAL): (436, 436, 0),
        },
    )
    row = found[7, ("c", "d")]
    assert (-4 < row["score"] < -3) == (expected == ("c", "d"))
    assert -3.5 < row["score"] < -2.5
    assert alerts(found) == {expected}


# What an alert explains


# All sessions that go on to b are fewer by half. Of those at a and at c, fewer go on to d.
USUAL: OfADay = {
    ("a", GOAL): (400, 180, 0),
    ("a", "b"): (200, 170, 170),
    ("a", "d"): (100, 60, 60),
    ("b", GOAL): (200, 170, 0),
    ("b", "d"): (78, 39, 39),
    ("c", GOAL): (1000, 300, 0),
    ("c", "d"): (120, 60, 60),
    ("d", GOAL): (150, 75, 0),
    (GOAL, GOAL): (480, 480, 0),
}
FAULTY: OfADay = {
    ("a", GOAL): (400, 90, 0),
    ("a", "b"): (100, 85, 85),
    ("a", "d"): (60, 36, 36),
    ("b", GOAL): (100, 85, 0),
    ("b", "d"): (39, 20, 20),
    ("c", GOAL): (1000, 300, 0),
    ("c", "d"): (60, 30, 30),
    ("d", GOAL): (100, 50, 0),
    (GOAL, GOAL): (390, 390, 0),
}


def test_of_two_alerts_that_account_for_as_much_the_first_one_explains_a_drop() -> None:
    """Phones and tablets lose as many conversions, and others gain 2. Each accounts for half of the drop of all."""
    lower: tuple[OfADay, OfADay] = {("a", GOAL): (200, 100, 0)}, {("a", GOAL): (200, 40, 0)}
    same: tuple[OfADay, OfADay] = {("a", GOAL): (600, 300, 0)}, {("a", GOAL): (600, 302, 0)}
    found = changes_of(
        {("a", GOAL): (1000, 500, 0), (GOAL, GOAL): (500, 500, 0)},
        {("a", GOAL): (1000, 382, 0), (GOAL, GOAL): (382, 382, 0)},
        parts={("device", "desktop"): same, ("device", "phone"): lower, ("device", "tablet"): lower},
    )
    assert alerts(found) == {(("device", "phone"), ("a", GOAL)), (("device", "tablet"), ("a", GOAL))}
    assert found[7, ("a", GOAL)]["explained_by"] == "device=phone: a > (goal)"


def test_drops_after_the_last_one_that_can_be_an_alert_account_for_nothing() -> None:
    """The drop from c to d is no loss. It would account for more of that from a to d than the alert."""
    found = changes_of(USUAL, FAULTY)
    assert alerts(found) == {("a", "b")}
    assert found[7, ("c", "d")]["score"] < -4
    assert found[7, ("a", "d")]["explained_by"] == "all=all: a > b"


def test_a_loss_that_is_too_weak_is_no_alert_because_it_accounts_for_a_drop_that_is_explained() -> None:
    """The drop from c to d is a loss, but its days differ much. It only accounts for that from a to d."""
    found = changes_of(
        {**USUAL, ("c", "d"): ((74, 166), 60, 60), ("e", GOAL): (300, 150, 0)},
        {**FAULTY, ("c", GOAL): (1000, 285, 0), ("e", GOAL): (300, 120, 0)},
    )
    assert -4 < found[7, ("c", "d")]["score"] < -3
    assert found[7, ("a", "d")]["explained_by"] == "all=all: a > b"
    assert alerts(found) == {("a", "b"), ("e", GOAL)}


def test_a_smaller_drop_of_a_longer_window_hides_no_alert() -> None:
    """After 12 days, the rate of 14 days is 90.4 % of the usual one. That of 7 days is 88.8 %, with a weaker score."""
    found = changes_of(
        {("cart", GOAL): (400, 320, 0), (GOAL, GOAL): (320, 320, 0)},
        {("cart", GOAL): (400, 284, 0), (GOAL, GOAL): (284, 284, 0)},
        faulty_days=12,
    )
    of_week, of_two_weeks = found[7, ("cart", GOAL)], found[14, ("cart", GOAL)]
    assert of_two_weeks["score"] < of_week["score"] < -4
    assert of_two_weeks["progress_rate"] > 0.9 * of_two_weeks["usual_rate"]
    assert of_week["is_alert"]
    assert of_two_weeks["explained_by"] == "all=all: cart > (goal)"


# All sessions at ship that go on to pay are fewer by 9.4 %: mobile ones by 10.6 %, others by 8.1 %.
SMALL: tuple[OfADay, OfADay] = (
    {
        ("ship", GOAL): (800, 560, 0),
        ("ship", "pay"): (640, 560, 560),
        ("pay", GOAL): (640, 560, 0),
        (GOAL, GOAL): (560, 560, 0),
    },
    {
        ("ship", GOAL): (800, 508, 0),
        ("ship", "pay"): (580, 508, 508),
        ("pay", GOAL): (580, 508, 0),
        (GOAL, GOAL): (508, 508, 0),
    },
)
MOBILE: tuple[OfADay, OfADay] = (
    {("ship", GOAL): (400, 280, 0), ("ship", "pay"): (320, 280, 280), ("pay", GOAL): (320, 280, 0)},
    {("ship", GOAL): (400, 250, 0), ("ship", "pay"): (286, 250, 250), ("pay", GOAL): (286, 250, 0)},
)


def test_a_small_drop_of_all_is_the_alert_and_not_the_part_that_is_large_enough_by_chance() -> None:
    found = changes_of(*SMALL, faulty_days=28, parts={("device", "mobile"): MOBILE})
    whole, part = found[28, ("ship", "pay")], found[28, ("device", "mobile"), ("ship", "pay")]
    assert whole["score"] < part["score"] < -4
    assert part["progress_rate"] < 0.9 * part["usual_rate"]
    assert whole["progress_rate"] > 0.9 * whole["usual_rate"]
    assert alerts(found) == {("ship", "pay")}
    assert part["explained_by"] == "all=all: ship > pay"


def test_a_small_drop_that_accounts_for_no_larger_one_is_no_alert() -> None:
    found = changes_of(*SMALL, faulty_days=28)
    assert found[28, ("ship", "pay")]["score"] < -4
    assert alerts(found) == set()


def test_a_part_with_most_of_a_small_drop_is_the_alert() -> None:
    """All sessions have fewer by 9.4 %, only mobile ones: by 18.8 %."""
    usual, _ = MOBILE
    faulty: OfADay = {("ship", GOAL): (400, 228, 0), ("ship", "pay"): (260, 228, 228), ("pay", GOAL): (260, 228, 0)}
    found = changes_of(*SMALL, faulty_days=28, parts={("device", "mobile"): (usual, faulty)})
    assert alerts(found) == {(("device", "mobile"), ("ship", "pay"))}


def test_missing_conversions_explain_a_step_only_as_far_as_it_goes_with_them() -> None:
    """Few sessions ask for help, whether they convert or not. So 350 missing conversions explain 28 of 140."""
    found = changes_of(
        {
            ("form", GOAL): (200, 100, 0),
            ("form", "help"): (40, 24, 0),
            ("help", GOAL): (60, 30, 0),
            (GOAL, GOAL): (100, 100, 0),
        },
        {
            ("form", GOAL): (200, 50, 0),
            ("form", "help"): (20, 12, 0),
            ("help", GOAL): (40, 20, 0),
            (GOAL, GOAL): (50, 50, 0),
        },
    )
    assert {step for (_, step), row in found.items() if row["is_alert"]} == {("form", GOAL), ("form", "help")}


def test_the_alert_that_accounts_for_most_explains_a_drop_also_if_it_comes_later() -> None:
    """The first alert accounts for a little of the drop from c to d, which is too weak then; the second for all."""
    found = changes_of(
        {
            ("a", GOAL): (500, 250, 0),
            ("a", "b"): (250, 225, 225),
            ("a", "d"): (30, 25, 25),
            ("b", GOAL): (250, 225, 0),
            ("b", "d"): (25, 22, 22),
            ("c", GOAL): (2000, 1000, 0),
            ("c", "a"): (500, 250, 250),
            ("c", "d"): (200, 150, 150),
            ("c", "e"): (300, 150, 150),
            ("d", GOAL): (200, 180, 0),
            ("e", GOAL): (300, 150, 0),
            ("e", "d"): (100, 90, 90),
            (GOAL, GOAL): (1100, 1100, 0),
        },
        {
            ("a", GOAL): (500, 150, 0),
            ("a", "b"): (125, 112, 112),
            ("a", "d"): (15, 12, 12),
            ("b", GOAL): (125, 112, 0),
            ("b", "d"): (12, 11, 11),
            ("c", GOAL): (2000, 860, 0),
            ("c", "a"): (500, 150, 150),
            ("c", "d"): (150, 112, 112),
            ("c", "e"): (300, 110, 110),
            ("d", GOAL): (160, 144, 0),
            ("e", GOAL): (300, 110, 0),
            ("e", "d"): (50, 45, 45),
            (GOAL, GOAL): (900, 900, 0),
        },
    )
    assert {step for (_, step), row in found.items() if row["is_alert"]} == {("a", "b"), ("e", "d")}
    assert found[28, ("c", "d")]["score"] < -4
    assert {row["explained_by"] for (_, step), row in found.items() if step == ("c", "d")} == {"all=all: e > d"}


def test_a_later_alert_explains_a_drop_that_was_passed_over() -> None:
    """The drop from c to d is the strongest, but too weak for an alert, because its days differ much."""
    found = changes_of(
        {
            ("c", GOAL): (1000, 500, 0),
            ("c", "d"): ((215, 385), (160, 320), (160, 320)),
            ("c", "e"): (1000, 400, 400),
            ("d", GOAL): (3000, 1500, 0),
            ("e", GOAL): (1000, 400, 0),
            ("e", "d"): (120, 100, 0),
            (GOAL, GOAL): (1500, 1500, 0),
        },
        {
            ("c", GOAL): (1000, 400, 0),
            ("c", "d"): ((120, 240), (96, 192), (96, 192)),
            ("c", "e"): (1000, 330, 330),
            ("d", GOAL): (2850, 1400, 0),
            ("e", GOAL): (1000, 330, 0),
            ("e", "d"): (60, 50, 0),
            (GOAL, GOAL): (1400, 1400, 0),
        },
    )
    assert -4 < found[7, ("c", "d")]["score"] < -3
    assert found[7, ("e", "d")]["is_alert"]
    assert found[7, ("c", "d")]["explained_by"] == "all=all: e > d"


# How much a drop accounts for


def test_the_share_of_a_segment_is_that_at_the_action_at_which_sessions_are_lost() -> None:
    """Mobile visits are a fifth of those at a, and three quarters of those at c. They lose 70 sessions from c to b.

    The drop from a to b loses 115 sessions, and half of the sessions at b had been at c: 57. Others lose only 30
    sessions from c to b, so it accounts for 27 mobile ones, but not for three quarters of 57.
    """
    found = changes_of(
        {
            ("a", GOAL): (400, 180, 0),
            ("a", "b"): (200, 170, 170),
            ("b", GOAL): (300, 255, 0),
            ("c", GOAL): (400, 160, 0),
            ("c", "b"): (150, 120, 120),
            (GOAL, GOAL): (300, 300, 0),
        },
        {
            ("a", GOAL): (400, 82, 0),
            ("a", "b"): (85, 72, 72),
            ("b", GOAL): (185, 157, 0),
            ("c", GOAL): (400, 80, 0),
            ("c", "b"): (50, 40, 40),
            (GOAL, GOAL): (160, 160, 0),
        },
        parts={
            ("device", "m"): (
                {("a", GOAL): (80, 36, 0), ("c", GOAL): (300, 110, 0), ("c", "b"): (120, 96, 96)},
                {("a", GOAL): (80, 30, 0), ("c", GOAL): (300, 54, 0), ("c", "b"): (50, 40, 40)},
            )
        },
    )
    assert alerts(found) == {("a", "b"), (("device", "m"), ("c", "b"))}


def test_a_drop_accounts_for_those_who_no_longer_do_what_comes_after() -> None:
    """Half of those who go on to b fail there and leave. Others also go from a to d, but those do not.

    80 of 100 sessions at b go on to d, so all 80 that are missing at d are accounted for.
    """
    found = changes_of(
        {
            ("a", GOAL): (400, 190, 0),
            ("a", "b"): (200, 120, 120),
            ("a", "d"): (260, 190, 190),
            ("b", GOAL): (200, 120, 0),
            ("b", "d"): (160, 120, 120),
            ("d", GOAL): (260, 190, 0),
            (GOAL, GOAL): (190, 190, 0),
        },
        {
            ("a", GOAL): (400, 130, 0),
            ("a", "b"): (100, 60, 60),
            ("a", "d"): (180, 130, 130),
            ("b", GOAL): (100, 60, 0),
            ("b", "d"): (80, 60, 60),
            ("d", GOAL): (180, 130, 0),
            (GOAL, GOAL): (130, 130, 0),
        },
    )
    assert found[7, ("a", "d")]["score"] < -4
    assert found[7, ("a", "d")]["explained_by"] == "all=all: a > b"
    assert alerts(found) == {("a", "b")}


@pytest.mark.parametrize(
    ("bought", "expected"),
    [(58, {("pay", "thanks")}), (144, {("pay", GOAL)}), (178, set())],
    ids=["fault", "fault and another name", "another name"],
)
def test_page_just_after_conversions_makes_no_second_alert(bought: int, expected: set[Step]) -> None:
    """All but 2 of 180 sessions at thanks bought just before. 120 of 180 no longer reach the page in each case.

    If it only has another name, purchases that are missing have another cause.
    """
    usual: OfADay = {
        ("pay", GOAL): (200, 178, 0),
        ("pay", "thanks"): (180, 178, 0),
        ("thanks", GOAL): (180, 0, 0),
        (GOAL, GOAL): (178, 178, 0),
    }
    faulty: OfADay = {
        ("pay", GOAL): (200, bought, 0),
        ("pay", "thanks"): (60, 58, 0),
        ("thanks", GOAL): (60, 0, 0),
        (GOAL, GOAL): (bought, bought, 0),
    }
    assert alerts(changes_of(usual, faulty)) == expected


def test_conversions_on_the_way_through_an_action_are_at_most_all() -> None:
    """390 sessions go on from a to c, where 60 % convert: 117 % of the conversions after a."""
    found = changes_of(
        {
            ("a", GOAL): (400, 200, 0),
            ("a", "c"): (390, 195, 195),
            ("c", GOAL): (1000, 600, 0),
            (GOAL, GOAL): (600, 600, 0),
        },
        {
            ("a", GOAL): (400, 100, 0),
            ("a", "c"): (390, 98, 98),
            ("c", GOAL): (1000, 460, 0),
            (GOAL, GOAL): (460, 460, 0),
        },
    )
    assert found[7, ("a", GOAL)]["score"] < found[7, ("c", GOAL)]["score"]
    assert alerts(found) == {("a", GOAL), ("c", GOAL)}


def test_sessions_with_an_action_before_or_after_another_are_at_most_all() -> None:
    """Of the sessions at b, half were at d before, and 80 % of the others go there: together, at most all of them."""
    order: OfADay = {("d", "b"): (100, 0, 0), ("b", "d"): (80, 0, 0)}
    found = changes_of(
        {
            **order,
            ("a", GOAL): (400, 200, 0),
            ("a", "b"): (200, 170, 170),
            ("a", "d"): (240, 150, 150),
            ("b", GOAL): (200, 170, 0),
            ("d", GOAL): (300, 180, 0),
            (GOAL, GOAL): (200, 200, 0),
        },
        {
            **order,
            ("a", GOAL): (400, 95, 0),
            ("a", "b"): (80, 68, 68),
            ("a", "d"): (124, 77, 77),
            ("b", GOAL): (80, 68, 0),
            ("d", GOAL): (180, 108, 0),
            (GOAL, GOAL): (95, 95, 0),
        },
    )
    assert found[7, ("a", "b")]["score"] < found[7, ("a", "d")]["score"]
    assert alerts(found) == {("a", "b"), ("a", "d")}
