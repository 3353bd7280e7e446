"""Tests which lines are quarantined and why, and that the quarantine contains no address."""

import json
from dataclasses import replace
from decimal import Decimal
from hashlib import md5

import pytest

from session_pipeline.errors import CorruptFileError
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest, Row

NOT_JSON = [
    "{", '{"a":1} {"b":2}', '{"a":NaN}', '{"a":[1, -inf]}', '{"a":{"b": iNfinity}}', '{"a":1, }', '{"a":[nan]}',
    r'{"a":"\ud800"}', "{'a':1}", '{"a":01}', "/**/{}",
]  # fmt: skip
NOT_OBJECTS = ["[1]", '"text"', "null", "12", ' ["{"]']


def test_line_that_is_not_a_json_object_is_quarantined(each_way: Ingest) -> None:
    taken = each_way.take_lines(EVENT, *NOT_JSON, *NOT_OBJECTS, EVENT)
    assert [(row["reason"], row["line"]) for row in taken.quarantined] == [
        *(("invalid_json", line) for line in NOT_JSON),
        *(("not_an_object", line) for line in NOT_OBJECTS),
    ]
    assert {row["detail"] for row in taken.quarantined} == {
        "the line is not JSON",
        "the line is JSON, but not an object",
    }
    assert taken.column("line_number") == [1, 2 + len(NOT_JSON) + len(NOT_OBJECTS)]


def test_text_that_looks_like_lax_json_is_accepted(each_way_of_columns: Ingest) -> None:
    title = 'a:NaN, b: -inf,] "c":[nan], {,}'
    event = each_way_of_columns.event(page_title=title, tags=["a", "b"])
    assert (event["page_title"], event["properties"]) == (title, '{"tags":["a","b"]}')


UNUSABLE: list[tuple[Row, str, str]] = [
    ({"visitor_id": None}, "missing_visitor_id", "visitor_id"),
    ({"visitor_id": ""}, "missing_visitor_id", "visitor_id"),
    ({"event_time": None}, "missing_event_time", "event_time"),
    ({"event_name": ""}, "missing_event_name", "event_name"),
    ({"visitor_id": "", "event_time": "?", "value": "?"}, "missing_visitor_id", "visitor_id"),
    ({"event_time": "2019-12-31T23:59:59Z"}, "time_before_start", "event_time: 2019-12-31T23:59:59Z"),
    ({"event_time": "2101-01-01T00:00:00Z"}, "time_beyond_2100", "event_time: 2101-01-01T00:00:00Z"),
    (
        {"received_at": "2024-03-01T10:59:59Z"},
        "time_after_receipt",
        "event_time: 2024-03-01T12:00:00Z, received at 2024-03-01T10:59:59Z",
    ),
    ({"received_at": "later"}, "invalid_received_at", "received_at: later"),
    ({"sequence": 1.5}, "invalid_sequence", "sequence: 1.5"),
    ({"sequence": "99999999999999999999"}, "invalid_sequence", "sequence: 99999999999999999999"),
    ({"status_code": "OK"}, "invalid_status_code", "status_code: OK"),
    ({"status_code": True}, "invalid_status_code", "status_code: true"),
    ({"value": "NaN"}, "invalid_value", "value: NaN"),
    ({"value": "1e400"}, "invalid_value", "value: 1e400"),
    ({"value": "12,50"}, "invalid_value", "value: 12,50"),
    ({"value": "1_000"}, "invalid_value", "value: 1_000"),
    ({"value": "x" * 300}, "invalid_value", "value: " + "x" * 200),
    ({"value": 1000000000000}, "invalid_value", "value: 1000000000000"),
]


def test_unusable_field_quarantines_the_line(each_way_of_columns: Ingest) -> None:
    taken = each_way_of_columns.take_lines(*({**EVENT, **fields} for fields, _, _ in UNUSABLE))
    assert taken.events == []
    assert [(row["reason"], row["detail"]) for row in taken.quarantined] == [each[1:] for each in UNUSABLE]


@pytest.mark.long
def test_accepted_limits_of_time_and_number(each_way_of_columns: Ingest) -> None:
    each_way_of_columns.event(event_time="2020-01-01T00:00:00Z")
    each_way_of_columns.event(event_time="2100-12-31T23:59:59.999999Z")
    each_way_of_columns.event(received_at="2024-03-01T11:00:00Z")
    assert each_way_of_columns.event(value="999999999999.999999")["value"] == Decimal("999999999999.999999")
    assert each_way_of_columns.event(value=0.1 + 0.2)["value"] == Decimal("0.300000")
    assert each_way_of_columns.event(value="-1.5e3")["value"] == Decimal("-1500")
    assert each_way_of_columns.event(status_code=200.0)["status_code"] == 200
    assert each_way_of_columns.event(sequence="-9223372036854775808")["sequence"] == -(2**63)


