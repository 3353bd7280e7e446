"""Tests what is suggested about values: texts for null, names of page views, lines that are all the same event."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.run.suggested_keys import ONLY_COUNTS, Suggested
from session_pipeline.run.try_file import try_file
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.ingesting import RULES
from session_pipeline_tests.test_suggested_requests import AT, of_log
from session_pipeline_tests.test_suggestions import AGENT

EVENT = {"visitor_id": "v", "event_time": AT, "event_name": "page_view"}
LOG_LINE = f'192.0.2.7 - - [04/May/2026:10:00:00 +0000] "GET /p HTTP/1.1" 200 512 "-" "{AGENT}"'


def test_texts_for_null_are_named_and_their_fields_are_judged_without_them() -> None:
    found = of_log(
        {**EVENT, "referer": "https://e.org/", "amount": "12.5"}, *[{**EVENT, "referer": r"\N", "amount": "NULL"}] * 9
    )
    assert found.keys == {"columns": {"referrer": "referer", "value": "amount"}, "null_values": [r"\N", "NULL"]}
    assert "null_values" not in of_log({**EVENT, "text": "NULLABLE"}).keys


def test_text_for_null_that_the_settings_name_is_not_suggested_again() -> None:
    line = {**EVENT, "amount": "NULL", "referer": r"\N"}
    assert of_log(line, rules=replace(RULES, null_values=("NULL",))).keys == {"null_values": [r"\N"]}
    assert of_log(line, rules=replace(RULES, null_values=("NULL", r"\N"))).keys == {}


def test_format_of_times_is_suggested_unless_the_settings_say_how_they_are_read() -> None:
    line, key = EVENT | {"event_time": "23.05.2026 10:00:00"}, {"time_format": "%d.%m.%Y %H:%M:%S"}
    assert of_log(line).keys == key
    for given in (key, {"constants": {"event_time": AT}}, {"expressions": {"event_time": "line ->> 'at'"}}):
        assert "time_format" not in of_log(line, rules=replace(RULES, **given)).keys


@pytest.mark.parametrize("name", ["pageview", "$pageview", "Page View", "page", "screen_view"])
def test_names_of_page_views_are_mapped(name: str) -> None:
    assert of_log(EVENT | {"event_name": name}).keys == {"event_names": {name: "page_view"}}


@pytest.mark.parametrize("names", [("page_view", "pageview"), ("view", "cart"), ("page_left", "page_review")])
def test_other_names_are_not_mapped(names: tuple[str, str]) -> None:
    assert "event_names" not in of_log(*[EVENT | {"event_name": name} for name in names]).keys


@pytest.mark.parametrize(
    "given",
    [
        {"event_names": {"view": "page_view"}},
        {"events": ({"url": "page_view"},)},
        {"request": {"/": "page_view"}},
        {"constants": {"event_name": "page_view"}},
        {"expressions": {"event_name": "line ->> 'name'"}},
    ],
    ids=lambda given: next(iter(given)),
)
def test_names_are_not_mapped_if_the_settings_say_how_events_are_called(given: dict[str, Any]) -> None:
    found = of_log(EVENT | {"event_name": "pageview"}, rules=replace(RULES, **given))
    assert "event_names" not in found.keys


@pytest.mark.parametrize("name", ["pageview\n", "pageview\ud800", "page" + "_" * 97])
def test_names_that_the_settings_cannot_contain_are_not_mapped(name: str) -> None:
    mapped = of_log(*[EVENT | {"event_name": each} for each in (name, "pageview")])
    assert mapped.keys == {"event_names": {"pageview": "page_view"}}
    assert of_log(EVENT | {"event_name": name}).keys == {}


@pytest.mark.parametrize(
    ("line", "event"), [({"url": "/p"}, "page_view"), ({"title": "Lamp"}, "page_view"), ({"revenue": "5"}, "purchase")]
)
def test_lines_without_a_name_can_be_one_event(line: Mapping[str, Any], event: str) -> None:
    found = of_log({"visitor_id": "v", "event_time": AT, **line})
    said = f'if every line is a {event}, set constants = {{ event_name = "{event}" }}'
    assert (found.remarks, list(found.missing)) == ([said], ["event_name"])


def test_object_called_value_is_no_value() -> None:
    message = {"key": "k", "timestamp": AT, "value": {"visitorId": "v", "eventType": "page_view"}}
    expected = {
        "visitor_id": "value.visitorId",
        "event_time": "timestamp",
        "event_name": "value.eventType",
        "value": [],
    }
    assert of_log(message).keys == {"columns": expected}
    assert of_log({**EVENT, "value": "5"}).keys == {}


def test_session_that_stands_for_the_visitor_is_named() -> None:
    said = "no field has ids of visitors, so session_id is used: each session is a visitor of its own"
    assert of_log({"session_id": "s", "event_time": AT, "event_name": "page_view"}).remarks == [said]


@pytest.mark.parametrize(("name", "how"), [("log", ", as `jq -r .log` does"), ("@message", "")])
def test_field_with_lines_of_a_log_is_named(name: str, how: str) -> None:
    found = of_log({"time": AT, "stream": "stdout", name: f"{LOG_LINE}\n"})
    assert found.remarks == [f"{name} has lines of an access log: write them into a file of their own{how}"]
    assert of_log({"time": AT, "stream": "stdout", name: "Starting up"}).remarks == []


def test_names_of_some_events_are_named() -> None:
    line = {"visitor_id": "v", "event_time": AT, "type": "custom_event"}
    lines = [{**line, "type": "pageview", "event_name": ""}] * 3 + [{**line, "event_name": "Signed Up"}]
    said = 'event_name has the names of some events: write event_name = ["event_name", "type"] into columns to use them'
    assert (of_log(*lines).keys["columns"], of_log(*lines).remarks) == ({"event_name": "type"}, [said])
    assert of_log(line).remarks == of_log({**line, "name": "Signed Up"}, *[line] * 3).remarks == []


@pytest.mark.parametrize(
    "row",
    [
        {
            "dateHourMinute": "202605041005",
            "pagePath": "/",
            "eventName": "page_view",
            "eventCount": "12",
            "totalUsers": "9",
        },
        {"Pathname": "/", "Views": "120", "Uniques": "90", "Date": "2026-05-04 00:00:00"},
    ],
)
def test_report_of_counts_has_no_events(row: Mapping[str, str]) -> None:
    assert of_log(row) == Suggested(remarks=[ONLY_COUNTS])
    assert of_log({**row, "visitor_id": "v"}).remarks != [ONLY_COUNTS]


def test_suggested_keys_keep_what_the_settings_have_there(tmp_path: Path) -> None:
    """Settings with the keys as they are shown lose nothing, and nothing more is suggested."""
    source = {"columns": {"visitor_id": "uid"}, "null_values": ["NULL"]}
    deployment = Deployment(tmp_path / "data", {"start_date": date(2026, 1, 1), "sources": {"web": source}})
    line = {"uid": "v", "happened_at": AT, "event_name": "page_view", "referrer": r"\N", "text": "NULL"}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(line) + "\n")
    suggested = try_file(file, folder=deployment.folder, source="web", has_sessions=False).suggested
    assert suggested == {
        "columns": {"visitor_id": "uid", "event_time": "happened_at"},
        "null_values": ["NULL", r"\N"],
    }
    deployment.set({"start_date": date(2026, 1, 1), "sources": {"web": source | suggested}})
    assert try_file(file, folder=deployment.folder, source="web", has_sessions=False).suggested == {}
