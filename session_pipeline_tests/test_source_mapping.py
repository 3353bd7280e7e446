"""Tests the keys of a source that map its lines: several fields, expressions, event names, lists of keys and values."""

import io
import json
import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest


def taken(ingest: Ingest, *lines: dict[str, Any], **rules: Any) -> list[dict[str, Any]]:
    return ingest.take_lines(*lines, rules=replace(RULES, **rules)).events


def test_first_field_with_a_value_counts_then_the_constant(ingest: Ingest) -> None:
    lines = [{"a": "x", "b": {"c": "y"}}, {"a": "", "b": {"c": "y"}}, {"b": None}, {"a": None, "b": {"c": ""}}]
    found = taken(
        ingest,
        *({**EVENT, **line} for line in lines),
        columns={"page_title": ("a", "b.c")},
        constants={"page_title": "z"},
    )
    assert [event["page_title"] for event in found] == ["x", "y", "z", "z"]
    assert json.loads(found[0]["properties"]) == {"b": {"c": "y"}}  # the field that was not used is kept


def test_column_without_a_field_is_null(ingest: Ingest) -> None:
    [found] = taken(ingest, {**EVENT, "user_id": "u", "page_title": "T"}, columns={"user_id": (), "properties": ()})
    assert (found["user_id"], json.loads(found["properties"])) == (None, {"user_id": "u"})


def test_origin_names_all_fields_and_the_constant(ingest: Ingest) -> None:
    rules = replace(RULES, columns={"page_title": ("a", "b")}, constants={"page_title": "z"})
    assert ingest.take_lines({**EVENT, "a": "x"}, rules=rules).reading.mapping["page_title"] == (
        "a, else b, else constant 'z'"
    )


def test_missing_column_names_all_fields(ingest: Ingest) -> None:
    rules = replace(RULES, columns={"visitor_id": ("a", "b.c")})
    line = {name: value for name, value in EVENT.items() if name != "visitor_id"}
    [row] = ingest.take_lines(line, rules=rules).quarantined
    assert row["detail"] == "visitor_id (a, b.c)"


def test_expression_reads_fields_and_columns(ingest: Ingest) -> None:
    line = {**EVENT, "where": {"host": "shop.example", "path": "/a"}, "$query": "q=1", "page_title": "T"}
    [found] = taken(
        ingest,
        line,
        expressions={
            "page_url": "'https://' || (line ->> 'where.host') || (line ->> 'where.path')"
            " || coalesce('?' || (line ->> '$query'), '')",
            "search_term": "lower(page_title)",
        },
    )
    assert found["page_url"] == "https://shop.example/a?q=1"
    assert found["search_term"] == "t"
    assert json.loads(found["properties"])["where"] == {"host": "shop.example", "path": "/a"}


def test_useful_expressions_for_values_give_amounts(ingest: Ingest) -> None:
    """Those of docs/sources/README.md: expressions do not calculate, but a text can have an exponent."""
    page = (ROOT / "docs" / "sources" / "README.md").read_text()
    as_text, in_dollars, in_euros, in_cents = (
        tomllib.loads('e = "{}"'.format(found.replace("\\|", "|")))["e"]
        for found in re.findall(r"^\| a value .* \| `(.+)` \|$", page, re.MULTILINE)
    )
    lines = [EVENT | {"cents": cents} for cents in (1999, "1999", -5, 0, 12.5, "free", None)]
    values = [row["value"] for row in taken(ingest, *lines, expressions={"value": in_cents})]
    amounts = ("19.99", "19.99", "-0.05", "0", "0.125")
    assert values == [*map(Decimal, amounts), None, None]
    [row] = taken(ingest, EVENT | {"value": "19.99"}, expressions={"value": as_text})
    assert row["value"] == Decimal("19.99")
    [row] = taken(ingest, EVENT | {"value": "$1,234.50"}, expressions={"value": in_dollars})
    assert row["value"] == Decimal("1234.50")
    written = (
        "1.234,50 €",
        "1.234,50€",
        "€ 1.234,50",
        "1.234,50\u00a0€",
        "1\u202f234,50\u00a0€",
        "1\u00a0234,50\u202f€",
    )
    lines = [EVENT | {"value": value} for value in written]
    rows = taken(ingest, *lines, expressions={"value": in_euros}, decimal_comma=True)
    assert [row["value"] for row in rows] == [Decimal("1234.50")] * len(written)


def test_column_has_its_field_where_the_expression_is_null(ingest: Ingest) -> None:
    lines = [{**EVENT, "page_title": "T", "own": own} for own in ("x", None)]
    found = taken(ingest, *lines, expressions={"page_title": "line ->> 'own'"})
    assert [event["page_title"] for event in found] == ["x", "T"]


def test_event_names_by_condition_then_by_value(ingest: Ingest) -> None:
    lines = [
        {**EVENT, "event_name": "$pageview"},
        {**EVENT, "event_name": "Order Completed"},
        {**EVENT, "event_name": "$auto", "kind": {"is": "submit"}},
        {**EVENT, "event_name": "$auto"},
        {**EVENT, "event_name": None},
    ]
    found = taken(
        ingest,
        *lines,
        events=(("submit", "event_name = '$auto' and (line ->> 'kind.is') = 'submit'"),),
        event_names={"$pageview": "page_view", "Order Completed": "purchase"},
        constants={"event_name": "$pageview"},
    )
    assert [event["event_name"] for event in found] == ["page_view", "purchase", "submit", "$auto", "page_view"]


def test_fields_of_a_csv_have_no_paths(ingest: Ingest) -> None:
    content = "visitor_id,event_time,event_name,a.b\nv,2024-03-01T12:00:00Z,x,T\n"
    rules = replace(RULES, expressions={"page_title": "upper(line ->> 'a.b')"})
    assert ingest.take(content, "a.csv", rules).column("page_title") == ["T"]


