"""Tests access logs: parsing of lines, visitor ids, and that no address leaves the delivered file."""

import csv
import gzip
import hmac
import ipaddress
import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from session_pipeline.errors import SessionPipelineError, SettingsError
from session_pipeline.ingest.read import ReadingRules
from session_pipeline.ingest.visitors import KEY_BYTES, VisitorKey, find_key, make_key
from session_pipeline.reference.log_formats import parse_log_format
from session_pipeline.run import delivered_files
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.settings import load_settings
from session_pipeline.store.store import Store
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.test_cli import call, run
from session_pipeline_tests.test_fixtures import FIXTURES, sessions_by_gap, sessions_of
from session_pipeline_tests.test_ingest import Ingest

KEY = VisitorKey(bytes(range(KEY_BYTES)))
RULES = ReadingRules(
    source="web", earliest=datetime(2020, 1, 1), keep_query_parameters=("q", "utm_source"), visitor_key=KEY
)
NGINX_MAIN = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"'
    ' "$http_user_agent" "$http_x_forwarded_for"'
)
TIME = "10/Oct/2024:13:55:36 -0700"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0"


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path)
    yield ingest
    ingest.close()


def combined(
    request: str = "GET / HTTP/1.1",
    *,
    address: str = "192.0.2.7",
    user: str = "-",
    time: str = TIME,
    status: object = 200,
    size: object = 2326,
    referrer: str = "-",
    agent: str = AGENT,
) -> str:
    return f'{address} - {user} [{time}] "{request}" {status} {size} "{referrer}" "{agent}"'


def visitor(network: str, agent: str = AGENT) -> str:
    """Return the visitor id of a network and user agent, computed independently of the reader."""
    return hmac.new(KEY.secret, f"{network}\n{agent}".encode(), "sha256").hexdigest()[:32]


def events(ingest: Ingest, lines: Sequence[str], rules: ReadingRules = RULES) -> list[dict[str, Any]]:
    """Return the events of lines that are read together, which takes as long as one line."""
    taken = ingest.take("".join(f"{line}\n" for line in lines), "access.log", rules)
    assert taken.quarantined == []
    return taken.events


def event(ingest: Ingest, line: str, rules: ReadingRules = RULES) -> dict[str, Any]:
    taken = ingest.take(line + "\n", "access.log", rules)
    assert taken.quarantined == []
    return taken.events[0]


# Parsing of lines


def test_combined_format_line_becomes_event(ingest: Ingest) -> None:
    found = event(
        ingest,
        combined(
            "GET /search?q=lamp&token=secret HTTP/1.0",
            user="frank",
            referrer="http://www.example.org/start.html?id=7",
        ),
    )
    assert {name: found[name] for name in found if found[name] is not None} == {
        "event_id": found["event_id"],
        "site": "main",
        "source": "web",
        "visitor_id": visitor("192.0.2"),
        "user_id": "frank",
        "event_time": datetime(2024, 10, 10, 20, 55, 36),
        "event_name": "page_view",
        "page_url": "/search?q=lamp",
        "page_path": "/search",
        "referrer": "http://www.example.org/start.html",
        "referrer_host": "www.example.org",
        "search_term": "lamp",
        "status_code": 200,
        "user_agent": AGENT,
        "user_agent_id": found["user_agent_id"],
        "properties": '{"method":"GET","protocol":"HTTP/1.0","bytes":2326}',
        "content_hash": found["content_hash"],
        "file_id": found["file_id"],
        "line_number": 1,
    }


REQUESTS = [
    ("GET / HTTP/1.1", 200, "page_view"),
    ("GET /", 200, "page_view"),
    ("GET /a b.html HTTP/1.0", 200, "page_view"),
    ("GET /missing HTTP/1.1", 404, "page_view"),
    ("GET /broken HTTP/1.1", 500, "page_view"),
    ("GET /same HTTP/1.1", 304, "page_view"),
    ("GET /old HTTP/1.1", 301, "request"),
    ("GET /style.CSS?v=3 HTTP/1.1", 200, "asset"),
    ("GET /a/logo.min.js HTTP/2.0", 304, "asset"),
    ("GET /favicon.ico HTTP/1.1", 404, "asset"),
    ("GET /fonts/a.woff2 HTTP/1.1", 200, "asset"),
    ("GET /report.pdf HTTP/1.1", 200, "page_view"),
    ("GET /png HTTP/1.1", 200, "page_view"),
    ("GET /show?file=a.png HTTP/1.1", 200, "page_view"),
    ("POST /login HTTP/1.1", 302, "submit"),
    ("DELETE /cart/3 HTTP/1.1", 204, "submit"),
    ("HEAD / HTTP/1.1", 200, "request"),
    ("OPTIONS * HTTP/1.1", 200, "request"),
    ("CONNECT example.org:443 HTTP/1.1", 405, "request"),
    ("PROPFIND /dav HTTP/1.1", 207, "request"),
]


