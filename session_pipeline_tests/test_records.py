"""Tests records that are not lines: JSON lists, lists in objects, lines with several events, files without a header."""

import gzip
import io
import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.formats import json_values
from session_pipeline.ingest.mapping import reshape
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest, Taken

pytestmark = pytest.mark.long  # further cases of what the usual tests cover


@pytest.fixture
def ingest(each_way_and_in_parts: Ingest) -> Ingest:
    return each_way_and_in_parts


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {**EVENT, "page_title": f"{number}", **fields}


def titles(taken: Taken) -> list[str]:
    return [str(title) for title in taken.column("page_title")]


EVENTS = [event(1), event(2, n={"a": ["]", '"}']}), event(3)]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(EVENTS),
        json.dumps(EVENTS, indent=2),
        "[" + ",\n".join(map(json.dumps, EVENTS)) + "]\n",
        "\ufeff" + json.dumps(EVENTS).replace("[{", "[\r\n{") + "\r\n",
        "".join(json.dumps(each, indent=1) + "\n" for each in EVENTS),
        json.dumps(EVENTS[:2]) + "\n" + json.dumps(EVENTS[2:]),
        json.dumps(EVENTS[:2]) + "\n[]\n" + json.dumps(EVENTS[2], indent=2),
        "".join(map(json.dumps, EVENTS)),
        " ".join(map(json.dumps, EVENTS)) + "\r\n",
        "".join(f"\x1e{json.dumps(each)}\n" for each in EVENTS),  # a text sequence
        "".join(f"\x1e{json.dumps(each, indent=2)}\n" for each in EVENTS),
        "\x1e" + "\x1e\x1e".join(map(json.dumps, EVENTS)),
    ],
    ids=range(12),
)
def test_each_record_of_a_json_document_is_an_event(ingest: Ingest, content: str) -> None:
    taken = ingest.take(content, "a.json")
    assert titles(taken) == ["1", "2", "3"]
    assert taken.column("line_number") == [1, 2, 3]
    assert taken.admitted.line_count == 3
    packed = ingest.admit(ingest.deliver(gzip.compress(content.encode()), "b.json.gz"))
    assert packed.line_count == 3
    packed.discard()


def test_each_element_of_a_list_is_judged(ingest: Ingest) -> None:
    bad = '{"a" 1}'
    content = f'[{json.dumps(event(1))}, 5, "x", null, [1, [2]], {bad}, {{}}, {json.dumps(event(2))}]'
    taken = ingest.take(content)
    assert titles(taken) == ["1", "2"]
    assert taken.reasons == {
        2: "not_an_object", 3: "not_an_object", 4: "not_an_object", 5: "not_an_object", 6: "invalid_json",
        7: "missing_visitor_id",
    }  # fmt: skip
    assert taken.quarantined[4]["line"] == bad


def test_two_objects_on_one_of_several_lines_are_quarantined(ingest: Ingest) -> None:
    taken = ingest.take(f"{json.dumps(event(1))}{json.dumps(event(2))}\n{json.dumps(event(3))}\n", "a.json")
    assert (titles(taken), taken.reasons) == (["3"], {1: "invalid_json"})


@pytest.mark.parametrize("levels", [300, 1_500, 4_000])
def test_objects_on_one_line_are_read_one_by_one_whatever_their_levels(ingest: Ingest, levels: int) -> None:
    """Python's reader of JSON ends at another number of levels in each version."""
    deep = json.dumps(event(1)).replace("{", '{"n": ' + "[" * levels + "]" * levels + ", ")
    taken = ingest.take(deep + json.dumps(event(2)), "a.json")
    assert (titles(taken), taken.reasons) == (["2"], {1: "too_nested"})


def test_lines_after_a_cut_line_stay_lines_whatever_their_levels(ingest: Ingest) -> None:
    deep = json.dumps(event(1)).replace("{", '{"n": ' + "[" * 1_500 + "]" * 1_500 + ", ")
    taken = ingest.take("\n".join(['{"items": [', deep, json.dumps(event(2))]), "a.jsonl")
    assert (titles(taken), taken.reasons) == (["2"], {1: "invalid_json", 2: "too_nested"})


