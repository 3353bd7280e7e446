"""Tests compressed files: damage is found, and they are decompressed in small pieces up to a limit."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.formats import compression
from session_pipeline.ingest.formats.compression import zstd
from session_pipeline_tests.ingesting import EVENT, Ingest


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 100, -1, -4, -5, -8])
def test_truncated_gzip_is_corrupt(ingest: Ingest, length: int) -> None:
    content = gzip.compress(json.dumps(EVENT).encode() * 50)
    with pytest.raises(CorruptFileError):
        ingest.admit(ingest.deliver(content[:length], "a.jsonl.gz"))
    assert list(ingest.scratch.iterdir()) == []


@pytest.mark.parametrize("place", [-1, -5, 20])
def test_gzip_with_flipped_bit_is_corrupt(ingest: Ingest, place: int) -> None:
    content = bytearray(gzip.compress(json.dumps(EVENT).encode() * 50))
    content[place] ^= 1
    with pytest.raises(CorruptFileError, match="gzip"):
        ingest.admit(ingest.deliver(bytes(content), "a.jsonl.gz"))


CHECKSUM = {zstd.CompressionParameter.checksum_flag: 1}
FRAMES = {
    "checksum": zstd.compress(json.dumps(EVENT).encode() * 50 + b"\n", options=CHECKSUM),
    "no checksum": zstd.compress(json.dumps(EVENT).encode() * 50 + b"\n"),
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
