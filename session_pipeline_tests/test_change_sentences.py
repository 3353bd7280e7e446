"""Tests the sentences of the tables of changes: how they name visits, and when they call a rate unchanged."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from session_pipeline.reference.changes import WHOLE, Segment
from session_pipeline.tables.changes.outcome_sentences import ended_outcome_sentence, outcome_sentence
from session_pipeline.tables.changes.periods import Shares
from session_pipeline.tables.changes.phrases import drop_text, outcome_text, step_text, visits_of
from session_pipeline.tables.changes.progress_sentences import (
    ChangedStep,
    OtherValues,
    ended_progress_sentence,
    progress_sentence,
)
from session_pipeline.tables.changes.rows import Ended

MOBILE = ("device", "mobile")


STEP = ChangedStep(MOBILE, "/cart", "/pay", 1, date(2026, 4, 9), lost=0.0, lost_value=None, has_older=False)
OTHERS = OtherValues(["desktop", "tablet"], rate=None, rate_before=None)


def sentence(step: ChangedStep = STEP, **given: Any) -> str:
    """Return the sentence of a step that is no alert."""
    values: dict[str, Any] = {"since": None, "count": 1000, "progressed_count": 100, "rate_before": 0.4}
    values |= {"others": OTHERS, "explained_by": None}
    return progress_sentence(step, **(values | given))


def about_others(rate_before: float, rate: float) -> str:
    """Return what the sentence says of the others."""
    text = sentence(others=OTHERS._replace(rate_before=rate_before, rate=rate))
    return text.partition(", for the others it ")[2].removesuffix(".")


@pytest.mark.parametrize(
    ("rate_before", "rate", "expected"),
    [
        (0.058, 0.027, "went from 5.8 % to 2.7 %"),
        (0.045, 0.002, "went from 4.5 % to 0.2 %"),
        (0.058, 0.055, "still is 5.5 %"),
        (0.20, 0.19, "still is 19 %"),
        (0.80, 0.76, "still is 76 %"),
        (0.20, 0.17, "went from 20 % to 17 %"),
        (0.20, 0.23, "went from 20 % to 23 %"),
        (0.90, 0.82, "went from 90 % to 82 %"),
        (0.0, 0.0, "still is 0 %"),
        (0.0, 0.03, "went from 0 % to 3 %"),
        (0.0031, 0.0026, "still is 0.3 %"),
    ],
)
def test_rate_is_unchanged_if_it_differs_by_a_tenth_at_most(rate_before: float, rate: float, expected: str) -> None:
    assert about_others(rate_before, rate) == expected


def test_others_are_not_unchanged_if_their_change_is_like_that_of_the_row() -> None:
    text = sentence(progressed_count=750, rate_before=0.8, others=OTHERS._replace(rate=0.75, rate_before=0.79))
    assert ", for the others it went from 79 % to 75 %." in text


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (WHOLE, "visits"),
        (("device", "mobile"), "mobile visits"),
        (("device", "other"), "visits with device other"),
        (("browser", "Other"), "visits with browser Other"),
        (("logged_in", "false"), "visits with logged_in false"),
        (("utm_campaign", "(other)"), "visits with utm_campaign (other)"),
        (("device", "(none)"), "visits without device"),
        (("variant", "b"), "visits with variant b"),
        (("variant", "new"), "visits with variant new"),
        (("plan", "free"), "visits with plan free"),
        (("channel", "direct"), "direct visits"),
        (("channel", "paid_search"), "visits with channel paid_search"),
        (("browser", "Firefox"), "Firefox visits"),
        (("os", "Linux"), "Linux visits"),
        (("os", "iOS"), "iOS visits"),
        (("channel", "qr"), "visits with channel qr"),
        (("landing_action", "/a"), "visits that begin with /a"),
    ],
)
def test_visits_of_a_segment_are_named(segment: Segment, expected: str) -> None:
    assert visits_of(segment) == expected
    assert drop_text(segment, "/cart", "/pay") == f"fewer {expected} at /cart go on to /pay"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("desktop", "for desktop visits it still is 20 %"),
        ("(none)", "for visits without device it still is 20 %"),
        ("other", "for visits with device other it still is 20 %"),
    ],
)
def test_a_single_other_value_is_named_as_its_visits(other: str, expected: str) -> None:
    text = sentence(others=OtherValues([other], rate=0.2, rate_before=0.2))
    assert text == f"On 9 April, 10 % of 1,000 mobile visits at /cart went on to /pay; before it was 40 %, {expected}."


@pytest.mark.parametrize(
    ("window_days", "given", "expected"),
    [
        (
            1,
            {"count": 10, "progressed_count": 0, "since": date(2026, 4, 9)},
            "On 9 April, fewer mobile visits at /cart went on to /pay: 0 of 10; before it was 40 %.",
        ),
        (
            1,
            {"count": 99, "progressed_count": 9, "since": date(2026, 4, 7)},
            "Since 7 April, fewer mobile visits at /cart go on to /pay: 9 of 99 on 9 April; before it was 40 %.",
        ),
        (
            7,
            {"count": 100, "progressed_count": 9, "since": date(2026, 4, 7)},
            "Since 7 April, fewer mobile visits at /cart go on to /pay: 9 % of 100 in the 7 days to 9 April; before it"
            " was 40 %.",
        ),
        (
            7,
            {"count": 100, "progressed_count": 9, "since": date(2026, 4, 9)},
            "Since 9 April, fewer mobile visits at /cart go on to /pay: 9 % of 100 in the 7 days to 9 April; before it"
            " was 40 %.",
        ),
    ],
)
def test_few_visits_are_counts_and_a_single_day_is_no_trend(
    window_days: int, given: dict[str, Any], expected: str
) -> None:
    assert sentence(replace(STEP, window_days=window_days), **given) == expected


def of_outcome(**given: Any) -> str:
    """Return the sentence of an outcome of 23 mobile visits on 9 April that is no alert."""
    values: dict[str, Any] = {"segment": MOBILE, "outcome": "bounce", "window_days": 1, "last_day": date(2026, 4, 9)}
    values |= {"since": None, "count": 3, "session_count": 23, "expected": 10.8}
    return outcome_sentence(**(values | given))


@pytest.mark.parametrize(
    ("window_days", "since", "expected"),
    [
        (1, None, "On 9 April, mobile visits bounced less often than usual: 13 % (3 of 23);"),
        (1, date(2026, 4, 9), "On 9 April, mobile visits bounced less often than usual: 13 % (3 of 23);"),
        (1, date(2026, 4, 8), "Since 8 April, mobile visits bounce less often than usual: 13 % (3 of 23) on 9 April;"),
        (7, None, "In the 7 days to 9 April, mobile visits bounced less often than usual: 13 % (3 of 23);"),
        (
            7,
            date(2026, 4, 4),
            "Since 4 April, mobile visits bounce less often than usual: 13 % (3 of 23) in the 7 days to 9 April;",
        ),
        (
            7,
            date(2026, 4, 9),
            "Since 9 April, mobile visits bounce less often than usual: 13 % (3 of 23) in the 7 days to 9 April;",
        ),
    ],
)
def test_an_outcome_has_its_counts_and_a_single_day_is_no_beginning(
    window_days: int, since: date | None, expected: str
) -> None:
    text = of_outcome(window_days=window_days, since=since)
    assert text == f"{expected} the usual 47 % would be about 11."


@pytest.mark.parametrize(
    ("outcome", "past", "present"),
    [
        ("(converted)", "converted", "convert"),
        ("bounce", "bounced", "bounce"),
        ("engaged", "ended as engaged", "end as engaged"),
        ("abandoned_cart", "ended with abandoned_cart", "end with abandoned_cart"),
    ],
)
def test_what_visits_with_an_outcome_do(outcome: str, past: str, present: str) -> None:
    assert of_outcome(outcome=outcome).startswith(f"On 9 April, mobile visits {past} less often than usual: ")
    text = of_outcome(outcome=outcome, since=date(2026, 4, 8))
    assert text.startswith(f"Since 8 April, mobile visits {present} less often than usual: ")
    assert outcome_text(MOBILE, outcome, 1.0) == f"mobile visits {present} more often"
    ended = Ended(date(2026, 4, 2), date(2026, 4, 5), Shares(0.4, 0.1, 0.4))
    text = "From 2 to 4 April, mobile visits {} less often: 10 %; before it was 40 %, and since 5 April it is 40 %."
    assert ended_outcome_sentence(MOBILE, outcome, ended) == text.format(past)
    of_one_day = ended_outcome_sentence(MOBILE, outcome, ended._replace(over_since=date(2026, 4, 3)))
    assert of_one_day.startswith(f"On 2 April, mobile visits {past} less often: 10 %;")


def test_changes_without_figures_are_named() -> None:
    assert outcome_text(MOBILE, "(sessions)", 1.0) == "more mobile visits came than usual"
    assert outcome_text(MOBILE, "(sessions)", -1.0) == "fewer mobile visits came than usual"
    assert step_text(MOBILE, "/cart", "/pay") == "device=mobile: /cart > /pay"


@pytest.mark.parametrize(
    ("count", "expected_count", "expected"),
    [
        (4240, 4160.0, "more often than usual: 42.4 % (4,240 of 10,000); the usual 41.6 % would be about 4,160."),
        (950, 1020.0, "less often than usual: 9.5 % (950 of 10,000); the usual 10 % would be about 1,020."),
        (4160, 4160.4, "about as often as usual: 42 % (4,160 of 10,000)."),
    ],
)
def test_shares_of_an_outcome_are_not_written_alike(count: int, expected_count: float, expected: str) -> None:
    text = of_outcome(count=count, session_count=10_000, expected=expected_count)
    assert text == f"On 9 April, mobile visits bounced {expected}"


def test_shares_of_many_sessions_have_the_decimals_that_tell_them_apart() -> None:
    text = of_outcome(count=41_600, session_count=1_000_000, expected=42_320.0)
    assert text.endswith("less often than usual: 4.16 % (41,600 of 1,000,000); the usual 4.23 % would be about 42,320.")
    assert "0.03000 % (3,000 of 10,000,000); the usual 0.03001 %" in of_outcome(
        count=3000, session_count=10_000_000, expected=3001.0
    )


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "fewer mobile visits came than usual on a Thursday: 0 instead of about 53."),
        (1200, "more mobile visits came than usual on a Thursday: 1,200 instead of about 53."),
        (53, "about as many mobile visits came as usual on a Thursday: 53."),
    ],
)
def test_number_of_sessions_as_a_sentence(count: int, expected: str) -> None:
    text = of_outcome(outcome=None, count=count, session_count=count, expected=53.0)
    assert text == f"On 9 April, {expected}"


@pytest.mark.parametrize(
    ("lost", "lost_value", "expected"),
    [
        (19.0, 421.0, "About 19 conversions are missing, worth about 420."),
        (19.0, -421.0, "About 19 conversions are missing."),
        (-19.0, -421.0, "About 19 conversions more than usual go with it, worth about 420."),
        (-19.0, 421.0, "About 19 conversions more than usual go with it."),
        (19.0, None, "About 19 conversions are missing."),
    ],
)
def test_conversions_with_a_negative_value_are_worth_nothing(
    lost: float, lost_value: float | None, expected: str
) -> None:
    """Refunds can make the mean value of conversions negative."""
    assert sentence(replace(STEP, lost=lost, lost_value=lost_value)).endswith(f". {expected}")


@pytest.mark.parametrize(
    ("window_days", "since", "expected"),
    [
        (1, date(2026, 4, 9), "About 19 conversions are missing, worth about 420."),
        (1, date(2026, 4, 8), "At least about 19 conversions are missing on that day, worth about 420."),
        (7, date(2026, 4, 3), "About 19 conversions are missing, worth about 420."),
        (7, date(2026, 4, 2), "At least about 19 conversions are missing in these 7 days, worth about 420."),
    ],
)
def test_missing_conversions_are_those_of_the_window(window_days: int, since: date, expected: str) -> None:
    text = sentence(replace(STEP, window_days=window_days, lost=19.0, lost_value=421.0), since=since)
    assert text.endswith(f" before it was 40 %. {expected}")


def test_days_of_an_older_drop_in_the_window_are_named() -> None:
    older = date(2026, 3, 20), date(2026, 3, 26)
    step = replace(STEP, window_days=28, lost=61.0, lost_value=1100.0, older_days=older)
    assert sentence(step, since=date(2026, 4, 8)).endswith(
        ". About 61 conversions are missing in these 28 days, with those of an older drop from 20 to 26 March,"
        " worth about 1,100."
    )
    ended = ended_progress_sentence(step, Ended(date(2026, 4, 2), date(2026, 4, 5), Shares(0.4, 0.1, 0.4)))
    assert ended.endswith(
        " In the 28 days to 9 April, about 61 conversions are missing, with those of an older drop from 20 to 26 March,"
        " worth about 1,100."
    )


def test_without_sessions_before_a_change_nothing_is_said_of_before() -> None:
    text = sentence(since=date(2026, 4, 2), rate_before=None, others=OTHERS._replace(rate=0.2))
    assert text == "Since 2 April, fewer mobile visits at /cart go on to /pay: 10 % of 1,000 on 9 April."


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (date(2026, 4, 3), "In the 7 days to 9 April, about 19 conversions are missing."),
        (date(2026, 4, 2), "In the 7 days to 9 April, at least about 19 conversions are missing."),
    ],
)
def test_more_conversions_can_be_missing_if_a_change_began_before_the_window(since: date, expected: str) -> None:
    step = replace(STEP, window_days=7, lost=19.0)
    text = ended_progress_sentence(step, Ended(since, date(2026, 4, 5), Shares(0.4, 0.1, 0.4)))
    assert text.endswith(f" and since 5 April it is 40 %. {expected}")