def test_list_of_keys_and_values_is_an_object(ingest: Ingest) -> None:
    values = [
        {"key": "page", "value": {"string_value": "/a", "int_value": None, "float_value": None}},
        {"key": "session", "value": {"int_value": "12"}},
        {"key": "price", "value": {"double_value": 1.5}},
        {"key": "none", "value": {"string_value": None}},
        {"key": "empty", "value": {}},
        {"name": "plain", "value": "x"},
        {"value": "without a key"},
        7,
    ]
    [found] = taken(
        ingest,
        {**EVENT, "params": values, "other": 1},
        key_values=("params",),
        columns={"page_url": "params.page", "client_session_id": "params.session", "value": "params.price"},
    )
    assert (found["page_url"], found["client_session_id"], str(found["value"])) == ("/a", "12", "1.500000")
    assert json.loads(found["properties"]) == {
        "other": 1,
        "params": {"session": 12, "price": 1.5, "plain": "x"},  # a page is stored only as a column
    }


def test_whole_number_that_is_no_safe_json_number_is_kept_as_text(ingest: Ingest) -> None:
    numbers: list[tuple[Any, Any]] = [
        ("123456789012345678", 123456789012345678),
        ("1234567890123456789", "1234567890123456789"),
        (1234567890123456789, "1234567890123456789"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("007", "007"),
        ("0", 0),
    ]
    lines = [{**EVENT, "params": [{"key": "id", "value": {"int_value": given}}]} for given, _ in numbers]
    found = taken(ingest, *lines, key_values=("params",), columns={"element": "params.id"})
    assert [json.loads(row["properties"]) for row in found] == [{"params": {"id": kept}} for _, kept in numbers]
    assert [row["element"] for row in found] == [str(kept) for _, kept in numbers]


def test_list_can_be_nested_and_become_the_properties(ingest: Ingest) -> None:
    line = {**EVENT, "a": {"b": [{"key": "x", "value": 1}]}, "c": [{"key": "y", "value": 2}]}
    [found] = taken(ingest, line, key_values=("a.b", "c"), columns={"properties": "c"})
    assert json.loads(found["properties"]) == {"a": {"b": {"x": 1}}, "y": 2}


def test_list_of_parquet_can_have_each_element_in_an_object(ingest: Ingest) -> None:
    values = [{"key": "page", "value": "/a?secret"}, {"key": "n", "value": "2"}, {"key": "none", "value": None}]
    rows = [
        {**EVENT, "params": {"list": [{"element": value} for value in found]}} for found in (values, values[2:], [])
    ]
    pq.write_table(pa.Table.from_pylist(rows), file := io.BytesIO())
    rules = replace(RULES, key_values=("params",), columns={"page_url": "params.page"})
    taken = ingest.take(file.getvalue(), "a.parquet", rules)
    assert taken.column("page_url") == ["/a", None, None]
    assert [json.loads(each) for each in taken.column("properties")] == [
        {"params": {"n": "2"}}, {"params": {}}, {"params": {"list": []}}
    ]  # fmt: skip


SCHEMA = "iglu:com.acme/linkClick/jsonschema/1-0-2"


def test_list_of_self_describing_json_is_an_object_of_lists(ingest: Ingest) -> None:
    other = "iglu:com.acme-shop/page/jsonschema/2-1-0"
    values = [
        {"schema": SCHEMA, "data": {"n": 2}},
        {"schema": other, "data": [1]},
        {"data": {"n": 1}, "schema": SCHEMA},
    ]
    [found] = taken(ingest, {**EVENT, "a": {"b": values}}, key_values=("a.b",))
    assert json.loads(found["properties"])["a"]["b"] == {
        "com_acme_link_click_1": [{"n": 2}, {"n": 1}],
        "com_acme_shop_page_2": [[1]],
    }


NO_ENTITIES: list[list[Any]] = [
    [{"schema": SCHEMA, "data": 1}, {"schema": SCHEMA}],
    [{"schema": SCHEMA, "data": 1}, {"schema": "x", "data": 1}],
    [{"schema": SCHEMA, "data": 1, "more": 2}],
]


def test_what_is_no_list_of_objects_is_kept(ingest: Ingest) -> None:
    values: list[Any] = [None, [], ["x"], [{"a": 1}], {"a": 1}, {"list": [{}]}, "text", 3, *NO_ENTITIES]
    found = taken(ingest, *({**EVENT, "params": value} for value in values), key_values=("params",))
    kept = [json.loads(row["properties"] or "{}") for row in found]
    assert kept == [{} if value is None else {"params": value} for value in values]


def test_line_that_is_no_object_keeps_its_text(ingest: Ingest) -> None:
    rules = replace(RULES, key_values=("params",))
    lines = ('{"params":[{"key":"a","value":NaN}]}', "[1]", '{"a":1,"a":2,"params":[{"key":"a","value":1}]}')
    taken = ingest.take_lines(*lines, rules=rules)
    assert taken.reasons == {1: "invalid_json", 2: "not_an_object", 3: "duplicate_key"}
    assert [row["line"] for row in taken.quarantined[:2]] == list(lines[:2])


def test_rules_that_are_not_set_leave_the_fingerprint_as_it_was() -> None:
    assert replace(RULES, events=(), key_values=()).fingerprint("jsonl") == RULES.fingerprint("jsonl")
    changed = [{"events": (("a", "true"),)}, {"key_values": ("a",)}, {"event_names": {"a": "b"}}]
    fingerprints = {replace(RULES, **rules).fingerprint("jsonl") for rules in changed}  # type: ignore[arg-type]
    assert len({*fingerprints, RULES.fingerprint("jsonl")}) == 4
