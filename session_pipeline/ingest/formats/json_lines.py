"""JSON: one object a line, or lists and objects over several lines, which json_values.py splits into records."""

import re
from collections.abc import Iterator, Sequence
from typing import IO

from session_pipeline.ingest.formats.content import LOOKED_AT_BYTES, MARKUP, MARKUP_KIND
from session_pipeline.ingest.formats.format import Content, Lines, Row, TextLines, row_of_line
from session_pipeline.ingest.formats.json_values import is_document, key_in_text, records_of, records_of_line
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.line_counts import LineCounter
from session_pipeline.ingest.formats.records import is_blank, physical_lines


class JsonLines(TextLines):
    """Files of JSON objects: one a line, in a list, or over several lines."""

    name = "jsonl"
    endings = (".jsonl", ".ndjson", ".json")
    is_nested = True

    def other_text(self, lines: Sequence[bytes]) -> str | None:
        """Recognize markup, and text that is not JSON."""
        if MARKUP.match(lines[0]):
            return MARKUP_KIND
        if not any(re.match(rb"\x1e*(\{|\[\s*(\{|\[|\]|$))", line) for line in lines):
            return "no JSON: none of its first lines is an object"
        return None

    def counter(self, layout: Layout) -> LineCounter:
        """Return a counter that also finds out whether the file has one object a line."""
        return _JsonCounter(layout)

    def counts(self, file: IO[bytes], counter: LineCounter, layout: Layout) -> tuple[int, int]:
        """Count records instead of lines where a line can have several, or a record several lines."""
        if counter.is_tidy:
            return super().counts(file, counter, layout)
        file.seek(0)
        blank_count = record_count = 0
        for record in _records(file, layout):
            if is_blank(record):
                blank_count += 1
            else:
                record_count += 1
        return record_count, blank_count

    def can_be_divided(self, counter: LineCounter) -> bool:
        """Whether any line end separates records: if the file has one object a line."""
        return counter.is_tidy

    def lines_by_duckdb(self, content: Content) -> Lines | None:
        """Return the lines of a file with one object a line."""
        return super().lines_by_duckdb(content) if content.is_tidy else None

    def python_rows(self, content: Content) -> Iterator[Row]:
        """Yield every record, and an empty row for every blank line."""
        if content.is_tidy:
            yield from super().python_rows(content)
            return
        with content.plain_path.open("rb") as file:
            for record in _records(file, content.layout):
                yield row_of_line(record)


class _JsonCounter(LineCounter):
    """Counts lines, unless the file is a document: then a line can be of any length and is not counted."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self._layout = layout
        self._is_document = False
        self._list_name = key_in_text(layout.keys) if layout.keys else b""

    def add(self, chunk: bytes) -> None:
        """Count the lines of the next chunk."""
        if self.byte_count == 0:
            self._is_document = is_document(chunk[:LOOKED_AT_BYTES], self._layout.keys)
            self.is_tidy = not self._is_document
        if self._is_document:
            self.add_bytes(chunk)
        else:
            super().add(chunk)

    def look_closer(self, lines: bytes) -> None:
        """Look for the name of the list of records: a line without it is one record."""
        if self._list_name and self._list_name in lines:
            self.is_tidy = False


def _records(file: IO[bytes], layout: Layout) -> Iterator[bytes]:
    """Yield the records of a file, and its blank lines if it has one JSON value a line."""
    beginning = file.read(LOOKED_AT_BYTES)
    file.seek(0)
    if is_document(beginning, layout.keys):
        yield from records_of(file, layout.keys)
        return
    for line in physical_lines(file):
        if is_blank(line):
            yield line
        else:
            yield from records_of_line(line, layout.keys)
