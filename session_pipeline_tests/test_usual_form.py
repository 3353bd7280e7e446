"""Tests that lines in the usual form of their file are recognized, and that the form changes no row and no reason."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pytest

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.mapping import given_lines
from session_pipeline.ingest.mapping.usual_form import UsualForm, usual_form
from session_pipeline.ingest.reading import small_files
from session_pipeline_tests.ingesting import RULES, Ingest, Taken

KEYS = ["visitor_id", "event_time", "event_name", "page_url", "referrer"]
NAMES = {key: key for key in KEYS}
STRUCTURE = json.dumps(dict.fromkeys(KEYS, "VARCHAR"))
TIME = "2024-03-01T12:00:00Z"


def compact(values: Mapping[str, Any], *, separators: tuple[str, str] = (",", ":")) -> str:
    return json.dumps(values, ensure_ascii=False, separators=separators)


def event(number: int, **others: Any) -> dict[str, Any]:
    referrer = None if number % 3 else "https://t.co/"
    values = [f"v{number}", TIME, "page_view", f"https://shop.example/{number}", referrer]
    return dict(zip(KEYS, values, strict=True)) | others


USUAL = [compact(event(number)) for number in range(120)]  # more than are sampled
ONE = USUAL[0]
IN_FORM = [
    ONE,
    compact(event(1, visitor_id="")),
    compact(event(1, page_url="/é?a={[1,],nan}:,}")),
    compact(event(1, event_name="NaN", referrer="null")),
]
OTHERS = [
    ONE.replace('"}', '",}'),
    ONE.replace(":", ": ", 1),
    ONE + " ",
    " " + ONE,
    ONE.replace('"v0"', "NaN"),
    ONE.replace('"v0"', "12"),
    ONE.replace('"v0"', "null"),
    ONE.replace('"v0"', '"a\\"b"'),
    ONE.replace('"v0"', '"\\\\"'),
    ONE.replace('"v0"', '"\\u0061"'),
    ONE.replace('"v0"', '{"a":"b"}'),
    ONE.replace('"v0"', '["a",]'),
    ONE.replace('"v0"', '"a","visitor_id":"b"'),
    ONE.replace('"}', '","visitor_id":"b"}'),
    ONE.replace('"}', '","visitor_id":["b"]}'),
    ONE.replace('"}', '","properties":""}'),
    ONE.replace('"}', '","language":"de"}'),
    ONE.replace("visitor_id", "Visitor_ID"),
    ONE.replace("referrer", "page_url"),
    ONE[:-1],
    ONE + "}",
    ONE.replace("v0", "v\t0"),
    compact(dict(reversed(event(0).items()))),
    compact(dict.fromkeys(KEYS, "")),
    compact(dict.fromkeys(KEYS, ""))[:-1],
    compact({}),
    "[]",
    "x",
]


def form(lines: Sequence[str], **names: str) -> UsualForm | None:
    return usual_form(lines, [KEYS], NAMES | names)


def test_form_has_keys_nulls_and_separators() -> None:
    assert form(USUAL) == UsualForm(tuple(KEYS), {"referrer"}, (",", ":"))
    spaced = [compact(event(number), separators=(", ", ": ")) for number in range(9)]
    assert form(spaced) == UsualForm(tuple(KEYS), {"referrer"}, (", ", ": "))


def test_only_a_form_of_most_lines_is_used() -> None:
    unlike = [compact(event(1, page_url=1))] * 9
    assert form(USUAL[:10] + unlike) is not None
    assert form(USUAL[:9] + unlike) is None
    assert form([]) is None


def test_only_keys_that_the_struct_has_are_compared() -> None:
    assert usual_form(USUAL, [], NAMES) is None
    assert form(USUAL, referrer="Referrer") is None
    assert form(["[" * 100_000, "[]", "{", "1"]) is None


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_lines_in_the_form_are_told_from_others(separators: tuple[str, str]) -> None:
    usual = UsualForm(KEYS, {"referrer"}, separators)
    is_in_form = usual.is_that_of("line", "at_top")
    select = f"""
        select coalesce(at_top is not null and {is_in_form}, false)
        from (select case when json_valid(line) and line like '{{%' then from_json(line, {literal(STRUCTURE)}) end
            as at_top, line from (select $1 as line))
    """
    lines = [compact(json.loads(line), separators=separators) for line in IN_FORM]
    with duckdb.connect() as connection:
        found = [
            connection.execute(select, [line]).fetchall() for line in lines + (OTHERS if separators[0] == "," else [])
        ]
    assert found[: len(lines)] == [[(True,)]] * len(lines)
    empty = compact(dict.fromkeys(KEYS, ""))
    assert [line for line, [(is_it,)] in zip(OTHERS, found[len(lines) :], strict=False) if is_it] == (
        [empty] if separators[0] == "," else []
    )


def test_struct_has_the_first_value_of_a_repeated_key() -> None:
    """Without this, a line equal to the form could have a repeated key; see UsualForm.is_that_of."""
    line = '{"a":"1","b":null,"a":"2","b":"x","a":{"c":1}}'
    with duckdb.connect() as connection:
        select = """select from_json($1, '{"a": "VARCHAR", "b": "VARCHAR"}')"""
        [(found,)] = connection.execute(select, [line]).fetchall()
    assert found == {"a": "1", "b": None}


def test_form_changes_no_row_and_no_reason(each_way: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", -1)
    forms: list[UsualForm | None] = []

    def found(*arguments: Any) -> UsualForm | None:
        forms.append(usual_form(*arguments))
        return forms[-1]

    def read(name: str) -> Taken:
        return each_way.take("\n".join([*USUAL, *IN_FORM, *OTHERS]) + "\n", name, RULES)

    monkeypatch.setattr(given_lines, "usual_form", found)
    with_form = read("with.jsonl")
    monkeypatch.setattr(given_lines, "usual_form", lambda *arguments: None)
    without = read("without.jsonl")
    assert forms == [UsualForm(tuple(KEYS), {"referrer"}, (",", ":"))]
    assert with_form.reading.reasons == without.reading.reasons
    assert with_form.events == without.events
    assert with_form.quarantined == without.quarantined
    first = len(USUAL) + len(IN_FORM) + 1
    reasons = {OTHERS[number - first]: reason for number, reason in with_form.reasons.items()}
    assert reasons[ONE.replace('"}', '",}')] == "invalid_json"
    assert reasons[ONE.replace('"v0"', "NaN")] == "invalid_json"
    assert reasons[ONE.replace('"}', '","visitor_id":"b"}')] == "duplicate_key"
    assert ONE.replace(":", ": ", 1) not in reasons
