"""Tests what the report says if nothing changed for the worse: what would have been found, or that nothing could be."""

from datetime import timedelta
from pathlib import Path

import pytest

from session_pipeline.report.quiet import visits_needed
from session_pipeline_tests.changed_reports import LAST, QUIET_STEP, known_until, page_with, weeks_of_visits
from session_pipeline_tests.deployment import Deployment


def test_quiet_report_says_what_would_have_been_found(reported_week: Deployment, tmp_path: Path) -> None:
    row = QUIET_STEP | {"dimension": "all", "dimension_value": "all", "detectable_rate": 0.5}
    page = page_with(reported_week, tmp_path, {"progress_changes": [row]})
    assert (
        "Of 100 visits at /shipping in 7 days, usually 77.0 % go on to /payment. A fault that costs conversions would"
        " usually have been found if at most 50.0 % had gone on."
    ) in page.text


def test_fault_of_a_segment_would_have_been_found(reported_week: Deployment, tmp_path: Path) -> None:
    """If no step of all visits has a row, that of a segment says what would have been found."""
    row = QUIET_STEP | {"detectable_rate": 0.5}
    text = page_with(reported_week, tmp_path, {"progress_changes": [row]}).text
    assert (
        "Of 100 visits at /shipping with device mobile in 7 days, usually 77.0 % go on to /payment. A fault that costs"
        " conversions would usually have been found if at most 50.0 % had gone on."
    ) in text


def test_smallest_fault_of_visits_without_a_value_is_in_words(reported_week: Deployment, tmp_path: Path) -> None:
    row = QUIET_STEP | {"detectable_rate": 0.5, "dimension": "plan", "dimension_value": "(none)"}
    text = page_with(reported_week, tmp_path, {"progress_changes": [row]}).text
    assert "Of 100 visits at /shipping without plan in 7 days," in text


def test_fault_of_visits_that_begin_with_a_page_would_have_been_found(
    reported_week: Deployment, tmp_path: Path
) -> None:
    row = QUIET_STEP | {"detectable_rate": 0.5, "dimension": "landing_action", "dimension_value": "/"}
    text = page_with(reported_week, tmp_path, {"progress_changes": [row]}).text
    assert "Of 100 visits at /shipping that begin with the home page in 7 days, usually 77.0 % go on to" in text


def test_fault_after_an_action_would_have_been_found(reported_week: Deployment, tmp_path: Path) -> None:
    """On a small site, only conversions after an action can have a row that says what would have been found."""
    row = QUIET_STEP | {"dimension": "all", "dimension_value": "all"}
    goal = row | {"action": "/pay", "next_action": "(goal)", "detectable_rate": 0.7}
    assert (
        "Of 100 visits at /pay in 7 days, usually 77.0 % convert afterwards. A fault that costs conversions would"
        " usually have been found if at most 70.0 % had converted."
    ) in page_with(reported_week, tmp_path / "goal", {"progress_changes": [row, goal]}).text
    rows = {"progress_changes": [row | {"detectable_rate": 0.1}, goal]}
    assert "if at most 10.0 % had gone on." in page_with(reported_week, tmp_path / "step", rows).text


def test_compared_steps_without_a_fault_to_find_say_what_is_needed(reported_week: Deployment, tmp_path: Path) -> None:
    """The steps with rows have too few visits for any drop of them to be found."""
    day = {"progress_changes": [QUIET_STEP], "daily_summary": weeks_of_visits("main", 0)}
    text = page_with(reported_week, tmp_path / "enough", day).text
    assert "No change for the worse was found." in text
    assert "are needed" not in text, "all of 48 visits take the step: about 10 are enough"
    entries = {"site": "main", "funnel": "checkout", "step_number": 1, "step": "add to cart", "is_optional": False}
    left = entries | {"entry_date": LAST, "entered_count": 40, "excluded_count": 0, "dropped_count": 40}
    text = page_with(reported_week, tmp_path / "few", day | {"funnel_steps": [left]}).text
    assert "No change for the worse was found. To find a fault that halves a step which" in text
    assert "visits at it are needed in at most 4 weeks." in text


def test_few_visits_are_no_reason_if_steps_were_compared(reported_week: Deployment, tmp_path: Path) -> None:
    rows = {"progress_changes": [QUIET_STEP], "daily_summary": weeks_of_visits("main", 0)}
    text = page_with(reported_week, tmp_path, rows).text
    assert "No change for the worse was found." in text
    assert "too few visits" not in text


def test_quiet_report_says_until_when_there_were_visits(reported_week: Deployment, tmp_path: Path) -> None:
    """Visits ended so long ago that it is no news."""
    row = QUIET_STEP
    rows = {"progress_changes": [row], "warehouse_info": [known_until(LAST + timedelta(days=40))]}
    assert "No change for the worse was found through Fri 15 Mar." in page_with(reported_week, tmp_path, rows).text


def test_days_without_visits_do_not_count_for_a_comparison(reported_week: Deployment, tmp_path: Path) -> None:
    """Visits on weekdays only: 35 days, but only 25 of them with visits, so that nothing could be compared."""
    open_days = [row for row in weeks_of_visits("main", 0) if row["session_date"].weekday() < 5]
    page = page_with(reported_week, tmp_path, {"daily_summary": open_days})
    assert "No change for the worse" not in page.text
    assert "That takes 29 days with visits in eight weeks; so far there are 25." in page.text


def test_nothing_is_quiet_if_nothing_was_compared(reported_week: Deployment, tmp_path: Path) -> None:
    """Of 12 visits a week at the first step all take the next: enough to see half of them stay away, but no history."""
    page = page_with(reported_week, tmp_path, {"daily_summary": weeks_of_visits("main", 0)})
    assert "Changes cannot be found yet. There are too few visits with a conversion" in page.text
    assert "are needed" not in page.text


@pytest.mark.parametrize(
    ("rate", "drop", "needed"), [(0.1, 0.5, 739), (0.3, 0.35, 450), (0.5, 0.5, 96), (0.8, 0.8, 15)]
)
def test_visits_needed_to_find_a_drop(rate: float, drop: float, needed: int) -> None:
    assert visits_needed(rate, drop) == pytest.approx(needed, rel=0.05, abs=1)


def test_action_that_is_the_conversion_itself_is_not_named(reported_week: Deployment, tmp_path: Path) -> None:
    """All visits with it convert at it, so no fault could be found there."""
    row = QUIET_STEP | {"dimension": "all", "dimension_value": "all", "next_action": "(goal)", "detectable_rate": 0.5}
    changes = [row, row | {"action": "subscribe", "progress_rate": 1.0, "usual_rate": 1.0, "detectable_rate": 0.9}]
    page = page_with(reported_week, tmp_path, {"progress_changes": changes})
    assert "visits at /shipping" in page.text
    assert "visits at subscribe" not in page.text
