"""Tests fields that are not stored: the spellings of their names, and their positions in a line."""

import json
from dataclasses import replace
from typing import Any

import pytest

from session_pipeline.settings import parse_settings, settings_template
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest

PACKAGED = replace(RULES, drop_properties=parse_settings(settings_template()).privacy.drop_properties)
DROPPED = (
    "$ip", "ip", "IP", "_ip_", "visitIp", "visitip", "request_ip", "requestIP", "ip_address", "ipAddress", "IPAddress",
    "remote_addr", "REMOTE_ADDR", "http.remote_addr", "remoteAddress", "client_ip", "clientip", "CLIENTIP", "ClientIP",
    "x-forwarded-for", "X-Forwarded-For", "http_x_forwarded_for", "xForwardedFor", "forwarded", "userIp", "user_ip",
    "user_ipaddress", "context.ip", "context_ip", "contextIp", "$initial_ip", "true-client-ip", "CF-Connecting-IP",
    "c-ip", "ips", "last known ip", "ipv4", "clientIpV6", "source:ip", "network.peer.address", "remote_host",
)  # fmt: skip
KEPT = ("zip", "ship", "shipping", "is_vip", "tip", "ip_count", "relationship", "address", "geoip", "strip", "Zip")


@pytest.mark.parametrize("value", ["192.0.2.7", 3221225991, ["192.0.2.7", "::1"], {"v4": "192.0.2.7"}, []])
def test_address_fields_are_dropped_in_any_spelling(ingest: Ingest, value: Any) -> None:
    lines = []
    for name in DROPPED:
        fields = {"b": 2, name: value, "deep": {"er": {name: value, "c": 3}}}
        lines += [{**EVENT, **fields}, {**EVENT, "properties": fields}]
    taken = ingest.take_lines(*lines, rules=PACKAGED)
    left = {"b": 2, "deep": {"er": {"c": 3}}}
    found = [json.loads(text) for text in taken.column("properties")]
    assert [name for name, fields in zip(DROPPED, found[::2], strict=True) if fields != left] == []
    assert [name for name, fields in zip(DROPPED, found[1::2], strict=True) if fields != left] == []


def test_fields_with_similar_names_are_kept(ingest: Ingest) -> None:
    fields = dict.fromkeys(KEPT, "x")
    [event] = ingest.take_lines({**EVENT, **fields, "deep": fields}, rules=PACKAGED).events
    assert json.loads(event["properties"]) == {**fields, "deep": fields}


def test_names_inside_values_drop_nothing(ingest: Ingest) -> None:
    fields = {"a": '"ip":"x"', "b": ["ip", "user ip"], "c": 'ip":', "ip\\": "x", "d": "ip"}
    [event] = ingest.take_lines({**EVENT, **fields}, rules=PACKAGED).events
    assert json.loads(event["properties"]) == fields


def test_csv_columns_are_dropped(ingest: Ingest) -> None:
    rows = "visitor_id,event_time,event_name,Context.IP,plan\nv,2024-03-01,a,192.0.2.7,free\n"
    [event] = ingest.take(rows, "a.csv", PACKAGED).events
    assert event["properties"] == '{"plan":"free"}'


def test_escaped_name_is_dropped(ingest: Ingest) -> None:
    line = json.dumps({**EVENT, "properties": {"ip": "192.0.2.7", "a": 1}}, separators=(",", ":"))
    taken = ingest.take(line.replace('"ip"', r'"\u0069p"'), "a.jsonl", PACKAGED)
    assert json.loads(taken.events[0]["properties"]) == {"a": 1}


def test_punctuation_and_non_ascii_names_are_compared(ingest: Ingest) -> None:
    rules = replace(RULES, drop_properties=("*", "_", "Straße", 'a"b', "(", "*_plan"))
    fields = {"*": 1, "_": 2, "$": 3, "STRASSE": 4, "stra_ße": 5, 'A_"B': 6, "(": 7, "floorPlan": 8, "plan": 9, "x": 0}
    [event] = ingest.take_lines({**EVENT, **fields}, rules=rules).events
    assert json.loads(event["properties"]) == {"$": 3, "STRASSE": 4, "x": 0}


def test_fields_below_properties_are_not_stored(ingest: Ingest) -> None:
    rules = replace(RULES, drop_fields=("properties.secret", "properties.a.b", "c"))
    given = {"secret": "x", "a": {"b": 1, "d": 2}, "e": 4}
    lines = [{**EVENT, "properties": given, "c": 3}, {**EVENT, "properties": json.dumps(given)}]
    taken = ingest.take_lines(*lines, rules=rules)
    assert [json.loads(text) for text in taken.column("properties")] == [{"a": {"d": 2}, "e": 4}] * 2


def test_nested_field_is_removed_only_from_an_object(ingest: Ingest) -> None:
    rules = replace(RULES, drop_fields=("a.b.c", "a.d", "e", "e.f"))
    kept: list[dict[str, Any]] = [{"x": 1}, {"a": 5}, {"a": {"b": 7}}, {"a": [1]}, {"a": {"b": {"x": 2}}}]
    lines = [{**EVENT, **fields} for fields in (*kept, {"a": {"b": {"c": 1, "g": 2}, "d": 3}, "e": {"f": 4}})]
    taken = ingest.take_lines(*lines, rules=rules)
    assert [json.loads(text) for text in taken.column("properties")] == [*kept, {"a": {"b": {"g": 2}}}]


def test_urls_are_stored_only_as_columns(ingest: Ingest) -> None:
    rules = replace(RULES, columns={**RULES.columns, "page_url": ("href", "page.location"), "referrer": ("from",)})
    url = "https://shop.example/a?token=secret"
    line = {**EVENT, "href": url, "page": {"location": url, "kind": "b"}, "from": url}
    [event] = ingest.take_lines(line, rules=rules).events
    assert (event["page_url"], event["referrer"]) == ("https://shop.example/a", "https://shop.example/a")
    assert json.loads(event["properties"]) == {"page": {"kind": "b"}}
