"""Tests which requests and addresses of visitors are suggested, with lines as servers and proxies log them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from session_pipeline.ingest.admission.wrapped_records import Number
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.trial.sampled_fields import fields_in
from session_pipeline.trial.suggested_addresses import address_of, suggested_address
from session_pipeline.trial.suggested_keys import Suggested, suggested_keys
from session_pipeline.trial.suggested_requests import suggested_request
from session_pipeline_tests.ingesting import RULES
from session_pipeline_tests.test_suggestions import AGENT, segment, time

pytestmark = pytest.mark.long  # further cases of what the usual tests cover


def google(number: int) -> dict[str, Any]:
    return {
        "timestamp": time(number), "logName": "projects/x", "jsonPayload": {"remoteIp": f"192.0.2.{number}"},
        "httpRequest": {"requestMethod": "GET", "requestUrl": f"https://shop.example/p/{number}?q=a", "status": 200,
                        "remoteIp": f"192.0.2.{number}", "serverIp": "10.0.0.1", "referer": "https://e.org/"},
    }  # fmt: skip


def proxy(number: int) -> dict[str, Any]:
    return {
        "host": "edge.example", "path": "/other", "proxy": {"method": "POST", "path": "/p?q=a", "host": "shop.example",
        "scheme": "https", "statusCode": 200, "clientIp": f"192.0.2.{number}"},
    }  # fmt: skip


def cloudfront(number: int) -> dict[str, Any]:
    return {"cs-method": "GET", "cs-uri-stem": "/p", "cs-uri-query": "q=a", "cs(User-Agent)": AGENT, "sc-status": "200"}


@pytest.mark.parametrize(
    ("line_of", "request_keys", "columns", "address"),
    [
        (
            google,
            {"method": "httpRequest.requestMethod", "target": "httpRequest.requestUrl"},
            {"status_code": "httpRequest.status", "referrer": "httpRequest.referer"},
            "httpRequest.remoteIp",  # of two fields with equal values
        ),
        (
            proxy,
            {"method": "proxy.method", "target": "proxy.path", "host": "proxy.host", "scheme": "proxy.scheme"},
            {"status_code": "proxy.statusCode"},
            "proxy.clientIp",
        ),
        (
            cloudfront,
            {"method": "cs-method", "path": "cs-uri-stem", "query": "cs-uri-query"},
            {"status_code": "sc-status", "user_agent": "cs(User-Agent)"},
            None,
        ),
        (segment, {}, {}, "context_ip"),
        (lambda number: {"method": "GET", "name": "a"}, {}, {}, None),
    ],
    ids=["google", "proxy", "cloudfront", "events", "no target"],
)
def test_requests_in_logs_are_suggested(
    line_of: Callable[[int], Mapping[str, Any]],
    request_keys: Mapping[str, str],
    columns: Mapping[str, str],
    address: str | None,
) -> None:
    lines = [json.loads(json.dumps(line_of(number)), parse_int=Number) for number in range(30)]
    with duckdb.connect() as connection:
        fields = fields_in(lines, RULES, connection)
    assert suggested_request(fields) == (request_keys, columns)
    assert suggested_address(fields) == address


def of_log(*lines: Mapping[str, Any], rules: ReadingRules = RULES, filled: frozenset[str] = frozenset()) -> Suggested:
    """What is suggested for some lines of a server's log."""
    read = [json.loads(json.dumps(line), parse_int=Number, parse_float=Number) for line in lines]
    with duckdb.connect() as connection:
        fields = fields_in(read, rules, connection)
    return suggested_keys(fields, rules, filled, rules.earliest.date())