def test_event_name_follows_request(ingest: Ingest) -> None:
    found = events(ingest, [combined(request, status=status) for request, status, _ in REQUESTS])
    assert [(given[0], row["status_code"], row["event_name"]) for given, row in zip(REQUESTS, found, strict=True)] == (
        REQUESTS
    )


NO_REQUESTS = ["-", "", r"\x16\x03\x01\x02", "get / HTTP/1.1", "GET", "hello there", r"\n", "GET  "]


@pytest.mark.long
def test_invalid_requests_are_quarantined(ingest: Ingest) -> None:
    taken = ingest.take("\n".join(map(combined, NO_REQUESTS)), "access.log", RULES)
    assert taken.reading.reasons == {"invalid_request": len(NO_REQUESTS)}
    assert [row["detail"] for row in taken.quarantined][:4] == [None, None, "\x16\x03\x01\x02", "get / HTTP/1.1"]


def test_lines_that_do_not_match_the_format_are_quarantined(ingest: Ingest) -> None:
    lines = [
        combined(),
        "",
        combined() + ' "-"',
        "dial-12.example.net - - no time",
        combined(time="32/Oct/2024:13:55:36 -0700"),
        combined(time="10/Okt/2024:13:55:36 -0700"),
        combined(status="abc"),
        combined(time="10/Oct/2019:13:55:36 -0700"),
    ]
    content = "\n".join(lines).encode() + b"\nshop.example \xff\n192.0.2.7 a\0b\n" + b"x" * (300 << 10)
    taken = ingest.take(content, "access.log", RULES)
    assert taken.reasons == {
        3: "log_format_is_nginx_main",
        4: "invalid_log_line",
        5: "invalid_event_time",
        6: "invalid_event_time",
        7: "invalid_log_line",
        8: "time_before_start",
        9: "invalid_utf8",
        10: "nul_byte",
        11: "line_too_long",
    }
    assert taken.quarantined[1]["line"] == "[address] - - no time"
    assert taken.quarantined[6]["line"].startswith("[address] ")
    assert taken.admitted.blank_line_count == 1


SERVER_ESCAPES = [
    (r"/a\x22b", "/a%22b", r"a \x22b\x22"),
    (r"/a\"b", "/a%22b", r"a \"b\""),
    (r"/a%20b", "/a%20b", 'a "b"'.replace('"', r"\"")),
    (r"/\xc3\xa4\\x41", "/%c3%a4%5Cx41", r"a \"b\x22"),
]


def test_server_escapes_are_decoded(ingest: Ingest) -> None:
    found = events(
        ingest,
        [
            combined(f"GET {written} HTTP/1.1", referrer=f"http://e.org{written}", agent=agent)
            for written, _, agent in SERVER_ESCAPES
        ],
    )
    assert [(row["page_url"], row["referrer"], row["user_agent"]) for row in found] == [
        (page, f"http://e.org{page}", 'a "b"') for _, page, _ in SERVER_ESCAPES
    ]


ESCAPES = [
    (r"\xc3\xa4", "ä"),
    (r"50% \\ \x25 +", "50% \\ % +"),
    (r"\\x41", r"\x41"),
    (r"\xff", r"\xff"),
    (r"\x00a", r"\x00a"),
    (r"a\tb\nc", "a\tb\nc"),
    (r"\x1b[0m", "\x1b[0m"),
]


def test_only_escapes_of_valid_text_are_decoded(ingest: Ingest) -> None:
    found = events(ingest, [combined(agent=escaped) for escaped, _ in ESCAPES])
    assert [row["user_agent"] for row in found] == [meant for _, meant in ESCAPES]


