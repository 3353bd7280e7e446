"""Tests the section of the report about visitors who come back."""

from datetime import timedelta
from pathlib import Path

from session_pipeline_tests.changed_reports import LAST, page_with
from session_pipeline_tests.deployment import Deployment


def test_weeks_of_retention_are_over_for_all_their_visitors(reported_week: Deployment, tmp_path: Path) -> None:
    """Of the visitors who first came in the week before the last, only those of its first day had a week since."""
    rows = [
        {"site": "main", "cohort": "first_visit", "period": "week", "periods_after": periods_after}
        | {"cohort_date": LAST - timedelta(days=days), "visitor_count": 10, "returned_count": 1, "is_period_over": True}
        for days in range(7, 28)
        for periods_after in range(1, 4)
        if days >= 7 * periods_after + 6
    ]
    page = page_with(reported_week, tmp_path, {"retention": rows})
    assert page.row("24 Feb – 1 Mar") == ["24 Feb – 1 Mar", "70", "10.0 %", ""]
    assert page.row("17–23 Feb") == ["17–23 Feb", "70", "10.0 %", "10.0 %"]
    assert "2–8 Mar" not in page.text.rsplit("Who comes back", 1)[1].split("Day by day")[0]


def test_retention_of_few_visitors_has_counts_instead_of_shares(reported_week: Deployment, tmp_path: Path) -> None:
    """One visitor who comes back is 100 % of one: a share says nothing there."""
    weeks = [(20, 29, 1, 29), (27, 30, 1, 15)]
    rows = [
        {"site": "main", "cohort": "first_visit", "period": "week", "periods_after": periods_after}
        | {"cohort_date": LAST - timedelta(days=days), "visitor_count": visitors, "returned_count": returned}
        for days, visitors, periods_after, returned in weeks
    ]
    page = page_with(reported_week, tmp_path, {"retention": rows})
    section = page.text.rsplit("Who comes back", 1)[1].split("Day by day")[0]
    assert page.row("24 Feb – 1 Mar") == ["24 Feb – 1 Mar", "29", "29 of 29"]
    assert page.row("17–23 Feb") == ["17–23 Feb", "30", "50.0 %"]
    assert "Grey: a week with fewer than 30 new visitors has numbers instead of shares" in section
    assert "In the first weeks with data, some of the new visitors may have come before." in section
