"""Tests that a page with very many outcomes and breakdowns stays small, and that what has no room is counted."""

from pathlib import Path
from typing import Any

import pytest

from session_pipeline.report import page
from session_pipeline.report.sections import Room
from session_pipeline_tests.changed_reports import LAST, page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_tables import ReportTables


def outcomes(count: int, length: int = 0) -> list[dict[str, Any]]:
    """Return outcomes of the last day: the first has one visit, the next one two, and so on."""
    return [
        {"site": "main", "outcome": f"{number:03}{'x' * length}", "session_count": number + 1, "session_date": LAST}
        for number in range(count)
    ]


def test_least_frequent_outcomes_share_a_row(reported_week: Deployment, tmp_path: Path) -> None:
    page = page_with(reported_week, tmp_path, {"daily_outcomes": outcomes(60)})
    tables = ReportTables(page.html)
    rows = tables.rows("Outcomes as a table")
    assert len(rows) == Room().outcomes
    names = [row[0] for row in rows]
    own = ("purchase", "engaged", "bounce")
    assert [name for name in names if name not in own][-1] == "all others"
    shown = {name for name in names if name.isdigit()}
    others = sum(number + 1 for number in range(60) if f"{number:03}" not in shown)
    assert max(map(int, shown)) == 59
    assert f"All others are {60 - len(shown)} outcomes" in page.text
    assert rows[names.index("all others")][1] == str(others)
    by_day = tables.rows("Outcomes by day as a table")[0]
    assert by_day[1 + names.index("all others")] == str(others)


def test_outcomes_with_room_have_a_row_each(reported_week: Deployment, tmp_path: Path) -> None:
    rows = ReportTables(page_with(reported_week, tmp_path, {"daily_outcomes": outcomes(20)}).html).rows(
        "Outcomes as a table"
    )
    assert {f"{number:03}" for number in range(20)} < {row[0] for row in rows}
    assert "all others" not in {row[0] for row in rows}


@pytest.mark.long
def test_page_that_is_too_large_has_fewer_parts(reported_week: Deployment, tmp_path: Path) -> None:
    breakdowns = [
        {"site": "main", "dimension": f"own_{number % 15:02}", "dimension_value": f"{number:03} {'&' * 200}"}
        | {"session_count": 10, "bounce_count": 0, "new_session_count": 0, "converted_count": 1}
        for number in range(300)
    ]
    rows = {"daily_outcomes": outcomes(60, length=900), "daily_breakdowns": breakdowns}
    page = page_with(reported_week, tmp_path, rows)
    assert len(page.html.encode()) <= 400_000
    assert len(ReportTables(page.html).rows("Outcomes as a table")) < Room().outcomes
    assert "more dimensions" in page.text


def test_half_of_the_room_ends_with_one_part_of_each_kind() -> None:
    room = Room()
    for _ in range(10):
        room = room.halved()
    assert room == room.halved() == Room(1, 1, 1, 1, 1)


def test_page_that_never_fits_keeps_its_outcomes(
    reported_week: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_BYTES", 0)
    rows = ReportTables(page_with(reported_week, tmp_path, {}).html).rows("Outcomes as a table")
    assert [row[0] for row in rows] == ["purchase", "engaged"]
