"""Tests access log formats: a line of another format is quarantined, and the known format that fits is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from session_pipeline.checks.quarantine import too_many_quarantined
from session_pipeline.reference.log_formats import NAMED_FORMATS, OTHER_LOG_FORMAT, parse_log_format
from session_pipeline_tests.access_logs import AGENT, RULES, TIME, visitor
from session_pipeline_tests.deployment import Deployment, looking
from session_pipeline_tests.ingesting import Ingest
from session_pipeline_tests.shop_commands import call, run

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

REQUEST = '"GET /a HTTP/1.1"'
WHO = f"203.0.113.7 - - [{TIME}] {REQUEST} 200"
LINES = {
    "common": f"{WHO} 12",
    "combined": f'{WHO} 12 "-" "{AGENT}"',
    "vhost_common": f"www.shop.example {WHO} 12",
    "vhost_combined": f'www.shop.example:443 {WHO} 12 "-" "{AGENT}"',
    "vhost_combined_without_port": f'www.shop.example {WHO} 12 "-" "{AGENT}"',
    "combinedio": f'{WHO} 12 "-" "{AGENT}" 512 1024',
    "nginx_combined": f'{WHO} 12 "-" "{AGENT}"',
    "nginx_main": f'{WHO} 12 "-" "{AGENT}" "198.51.100.9, 10.0.0.1"',
    "ingress_nginx": f'{WHO} 12 "-" "{AGENT}" 35 0.002 [web-80] [] 10.0.0.1:80, 10.0.0.2:80 0, 12 0.002 502, 200 a1',
    "forwarded_combined": f'198.51.100.9, 10.0.0.1 - - [{TIME}] {REQUEST} 200 12 "-" "{AGENT}"',
    "lighttpd": f'203.0.113.7 www.shop.example - [{TIME}] {REQUEST} 200 12 "-" "{AGENT}"',
    "traefik": f'{WHO} 12 "-" "{AGENT}" 7 "web@docker" "http://10.0.0.1:80" 12ms',
    "envoy": f'[2024-10-10T13:55:36.310Z] {REQUEST} 200 - 0 12 25 24 "198.51.100.9, 10.0.0.1" "{AGENT}" "a1"'
    ' "www.shop.example" "10.0.0.1:80"',
    "haproxy": "203.0.113.7:33317 [10/Oct/2024:13:55:36.655] http-in static/srv1 10/0/30/69/109 200 12 - - ----"
    f" 1/1/1/1/0 0/0 {REQUEST}",
}
SAME_LINES = {"combined", "nginx_combined"}
# A host can be missing, and a list of addresses can be one address, so the lines of the usual formats fit as well.
ALSO_FIT = {"combined": ["nginx_combined"], "nginx_combined": ["combined"], "forwarded_combined": sorted(SAME_LINES),
            "lighttpd": sorted(SAME_LINES)}  # fmt: skip
# The formats whose line has the address of a visitor before a proxy.
FORWARDED = ("nginx_main", "forwarded_combined", "envoy")


def fits(log_format: str, line: str) -> bool:
    pattern = parse_log_format(log_format).pattern
    with looking() as connection:
        [(found,)] = connection.execute("select regexp_matches($1, $2)", [line, pattern]).fetchall()
    return bool(found)


def test_every_named_format_is_tested() -> None:
    assert list(LINES) == list(NAMED_FORMATS)


@pytest.mark.parametrize("name", NAMED_FORMATS)
def test_line_of_a_named_format_is_an_event(module_ingest: Ingest, name: str) -> None:
    taken = module_ingest.take(LINES[name] + "\n", "access.log", replace(RULES, log_format=name))
    assert taken.quarantined == []
    [event] = taken.events
    agent = AGENT if "common" not in name and name != "haproxy" else ""
    assert event["visitor_id"] == visitor("198.51.100" if name in FORWARDED else "203.0.113", agent)
    assert (event["page_path"], event["status_code"], event["user_id"]) == ("/a", 200, None)
    assert event["page_host"] == ("www.shop.example" if "www.shop.example" in LINES[name] else None)
    assert "10.0.0" not in json.dumps(event, default=str)


@pytest.mark.parametrize("own", NAMED_FORMATS)
def test_line_of_another_format_is_quarantined_and_names_it(module_ingest: Ingest, own: str) -> None:
    others = [name for name in NAMED_FORMATS if not fits(own, LINES[name])]
    assert [name for name in NAMED_FORMATS if name not in (own, *others)] == sorted(ALSO_FIT.get(own, ()))
    taken = module_ingest.take("\n".join(LINES[name] for name in others), "access.log", replace(RULES, log_format=own))
    named = ["combined" if name in SAME_LINES else name for name in others]
    assert [row["reason"] for row in taken.quarantined] == [f"{OTHER_LOG_FORMAT}{name}" for name in named]
    assert [row["detail"] for row in taken.quarantined] == [
        f'the line fits {name}; set sources.web.log_format = "{name}"' for name in named
    ]


def test_address_in_the_place_of_the_host_is_recognized_as_no_format(module_ingest: Ingest) -> None:
    host, address = "www.shop.example -", "203.0.113.7"
    for before in (f"{address} 198.51.100.9 -", f"www.shop.example {address} -", f"{address} [2001:db8::9] -"):
        line = LINES["lighttpd"].replace(f"{address} {host}", before)
        taken = module_ingest.take(line + "\n", "access.log", RULES)
        assert [row["reason"] for row in taken.quarantined] == ["invalid_log_line"]
        assert fits("lighttpd", line)  # it is read where the settings say so, as a request for an address


@pytest.mark.parametrize("name", ["vhost_common", "vhost_combined_without_port"])
def test_first_of_two_addresses_is_recognized_as_no_host(module_ingest: Ingest, name: str) -> None:
    """It can be that of a visitor, such as in a log of the peer's address and X-Forwarded-For."""
    line = LINES[name].replace("www.shop.example", "198.51.100.9")
    taken = module_ingest.take(line + "\n", "access.log", RULES)
    assert [row["reason"] for row in taken.quarantined] == ["invalid_log_line"]
    assert fits(name, line)


