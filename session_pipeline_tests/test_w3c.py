"""Tests W3C logs: fields that change within a file, encodings of CloudFront and IIS, and lines that do not fit."""

import io
import json
import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.admission.recognition import preset_of_text
from session_pipeline.ingest.admission.unknown_names import keys_of_content
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, as_csv

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

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


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_fields_change_within_a_file(each_way: Ingest, end: str) -> None:
    taken = each_way.take("\ufeff" + end.join(LINES) + end, "u_ex240301.log", RULES)
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


def test_quotes_around_texts_without_a_space_are_removed(each_way: Ingest) -> None:
    lines = [
        "#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent) cs(Referer)",
        '"2024-03-01" "12:00:00" "192.0.2.1" "GET" "/a" "Opera/9+(x)" "-"',
        '2024-03-01 12:00:01 192.0.2.1 GET /"b" "curl/8.0" "https://t.example/""q"""',
    ]
    taken = each_way.take("\n".join(lines), "u_ex240301.log", RULES)
    assert taken.reasons == {}
    assert taken.column("page_url") == ["/a", '/"b"']
    assert taken.column("user_agent") == ["Opera/9 (x)", "curl/8.0"]
    assert taken.column("referrer") == [None, 'https://t.example/"q"']


def test_spaces_of_unicode_separate_no_fields(each_way: Ingest) -> None:
    paths = ["/a\u00a0b", "/a\u3000b", "/a\u0085b", "/a\x1fb", '"/a\u2003b"']
    fields = "#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent)\n"
    plain, quoted = ("".join(f"2024-03-01 12:00:00 192.0.2.1 GET {path} {agent}\n" for path in paths)
                     for agent in ("curl/8.0", '"curl/8.0"'))  # fmt: skip
    taken = each_way.take(fields + plain + quoted, "u_ex240301.log", RULES)
    assert taken.reasons == {}
    assert taken.column("page_url") == 2 * [path.strip('"') for path in paths]


def test_quoted_value_with_a_space_is_one_field_whatever_else_the_line_lacks(each_way: Ingest) -> None:
    lines = [
        "#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent)",
        '2024-03-01 12:00:00 192.0.2.1 GET  "/a ""b"" c" curl/8.0',
        '2024-03-01 12:00:01 192.0.2.1 GET "/a b"',
        '2024-03-01 12:00:02 192.0.2.1 GET /c "curl',
    ]
    taken = each_way.take("\n".join(lines), "u_ex240301.log", RULES)
    assert taken.reasons == {3: "ragged_row"}
    assert taken.column("page_url") == ['/a "b" c', "/c"]
    assert taken.column("user_agent") == ["curl/8.0", '"curl']


@pytest.mark.parametrize("directive", ["Version", "Software", "Fields", "Date", "Start-Date", "End-Date", "Remark"])
def test_log_is_recognized_by_any_first_directive(directive: str) -> None:
    beginning = f"#{directive}: 2026-05-04 09:00:00\n#Fields: time cs-method\n".encode()
    assert preset_of_text(beginning) == "w3c"
    assert keys_of_content(beginning) == {"preset": "w3c"}


@pytest.mark.parametrize("directive", [b"#Software: \xff", b"#Remark: \0", b"#" * (300 << 10), b" " * (300 << 10)])
def test_directives_and_blank_lines_are_skipped_whatever_they_contain(each_way: Ingest, directive: bytes) -> None:
    lines = [directive, b"#Fields: date time c-ip cs-uri-stem", b"2024-03-01 12:00:00 203.0.113.7 /a", directive]
    taken = each_way.take(b"\n".join(lines), "u_ex240301.log", RULES)
    assert (len(taken.events), taken.reasons, taken.admitted.blank_line_count) == (1, {}, 3)


