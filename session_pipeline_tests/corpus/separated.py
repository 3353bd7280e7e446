"""Files with columns: CSV and TSV."""

from collections.abc import Sequence
from typing import Any

from session_pipeline_tests.corpus.inputs import Input, refused


def inputs() -> Sequence[Input]:
    names = b"visitor_id,event_time,event_name,page_title\n"
    row = b"ann,2026-10-05T10:00:00Z,page_view,Home\n"

    def csv(what: str, content: bytes, **more: Any) -> Input:
        return Input(what, "x.csv", content, **more)

    return [
        csv("CSV", names + row * 2, accepted=2),
        csv("columns in another order", b"event_name,visitor_id,event_time\npage_view,ann,2026-10-05\n", accepted=1),
        csv(
            "a record with a field too few",
            names + row + b"ann,2026-10-05\n" + row,
            accepted=2,
            set_aside={3: "ragged_row"},
        ),
        csv(
            "a record with a field too many",
            names + b"a,2026-10-05,b,c,d\n" + row,
            accepted=1,
            set_aside={2: "ragged_row"},
        ),
        csv(
            "a quote that is never closed",
            names + b'ann,2026-10-05,x,"open\n' + row,
            accepted=1,
            set_aside={2: "invalid_csv"},
        ),
        csv("a quote within a field", names + b'ann,2026-10-05,x,a"b"c\n' + row, accepted=2),
        csv("semicolons", (names + row).replace(b",", b";"), accepted=1),
        csv("bars", (names + row).replace(b",", b"|"), accepted=1),
        csv(
            "a delimiter of the settings",
            (names + row).replace(b",", b"~"),
            accepted=1,
            settings={"sources": {"web": {"delimiter": "~"}}},
        ),
        csv("a record over three lines", names + b'ann,2026-10-05,x,"a\nb\nc"\n' + row, accepted=2),
        csv("doubled quotes", names + b'ann,2026-10-05,x,"say ""hi"""\n', accepted=1),
        csv("a byte order mark before the header", b"\xef\xbb\xbf" + names + row, accepted=1),
        csv("line ends of Windows in CSV", (names + row).replace(b"\n", b"\r\n"), accepted=1),
        csv("blank lines in CSV", names + b"\n" + row + b"\n", accepted=1, blank=2),
        csv("a header and nothing else", names),
        csv("an empty CSV", b""),
        csv(
            "a header without a name for a column", b"visitor_id,event_time,event_name,\na,2026-10-05,b,c\n", accepted=1
        ),
        csv(
            "bytes in CSV that are no UTF-8",
            names + row + b"\xff,2026-10-05,x,y\n",
            accepted=1,
            set_aside={3: "invalid_utf8"},
        ),
        csv("a NUL in CSV", names + row * 9 + b"a\0,2026-10-05,x,y\n", accepted=9, set_aside={11: "nul_byte"}),
        csv(
            "a header without the needed names", b"who,when,what\na,2026-10-05,b\n", set_aside={2: "missing_visitor_id"}
        ),
        csv(
            "names that the settings know",
            b"who,when,what\na,2026-10-05,b\n",
            accepted=1,
            settings={
                "sources": {"web": {"columns": {"visitor_id": "who", "event_time": "when", "event_name": "what"}}}
            },
        ),
        csv("formulas", names + b"=1+1,2026-10-05,+x,@SUM(A1)\n", accepted=1),
        refused("a header that names a column twice", "x.csv", b"visitor_id,visitor_id\na,b\n", "more than once"),
        Input("TSV", "x.tsv", (names + row).replace(b",", b"\t"), accepted=1),
        Input(
            "quotes in TSV, which mean nothing",
            "x.tsv",
            names.replace(b",", b"\t") + b'a\t2026-10-05\tx\t"\n',
            accepted=1,
        ),
        Input("a ragged line in TSV", "x.tsv", names.replace(b",", b"\t") + b"a\tb\n", set_aside={2: "ragged_row"}),
    ]
