"""Compressed files: whole, damaged, cut, within each other, and expanding to very much."""

import bz2
import gzip
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
        refused("bzip2", "x.jsonl.bz2", bz2.compress(content), "it is bzip2; compress it with gzip or zstd"),
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
