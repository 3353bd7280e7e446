"""Tests that outcome_changes says so if a rate can be worse because more visits came than usual."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from session_pipeline.tables.changes.found_outcomes import outcome_changes
from session_pipeline_tests.test_outcome_changes import SCHEMA

Day = Mapping[tuple[str, str], tuple[int, int]]  # visits of a segment, and those of them with the outcome

FIRST, DAYS = date(2026, 1, 5), 84
WHOLE = ("all", "all")
USUAL: Day = {
    WHOLE: (400, 40),
    ("channel", "direct"): (380, 39),
    ("channel", "paid"): (20, 1),
    ("device", "mobile"): (240, 24),
    ("device", "desktop"): (160, 16),
}
CAMPAIGN: Day = USUAL | {
    WHOLE: (800, 41),
    ("channel", "paid"): (420, 2),
    ("device", "mobile"): (480, 25),
    ("device", "desktop"): (320, 16),
}


def sentence(now: Day, usual: Day = USUAL, *, outcome: str = "purchase", **other: Any) -> str:
    """Return the sentence about the outcome of all visits in the last days of 84, usually 7."""
    settings = {"weekend": usual, "from_day": 0, "segment": WHOLE, "days": 7} | other
    rows = []
    for offset in range(DAYS):
        day = FIRST + timedelta(days=offset)
        of_day = now if offset >= DAYS - settings["days"] else settings["weekend"] if day.weekday() >= 5 else usual
        rows += [
            {"session_date": day, "is_asked_for": offset == DAYS - 1, "site": "main", "dimension": dimension}
            | {"dimension_value": value, "outcome": "(converted)" if dimension != "all" else outcome}
            | {"session_count": n, "outcome_count": k}
            for (dimension, value), (n, k) in of_day.items()
            if dimension != "channel" or offset >= settings["from_day"]
        ]
    found = outcome_changes(pa.Table.from_pylist(rows, schema=SCHEMA)).to_pylist()
    names = (settings["days"], *settings["segment"], outcome if settings["segment"] == WHOLE else "(converted)")
    columns = ("window_days", "dimension", "dimension_value", "outcome")
    return next(row["sentence"] for row in found if tuple(row[name] for name in columns) == names)


def test_campaign_that_hardly_converts_explains_a_lower_rate() -> None:
    assert sentence(CAMPAIGN) == (
        "Since 23 March, visits end with purchase less often than usual: 5.1 % (287 of 5,600) in the 7 days to 29"
        " March; the usual 10 % would be about 560. More visits came than usual: 5,600 instead of about 2,800. The"
        " number that ended with purchase is not lower: 287, usually about 280. Most of the additional visits are paid"
        " visits."
    )


def test_growth_of_all_channels_names_none() -> None:
    grown = CAMPAIGN | {("channel", "direct"): (760, 39), ("channel", "paid"): (40, 2)}
    text = sentence(grown)
    assert "More visits came than usual" in text
    assert "additional" not in text


@pytest.mark.parametrize(("purchases", "lower"), [(36, "not much lower: 252"), (35, "also lower: 245")])
def test_nine_tenths_of_the_usual_conversions_are_not_much_fewer(purchases: int, lower: str) -> None:
    """If there are fewer, a fault can be part of it, and the additional visits are named all the same."""
    text = sentence({**CAMPAIGN, WHOLE: (800, purchases)})
    assert f"5,600 instead of about 2,800. The number that ended with purchase is {lower}, usually about 280." in text
    assert text.endswith("Most of the additional visits are paid visits.")


def test_fewer_conversions_than_usual_are_not_much_lower() -> None:
    """Usually there are 280: 40 on each of 7 days."""
    assert "ended with purchase is not much lower: 273, usually about 280." in sentence({**CAMPAIGN, WHOLE: (800, 39)})
    assert "ended with purchase is not lower: 280, usually about 280." in sentence({**CAMPAIGN, WHOLE: (800, 40)})


@pytest.mark.parametrize(("visits", "says_so"), [(4001, True), (4000, False)])
def test_a_tenth_more_visits_are_not_many_more(visits: int, says_so: bool) -> None:
    """Usually there are 3,600: nine tenths of 4,000."""
    assert ("More visits came" in sentence({WHOLE: (visits, 720)}, {WHOLE: (3600, 800)})) == says_so


def test_fewer_conversions_of_as_many_visits_have_no_such_explanation() -> None:
    assert "More visits came" not in sentence({**USUAL, WHOLE: (400, 20)})


def test_bots_that_bounce_explain_a_higher_rate_of_bounces() -> None:
    text = sentence({**CAMPAIGN, WHOLE: (800, 560)}, {**USUAL, WHOLE: (400, 160)}, outcome="bounce")
    assert text.endswith(
        "More visits came than usual: 5,600 instead of about 2,800. The number that did not bounce is not lower:"
        " 1,680, usually about 1,680. Most of the additional visits are paid visits."
    )


def test_more_purchases_need_no_explanation() -> None:
    assert "More visits came" not in sentence({**CAMPAIGN, WHOLE: (800, 240)})


def test_usual_visits_are_those_of_the_same_weekdays() -> None:
    weekend = {segment: (n * 2, k * 2) for segment, (n, k) in USUAL.items()}
    text = sentence({**CAMPAIGN, WHOLE: (1000, 60)}, weekend=weekend)
    assert "7,000 instead of about 3,600." in text
    assert "usually about 360." in text


def test_value_of_a_new_dimension_brings_no_additional_visits() -> None:
    text = sentence(CAMPAIGN, from_day=30)
    assert "More visits came" in text
    assert "additional" not in text


def test_value_with_too_few_days_for_a_comparison_is_not_named() -> None:
    """It is known only if later days are built together with this one, so it must not change the sentence."""
    usual = {segment: counts for segment, counts in USUAL.items() if segment != ("channel", "paid")}
    text = sentence(CAMPAIGN, usual)
    assert "More visits came" in text
    assert "paid" not in text


def test_segment_that_gets_more_visits_says_so_itself() -> None:
    text = sentence(CAMPAIGN, segment=("device", "mobile"))
    assert "3,360 instead of about 1,680. The number that converted is not lower: 175, usually about 168." in text
    assert "additional" not in text


def test_first_sunday_with_visits_has_no_usual_number() -> None:
    text = sentence(CAMPAIGN, weekend={}, days=1)
    assert text == (
        "On 29 March, visits ended with purchase less often than usual: 5.1 % (41 of 800); the usual 10 %"
        " would be about 80."
    )


def test_first_weekend_with_visits_brings_more_of_them() -> None:
    text = sentence({**USUAL, WHOLE: (400, 29)}, weekend={})
    assert "More visits came than usual: 2,800 instead of about 2,000." in text


def test_value_of_a_new_dimension_has_no_usual_number() -> None:
    """As many visits as since its first day are no more than usual."""
    now = USUAL | {("channel", "direct"): (380, 22)}
    text = sentence(now, from_day=45, segment=("channel", "direct"))
    assert "direct visits convert less often than usual: 5.8 % (154 of 2,660) in the 7 days to 29 March;" in text
    assert "More visits" not in text