def test_lines_after_a_cut_line_stay_lines_if_the_first_is_not_utf8(ingest: Ingest) -> None:
    lines = ['{"items": [', json.dumps(event(1, note="?")), json.dumps(event(2)), json.dumps(event(3))]
    taken = ingest.take("\n".join(lines).encode().replace(b"?", b"\xff"), "a.jsonl")
    assert (titles(taken), taken.reasons) == (["2", "3"], {1: "invalid_json", 2: "invalid_utf8"})


@pytest.mark.parametrize("cut", ['{"items": [', '{"a": {', '{"a": 1,', '{"a":'])
def test_first_line_that_is_cut_is_quarantined_alone(ingest: Ingest, cut: str) -> None:
    taken = ingest.take("\n".join([cut, *map(json.dumps, EVENTS)]), "a.jsonl")
    assert (titles(taken), taken.reasons) == (["1", "2", "3"], {1: "invalid_json"})
    assert taken.column("line_number") == [2, 3, 4]


def test_list_that_begins_on_the_first_line_is_a_document(ingest: Ingest) -> None:
    for comma in (",\n", "\n,"):
        content = '{"data": {"orders": [\n' + comma.join(map(json.dumps, EVENTS)) + "\n]}}"
        assert titles(ingest.take(content, "a.json", replace(RULES, records_in="data.orders"))) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "content",
    ['[{"a": 1}', '[{"a": "b', "[1, 2", '{\n"a": [', '[{"a": 1}}', "[\n2024 12:00 x", '\x1e{"a": 1}\n\x1e{"a"'],
)
def test_json_that_is_cut_short_is_corrupt(ingest: Ingest, content: str) -> None:
    with pytest.raises(CorruptFileError, match="JSON"):
        ingest.take(content)


def test_value_of_more_than_the_limit_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "LONGEST_VALUE_BYTES", 500)
    with pytest.raises(RefusedFileError, match="JSON value"):
        ingest.take("[" + json.dumps({"a": "x" * 1000}) + "]")


WRAPPED = replace(RULES, records_in="data.orders")


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"count": 3, "data": {"x": [1], "orders": EVENTS, "y": {}}, "next": None}),
        json.dumps({"count": 3, "data": {"orders": EVENTS}}, indent=2),
        json.dumps([{"data": {"orders": EVENTS[:1]}}, {"data": {"orders": EVENTS[1:]}}]),
        json.dumps({"data": {"orders": EVENTS[:2]}}) + "\n\n" + json.dumps({"data": {"orders": EVENTS[2:]}}),
        json.dumps(EVENTS),
        "\n".join(map(json.dumps, EVENTS)),
    ],
    ids=range(6),
)
def test_each_record_within_an_object_is_an_event(ingest: Ingest, content: str) -> None:
    taken = ingest.take(content, "a.json", WRAPPED)
    assert titles(taken) == ["1", "2", "3"]
    assert taken.admitted.line_count == 3


def test_lines_without_the_list_are_read_as_fast_as_other_lines(ingest: Ingest) -> None:
    lines = "\n".join(map(json.dumps, EVENTS)) + "\n"
    assert ingest.admit(ingest.deliver(lines), WRAPPED).is_tidy
    wrapped = json.dumps({"data": {"orders": EVENTS}})
    for content in (lines + wrapped, lines + wrapped + "\n", wrapped + "\n" + lines):
        assert not ingest.admit(ingest.deliver(content), WRAPPED).is_tidy
        assert titles(ingest.take(content, rules=WRAPPED)) == ["1", "2", "3"] * 2


def test_bad_line_among_wrapped_records_is_quarantined(ingest: Ingest) -> None:
    lines = [json.dumps({"data": {"orders": EVENTS[:2]}}), '{"data": {"orders": [', json.dumps(EVENTS[2])]
    taken = ingest.take("\n".join(lines), rules=WRAPPED)
    assert titles(taken) == ["1", "2", "3"]
    assert taken.reasons == {3: "invalid_json"}


# Lines with several events

