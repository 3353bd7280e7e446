"""Tests ingest: which lines are accepted, which are quarantined and why, and that together they are all lines."""

import csv
import gzip
import io
import json
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from session_pipeline.errors import CorruptFileError, RefusedFileError, SessionPipelineError
from session_pipeline.ingest import admit as admission
from session_pipeline.ingest import compression, line_counts, small_files
from session_pipeline.ingest import lines as line_reading
from session_pipeline.ingest import rules as rules_module
from session_pipeline.ingest.admit import Admitted, admit
from session_pipeline.ingest.read import ReadingRules, read
from session_pipeline.ingest.reading import Reading
from session_pipeline.ingest.visitors import VisitorKey
from session_pipeline.reference.columns import DELIVERED_COLUMNS
from session_pipeline.reference.days import zone
from session_pipeline.settings import packaged_recognitions
from session_pipeline.tables import table

Row = dict[str, Any]
Line = tuple[str | None, str | None, str | None]
FIXTURES = Path(__file__).resolve().parents[2] / "shared" / "fixtures"
KEY = VisitorKey(bytes(range(32)))
RULES = ReadingRules(
    source="web",
    visitor_key=KEY,
    earliest=datetime(2020, 1, 1),
    keep_query_parameters=("q", "utm_source"),
    drop_properties=("ip", "client ip"),
)
SEEN = {"visitor_id": "v", "event_time": "2024-03-01T12:00:00Z", "event_name": "page_view"}


@dataclass(frozen=True)
class Taken:
    """The result of one delivered file."""

    admitted: Admitted
    reading: Reading
    events: list[Row]
    quarantined: list[Row]

    @property
    def reasons(self) -> dict[int, str]:
        return {row["line_number"]: row["reason"] for row in self.quarantined}

    def column(self, name: str) -> list[Any]:
        return [event[name] for event in self.events]