@pytest.mark.long
def test_custom_log_format(ingest: Ingest) -> None:
    rules = replace(RULES, log_format=NGINX_MAIN.replace('"$http_x', '$host rt=$request_time uid=$uid_got "$http_x'))
    line = combined("GET //a HTTP/2.0") + ' Shop.example rt=0.012 uid=7 "203.0.113.9, 10.0.0.1"'
    found = event(ingest, line, rules)
    assert (found["page_url"], found["page_host"], found["page_path"]) == ("//Shop.example//a", "shop.example", "//a")
    assert found["visitor_id"] == visitor("203.0.113")
    assert json.loads(found["properties"]) == {
        "method": "GET", "protocol": "HTTP/2.0", "bytes": 2326, "duration_seconds": 0.012, "uid_got": "7",
    }  # fmt: skip
    named = replace(rules, columns={"visitor_id": "uid_got"})
    taken = ingest.take("\n".join([line, line.replace("uid=7", "uid=-")]), "access.log", named)
    assert taken.column("visitor_id") == ["7", visitor("203.0.113")]
    assert taken.reading.mapping["visitor_id"].startswith("uid_got, else keyed hash of $http_x_forwarded_for")
    assert "visitor_id" not in json.loads(taken.events[0]["properties"])


def test_request_parts_in_separate_fields(ingest: Ingest) -> None:
    rules = replace(RULES, log_format=r"%v %h %u [%{%Y-%m-%d %H:%M:%S}t] \"%m %U%q %H\" %s %D \"%{X-Abc}o\"")
    found = event(
        ingest, r'shop.example 192.0.2.7 john doe [2024-10-10 20:55:36] "GET /a?q=1 HTTP/1.1" 200 9 "x\"y"', rules
    )
    assert (found["page_url"], found["user_id"], found["event_time"]) == (
        "//shop.example/a?q=1",
        "john doe",
        datetime(2024, 10, 10, 20, 55, 36),
    )
    assert json.loads(found["properties"]) == {
        "method": "GET", "protocol": "HTTP/1.1", "duration_microseconds": 9, "X-Abc": 'x"y',
    }  # fmt: skip


@pytest.mark.parametrize("written", ["$msec", "%{usec}t", "$time_iso8601"])
def test_epoch_and_iso_8601_times(ingest: Ingest, written: str) -> None:
    time = {"$msec": "1728593736.250", "%{usec}t": "1728593736250000", "$time_iso8601": "2024-10-10T13:55:36-07:00"}[
        written
    ]
    log_format = f'{written} $remote_addr "$request"' if "$" in written else f'{written} %h "%r"'
    found = event(ingest, f'{time} 192.0.2.7 "GET / HTTP/1.1"', replace(RULES, log_format=log_format))
    assert found["event_time"].replace(microsecond=0) == datetime(2024, 10, 10, 20, 55, 36)


@pytest.mark.long
def test_page_host_comes_from_log_or_settings(ingest: Ingest) -> None:
    rules = replace(RULES, host="shop.example")
    assert event(ingest, combined("GET /a HTTP/1.1"), rules)["page_url"] == "//shop.example/a"
    assert event(ingest, combined("GET http://b.example/a HTTP/1.1"), rules)["page_url"] == "http://b.example/a"
    assert event(ingest, combined("GET //wp-login.php HTTP/1.1"))["page_path"] == "/wp-login.php"
    assert event(ingest, combined("OPTIONS * HTTP/1.1"), rules)["page_url"] is None


@pytest.mark.parametrize(
    ("log_format", "problem"),
    [("%h %l", "no time"), ('%h "%r"', "no time"), ("%h %t", "no request"), ('%h %t "%r" %Z', "%Z"), ("", "no time")],
)
def test_format_without_required_fields_is_rejected(log_format: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse_log_format(log_format)


@pytest.mark.parametrize(
    "name",
    ["access.log", "access.log.1", "access.log-20261005.gz", "other_vhosts_access.log.12.zst", "access_log", "log",
     "access_log.2026-10-05", "ssl-access_log-20261005"],
)  # fmt: skip
def test_access_logs_are_recognized_by_file_name(ingest: Ingest, name: str) -> None:
    content = (combined() + "\n").encode()
    compress = {"gz": gzip.compress, "zst": zstd.compress}.get(name.rpartition(".")[2], bytes)
    assert len(ingest.take(compress(content), name, RULES).events) == 1


# Visitor ids and addresses


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


@pytest.fixture(scope="module")
def module_ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path_factory.mktemp("ingest"))
    yield ingest
    ingest.close()


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


# Whole deployments


