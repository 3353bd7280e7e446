"""Tests the visitor ids of access logs, and that addresses are removed from all fields."""

import ipaddress
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from session_pipeline.errors import SessionPipelineError
from session_pipeline.ingest.mapping.visitors import KEY_BYTES, VisitorKey, find_key, make_key
from session_pipeline.ingest.reading import work
from session_pipeline.ingest.reading.read_small import SmallFiles
from session_pipeline_tests.access_logs import AGENT, KEY, NGINX_MAIN, RULES, combined, event, events, visitor
from session_pipeline_tests.ingesting import Ingest

NETWORKS = [
    ("192.0.2.7", "192.0.2"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
    ("2001:DB8:0001::6", "2001:db8:1::"),
    ("2001:db8::1", "2001:db8:0::"),
    ("::1", "0:0:0::"),
    ("::ffff:192.0.2.7", "192.0.2"),
    ("64:ff9b::192.0.2.33", "64:ff9b:0::"),
    ("fe80::1%eth0", "fe80:0:0::"),
    ("Dial-12.Example.NET", "dial-12.example.net"),
]


def test_visitor_id_from_network_and_user_agent(ingest: Ingest) -> None:
    for agent, meant in ((AGENT, AGENT), ("-", "")):
        found = events(ingest, [combined(address=address, agent=agent) for address, _ in NETWORKS])
        assert [row["visitor_id"] for row in found] == [visitor(network, meant) for _, network in NETWORKS]


@pytest.mark.long
def test_networks_equal_those_of_the_ipaddress_module(module_ingest: Ingest) -> None:
    @hypothesis_settings(max_examples=4, deadline=None, derandomize=True)
    @given(addresses=st.lists(st.ip_addresses(), min_size=100, max_size=200))
    def compare(addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
        lines = [combined(address=str(address)) for address in addresses]
        taken = module_ingest.take("\n".join(lines), "access.log", RULES)
        assert taken.column("visitor_id") == [visitor(python_network(address)) for address in addresses]

    compare()


def python_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":")[:3]) + "::"
    return str(address).rpartition(".")[0]


FORWARDED = [
    ("203.0.113.9", "203.0.113"),
    ("203.0.113.9:4711, 10.0.0.1", "203.0.113"),
    ("[2001:db8:7::1]:443,10.0.0.1", "2001:db8:7::"),
    ("2001:db8:7:0:0:0:0:1:44312", "2001:db8:7::"),
    ("::ffff:203.0.113.9:44312", "203.0.113"),
    ("-", "192.0.2"),
    ("unknown, 10.0.0.1", "192.0.2"),
    ("', '", "192.0.2"),
]


def test_visitor_comes_from_forwarded_address(ingest: Ingest) -> None:
    rules = replace(RULES, log_format=NGINX_MAIN)
    found = events(ingest, [f'{combined()} "{forwarded}"' for forwarded, _ in FORWARDED], rules)
    assert [row["visitor_id"] for row in found] == [visitor(network) for _, network in FORWARDED]


HEADERS = [
    ("198.51.100.77", "[address]"),
    ("198.51.100.77:443", "[address]"),
    ("198.51.100.77, 10.1.1.1,unknown", "[address],[address],unknown"),
    ("2001:DB8::77", "[address]"),
    ("[2001:db8:0:0:0:0:0:77]:443", "[address]"),
    ("fe80::1%eth0", "[address]"),
    ("::ffff:198.51.100.77", "[address]"),
    ("10:00:00", "10:00:00"),
    ("Chrome/120.0.0.0, 1.2.3", "Chrome/120.0.0.0, 1.2.3"),
    ("de, en", "de, en"),
]


def test_addresses_are_removed_from_any_header(ingest: Ingest) -> None:
    rules = replace(RULES, log_format=NGINX_MAIN.replace("$http_x_forwarded_for", "$http_x_cluster_client_ip"))
    found = events(ingest, [combined("GET /a HTTP/1.1") + f' "{said}"' for said, _ in HEADERS], rules)
    assert [json.loads(row["properties"])["http_x_cluster_client_ip"] for row in found] == [kept for _, kept in HEADERS]
    bad = [combined("GET /a HTTP/1.1", time="never") + f' "{said}"' for said, _ in HEADERS]
    quarantined = ingest.take("\n".join(bad), "access.log", rules).quarantined
    for (said, kept), row in zip(HEADERS, quarantined, strict=True):
        assert said == kept or said not in row["line"]


