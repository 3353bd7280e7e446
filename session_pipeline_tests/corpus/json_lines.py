"""Lines of JSON: invalid ones, and unusual ones that are accepted."""

from collections.abc import Sequence

from session_pipeline_tests.corpus.inputs import Input, aside, line, lines


def inputs() -> Sequence[Input]:
    time = "invalid_event_time"
    deep = b'{"a":' * 40_000 + b"1" + b"}" * 40_000
    deep_within = line().replace(b"}", b', "x": ' + b"[" * 250 + b" " * 9 + b"]" * 250 + b"}")
    wide = line(basket=[{"item": number} for number in range(300)])
    bad = [
        aside("a line that is broken off", b'{"visitor_id": "ann", "event_ti', "invalid_json"),
        aside("a line that is no JSON", b"hello", "invalid_json"),
        aside("two objects on a line", line().rstrip() + line(), "invalid_json"),
        aside("quotes of the wrong kind", b"{'visitor_id': 'ann'}", "invalid_json"),
        aside("a comma before the end", line().replace(b"}", b",}"), "invalid_json"),
        aside("a comment", b"// nothing", "invalid_json"),
        aside("NaN", line().replace(b'"page_view"', b'"page_view", "x": NaN'), "invalid_json"),
        aside("Infinity", line().replace(b'"page_view"', b'"page_view", "x": -Infinity'), "invalid_json"),
        aside("a list", b"[1, 2]", "not_an_object"),
        aside("a number", b"42", "not_an_object"),
        aside("null", b"null", "not_an_object"),
        aside("bytes that are no UTF-8", line().replace(b"ann", b"\xc3\x28"), "invalid_utf8"),
        aside("half a surrogate in UTF-8", line().replace(b"ann", b"\xed\xa0\x80"), "invalid_utf8"),
        aside("a NUL", line().replace(b"ann", b"a\0n"), "nul_byte"),
        aside("a carriage return within", line().replace(b"ann", b"a\rn"), "invalid_json"),
        aside("a line over the limit", line(x="y" * (300 << 10)), "line_too_long"),
        aside("forty thousand objects within each other", deep, "too_nested"),
        aside("two hundred and fifty lists within each other", deep_within, "too_nested"),
        aside("a key twice", line().replace(b'"page_view"', b'"page_view", "x": 1, "x": 2'), "duplicate_key"),
        aside("a key of ours twice", line().replace(b"}", b', "visitor_id": "bob"}'), "duplicate_key"),
        aside("no visitor", line(visitor_id=None), "missing_visitor_id"),
        aside("a visitor without a name", line(visitor_id=""), "missing_visitor_id"),
        aside("no time", line(event_time=None), "missing_event_time"),
        aside("no event name", line(event_name=None), "missing_event_name"),
        aside("an empty object", b"{}", "missing_visitor_id"),
        aside("a time that is text", line(event_time="yesterday"), time),
        aside("a time that is NaN in quotes", line(event_time="NaN"), time),
        aside("a time that is infinite", line(event_time="infinity"), time),
        aside("a time of 1e400", line().replace(b'"2026-10-05T10:00:00Z"', b"1e400"), time),
        aside("a time that is a list", line(event_time=[2026]), time),
        aside("a time that is true", line(event_time=True), time),
        aside("a 30th of February", line(event_time="2026-02-30T10:00:00Z"), time),
        aside("a day zero", line(event_time="0000-00-00T00:00:00Z"), time),
        aside("a second 61", line(event_time="2016-12-31T23:59:61Z"), time),
        aside("an offset beyond all zones", line(event_time="2026-10-05T10:00:00+25:00"), time),
        aside("a time before the first day", line(event_time="2019-12-31T23:59:59Z"), "time_before_start"),
        aside("a negative time", line(event_time=-1), "time_before_start"),
        aside("a time after it was received", line(received_at="2026-10-05T08:59:59Z"), "time_after_receipt"),
        aside("a time beyond 2100", line(event_time="2101-01-01T00:00:00Z"), "time_beyond_2100"),
        aside("the year 9999", line(event_time="9999-12-31T23:59:59Z"), "time_beyond_2100"),
        aside("a value that is text", line(value="much"), "invalid_value"),
        aside("a value beyond all money", line(value="1e30"), "invalid_value"),
        aside("a sequence that is a fraction", line(sequence=1.5), "invalid_sequence"),
        aside("a status that is text", line(status_code="OK"), "invalid_status_code"),
        aside("a receipt that is no time", line(received_at="soon"), "invalid_received_at"),
    ]
    text = "'; drop table events; -- \"$until\" {x} %s ${PATH} \\ \u202e \U0001f600 \x1b[2J =cmd|' /C calc'!A0"
    good = [
        Input("a byte order mark", "x.jsonl", b"\xef\xbb\xbf" + lines(2), accepted=2),
        Input("line ends of Windows", "x.jsonl", lines(2).replace(b"\n", b"\r\n"), accepted=2),
        Input("mixed line ends", "x.jsonl", line() + line().replace(b"\n", b"\r\n"), accepted=2),
        Input("blank lines", "x.jsonl", b"\n" + line() + b"\n \t\n" + line() + b"\n\n", accepted=2, blank=5),
        Input("no line end at the end", "x.jsonl", lines(2).rstrip(b"\n"), accepted=2),
        Input("an empty file", "x.jsonl", b""),
        Input("nothing but blank lines", "x.jsonl", b"\n\r\n  \n", blank=3),
        Input("spaces around an object", "x.jsonl", b" \t" + line().rstrip() + b" \n", accepted=1),
        Input(
            "SQL, markup and steering in every field",
            "x.jsonl",
            line(
                event_id=text,
                visitor_id=text,
                event_name=text,
                page_url=text,
                page_title=text,
                user_agent=text,
                x=text,
            ),
            accepted=1,
        ),
        Input(
            "times of every unit",
            "x.jsonl",
            b"".join(line(event_time=each) for each in (1791194400, 1791194400123, 1791194400123456, "1791194400.5")),
            accepted=4,
        ),
        Input(
            "a field that changes its type", "x.jsonl", line(x=1) + line(x="1") + line(x=[1]) + line(x=None), accepted=4
        ),
        Input(
            "numbers beyond a double",
            "x.jsonl",
            line().replace(b"}", b', "x": 123456789012345678901234567890}'),
            accepted=1,
        ),
        Input("an id of ten thousand characters", "x.jsonl", line(visitor_id="x" * 10_000), accepted=1),
        Input("half a surrogate, escaped", "x.jsonl", line(page_title="\ud800"), set_aside={1: "invalid_json"}),
        Input("three hundred things in a basket", "x.jsonl", wide, accepted=1),
        Input(
            "a thousand fields", "x.jsonl", line(**{f"field {number}": number for number in range(1000)}), accepted=1
        ),
        Input("other fields of ours in other case", "x.jsonl", line(Visitor_ID="bob"), accepted=1),
    ]
    return [*bad, *good]