VISITS: list[dict[str, Any]] = [
    {"visitor_id": "v", "actions": [{"t": "2024-03-01 12:00:00", "n": "a"}, {"t": "2024-03-01 12:00:01", "n": "b"}]},
    {"visitor_id": "w", "actions": [{"t": "2024-03-01 12:00:00", "n": "a"}]},
    {"visitor_id": "x", "actions": []},
    {"visitor_id": "y"},
    {"visitor_id": "z", "actions": [{"t": "2024-03-01 12:00:00", "n": "a"}, {"t": "x", "n": "b"}, 5, None,
                                    {"t": "2024-03-01 12:00:00", "n": "a"}]},
]  # fmt: skip
SPLIT = replace(RULES, events_in="actions", columns={"event_time": "actions.t", "event_name": "actions.n"})


def test_each_event_of_a_line_is_accounted_for(ingest: Ingest) -> None:
    content = "\n".join([*map(json.dumps, VISITS[:2]), "", "no JSON", *map(json.dumps, VISITS[2:])])
    taken = ingest.take(content, rules=SPLIT)
    found = [(row["line_number"], row["visitor_id"], row["event_name"]) for row in taken.events]
    assert found == [(1, "v", "a"), (2, "v", "b"), (3, "w", "a"), (8, "z", "a"), (12, "z", "a")]
    assert taken.reasons == {
        5: "invalid_json", 6: "missing_event_time", 7: "missing_event_time", 9: "invalid_event_time",
        10: "missing_event_time", 11: "missing_event_time",
    }  # fmt: skip
    assert (taken.admitted.line_count, taken.reading.further_count) == (6, 5)
    assert taken.quarantined[3]["detail"] == "event 2 of its line: event_time (actions.t): x"
    assert json.loads(taken.events[0]["properties"]) == {"actions": {"n": "a", "t": "2024-03-01 12:00:00"}}
    assert len({row["event_id"] for row in taken.events}) == 5


def test_copy_of_a_line_gives_the_same_events(ingest: Ingest) -> None:
    first = ingest.take(json.dumps(VISITS[0]), "a.jsonl", SPLIT)
    second = ingest.take("\n".join(map(json.dumps, [VISITS[1], VISITS[0]])), "b.jsonl", SPLIT)
    assert first.column("event_id") == second.column("event_id")[1:]


def test_line_whose_events_repeat_too_much_is_quarantined(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reshape, "MOST_REPEATED_BYTES", 100_000)
    visit = {"visitor_id": "v", "x": "y" * 1000, "actions": [{"t": "2024-03-01 12:00:00", "n": "a"}]}
    lines = [json.dumps({**visit, "actions": visit["actions"] * count}) for count in (90, 100, 1)]
    taken = ingest.take("\n".join(lines), rules=SPLIT)
    assert taken.reasons == {91: "too_many_events"}
    assert taken.quarantined[0]["detail"] == "its 100 events repeat too much of the line"
    assert len(taken.events) == 91


def test_events_in_a_list_of_visits(ingest: Ingest) -> None:
    taken = ingest.take(json.dumps(VISITS[:2], indent=1), "a.json", SPLIT)
    assert taken.column("event_name") == ["a", "b", "a"]


def test_line_with_a_key_twice_is_not_split(ingest: Ingest) -> None:
    taken = ingest.take('{"visitor_id": "a", "visitor_id": "b", "actions": [{}, {}]}', rules=SPLIT)
    assert taken.reasons == {1: "duplicate_key"}


def test_parquet_row_can_have_several_events(ingest: Ingest) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{**visit, "actions": visit.get("actions")} for visit in VISITS[:4]]), sink)
    taken = ingest.take(sink.getvalue(), "a.parquet", SPLIT)
    assert [(row["visitor_id"], row["event_name"]) for row in taken.events] == [("v", "a"), ("v", "b"), ("w", "a")]
    assert taken.reasons == {4: "missing_event_time", 5: "missing_event_time"}


def test_json_text_of_a_csv_can_have_several_events(ingest: Ingest) -> None:
    text = json.dumps(VISITS[0]["actions"]).replace('"', '""')
    rules = replace(SPLIT, json_fields=("actions",))
    taken = ingest.take(f'visitor_id,actions\nv,"{text}"\nw,\n', "a.csv", rules)
    assert taken.column("event_name") == ["a", "b"]
    assert taken.column("line_number") == [2, 3]
    assert taken.reasons == {4: "missing_event_time"}


