"""Tests that records in one JSON object are found, and that the setting that reads them is suggested."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.admission.wrapped_records import list_of_rows, wrapped_records
from session_pipeline.settings import load_settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.shop_commands import EVENTS, call

pytestmark = pytest.mark.usefixtures("no_data_folder")

POSTHOG = Path(__file__).parent / "presets" / "examples" / "posthog" / "events.jsonl"
RENAMED = [{"jar": f"c{n % 9}", "at": f"2026-10-05T10:00:{n}Z", "sort": "abc"[n % 3]} for n in range(10, 50)]


@pytest.mark.parametrize(
    ("text", "records_in", "count"),
    [
        ('{"events": [{"a": 1}, {"a": [{}]}]}', "events", 2),
        (
            '{\n "next": null, "x": {"y" : {"b": 1}}, "tags": ["a"], "none": [],\n "results": [ {"a": 1} ] }\n',
            "results",
            1,
        ),
        ('{"data": {"orders": [{"a": 1}]}}', "data.orders", 1),
        ('{"n":1,"page":{"tags":["a"]},"results":[{"a":1}]}', "results", 1),
        ('{"results"; [{"a": 1}]}', None, 0),
        ('{"events": [{"a": 1}, {"a": 2}, {"a"', "events", 2),
        ('{"a": [{"b": 1}], "c": [{"d": 1}]}', None, 0),
        ('{"a": {"b": {"c": [{"d": 1}]}}}', "a.b.c", 1),
        ('{"a": {"b": {"c": {"d": [{"e": 1}]}}}}', None, 0),
        ('{"a.b": [{"c": 1}]}', None, 0),
        ('{"a.b": {"c": [{"d": 1}]}}', None, 0),
        ('{"events": [1, {"a": 1}]}', None, 0),
        ('{"events": {"a": 1}}', None, 0),
        ("[" * 5000, None, 0),
        ('{"a":' * 5000, None, 0),
        ("no JSON", None, 0),
        ("", None, 0),
    ],
)
def test_only_list_of_objects_is_found(text: str, records_in: str | None, count: int) -> None:
    found = wrapped_records(text)
    assert (found and found.records_in) == records_in
    assert len(found.records if found else ()) == count


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{"columns": ["a"], "results": [["x"], ["y"]]}', "results"),
        ('{"data": {"rows": [["x"], ["y"', "data.rows"),
        ('{"results": [["x", 1, null], [2, "y", true]]}', "results"),
        ('{"results": [["x"], [1, 2]]}', None),
        ('{"results": [[null], [true]]}', None),
        ('{"results": [{"a": 1}], "types": [["x"]]}', None),
        ('{"a": [["x"]], "b": [["y"]]}', None),
        ('{"results": []}', None),
        ('{"mouse": [[10, 20], [30, 40.5]]}', None),
        ("", None),
    ],
)
def test_only_list_of_lists_is_found(text: str, rows: str | None) -> None:
    assert list_of_rows(text) == rows


@pytest.mark.long
def test_records_that_are_lists_are_named_instead_of_keys(tmp_path: Path) -> None:
    file, said = tmp_path / "query.json", "the records in results are lists of values, and such records are not read"
    rows = [["u1", "$pageview", "d1", f"2026-10-05T10:00:{n}Z"] for n in range(10, 50)]
    file.write_text(json.dumps({"columns": ["uuid", "event", "distinct_id", "timestamp"], "results": rows}))
    found = json.loads(call("try", file, "--json")[1])
    assert (found["suggested"], found["missing"]) == ({}, {})
    assert [remark.startswith(said) for remark in found["remarks"]] == [True]
    assert said in " ".join(call("init", tmp_path / "new", "--from", file)[2].split())
    deployment = Deployment(tmp_path / "data", {"start_date": date(2024, 1, 1)})
    deployment.folder.raw.joinpath("web").mkdir(parents=True)
    file.rename(deployment.folder.raw / "web" / "a.json")
    assert said in " ".join("".join(call("run", "--data", deployment.folder.path)[1:]).split())


@pytest.mark.long
@pytest.mark.parametrize(
    ("records", "keys"),
    [
        pytest.param(EVENTS, {"records_in": "page.results"}, marks=pytest.mark.nightly),
        (EVENTS * 300, {"records_in": "page.results"}),  # more than a line may have
        (RENAMED, {"records_in": "page.results", "columns": {"event_time": "at"}}),
        ([json.loads(line) for line in POSTHOG.read_text().splitlines()], {"preset": "posthog"}),
    ],
    ids=["usual fields", "many", "other fields", "preset"],
)
@pytest.mark.parametrize("indent", [None, pytest.param(1, marks=pytest.mark.nightly)])
def test_records_in_is_suggested(records: list[Any], keys: dict[str, Any], indent: int | None, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    text = json.dumps({"next": None, "at": "2026-10-05T10:00:00Z", "page": {"results": records}}, indent=indent)
    file.write_text(text)
    code, out, _ = call("try", file, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["suggested"] == {**keys, "records_in": "page.results"}
    assert found["lines_with_suggested"] == len(records)
    code, out, err = call("init", tmp_path / "new", "--from", file)
    source = load_settings(tmp_path / "new").source("web")
    assert source.records_in == "page.results"
    if records is not RENAMED:
        assert (code, err) == (0, "")
        assert f"{len(records):,} of {len(records):,} lines are accepted" in out
    else:
        assert source.columns == keys["columns"]
        assert found["missing"] == {"visitor_id": ["jar", "sort"], "event_name": ["sort", "jar"]}


def test_items_of_an_order_are_not_taken_for_events(tmp_path: Path) -> None:
    order = {"id": 7, "created_at": "2026-10-05T10:00:00Z", "line_items": [{"sku": "a", "price": "5.00"}]}
    file = tmp_path / "order.json"
    file.write_text(json.dumps(order))
    assert "records_in" not in json.loads(call("try", file, "--json")[1])["suggested"]


@pytest.mark.long
def test_status_and_run_suggest_records_in(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {"start_date": date(2024, 1, 1)})
    file = deployment.folder.raw / "web" / "a.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"events": EVENTS}))
    for command in ("run", "status"):
        said = " ".join("".join(call(command, "--data", deployment.folder.path)[1:]).split())
        assert 'if the objects in events are its events, set sources.web.records_in = "events" in settings.toml' in said
