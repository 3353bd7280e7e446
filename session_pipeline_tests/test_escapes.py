"""Tests the setting escape: TSV files in which a backslash escapes tabs, line ends and backslashes."""

import json
from dataclasses import replace

from session_pipeline_tests.ingesting import RULES, Ingest

ESCAPED = replace(RULES, escape="\\")
HEADER = "visitor_id\tevent_time\tevent_name\tnote\n"


def line(note: str, visitor: str = "v") -> str:
    return f"{visitor}\t2024-03-01T12:00:00Z\tpage_view\t{note}\n"


def notes(ingest: Ingest, content: str) -> list[tuple[int, str | None]]:
    """Return the line number and the note of each event."""
    taken = ingest.take(content, "a.tsv", ESCAPED)
    assert taken.quarantined == []
    return [(event["line_number"], json.loads(event["properties"] or "{}").get("note")) for event in taken.events]


def test_escapes_are_read(each_way: Ingest) -> None:
    values = [
        ("a\\\tb", "a\tb"),
        ("a\\tb", "a\tb"),
        ("a\\\nb", "a\nb"),
        ("a\\nb", "a\nb"),
        ("C:\\\\temp", "C:\\temp"),
        ("a\\\\", "a\\"),
        ("a\\\\\\\nb", "a\\\nb"),
        ("\\'a\\'", "'a'"),
        ("a\\0b", "a\\0b"),
        ("\\N", None),
        ("\\\\N", "\\N"),
        ('"a', '"a'),
    ]
    content, expected = HEADER, []
    for written, value in values:
        for note, meant in (("before", "before"), (written, value)):
            expected.append((content.count("\n") + 1, meant))
            content += line(note)
    assert notes(each_way, content + line("last")) == [*expected, (content.count("\n") + 1, "last")]


def test_escaped_line_end_is_read_with_carriage_returns(each_way: Ingest) -> None:
    content = (HEADER + line("a\\\nb") + line("c")).replace("\n", "\r\n")
    assert notes(each_way, content) == [(2, "a\nb"), (4, "c")]


def test_blank_line_within_a_value_is_not_counted_as_blank(each_way: Ingest) -> None:
    taken = each_way.take(HEADER + line("a\\\n\\\nb") + "\n" + line("c"), "a.tsv", ESCAPED)
    assert (taken.admitted.line_count, taken.admitted.blank_line_count) == (2, 1)
    assert json.loads(taken.events[0]["properties"]) == {"note": "a\n\nb"}


def test_backslash_at_the_end_of_a_file_stays(each_way: Ingest) -> None:
    assert notes(each_way, HEADER + line("a\\")[:-1]) == [(2, "a\\")]


def test_value_without_end_takes_no_more_lines_than_an_event_can_have(each_way: Ingest) -> None:
    content = HEADER + line("a\\\n" * 1_200) + line("b")
    taken = each_way.take(content, "a.tsv", ESCAPED)
    assert taken.events[-1]["line_number"] == content.count("\n")
    assert taken.admitted.line_count == len(taken.events) + len(taken.quarantined)


def test_header_of_the_settings_is_used_with_escapes(each_way: Ingest) -> None:
    rules = replace(ESCAPED, header=tuple(HEADER.split()))
    taken = each_way.take(line("a\\\tb") + line("c\\\nd"), "a.tsv", rules)
    assert [json.loads(event["properties"])["note"] for event in taken.events] == ["a\tb", "c\nd"]


def test_backslashes_stay_without_the_setting(each_way: Ingest) -> None:
    taken = each_way.take(HEADER + line("C:\\temp") + line("\\N"), "a.tsv")
    assert [json.loads(event["properties"])["note"] for event in taken.events] == ["C:\\temp", "\\N"]


def test_file_without_backslashes_is_the_same_with_the_setting(each_way: Ingest) -> None:
    content = HEADER + "".join(line(f"n{number}") for number in range(5))
    with_escape, without = each_way.take(content, "a.tsv", ESCAPED), each_way.take(content, "a.tsv")
    assert with_escape.events == without.events
    assert with_escape.admitted.is_tidy
