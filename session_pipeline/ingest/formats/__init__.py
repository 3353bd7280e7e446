"""The formats of delivered files, one module each.

A module says how its files are called, recognized, counted and split into lines of JSON. To add a format, write a
module with a subclass of Format and add it to FORMATS. What a line means is decided in read_lines.sql.
"""

import re
from typing import IO

from session_pipeline.ingest.formats.access_log import AccessLog
from session_pipeline.ingest.formats.content import LOOKED_AT_BYTES, are_objects, binary_kind, first_lines
from session_pipeline.ingest.formats.format import Format
from session_pipeline.ingest.formats.json_lines import JsonLines
from session_pipeline.ingest.formats.parquet import Parquet
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.ingest.formats.w3c import W3c

__all__ = [
    "FORMATS",
    "AccessLog",
    "Format",
    "JsonLines",
    "Parquet",
    "W3c",
    "format_named",
    "format_of_content",
    "format_of_file_name",
    "other_kind",
    "preference",
]

# In order of preference between equal readings of one content. A name is tried in this order, too.
FORMATS: tuple[Format, ...] = (Parquet(), JsonLines(), Csv(), Tsv(), AccessLog(), W3c())
DIRECTIVE_LINE = re.compile(rb"#(Version|Software|Fields|Date|Start-Date|End-Date|Remark):")
_BY_NAME = {each.name: each for each in FORMATS}


def format_named(name: str) -> Format:
    """Return the format with a name, as it is in the settings and in the ledger."""
    return _BY_NAME[name]


def format_of_file_name(name: str) -> Format | None:
    """Return the format that a file name gives; None if it gives none.

    Args:
        name: The name in lower case, without the ending of its compression.
    """
    return next((each for each in FORMATS if each.fits_name(name)), None)


def format_of_content(beginning: bytes) -> Format | None:
    """Return the format that the first bytes of a text show for certain: a W3C log, or JSON lines; otherwise None.

    It is only suggested, because files with other endings can be unfinished: events.jsonl.part.
    """
    lines = [] if binary_kind(beginning) else first_lines(beginning)
    if lines and DIRECTIVE_LINE.match(lines[0]):
        return _BY_NAME[W3c.name]
    return _BY_NAME[JsonLines.name] if lines and are_objects(lines) else None


def preference(name: str) -> int:
    """Return the rank of a format between equal readings of one content; 0 is preferred."""
    return FORMATS.index(_BY_NAME[name])


def other_kind(file: IO[bytes], format: str) -> str | None:
    """Return the kind of a file that does not fit the format it is to be read as; None if it may fit.

    Args:
        file: The decompressed content, positioned at its start; the position is restored.
        format: The name of the format to read it as.
    """
    beginning = file.read(LOOKED_AT_BYTES)
    file.seek(0)
    return format_named(format).other_kind(beginning)
