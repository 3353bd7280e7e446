"""Tests which delivered files are admitted, by name, kind and size, and that their lines are counted."""

import bz2
import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.errors import RefusedFileError, SessionPipelineError, StillWrittenError
from session_pipeline.ingest.admission import admit as admission
from session_pipeline.ingest.formats import line_counts
from session_pipeline.ingest.formats.compression import zstd
from session_pipeline_tests.ingesting import EVENT, RULES, Ingest

# Admission


def test_file_identity_is_source_and_content(ingest: Ingest) -> None:
    content = (json.dumps(EVENT) + "\n").encode()
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
    each_way: Ingest, monkeypatch: pytest.MonkeyPatch, content: bytes, line_count: int, blank_count: int
) -> None:
    taken = each_way.take(content)
    assert (taken.admitted.line_count, taken.admitted.blank_line_count) == (line_count, blank_count)
    for chunk_bytes in (1, 3):  # files are read in the same way
        monkeypatch.setattr(admission, "CHUNK_BYTES", chunk_bytes)
        admitted = each_way.admit(taken.admitted.path)
        assert (admitted.line_count, admitted.blank_line_count) == (line_count, blank_count)


def test_file_with_too_long_a_line_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_counts, "CHUNK_BYTES", 64)
    monkeypatch.setattr(line_counts, "LONGEST_LINE_BYTES", 1000)
    ingest.admit(ingest.deliver("{" + "a" * 999 + "\n" + "b" * 1000))
    with pytest.raises(RefusedFileError, match="line of more than"):
        ingest.admit(ingest.deliver("{}\n" + "a" * 1001 + "\n"))


def test_only_known_endings_are_read(ingest: Ingest) -> None:
    for name in ("a.txt", "a.txt.zst", "a.txt.xz", "a.jsonl.lz4", "jsonl", ".gz"):
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
        "pipe.jsonl": "not a regular file",
    }.items():
        with pytest.raises(RefusedFileError, match=message):
            ingest.admit(ingest.root / name)
    with pytest.raises(RefusedFileError, match="outside"):
        ingest.admit(outside)


def test_file_growing_while_hashed_is_refused(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ingest.deliver(json.dumps(EVENT) + "\n")
    look_through = admission.look_through

    def look_through_slowly(*arguments: Any) -> str:
        content_hash = look_through(*arguments)
        with path.open("a") as file:
            file.write("{}\n")
        return content_hash

    monkeypatch.setattr(admission, "look_through", look_through_slowly)
    with pytest.raises(RefusedFileError, match="still being written"):
        ingest.admit(path)


def test_file_replaced_while_hashed_is_refused(ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ingest.deliver(json.dumps(EVENT) + "\n")
    look_through, other = admission.look_through, tmp_path / "other.jsonl"

    def look_through_slowly(*arguments: Any) -> str:
        content_hash = look_through(*arguments)
        other.write_text("{}\n")
        other.rename(path)
        return content_hash

    monkeypatch.setattr(admission, "look_through", look_through_slowly)
    with pytest.raises(StillWrittenError):
        ingest.admit(path)


def in_members(content: bytes) -> bytes:
    return b"".join(gzip.compress(content[start : start + 60_000]) for start in range(0, len(content), 60_000))


@pytest.mark.parametrize(("ending", "compress"), [("bz2", bz2.compress), ("gz", in_members), ("gz", gzip.compress)])
def test_beginning_of_a_compressed_file_is_as_long_as_of_any_other(
    ingest: Ingest, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    content = b"".join(sha256(b"%d" % number).hexdigest().encode() + b"\n" for number in range(3_000))
    path = ingest.deliver(compress(content), f"events.txt.{ending}")
    assert admission.beginning_of(path) == content[: admission.LOOKED_AT_BYTES]


@pytest.mark.parametrize("at", ["sha256", "file_id_of"])
def test_interrupted_look_at_a_content_leaves_nothing(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    def interrupted(*_: str) -> None:
        raise KeyboardInterrupt

    path = ingest.deliver(gzip.compress(b"{}\n"), "a.jsonl.gz")
    monkeypatch.setattr(admission, at, interrupted)
    with pytest.raises(KeyboardInterrupt):
        admission.id_of_content(path, root=ingest.root, source="web", scratch=ingest.scratch)
    assert list(ingest.scratch.iterdir()) == []


def test_file_growing_before_it_is_read_is_refused(each_way: Ingest) -> None:
    admitted = each_way.admit(each_way.deliver(json.dumps(EVENT) + "\n"))
    os.utime(admitted.path, (1, 1))
    with pytest.raises(RefusedFileError, match="still being written"):
        each_way.read(admitted)
    assert list(each_way.scratch.iterdir()) == []


def test_ledger_that_does_not_add_up_keeps_nothing(each_way: Ingest) -> None:
    admitted = each_way.admit(each_way.deliver(json.dumps(EVENT) + "\n{}\n"))
    with pytest.raises(SessionPipelineError, match="3 lines were counted, but 1 were accepted and 1 quarantined"):
        each_way.read(replace(admitted, line_count=3))
    assert list(each_way.scratch.iterdir()) == []


# Files


@pytest.mark.parametrize(
    "name",
    ["g*[1].jsonl", "a?.jsonl", "[ab].jsonl", "quo'te.jsonl", "site=x/new\nline.jsonl", "{a,b}.jsonl", "b\\s.jsonl"],
)
def test_file_names_are_not_patterns(each_way: Ingest, name: str) -> None:
    for other in ("g1.jsonl", "ab.jsonl", "a.jsonl", "b.jsonl"):
        each_way.deliver("other\n", other)
    assert len(each_way.take(json.dumps(EVENT), name).events) == 1
