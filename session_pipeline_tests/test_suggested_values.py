"""Tests what is suggested about values: texts for null, and names of events."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.result import NO_SOURCE
from session_pipeline.trial.sampled_fields import json_fields_in
from session_pipeline.trial.try_file import try_file
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.ingesting import RULES
from session_pipeline_tests.test_suggested_requests import AT, of_log

EVENT = {"visitor_id": "v", "event_time": AT, "event_name": "page_view"}
ROW = {**EVENT, "event_name": "pageview", "url": "https://shop.example/"}


def test_texts_for_null_are_named_and_their_fields_are_judged_without_them() -> None:
    found = of_log(
        {**EVENT, "referer": "https://e.org/", "amount": "12.5"}, *[{**EVENT, "referer": r"\N", "amount": "NULL"}] * 9
    )
    assert found.keys == {"columns": {"referrer": "referer", "value": "amount"}, "null_values": [r"\N", "NULL"]}
    assert "null_values" not in of_log({**EVENT, "text": "NULLABLE"}).keys


@pytest.mark.parametrize("name", ["pageview", "$pageview", "Page View", "page", "screen_view"])
def test_names_of_page_views_are_mapped(name: str) -> None:
    assert of_log(EVENT | {"event_name": name}).keys == {"event_names": {name: "page_view"}}


@pytest.mark.parametrize("names", [("page_view", "pageview"), ("view_item", "card"), ("page_left", "page_review")])
def test_other_names_are_not_mapped(names: tuple[str, str]) -> None:
    assert "event_names" not in of_log(*[EVENT | {"event_name": name} for name in names]).keys


@pytest.mark.parametrize("name", ["pageview\n", "pageview\ud800", "page" + "_" * 97])
def test_names_that_the_settings_cannot_contain_are_not_mapped(name: str) -> None:
    mapped = of_log(*[EVENT | {"event_name": each} for each in (name, "pageview")])
    assert mapped.keys == {"event_names": {"pageview": "page_view"}}
    assert of_log(EVENT | {"event_name": name}).keys == {}


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


def test_text_for_null_that_the_settings_name_is_not_suggested_again() -> None:
    line = {**EVENT, "amount": "NULL", "referer": r"\N"}
    assert of_log(line, rules=replace(RULES, null_values=("NULL",))).keys == {"null_values": [r"\N"]}
    assert of_log(line, rules=replace(RULES, null_values=("NULL", r"\N"))).keys == {}


def test_format_of_times_is_suggested_unless_the_settings_say_how_they_are_read() -> None:
    line, key = EVENT | {"event_time": "23.05.2026 10:00:00"}, {"time_format": "%d.%m.%Y %H:%M:%S"}
    assert of_log(line).keys == key
    for given in (key, {"constants": {"event_time": AT}}, {"expressions": {"event_time": "line ->> 'at'"}}):
        assert "time_format" not in of_log(line, rules=replace(RULES, **given)).keys


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


@pytest.mark.parametrize(
    "names",
    [
        {"view": "page_view", "cart": "add_to_cart", "purchase": None},  # REES46
        {"view": "page_view", "addtocart": "add_to_cart", "transaction": "purchase"},  # Retailrocket
        {"clicks": None, "carts": "add_to_cart", "orders": "purchase"},  # OTTO
        {"Page View": "page_view", "view": None, "add-to-cart": "add_to_cart", "cart": None},
        {"Checkout Started": "begin_checkout", "Order Completed": "purchase", "Search": "search", "Signup": "sign_up"},
        {"checkout_started": None, "checkout": None, "order_completed": None, "order": None},
    ],
)
def test_usual_names_of_shops_are_mapped_where_ours_does_not_occur(names: Mapping[str, str | None]) -> None:
    found = of_log(*[EVENT | {"event_name": name} for name in names]).keys
    assert found.get("event_names", {}) == {theirs: ours for theirs, ours in names.items() if ours}


def test_suggested_keys_do_not_repeat_those_of_the_preset(tmp_path: Path) -> None:
    """A column of the preset, written into the source, would replace the preset's expression for that column."""
    source = {"preset": "segment", "columns": {"user_id": "member"}}
    deployment = Deployment(tmp_path / "data", {"start_date": date(2026, 1, 1), "sources": {"web": source}})
    line = {"anonymousId": "v", "happened_at": AT, "event": "Viewed", "context": {"page": {"title": "NULL"}}}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(line) + "\n")
    suggested = try_file(file, folder=deployment.folder, source="web", has_sessions=False).suggested
    assert suggested == {"columns": {"user_id": "member", "event_time": "happened_at"}, "null_values": ["NULL"]}