def test_cloudfront_encodes_words_once_or_twice(each_way: Ingest) -> None:
    fields = "#Fields: date time c-ip cs-method cs-uri-stem cs(User-Agent) x-host-header cs-protocol"
    agents = ["Mozilla/5.0%20(a)", "Mozilla/5.0%2520(a)"]
    lines = [
        f"2024-03-01\t12:00:0{n}\t192.0.2.1\tGET\t/\t{agent}\tshop.example\thttps" for n, agent in enumerate(agents)
    ]
    taken = each_way.take("\n".join([fields, *lines]), "a.log", RULES)
    assert taken.column("user_agent") == ["Mozilla/5.0 (a)"] * 2
    assert taken.column("page_url") == ["https://shop.example/"] * 2


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("x-edge-location", ("/m%C3%BCnchen", "Café Sale", "50% off", "http://www.example.org/a%20b")),
        ("cs-bytes", ("/m%25C3%25BCnchen", "Caf%C3%A9%20Sale", "50%25%20off", "http://www.example.org/a%2520b")),
    ],
    ids=["CloudFront", "another server"],
)
def test_urls_of_cloudfront_have_their_percent_signs_encoded(
    each_way: Ingest, field: str, expected: tuple[str, ...]
) -> None:
    names = ["date", "time", "c-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "cs(Referer)", field]
    query = "utm_campaign=Caf%25C3%25A9%2520Sale&q=50%2525%2520off"
    values = [
        "2024-03-01",
        "12:00:00",
        "192.0.2.1",
        "GET",
        "/m%25C3%25BCnchen",
        query,
        "http://www.example.org/a%2520b",
        "1",
    ]
    [event] = each_way.take(f"#Fields: {' '.join(names)}\n" + "\t".join(values), "a.log", RULES).events
    found = (event["page_path"], event["utm_campaign"], event["search_term"], event["referrer"])
    assert found == expected


AGENTS = [
    "Mozilla/5.0%20(Windows%20NT%2010.0)%20A/1",
    "Mozilla/5.0%2520(a)",
    "My%2520App/1%20B%2BC/2",
    "caf%C3%A9/1%20b",
    "curl/8.0",
    "a+b/100%",
    "a%252fb",
]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_other_forms_of_a_log_give_the_user_agents_and_visitors_of_its_text(each_way: Ingest, form: str) -> None:
    names = ["date", "time", "c-ip", "cs-method", "cs-uri-stem", "cs(User-Agent)"]
    rows = [["2024-03-01", f"12:00:0{n}", "192.0.2.1", "GET", "/", agent] for n, agent in enumerate(AGENTS)]
    text = "\n".join(["#Fields: " + " ".join(names), *("\t".join(row) for row in rows)])
    records = [dict(zip(names, row, strict=True)) for row in rows]
    if form == "parquet":
        sink = io.BytesIO()
        columns = [re.sub(r"\W+", "_", name).strip("_").lower() for name in names]
        pq.write_table(pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows]), sink)
        content: str | bytes = sink.getvalue()
    else:
        content = as_csv(names, *rows) if form == "csv" else "\n".join(map(json.dumps, records))
    expected = each_way.take(text, "a.log", RULES)
    found = each_way.take(content, f"a.{form}", replace(RULES, format=form))
    assert expected.column("user_agent")[0] == "Mozilla/5.0 (Windows NT 10.0) A/1"
    for column in ("user_agent", "visitor_id"):
        assert found.column(column) == expected.column(column)


def test_user_agent_with_spaces_is_not_decoded(each_way: Ingest) -> None:
    line = {
        "date": "2024-03-01",
        "time": "12:00:00",
        "c-ip": "192.0.2.1",
        "cs-uri-stem": "/",
        "cs(User-Agent)": "A (b%20c)",
    }
    [row] = each_way.take_lines(line, rules=replace(RULES, format="jsonl")).events
    assert row["user_agent"] == "A (b%20c)"


def test_line_without_fields_before_it_is_quarantined(each_way: Ingest) -> None:
    assert each_way.take("2024-03-01 12:00:00 GET /\n", "a.log", RULES).reasons == {1: "invalid_log_line"}
