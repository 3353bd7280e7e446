"""Tests what the report says about hard times, and about difficulties that were or were not compared."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from session_pipeline.engines.sql import query_text
from session_pipeline.reference.signals import COMPARISONS, HARD_TIME_SIGNALS
from session_pipeline.report.figures import Figure, Figures
from session_pipeline.report.formats import THIN_SPACE
from session_pipeline.report.glossary import DIFFICULTIES, glossary
from session_pipeline.report.hard_times import NAMED_FIRST, hard_times
from session_pipeline.report.page import TEMPLATES
from session_pipeline.settings import parse_settings
from session_pipeline_tests.changed_reports import LAST, OTHER_SITE, flaws_of, page_with
from session_pipeline_tests.deployment import Deployment


def test_each_signal_of_a_hard_time_is_counted_and_shown() -> None:
    """Without its count, an action could have a hard time of which the report says: 0 saw an error."""
    query = query_text("session_pipeline.report", "friction_by_page")
    section = (TEMPLATES / "friction.html").read_text(encoding="utf-8")
    counts = {f"{signal}_count" for signal in HARD_TIME_SIGNALS}
    others = {"session_count", "hard_time_count"}
    assert set(re.findall(r"as (\w+_count)", query)) - others - {"observed_count"} == counts
    assert set(re.findall(r"row\.(\w+_count)", section)) - others == counts
    assert set(NAMED_FIRST) <= set(HARD_TIME_SIGNALS)


@pytest.mark.parametrize(
    ("friction", "hard_time", "difficulty"),
    [
        ('signals = ["error"]', "A visit with an error.", "An error. It is compared"),
        (
            'signals = ["rage_click", "error_loop"]\nrage_click_seconds = 5\nerror_loop_actions = 9',
            "A visit with 3 clicks on one element within 5 seconds or two errors within 9 actions.",
            "An error or repeated clicks. It is compared",
        ),
        ('signals = ["repeat", "back_track"]', "A visit that shows a difficulty.", "A step back or a repeated action."),
        ("signals = []", "A visit that shows a difficulty.", "What is compared with the same moment of other visits."),
    ],
)
def test_glossary_has_the_signals_and_thresholds_of_the_settings(
    friction: str, hard_time: str, difficulty: str
) -> None:
    meanings = dict(glossary(parse_settings(f"[friction]\n{friction}").friction))
    assert meanings["Hard time"].startswith(hard_time)
    assert meanings["Difficulty"].startswith(difficulty)


def test_glossary_has_every_compared_signal() -> None:
    assert DIFFICULTIES.keys() == COMPARISONS.keys()


def test_last_day_of_each_compared_signal_is_looked_up() -> None:
    """Without its count, a difficulty would never be over."""
    query = query_text("session_pipeline.report", "opportunities")
    assert set(re.findall(r"when '(\w+)' then f\.\1_count", query)) == COMPARISONS.keys()


def test_share_of_hard_times_names_the_days_that_can_show_one(reported_week: Deployment, tmp_path: Path) -> None:
    """Of 40 visits, 20 are on days and sites whose events can show a hard time."""
    counts = {"site": "jp", "session_count": 20}
    rows = {"daily_summary": [OTHER_SITE | counts], "daily_friction": [counts]}
    page = page_with(reported_week, tmp_path, rows)
    of_visits = "of the visits on days and sites that can show one"
    assert flaws_of(page)[0].startswith(f"30.0 % {of_visits} had a hard time.")
    assert f"Had a hard time 6 30.0 % {of_visits} · Fri 15 Mar:" in page.text
    assert f"Hard times 30.0 % {of_visits} had one" in page.text


@pytest.mark.parametrize(
    ("is_compared", "expected"),
    [
        (True, "No difficulty clearly goes with fewer conversions."),
        (
            False,
            "Difficulties cannot be compared yet. That takes 30 visits with a difficulty and 30 at the same moment",
        ),
    ],
)
def test_no_significant_difficulty_is_told_from_none_compared(
    is_compared: bool, expected: str, reported_week: Deployment, tmp_path: Path
) -> None:
    by_chance = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.3, "rate_without": 0.4}
    named = {"action": "/pay", "signal": "error", "sentence": "This can be chance.", "is_significant": False}
    page = page_with(reported_week, tmp_path, {"opportunities": [by_chance | named] * is_compared})
    assert ("No difficulty" in page.text, "Difficulties cannot" in page.text) == (is_compared, not is_compared)
    assert expected in page.text.split("Changes found in")[1]


@pytest.mark.parametrize(
    ("hard_count", "visit_count", "expected"),
    [
        (0, 12, "No visit of this week had a hard time that its events can show."),
        (1, 1000, "Hardly any visit of this week had a hard time."),
        (4, 12, "33.3 % of all visits had a hard time, but fewer than 5 at any one page; see Hard times."),
        (None, 12, ""),
    ],
)
def test_few_hard_times_are_said_as_they_are(hard_count: int | None, visit_count: int, expected: str) -> None:
    rate = None if hard_count is None else hard_count / visit_count
    counts = {"session_count": visit_count, "observed_count": visit_count}
    week = {"period": "week", "hard_time_count": hard_count, "friction_rate": rate, **counts}
    figures = Figures({}, None, {"visits": Figure("", [week])})
    assert hard_times(figures).replace(THIN_SPACE, " ") == expected


def test_difficulties_that_go_with_missing_conversions_come_first(reported_week: Deployment, tmp_path: Path) -> None:
    compared = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "sentence": "No."}
    lost = compared | {"signal": "error", "associated_lost_conversions": 2.4, "is_significant": False}
    rows = {"opportunities": [lost | {"action": "/pay"}, lost | {"action": "/elsewhere"}]}
    [sentence] = flaws_of(page_with(reported_week, tmp_path, rows))
    assert sentence.endswith(
        "6 saw an error. They converted less often later than comparable visits; this can be chance."
    )


def test_difficulties_have_a_table_of_their_own(reported_week: Deployment, tmp_path: Path) -> None:
    """Their rates are not those of the week: they compare visits of up to 84 days with and without it."""
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    row |= {"action": "/pay", "signal": "error", "with_count": 60, "without_count": 138, "sentence": "An error."}
    page = page_with(reported_week, tmp_path, {"opportunities": [row]})
    header, found = (row for row in page.rows if row[0] in ("What", "An error."))
    assert header == ["What", "With it", "Without it", "Visits with it", "Visits without it", "Days", "Last seen"]
    assert [cell.replace(THIN_SPACE, " ") for cell in found[:5]] == ["An error.", "10.0 %", "50.0 %", "60", "138"]
    assert "Changes cannot be found yet. That takes 29 days with visits in eight weeks" in page.text


@pytest.mark.parametrize(("days_ago", "is_first"), [(13, True), (14, False)])
def test_difficulty_that_no_visit_had_for_two_weeks_is_only_in_the_table(
    days_ago: int, is_first: bool, reported_week: Deployment, tmp_path: Path
) -> None:
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    row |= {"action": "/form", "signal": "error", "sentence": "An error."}
    days = [{"site": "main", "action": "/form", "session_date": LAST - timedelta(days=days_ago), "error_count": 1}]
    days.append({"site": "main", "action": "/form", "session_count": 9, "error_count": 0})
    page = page_with(reported_week, tmp_path, {"opportunities": [row], "action_friction": days})
    assert (flaws_of(page)[0] == "An error.") == is_first
    [found] = [row for row in page.rows if row[0] == "An error."]
    assert found[-1] == {13: "Sat 2 Mar", 14: "Fri 1 Mar"}[days_ago]


def test_action_whose_difficulty_is_over_can_have_hard_times_of_another_kind(
    reported_week: Deployment, tmp_path: Path
) -> None:
    row = {"site": "main", "window_days": 84, "rank": 1, "rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
    row |= {"action": "/pay", "signal": "rage_click", "sentence": "Clicks."}
    day = {"site": "main", "action": "/pay", "session_date": LAST - timedelta(days=30), "rage_click_count": 1}
    page = page_with(reported_week, tmp_path, {"opportunities": [row], "action_friction": [day]})
    assert flaws_of(page)[0].endswith("At /pay, 6 of 6 visits had a hard time: 6 saw an error.")


@pytest.mark.parametrize(("has_expired", "unit"), [(False, "visits"), (True, "page visits")])
def test_visits_of_a_folder_are_page_visits_if_their_sessions_have_expired(
    has_expired: bool, unit: str, reported_week: Deployment, tmp_path: Path
) -> None:
    pages = [f"/docs/{number}" for number in range(8)]
    counts = {"site": "main", "session_count": 1, "hard_time_count": 1, "error_count": 1}
    row = {"site": "main", "is_bot": False, "signal": "error", "is_hard_time": True, "occurrence_count": 1}
    found = [] if has_expired else [row | {"session_id": page, "action": page} for page in pages]
    rows = {"session_friction": found, "action_friction": [counts | {"action": page} for page in pages]}
    page = page_with(reported_week, tmp_path, rows)
    assert f"At /docs/…, 8 {unit} had a hard time: 8 saw an error." in page.text
    assert ("whose events have expired counts once for each page." in page.text) == has_expired