AT = "2026-05-04T10:00:00Z"
MATOMO = {"ip": "192.0.2.7", "host": "www.shop.example", "path": "/p?q=a", "status": "200", "date": AT}
LOGSTASH = {
    "ua": AGENT, "referer": "-", "domain": "shop.example", "@version": "1", "type": "nginx-log", "@timestamp": AT,
    "host": "172.16.0.23", "url": "/404.html", "path": "/var/log/nginx/access.log", "client": "192.0.2.7",
    "status": "404",
}  # fmt: skip
ENVOY = {
    "downstream_remote_address": "192.0.2.7:41654", "downstream_local_address": "10.99.18.67:9080", "method": "GET",
    "upstream_local_address": "10.40.0.12:48508", "upstream_host": "10.40.0.8:9080", "authority": "shop:9080",
    "path": "/details/0", "response_code": "200", "start_time": AT, "route_name": "default", "x_forwarded_for": "-",
}  # fmt: skip
FLUENTD = {
    "time": AT, "remote": "192.0.2.7", "host": "-", "user": "-", "method": "GET", "path": "/", "code": "200",
    "agent": AGENT,
}  # fmt: skip
VERCEL = {
    "host": "shop-1.vercel.app", "timestamp": AT, "path": "/api",
    "proxy": {"method": "GET", "host": "shop.example", "path": "/api?page=1", "userAgent": [AGENT], "statusCode": 200,
              "clientIp": "192.0.2.7"},
}  # fmt: skip
ECS = {
    "@timestamp": AT, "event": {"created": AT, "dataset": "nginx.access"}, "host": {"name": "web-01"},
    "agent": {"name": "web-01"}, "log": {"file": {"path": "/var/log/nginx/access.log"}}, "source": {"ip": "192.0.2.7"},
    "url": {"original": "/p?q=a", "path": "/p", "domain": "shop.example"},
    "http": {"request": {"method": "GET", "referrer": "https://e.org/"}, "response": {"status_code": 200}},
    "user_agent": {"original": AGENT, "name": "Chrome"},
}  # fmt: skip
FLUENT_BIT = {
    "date": 1777888800, "remote": "192.0.2.7", "method": "GET", "path": "/p", "code": "200", "agent": AGENT,
    "kubernetes": {"host": "node-1.example", "pod_name": "web"}, "hostname": "node-1",
}  # fmt: skip
LOGRAGE = {
    "@timestamp": AT, "@version": "1", "host": "web-1.example", "method": "GET", "path": "/p", "action": "show",
    "status": 200, "ip": "192.0.2.7",
}  # fmt: skip
VECTOR = {
    "timestamp": AT, "host": "web-01.example", "file": "/var/log/nginx/access.log", "source_type": "file",
    "client": "192.0.2.7", "request": "GET /p HTTP/1.1", "status": 200,
}  # fmt: skip
LINE = {"@timestamp": AT, "tags": ["access"], "realip": "192.0.2.7", "request": "GET /p HTTP/1.1", "method": "GET"}


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (
            MATOMO,
            {"columns": {"event_time": "date", "status_code": "status"}, "request": {"target": "path", "host": "host"},
             "visitor_address": "ip"},
        ),
        (
            LOGSTASH,
            {"columns": {"event_time": "@timestamp", "user_agent": "ua", "status_code": "status"},
             "request": {"target": "url", "host": "domain"}, "null_values": ["-"], "visitor_address": "client"},
        ),
        (
            ENVOY,
            {"columns": {"event_time": "start_time", "status_code": "response_code"},
             "request": {"method": "method", "target": "path", "host": "authority"}, "null_values": ["-"],
             "visitor_address": "downstream_remote_address"},
        ),
        (
            FLUENTD,
            {"columns": {"event_time": "time", "status_code": "code", "user_agent": "agent"},
             "request": {"method": "method", "target": "path"}, "null_values": ["-"], "visitor_address": "remote"},
        ),
        (
            VERCEL,
            {"columns": {"event_time": "timestamp", "status_code": "proxy.statusCode",
                         "user_agent": "proxy.userAgent.0"},
             "request": {"method": "proxy.method", "target": "proxy.path", "host": "proxy.host"},
             "visitor_address": "proxy.clientIp"},
        ),
        (
            ECS,
            {"columns": {"event_time": "@timestamp", "referrer": "http.request.referrer",
                         "status_code": "http.response.status_code", "user_agent": "user_agent.original"},
             "request": {"method": "http.request.method", "target": "url.original", "host": "url.domain"},
             "visitor_address": "source.ip"},
        ),
        (
            FLUENT_BIT,
            {"columns": {"event_time": "date", "status_code": "code", "user_agent": "agent"},
             "request": {"method": "method", "target": "path"}, "visitor_address": "remote"},
        ),
        (
            LOGRAGE,
            {"columns": {"event_time": "@timestamp", "status_code": "status"},
             "request": {"method": "method", "target": "path"}, "visitor_address": "ip"},
        ),
        (
            VECTOR,
            {"columns": {"event_time": "timestamp", "status_code": "status"}, "request": {"line": "request"},
             "visitor_address": "client"},
        ),
        (LINE, {"columns": {"event_time": "@timestamp"}, "request": {"line": "request"}, "visitor_address": "realip"}),
    ],
    ids=["matomo", "logstash", "envoy", "fluentd", "vercel", "elastic", "fluent bit", "lograge", "vector", "line"],
)  # fmt: skip
def test_visitor_of_a_server_log_is_an_address(line: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
    assert of_log(line) == Suggested(keys["columns"], keys, [], {})
    two_hosts = {**line, "host": "b.example"} if "." in str(line.get("host", "")) else line
    named_user = {**line, "user": "ann"} if "user" in line else line
    assert of_log(*[line] * 30, *[two_hosts] * 30, named_user).keys == keys


def test_settings_with_a_request_need_no_event_name() -> None:
    rules = replace(RULES, request={"method": "method", "target": "path"}, visitor_address="remote")
    assert of_log(ENVOY, rules=rules).columns == {"event_time": "start_time"}


def test_local_times_are_named_if_a_preset_finds_none() -> None:
    rules = replace(RULES, expressions={"event_time": "line ->> 'time'"}, request={"path": "path"})
    found = of_log({"date-local": "2026-05-04", "time-local": "10:00:00.363", "path": "/"}, rules=rules)
    joined = "(line ->> 'date-local') || ' ' || (line ->> 'time-local')"
    assert found.remarks == [f'the time could be local: add expressions = {{ event_time = "{joined}" }}']
    followed = replace(rules, expressions={"event_time": joined})
    assert of_log({"date-local": "2026-05-04", "time-local": "10:00:00.363", "path": "/"}, rules=followed).remarks == []


def test_host_that_visitors_name_is_suggested_for_cloudfront() -> None:
    hosts = {"cs(Host)": "d111.cloudfront.net", "x-host-header": "shop.example"}
    assert of_log({**cloudfront(1), **hosts}).keys["request"]["host"] == "x-host-header"


def test_lines_with_names_of_events_are_no_server_log() -> None:
    for name, values in (("event", ("view", "view")), ("action", ("view", "buy"))):
        found = of_log(*[{**MATOMO, name: value} for value in values])
        assert ("request" in found.keys, found.columns["event_name"]) == (False, name)


def test_status_codes_and_numbers_of_orders_are_no_event_names() -> None:
    assert "event_name" not in of_log({"when": AT, "status": "200"}).columns
    orders = [{"Created at": AT, "Name": f"#10{number}"} for number in range(3)]
    assert "event_name" not in of_log(*orders).columns
    assert of_log(*[{**orders[0], "Name": name} for name in ("step 1", "step 1")]).columns["event_name"] == "Name"


def test_field_response_is_a_status_if_it_has_codes() -> None:
    line = {"time": AT, "method": "GET", "url": "/", "clientip": "192.0.2.7"}
    for value, column in (("404", {"status_code": "response"}), ("5120", {}), ("ok", {})):
        assert of_log({**line, "response": value}).columns == {"event_time": "time", **column}
    both = of_log({**line, "response": "120", "status": "200"})  # milliseconds
    assert both.columns == {"event_time": "time", "status_code": "status"}


def test_several_addresses_are_named() -> None:
    line = {"time": AT, "method": "GET", "path": "/", "ClientAddr": "192.0.2.7:52458", "ClientHost": "192.0.2.7"}
    assert of_log(line).keys["visitor_address"] == "ClientAddr"
    found = of_log({**line, "ClientHost": "192.0.2.8"})
    said = "the visitor's address could be in ClientAddr or ClientHost; set visitor_address to it"
    assert (found.remarks, found.missing, "visitor_address" in found.keys) == ([said], {}, False)


def test_surest_name_of_an_address_counts() -> None:
    line = {"time": AT, "method": "GET", "path": "/"}
    for name, other in (("clientIp", "socketIp"), ("remote_addr", "server_addr"), ("ip", "host"), ("x", "host")):
        assert of_log({**line, name: "192.0.2.7", other: "10.0.0.1"}).keys["visitor_address"] == name


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.7", "192.0.2.7"), ("192.0.2.7:41654", "192.0.2.7"), ("[2001:db8::7]:443", "2001:db8::7"),
     ("2001:db8::7", "2001:db8::7"), ("192.0.2.7, 10.0.0.1", "192.0.2.7"), ("shop:80", None), ("1.5", None),
     ("", None)],
)  # fmt: skip
def test_notations_of_addresses(text: str, address: str | None) -> None:
    assert address_of(text) == address


