"""Tests which log formats are found for lines that have more than those of a named format."""

import json
from pathlib import Path

import pytest

from session_pipeline.reference.extended_log_formats import extended_log_format
from session_pipeline.reference.log_formats import NAMED_FORMATS, parse_log_format
from session_pipeline_tests.shop_commands import call

AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0"
COMMON = '192.0.2.7 - - [04/May/2026:10:00:0{} +0000] "GET /p?q=a HTTP/1.1" 200 512'
COMBINED = f'{COMMON} "https://e.org/" "{AGENT}"'


def lines(written: str) -> list[str]:
    return [written.replace("{}", str(number)) for number in range(5)]


@pytest.mark.parametrize(
    ("written", "before", "after"),
    [
        (f"{COMBINED} 1{{}}234", "", " %{extra_1}n"),
        (f'{COMBINED} 0.00{{}} "gzip" [a b]', "", ' %{extra_1}n "%{extra_2}n" [%{extra_3}n]'),
        (f"<190>May  4 10:00:0{{}} web01 nginx: {COMBINED}", "%{prefix}n: ", ""),
        (f"<190>May  4 10:00:0{{}} web01 nginx[3{{}}]: {COMBINED} 7", "%{prefix}n: ", " %{extra_1}n"),
        (f"2026-05-04T10:00:0{{}}.123456789Z stdout F {COMBINED}", "%{prefix}n F ", ""),
        (f"web-1  | {COMBINED}", "%{prefix}n| ", ""),
    ],
    ids=["duration", "several", "syslog", "syslog with a process id", "containerd", "compose"],
)
def test_format_with_more_than_combined_is_found(written: str, before: str, after: str) -> None:
    found = extended_log_format(lines(written))
    assert found == f"{before}{NAMED_FORMATS['combined']}{after}"
    fields = parse_log_format(found).names
    assert {"remote_address", "event_time", "request", "status_code", "referrer", "user_agent"} <= set(fields)


def test_named_format_with_the_fewest_further_fields_counts() -> None:
    assert extended_log_format(lines(f'{COMBINED} "-" 0.00{{}}')) == f"{NAMED_FORMATS['nginx_main']} $extra_1"
    assert extended_log_format(lines(f"shop.example {COMMON} 5")) == f"{NAMED_FORMATS['vhost_common']} %{{extra_1}}n"


@pytest.mark.parametrize(
    "after",
    ['5 "198.51.100.9"', '5 "2001:db8::7, 10.0.0.1"', '5 "10.0.0.8:80"', '5 "-"', '5 ""', "5 6 -"],
)
def test_field_that_could_be_an_address_gives_no_format(after: str) -> None:
    assert extended_log_format(lines(f"{COMBINED} {after}")) is None


def test_lines_of_different_shapes_or_other_logs_give_no_format() -> None:
    assert extended_log_format([*lines(f"{COMBINED} 5"), *lines(f"{COMBINED} 5 6")]) is None
    assert extended_log_format([*lines(f"{COMBINED} 5"), "Starting up"]) is None
    assert extended_log_format(lines(f"<190>May  4 10:00:0{{}} 10.0.0.5 nginx: {COMBINED}")) is None
    assert extended_log_format([]) is None


HAPROXY = (
    "Nov  4 10:00:0{{}} lb01 haproxy[14389]: 192.0.2.10:3331{{}} [04/Nov/2026:10:00:0{{}}.655] http-in static/srv1"
    ' 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {}"GET /p HTTP/1.1"'
)


@pytest.mark.parametrize(
    ("headers", "written"),
    [
        ("", ""),
        (f"{{shop.example:443|{AGENT}|https://e.org/}} ", "{$captured_host|$captured_user_agent|$captured_referer} "),
        (f"{{192.0.2.7, 10.0.0.1|{AGENT}}} ", "{$captured_x_forwarded_for|$captured_user_agent} "),
        (f"{{{AGENT}|en}} {{|nginx}} ", "{$captured_user_agent|$captured_2} {$captured_3|$captured_4} "),
    ],
    ids=["none", "usual", "addresses", "of the response, too"],
)
def test_captured_headers_of_haproxy_are_found_by_their_values(headers: str, written: str) -> None:
    found = extended_log_format(lines(HAPROXY.format(headers)))
    assert found == "$prefix: " + NAMED_FORMATS["haproxy"].replace('"$request"', f'{written}"$request"')
    assert ("user_agent" in parse_log_format(found).names) is ("captured_user_agent" in written)


@pytest.mark.parametrize("headers", [("{a|} ", "{b|} "), ("{192.0.2.7} ", "{shop.example} "), ("{a} ", "{a|b} ")])
def test_captured_header_that_could_be_an_address_gives_no_format(headers: tuple[str, str]) -> None:
    assert extended_log_format([line for each in headers for line in lines(HAPROXY.format(each))]) is None


@pytest.mark.long
def test_log_without_user_agents_says_what_that_means(tmp_path: Path) -> None:
    log = tmp_path / "haproxy.log"
    log.write_text("".join(f"{line}\n" for line in lines(HAPROXY.format(""))))
    assert "http-request capture req.hdr(User-Agent)" in " ".join(call("try", log)[1].split())
    log.write_text("".join(f"{line}\n" for line in lines(HAPROXY.format(f"{{{AGENT}}} "))))
    out = call("try", log)[1]
    assert "5 of 5 lines would be accepted" in out
    assert "req.hdr" not in out


@pytest.mark.long
def test_init_writes_the_format_and_the_lines_are_read(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(f"{line}\n" for line in lines(f"{COMBINED} 1{{}}234")))
    code, out, _ = call("init", tmp_path / "data", "--from", log)
    assert (code, "log_format for files like access.log; 5 of 5 lines are accepted" in out) == (0, True)
    found = json.loads(call("try", log, "--data", tmp_path / "data", "--source", "web", "--json")[1])
    [example] = [field["example"] for field in found["fields"] if field["column"] == "page_url"]
    assert (found["facts"]["accepted_count"], example, found["other_fields"]["extra_1"]) == (5, "/p?q=a", 5)
