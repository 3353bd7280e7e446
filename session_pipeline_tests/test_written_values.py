"""Tests values that are written in other ways: JSON in texts, texts for null, decimal commas, notations of times."""

import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline_tests.ingesting import EVENT, RULES, Ingest
from session_pipeline_tests.test_records import event, titles

pytestmark = pytest.mark.long  # further cases of what the usual tests cover


@pytest.fixture
def ingest(each_way_and_in_parts: Ingest) -> Ingest:
    return each_way_and_in_parts


def test_columns_can_be_read_from_json_texts(ingest: Ingest) -> None:
    rules = replace(RULES, json_fields=("props",), columns={"page_url": "props.$url", "user_id": "props.ids.0.id"})
    props = json.dumps({"$url": "/a", "ids": [{"id": "u"}], "tags": ["a", "b"], "none": None}).replace('"', '""')
    rows = [f'v,2024-03-01,a,"{props}"', "v,2024-03-01,b,{not JSON", "v,2024-03-01,c,", 'v,2024-03-01,d,"[NaN]"']
    taken = ingest.take("visitor_id,event_time,event_name,props\n" + "\n".join(rows), "a.csv", rules)
    assert taken.column("page_url") == ["/a", None, None, None]
    assert taken.column("user_id") == ["u", None, None, None]
    assert [json.loads(row or "{}").get("props") for row in taken.column("properties")] == [
        {"ids": [{"id": "u"}], "tags": ["a", "b"]}, "{not JSON", None, "[NaN]",  # a page is stored only as a column
    ]  # fmt: skip


def test_json_texts_in_parquet_and_json_are_parsed(ingest: Ingest) -> None:
    rules = replace(RULES, json_fields=("a.props",), columns={"page_url": "a.props.url"})
    line = event(1, a={"props": '{"url": "/a"}'})
    assert ingest.take_lines(line, rules=rules).column("page_url") == ["/a"]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([line]), sink)
    assert ingest.take(sink.getvalue(), "a.parquet", rules).column("page_url") == ["/a"]


def test_json_texts_within_json_texts_are_parsed(ingest: Ingest) -> None:
    rules = replace(
        RULES, json_fields=("a", "a.b", "c", "a.d", "e"), columns={"page_title": "a.b.t", "user_id": "c.0.id"}
    )
    a = {"b": json.dumps({"t": "x"}), "d": "[1]", "e": "{}"}
    taken = ingest.take_lines(event(1, a=json.dumps(a), c='[{"id": "u"}]', e="{"), rules=rules)
    assert (taken.column("page_title"), taken.column("user_id")) == (["x"], ["u"])
    found = json.loads(taken.events[0]["properties"])
    assert (found["a"], found["e"]) == ({"b": {"t": "x"}, "d": [1], "e": "{}"}, "{")


def test_null_values_count_as_missing(ingest: Ingest) -> None:
    rules = replace(RULES, null_values=("\\N", "NULL", "-"), columns={"page_title": ("t", "u")})
    lines = [event(1, t="\\N", u="x", v="NULL", w='":"NULL"', n={"a": "-", "b": ["-"]}), event(2, t="-", u=" NULL")]
    taken = ingest.take_lines(*lines, rules=rules)
    assert titles(taken) == ["x", " NULL"]
    found = json.loads(taken.events[0]["properties"])
    assert found == {"page_title": "1", "u": "x", "w": '":"NULL"', "n": {"b": ["-"]}}
    csv = ingest.take('visitor_id,event_time,event_name,value\nv,2024-03-01,"a-b",\\N\n', "a.csv", rules)
    assert (csv.column("value"), csv.column("event_name")) == ([None], ["a-b"])
    assert ingest.take_lines(event(1, visitor_id="NULL"), rules=rules).reasons == {1: "missing_visitor_id"}


NUMBERS = {
    "1.234,56": "1234.56", "12,5": "12.5", "1 234,5": "1234.5", "1'234,50": "1234.5", "-0,5": "-0.5",
    12.5: "12.5", "12.50": "12.5", "1.234": "1234", 1.234: "1.234", "1\u00a0234,5": "1234.5", ",5": "0.5", 7: "7",
}  # fmt: skip


