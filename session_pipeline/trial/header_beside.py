"""Finds the header of a CSV or TSV in a file next to it. Adobe Analytics delivers hit_data.tsv with column_headers.tsv.

try_file.py tries the keys that follow from it.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from session_pipeline.errors import RefusedFileError
from session_pipeline.ingest.admission.admit import beginning_of
from session_pipeline.ingest.admission.file_names import kind_of
from session_pipeline.ingest.admission.recognition import MOST_LINES, preset_of
from session_pipeline.ingest.formats.content import LOOKED_AT_BYTES
from session_pipeline.ingest.formats.records import (
    Record,
    delimiter_of,
    escaped_records,
    is_blank,
    physical_lines,
    records,
    unquoted_records,
)
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.settings.sources import MOST_HEADER_NAMES

WORD = "header"  # in the names of such files
MOST_FILES = 20
Split = Callable[[Iterator[bytes], str], Iterator[Record]]


def keys_of_header_beside(file: Path) -> dict[str, Any]:
    """Return the keys for a CSV or TSV whose header is a file next to it; empty if there is none that fits.

    A header is the only line of a file of the same format with `header` in its name. It fits if its names differ and
    are as many as the fields of the first line. The preset is that of the first lines with these names.
    """
    lines = _first_lines(file)[:MOST_LINES]
    format = _format_of(file)
    if not lines or format not in (Csv.name, Tsv.name):
        return {}
    delimiter = "\t" if format == Tsv.name else delimiter_of(lines)
    ways: tuple[Split, ...] = (records,) if format == Csv.name else (unquoted_records, escaped_records)
    for names in _headers(file, format, delimiter):
        found = [_rows(lines, delimiter, len(names), split) for split in ways]
        fitting, _, split = min(
            ((rows, unfit_count, split) for (rows, unfit_count), split in zip(found, ways, strict=True) if rows),
            key=lambda each: each[1],  # a line with an escaped tab or line end fits only with escapes
            default=([], 0, records),
        )
        if not fitting or names in fitting:
            continue
        if preset := preset_of(dict(zip(names, row, strict=True)) for row in fitting):
            return {"preset": preset, "header": names}
        return {"header": names, **({"escape": "\\"} if split is escaped_records else {})}
    return {}


def _rows(lines: list[bytes], delimiter: str, count: int, split: Split) -> tuple[list[list[str]], int]:
    """Return the lines that have a number of fields, and how many have another; none if the first has another."""
    rows = [found.fields or [] for found in split(iter(lines), delimiter)]
    fitting = [row for row in rows if len(row) == count]
    return fitting if rows and len(rows[0]) == count else [], len(rows) - len(fitting)


def _headers(file: Path, format: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the names in the headers of other files in the folder of a file."""
    beside = sorted(path for path in file.parent.glob(f"*{WORD}*") if path.name != file.name and path.is_file())
    for path in beside[:MOST_FILES]:
        lines = _first_lines(path)
        if _format_of(path) != format or len(lines) != 1 or len(beginning_of(path)) == LOOKED_AT_BYTES:
            continue
        names = [name.strip() for found in records(iter(lines), delimiter) for name in found.fields or ()]
        if all(names) and 1 < len(set(names)) == len(names) <= MOST_HEADER_NAMES:
            yield names


def _first_lines(path: Path) -> list[bytes]:
    """Return the first lines that are complete and not blank, with the tabs at their ends."""
    beginning = beginning_of(path)
    lines = list(physical_lines(BytesIO(beginning)))
    return [line for line in (lines[:-1] if len(beginning) == LOOKED_AT_BYTES else lines) if not is_blank(line)]


def _format_of(path: Path) -> str | None:
    try:
        return kind_of(str(path), None)[0]
    except RefusedFileError:
        return None