def test_names_of_hosts_with_addresses_are_visitors() -> None:
    line = {"time": AT, "method": "GET", "url": "/"}
    hosts = [{**line, "host": host} for host in ("192.0.2.7", "dial-7.example.net")]
    assert of_log(*hosts).keys["visitor_address"] == "host"
    assert of_log(*hosts).keys["request"] == {"method": "method", "target": "url"}  # no page is on such a host
    named = [{**host, "server_name": "shop.example"} for host in hosts]
    assert of_log(*named).keys["request"] == {"method": "method", "target": "url", "host": "server_name"}
    users = [{**line, "user_id": "u", "host": host} for host in ("www.shop.example", "192.0.2.7")]
    assert of_log(*users).keys["request"]["host"] == "host"  # visitors are users, some of which ask for the address
    sites = [{**line, "host": host} for host in ("www.shop.example", "shop.example")]
    assert "visitor_address" not in of_log(*sites).keys
    assert "visitor_address" not in of_log({**line, "upstream_addr": "10.0.0.8:80"}).keys


def akamai(number: int) -> dict[str, Any]:
    return {
        "reqTimeSec": f"17778852{number:02}.120", "cliIP": f"203.0.113.{number % 9}", "edgeIP": "198.51.100.7",
        "proto": "HTTPS", "reqHost": "shop.example", "reqMethod": "GET", "reqPath": f"/p/{number}", "queryStr": "q=a",
        "statusCode": "200", "UA": "Mozilla%2F5.0+%28X11%3B+Linux+x86_64%3B+rv%3A126.0%29+Gecko%2F20100101",
        "referer": "https%3A%2F%2Fwww.google.com%2F%3Fq%3D50%2525",
    }  # fmt: skip


def test_log_with_encoded_values_is_suggested() -> None:
    found = of_log(*map(akamai, range(30)))
    assert found.keys["visitor_address"] == "cliIP"
    assert found.keys["request"] == {
        "method": "reqMethod", "path": "reqPath", "query": "queryStr", "host": "reqHost", "scheme": "proto",
    }  # fmt: skip
    expressions, line = found.keys["expressions"], akamai(1)
    with duckdb.connect() as connection:
        asked = f"select {expressions['user_agent']}, {expressions['referrer']} from (select $1::json as line)"
        values = connection.execute(asked, [json.dumps(line)]).fetchone()
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101"
    assert values == (agent, "https://www.google.com/?q=50%25")
    assert found.keys["columns"]["user_agent"] == "UA"


@pytest.mark.parametrize("agent", [AGENT, "app/1.0+5", "Mozilla/5.0"])
def test_plain_user_agents_are_not_decoded(agent: str) -> None:
    plain = {"UA": agent, "referer": "https://a.example/?u=a%2Fb"}
    found = of_log(*({**akamai(number), **plain} for number in range(30)))
    assert "expressions" not in found.keys