def test_numbers_with_a_decimal_comma_are_read(ingest: Ingest) -> None:
    lines = [event(1, value=written) for written in NUMBERS]
    taken = ingest.take_lines(*lines, rules=replace(RULES, decimal_comma=True))
    assert taken.reasons == {}
    found = dict(zip(NUMBERS, map(float, taken.column("value")), strict=True))
    assert found == {written: float(meant) for written, meant in NUMBERS.items()}


def test_decimal_comma_changes_no_numbers_of_parquet(ingest: Ingest) -> None:
    numbers = [pa.array([1.234]), *(pa.array([Decimal("1.234")], pa.decimal128(digits, 3)) for digits in (10, 20))]
    for number in [*numbers, pa.array(["1,234"])]:
        file = io.BytesIO()
        pq.write_table(pa.table({**{name: [value] for name, value in EVENT.items()}, "value": number}), file)
        [event] = ingest.take(file.getvalue(), "a.parquet", replace(RULES, decimal_comma=True)).events
        assert event["value"] == Decimal("1.234"), number.type


VALUE_EXPRESSIONS = {
    "cast(line ->> 'n.price' as decimal(18, 6))": ["1.234,5", "12,567", 1.234, "1.234"],
    "coalesce(line ->> 'missing', line ->> 'n.price')": ["1.234,5", "12,567", 1.234, "1.234"],
    "split_part(line ->> 'n.price', ' ', 1)": ["1.234,5 EUR", "12,567 EUR", 1.234, "1234"],
    "cast(value as decimal(18, 6))": ["1.234,5", "12,567", 1.234, "1.234"],
}


@pytest.mark.parametrize("expression", VALUE_EXPRESSIONS)
def test_decimal_comma_counts_in_the_expression_of_value(ingest: Ingest, expression: str) -> None:
    rules = replace(RULES, decimal_comma=True, columns={"value": "n.price"}, expressions={"value": expression})
    lines = [event(1, n={"price": written}) for written in VALUE_EXPRESSIONS[expression]]
    taken = ingest.take_lines(*lines, rules=rules)
    assert [float(value) for value in taken.column("value")] == [1234.5, 12.567, 1.234, 1234]


@pytest.mark.parametrize(
    ("written", "expression", "decimal_comma"),
    [
        ("$1,234.50", "cast(replace(replace(line ->> 'value', '$', ''), ',', '') as decimal(18, 6))", False),
        (
            "1.234,50 €",
            r"trim(replace(replace(replace(line ->> 'value', '\u00a0', ' '), '\u202f', ' '), '€', ''))",
            True,
        ),
    ],
)
def test_sign_of_a_currency_is_removed_by_an_expression_of_the_docs(
    ingest: Ingest, written: str, expression: str, decimal_comma: bool
) -> None:
    page = Path(__file__).parent.parent / "docs" / "sources" / "README.md"
    assert f"`{expression}`" in page.read_text(encoding="utf-8")
    rules = replace(RULES, decimal_comma=decimal_comma)
    assert ingest.reason(rules, value=written) == ("invalid_value", f"value: {written}")
    taken = ingest.take_lines(event(1, value=written), rules=replace(rules, expressions={"value": expression}))
    assert [float(value) for value in taken.column("value")] == [1234.5]


def test_value_with_a_comma_is_invalid_without_the_setting(ingest: Ingest) -> None:
    assert ingest.reason(value="12,5") == ("invalid_value", "value: 12,5")
    assert ingest.reason(replace(RULES, decimal_comma=True), value="1,2,3") == ("invalid_value", "value: 1,2,3")


def test_blanks_around_a_time_need_the_expression_of_the_definitions(ingest: Ingest) -> None:
    written = " 2026-10-25T12:00:00Z "
    assert ingest.reason(event_time=written) == ("invalid_event_time", f"event_time: {written}")
    page = Path(__file__).parent.parent / "docs" / "definitions.md"
    assert "`event_time = \"trim(line ->> 'at')\"`" in page.read_text(encoding="utf-8")
    rules = replace(RULES, columns={"event_time": "at"}, expressions={"event_time": "trim(line ->> 'at')"})
    taken = ingest.take_lines({**EVENT, "at": written}, rules=rules)
    assert str(taken.events[0]["event_time"]) == "2026-10-25 12:00:00"


