"""Tests randomly damaged files of every format: accepted or not, every line is counted, and no other file is affected.

A good file is cut, has bits flipped, parts doubled, or is mixed with another file. The result is corrupt, refused, or
read to its last line. There is no other error, and no line is lost.
"""

import bz2
import gzip
import lzma
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import process_time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.formats.compression import zstd
from session_pipeline.ingest.formats.records import BYTE_ORDER_MARK
from session_pipeline.ingest.reading import read_large, small_files
from session_pipeline.ingest.reading.small_files import LARGEST_SMALL_BYTES
from session_pipeline_tests.access_logs import RULES as LOG_RULES
from session_pipeline_tests.access_logs import combined
from session_pipeline_tests.corpus.inputs import EVENT, line, lines
from session_pipeline_tests.corpus.parquet_files import parquet
from session_pipeline_tests.ingesting import RULES, Ingest
from session_pipeline_tests.reliability.figures import amount, effort

MOST_SECONDS = 20.0  # limit for one file of a few kilobytes, on a slow and busy machine
EXAMPLES = 20  # per format, at effort 1
MORE_EXAMPLES = 40  # per format and effort, at night

TEXTS: Mapping[str, bytes] = {
    "jsonl": lines(8)
    + line(value=1, x={"a": [1, "b"]}, page_url="https://shop.example/?q=1")
    + b"\n \n"
    + line(user_id="u"),
    "csv": b'visitor_id,event_time,event_name,page_title\nann,2026-10-05,x,"a, b"\n\n'
    b'bob,2026-10-05,y,"over\ntwo ""lines"""\n'
    b"cid,2026-10-05,z,plain\r\n",
    "tsv": b'visitor_id\tevent_time\tevent_name\nann\t2026-10-05\tx\nbob\t2026-10-05\t"y\n\ncid\t2026-10-05\tz\r\n',
    "log": "".join(combined(f"GET /{number}?q=1 HTTP/1.1") + "\n" for number in range(6)).encode() + b"\n",
}
FILES: Mapping[str, bytes] = {
    **{f"x.{ending}": content for ending, content in TEXTS.items()},
    **{f"x.{ending}.gz": gzip.compress(content, mtime=0) for ending, content in TEXTS.items()},
    **{
        f"x.{ending}.zst": zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})
        for ending, content in TEXTS.items()
    },
    "x.jsonl.bz2": bz2.compress(TEXTS["jsonl"]),
    "x.csv.xz": lzma.compress(TEXTS["csv"]),
    "x.log.xz": lzma.compress(TEXTS["log"]),
    "x.parquet": parquet([{**EVENT, "value": number / 2, "tags": ["a"]} for number in range(30)]),
    "checked.parquet": parquet([EVENT] * 30, write_page_checksum=True, compression="zstd"),
}
NASTY = (
    b"\0",
    b"\r",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b",",
    b"\t",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"1e400",
)

Change = Callable[[bytes], bytes]


def changes() -> st.SearchStrategy[Change]:
    """Return a strategy of single changes to a file. Positions are fractions of its length, so they fit any file."""
    place = st.floats(0, 1, exclude_max=True)
    piece = st.sampled_from(NASTY) | st.binary(max_size=40)

    def flip(at: float, bit: int) -> Change:
        def changed(data: bytes) -> bytes:
            if not data:
                return data
            where = int(at * len(data))
            return data[:where] + bytes([data[where] ^ 1 << bit]) + data[where + 1 :]

        return changed

    def cut(begin: float, end: float) -> Change:
        first, last = sorted((begin, end))
        return lambda data: data[: int(first * len(data))] + data[int(last * len(data)) :]

    def end_at(at: float) -> Change:
        return lambda data: data[: int(at * len(data))]

    def insert(at: float, piece: bytes) -> Change:
        return lambda data: data[: int(at * len(data))] + piece + data[int(at * len(data)) :]

    def double(begin: float, end: float) -> Change:
        first, last = sorted((begin, end))
        return lambda data: data + data[int(first * len(data)) : int(last * len(data))]

    def splice(other: bytes, at: float) -> Change:
        return lambda data: data[: int(at * len(data))] + other[int(at * len(other)) :]

    return st.one_of(
        st.builds(flip, place, st.integers(0, 7)),
        st.builds(cut, place, place),
        st.builds(end_at, place),
        st.builds(insert, place, piece),
        st.builds(double, place, place),
        st.builds(splice, st.sampled_from(sorted(FILES.values())), place),
    )