def test_detail_uses_the_field_name_of_the_source(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, columns={"value": "price.net"})
    assert each_way_of_columns.reason(rules, price={"net": "free"}) == ("invalid_value", "value (price.net): free")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"visitor_id":"\xff"}', "invalid_utf8"),
        (b'{"visitor_id":"\x00"}', "nul_byte"),
        (b'{"visitor_id":"a\rb"}', "invalid_json"),
        (b'{"visitor_id":"' + b"a" * (1 << 20) + b'"}', "line_too_long"),
    ],
)
def test_line_that_duckdb_rejects_is_quarantined_alone(each_way: Ingest, line: bytes, reason: str) -> None:
    seen = json.dumps(EVENT).encode()
    taken = each_way.take(b"\xef\xbb\xbf" + b"\n".join([seen, line, b"", seen + b"\r", b""]))
    assert taken.reasons == {2: reason}
    assert [event["line_number"] for event in taken.events] == [1, 4]
    assert {event["content_hash"] for event in taken.events} == {md5(seen).hexdigest()}
    assert len(taken.quarantined[0]["line"]) <= 2000


@pytest.mark.long
def test_event_with_too_many_values_is_quarantined(each_way_of_columns: Ingest) -> None:
    numbers = [0] * 10_000
    assert each_way_of_columns.event(numbers=numbers)["properties"] is not None
    assert each_way_of_columns.event(numbers=numbers[1:], text="," * 20_000)["properties"] is not None
    assert each_way_of_columns.event(properties="0," * 20_000)["properties"] is not None  # a text is one value
    numbers.append(0)
    detail = ("too_many_values", "more than 10000 values")
    assert each_way_of_columns.reason(numbers=numbers) == detail
    assert each_way_of_columns.reason(properties={"numbers": numbers}) == detail
    assert each_way_of_columns.reason(properties=json.dumps({"numbers": numbers})) == detail
    assert each_way_of_columns.reason(numbers=numbers[:6_000], properties={"others": numbers[:6_000]}) == detail


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_long_blank_line_is_counted_as_blank(each_way: Ingest, blank: bytes) -> None:
    seen = json.dumps(EVENT).encode()
    taken = each_way.take(b"\n".join([seen, blank * ((256 << 10) + 1), seen]))
    assert [event["line_number"] for event in taken.events] == [1, 3]
    assert (taken.reasons, taken.admitted.blank_line_count) == ({}, 1)


def test_file_with_only_carriage_returns_is_one_bad_line(each_way: Ingest) -> None:
    assert each_way.take(json.dumps(EVENT) + "\r" + json.dumps(EVENT) + "\r").reading.reasons == {"invalid_json": 1}


ADDRESSES = [
    "192.168.1.77", "::1", "2001:db8::8a2e:370:7334", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "fe80::1",
    "::ffff:192.168.1.77", "64:ff9b:1:2:3:4:192.168.1.77", "2001%3Adb8%3A%3A370%3a7334",
]  # fmt: skip


WITH_PORTS = [
    "203.0.113.7:51234", "[203.0.113.7]:443", "203.0.113.7.443", "203.0.113.7 port 51234", "203.0.113.7#53",
    "[2001:db8::1]:443", "[2001:db8:1:2:3:4:5:6]:51234", "2001:db8::1:443", "2001:db8::1:44312", "::1:52345",
    "2001:db8:1:2:3:4:5:6:443", "2001:db8:1:2:3:4:5:6:44312", "2001:db8::1.443", "2001:db8::1#443",
    "2001:db8::1p80", "2001:db8::1 port 443", "2001%3Adb8%3A%3A1%3A44312", "%5B2001%3Adb8%3A%3A1%5D%3A44312",
    "::ffff:203.0.113.7:51234", "[::ffff:203.0.113.7]:443", "[::ffff:cb00:7107]:51234", "::ffff:cb00:7107:51234",
    "2001:db8:1:2:3:4:203.0.113.7:8080", "203.0.113.7%3A51234",
]  # fmt: skip
WITH_ZONES = [
    "fe80::1%eth0", "fe80::1%25eth0", "fe80::1%en0", "fe80::1%2", "fe80::1%eth0:443", "[fe80::1%eth0]:44312",
    "[fe80::1%25eth0]:443", "[fe80::1%2]:443", "%5Bfe80%3A%3A1%25eth0%5D%3A443", "::ffff:203.0.113.7%eth0",
]  # fmt: skip


