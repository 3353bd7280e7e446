"""Tests what followed where attempts ended, for actions that have the names of labels."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from session_pipeline_tests.deployment import Deployment

DAY = date(2024, 1, 1)
STEPS = [{"name": name, "where": f"event_name = '{name}'"} for name in ("a", "b")]


@pytest.mark.long
def test_actions_named_like_labels_are_rows_of_their_own(tmp_path: Path) -> None:
    """An action can be called (other) or (none), too. The rows of a day have the key of the table."""
    frequent = [["a", f"page {number}"] for number in range(7) for _ in range(3)]
    rare = [["a", "x"], ["a", "y"]]
    deployment = Deployment(tmp_path / "data", {"start_date": DAY, "funnels": [{"name": "f", "steps": STEPS}]})
    named = [*[["a", "(other)"]] * 4, *[["a", "(none)"]] * 3]
    deployment.deliver("visits", [*_lines([*frequent, *rare, *named, ["a"], ["a"], ["a"]])])
    deployment.run(until=DAY + timedelta(days=1))
    drops = deployment.table("funnel_drops").query("next_number == 1")
    counts = dict(zip(drops["action"], drops["attempt_count"], strict=True))
    assert len(counts) == len(drops)
    expected = {"action (other)": 4, "action (none)": 3, "(none)": 3, "(other)": 2}
    assert {name: counts[name] for name in expected} == expected


def _lines(visits: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    return [
        {
            "visitor_id": f"v{number}",
            "event_id": f"{number}-{second}",
            "event_time": f"{DAY}T10:00:{second:02}Z",
            "event_name": name,
        }
        for number, names in enumerate(visits)
        for second, name in enumerate(names)
    ]