TIMES = [
    ("1709294400123456789", "2024-03-01 12:00:00.123456"),
    (1709294400999999999, "2024-03-01 12:00:00.999999"),
    ("2024/03/01 12:00:00", "2024-03-01 12:00:00"),
    ("2024/03/01 12:00:00.25", "2024-03-01 12:00:00.250000"),
    ("2024/03/01", "2024-03-01 00:00:00"),
    ("2024/03/01 12:00", "2024-03-01 12:00:00"),
    ("2024/03/01T12:00:00Z", "2024-03-01 12:00:00"),
    ("2024/03/01 12:00:00 +0200", "2024-03-01 10:00:00"),
    ("2024/03/01 12:00:00 UTC", "2024-03-01 12:00:00"),
    ("2024/03/01 12:00:00 GMT", "2024-03-01 12:00:00"),
    ("Fri, 01 Mar 2024 12:00:00 +0000", "2024-03-01 12:00:00"),
    ("Fri, 01 Mar 2024 12:00:00 -0330", "2024-03-01 15:30:00"),
    ("Fri, 1 Mar 2024 12:00:00 GMT", "2024-03-01 12:00:00"),
    ("01 Mar 2024 12:00 UT", "2024-03-01 12:00:00"),
    ("Fri, 01 Mar 2024 12:00:00 +0000 (UTC)", "2024-03-01 12:00:00"),
    ("[01/Mar/2024:12:00:00 -0700]", "2024-03-01 19:00:00"),
    ("01/Mar/2024:12:00:00 +0000", "2024-03-01 12:00:00"),
    ("01/Mar/2024:12:00:00", "2024-03-01 12:00:00"),
    ("01-Mar-2024 12:00:00", "2024-03-01 12:00:00"),
    ("2024-03-01 12:00:00,123", "2024-03-01 12:00:00.123000"),
    ("2024-03-01T12:00:00,5Z", "2024-03-01 12:00:00.500000"),
    ("2024-03-01 12:00:00,123 UTC", "2024-03-01 12:00:00.123000"),
    ("2024-03-01 12:00:00,123+02:00", "2024-03-01 10:00:00.123000"),
    ("2024-03-01 23:59:60,5Z", "2024-03-02 00:00:00"),
    ("2024-03-01 12:00:00 GMT", "2024-03-01 12:00:00"),
    ("20240301T120000Z", "2024-03-01 12:00:00"),
    ("20240301T120000", "2024-03-01 12:00:00"),
    ("20240301T1200-0330", "2024-03-01 15:30:00"),
    ("20240301T120000.25+01:00", "2024-03-01 11:00:00.250000"),
    ("20240301T120000,25Z", "2024-03-01 12:00:00.250000"),
]


def test_other_notations_of_times_are_read(ingest: Ingest) -> None:
    taken = ingest.take_lines(*(event(1, event_time=written) for written, _ in TIMES))
    assert taken.reasons == {}
    assert [str(time) for time in taken.column("event_time")] == [meant for _, meant in TIMES]


def test_other_times_without_an_offset_are_local(ingest: Ingest) -> None:
    rules = replace(RULES, timezone="Europe/Berlin")
    local = ("2024/07/01 12:00:00", "01/Jul/2024:12:00:00", "2024-07-01 12:00:00,0", "20240701T120000")
    taken = ingest.take_lines(*(event(1, event_time=written) for written in local), rules=rules)
    assert [str(time) for time in taken.column("event_time")] == ["2024-07-01 10:00:00"] * len(local)


NO_TIMES = [
    "2024/13/01", "2024/02/30 12:00:00", "01/Mrz/2024:12:00:00 +0000", "32/Mar/2024:12:00:00", "2024/03/01 25:00:00",
    "Fri, 01 Mar 2024 12:00:00 +2500", "01/03/2024", "Mar 2024", "Fri, 01 Mar 2024",
    "2024/03-01 12:00", "2024-03-01 12:00:00,", "2024-03-01,12:00", "2024-03-01 GMT", "20240230T120000Z",
    "20240301t120000Z",
]  # fmt: skip


def test_other_texts_are_invalid_times(ingest: Ingest) -> None:
    reasons = ingest.take_lines(*(event(1, event_time=written) for written in NO_TIMES)).reasons
    found = {written: reasons.get(number) for number, written in enumerate(NO_TIMES, start=1)}
    assert found == dict.fromkeys(NO_TIMES, "invalid_event_time")
