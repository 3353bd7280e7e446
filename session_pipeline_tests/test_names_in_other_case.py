"""Tests that columns of CSV and Parquet in another case, as Snowflake writes them, are read if this is clear."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.admission.recognition import recognized_preset
from session_pipeline.ingest.formats.layout import as_asked
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import RULES, Ingest, as_csv
from session_pipeline_tests.presets.reading import EXAMPLES
from session_pipeline_tests.shop_commands import call

ROWS = [json.loads(line) for line in (EXAMPLES / "snowplow" / "enriched.json").read_text().splitlines()]
NAMES = list(dict.fromkeys(name for row in ROWS for name in row))
OTHER = ("content_hash", "properties", "file_id")  # contain names, or the content as it is written
NATIVE = ["visitor_id", "event_time", "event_name"]


def text(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, dict | list) else None if value is None else str(value)


def written(kind: str, *, is_upper: bool) -> bytes:
    names = [name.upper() if is_upper else name for name in NAMES]
    values = [[text(row.get(name)) for row in ROWS] for name in NAMES]
    if kind == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.table(dict(zip(names, values, strict=True))), buffer)
        return buffer.getvalue()
    return as_csv(names, *zip(*values, strict=True)).encode()


def snowplow() -> ReadingRules:
    settings = parse_settings('start_date = 2026-01-01\n[sources.web]\npreset = "snowplow"\n')
    return rules_of(settings, "web", None)


@pytest.mark.parametrize("kind", ["csv", pytest.param("parquet", marks=pytest.mark.long)])
def test_export_of_snowflake_is_read_as_one_in_lower_case(each_way_of_columns: Ingest, kind: str) -> None:
    taken = {}
    for is_upper in (False, True):
        path = each_way_of_columns.deliver(written(kind, is_upper=is_upper), f"a.{kind}")
        with path.open("rb") as file:
            assert recognized_preset(file, path, kind) == "snowplow"
        taken[is_upper] = each_way_of_columns.read(each_way_of_columns.admit(path, snowplow()), snowplow())
    assert [len(each.events) for each in taken.values()] == [len(ROWS), len(ROWS)]
    lower, upper = (
        [{k: v for k, v in row.items() if k not in OTHER} for row in each.events] for each in taken.values()
    )
    assert lower == upper
    assert "USER_IPADDRESS" not in json.loads(taken[True].events[0]["properties"])
    assert taken[True].reading.mapping == taken[False].reading.mapping


@pytest.mark.parametrize(
    ("header", "event_name", "page_url", "properties"),
    [
        ("VISITOR_ID,Event_Time,EVENT_NAME,PAGE_URL,PLAN", "a", "/p", {"PLAN": "x"}),
        ("VISITOR_ID,event_time,event_name,page_url,PAGE_URL", "a", "/p", {"PAGE_URL": "x"}),
        ("visitor_id,event_time,event_name,PAGE_URL,PLAN", "a", None, {"PAGE_URL": "/p", "PLAN": "x"}),  # as before
    ],
)
def test_case_is_ignored_only_if_nothing_could_be_read(
    each_way_of_columns: Ingest, header: str, event_name: str, page_url: str | None, properties: dict[str, str]
) -> None:
    taken = each_way_of_columns.take(f"{header}\nv,2024-03-01,a,/p,x\n", "a.csv")
    [event] = taken.events
    assert (event["event_name"], event["page_url"], json.loads(event["properties"])) == (
        event_name,
        page_url,
        properties,
    )


@pytest.mark.parametrize("header", ["VISITOR_ID,Visitor_Id,event_time,event_name", "VISITOR,x,EVENT_TIME,EVENT_NAME"])
def test_lines_stay_in_quarantine_if_a_name_is_unclear_or_missing(each_way_of_columns: Ingest, header: str) -> None:
    taken = each_way_of_columns.take(f"{header}\nv,w,2024-03-01,a\n", "a.csv")
    assert taken.reasons == {2: "missing_visitor_id"}
    assert header.split(",")[2] in taken.quarantined[0]["line"]


def test_names_are_those_that_are_asked_for() -> None:
    assert as_asked(["A", "b", "C", "c", "D"], ["a", "B", "c", "d", "D"]) == ["a", "B", "C", "c", "D"]
    assert as_asked(["E"], ["e", "É", "e"]) == ["e"]
    assert as_asked(["F_G"], ["f_g", "F_g"]) == ["F_G"]


def test_fields_of_the_settings_are_found_in_other_case(each_way_of_columns: Ingest) -> None:
    rules = replace(
        RULES,
        columns={"visitor_id": "uid", "event_time": "at", "event_name": ("kind", "type")},
        expressions={"value": "cast(line ->> 'it''s' as decimal(18, 6))"},
        drop_fields=("secret",),
    )
    taken = each_way_of_columns.take("UID,AT,TYPE,IT'S,SECRET\nv,2024-03-01,a,3,s\n", "a.csv", rules)
    [event] = taken.events
    assert (event["visitor_id"], event["event_name"], float(event["value"])) == ("v", "a", 3.0)
    assert json.loads(event["properties"]) == {"type": "a", "it's": "3"}


def test_header_in_other_case_is_no_record(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, header=(*NATIVE, "plan"))
    taken = each_way_of_columns.take("EVENT_TIME,EVENT_NAME,VISITOR_ID\n2024-03-01,a,v\n", "a.csv", rules)
    assert (taken.column("visitor_id"), taken.admitted.line_count) == (["v"], 1)


def test_usual_names_in_other_case_are_suggested(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    lines = [f"c{number % 9},x,2026-10-05T10:00:{number},{'abc'[number % 3]}" for number in range(10, 50)]
    file.write_text("\n".join(["COOKIE_ID,OTHER,COLLECTOR_TSTAMP,EVENT_TYPE", *lines]))
    found = json.loads(call("try", file, "--json")[1])
    columns = {"visitor_id": "COOKIE_ID", "event_time": "COLLECTOR_TSTAMP", "event_name": "EVENT_TYPE"}
    assert (found["suggested_columns"], found["accepted_with_suggested"]) == (columns, 40)


def test_other_formats_keep_the_case(each_way_of_columns: Ingest) -> None:
    assert each_way_of_columns.take('{"VISITOR_ID": "v", "EVENT_TIME": "2024-03-01", "EVENT_NAME": "a"}\n').events == []
