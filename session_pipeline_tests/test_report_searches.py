"""Tests what the report says about searches."""

from datetime import timedelta
from pathlib import Path

import pytest

from session_pipeline_tests.changed_reports import page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import LAST

HOSTILE = "<b>lamp</b>"


@pytest.mark.long
@pytest.mark.parametrize(
    ("visitors", "expected"),
    [
        (0, None),
        (4, "Searches 4 visits searched; 1 converted, 25.0 % query No term is shown: it takes one that at least five"),
        (
            5,
            "Searches 5 visits searched; 1 converted, 20.0 % query Searched for Visits Searched again Converted"
            f" {HOSTILE} 5",
        ),
    ],
)
def test_searches_show_no_text_of_few_visitors(
    visitors: int, expected: str | None, reported_week: Deployment, tmp_path: Path
) -> None:
    keys = [f"v{number}" for number in range(visitors)]
    day = {"session_date": LAST - timedelta(days=1), "site": "main"}
    facts = [
        {**day, "session_id": key, "visitor_id": key, "is_bot": False, "is_converted": key == "v0"} for key in keys
    ]
    searches = [{"event_date": LAST, **day, "session_id": key, "search_term": f" {HOSTILE.upper()}"} for key in keys]
    text = page_with(reported_week, tmp_path, {"events": searches, "session_facts": facts}).text
    assert ("visits searched;" in text) == (expected is not None)
    assert expected is None or expected in text
