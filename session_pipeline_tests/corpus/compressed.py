"""Compressed files: whole, damaged, cut, within each other, and expanding to very much."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Sequence

from session_pipeline.ingest.formats.compression import zstd
from session_pipeline_tests.corpus.inputs import Input, corrupt, flipped, line, lines, refused

MEBIBYTE = 1 << 20


def inputs() -> Sequence[Input]:
    content = lines(50)
    packed = gzip.compress(content, mtime=0)
    frame = zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})
    plain_frame = zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 0})
    block, stream = bz2.compress(content), lzma.compress(content)
    unchecked = lzma.compress(content, check=lzma.CHECK_NONE)
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
        Input("bzip2", "x.jsonl.bz2", block, accepted=50),
        Input("bzip2 of level 1", "x.jsonl.bz2", bz2.compress(content, 1), accepted=50),
        Input("bzip2 of two streams", "x.jsonl.bz2", block + bz2.compress(line()), accepted=51),
        Input("bzip2 of nothing", "x.jsonl.bz2", bz2.compress(b"")),
        Input("bzip2 of nothing, then of lines", "x.jsonl.bz2", bz2.compress(b"") + block, accepted=50),
        Input("xz", "x.jsonl.xz", stream, accepted=50),
        Input("xz without a checksum", "x.jsonl.xz", unchecked, accepted=50),
        Input("xz of two streams", "x.jsonl.xz", stream + lzma.compress(line()), accepted=51),
        Input("xz with padding", "x.jsonl.xz", stream + b"\0" * 8 + lzma.compress(line()) + b"\0" * 4, accepted=51),
        Input("xz of nothing", "x.jsonl.xz", lzma.compress(b"")),
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
        corrupt("an empty file that is called gzip", "x.jsonl.gz", b"", "it is empty"),
        corrupt("plain text that is called gzip", "x.jsonl.gz", content, "it is not gzip"),
        corrupt("gzip that is called plain", "x.jsonl", packed, "it is gzip"),
        corrupt("gzip that is called zstd", "x.jsonl.zst", packed, "it is not zstd"),
        corrupt("gzip within gzip", "x.jsonl.gz", gzip.compress(packed), "gzip within"),
        corrupt("zstd cut in half", "x.jsonl.zst", frame[: len(frame) // 2], "cut short"),
        corrupt("zstd without its last byte", "x.jsonl.zst", frame[:-1], "cut short"),
        corrupt("zstd without a checksum, cut", "x.jsonl.zst", plain_frame[:-1], "cut short"),
        corrupt("zstd with a wrong checksum", "x.jsonl.zst", flipped(frame, -1), "zstd, after"),
        corrupt("zstd with something behind it", "x.jsonl.zst", frame + b"{}{}", "zstd, after"),
        corrupt("an empty file that is called zstd", "x.jsonl.zst", b"", "it is empty"),
        corrupt("zstd that is called gzip", "x.jsonl.gz", frame, "it is not gzip"),
        corrupt("zstd that is called plain", "x.jsonl", frame, "it is zstd"),
        corrupt("bzip2 cut in half", "x.jsonl.bz2", block[: len(block) // 2], "cut short"),
        corrupt("bzip2 without its last byte", "x.jsonl.bz2", block[:-1], "cut short"),
        corrupt("bzip2 with a wrong checksum", "x.jsonl.bz2", flipped(block, -2), "bzip2, after"),
        corrupt("bzip2 with a flipped bit", "x.jsonl.bz2", flipped(block, len(block) // 2), "bzip2, after"),
        corrupt("bzip2 with something behind it", "x.jsonl.bz2", block + b"{}{}", "bzip2, after"),
        corrupt("bzip2 whose second stream is cut", "x.jsonl.bz2", block + block[:-9], "cut short"),
        corrupt("an empty file that is called bzip2", "x.jsonl.bz2", b"", "it is empty"),
        corrupt("plain text that is called bzip2", "x.jsonl.bz2", content, "it is not bzip2"),
        corrupt("bzip2 that is called plain", "x.jsonl", block, "it is bzip2"),
        corrupt("bzip2 within gzip", "x.jsonl.gz", gzip.compress(bz2.compress(content, 3)), "bzip2 within"),
        refused("bzip2 without a format in its name", "x.1", block, "it is bzip2, but its name does not end in .bz2"),
        corrupt("xz cut in half", "x.jsonl.xz", stream[: len(stream) // 2], "cut short"),
        corrupt("xz without its last byte", "x.jsonl.xz", stream[:-1], "cut short"),
        corrupt("xz without a checksum, cut", "x.jsonl.xz", unchecked[:-1], "cut short"),
        corrupt("xz with a wrong checksum", "x.jsonl.xz", flipped(stream, -40), "xz, after"),
        corrupt("xz with a flipped bit", "x.jsonl.xz", flipped(stream, len(stream) // 2), "xz, after"),
        corrupt("xz with something behind it", "x.jsonl.xz", stream + content, "xz, after"),
        corrupt("an empty file that is called xz", "x.jsonl.xz", b"", "it is empty"),
        corrupt("xz that is called bzip2", "x.jsonl.bz2", stream, "it is not bzip2"),
        corrupt("xz that is called plain", "x.jsonl", stream, "it is xz"),
        refused("Parquet compressed again", "x.parquet.xz", stream, "Parquet is compressed within"),
        refused("200 MiB of spaces in gzip", "x.jsonl.gz", _spaces_in_gzip, "it expands to more than"),
        refused("200 MiB of spaces in zstd", "x.jsonl.zst", _spaces_in_zstd, "it expands to more than"),
        refused("200 MiB of spaces in bzip2", "x.jsonl.bz2", _spaces_in_bzip2, "it expands to more than"),
        refused("200 MiB of spaces in xz", "x.jsonl.xz", _spaces_in_xz, "it expands to more than"),
        refused("lines of spaces in gzip", "x.jsonl.gz", _lines_of_spaces_in_gzip, "it expands to more than"),
    ]
    return [*good, *bad]


def _spaces_in_gzip() -> bytes:
    return gzip.compress(b" " * (200 * MEBIBYTE), compresslevel=6, mtime=0)


def _spaces_in_zstd() -> bytes:
    return zstd.compress(b" " * (200 * MEBIBYTE))


def _spaces_in_bzip2() -> bytes:
    return bz2.compress(b" " * MEBIBYTE) * 200


def _spaces_in_xz() -> bytes:
    return lzma.compress(b" " * (200 * MEBIBYTE), preset=0)


def _lines_of_spaces_in_gzip() -> bytes:
    return gzip.compress((b" " * 1023 + b"\n") * (200 * 1024), compresslevel=6, mtime=0)