def test_quarantined_line_keeps_no_part_of_a_forwarded_address(ingest: Ingest) -> None:
    rules = replace(RULES, log_format=NGINX_MAIN)
    addresses = [
        *("203.0.113.9:44312", "[2001:db8:7::1]:44312", "2001:db8:7::1:44312", "::ffff:203.0.113.9:44312"),
        *("[fe80::1%eth0]:44312", "2001:db8:7::1, 2001:db8:7::144"),
    ]
    lines = [
        combined(f"GET /a?ip={forwarded.partition(',')[0]} HTTP/1.1", time=time) + f' "{forwarded}"'
        for time in ("never", "05/Oct/1989:10:00:00 +0000")
        for forwarded in addresses
    ]
    found = ingest.take("\n".join(lines), "access.log", rules).quarantined
    assert len(found) == len(lines)
    for without_time in found[: len(addresses)]:
        assert '"GET /a?ip=[address] HTTP/1.1"' in without_time["line"]
        assert without_time["line"].partition('Chrome/120.0.0.0" ')[2] in ('"[address]"', '"[address], [address]"')
    for too_early in found[len(addresses) :]:
        assert json.loads(too_early["line"])["page_url"] == "/a?ip=[address]"


ADDRESSES_IN_URLS = [
    ("192.0.2.7", "/who/192.0.2.7", "/who/[address]"),
    ("192.0.2.7", "/who/192.0.2.70/192a0b2c7", "/who/[address]0/192a0b2c7"),
    ("2001:db8::7", "/who/2001:db8::7", "/who/[address]"),
    ("2001:db8::7", "/who/2001:DB8::7", "/who/[address]"),
    ("2001:DB8::7", "/who/2001%3adb8%3A%3A7", "/who/[address]"),
    ("2001:db8::7", "/who/2001:db8::8", "/who/[address]"),
    ("::ffff:192.0.2.7", "/who/192.0.2.7", "/who/[address]"),
    ("::FFFF:192.0.2.7", "/who/%3A%3Affff%3A192.0.2.7", "/who/[address]"),
    ("192.0.2.7", "/who/::ffff:192.0.2.7", "/who/::ffff:[address]"),
    ("192.0.2.7:4711", "/who/192.0.2.7/4711", "/who/[address]/4711"),
    ("192.0.2.7", "/who/192%2E0%2e2%2E7", "/who/[address]"),
    ("192.0.2.7", "/who/192%252E0%252E2%252E7", "/who/[address]"),
    ("192.0.2.7", "/who/%31%39%32.0.2.7", "/who/[address]"),
    ("192.0.2.7", "/who/192%2E0%2E2%2E8", "/who/[address]"),
    ("::1", "/who/0:0:0:0:0:0:0:1/1", "/who/[address]/1"),
    ("2001:db8::", "/who/2001:0db8:0:0::/2001", "/who/[address]/2001"),
    ("fe80::", "/who/fe80:0:0::/fe80", "/who/[address]/fe80"),
    ("2001:db8::7", "/who/2001:db8:0:0:0:0:0:7", "/who/[address]"),
    ("2001:db8:0:0::7", "/who/2001%3A0DB8%3A%3A0007", "/who/[address]"),
    ("2001:db8::7", "/who/2001:db8:0::8", "/who/[address]"),
    ("::ffff:192.0.2.7", "/who/192%2E0%2E2%2E7", "/who/[address]"),
    ("dial-7.example.net", "/who/dial%2D7%2Eexample%2Enet", "/who/[address]"),
]


def test_client_address_is_removed_from_urls(ingest: Ingest) -> None:
    found = events(
        ingest,
        [
            combined(f"GET {written} HTTP/1.1", address=address, referrer=f"http://shop.example{written}")
            for address, written, _ in ADDRESSES_IN_URLS
        ],
    )
    assert [(row["page_url"], row["referrer"]) for row in found] == [
        (kept, f"http://shop.example{kept}") for _, _, kept in ADDRESSES_IN_URLS
    ]


