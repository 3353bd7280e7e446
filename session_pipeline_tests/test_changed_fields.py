"""Tests fields that appear, disappear or change type between files of a source: kept, and listed by `status`."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.changes import changed_fields
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.shop_commands import call


def facts(number: int, *columns: str, **others: Any) -> dict[str, Any]:
    return {
        "file_id": str(number), "path": f"web/{number}.jsonl", "source": "web", "status": "accepted",
        "accepted_count": 1, "mapping": {name: name for name in columns},
        "first_event_time": f"2024-03-{number:02} 01", "last_event_time": f"2024-03-{number:02} 09", **others,
    }  # fmt: skip


def test_missing_and_new_fields_of_the_latest_file() -> None:
    before = [facts(1, "a", "b", "c"), facts(2, "a", "b", "d")]
    assert changed_fields([*before, facts(3, "a", "e", "c")]) == {
        "web": ["web/3.jsonl: b is gone", "web/3.jsonl: e (e) is new"]
    }
    said = ["web/3.jsonl: a, b are gone", "web/3.jsonl: e (e), f (f) are new"]
    assert changed_fields([*before, facts(3, "e", "f")]) == {"web": said}
    assert changed_fields([facts(3, "a", "b"), *before]) == {}
    assert changed_fields([facts(1, "a"), facts(2, source="app")]) == {}
    assert changed_fields([*before, facts(3, status="refused"), facts(4, accepted_count=0)]) == changed_fields(before)
    assert changed_fields([facts(1, "x"), *(facts(number, "a") for number in range(2, 13))]) == {}


def test_files_of_other_formats_are_not_compared() -> None:
    before = [facts(1, "a", "b", format="jsonl"), facts(2, "a", format="csv")]
    assert changed_fields([*before, facts(3, "a", format="csv")]) == {}
    assert changed_fields([*before, facts(3, "a", format="jsonl")]) == {"web": ["web/3.jsonl: b is gone"]}


def test_file_without_other_fields_is_named() -> None:
    said = ["web/2.jsonl: no field is left for properties"]
    assert changed_fields([facts(1, "a", "properties"), facts(2, "a")]) == {"web": said}


def test_files_of_the_same_time_are_not_compared() -> None:
    first, second = facts(1, "a"), facts(2, "a")
    assert changed_fields([first, second, facts(2, "a", "b")])["web"] == ["web/2.jsonl: b (b) is new"]
    assert changed_fields([second, facts(2, "a", "b")]) == {}
    whole = {"first_event_time": "2024-03-01 00", "last_event_time": "2024-03-09 09"}
    assert changed_fields([second, facts(4, "a", "b", **whole)]) == {}
    assert changed_fields([second, facts(4, "b", **whole)]) == {}


@pytest.mark.long
def test_status_lists_changed_fields_and_properties_keep_them(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)})
    event = {"visitor_id": "v", "event_name": "a"}
    deployment.deliver("a", [{**event, "event_time": "2024-03-01", "page_title": "t", "plan": 1}])
    deployment.deliver("b", [{**event, "event_time": "2024-03-02", "element": "e", "plan": {"name": "pro"}}])
    deployment.run(date(2024, 3, 4))
    events = deployment.table("events")
    assert [json.loads(text) for text in events["properties"]] == [{"plan": 1}, {"plan": {"name": "pro"}}]
    said = json.loads(call("status", "--json", "--data", tmp_path)[1])
    assert said["changed_fields"] == {
        "test": ["test/b.jsonl: page_title is gone", "test/b.jsonl: element (element) is new"]
    }
    assert "page_title is gone" in call("status", "--data", tmp_path)[1]
