"""Tests W3C logs: fields that change within a file, encodings of CloudFront and IIS, and lines that do not fit."""

from dataclasses import replace

import pytest

from session_pipeline.ingest.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest

RULES = replace(rules_of(parse_settings("[sources.web]\npreset = 'w3c'"), "web", KEY), drop_properties=())


LINES = [
    "#Version: 1.0",
    "#Date: 2024-03-01 00:00:00",
    "#Fields: time c-ip cs-method cs-uri-stem cs-uri-query cs(User-Agent) sc-status",
    "12:00:00 203.0.113.7 GET /a q=1 Mozilla/5.0+(a;++http://b) 200",
    "12:00:01 - GET /b - - 404",
    "",
    "12:00:02 203.0.113.7 GET /c",
    "#Fields: date time c-ip cs-method cs-uri-stem cs(Referer) cs-host sc-status",
    "2024-03-02 12:00:00 2001:db8::1 POST /d - shop.example 302",
    '2024-03-02 12:00:01 2001:db8::1 GET "/e f" https://t.example/ shop.example 200',
]


@pytest.mark.long
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_fields_change_within_a_file(ingest: Ingest, end: str) -> None:
    taken = ingest.take("\ufeff" + end.join(LINES) + end, "u_ex240301.log", RULES)
    assert [(row["line_number"], row["event_name"], row["page_url"], row["status_code"]) for row in taken.events] == [
        (4, "page_view", "/a?q=1", 200),
        (9, "submit", "//shop.example/d", 302),
        (10, "page_view", "//shop.example/e f", 200),
    ]
    assert taken.reasons == {5: "missing_visitor_id", 7: "ragged_row"}
    assert taken.events[0]["user_agent"] == "Mozilla/5.0 (a; +http://b)"
    assert str(taken.events[0]["event_time"]) == "2024-03-01 12:00:00"
    assert (taken.admitted.line_count, taken.admitted.blank_line_count) == (5, 5)
    assert not any("203.0.113" in str(row) or "db8" in str(row) for row in taken.events)


@pytest.mark.long
def test_cloudfront_encodes_words_once_or_twice(ingest: Ingest) -> None:
    fields = "#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent) x-host-header cs-protocol"
    agents = ["Mozilla/5.0%20(a)", "Mozilla/5.0%2520(a)"]
    lines = [
        f"2024-03-01\t12:00:0{n}\t192.0.2.1\tGET\t/\t{agent}\tshop.example\thttps" for n, agent in enumerate(agents)
    ]
    taken = ingest.take("\n".join([fields, *lines]), "a.log", RULES)
    assert taken.column("user_agent") == ["Mozilla/5.0 (a)"] * 2
    assert taken.column("page_url") == ["https://shop.example/"] * 2


@pytest.mark.long
def test_line_without_fields_before_it_is_quarantined(ingest: Ingest) -> None:
    assert ingest.take("2024-03-01 12:00:00 GET /\n", "a.log", RULES).reasons == {1: "invalid_log_line"}