@pytest.mark.parametrize(
    ("amounts", "keys"),
    [
        (("$19.90", "$5"), ", or set expressions = { value = \"replace(line ->> 'revenue', '$', '')\" }"),
        (("19.90 EUR", "5"), ", or set expressions = { value = \"replace(line ->> 'revenue', ' EUR', '')\" }"),
        (("1'234.50", "5.5"), ", or set expressions = { value = \"replace(line ->> 'revenue', '''', '')\" }"),
        (("1,234.50", "5.5"), ", or set expressions = { value = \"replace(line ->> 'revenue', ',', '')\" }"),
        (
            ("1.234,50 €", "5 €"),
            ", or set decimal_comma = true and expressions = { value = \"replace(line ->> 'revenue', ' €', '')\" }",
        ),
        (("1,234", "5"), ""),  # could be a decimal comma
        (("$5", "€7.50"), ""),  # the currency would be lost
    ],
)
def test_amounts_that_are_no_plain_numbers_are_named(amounts: tuple[str, ...], keys: str) -> None:
    said = f"revenue has values such as {amounts[0]!r}, and only plain numbers such as 1234.50 are read: export them so"
    assert of_log(*({**EVENT, "revenue": amount} for amount in amounts)).remarks == [said + keys]
    named = of_log(*({**EVENT, "value": amount} for amount in amounts)).remarks
    assert named == [(said + keys).replace("revenue", "value")]


@pytest.mark.parametrize("amounts", [("19.90", "5"), ("1.234,50", "5,5"), ("free", "$5"), ("2026-11-20",), ("50 %",)])
def test_other_values_are_no_amounts(amounts: tuple[str, ...]) -> None:
    assert of_log(*({**EVENT, "revenue": amount} for amount in amounts)).remarks == []


def test_amounts_that_an_expression_reads_are_not_named() -> None:
    line = {**EVENT, "revenue": "$5"}
    assert of_log(line, rules=replace(RULES, expressions={"value": "'5'"})).remarks == []
    assert of_log(line, rules=replace(RULES, columns={"value": ()})).remarks == []


def test_amounts_are_read_with_the_keys_that_the_sentence_gives(tmp_path: Path) -> None:
    start: dict[str, Any] = {"start_date": date(2026, 1, 1)}
    deployment = Deployment(tmp_path / "data", start)
    file = tmp_path / "orders.jsonl"
    file.write_text(json.dumps({**EVENT, "revenue": "$1,234.50"}), encoding="utf-8")
    [remark] = try_file(file, folder=deployment.folder, source="web", has_sessions=False).remarks
    keys = tomllib.loads(remark.partition("or set ")[2])
    deployment.set({**start, "sources": {"web": keys}})
    read = try_file(file, folder=deployment.folder, source="web", has_sessions=False)
    assert [field.example for field in read.fields if field.column == "value"] == ["1234.500000"]
    assert read.remarks == []


AIRBYTE = {"_airbyte_raw_id": "a", "_airbyte_extracted_at": 1777888800000}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_fields_in_texts_of_json_are_suggested(tmp_path: Path, ending: str) -> None:
    inner = {"uid": "v", "ts": AT, "event": "page_view", "page": {"url": "/p"}}
    lines = [{**AIRBYTE, "_airbyte_data": json.dumps({**inner, "n": number})} for number in range(3)]
    file = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    elif ending == "csv":
        pd.DataFrame(lines).to_csv(file, index=False)
    else:
        pd.DataFrame(lines).to_parquet(file, index=False)
    found = try_file(file, folder=None, source=NO_SOURCE, has_sessions=False)
    columns = {"visitor_id": "uid", "event_time": "ts", "event_name": "event", "page_url": "page.url"}
    assert found.suggested == {
        "json_fields": ["_airbyte_data"],
        "columns": {column: f"_airbyte_data.{name}" for column, name in columns.items()},
    }
    assert (found.accepted_with_suggested, found.missing) == (3, {})


def test_texts_of_json_without_a_column_stay_texts(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"{json.dumps({**EVENT, 'more': json.dumps({'colour': 'red', 'n': 1})})}\n")
    assert try_file(file, folder=None, source=NO_SOURCE, has_sessions=False).suggested == {}


@pytest.mark.parametrize("text", ["{broken", "[1, 2]", '"{}"', "7"])
def test_other_texts_are_no_json_fields(text: str) -> None:
    assert json_fields_in([FieldValues("a", [text], 1, 0)], RULES) == []
    assert json_fields_in([FieldValues("a", ['{"b": 1}'], 1, 0)], RULES) == ["a"]
    assert json_fields_in([FieldValues("a", ['{"b": 1}'], 1, 0)], replace(RULES, json_fields=("a",))) == []