def test_no_address_leaves_the_delivered_file(tmp_path: Path) -> None:
    addresses = ["198.51.100.23", "2001:db8:abcd:12::7", "203.0.113.77", "dial-77.example.net", "10.99.98.97"]
    other_forms = {
        "198.51.100.23": ["198%2E51%2E100%2E23", "%31%398.51.100.23"],
        "2001:db8:abcd:12::7": ["2001:0db8:abcd:0012:0:0:0:7", "2001%3ADB8%3aabcd%3A12%3A%3A0007"],
    }
    data = tmp_path / "data"
    assert call("init", data)[0] == 0
    with (data / "settings.toml").open("a") as settings:
        settings.write(f"\n[sources.web]\nlog_format = '{NGINX_MAIN}'\n")
        settings.write("[sources.app]\nvisitor_address = 'from'\n")
    lines = []
    for number, address in enumerate(addresses):
        for written in (address, quote(address, safe=""), *other_forms.get(address, [])):
            page = f"GET /whois/{written}?q={written}&ip={written} HTTP/1.1"
            lines += [
                combined(page, address=address, user=f"u{number}", referrer=f"http://e.org/{written}") + ' "-"',
                combined(page, address=address, agent=f"bot {written}") + f' "{address}, 10.99.98.97"',
                combined(f"{written} / HTTP/1.1", address=address) + ' "-"',
                combined(page, address=address, time="never") + ' "-"',
                combined(page, address=address, time="31/Feb/2024:13:55:36 -0700") + ' "-"',
                combined(page, address=address) + ' "unknown',
                f"{address} something else",
            ]
    folder = data / "raw" / "web"
    folder.mkdir()
    (folder / "access.log.zst").write_bytes(zstd.compress("\n".join(lines).encode()))
    (folder / "bad.log").write_bytes(b"\n".join(line.encode() + b"\xff" for line in lines))
    app = [{"from": address, "event_time": "2024-10-10", "event_name": "a"} for address in addresses]
    (data / "raw" / "app").mkdir()
    (data / "raw" / "app" / "a.jsonl").write_text("\n".join(map(json.dumps, [*app, {"from": addresses[0]}])))

    done = run(data)
    assert done.returncode == 0, done.stderr
    assert "WARNING: " in done.stdout
    key = (data / "visitor_key").read_text().strip()
    said = [done.stdout, done.stderr, call("status", "--data", data)[1], call("plan", "--data", data)[1]]
    secrets = [*addresses[:3], addresses[4], *(quote(address, safe="") for address in addresses[:3])]
    secrets += [form for forms in other_forms.values() for form in forms]
    named = [text for text in map(str, everything_in(data)) if addresses[3] in text]
    assert named == [], "a host's name that came as an address"
    for text in [*everything_in(data), *said]:
        for secret in [*secrets, key]:
            assert secret not in text
    with open_store_of(data) as store:
        assert {item.facts["status"] for item in store.catalog.source_files().values()} == {"accepted"}
        accepted = sum(partition.row_count for partition in store.of_table("raw_events"))
        assert accepted == 2 * (2 * len(addresses) + sum(map(len, other_forms.values()))) + len(addresses)


def open_store_of(data: Path) -> closing[Store]:
    return closing(open_store(Deployment.at(data).folder))


def everything_in(data: Path) -> Iterator[str]:
    """Yield the bytes of every file outside raw/ and the values of every table, as text."""
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.is_relative_to(data / "raw") or path.name == "visitor_key":
            continue
        yield path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield str(pq.ParquetFile(path).read().to_pylist())
        if path.suffix in (".sqlite", ".db"):
            with sqlite3.connect(path) as connection:
                yield "\n".join(connection.iterdump())
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as warehouse:
                names = "select table_schema, table_name from information_schema.tables"
                for schema, name in warehouse.execute(names).fetchall():
                    yield str(warehouse.execute(f'select * from "{schema}"."{name}"').fetchall())


@pytest.mark.long
def test_lost_key_is_reported_and_files_are_read_again(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)}, only=("sessions",))
    folder = deployment.folder
    path = folder.raw / "web" / "access.log"
    path.parent.mkdir(parents=True)
    path.write_text(combined() + "\n")
    other = deployment.deliver("a", [{"visitor_id": "v", "event_time": "2024-10-10", "event_name": "a"}])
    deployment.run(date(2024, 10, 12))
    [before] = set(deployment.table("events")["visitor_id"]) - {"v"}
    kept = folder.visitor_key.read_text()
    settings = load_settings(folder.path)

    def told() -> tuple[str | None, dict[str, str]]:
        with open_store_of(tmp_path) as store:
            return delivered_files.lost_visitor_key(folder, store), delivered_files.files_to_read(
                folder, settings, store
            )

    assert told() == (None, {})
    assert deployment.run(date(2024, 10, 12)) == []
    folder.visitor_key.unlink()
    sentence, files = told()
    assert "the visitor ids of 1 file were made with a visitor_key other than" in str(sentence)
    assert list(files) == ["web/access.log"]
    assert "visitor_key" in call("status", "--data", tmp_path)[1]
    deployment.run(date(2024, 10, 12))
    [after] = set(deployment.table("events")["visitor_id"]) - {"v"}
    assert after != before
    assert told() == (None, {})
    folder.visitor_key.write_text(kept)
    path.unlink()
    assert other.exists()
    assert "the visitor ids of 1 file" in str(told()[0])
    with open_run(folder, run_id="test", until=date(2024, 10, 12)) as run_:
        run_.ingest()
    assert pipeline_gone(folder, settings) == ["web/access.log"]


