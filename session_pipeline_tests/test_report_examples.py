"""Tests the visits that the report names as examples of what to look at first."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.changed_reports import LAST, STEP, flaws_of, page_with
from session_pipeline_tests.deployment import Deployment


def sessions(*ids: str) -> list[dict[str, Any]]:
    """Return sessions of a day in the windows of the changes."""
    return [{"site": "main", "session_id": each, "session_date": LAST - timedelta(days=4)} for each in ids]


def test_flaw_has_its_last_day_examples_and_rates(reported_week: Deployment, tmp_path: Path) -> None:
    days = [LAST - timedelta(days=back) for back in (5, 3)]
    rows = [STEP | {"session_date": day, "sentence": f"Seen {day}."} for day in days]
    page = page_with(reported_week, tmp_path, {"progress_changes": rows, "sessions": sessions("aaa", "bbb", "ccc")})
    assert flaws_of(page)[0] == "Seen 2024-03-12."
    first = page.html.split('id="flaw-1"')[1].split("</article>")[0]
    assert "last seen 12 Mar" in first
    assert re.findall(r"<li><code>(.*?)</code></li>", first) == ["aaa", "bbb", "ccc"]
    assert "Then 24.0\u202f%, before 78.0\u202f%, others then 74.0\u202f%." in first


def test_unusual_outcome_of_a_segment_has_its_examples(reported_week: Deployment, tmp_path: Path) -> None:
    row = {"site": "main", "rank": 1, "window_days": 7, "dimension": "device", "dimension_value": "mobile"}
    row |= {"outcome": "(converted)", "score": -5.0, "is_alert": True, "rate": 0.1, "usual_rate": 0.3}
    rows = {"outcome_changes": [row | {"sentence": "Fewer.", "example_session_ids": "aaa bbb"}]}
    page = page_with(reported_week, tmp_path, rows | {"sessions": sessions("aaa", "bbb")})
    first = page.html.split('id="flaw-1"')[1].split("</article>")[0]
    assert re.findall(r"<li><code>(.*?)</code></li>", first) == ["aaa", "bbb"]


def test_visit_with_many_hard_times_is_one_example(reported_week: Deployment, tmp_path: Path) -> None:
    """A visitor who opens 30 missing pages of a folder does not hide the other visits."""
    row = {"site": "main", "is_bot": False, "signal": "error", "is_hard_time": True, "occurrence_count": 1}
    visits = [("aaa", 1)] * 30 + [(each, 0) for each in ("bbb", "ccc", "ddd", "eee")]
    found = [
        row | {"session_id": each, "action": f"/docs/{number}", "first_at": datetime(2024, 3, 15, hour)}
        for number, (each, hour) in enumerate(visits)
    ]
    counts = {"site": "main", "session_count": 5, "hard_time_count": 1, "error_count": 1}
    pages = [counts | {"action": f"/docs/{number}"} for number in range(len(visits))]
    page = page_with(reported_week, tmp_path, {"session_friction": found, "action_friction": pages})
    [flaw] = [each for each in page.html.split("</article>") if "At /docs/…" in each]
    assert re.findall(r"<li><code>(.*?)</code></li>", flaw) == ["aaa", "bbb", "ccc"]


@pytest.mark.parametrize("kept", [pytest.param((), marks=pytest.mark.long), ("ccc", "aaa")])
def test_examples_are_only_sessions_that_have_not_expired(
    kept: tuple[str, ...], reported_week: Deployment, tmp_path: Path
) -> None:
    rows = {
        "progress_changes": [STEP | {"sentence": "Fewer."}],
        "outcome_changes": [
            {"site": "main", "rank": 1, "window_days": 7, "dimension": "device", "dimension_value": "mobile"}
            | {"outcome": "(converted)", "score": -5.0, "is_alert": True, "rate": 0.1, "usual_rate": 0.3}
            | {"sentence": "Unusual.", "example_session_ids": STEP["example_session_ids"]}
        ],
        "opportunities": [
            {"site": "main", "window_days": 84, "rank": 1, "action": "/pay", "signal": "error", "sentence": "Goes."}
            | {"rate_with": 0.1, "rate_without": 0.5, "is_significant": True}
            | {"example_session_ids": STEP["example_session_ids"]}
        ],
        "sessions": sessions(*kept),
    }
    page = page_with(reported_week, tmp_path, rows)
    assert sorted(flaws_of(page)) == ["Fewer.", "Goes.", "Unusual."]
    assert re.findall(r"<li><code>(.*?)</code></li>", page.html) == sorted(kept) * 3
    assert page.text.count("Visits to look at") == (3 if kept else 0)