def take(ingest: Ingest, name: str, data: bytes) -> str:
    """Ingest a file, check that every line is accounted for, and return the file's status."""
    started = process_time()
    rules = replace(LOG_RULES, format=None) if ".log" in name else RULES
    try:
        taken = ingest.take(data, name, rules)
    except CorruptFileError:
        status = "corrupt"
    except RefusedFileError:
        status = "refused"
    else:
        status = "accepted in part" if taken.quarantined else "accepted"
        # Every line occurs once, as an event or quarantined, with its own number.
        numbers = sorted(
            [event["line_number"] for event in taken.events] + [row["line_number"] for row in taken.quarantined]
        )
        assert len(numbers) == len(set(numbers)) == taken.admitted.line_count
        if (expected := line_numbers(name, data)) is not None:
            assert numbers == expected
    assert list(ingest.scratch.glob("delivered-*")) == []
    assert process_time() - started < MOST_SECONDS
    return status


def line_numbers(name: str, data: bytes) -> list[int] | None:
    """Return the numbers of the non-blank lines, counted in the simplest way, or None if a format needs a parser."""
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    elif name.endswith(".zst"):
        data = zstd.decompress(data)
    elif name.endswith(".bz2"):
        data = bz2.decompress(data)
    elif name.endswith(".xz"):
        data = lzma.decompress(data)
    if not re.search(r"\.(jsonl|log)", name):
        return None
    found = data.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    return [number for number, each in enumerate(found, start=1) if each.strip(b" \t\r")]


@pytest.mark.parametrize("name", FILES)
def test_good_file_is_accepted(module_ingest: Ingest, name: str) -> None:
    assert take(module_ingest, name, FILES[name]) == "accepted"


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_damaged_file_is_read_completely_or_rejected(module_ingest: Ingest, name: str) -> None:
    statuses: list[str] = []

    @hypothesis_settings(
        max_examples=amount(EXAMPLES, MORE_EXAMPLES),
        deadline=None,
        derandomize=effort() == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damage=st.lists(changes(), min_size=1, max_size=4))
    def fuzz(damage: list[Change]) -> None:
        data = FILES[name]
        for change in damage:
            data = change(data)
        statuses.append(take(module_ingest, name, data))

    fuzz()
    assert len(set(statuses)) > 1, f"all of them were {statuses[0]}"


@pytest.mark.long
@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.tsv", "x.log", "x.jsonl.gz", "x.jsonl.zst", "x.parquet"])
def test_random_bytes_are_read_completely_or_rejected(module_ingest: Ingest, name: str) -> None:
    @hypothesis_settings(
        max_examples=amount(EXAMPLES // 2, EXAMPLES),
        deadline=None,
        derandomize=effort() == 1,
        database=None,
    )
    @given(data=st.binary(max_size=300) | st.lists(st.sampled_from(NASTY), max_size=60).map(b"".join))
    def fuzz(data: bytes) -> None:
        take(module_ingest, name, data)

    fuzz()


def test_lost_line_of_a_large_file_is_noticed(module_ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check this test module: a reader that loses lines must fail `take`."""
    good = read_large.lines_by_duckdb
    count = 1 + LARGEST_SMALL_BYTES // len(lines(1))

    def lossy(*arguments: object) -> object:
        found = good(*arguments)  # type: ignore[arg-type]
        assert found is not None
        return replace(found, select=f"select * from ({found.select}) where line like '%ann%'", row_count=count)

    monkeypatch.setattr("session_pipeline.ingest.reading.read_large.lines_by_duckdb", lossy)
    with pytest.raises(Exception, match="lines were counted"):
        take(module_ingest, "x.jsonl", lines(count) + b"{}\n")


def test_lost_line_of_a_small_file_is_noticed(module_ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check this test module: a reader that loses lines must fail `take`."""
    good = small_files.python_rows

    def lossy(*arguments: object) -> object:
        return list(good(*arguments))[:-1]  # type: ignore[arg-type]

    monkeypatch.setattr("session_pipeline.ingest.reading.small_files.python_rows", lossy)
    with pytest.raises(Exception, match="lines were counted"):
        take(module_ingest, "x.jsonl", lines(9) + b"{}\n")