# Files without a header

NAMES = ("visitor_id", "event_time", "event_name", "page_title?", "element?")


def test_file_without_a_header_gets_the_names_of_the_setting(ingest: Ingest) -> None:
    rules = replace(RULES, header=NAMES[:3], format="tsv")
    taken = ingest.take("v\t2024-03-01\ta\nw\t2024-03-01\tb\nx\n", "part-0001", rules)
    assert taken.column("event_name") == ["a", "b"]
    assert taken.column("line_number") == [1, 2]
    assert taken.reasons == {3: "ragged_row"}
    assert taken.admitted.line_count == 3


def test_header_of_these_names_is_no_event(ingest: Ingest) -> None:
    rules = replace(RULES, header=NAMES[:3])
    taken = ingest.take("event_name,visitor_id,event_time\na,v,2024-03-01\n", "a.csv", rules)
    assert taken.column("event_name") == ["a"]
    assert taken.admitted.line_count == 1


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_header_of_these_names_can_have_further_columns(ingest: Ingest, ending: str) -> None:
    lines = ["visitor_id,x,event_name,event_time,y", "v,1,a,2024-03-01,", "w,2,b,2024-03-01,3", "u,1,a,2024-03-01"]
    content = "\n".join(lines).replace(",", "," if ending == "csv" else "\t")
    taken = ingest.take(content, f"a.{ending}", replace(RULES, header=NAMES))
    assert taken.column("event_name") == ["a", "b"]
    assert taken.column("properties") == ['{"x":"1"}', '{"x":"2","y":"3"}']
    assert taken.reasons == {4: "ragged_row"}
    assert taken.admitted.line_count == 3


def test_line_with_half_of_these_names_is_an_event(ingest: Ingest) -> None:
    rules = replace(RULES, header=("visitor_id", "event_time", "event_name", "page_title"))
    taken = ingest.take("visitor_id,2024-03-01,event_name,a\n", "a.csv", rules)
    assert (taken.column("visitor_id"), taken.column("event_name")) == (["visitor_id"], ["event_name"])


def test_optional_fields_at_the_end_may_be_missing(ingest: Ingest) -> None:
    rules = replace(RULES, header=NAMES, delimiter=" ", format="csv")
    lines = ['v 2024-03-01 "a b" t e', "v 2024-03-01 b", "v 2024-03-01 c t", "v 2024-03-01 d t e f", "v 2024-03-01"]
    taken = ingest.take("\n".join(lines), "a.log", rules)
    assert taken.column("event_name") == ["a b", "b", "c"]
    assert taken.column("page_title") == ["t", None, "t"]
    assert taken.reasons == {4: "ragged_row", 5: "ragged_row"}


def test_further_fields_at_the_end_are_ignored_if_the_header_says_so(ingest: Ingest) -> None:
    lines = ["v,2024-03-01,a", "v,2024-03-01,b,t,e", "v,2024-03-01,c,t,e,f,g", "v,2024-03-01"]
    taken = ingest.take("\n".join(lines), "a.csv", replace(RULES, header=(*NAMES, "...")))
    assert taken.column("event_name") == ["a", "b", "c"]
    assert taken.column("element") == [None, "e", "e"]
    assert taken.column("properties") == [None, None, None]
    assert taken.reasons == {4: "ragged_row"}


def test_header_without_optional_names_can_be_followed_by_further_fields(ingest: Ingest) -> None:
    lines = ["v,2024-03-01,a", "v,2024-03-01,b,t"]
    taken = ingest.take("\n".join(lines), "a.csv", replace(RULES, header=(*NAMES[:3], "...")))
    assert (taken.column("event_name"), taken.reasons) == (["a", "b"], {})


def test_empty_files_have_no_lines(ingest: Ingest) -> None:
    assert ingest.take("[]").admitted.line_count == 0
    assert ingest.take("", "a.csv", replace(RULES, header=NAMES)).admitted.line_count == 0
    assert ingest.take("\n \n", "a.json", WRAPPED).admitted.line_count == 0
