"""Tests CSV and TSV: header, delimiter, quotes, and records that are quarantined."""

import json
from dataclasses import replace
from hashlib import md5

import pytest

from session_pipeline.errors import RefusedFileError
from session_pipeline_tests.access_logs import combined
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest, as_csv

HEADER: list[object] = ["visitor_id", "event_time", "event_name", "plan"]


def record(*fields: object) -> list[object]:
    return ["v", EVENT["event_time"], *fields]


def test_csv_is_read_by_its_header(each_way: Ingest) -> None:
    taken = each_way.take(as_csv(HEADER, record("a,b", 'say "x"'), record("c", "")), "a.csv")
    assert [event["event_name"] for event in taken.events] == ["a,b", "c"]
    assert [event["properties"] for event in taken.events] == ['{"plan":"say \\"x\\""}', None]
    assert [event["line_number"] for event in taken.events] == [2, 3]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_delimiter_is_detected_from_the_header(each_way: Ingest, delimiter: str) -> None:
    content = as_csv(HEADER, record("a,b;c", "x"), record("c|d", "y\nz"), delimiter=delimiter)
    assert [event["event_name"] for event in each_way.take(content, "a.csv").events] == ["a,b;c", "c|d"]


def test_other_quoting_is_the_same_content(each_way: Ingest) -> None:
    contents = [
        "visitor_id,event_time,event_name\nv,2024-03-01,a\n",
        'visitor_id,event_time,event_name\r\n"v","2024-03-01","a"\r\n',
        '\n"visitor_id","event_time",event_name\n\nv,"2024-03-01",a',
    ]
    hashes = {each_way.take(content, "a.csv").events[0]["content_hash"] for content in contents}
    text = '{"visitor_id":"v","event_time":"2024-03-01","event_name":"a"}'
    assert hashes == {md5(text.encode()).hexdigest()}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_blanks_around_values_are_removed_if_the_header_has_them(each_way: Ingest, name: str) -> None:
    between = {"a.csv": ", ", "a.tsv": "\t "}[name]
    rows = [HEADER, record("page_view ", "gold"), record("click", " "), record("click", "")]
    taken = each_way.take("".join(between.join(map(str, row)) + "\n" for row in rows), name)
    assert taken.admitted.is_tidy
    assert taken.column("visitor_id") == ["v", "v", "v"]
    assert taken.column("event_name") == ["page_view", "click", "click"]
    assert taken.column("properties") == ['{"plan":"gold"}', None, None]


def test_quotes_may_stand_behind_blanks_if_the_header_has_blanks(each_way: Ingest) -> None:
    lines = [
        'visitor_id, "event_time", event_name, plan',
        'v, 2024-03-01, a, "b, c"',
        'v, "2024-03-01" ,\t"a",  " say ""x"" "',
        'v, 2024-03-01, a, 5" disk',
        'v, 2024-03-01, a, "b',
        'c"',
        'v, 2024-03-01, a, "b" c',
        "v, 2024-03-01, a, b, c",
        "v, 2024-03-01, a, b, ",
        'v, 2024-03-01, a, "b',
    ]
    taken = each_way.take("\n".join(lines), "a.csv")
    plans = {event["line_number"]: json.loads(event["properties"])["plan"] for event in taken.events}
    assert plans == {2: "b, c", 3: ' say "x" ', 4: '5" disk', 5: "b\nc", 9: "b"}
    assert taken.reasons == {7: "invalid_csv", 8: "ragged_row", 10: "invalid_csv"}


@pytest.mark.parametrize(
    ("header", "name"),
    [('visitor_id,event_time,event_name, ""', '""'), ('visitor_id,event_time, "event_name", ""', "column_4")],
)
def test_quoted_name_after_a_blank_can_be_empty(each_way: Ingest, header: str, name: str) -> None:
    taken = each_way.take(f"{header}\nv,2024-03-01,a,b\n", "a.csv")
    assert taken.column("event_name") == ["a"]
    assert json.loads(taken.column("properties")[0]) == {name: "b"}


@pytest.mark.parametrize("header", ["visitor_id ,event_time,event_name", 'visitor_id,event_time,event_name," plan"'])
def test_blanks_of_values_stay_if_no_blank_stands_before_a_name(each_way: Ingest, header: str) -> None:
    values = "v,2024-03-01, a" + ", b" * (header.count(",") - 2)
    assert each_way.take(f"{header}\n{values}\n", "a.csv").column("event_name") == [" a"]


def test_multiline_records_count_once(each_way: Ingest) -> None:
    rows = [HEADER, record("a", "one\n\ntwo"), record("b", "x"), record("c", "\r\n")]
    taken = each_way.take(as_csv(*rows) + "\n\n", "a.csv")
    assert [event["line_number"] for event in taken.events] == [2, 5, 6]
    assert (taken.admitted.line_count, taken.admitted.blank_line_count) == (3, 2)
    assert json.loads(taken.events[0]["properties"]) == {"plan": "one\n\ntwo"}