def test_response_that_a_proxy_did_not_get_has_no_status(module_ingest: Ingest) -> None:
    for name, status in (("envoy", "0"), ("haproxy", "-1")):
        line = LINES[name].replace(" 200 ", f" {status} ")
        [event] = module_ingest.take(line + "\n", "access.log", replace(RULES, log_format=name)).events
        assert (event["status_code"], event["page_path"]) == (None, "/a")


def test_address_of_a_quarantined_line_is_removed_by_position(module_ingest: Ingest) -> None:
    line = LINES["vhost_combined"].replace("203.0.113.7", "dial-7.example.net").replace("/a", "/dial-7.example.net")
    taken = module_ingest.take(line + "\n", "access.log", RULES)
    assert taken.quarantined[0]["line"].startswith("www.shop.example:443 [address] - - [")
    assert "dial-7" not in taken.quarantined[0]["line"]
    broken = module_ingest.take(line[:80] + "\n", "access.log", replace(RULES, log_format="vhost_combined"))
    assert broken.quarantined[0]["line"].startswith("www.shop.example:443 [address] - - [")


def test_list_of_addresses_is_removed_from_a_quarantined_line(module_ingest: Ingest) -> None:
    taken = module_ingest.take(LINES["forwarded_combined"] + "\n", "access.log", RULES)
    assert "198.51" not in taken.quarantined[0]["line"]
    assert "10.0.0" not in taken.quarantined[0]["line"]


def test_line_of_no_known_format_says_where_to_find_it(module_ingest: Ingest) -> None:
    taken = module_ingest.take(f"lb 203.0.113.7:80 {REQUEST}\n", "access.log", RULES)
    said = "nor another known format; write the server's own LogFormat or log_format into sources.web.log_format"
    assert taken.quarantined[0]["detail"].endswith(said)
    taken = module_ingest.take(f"lb 203.0.113.7:80 {REQUEST}\n", "access.log", replace(RULES, source="my.site"))
    assert taken.quarantined[0]["detail"].endswith('into sources."my.site".log_format')


@pytest.mark.parametrize(
    "address",
    ["192.0.2.7", "192.0.2.7:4711", "::1", "2001:db8::7", "[2001:db8::7]:443", "fe80::1%eth0", "::ffff:192.0.2.7",
     "dial-12.Example_1.net", "localhost", "unix:", "-"],
)  # fmt: skip
def test_addresses_and_host_names_are_remote_hosts(address: str) -> None:
    assert fits("combined", LINES["combined"].replace("203.0.113.7", address))


@pytest.mark.parametrize("address", ["shop:80", "cafe:80", "192.0.2.7,", "a b", '"a"', "", "/a", "a,b", "[shop]"])
def test_other_text_is_not_a_remote_host(address: str) -> None:
    assert not fits("combined", LINES["combined"].replace("203.0.113.7", address))


@pytest.mark.parametrize(
    "user", ["frank", "frank@shop.example", "john doe", "a  b", "O'Neil", r"a\"b", '""', "", "-a b-"]
)
def test_user_names_may_have_spaces(user: str) -> None:
    assert fits("combined", LINES["combined"].replace("- - [", f"- {user} ["))


@pytest.mark.parametrize("user", ["- -", "- frank", "a - b", "frank -", 'a"b', " a"])
def test_empty_field_is_not_part_of_a_user_name(user: str) -> None:
    assert not fits("combined", LINES["combined"].replace("- - [", f"- {user} ["))


