"""Delivered files of all kinds, including hostile ones, each with the expected result.

`python -m session_pipeline_tests.corpus` ingests each file and prints the results as a table. Reading the files is done
in session_pipeline.ingest; the results are checked in test_corpus.py.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 6)
SEEN = {"visitor_id": "ann", "event_time": "2026-10-05T10:00:00Z", "event_name": "page_view"}
MEBIBYTE = 1 << 20

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Input:
    """A file below raw/web and the expected result of its ingestion.

    Attributes:
        what: What is special about the file.
        name: The file name.
        content: The bytes, or a function that makes them (for large files).
        status: accepted, corrupt or refused.
        reason: Part of the reason, if the file is not accepted.
        accepted: Number of lines that become events.
        set_aside: Number of each quarantined line, with its reason.
        blank: Number of blank lines.
        settings: Settings of the data folder.
    """

    what: str
    name: str | bytes
    content: bytes | Callable[[], bytes]
    status: str = "accepted"
    reason: str = ""
    accepted: int = 0
    set_aside: Mapping[int, str] = field(default_factory=dict)
    blank: int = 0
    settings: Settings = field(default_factory=dict)

    @property
    def bytes(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content()

    @property
    def plain(self) -> bytes:
        """The decompressed content, where the file can be read. It identifies the file; the name does not."""
        name = os.fsdecode(self.name).lower()
        if name.endswith(".gz"):
            return gzip.decompress(self.bytes)
        return zstd.decompress(self.bytes) if name.endswith(".zst") else self.bytes

    @property
    def line_count(self) -> int:
        return self.accepted + len(self.set_aside)


def line(**said: Any) -> bytes:
    """Returns a JSON line that is a valid event with the given fields changed; None leaves a field out."""
    return json.dumps({name: value for name, value in {**SEEN, **said}.items() if value is not None}).encode() + b"\n"


def lines(count: int) -> bytes:
    return b"".join(line(event_id=str(number)) for number in range(count))


def corrupt(what: str, name: str, content: bytes | Callable[[], bytes], reason: str, **more: Any) -> Input:
    return Input(what, name, content, "corrupt", reason, **more)


def refused(what: str, name: str | bytes, content: bytes | Callable[[], bytes], reason: str, **more: Any) -> Input:
    return Input(what, name, content, "refused", reason, **more)


def aside(what: str, bad: bytes, reason: str, **more: Any) -> Input:
    """Returns a file of three lines; the second is quarantined."""
    return Input(
        what, "x.jsonl", line() + bad.rstrip(b"\n") + b"\n" + line(), accepted=2, set_aside={2: reason}, **more
    )


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 0x10
    return bytes(changed)


# Compression


def _compressed() -> Sequence[Input]:
    content = lines(50)
    packed = gzip.compress(content, mtime=0)
    frame = zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})
    plain_frame = zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 0})
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"note"
    good = [
        Input("gzip", "x.jsonl.gz", packed, accepted=50),
        Input("gzip of two members", "x.jsonl.gz", packed + gzip.compress(line()), accepted=51),
        Input("gzip with zeros behind it", "x.jsonl.gz", packed + b"\0" * 512, accepted=50),
        Input("gzip of nothing", "x.jsonl.gz", gzip.compress(b"")),
        Input("zstd", "x.jsonl.zst", frame, accepted=50),
        Input("zstd without a checksum", "x.jsonl.zst", plain_frame, accepted=50),
        Input("zstd of two frames", "x.jsonl.zst", frame + zstd.compress(line()), accepted=51),
        Input("zstd with a frame to be skipped", "x.jsonl.zst", skippable + frame, accepted=50),
        Input("zstd of nothing", "x.jsonl.zst", zstd.compress(b"")),
        Input("an ending in capitals", "X.JSONL.GZ", packed, accepted=50),
    ]
    bad = [
        corrupt("gzip cut in half", "x.jsonl.gz", packed[: len(packed) // 2], "cut short"),
        corrupt("gzip without its last byte", "x.jsonl.gz", packed[:-1], "cut short"),
        corrupt("gzip without checksum and length", "x.jsonl.gz", packed[:-8], "cut short"),
        corrupt("gzip with a wrong checksum", "x.jsonl.gz", flipped(packed, -8), "incorrect data check"),
        corrupt("gzip with a wrong length", "x.jsonl.gz", flipped(packed, -1), "incorrect length check"),
        corrupt("gzip with a flipped bit", "x.jsonl.gz", flipped(packed, len(packed) // 2), "gzip, after"),
        corrupt("gzip with something behind it", "x.jsonl.gz", packed + b"{}", "gzip, after"),
        corrupt("gzip whose second member is cut", "x.jsonl.gz", packed + packed[:-9], "cut short"),
        corrupt("an empty file that is called gzip", "x.jsonl.gz", b"", "it is not gzip"),
        corrupt("plain text that is called gzip", "x.jsonl.gz", content, "it is not gzip"),
        corrupt("gzip that is called plain", "x.jsonl", packed, "it is gzip"),
        corrupt("gzip that is called zstd", "x.jsonl.zst", packed, "it is not zstd"),
        corrupt("gzip within gzip", "x.jsonl.gz", gzip.compress(packed), "gzip within"),
        corrupt("zstd cut in half", "x.jsonl.zst", frame[: len(frame) // 2], "cut short"),
        corrupt("zstd without its last byte", "x.jsonl.zst", frame[:-1], "cut short"),
        corrupt("zstd without a checksum, cut", "x.jsonl.zst", plain_frame[:-1], "cut short"),
        corrupt("zstd with a wrong checksum", "x.jsonl.zst", flipped(frame, -1), "zstd, after"),
        corrupt("zstd with something behind it", "x.jsonl.zst", frame + b"{}{}", "zstd, after"),
        corrupt("an empty file that is called zstd", "x.jsonl.zst", b"", "it is not zstd"),
        corrupt("zstd that is called gzip", "x.jsonl.gz", frame, "it is not gzip"),
        corrupt("zstd that is called plain", "x.jsonl", frame, "it is zstd"),
        refused("bzip2", "x.jsonl.bz2", bz2.compress(content), "its name ends in none of"),
        refused("200 MiB of spaces in gzip", "x.jsonl.gz", _spaces_in_gzip, "it expands to more than"),
        refused("200 MiB of spaces in zstd", "x.jsonl.zst", _spaces_in_zstd, "it expands to more than"),
        refused("lines of spaces in gzip", "x.jsonl.gz", _lines_of_spaces_in_gzip, "it expands to more than"),
    ]
    return [*good, *bad]


def _spaces_in_gzip() -> bytes:
    return gzip.compress(b" " * (200 * MEBIBYTE), compresslevel=6, mtime=0)


def _spaces_in_zstd() -> bytes:
    return zstd.compress(b" " * (200 * MEBIBYTE))


def _lines_of_spaces_in_gzip() -> bytes:
    return gzip.compress((b" " * 1023 + b"\n") * (200 * 1024), compresslevel=6, mtime=0)


# Another kind of file than the name suggests


def _of_another_kind() -> Sequence[Input]:
    tar, archive = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("events.jsonl"), io.BytesIO())
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("events.jsonl", lines(3))
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
    kinds: Sequence[tuple[str, bytes, str]] = [
        ("a PNG picture", picture, "a PNG picture"),
        ("a JPEG picture", b"\xff\xd8\xff\xe0" + bytes(range(256)), "a JPEG picture"),
        ("a PDF", b"%PDF-1.7\n1 0 obj\n", "a PDF"),
        ("a ZIP archive", archive.getvalue(), "a ZIP archive"),
        ("a tar archive", tar.getvalue(), "a tar archive"),
        ("an SQLite database", b"SQLite format 3\0" + bytes(4096), "an SQLite database"),
        ("a program", b"\x7fELF\x02\x01\x01" + bytes(100), "a program"),
        ("xz", lzma.compress(lines(3)), "xz"),
        ("zeros", bytes(10_000), "binary data"),
        ("text in UTF-16", lines(3).decode().encode("utf-16"), "UTF-16"),
        ("text in UTF-16 without a mark", lines(3).decode().encode("utf-16-le"), "UTF-16"),
        ("text in UTF-32", lines(3).decode().encode("utf-32"), "UTF-32"),
        ("HTML", b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n", "HTML or XML"),
        ("XML", b'<?xml version="1.0"?>\n<events/>\n', "HTML or XML"),
    ]
    everywhere = [
        corrupt(f"{what} that is called {name}", name, content, reason)
        for what, content, reason in kinds
        for name in ("x.jsonl", "x.csv")
    ]
    header = b"visitor_id,event_time,event_name\nann,2026-10-05T10:00:00Z,page_view\n"
    others = [
        corrupt("a picture that is called a log", "access.log", picture, "a PNG picture"),
        corrupt("a picture that is called Parquet", "x.parquet", picture, "not Parquet"),
        corrupt("Parquet that is called JSON", "x.jsonl", parquet([SEEN]), "Parquet"),
        corrupt("CSV that is called JSON", "x.jsonl", header, "none of its first lines is an object"),
        corrupt("YAML that is called JSON", "x.json", b"- visitor_id: ann\n  event_name: x\n", "is an object"),
        Input("a list of JSON over lines", "x.json", b"[\n" + line().rstrip() + b",\n" + line() + b"]\n", accepted=2),
        Input("an object of JSON over lines", "x.json", json.dumps(SEEN, indent=2).encode(), accepted=1),
        corrupt("a list of JSON that is cut short", "x.json", b"[\n" + line(), "ends within a value"),
        corrupt("JSON that is called CSV", "x.csv", lines(3), 'format = "jsonl"'),
        corrupt("JSON that is called TSV", "x.tsv", lines(3), 'format = "jsonl"'),
        corrupt("JSON that is called a log", "access.log", lines(3), 'format = "jsonl"'),
        corrupt("CSV that is called TSV", "x.tsv", header, "not by tabs"),
        Input("TSV that is called CSV", "x.csv", header.replace(b",", b"\t"), accepted=1),
        refused("a name that says nothing", "events.txt", lines(3), "its name ends in none of"),
        refused("a name without an ending", "events", lines(3), "its name ends in none of"),
        refused("an ending that is all of the name", "jsonl", lines(3), "its name ends in none of"),
    ]
    return [*everywhere, *others]


# Lines of JSON


def _json() -> Sequence[Input]:
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


# CSV and TSV


def _separated() -> Sequence[Input]:
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


# Access logs


def _access_logs() -> Sequence[Input]:
    def said(
        request: bytes = b"GET / HTTP/1.1", address: bytes = b"203.0.113.7", time: bytes = b"05/Oct/2026:10:00:00 +0000"
    ) -> bytes:
        return address + b" - - [" + time + b'] "' + request + b'" 200 512 "-" "Mozilla/5.0"\n'

    def log(what: str, content: bytes, name: str = "access.log", **more: Any) -> Input:
        return Input(what, name, content, **more)

    bad_request = b"\\x16\\x03\\x01\\x02"
    return [
        log("a log", said() + said(b"GET /a.css HTTP/1.1"), accepted=2),
        log("a log that was rotated and packed", gzip.compress(said()), "access.log.2.gz", accepted=1),
        log("a log with its date in the name", said(), "access.log-20261005", accepted=1),
        log(
            "a greeting of TLS for a request", said() + said(bad_request), accepted=1, set_aside={2: "invalid_request"}
        ),
        log("no request at all", said() + said(b"-"), accepted=1, set_aside={2: "invalid_request"}),
        log(
            "a line of another log",
            said() + b"Oct  5 10:00:00 host app[1]: hello\n",
            accepted=1,
            set_aside={2: "invalid_log_line"},
        ),
        log("a line of a log that is broken off", said() + said()[:40], accepted=1, set_aside={2: "invalid_log_line"}),
        log(
            "a log with an impossible time",
            said() + said(time=b"31/Feb/2026:10:00:00 +0000"),
            accepted=1,
            set_aside={2: "invalid_event_time"},
        ),
        log("an address of IPv6", said(address=b"2001:db8::7"), accepted=1),
        log("quotes escaped within a request", said(b'GET /?q=\\"x\\" HTTP/1.1'), accepted=1),
        log("SQL in a request", said(b"GET /?id=1';drop%20table%20events;-- HTTP/1.1"), accepted=1),
        log("blank lines in a log", b"\n" + said() + b"\n", accepted=1, blank=2),
        log(
            "a common log",
            said().replace(b' "-" "Mozilla/5.0"', b""),
            accepted=1,
            settings={"sources": {"web": {"format": "access_log", "log_format": "common"}}},
        ),
    ]


# Parquet


def parquet(rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file, **how)
    return file.getvalue()


def _parquet() -> Sequence[Input]:
    good = parquet([SEEN] * 20, write_page_checksum=True)
    typed = {
        **SEEN,
        "event_time": datetime(2026, 10, 5, 10, tzinfo=UTC),
        "value": Decimal("19.90"),
        "tags": ["a", "b"],
        "device": {"os": "x"},
    }
    footer = struct.unpack("<I", good[-8:-4])[0]
    name = "x.parquet"
    return [
        Input("Parquet", name, good, accepted=20),
        Input("Parquet with types", name, parquet([typed]), accepted=1),
        Input("Parquet without rows", name, parquet([], pa.schema([("visitor_id", pa.string())]))),
        Input(
            "rows of Parquet without a visitor",
            name,
            parquet([SEEN, {**SEEN, "visitor_id": None}]),
            accepted=1,
            set_aside={2: "missing_visitor_id"},
        ),
        corrupt("Parquet cut in half", name, good[: len(good) // 2], "does not begin and end"),
        corrupt("Parquet without its last byte", name, good[:-1], "does not begin and end"),
        corrupt("Parquet with a flipped bit in a page", name, flipped(good, 40), "Parquet"),
        corrupt("Parquet with a broken footer", name, good[: -8 - footer] + bytes(footer) + good[-8:], "Parquet"),
        corrupt(
            "Parquet whose footer is longer than it", name, good[:-8] + struct.pack("<I", 1 << 30) + b"PAR1", "Parquet"
        ),
        corrupt("nothing but marks", name, b"PAR1PAR1PAR1", "Parquet"),
        refused("Parquet that becomes 400 MB", name, _swelling_parquet, "expands to more than"),
        refused("Parquet in gzip", "x.parquet.gz", gzip.compress(good), "Parquet is compressed within"),
    ]


def _swelling_parquet() -> bytes:
    return parquet([{**SEEN, "x": "y" * 4000}] * 100_000, compression="zstd")


# Names


def _names() -> Sequence[Input]:
    good = [
        "*.jsonl",
        "?.jsonl",
        "[1].jsonl",
        "{a,b}.jsonl",
        "it's.jsonl",
        'a "quote".jsonl',
        " spaces .jsonl",
        "new\nline.jsonl",
        "-rf.jsonl",
        "$(id).jsonl",
        "a;b|c&d.jsonl",
        "x..jsonl",
        "\u202egnp.jsonl",
        "caf\u00e9.jsonl",
        "cafe\u0301.jsonl",
        "\U0001f600.jsonl",
        "\x1b[31m.jsonl",
        "x" * 200 + ".jsonl",
        "'; drop table source_files; --.jsonl",
        "%2e%2e.jsonl",
    ]
    return [
        *(Input(f"a name like {name[:40]!r}", name, lines(2), accepted=2) for name in good),
        refused("a name that is no UTF-8", b"\xff\xfe.jsonl", lines(2), "its name is not UTF-8"),
    ]


CORPUS: Sequence[Input] = (
    *_compressed(),
    *_of_another_kind(),
    *_json(),
    *_separated(),
    *_access_logs(),
    *_parquet(),
    *_names(),
)


# Results


@dataclass(frozen=True)
class Became:
    """The result for a file: its ledger row, and the reason of each quarantined line."""

    facts: Mapping[str, Any]
    set_aside: Mapping[int, str]
    raw_count: int

    def __str__(self) -> str:
        if self.facts["status"] != "accepted":
            return f"{self.facts['status']}: {self.facts['reason']}"
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(self.set_aside.values()).items()))
        counts = tuple(self.facts[f"{what}_count"] for what in ("line", "accepted", "set_aside"))
        return "accepted: {} = {} + {}".format(*counts) + (f" ({reasons})" if reasons else "")


def put(deployment: Deployment, given: Input, place: str = "web") -> None:
    """Write the file to a folder below raw/."""
    folder = os.fsencode(deployment.folder.raw / place)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, os.fsencode(given.name)), "wb") as file:
        file.write(given.bytes)


def taken(deployment: Deployment) -> list[Became]:
    """Ingest all delivered files; returns the result of each file, ordered by path."""
    with open_run(deployment.folder, run_id="test", until=UNTIL, wait_seconds=60) as run:
        run.ingest()
        ledger = run.store.catalog.source_files()
        raw: Counter[str] = Counter()
        for key, partition in run.store.partitions.items():
            if key.table == "raw_events":
                raw[key.file_id] += partition.row_count
    found = deployment.table("quarantined_lines")
    reasons: dict[str, dict[int, str]] = {}
    for row in found.to_dict("records"):
        reasons.setdefault(row["file_id"], {})[int(row["line_number"])] = row["reason"]
    became = [Became(item.facts, reasons.get(file_id, {}), raw[file_id]) for file_id, item in ledger.items()]
    return sorted(became, key=lambda each: str(each.facts["path"]))


def main() -> int:
    """Ingest each file by itself and print its result."""
    for number, given in enumerate(CORPUS, start=1):
        with tempfile.TemporaryDirectory() as folder:
            deployment = Deployment(Path(folder), given.settings)
            put(deployment, given)
            [became] = taken(deployment)
        print(f"{number:>3}  {given.what:<45}  {became}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
