"""Recognizes the kind of a content by its first bytes: pictures, archives, other encodings, markup, JSON.

A file of another kind than its format is rejected as a whole. Otherwise all of its lines would be quarantined, without
a useful reason. A file of the right kind with invalid lines is accepted; read_lines.sql quarantines the lines.
"""

import json
import re
from collections.abc import Sequence

from session_pipeline.ingest.formats.compression import BZIP2_STREAMS, COMPRESSIONS
from session_pipeline.ingest.formats.records import BYTE_ORDER_MARK, is_blank

LOOKED_AT_BYTES = 64 << 10
LOOKED_AT_LINES = 100
MOST_NULS = 0.1  # share of the bytes examined; about half in UTF-16 text, all in a preallocated file never written to

# First bytes of files that cannot be event lines, each with the kind of file.
MAGIC: Sequence[tuple[bytes, str]] = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV"),
    (b"PK\x05\x06", "a ZIP archive without files"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Office document; save the sheet as CSV"),
    (b"SQLite format 3\0", "an SQLite database; export the events as Parquet or JSON lines"),
    (b"\x7fELF", "a program"),
    (b"PAR1", "Parquet"),
    (b"PARE", "encrypted Parquet; deliver it decrypted"),
    (b"ARROW1\0\0", "an Arrow file; write it as Parquet"),
    (b"Obj\x01", "an Avro file; write it as Parquet or JSON lines"),
    *((magic, f"{each.name} within") for each in COMPRESSIONS for magic in each.magic),
    *(
        (magic, "bzip2, and this Python was built without bz2; compress it with gzip or zstd")
        for magic in BZIP2_STREAMS
    ),
    (b"\xfd7zXZ\0", "xz, and this Python was built without lzma; compress it with gzip or zstd"),
    (b"\xff\xfe\0\0", "text in UTF-32; deliver it in UTF-8"),  # before UTF-16, because its first two bytes are equal
    (b"\0\0\xfe\xff", "text in UTF-32; deliver it in UTF-8"),
    (b"\xff\xfe", "text in UTF-16; deliver it in UTF-8"),
    (b"\xfe\xff", "text in UTF-16; deliver it in UTF-8"),
)
TAR_AT, TAR = 257, b"ustar"
ORC = re.compile(rb"ORC\n?[\x00-\x08\x0b\x0c\x0e-\x1f]")  # text can begin with these letters, too
BINARY_DATA = "binary data"  # of a kind that is not known
# First bytes of ASCII text in UTF-16 and UTF-32 without a byte order mark.
WIDE_TEXT: Sequence[tuple[re.Pattern[bytes], str]] = (
    (re.compile(rb"(?:[\x09-\x7e]\0\0\0){4}|(?:\0\0\0[\x09-\x7e]){4}"), "text in UTF-32; deliver it in UTF-8"),
    (re.compile(rb"(?:[\x09-\x7e]\0){4}|(?:\0[\x09-\x7e]){4}"), "text in UTF-16; deliver it in UTF-8"),
)
MARKUP = re.compile(rb"<(!doctype|\?xml|(html|head|body|svg|rss|feed)[\s>])", re.IGNORECASE)
MARKUP_KIND = "HTML or XML"


def binary_kind(beginning: bytes) -> str | None:
    """Return the kind of a file that is not text in UTF-8, from its first bytes; None if it may be text."""
    for magic, kind in MAGIC:
        if beginning.startswith(magic):
            return kind
    if beginning[TAR_AT:].startswith(TAR):
        return "a tar archive; unpack it"
    if ORC.match(beginning):
        return "an ORC file; write it as Parquet or JSON lines"
    text = beginning.rstrip(b"\0")
    # A log that was preallocated, or open during a power failure, ends in NULs; its lines before them are read.
    looked_at = text if b"\n" in text else beginning
    if looked_at.count(b"\0") > MOST_NULS * len(looked_at):
        return next((kind for pattern, kind in WIDE_TEXT if pattern.match(beginning)), BINARY_DATA)
    return None


def first_lines(beginning: bytes) -> list[bytes]:
    """Return the first lines that are not blank. The last one may be incomplete."""
    lines = beginning.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    return [line.strip() for line in lines if not is_blank(line)][:LOOKED_AT_LINES]


def json_kind(lines: Sequence[bytes]) -> str | None:
    """Return what markup or JSON is called in a file of another format; None if the lines are neither."""
    if MARKUP.match(lines[0]):
        return MARKUP_KIND
    if are_objects(lines):
        return 'JSON; if all files of the source are, set its format = "jsonl"'
    return None


def are_objects(lines: Sequence[bytes]) -> bool:
    """Whether lines are JSON objects, one a line."""
    return _is_object(lines[0]) or all(line.startswith(b"{") for line in lines)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