def test_bad_records_are_quarantined_and_others_read(each_way: Ingest) -> None:
    good = "v,2024-03-01,a,b"
    content = "\n".join(
        [
            "visitor_id,event_time,event_name,plan",
            good,
            "v,2024-03-01,a",
            good + ",c",
            good + ",",
            'v,"2024"x,a,b',
            'v,2024-03-01,5" pipe,b',
            good,
            'v,2024-03-01,a,"never closed',
            good,
            "",
        ]
    )
    taken = each_way.take(content, "a.csv")
    assert taken.reasons == {3: "ragged_row", 4: "ragged_row", 6: "invalid_csv", 9: "invalid_csv"}
    assert taken.quarantined[0]["detail"] == "3 fields instead of 4"
    assert taken.quarantined[0]["line"] == "v,2024-03-01,a"
    assert [event["line_number"] for event in taken.events] == [2, 5, 7, 8, 10]
    assert taken.events[2]["event_name"] == '5" pipe'


def test_bad_bytes_in_a_csv_are_quarantined(each_way: Ingest) -> None:
    lines = [b"visitor_id,event_time,event_name", b"v,2024-03-01,a", b"\xff,2024-03-01,a", b"v,2024-03-01,\x00"]
    assert each_way.take(b"\n".join(lines), "a.csv").reasons == {3: "invalid_utf8", 4: "nul_byte"}
    assert each_way.take(b"\n".join(lines).replace(b",", b"\t"), "a.tsv").reasons == {3: "invalid_utf8", 4: "nul_byte"}


def test_quotes_have_no_meaning_in_a_tsv(each_way: Ingest) -> None:
    content = 'visitor_id\tevent_time\tevent_name\tplan\n"v\t2024-03-01\t"a"\t\n\nv\t2024-03-01\tb\n'
    taken = each_way.take(content, "a.tsv")
    [event] = taken.events
    assert (event["visitor_id"], event["event_name"], event["properties"]) == ('"v', '"a"', None)
    assert taken.reasons == {4: "ragged_row"}


def test_tidy_csv_is_left_to_duckdb(ingest: Ingest) -> None:
    rows = [HEADER, *(record(" a, b ", 'say "x" ') for _ in range(3))]
    assert ingest.admit(ingest.deliver(as_csv(*rows), "a.csv")).is_tidy
    assert ingest.admit(ingest.deliver(as_csv(*rows).replace("\r\n", "\n"), "b.csv")).is_tidy
    assert not ingest.admit(ingest.deliver(as_csv(*rows) + '"v" ,2024-03-01,a,b', "c.csv")).is_tidy


def test_dots_in_csv_names_are_part_of_the_name(each_way_of_columns: Ingest) -> None:
    rules = replace(RULES, columns={"visitor_id": "user.id"})
    [event] = each_way_of_columns.take("user.id,event_time,event_name,\nv,2024-03-01,a,x\n", "a.csv", rules).events
    assert (event["visitor_id"], event["properties"]) == ("v", '{"column_4":"x"}')


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"a,b, a\n1,2,3\n", "'a' more than once"),
        (b"visitor_id,event_time,event_name\rann,2024-03-01,page_view\r", "end in a carriage return alone"),
        (b'"a,b\n1,2\n', "a quote that is not closed"),
        (b"a,\xff\n1,2\n", "is not text in UTF-8"),
        (b"a," + b"b" * 300_000 + b"\n1,2\n", "has more than 262,144 bytes"),
        (b"," * 200_000 + b"\n", "200,001 columns, more than 5,000"),
    ],
)
def test_unusable_header_is_refused(each_way: Ingest, header: bytes, reason: str) -> None:
    admitted = each_way.admit(each_way.deliver(header, "a.csv"))
    with pytest.raises(RefusedFileError, match=reason):
        each_way.read(admitted)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("target", ["/", "/search?q=a,b;c"])
def test_access_log_called_like_a_table_is_refused(each_way_of_columns: Ingest, name: str, target: str) -> None:
    line = combined(f"GET {target} HTTP/1.1")
    admitted = each_way_of_columns.admit(each_way_of_columns.deliver(f"{line}\n{line}\n", name))
    with pytest.raises(RefusedFileError, match=r'a line of an access log, not a header; .* format = "access_log"'):
        each_way_of_columns.read(admitted)


def test_access_log_with_named_fields_is_read_as_a_table(each_way_of_columns: Ingest) -> None:
    names = ["visitor_id", "a", "b", "time", "offset", "event_name", "status", "bytes", "referrer", "agent"]
    rules = replace(
        RULES, format="csv", delimiter=" ", header=names, columns={**RULES.columns, "event_time": ("time",)}
    )
    taken = each_way_of_columns.take(f"{combined()}\n", "a.csv", rules)
    assert len(taken.events) == 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_header_name_may_span_lines(each_way: Ingest, line_end: str) -> None:
    rows = ['visitor_id;event_time;event_name;"order', 'number"', "ann;2024-03-01;page_view;7"]
    taken = each_way.take("".join(row + line_end for row in rows), "a.csv")
    [row] = taken.events
    assert (row["line_number"], json.loads(row["properties"])) == (3, {"order\nnumber": "7"})


@pytest.mark.parametrize("content", ["", "\n\n", "visitor_id\tevent_time\n", "visitor_id\tevent_time"])
@pytest.mark.parametrize("name", ["a.csv", pytest.param("a.tsv", marks=pytest.mark.long)])
def test_csv_without_records_has_no_lines(each_way: Ingest, content: str, name: str) -> None:
    taken = each_way.take(content, name)
    assert (taken.admitted.line_count, taken.reading.days, taken.reading.mapping) == (0, (), {})
