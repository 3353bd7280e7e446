"""Tests access logs: which lines become which events, formats, escapes, and lines that are quarantined."""

import bz2
import gzip
import json
import lzma
from dataclasses import replace
from datetime import datetime

import pytest

from session_pipeline.errors import SettingsError
from session_pipeline.ingest.formats.compression import zstd
from session_pipeline.ingest.reading import read_large, small_files
from session_pipeline.reference.log_formats import parse_log_format
from session_pipeline_tests.access_logs import AGENT, NGINX_MAIN, RULES, combined, event, events, visitor
from session_pipeline_tests.ingesting import Ingest


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
    ("GET /hero.mp4 HTTP/1.1", 200, "asset"),
    ("GET /app.MJS HTTP/1.1", 200, "asset"),
    ("GET /site.webmanifest HTTP/1.1", 200, "asset"),
    ("GET /photo.heic?w=100 HTTP/1.1", 200, "asset"),
    ("GET /play?id=3 HTTP/1.1", 206, "asset"),
    ("GET /report.pdf HTTP/1.1", 206, "asset"),
    ("GET /report.pdf HTTP/1.1", 200, "page_view"),
    ("GET /all.zip HTTP/1.1", 200, "page_view"),
    ("GET /mp4 HTTP/1.1", 200, "page_view"),
    ("POST /upload.mp4 HTTP/1.1", 206, "submit"),
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
    content += b"\n" + b" " * (300 << 10)
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
    assert taken.admitted.blank_line_count == 2


NO_CLIENTS = [
    "#Fields:", "[error]", "[:warn]", "2026/10/05", "2026-10-05", "2026-10-05T10:00:00.123+02:00",
    "[05/Oct/2026:10:00:00", "[Sun", "10:00:00,5", '"GET', "-", "---",
]  # fmt: skip


def test_first_word_that_can_be_no_client_stays_in_a_quarantined_line(ingest: Ingest) -> None:
    lines = [line for word in NO_CLIENTS for line in (f"{word} 12345#0: open() failed", word)]
    taken = ingest.take("\n".join(lines), "access.log", RULES)
    assert [row["line"] for row in taken.quarantined] == lines


CLIENTS = [
    "garbage", "janes-laptop", "janes-laptop.lan", '"janes-laptop"', "[janes-laptop]", "[janes-laptop:error]",
    "[error", "error", "Sun", "GET", "1759658400", "192-0-2-7", "203.0.113.7", "2001:db8::7", "2026-13-05",
    "janes-laptop,[error]", "2026-10-05.example", '"GET.example', "Jan", "größe", "#janes-laptop:",
]  # fmt: skip


def test_first_word_that_can_be_a_client_is_not_stored(ingest: Ingest) -> None:
    taken = ingest.take("".join(f"{word} 12345#0: open() failed\n{word}\n" for word in CLIENTS), "access.log", RULES)
    stored = [row["line"] for row in taken.quarantined]
    pairs = zip(stored[::2], stored[1::2], strict=True)
    assert dict(zip(CLIENTS, pairs, strict=True)) == dict.fromkeys(
        CLIENTS, ("[address] 12345#0: open() failed", "[address]")
    )


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
def test_custom_log_format_fills_columns_and_properties(ingest: Ingest) -> None:
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


def test_request_parts_in_separate_fields_are_joined(ingest: Ingest) -> None:
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


def test_iso_8601_times_can_have_fractions(ingest: Ingest) -> None:
    rules = replace(RULES, log_format='$time_iso8601 $remote_addr "$request"')
    found = event(ingest, '2024-10-10T13:55:36.250001Z 192.0.2.7 "GET / HTTP/1.1"', rules)
    assert found["event_time"] == datetime(2024, 10, 10, 13, 55, 36, 250001)


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
    ["access.log", "access.log.1", "access.log-20261005.gz", "access.log-20261005.bz2", "access.log.3.xz",
     "other_vhosts_access.log.12.zst", "access_log", "log", "access_log.2026-10-05", "ssl-access_log-20261005"],
)  # fmt: skip
def test_access_logs_are_recognized_by_file_name(ingest: Ingest, name: str) -> None:
    content = (combined() + "\n").encode()
    compressions = {"gz": gzip.compress, "zst": zstd.compress, "bz2": bz2.compress, "xz": lzma.compress}
    compress = compressions.get(name.rpartition(".")[2], bytes)
    admitted = ingest.admit(ingest.deliver(compress(content), name), RULES)
    assert (admitted.format, admitted.line_count) == ("access_log", 1)
    admitted.discard()


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="long"),
        pytest.param({"json_fields": ("properties",)}, marks=pytest.mark.nightly, id="changed"),
    ],
)
def test_lines_that_are_given_in_batches(
    changes: dict[str, tuple[str, ...]], ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [combined(f"GET /{number}?q={'a' * 100} HTTP/1.1", address=f"192.0.{number}.7") for number in range(200)]
    small = events(ingest, lines)
    assert events(ingest, lines, replace(RULES, **changes)) == small
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", 0)
    monkeypatch.setattr(read_large, "LONG_LINE_BYTES", 100)
    assert events(ingest, lines, replace(RULES, **changes)) == small
    assert small[9]["visitor_id"] == visitor("192.0.9")
