"""Tests what progress_changes says of *before*, if the usual days have days of the change, or of an older one."""

import pytest

from session_pipeline_tests.oracles.progress import GOAL, Segment
from session_pipeline_tests.planted_counts import OfADay, changes_of

MOBILE: Segment = ("device", "m")
STEP = ("cart", GOAL)


def counts(mobile: int, others: int) -> dict[Segment | None, OfADay]:
    """Return the counts of a day with 100 visits of each device."""
    converted = mobile + others
    return {
        None: {STEP: (200, converted, 0), (GOAL, GOAL): (converted, converted, 0)},
        MOBILE: {STEP: (100, mobile, 0)},
        ("device", "d"): {STEP: (100, others, 0)},
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("faulty_days", "expected"),
    [
        (
            28,
            "Since 26 February, fewer visits with device m at cart convert afterwards: 25 % of 2,800 in the 28 days to"
            " 25 March; before it was 50 %, for visits with device d it went from 60 % to 52 %. About 700 conversions"
            " are missing, worth about 14,000.",
        ),
        (
            35,
            "Since 19 February, fewer visits with device m at cart convert afterwards: 25 % of 2,800 in the 28 days to"
            " 25 March; before it was 50 %, for visits with device d it went from 60 % to 52 %. At least about 612"
            " conversions are missing in these 28 days, worth about 12,000.",
        ),
    ],
)
def test_sentence_has_the_rates_before_the_change(faulty_days: int, expected: str) -> None:
    """Visits with device m convert less often for 28 or 35 days, and a few fewer of the others."""
    usual, faulty = counts(50, 60), counts(25, 52)
    parts = {segment: (usual[segment], faulty[segment]) for segment in usual if segment is not None}
    row = changes_of(usual[None], faulty[None], faulty_days=faulty_days, parts=parts)[28, MOBILE, STEP]
    assert row["is_alert"]
    assert row["sentence"] == expected
    older = faulty_days - 28
    assert row["usual_progressed_count"] == 50 * (56 - older) + 25 * older


def with_drop(counts_of_day: OfADay, of_drop: OfADay, days: range = range(35, 45)) -> OfADay:
    """Return counts of 84 days, of which some have those of a drop; by default 5 to 14 February."""
    return {
        step: [tuple(each[offset in days] for offset in range(84)) for each in zip(usual, of_drop[step], strict=True)]
        for step, usual in counts_of_day.items()
    }


def test_older_drop_that_is_over_is_not_what_was_before() -> None:
    """The others drop for the same ten days; the sums of the usual days still have all days."""
    usual, older, faulty = counts(50, 60), counts(40, 50), counts(25, 60)
    parts = {
        segment: (with_drop(usual[segment], older[segment]), faulty[segment])
        for segment in usual
        if segment is not None
    }
    row = changes_of(with_drop(usual[None], older[None]), faulty[None], parts=parts)[7, MOBILE, STEP]
    assert row["is_alert"]
    assert row["usual_progressed_count"] == 50 * 46 + 40 * 10
    assert row["sentence"] == (
        "Since 19 March, fewer visits with device m at cart convert afterwards: 25 % of 700 in the 7 days to 25 March;"
        " before it was 50 %, for visits with device d it still is 60 %. At least about 162 conversions are missing,"
        " worth about 3,200."
    )


def test_older_drop_in_the_window_is_named_with_the_conversions() -> None:
    """Of the last 28 days, an older drop has seven, and the drop that is not over the last two."""
    usual, drop, older_days = counts(50, 60), counts(30, 60), range(58, 65)
    parts = {MOBILE: (with_drop(usual[MOBILE], drop[MOBILE], older_days), drop[MOBILE])}
    whole = with_drop(usual[None], drop[None], older_days)
    row = changes_of(whole, drop[None], faulty_days=2, parts=parts)[28, MOBILE, STEP]
    assert row["is_alert"]
    assert row["associated_lost"] == 20 * 9
    assert row["sentence"] == (
        "Since 24 March, fewer visits with device m at cart convert afterwards: 44 % of 2,800 in the 28 days to 25"
        " March; before it was 50 %, for the others it still is 60 %. About 180 conversions are missing in these 28"
        " days, with those of an older drop from 28 February to 6 March, worth about 3,600."
    )


def test_small_older_drop_is_a_part_of_what_was_before() -> None:
    """45 instead of 50 of 100 visits for ten days has a score above -4."""
    usual, older, faulty = counts(50, 60), counts(45, 60), counts(25, 60)
    whole = with_drop(usual[None], older[None])
    parts = {MOBILE: (with_drop(usual[MOBILE], older[MOBILE]), faulty[MOBILE])}
    row = changes_of(whole, faulty[None], parts=parts)[7, MOBILE, STEP]
    assert "before it was 49 %" in row["sentence"]
    assert " About 169 conversions are missing" in row["sentence"]


def test_older_drop_is_not_what_was_before_a_drop_that_is_over() -> None:
    """The second drop has 5 of the last 14 days; the nine since are usual again."""
    usual, older, drop = (counts(mobile, mobile)[None] for mobile in (50, 40, 20))
    row = changes_of(with_drop(usual, older), with_drop(usual, drop, range(70, 75)), faulty_days=14)[14, STEP]
    assert not row["is_alert"]
    assert row["sentence"].startswith(
        "From 12 to 16 March, fewer visits at cart converted afterwards: 20 %; before it was 50 %, and since 17 March"
        " it is 50 %. In the 14 days to 25 March, at least about"
    )