class Ingest:
    """A raw folder, a scratch folder and a connection."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self.root = folder / "raw"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.root.mkdir()
        self.connection = duckdb.connect(config={"threads": threads, "temp_directory": str(folder / "spill")})
        self.connection.execute("set timezone = 'America/New_York'")  # must not influence anything

    def deliver(self, content: str | bytes, name: str = "events.jsonl") -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def admit(self, path: Path, rules: ReadingRules = RULES) -> Admitted:
        return admit(
            path,
            root=self.root,
            source=rules.source,
            format=rules.format,
            scratch=self.scratch,
            layout=rules.layout,
        )

    def take(self, content: str | bytes, name: str = "events.jsonl", rules: ReadingRules = RULES) -> Taken:
        return self.read(self.admit(self.deliver(content, name), rules), rules)

    def read(self, admitted: Admitted, rules: ReadingRules = RULES) -> Taken:
        reading = read(admitted, rules, self.connection, self.scratch)
        rows = [row for day in reading.days for row in pq.ParquetFile(day.path).read().to_pylist()]
        events = sorted(rows, key=lambda row: int(row["line_number"]))
        path = reading.quarantine_path
        quarantined = pq.ParquetFile(path).read().to_pylist() if path else []
        assert len(events) == reading.accepted_count
        assert len(quarantined) == reading.set_aside_count == sum(reading.reasons.values())
        assert len(events) + len(quarantined) == admitted.line_count + reading.further_count
        assert self.connection.execute("select getvariable('inner_key')").fetchall() == [(None,)]
        assert not admitted.plain_path.is_relative_to(self.scratch) or not admitted.plain_path.exists()
        return Taken(admitted, reading, events, quarantined)

    def take_lines(self, *lines: Mapping[str, Any] | str, rules: ReadingRules = RULES) -> Taken:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        return self.take("\n".join(texts) + "\n", rules=rules)

    def event(self, rules: ReadingRules = RULES, **fields: Any) -> Row:
        """Returns the event that a line with these fields, in addition to the usual ones, becomes."""
        taken = self.take_lines({**SEEN, **fields}, rules=rules)
        assert taken.quarantined == []
        return taken.events[0]

    def reason(self, rules: ReadingRules = RULES, **fields: Any) -> tuple[str, str]:
        """Returns reason and detail of the quarantine of such a line."""
        taken = self.take_lines({**SEEN, **fields}, rules=rules)
        assert taken.events == []
        return taken.quarantined[0]["reason"], taken.quarantined[0]["detail"]

    def close(self) -> None:
        assert self.connection.execute("show tables").fetchall() == []
        self.connection.close()


@pytest.fixture(params=["as a small file", "as a large file"])
def ingest(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingest]:
    """Reads every file in one of the two ways, whatever its size."""
    if request.param == "as a large file":
        monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", -1)
    ingest = Ingest(tmp_path)
    yield ingest
    ingest.close()


# Admission


def test_file_identity_is_source_and_content(ingest: Ingest) -> None:
    content = (json.dumps(SEEN) + "\n").encode()
    plain = ingest.admit(ingest.deliver(content, "a.jsonl"))
    other_name = ingest.admit(ingest.deliver(content, "b.ndjson"))
    compressed = ingest.admit(ingest.deliver(gzip.compress(content), "c.JSON.GZ"))
    in_members = ingest.admit(
        ingest.deliver(gzip.compress(content[:9]) + gzip.compress(content[9:]) + bytes(512), "d.jsonl.gz")
    )
    by_zstd = ingest.admit(ingest.deliver(zstd.compress(content), "e.jsonl.zst"))
    assert by_zstd.file_id == plain.file_id
    assert by_zstd.plain_path.stat().st_mode & 0o777 == 0o600
    other_source = ingest.admit(plain.path, replace(RULES, source="shop"))
    assert {each.file_id for each in (other_name, compressed, in_members)} == {plain.file_id}
    assert other_source.file_id != plain.file_id
    assert in_members.byte_count == len(content)
    assert in_members.plain_path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "line_count", "blank_count"),
    [
        (b"", 0, 0),
        (b"\n", 0, 1),
        (b"\xef\xbb\xbf", 0, 0),
        (b"\xef\xbb\xbf\n{}", 1, 1),
        (b"{}", 1, 0),
        (b"{}\n\n \t\r\n{}\n\n", 2, 3),
        (b"\n\n\n", 0, 3),
        (b"{}\r\n\r\n{}\r\n", 2, 1),
        (b"{}\n   ", 1, 1),
    ],
)
def test_lines_and_blank_lines_are_counted(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, content: bytes, line_count: int, blank_count: int
) -> None:
    taken = ingest.take(content)
    assert (taken.admitted.line_count, taken.admitted.blank_line_count) == (line_count, blank_count)
    for chunk_bytes in (1, 3):  # files are read in the same way
        monkeypatch.setattr(admission, "CHUNK_BYTES", chunk_bytes)
        admitted = ingest.admit(taken.admitted.path)
        assert (admitted.line_count, admitted.blank_line_count) == (line_count, blank_count)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 100, -1, -4, -5, -8])
def test_truncated_gzip_is_corrupt(ingest: Ingest, length: int) -> None:
    content = gzip.compress(json.dumps(SEEN).encode() * 50)
    with pytest.raises(CorruptFileError):
        ingest.admit(ingest.deliver(content[:length], "a.jsonl.gz"))
    assert list(ingest.scratch.iterdir()) == []


@pytest.mark.parametrize("place", [-1, -5, 20])
def test_gzip_with_flipped_bit_is_corrupt(ingest: Ingest, place: int) -> None:
    content = bytearray(gzip.compress(json.dumps(SEEN).encode() * 50))
    content[place] ^= 1
    with pytest.raises(CorruptFileError, match="gzip"):
        ingest.admit(ingest.deliver(bytes(content), "a.jsonl.gz"))


CHECKSUM = {zstd.CompressionParameter.checksum_flag: 1}
FRAMES = {
    "checksum": zstd.compress(json.dumps(SEEN).encode() * 50 + b"\n", options=CHECKSUM),
    "no checksum": zstd.compress(json.dumps(SEEN).encode() * 50 + b"\n"),
    "no size": zstd.compress(b"{}\n" * 50, options={zstd.CompressionParameter.content_size_flag: 0}),
    "two frames": zstd.compress(b"{}\n", options=CHECKSUM) + zstd.compress(b"{}\n" * 50, options=CHECKSUM),
    "skippable": b"\x5f\x2a\x4d\x18\x03\0\0\0abc" + zstd.compress(b"{}\n"),
}
BORDERS = {"two frames": [len(zstd.compress(b"{}\n", options=CHECKSUM))], "skippable": [11]}


@pytest.mark.parametrize("name", FRAMES)
def test_zstd_cut_inside_a_frame_is_corrupt(ingest: Ingest, name: str) -> None:
    content = FRAMES[name]
    whole = ingest.admit(ingest.deliver(content, "a.jsonl.zst"))
    assert whole.plain_path.read_bytes() == zstd.decompress(content)
    whole.discard()
    for length in range(len(content)):
        if length in BORDERS.get(name, ()):
            continue
        with pytest.raises(CorruptFileError, match="zstd"):
            ingest.admit(ingest.deliver(content[:length], "a.jsonl.zst"))
    assert list(ingest.scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["checksum", "two frames"])
def test_zstd_with_checksum_detects_any_flipped_bit(ingest: Ingest, name: str) -> None:
    whole = ingest.admit(ingest.deliver(FRAMES[name], "a.jsonl.zst"))
    accepted = []
    for place in range(8 * len(FRAMES[name])):
        content = bytearray(FRAMES[name])
        content[place // 8] ^= 1 << place % 8
        try:
            accepted.append(ingest.admit(ingest.deliver(bytes(content), "a.jsonl.zst")))
        except CorruptFileError:
            continue
    # A few bits have no meaning (RFC 8878 has an "unused bit" in each frame's header): the content is the same.
    assert len(accepted) < 5
    assert {each.file_id for each in accepted} == {whole.file_id}


def test_zstd_that_needs_too_much_memory_is_corrupt(ingest: Ingest) -> None:
    options = {zstd.CompressionParameter.window_log: 30, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    content = compressor.compress(b"{}\n") + compressor.flush()
    with pytest.raises(CorruptFileError, match="too much memory"):
        ingest.admit(ingest.deliver(content, "a.jsonl.zst"))


@pytest.mark.parametrize(("compress", "ending"), [(gzip.compress, ".gz"), (zstd.compress, ".zst")])
def test_content_is_decompressed_in_small_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes], ending: str
) -> None:
    monkeypatch.setattr(compression, "CONTENT_BYTES", 1000)
    monkeypatch.setattr(compression, "READ_BYTES", 7)
    content = b"".join(b"%d\n" % (number * 7919 % 5000) for number in range(5000)) + bytes(10_000)
    path = tmp_path / f"a{ending}"
    path.write_bytes(compress(content) + compress(b"") + compress(content))
    kind = compression.compression_of_name(path.name)
    assert kind is not None
    with path.open("rb") as file:
        pieces = list(compression.decompressed(file, kind))
    assert b"".join(pieces) == content * 2
    assert max(map(len, pieces)) == 1000


def test_trailing_data_after_a_gzip_member_is_corrupt(ingest: Ingest) -> None:
    with pytest.raises(CorruptFileError, match="gzip"):
        ingest.admit(ingest.deliver(gzip.compress(b"{}\n") + b"{}\n", "a.jsonl.gz"))


def test_name_and_content_must_agree_on_compression(ingest: Ingest) -> None:
    with pytest.raises(CorruptFileError, match="not gzip"):
        ingest.admit(ingest.deliver(b"{}\n", "a.jsonl.gz"))
    with pytest.raises(CorruptFileError, match="not zstd"):
        ingest.admit(ingest.deliver(gzip.compress(b"{}\n"), "a.jsonl.zst"))
    for compress in (gzip.compress, zstd.compress):
        with pytest.raises(CorruptFileError, match="its name does not end in"):
            ingest.admit(ingest.deliver(compress(b"{}\n"), "a.jsonl"))


@pytest.mark.parametrize(("compress", "ending"), [(gzip.compress, ".gz"), (zstd.compress, ".zst")])
def test_extreme_expansion_is_refused(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes], ending: str
) -> None:
    monkeypatch.setattr(compression, "EXPANSION_FREE_BYTES", 1 << 20)
    path = ingest.deliver(compress(b" " * (8 << 20)), f"a.jsonl{ending}")
    with pytest.raises(RefusedFileError, match="expands"):
        ingest.admit(path)


def test_file_with_too_long_a_line_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_counts, "CHUNK_BYTES", 64)
    monkeypatch.setattr(line_counts, "LONGEST_LINE_BYTES", 1000)
    ingest.admit(ingest.deliver("{" + "a" * 999 + "\n" + "b" * 1000))
    with pytest.raises(RefusedFileError, match="line of more than"):
        ingest.admit(ingest.deliver("{}\n" + "a" * 1001 + "\n"))


def test_only_known_endings_are_read(ingest: Ingest) -> None:
    for name in ("a.txt", "a.txt.zst", "a.jsonl.bz2", "jsonl", ".gz"):
        with pytest.raises(RefusedFileError, match=r"\.jsonl, \.ndjson, \.json, \.csv, \.tsv"):
            ingest.admit(ingest.deliver(b"{}\n", name))


def test_only_regular_files_below_raw_are_read(ingest: Ingest, tmp_path: Path) -> None:
    outside = tmp_path / "secret.jsonl"
    outside.write_text("{}\n")
    (ingest.root / "link.jsonl").symlink_to(outside)
    (ingest.root / "folder").symlink_to(tmp_path)
    (ingest.root / "folder.jsonl").mkdir()
    os.mkfifo(ingest.root / "pipe.jsonl")
    for name, message in {
        "link.jsonl": "link",
        "folder/secret.jsonl": "link",
        "../secret.jsonl": "link|outside",
        "folder.jsonl": "called like a file",
        "pipe.jsonl": "no regular file",
    }.items():
        with pytest.raises(RefusedFileError, match=message):
            ingest.admit(ingest.root / name)
    with pytest.raises(RefusedFileError, match="outside"):
        ingest.admit(outside)


def test_file_growing_while_hashed_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ingest.deliver(json.dumps(SEEN) + "\n")
    look_through = admission.look_through

    def look_through_slowly(*arguments: Any) -> str:
        content_hash = look_through(*arguments)
        with path.open("a") as file:
            file.write("{}\n")
        return content_hash

    monkeypatch.setattr(admission, "look_through", look_through_slowly)
    with pytest.raises(RefusedFileError, match="still being written"):
        ingest.admit(path)


def test_file_growing_before_it_is_read_is_refused(ingest: Ingest) -> None:
    admitted = ingest.admit(ingest.deliver(json.dumps(SEEN) + "\n"))
    os.utime(admitted.path, (1, 1))
    with pytest.raises(RefusedFileError, match="still being written"):
        ingest.read(admitted)
    assert list(ingest.scratch.iterdir()) == []


def test_ledger_that_does_not_add_up_keeps_nothing(ingest: Ingest) -> None:
    admitted = ingest.admit(ingest.deliver(json.dumps(SEEN) + "\n{}\n"))
    with pytest.raises(SessionPipelineError, match="3 lines were counted, but 1 were accepted and 1 quarantined"):
        ingest.read(replace(admitted, line_count=3))
    assert list(ingest.scratch.iterdir()) == []


# From line to event


def test_rows_have_columns_and_types_of_the_contracts(ingest: Ingest) -> None:
    reading = ingest.take_lines(SEEN, "bad").reading
    assert reading.quarantine_path is not None
    for path, name in ((reading.days[0].path, "raw_events"), (reading.quarantine_path, "quarantined_lines")):
        assert [(each.name, each.type) for each in pq.read_schema(path)] == [
            (each.name, each.type) for each in table(name).schema
        ]


def test_every_delivered_column_is_kept(ingest: Ingest) -> None:
    given: Row = {name: f"{name} as given" for name in DELIVERED_COLUMNS}
    given |= {
        "event_time": "2024-03-01T12:00:00.123456Z",
        "received_at": "2024-03-01T12:00:05Z",
        "sequence": 7,
        "status_code": 404,
        "value": 12.5,
        "page_url": "https://shop.example/a",
        "referrer": "https://www.example.org/",
        "properties": {"plan": "pro"},
    }
    event = ingest.event(**given)
    line = json.dumps({**SEEN, **given})
    assert event == given | {
        "event_time": datetime(2024, 3, 1, 12, 0, 0, 123456),
        "received_at": datetime(2024, 3, 1, 12, 0, 5),
        "value": Decimal("12.5"),
        "properties": '{"plan":"pro"}',
        "page_host": "shop.example",
        "page_path": "/a",
        "referrer_host": "www.example.org",
        "click_id_type": None,
        "user_agent_id": md5(b"user_agent as given").hexdigest(),
        "content_hash": md5(line.encode()).hexdigest(),
        "site": "main",
        "source": "web",
        "file_id": event["file_id"],
        "line_number": 1,
    }


def test_columns_are_found_by_name_also_inside_objects(ingest: Ingest) -> None:
    rules = replace(
        RULES,
        columns={"visitor_id": "user.ids.0", "event_time": "ts", "event_name": "type/of~it", "user_id": "User"},
    )
    line = {"user": {"ids": [12, 13]}, "ts": 1709294400, "type/of~it": "click", "User": "u", "user_id": "x"}
    [event] = ingest.take_lines(line, rules=rules).events
    assert (event["visitor_id"], event["event_name"], event["user_id"]) == ("12", "click", "u")
    assert event["event_time"] == datetime(2024, 3, 1, 12)
    assert json.loads(event["properties"]) == {"user": {"ids": [12, 13]}, "user_id": "x"}


def test_names_differing_in_case_or_used_twice(ingest: Ingest) -> None:
    rules = replace(RULES, columns={"visitor_id": "id", "user_id": "ID", "element": "ID", "page_title": "Event_Name"})
    [event] = ingest.take_lines({**SEEN, "id": "v", "ID": "u", "Event_Name": "t", "Id": "x"}, rules=rules).events
    assert (event["visitor_id"], event["user_id"], event["element"], event["page_title"]) == ("v", "u", "u", "t")
    assert json.loads(event["properties"]) == {"Id": "x", "visitor_id": "v"}


def test_constants_fill_missing_fields(ingest: Ingest) -> None:
    rules = replace(RULES, constants={"event_name": "page_view", "currency": "EUR", "value": "1"})
    taken = ingest.take_lines(
        {"visitor_id": "v", "event_time": SEEN["event_time"], "currency": ""},
        {**SEEN, "event_name": "click", "currency": None},
        rules=rules,
    )
    assert [event["event_name"] for event in taken.events] == ["page_view", "click"]
    assert [event["currency"] for event in taken.events] == ["EUR", "EUR"]
    assert taken.reading.mapping == {
        "visitor_id": "visitor_id",
        "event_time": "event_time",
        "event_name": "event_name, else constant 'page_view'",
        "currency": "constant 'EUR'",
        "value": "constant '1'",
    }


def test_numeric_ids_become_text_and_empty_text_becomes_null(ingest: Ingest) -> None:
    event = ingest.event(visitor_id=123, user_id="", element=" ", client_session_id=1.5, page_title=True)
    assert (event["visitor_id"], event["user_id"], event["element"]) == ("123", None, " ")
    assert (event["client_session_id"], event["page_title"]) == ("1.5", "true")


def test_event_id_is_content_hash_and_occurrence_number(ingest: Ingest) -> None:
    line = json.dumps(SEEN)
    other = json.dumps({**SEEN, "visitor_id": "w"})
    taken = ingest.take_lines(line, other, {**SEEN, "event_id": "given"}, line, "", line)
    content = md5(line.encode()).hexdigest()
    ids = {event["line_number"]: event["event_id"] for event in taken.events}
    assert ids == {
        1: md5(f"{content}|1".encode()).hexdigest(),
        2: md5(f"{md5(other.encode()).hexdigest()}|1".encode()).hexdigest(),
        3: "given",
        4: md5(f"{content}|2".encode()).hexdigest(),
        6: md5(f"{content}|3".encode()).hexdigest(),
    }


# Times


TIMES: list[tuple[object, str]] = [
    ("2024-03-01T12:00:00Z", "2024-03-01 12:00:00"),
    ("2024-03-01 12:00Z", "2024-03-01 12:00:00"),
    ("2024-03-01 12:00:00.5 UTC", "2024-03-01 12:00:00.500000"),
    ("2024-03-01T12:00:00+02:00", "2024-03-01 10:00:00"),
    ("2024-03-01T12:00:00.123456789+0200", "2024-03-01 10:00:00.123456"),
    ("2024-03-01 12:00:00 -05:30", "2024-03-01 17:30:00"),
    ("2024-03-01T12:00:00-00", "2024-03-01 12:00:00"),
    ("2024-03-01T12:00:00", "2024-03-01 12:00:00"),
    ("2024-02-29", "2024-02-29 00:00:00"),
    ("2024-02-29T24:00:00Z", "2024-03-01 00:00:00"),
    ("2024-02-29t12:00:00z", "2024-02-29 12:00:00"),
    ("2024-02-29t12:00:00.25+01:00", "2024-02-29 11:00:00.250000"),
    ("2024-02-29t12:00", "2024-02-29 12:00:00"),
    ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
    ("2016-12-31 23:59:60.7 UTC", "2017-01-01 00:00:00"),
    ("2016-12-31T15:59:60.5-0800", "2017-01-01 00:00:00"),
    ("2016-12-31T23:59:60", "2017-01-01 00:00:00"),
    ("2024-03-01T12:00:00+23:59", "2024-02-29 12:01:00"),
    ("2024-03-01T12:00:00-23:59", "2024-03-02 11:59:00"),
    ("2024-03-01T12:00:00-15", "2024-03-02 03:00:00"),
    ("2024-03-01T12:00:00 +1530", "2024-02-29 20:30:00"),
    (1709294400, "2024-03-01 12:00:00"),
    ("1709294400", "2024-03-01 12:00:00"),
    (1709294400.123456, "2024-03-01 12:00:00.123456"),
    ("1709294400.1234567", "2024-03-01 12:00:00.123456"),
    (1709294400123, "2024-03-01 12:00:00.123000"),
    ("1709294400123.456", "2024-03-01 12:00:00.123456"),
    (1709294400123456, "2024-03-01 12:00:00.123456"),
    (1.7e9, "2023-11-14 22:13:20"),
    ("100000000000", "1973-03-03 09:46:40"),
    ("-1", "1969-12-31 23:59:59"),
]


def test_time_is_iso_8601_or_epoch_number(ingest: Ingest) -> None:
    lines = [{**SEEN, "event_time": written} for written, _ in TIMES]
    taken = ingest.take_lines(*lines, rules=replace(RULES, earliest=datetime(1900, 1, 1)))
    assert [str(time) for time in taken.column("event_time")] == [meant for _, meant in TIMES]


NO_TIMES: list[object] = [
    "yesterday", "epoch", "infinity", "NaN", "now", "today", " ", "12:00", "2024-02-30T12:00:00Z", "2023-02-29",
    "2024-03-01T12:00:61Z", "2024-03-01T12:00:60.Z", "2024-02-30T23:59:60Z", "2024-03-01T12:60:60Z",
    "2024-03-01T24:00:60Z", "2024-03-01T12:00:00+24:00", "2024-03-01T12:00:00+00:60",
    "2024-03-01T25:00:00Z", "2024-03-01T12", "20240301T120000Z", "01/03/2024 12:00",
    "2024-03-01T12:00:00 Europe/Berlin", "2024-03-01T12:00:00+25:00", "2024-03-01T12:00:00+02:00:30", "1e400",
    "12024-03-01T12:00:00Z", "2024-03-01T12:00:00Z; drop table read_lines", "100000000000000000", True, [1], {},
]  # fmt: skip


def test_other_values_are_invalid_times(ingest: Ingest) -> None:
    taken = ingest.take_lines(*({**SEEN, "event_time": written} for written in NO_TIMES))
    assert taken.events == []
    assert taken.reading.reasons == {"invalid_event_time": len(NO_TIMES)}
    assert taken.quarantined[0]["detail"] == "event_time: yesterday"


LOCAL_TIMES = [
    ("2024-01-15 12:00:00", "2024-01-15 11:00:00"),
    ("2024-07-15 12:00:00", "2024-07-15 10:00:00"),
    ("2024-07-15T12:00:00Z", "2024-07-15 12:00:00"),
    ("2024-03-31 01:59:59.999999", "2024-03-31 00:59:59.999999"),
    ("2024-03-31 02:30:00", "2024-03-31 01:30:00"),  # skipped hour: the offset before the change applies
    ("2024-03-31 03:00:00", "2024-03-31 01:00:00"),
    ("2024-10-27 02:30:00", "2024-10-27 00:30:00"),  # repeated hour: the first of the two
    ("2024-10-27 03:00:00", "2024-10-27 02:00:00"),
    ("2099-07-15 12:00:00", "2099-07-15 10:00:00"),
    ("2024-07-15t12:00:00", "2024-07-15 10:00:00"),
    ("2024-10-27 01:59:60", "2024-10-27 00:00:00"),
]


def test_time_without_offset_is_local_to_the_source(ingest: Ingest) -> None:
    lines = [{**SEEN, "event_time": written} for written, _ in LOCAL_TIMES]
    taken = ingest.take_lines(*lines, rules=replace(RULES, timezone="Europe/Berlin"))
    assert [str(time) for time in taken.column("event_time")] == [meant for _, meant in LOCAL_TIMES]


@pytest.mark.parametrize(
    "name", ["Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia", "America/Havana"]
)
def test_local_clock_equals_python_around_every_change(name: str) -> None:
    starts, offsets = replace(RULES, timezone=name, earliest=datetime(2005, 1, 1)).local_clock
    assert len(starts) == len(offsets) > 10
    for change in starts[1:]:
        for seconds in (*range(-10_800, 10_801, 900), -1, 1):
            local = change + timedelta(seconds=seconds)
            expected = local.replace(tzinfo=zone(name)).utcoffset()
            assert timedelta(seconds=offsets[bisect_right(starts, local) - 1]) == expected


# Quarantine


NOT_JSON = [
    "{", '{"a":1} {"b":2}', '{"a":NaN}', '{"a":[1, -inf]}', '{"a":{"b": iNfinity}}', '{"a":1, }', '{"a":[nan]}',
    r'{"a":"\ud800"}', "{'a':1}", '{"a":01}', "/**/{}",
]  # fmt: skip
NOT_OBJECTS = ["[1]", '"text"', "null", "12", ' ["{"]']


def test_line_that_is_not_a_json_object_is_quarantined(ingest: Ingest) -> None:
    taken = ingest.take_lines(SEEN, *NOT_JSON, *NOT_OBJECTS, SEEN)
    assert [(row["reason"], row["line"]) for row in taken.quarantined] == [
        *(("invalid_json", line) for line in NOT_JSON),
        *(("not_an_object", line) for line in NOT_OBJECTS),
    ]
    assert {row["detail"] for row in taken.quarantined} == {
        "the line is not JSON",
        "the line is JSON, but not an object",
    }
    assert taken.column("line_number") == [1, 2 + len(NOT_JSON) + len(NOT_OBJECTS)]


def test_text_that_looks_like_lax_json_is_accepted(ingest: Ingest) -> None:
    title = 'a:NaN, b: -inf,] "c":[nan], {,}'
    assert ingest.event(page_title=title)["page_title"] == title


UNUSABLE: list[tuple[Row, str, str]] = [
    ({"visitor_id": None}, "missing_visitor_id", "visitor_id"),
    ({"visitor_id": ""}, "missing_visitor_id", "visitor_id"),
    ({"event_time": None}, "missing_event_time", "event_time"),
    ({"event_name": ""}, "missing_event_name", "event_name"),
    ({"visitor_id": "", "event_time": "?", "value": "?"}, "missing_visitor_id", "visitor_id"),
    ({"event_time": "2019-12-31T23:59:59Z"}, "time_before_start", "event_time: 2019-12-31T23:59:59Z"),
    ({"event_time": "2101-01-01T00:00:00Z"}, "time_beyond_2100", "event_time: 2101-01-01T00:00:00Z"),
    (
        {"received_at": "2024-03-01T10:59:59Z"},
        "time_after_receipt",
        "event_time: 2024-03-01T12:00:00Z, received at 2024-03-01T10:59:59Z",
    ),
    ({"received_at": "later"}, "invalid_received_at", "received_at: later"),
    ({"sequence": 1.5}, "invalid_sequence", "sequence: 1.5"),
    ({"sequence": "99999999999999999999"}, "invalid_sequence", "sequence: 99999999999999999999"),
    ({"status_code": "OK"}, "invalid_status_code", "status_code: OK"),
    ({"status_code": True}, "invalid_status_code", "status_code: true"),
    ({"value": "NaN"}, "invalid_value", "value: NaN"),
    ({"value": "1e400"}, "invalid_value", "value: 1e400"),
    ({"value": "12,50"}, "invalid_value", "value: 12,50"),
    ({"value": "1_000"}, "invalid_value", "value: 1_000"),
    ({"value": "x" * 300}, "invalid_value", "value: " + "x" * 200),
    ({"value": 1000000000000}, "invalid_value", "value: 1000000000000"),
]


def test_unusable_field_quarantines_the_line(ingest: Ingest) -> None:
    taken = ingest.take_lines(*({**SEEN, **fields} for fields, _, _ in UNUSABLE))
    assert taken.events == []
    assert [(row["reason"], row["detail"]) for row in taken.quarantined] == [each[1:] for each in UNUSABLE]


def test_accepted_limits_of_time_and_number(ingest: Ingest) -> None:
    ingest.event(event_time="2020-01-01T00:00:00Z")
    ingest.event(event_time="2100-12-31T23:59:59.999999Z")
    ingest.event(received_at="2024-03-01T11:00:00Z")
    assert ingest.event(value="999999999999.999999")["value"] == Decimal("999999999999.999999")
    assert ingest.event(value=0.1 + 0.2)["value"] == Decimal("0.300000")
    assert ingest.event(value="-1.5e3")["value"] == Decimal("-1500")
    assert ingest.event(status_code=200.0)["status_code"] == 200
    assert ingest.event(sequence="-9223372036854775808")["sequence"] == -(2**63)


def test_detail_uses_the_field_name_of_the_source(ingest: Ingest) -> None:
    rules = replace(RULES, columns={"value": "price.net"})
    assert ingest.reason(rules, price={"net": "free"}) == ("invalid_value", "value (price.net): free")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"visitor_id":"\xff"}', "invalid_utf8"),
        (b'{"visitor_id":"\x00"}', "nul_byte"),
        (b'{"visitor_id":"a\rb"}', "invalid_json"),
        (b'{"visitor_id":"' + b"a" * (1 << 20) + b'"}', "line_too_long"),
    ],
)
def test_line_that_duckdb_rejects_is_quarantined_alone(ingest: Ingest, line: bytes, reason: str) -> None:
    seen = json.dumps(SEEN).encode()
    taken = ingest.take(b"\xef\xbb\xbf" + b"\n".join([seen, line, b"", seen + b"\r", b""]))
    assert taken.reasons == {2: reason}
    assert [event["line_number"] for event in taken.events] == [1, 4]
    assert {event["content_hash"] for event in taken.events} == {md5(seen).hexdigest()}
    assert len(taken.quarantined[0]["line"]) <= 2000


def test_file_with_only_carriage_returns_is_one_bad_line(ingest: Ingest) -> None:
    assert ingest.take(json.dumps(SEEN) + "\r" + json.dumps(SEEN) + "\r").reading.reasons == {"invalid_json": 1}


ADDRESSES = [
    "192.168.1.77", "::1", "2001:db8::8a2e:370:7334", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "fe80::1",
    "::ffff:192.168.1.77", "64:ff9b:1:2:3:4:192.168.1.77", "2001%3Adb8%3A%3A370%3a7334",
]  # fmt: skip


def test_quarantine_contains_no_address(ingest: Ingest) -> None:
    taken = ingest.take_lines(*({**SEEN, "at": f"<{address}>", "value": f"<{address}>"} for address in ADDRESSES))
    assert {row["detail"] for row in taken.quarantined} == {"value: <[address]>"}
    assert {row["line"] for row in taken.quarantined} == {
        json.dumps({**SEEN, "at": "<[address]>", "value": "<[address]>"})
    }
    filler = "x" * 1990
    taken = ingest.take("{}\n" + "\n".join(f"{filler} {address} {address}" for address in ADDRESSES))
    taken.quarantined.pop(0)
    assert {row["line"] for row in taken.quarantined} == {f"{filler} [address] [address]"[:2000]}


# URLs, properties and what is removed


URLS: list[tuple[str, str, str | None, str]] = [
    ("https://Shop.Example", "https://Shop.Example", "shop.example", "/"),
    ("https://shop.example:8443/a/b?x=1#top", "https://shop.example:8443/a/b", "shop.example", "/a/b"),
    ("https://shop.example/a#b?q=1", "https://shop.example/a", "shop.example", "/a"),
    ("https://a.example?q=hat&token=s&utm_source=n", "https://a.example?q=hat&utm_source=n", "a.example", "/"),
    ("https://me:secret@shop.example/@you", "https://shop.example/@you", "shop.example", "/@you"),
    ("//shop.example/a//b", "//shop.example/a//b", "shop.example", "/a//b"),
    ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]:80/a", "[2001:db8::1]", "/a"),
    ("/a/b?email=me@example.org", "/a/b", None, "/a/b"),
    ("home", "home", None, "home"),
    ("?q=hat", "?q=hat", None, "/"),
    ("about:blank", "about:blank", None, "about:blank"),
    ("android-app://com.example.app/x", "android-app://com.example.app/x", "com.example.app", "/x"),
    ("https:///a", "https:///a", None, "/a"),
    ("https://é.example/straße", "https://é.example/straße", "é.example", "/straße"),
]


def test_url_parts(ingest: Ingest) -> None:
    events = ingest.take_lines(*({**SEEN, "page_url": url, "referrer": url} for url, *_ in URLS)).events
    found = [(event["page_url"], event["page_host"], event["page_path"]) for event in events]
    assert found == [each[1:] for each in URLS]
    assert [(event["referrer"], event["referrer_host"]) for event in events] == [each[1:3] for each in URLS]


def test_campaigns_click_ids_and_searches_come_from_the_query(ingest: Ingest) -> None:
    query = (
        "xutm_source=no&utm_source=a%20b+c&utm_medium=&utm_campaign=%ff&utm_term=caf%C3%A9&utm_content=1&utm_content=2"
        "&gclid=&fbclid=123&gclid=456&query=red%26blue"
    )
    event = ingest.event(page_url=f"https://shop.example/?{query}", utm_term="given")
    assert event["utm_source"] == "a b c"
    assert event["utm_medium"] is None
    assert event["utm_campaign"] == "%ff"
    assert event["utm_term"] == "given"
    assert event["utm_content"] == "1"
    assert event["click_id_type"] == "fbclid"
    assert event["search_term"] == "red&blue"


PROPERTIES: list[tuple[Row, Row | None]] = [
    ({}, None),
    ({"properties": {}}, None),
    ({"properties": {"a": None}}, None),
    ({"properties": {"plan": "pro", "n": [1, {"b": None}]}}, {"plan": "pro", "n": [1, {"b": None}]}),
    ({"properties": '{"plan": "pro"}'}, {"plan": "pro"}),
    ({"properties": '{"IP"\t:\n"10.0.0.1", "a": {"ip" : "10.0.0.1"}}'}, {"a": {}}),
    ({"properties": "{NaN}"}, {"properties": "{NaN}"}),
    ({"properties": [1]}, {"properties": [1]}),
    ({"plan": "pro", "experiment": {"b": 1}}, {"plan": "pro", "experiment": {"b": 1}}),
    ({"a": 1, "properties": {"a": 2, "b": 3}}, {"a": 2, "b": 3}),
    ({"ip": "10.0.0.1", "client ip": {"v4": "10.0.0.1"}, "a": 1}, {"a": 1}),
    ({"properties": {"ip": "10.0.0.1"}}, None),
    ({"properties": {"IP": "10.0.0.1", "a": 1}}, {"a": 1}),
    ({"context": {"ip": "10.0.0.1", "os": "x"}}, {"context": {"os": "x"}}),
    ({"properties": {"context": {"Ip": 167772161, "zip": "1"}}}, {"context": {"zip": "1"}}),
    ({"note": 'my "ip":"x"', "a": '\\"ip":"y"'}, {"note": 'my "ip":"x"', "a": '\\"ip":"y"'}),
]


def test_properties_hold_all_fields_without_a_column(ingest: Ingest) -> None:
    taken = ingest.take_lines(*({**SEEN, **fields} for fields, _ in PROPERTIES))
    found = [text if text is None else json.loads(text) for text in taken.column("properties")]
    assert found == [properties for _, properties in PROPERTIES]


# CSV and TSV


def as_csv(*rows: Sequence[object], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


HEADER: list[object] = ["visitor_id", "event_time", "event_name", "plan"]


def record(*fields: object) -> list[object]:
    return ["v", SEEN["event_time"], *fields]


def test_csv_is_read_by_its_header(ingest: Ingest) -> None:
    taken = ingest.take(as_csv(HEADER, record("a,b", 'say "x"'), record("c", "")), "a.csv")
    assert [event["event_name"] for event in taken.events] == ["a,b", "c"]
    assert [event["properties"] for event in taken.events] == ['{"plan":"say \\"x\\""}', None]
    assert [event["line_number"] for event in taken.events] == [2, 3]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_delimiter_is_detected_from_the_header(ingest: Ingest, delimiter: str) -> None:
    content = as_csv(HEADER, record("a,b;c", "x"), record("c|d", "y\nz"), delimiter=delimiter)
    assert [event["event_name"] for event in ingest.take(content, "a.csv").events] == ["a,b;c", "c|d"]


def test_other_quoting_is_the_same_content(ingest: Ingest) -> None:
    contents = [
        "visitor_id,event_time,event_name\nv,2024-03-01,a\n",
        'visitor_id,event_time,event_name\r\n"v","2024-03-01","a"\r\n',
        '\n"visitor_id","event_time",event_name\n\nv,"2024-03-01",a',
    ]
    hashes = {ingest.take(content, "a.csv").events[0]["content_hash"] for content in contents}
    text = '{"visitor_id":"v","event_time":"2024-03-01","event_name":"a"}'
    assert hashes == {md5(text.encode()).hexdigest()}


def test_multiline_records_count_once(ingest: Ingest) -> None:
    rows = [HEADER, record("a", "one\n\ntwo"), record("b", "x"), record("c", "\r\n")]
    taken = ingest.take(as_csv(*rows) + "\n\n", "a.csv")
    assert [event["line_number"] for event in taken.events] == [2, 5, 6]
    assert (taken.admitted.line_count, taken.admitted.blank_line_count) == (3, 2)
    assert json.loads(taken.events[0]["properties"]) == {"plan": "one\n\ntwo"}


def test_bad_records_are_quarantined_and_others_read(ingest: Ingest) -> None:
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
    taken = ingest.take(content, "a.csv")
    assert taken.reasons == {3: "ragged_row", 4: "ragged_row", 6: "invalid_csv", 9: "invalid_csv"}
    assert taken.quarantined[0]["detail"] == "3 fields instead of 4"
    assert taken.quarantined[0]["line"] == "v,2024-03-01,a"
    assert [event["line_number"] for event in taken.events] == [2, 5, 7, 8, 10]
    assert taken.events[2]["event_name"] == '5" pipe'


def test_bad_bytes_in_a_csv_are_quarantined(ingest: Ingest) -> None:
    lines = [b"visitor_id,event_time,event_name", b"v,2024-03-01,a", b"\xff,2024-03-01,a", b"v,2024-03-01,\x00"]
    assert ingest.take(b"\n".join(lines), "a.csv").reasons == {3: "invalid_utf8", 4: "nul_byte"}
    assert ingest.take(b"\n".join(lines).replace(b",", b"\t"), "a.tsv").reasons == {3: "invalid_utf8", 4: "nul_byte"}


def test_quotes_have_no_meaning_in_a_tsv(ingest: Ingest) -> None:
    content = 'visitor_id\tevent_time\tevent_name\tplan\n"v\t2024-03-01\t"a"\t\n\nv\t2024-03-01\tb\n'
    taken = ingest.take(content, "a.tsv")
    [event] = taken.events
    assert (event["visitor_id"], event["event_name"], event["properties"]) == ('"v', '"a"', None)
    assert taken.reasons == {4: "ragged_row"}


def test_tidy_csv_is_left_to_duckdb(ingest: Ingest) -> None:
    rows = [HEADER, *(record(" a, b ", 'say "x" ') for _ in range(3))]
    assert ingest.admit(ingest.deliver(as_csv(*rows), "a.csv")).is_tidy
    assert ingest.admit(ingest.deliver(as_csv(*rows).replace("\r\n", "\n"), "b.csv")).is_tidy
    assert not ingest.admit(ingest.deliver(as_csv(*rows) + '"v" ,2024-03-01,a,b', "c.csv")).is_tidy


def test_dots_in_csv_names_are_part_of_the_name(ingest: Ingest) -> None:
    rules = replace(RULES, columns={"visitor_id": "user.id"})
    [event] = ingest.take("user.id,event_time,event_name,\nv,2024-03-01,a,x\n", "a.csv", rules).events
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
def test_unusable_header_is_refused(ingest: Ingest, header: bytes, reason: str) -> None:
    admitted = ingest.admit(ingest.deliver(header, "a.csv"))
    with pytest.raises(RefusedFileError, match=reason):
        ingest.read(admitted)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_header_name_may_span_lines(ingest: Ingest, line_end: str) -> None:
    rows = ['visitor_id;event_time;event_name;"order', 'number"', "ann;2024-03-01;page_view;7"]
    taken = ingest.take("".join(row + line_end for row in rows), "a.csv")
    [row] = taken.events
    assert (row["line_number"], json.loads(row["properties"])) == (3, {"order\nnumber": "7"})


@pytest.mark.parametrize("content", ["", "\n\n", "visitor_id\tevent_time\n", "visitor_id\tevent_time"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_csv_without_records_has_no_lines(ingest: Ingest, content: str, name: str) -> None:
    taken = ingest.take(content, name)
    assert (taken.admitted.line_count, taken.reading.days, taken.reading.mapping) == (0, (), {})


# Comparison of both ways to read a file


@pytest.fixture(scope="module")
def module_ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    ingest = Ingest(tmp_path_factory.mktemp("ingest"))
    yield ingest
    ingest.close()


def both_ways(ingest: Ingest, content: bytes, name: str) -> tuple[list[Line], list[Line]] | None:
    """Returns the lines as read by DuckDB and by Python; None if the pipeline would not read the file with DuckDB."""
    admitted = ingest.admit(ingest.deliver(content, name))
    lines = line_reading.lines_by_duckdb(admitted)
    if lines is None:
        return None
    try:
        by_duckdb = ingest.connection.sql(lines.select).fetchall()
    except duckdb.InvalidInputException:
        return None
    if len(by_duckdb) != lines.row_count:
        return None
    select = line_reading.lines_by_python(admitted, ingest.scratch / "lines.parquet").select
    return by_duckdb, ingest.connection.sql(select).fetchall()[lines.first_line_number - 1 :]


FIELD = st.text(st.sampled_from('ab "\\;\x01é😀'), max_size=4)
ROWS = st.lists(st.tuples(FIELD, FIELD), max_size=4)
LOOSE = st.text(st.sampled_from('ab ,"\n\r\t;'), max_size=20)
CONTENT = {
    "a.csv": (
        ROWS.map(lambda rows: as_csv(("x", "y"), *rows))
        | ROWS.map(lambda rows: joined(",", ("x", "y"), *rows))
        | LOOSE.map(lambda text: "x,y\n" + text)
    ),
    "a.tsv": ROWS.map(lambda rows: joined("\t", ("x", "y"), *rows)) | LOOSE.map(lambda text: "x\ty\n" + text),
    "a.jsonl": LOOSE | st.lists(st.sampled_from(['{"a":1}', "", " ", "\t", '"', "é"])).map("\n".join),
}


def joined(delimiter: str, *rows: Sequence[str]) -> str:
    return "\n".join(delimiter.join(row) for row in rows)


@pytest.mark.parametrize("name", CONTENT)
def test_duckdb_and_python_read_the_same_lines(
    module_ingest: Ingest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared_count = 0
    monkeypatch.setattr(admission, "other_kind", lambda file, format: None)  # also compare files of other kinds

    @hypothesis_settings(max_examples=200, deadline=None)
    @given(text=CONTENT[name])
    def compare(text: str) -> None:
        nonlocal compared_count
        lines = both_ways(module_ingest, text.encode(), name)
        if lines is not None:
            compared_count += 1
            assert lines[0] == lines[1]

    compare()
    assert compared_count > 20


# Files


@pytest.mark.parametrize(
    "name",
    ["g*[1].jsonl", "a?.jsonl", "[ab].jsonl", "quo'te.jsonl", "site=x/new\nline.jsonl", "{a,b}.jsonl", "b\\s.jsonl"],
)
def test_file_names_are_not_patterns(ingest: Ingest, name: str) -> None:
    for other in ("g1.jsonl", "ab.jsonl", "a.jsonl", "b.jsonl"):
        ingest.deliver("other\n", other)
    assert len(ingest.take(json.dumps(SEEN), name).events) == 1


def test_values_are_never_executed(ingest: Ingest) -> None:
    evil = "'); drop table read_lines; select ('"
    rules = ReadingRules(
        source=evil,
        site=evil,
        earliest=RULES.earliest,
        columns={"visitor_id": evil},
        constants={"event_name": evil},
        drop_properties=(evil, "(", "\\"),
        keep_query_parameters=(evil,),
    )
    [event] = ingest.take_lines({evil: evil, "event_time": "2024-03-01", "(": 1}, rules=rules).events
    assert {event[name] for name in ("source", "site", "visitor_id", "event_name")} == {evil}
    assert event["properties"] is None
    rows = [[evil, "event_time"], [evil, "2024-03-01"]]
    assert len(ingest.take(as_csv(*rows), "a.csv", replace(rules, delimiter=",")).events) == 1


def test_each_utc_date_is_a_separate_file(ingest: Ingest) -> None:
    times = [f"2024-{month:02}-01T{hour:02}:{minute:02}:00Z" for minute in (0, 14, 15) for hour in (23, 0)
             for month in range(1, 13)]  # fmt: skip
    taken = ingest.take_lines(*({**SEEN, "event_time": time} for time in times))
    days = taken.reading.days
    assert [day.utc_date for day in days] == [date(2024, month, 1) for month in range(1, 13)]
    assert {(day.row_count, day.quarters) for day in days} == {(6, (0, 1, 92, 93))}
    for day in days:
        rows = pq.ParquetFile(day.path).read().to_pylist()
        assert [row["event_time"].date() for row in rows] == [day.utc_date] * 6
        assert [row["line_number"] for row in rows] == sorted(row["line_number"] for row in rows)
    assert taken.reading.first_event_time == datetime(2024, 1, 1)
    assert taken.reading.last_event_time == datetime(2024, 12, 1, 23, 15)


@pytest.mark.long
@pytest.mark.parametrize("date_count", [2, 40])
def test_bytes_do_not_depend_on_thread_count(tmp_path: Path, date_count: int) -> None:
    lines = []
    for number in range(60_000):
        if number % 100 == 7:
            lines.append("" if number % 200 == 7 else "{bad")
        time = str(datetime(2024, 3, 1, 10) + timedelta(days=number * 7 % date_count, seconds=number % 60))
        fields = {"event_time": time, "visitor_id": number * 7919 % 1000, "plan": "x" * (number % 9)}
        lines.append(json.dumps(SEEN | fields | ({"event_id": number} if number % 3 else {})))
    content = "\n".join(lines).encode()
    found: list[list[bytes]] = []
    for threads in (1, 2, 2):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        ingest = Ingest(folder, threads)
        reading = ingest.take(content).reading
        assert reading.quarantine_path is not None
        found.append([path.read_bytes() for path in (reading.quarantine_path, *(day.path for day in reading.days))])
        ingest.close()
    assert len(found[0]) == 1 + date_count
    assert found[0] == found[1] == found[2]


def test_fingerprint_covers_all_reading_rules() -> None:
    changes: list[Row] = [
        {"source": "shop"}, {"site": "b"}, {"format": "csv"}, {"columns": {"user_id": "uid"}},
        {"constants": {"currency": "EUR"}}, {"timezone": "Asia/Tokyo"}, {"clock_tolerance_minutes": 5},
        {"delimiter": ";"}, {"keep_query_parameters": ()}, {"drop_properties": ()}, {"earliest": datetime(2021, 1, 1)},
        {"log_format": "common"}, {"visitor_address": "ip"}, {"host": "shop.example"},
    ]  # fmt: skip
    fingerprints = [RULES.fingerprint("csv"), *(replace(RULES, **change).fingerprint("csv") for change in changes)]
    assert len(set(fingerprints)) == len(fingerprints)


# Public fixtures


def fixture(name: str) -> bytes:
    path = FIXTURES / name
    if not path.exists():
        pytest.skip(f"shared/fixtures/{name} is not here")
    return path.read_bytes()


def test_nasa_log_is_accepted_completely(ingest: Ingest) -> None:
    rules = ReadingRules(
        source="nasa",
        earliest=datetime(1990, 1, 1),
        columns={"visitor_id": "host", "event_time": "time", "page_url": "url", "status_code": "response"},
        constants={"event_name": "page_view"},
        visitor_key=KEY,
    )
    taken = ingest.take(fixture("nasa_http_19950801/nasa_19950801.tsv"), "nasa.tsv", rules)
    assert (taken.admitted.line_count, taken.reading.accepted_count) == (30_969, 30_969)
    assert len({event["visitor_id"] for event in taken.events}) == 2_159  # of 2,365 hosts; addresses count by network
    assert [event["status_code"] for event in taken.events].count(404) == 221


@pytest.mark.long
def test_shop_is_accepted_completely(ingest: Ingest) -> None:
    columns = {"visitor_id": "user_id", "user_id": "user_id", "client_session_id": "session_id", "event_name": "event",
               "event_time": "timestamp"}  # fmt: skip
    rules = replace(RULES, columns=columns)
    taken = ingest.take(fixture("retentioneering_ecom/ecom.csv.gz"), "ecom.csv.gz", rules)
    assert (taken.reading.accepted_count, taken.reading.set_aside_count) == (31_106, 0)
    assert {event["user_id"] for event in taken.events} == {event["visitor_id"] for event in taken.events}
    properties = json.loads(taken.events[0]["properties"])
    assert set(properties) == {"platform", "acquisition_channel", "user_cohort", "user_lifecycle"}


# The logic version


def test_logic_version_stands_for_this_source() -> None:
    """If this fails, raise LOGIC_VERSION if rows can change, and write down the new hash."""
    folder = Path(rules_module.__file__).parent
    modules = (
        "addresses",
        "day_files",
        "fields",
        "figures",
        "line_sql",
        "lines",
        "queries",
        "protected_texts",
        "raw_rows",
        "read",
        "recognition",
        "records",
        "requests",
        "reshape",
        "rules",
        "shapes",
        "small_files",
        "stream",
        "visitors",
    )
    reference = folder.parent / "reference"
    logs = (reference / "log_formats.py", reference / "log_values.py")
    formats = sorted((folder / "formats").glob("*.py"))
    names = [*(folder / f"{name}.py" for name in modules), *formats, *logs]
    source = "".join("".join(path.read_text().split()) for path in [*names, *sorted(folder.rglob("*.sql"))])
    # How presets are recognised decides how files are read. Their other keys are settings, which fingerprints have.
    source += repr({name: vars(found) for name, found in packaged_recognitions().items()})
    assert (rules_module.LOGIC_VERSION, sha256(source.encode()).hexdigest()[:16]) == (6, "3dcc1b196d917314")