QUARANTINED = [
    (AGENT, AGENT),
    ("Chrome/119.0.0.0 Safari/537.36 Edg/119.0.0.0", "Chrome/119.0.0.0 Safari/537.36 Edg/119.0.0.0"),
    ("(KHTML, like Gecko) Firefox/1.5.0.12", "(KHTML, like Gecko) Firefox/1.5.0.12"),
    ("http://e.org/Chrome/203.0.113.7", "http://e.org/Chrome/[address]"),
    ("host/203.0.113.7 203.0.113.7", "host/[address] [address]"),
    ("/lookup/203%2E0%2E113%2e7 203%252E0%252E113%252E7", "/lookup/[address] [address]"),
    ("2001%3Adb8%253A%253A7", "[address]"),
]


def test_quarantined_line_keeps_versions_but_no_address(ingest: Ingest) -> None:
    taken = ingest.take("".join(f"x {said}\n" for said, _ in QUARANTINED), "access.log", RULES)
    assert [row["line"] for row in taken.quarantined] == [f"[address] {kept}" for _, kept in QUARANTINED]


def test_visitor_ids_depend_on_the_key(ingest: Ingest) -> None:
    other = replace(RULES, visitor_key=VisitorKey(bytes(KEY_BYTES)))
    assert event(ingest, combined(), other)["visitor_id"] != event(ingest, combined())["visitor_id"]
    assert other.fingerprint("access_log") != RULES.fingerprint("access_log")
    assert other.fingerprint("jsonl") == RULES.fingerprint("jsonl")
    assert KEY.secret.hex() not in repr(RULES)
    assert str(KEY.secret) not in repr(RULES)


def test_other_formats_can_derive_visitor_from_address(ingest: Ingest) -> None:
    rules = replace(RULES, visitor_address="client.ip")
    line = {
        "event_time": "2024-03-01",
        "event_name": "a",
        "user_agent": AGENT,
        "client": {"ip": "192.0.2.7", "os": "x"},
    }
    taken = ingest.take_lines(line, {**line, "visitor_id": "v"}, {**line, "client": None}, rules=rules)
    assert taken.column("visitor_id") == [visitor("192.0.2"), "v"]
    assert taken.reasons == {3: "missing_visitor_id"}
    assert [json.loads(text) for text in taken.column("properties")] == [{"client": {"os": "x"}}] * 2
    assert taken.reading.mapping["visitor_id"] == "visitor_id, else keyed hash of client.ip"
    rows = "addr|event_time|event_name|user_agent\n192.0.2.9|2024-03-01|a|" + AGENT
    [found] = ingest.take(rows, "a.csv", replace(rules, visitor_address="addr")).events
    assert (found["visitor_id"], found["properties"]) == (visitor("192.0.2"), None)


@pytest.mark.parametrize("fields", ["ip", ("real_ip", "ip")])
def test_empty_address_is_no_visitor(ingest: Ingest, fields: str | tuple[str, ...]) -> None:
    rules = replace(RULES, visitor_address=fields)
    line = {"event_time": "2024-03-01", "event_name": "a", "user_agent": AGENT}
    taken = ingest.take_lines(*({**line, "ip": ip} for ip in ("", "  ", "\t", None, "192.0.2.7")), rules=rules)
    assert taken.reasons == dict.fromkeys((1, 2, 3, 4), "missing_visitor_id")
    assert taken.column("visitor_id") == [visitor("192.0.2")]


def test_key_is_created_once_and_readable_by_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "visitor_key"
    assert find_key(path) is None
    key = make_key(path)
    assert len(key.secret) == KEY_BYTES
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_key(path) == make_key(path) == key
    assert [each.name for each in tmp_path.iterdir()] == ["visitor_key"]


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff\xfe", b"00" * (KEY_BYTES - 1), b"zz" * KEY_BYTES])
def test_invalid_key_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "visitor_key"
    path.write_bytes(content)
    with pytest.raises(SessionPipelineError, match="is not a visitor key"):
        find_key(path)


def test_connection_is_as_before_if_rows_cannot_be_removed_after_an_error(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("Input/output error")

    monkeypatch.setattr(work, "check_counts", fails)
    monkeypatch.setattr(SmallFiles, "discard", fails)
    with pytest.raises(OSError, match="Input/output error"):
        event(ingest, combined())
    state = "select getvariable('inner_key'), current_setting('disabled_optimizers')"
    assert ingest.connection.execute(state).fetchall() == [(None, "")]