def pipeline_gone(folder: Any, settings: Any) -> list[str]:
    with open_store_of(folder.path) as store:
        return delivered_files.files_gone(folder, settings, store)


def test_assets_and_requests_are_not_actions_or_interactions(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)}, only=("session_actions",))
    path = deployment.folder.raw / "web" / "access.log"
    path.parent.mkdir(parents=True)
    start = datetime(2024, 10, 10, 12, tzinfo=UTC)
    requests = [
        ("192.0.2.1", ["GET /logo.png HTTP/1.1", "GET /a HTTP/1.1", "GET /style.css HTTP/1.1", "HEAD / HTTP/1.1"]),
        ("198.51.100.1", ["GET /a HTTP/1.1", "POST /login HTTP/1.1"]),
    ]
    path.write_text(
        "\n".join(
            combined(request, address=address, time=f"{start + timedelta(seconds=number):%d/%b/%Y:%H:%M:%S %z}")
            for address, listed in requests
            for number, request in enumerate(listed)
        )
    )
    deployment.run(date(2024, 10, 12))
    sessions = deployment.table("sessions").sort_values("event_count", ascending=False).to_dict("records")
    names = (
        "event_count",
        "page_view_count",
        "landing_page",
        "landing_action",
        "exit_action",
        "is_engaged",
        "is_bounce",
    )
    assert [tuple(session[name] for name in names) for session in sessions] == [
        (4, 1, "/a", "/a", "/a", False, True),
        (2, 1, "/a", "/a", "submit", True, False),
    ]
    assert sorted(deployment.table("session_actions")["action"]) == ["/a", "/a", "submit"]


@pytest.mark.long
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the shared fixtures are not here: a user's clone has none")
def test_nasa_log_sessions_by_network(tmp_path: Path) -> None:
    with (FIXTURES / "nasa_http_19950801" / "nasa_19950801.tsv").open(encoding="utf-8", newline="") as lines:
        records = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    deployment = Deployment(
        tmp_path,
        {
            "start_date": date(1995, 1, 1),
            "timezone": "America/New_York",
            "sources": {"nasa": {"format": "access_log", "log_format": "common"}},
        },
        only=("sessions",),
    )
    path = deployment.folder.raw / "nasa" / "access_log.gz"
    path.parent.mkdir(parents=True)
    offset = timezone(timedelta(hours=-4))
    written = [
        f"{record['host']} - - [{datetime.fromtimestamp(int(record['time']), offset):%d/%b/%Y:%H:%M:%S %z}]"
        f' "{record["method"]} {record["url"]} HTTP/1.0" {record["response"]} {record["bytes"] or "-"}'
        for record in records
    ]
    path.write_bytes(gzip.compress("\n".join(written).encode()))
    deployment.run(date(1995, 8, 3))
    [file] = deployment.table("source_files").to_dict("records")
    set_aside = deployment.table("quarantined_lines")
    assert (file["line_count"], file["accepted_count"] + len(set_aside)) == (30_969, 30_969)
    assert len(set_aside) < 5
    left_out = set(set_aside["line_number"]) | set(deployment.table("duplicate_events")["line_number"])
    rows = [
        (re.sub(r"^(\d+\.\d+\.\d+)\.\d+$", r"\1", record["host"].lower()), int(record["time"]), number)
        for number, record in enumerate(records, start=1)
        if number not in left_out
    ]
    assert sessions_of(deployment) == sessions_by_gap(rows)
    names = deployment.table("events")["event_name"].value_counts().to_dict()
    pages = sum(
        record["method"] == "GET" and not record["url"].lower().endswith((".gif", ".jpg", ".xbm")) for record in records
    )
    assert names["asset"] > 10_000
    assert names["page_view"] <= pages