def test_quarantine_keeps_no_part_of_an_address_and_its_port(each_way_of_columns: Ingest) -> None:
    addresses = [*WITH_PORTS, *WITH_ZONES]
    texts = [text for address in addresses for text in (f"at {address} it", f"<{address}>", f"x={address}&y=1")]
    values = [json.dumps({**EVENT, "value": f"<{address}>"}) for address in addresses]
    _, *found = each_way_of_columns.take(
        "\n".join(["{}", *(f"no JSON: {text}" for text in texts), *values])
    ).quarantined
    without = ["at [address] it", "<[address]>", "x=[address]&y=1"] * len(addresses)
    shown = {text: row["line"] for text, row in zip(texts, found, strict=False)}
    assert shown == {text: f"no JSON: {kept}" for text, kept in zip(texts, without, strict=True)}
    of_values = found[len(texts) :]
    assert {row["line"] for row in of_values} == {json.dumps({**EVENT, "value": "<[address]>"})}
    assert [row["detail"] for row in of_values] == ["value: <[address]>"] * len(addresses)


def test_what_is_next_to_an_address_is_kept(each_way_of_columns: Ingest) -> None:
    texts = {
        "203.0.113.7:51234 [05/Oct/2026:10:00:00 +0000] 12:34:56": "[address] [05/Oct/2026:10:00:00 +0000] 12:34:56",
        "http://[2001:db8::1]:8080/a?b=1": "http://[address]/a?b=1",
        "[203.0.113.7, 198.51.100.2]": "[[address], [address]]",
        "?ip=::1%20and%2C5": "?ip=[address]%20and%2C5",
        "Chrome/119.0.0.0 Safari/537.36 00:1a:2b:3c:4d:5e": "Chrome/119.0.0.0 Safari/537.36 00:1a:2b:3c:4d:5e",
        "203.0.113.7/24, 5.": "[address]/24, 5.",
    }
    taken = each_way_of_columns.take("\n".join(["{}", *(f"no JSON: {text}" for text in texts)]))
    assert [row["line"] for row in taken.quarantined[1:]] == [f"no JSON: {left}" for left in texts.values()]


def test_quarantine_contains_no_address(each_way_of_columns: Ingest) -> None:
    taken = each_way_of_columns.take_lines(
        *({**EVENT, "at": f"<{address}>", "value": f"<{address}>"} for address in ADDRESSES)
    )
    assert {row["detail"] for row in taken.quarantined} == {"value: <[address]>"}
    assert {row["line"] for row in taken.quarantined} == {
        json.dumps({**EVENT, "at": "<[address]>", "value": "<[address]>"})
    }
    filler = "x" * 1990
    taken = each_way_of_columns.take("{}\n" + "\n".join(f"{filler} {address} {address}" for address in ADDRESSES))
    taken.quarantined.pop(0)
    assert {row["line"] for row in taken.quarantined} == {f"{filler} [address] [address]"[:2000]}


@pytest.mark.parametrize(("nuls", "reason"), [(1, "nul_byte"), (9_000, "nul_byte"), (300_000, "line_too_long")])
@pytest.mark.parametrize("end", [b"", b'{"visitor_id": "v'])
def test_lines_before_nuls_at_the_end_are_read(
    each_way_and_in_parts: Ingest, nuls: int, reason: str, end: bytes
) -> None:
    """As a log ends that was preallocated, or open when the power failed."""
    taken = each_way_and_in_parts.take((json.dumps(EVENT).encode() + b"\n") * 2 + end + bytes(nuls))
    assert (len(taken.events), taken.admitted.line_count, taken.reasons) == (2, 3, {3: reason})


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.log"])
def test_nuls_at_the_end_of_other_texts_are_a_line(each_way: Ingest, name: str) -> None:
    row = '192.0.2.7 - - [04/May/2024:10:00:00 +0000] "GET /p HTTP/1.1" 200 512 "-" "Chrome"\n'
    if name != "a.log":
        row = "visitor_id,event_time,event_name\nv,2024-05-04T10:00:00Z,page_view\n"
    content = (row.replace(",", "\t") if name == "a.tsv" else row).encode()
    assert list(each_way.take(content + bytes(9_000), name).reasons.values()) == ["nul_byte"]


@pytest.mark.parametrize("content", [bytes(9_000), b"\1" + bytes(9_000), bytes(9_000) + b"{}\n", b"{}\n\0" * 9])
def test_file_of_nuls_has_no_lines(ingest: Ingest, content: bytes) -> None:
    with pytest.raises(CorruptFileError, match="binary data"):
        ingest.take(content)
