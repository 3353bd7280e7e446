"""Tests compressed files: damage is found, and they are decompressed in small pieces up to a limit."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zlib
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


EACH: list[tuple[Callable[[bytes], bytes], str]] = [
    (gzip.compress, ".gz"),
    (zstd.compress, ".zst"),
    (bz2.compress, ".bz2"),
    (lzma.compress, ".xz"),
]
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
        with pytest.raises(CorruptFileError, match=r"zstd|it is empty"):
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


@pytest.mark.parametrize(("compress", "ending"), EACH)
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
    for compress, _ in EACH:
        with pytest.raises(CorruptFileError, match="its name does not end in"):
            ingest.admit(ingest.deliver(compress(b"{}\n"), "a.jsonl"))


STREAMS = {
    "a.jsonl.bz2": (bz2.compress(json.dumps(EVENT).encode() * 50 + b"\n"), bz2.compress(b"{}\n")),
    "a.jsonl.xz": (lzma.compress(json.dumps(EVENT).encode() * 50 + b"\n"), lzma.compress(b"{}\n")),
}


@pytest.mark.parametrize("name", STREAMS)
def test_bzip2_or_xz_cut_inside_a_stream_is_corrupt(ingest: Ingest, name: str) -> None:
    first, second = STREAMS[name]
    whole = ingest.admit(ingest.deliver(first + second, name))
    assert (whole.line_count, whole.plain_path.read_bytes()[-3:]) == (2, b"{}\n")
    whole.discard()
    for length in {*range(len(first + second))} - {len(first)}:
        with pytest.raises(CorruptFileError, match=r"cut short|it is not|it is empty"):
            ingest.admit(ingest.deliver((first + second)[:length], name))
    assert list(ingest.scratch.iterdir()) == []


@pytest.mark.parametrize("name", STREAMS)
def test_bzip2_or_xz_with_any_flipped_bit_is_corrupt(ingest: Ingest, name: str) -> None:
    content = STREAMS[name][0]
    whole = ingest.admit(ingest.deliver(content, name))
    accepted = []
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        try:
            accepted.append(ingest.admit(ingest.deliver(bytes(changed), name)))
        except CorruptFileError:
            continue
    # A few bits of bzip2 have no meaning: unused tables, the level, and what fills the last byte.
    assert len(accepted) < 30
    assert {each.file_id for each in accepted} <= {whole.file_id}


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_same_content_in_bzip2_or_xz_is_the_same_file(ingest: Ingest, compress: Callable[[bytes], bytes]) -> None:
    content = json.dumps(EVENT).encode() + b"\n"
    ending = {bz2.compress: ".bz2", lzma.compress: ".xz"}[compress]
    packed = ingest.admit(ingest.deliver(compress(content), f"b.jsonl{ending}"))
    assert packed.file_id == ingest.admit(ingest.deliver(content, "a.jsonl")).file_id
    assert packed.plain_path.read_bytes() == content


@pytest.mark.parametrize(
    "compress", [bz2.compress, pytest.param(lzma.compress, marks=pytest.mark.long)], ids=["bzip2", "xz"]
)
def test_python_without_bz2_or_lzma_says_that_it_cannot_read_such_a_file(compress: Callable[[bytes], bytes]) -> None:
    program = (
        "import sys; sys.modules['_bz2'] = sys.modules['_lzma'] = None;"
        " from session_pipeline.ingest.formats.content import binary_kind; print(binary_kind(sys.stdin.buffer.read()))"
    )
    shown = subprocess.run([sys.executable, "-c", program], input=compress(b"{}"), capture_output=True, check=True)
    assert b"this Python was built without" in shown.stdout


def with_dictionary(content: bytes, code: int) -> bytes:
    """Return a stream of xz whose header asks for a dictionary of another size: 38 is 2 GiB, 32 is 256 MiB."""
    length = (content[12] + 1) * 4
    header = bytearray(content[12 : 12 + length])
    assert header[2:4] == b"\x21\x01"  # LZMA2, with one byte: the size of the dictionary
    header[4] = code
    header[-4:] = zlib.crc32(header[:-4]).to_bytes(4, "little")
    return content[:12] + bytes(header) + content[12 + length :]


def test_xz_that_needs_too_much_memory_is_corrupt(ingest: Ingest) -> None:
    content = lzma.compress(b"{}\n")
    largest = ingest.admit(ingest.deliver(with_dictionary(content, 30), "a.jsonl.xz"))  # 128 MiB
    assert largest.line_count == 1
    for code in (31, 32, 38):
        with pytest.raises(CorruptFileError, match="xz, after 0 bytes: Memory usage limit exceeded"):
            ingest.admit(ingest.deliver(with_dictionary(content, code), "a.jsonl.xz"))


@pytest.mark.parametrize(("compress", "ending"), EACH)
def test_extreme_expansion_is_refused(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes], ending: str
) -> None:
    monkeypatch.setattr(compression, "EXPANSION_FREE_BYTES", 1 << 20)
    path = ingest.deliver(compress(b" " * (8 << 20)), f"a.jsonl{ending}")
    with pytest.raises(RefusedFileError, match="expands"):
        ingest.admit(path)