@pytest.mark.parametrize("identity", ["192.0.2.7", "::1", "dial-12.example.net", "a b", ""])
def test_address_is_not_an_identity(identity: str) -> None:
    assert not fits("combined", LINES["combined"].replace("- - [", f"{identity} - ["))
    assert fits("combined", LINES["combined"].replace("- - [", "frank - ["))


@pytest.mark.parametrize(
    ("before", "after"),
    [(" 200 ", " 20 "), (" 200 ", " 2000 "), (" 200 ", " OK "), (" 12 ", " 1k "), (" 12 ", " 1 2 "),
     (TIME, "10/10/2024:13:55:36 -0700"), (TIME, "never"), (TIME, "-"), (TIME, TIME[:-6])],
)  # fmt: skip
def test_shape_of_time_status_and_bytes(before: str, after: str) -> None:
    line = LINES["combined"]
    assert line.count(before) == 1
    assert not fits("combined", line.replace(before, after))
    assert fits("combined", line.replace(" 200 12 ", " - - "))


@pytest.mark.parametrize(
    ("log_format", "good", "bad"),
    [
        ('%{X-Forwarded-For}i %l %u %t "%r"', "192.0.2.7, 10.0.0.1 - -", "shop:80 192.0.2.7 - -"),
        ('$http_x_forwarded_for - $remote_user [$time_local] "$request"', "unknown - -", "shop 192.0.2.7 - -"),
        ('%a %u %{local}p %t "%r"', "192.0.2.7 - 443", "192.0.2.7 - https"),
        ('%h "%u" %t "%r"', r'192.0.2.7 "- \"a\""', '192.0.2.7 "-" "a"'),
        ('%A %h %t "%r"', "192.0.2.1 192.0.2.7", "192.0.2.1:x 192.0.2.7"),
        ('$host $remote_addr [$time_local] "$request"', "shop.example 192.0.2.7", "shop.example:80 192.0.2.7"),
    ],
)
def test_custom_formats_are_as_strict(log_format: str, good: str, bad: str) -> None:
    end = f" [{TIME}] {REQUEST}"
    assert fits(log_format, good + end)
    assert not fits(log_format, bad + end)


@pytest.mark.parametrize(
    ("written", "good", "bad"),
    [
        ("%{sec}t", "1728593736", "1728593736.5"),
        ("%{end:usec}t", "1728593736250000", "x"),
        ("%{msec}t", "1728593736250", TIME),
        ("$msec", "1728593736.250", "1728593736"),
        ("$time_iso8601", "2024-10-10T13:55:36+00:00", "2024-10-10 13:55:36"),
        ("$time_iso8601", "2024-10-10T13:55:36.250000Z", "2024-10-10T13:55:36.Z"),
        ("$time_local", TIME, "2024-10-10T13:55:36+00:00"),
    ],
)
def test_times_fit_their_directive(written: str, good: str, bad: str) -> None:
    log_format = f'[{written}] $remote_addr "$request"' if "$" in written else f'[{written}] %h "%r"'
    assert fits(log_format, f'[{good}] 192.0.2.7 "GET / HTTP/1.1"')
    assert not fits(log_format, f'[{bad}] 192.0.2.7 "GET / HTTP/1.1"')


def test_wrong_format_never_merges_visitors(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert call("init", data)[0] == 0
    folder = data / "raw" / "web"
    folder.mkdir()
    lines = [LINES["vhost_combined"].replace("203.0.113.7", f"203.0.{number}.7") for number in range(20)]
    (folder / "other_vhosts_access.log").write_text("\n".join(lines) + "\n")
    done = run(data)
    said = 'they fit the log format vhost_combined and not that of the source; set sources.web.log_format = "vhost_c'
    assert said in " ".join(done.stdout.split())
    assert len(Deployment.at(data).table("raw_events")) == 0
    with (data / "settings.toml").open("a") as settings:
        settings.write('\n[sources.web]\nlog_format = "vhost_combined"\n')
    deployment = Deployment.at(data)
    deployment.only = ()  # the test looks at what is ingested
    deployment.run()
    assert deployment.table("raw_events")["visitor_id"].nunique() == 20


def test_warning_names_the_setting_or_another_source() -> None:
    facts = {"path": "web/a.log", "source": "web", "line_count": 10, "set_aside_count": 4, "accepted_count": 6}
    reasons = {"log_format_is_vhost_combined": 3, "invalid_log_line": 1}
    assert too_many_quarantined(facts, reasons) == (
        "raw/web/a.log: 4 of 10 lines were quarantined, 3 of them because they fit the log format vhost_combined and"
        ' not that of the source; deliver them in a separate folder, as a source with log_format = "vhost_combined"'
    )
    sentence = too_many_quarantined({**facts, "accepted_count": 0, "set_aside_count": 10}, reasons)
    assert str(sentence).endswith('set sources.web.log_format = "vhost_combined" in settings.toml to accept such lines')
