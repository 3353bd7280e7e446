"""CSV and TSV: a header with the field names, and one record a line, or over several lines within quotes.

DuckDB reads tidy files. Other files (stray bytes, mixed line ends, ragged records, records over several lines) are read
line by line in Python, which gives the same rows. In both cases a record becomes a JSON object of its fields, in the
header's order, so that different quoting gives the same content. If blanks stand before the names of the header, blanks
around values are removed, too. records.py splits lines into records.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import IO

from session_pipeline.engines.sql import literal, quote
from session_pipeline.errors import RefusedFileError
from session_pipeline.ingest.formats.format import NO_LINE, Content, Format, Lines, Row, escaped
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.line_counts import LineCounter, SeparatedLineCounter
from session_pipeline.ingest.formats.records import (
    LONGEST_EVENT_BYTES,
    MOST_COLUMNS,
    Record,
    blanks_of,
    delimiter_of,
    escaped_records,
    is_spaced,
    physical_lines,
    records,
    unquoted_records,
)
from session_pipeline.ingest.sql import query

# DuckDB makes a JSON object of 2,048 lines at once; of so many columns, they fill its memory.
MOST_COLUMNS_OF_DUCKDB = 1_000
# The beginning of a line of Apache or nginx: an address, a time in brackets, and a request in quotes.
LOG_LINE = re.compile(r'\S+ .*\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "')
LONE_CARRIAGE_RETURN = re.compile(r"\r(?!\n)")
# Why a header cannot be used, by the reason for which another line would be quarantined.
UNUSABLE_HEADERS: Mapping[str, str] = {
    "invalid_utf8": "is not text in UTF-8: save the file in this encoding, in Excel as CSV UTF-8",
    "nul_byte": "has a NUL byte; remove it",
    "line_too_long": f"has more than {LONGEST_EVENT_BYTES:,} bytes; shorten it",
    "invalid_csv": "has a quote that is not closed; close it",
}


@dataclass(frozen=True)
class _First:
    """The first record of a file.

    Attributes:
        delimiter: The field separator.
        record: The record; None if the file has none.
        is_header: Whether it is the header.
        is_spaced: Whether it is a header in which blanks stand before a name. Blanks around a value, outside its
            quotes, are then no part of it.
    """

    delimiter: str
    record: Record | None
    is_header: bool
    is_spaced: bool


@dataclass(frozen=True)
class _Header:
    """The names of the columns.

    Attributes:
        first: The first record, which is the header unless the names are from the settings.
        names: The names.
        least_count: Number of fields that a record must have at least.
        can_have_further: Whether a record can have further fields, which are ignored.
    """

    first: _First
    names: Sequence[str]
    least_count: int
    can_have_further: bool


class _Separated(Format):
    """What CSV and TSV have in common."""

    has_header = True
    quoting: str  # the quote character; empty: quotes have no meaning

    def records(
        self, lines: Iterator[bytes], delimiter: str, escape: str | None, *, is_spaced: bool = False
    ) -> Iterator[Record]:
        """Yield the records of some lines; blanks around the fields of a file that is spaced are no part of them."""
        raise NotImplementedError

    def delimiter_of(self, file: IO[bytes]) -> str:
        """Return the field separator of a file for which the settings give none."""
        raise NotImplementedError

    def counter(self, layout: Layout) -> LineCounter:
        """Return a counter that also finds out whether the file is tidy."""
        is_escaped = layout.escape is not None and not self.quoting
        return SeparatedLineCounter(layout.delimiter, is_quoted=bool(self.quoting), is_escaped=is_escaped)

    def counts(self, file: IO[bytes], counter: LineCounter, layout: Layout) -> tuple[int, int]:
        """Count records instead of lines where a record can have several lines. The header is not counted."""
        line_count, blank_count = super().counts(file, counter, layout)
        if counter.has_open_lines:
            first = self._first(file, layout)
            file.seek(0)
            found = self.records(physical_lines(file), first.delimiter, layout.escape, is_spaced=first.is_spaced)
            line_count, blank_count = 0, counter.line_count
            for record in found:
                line_count += 1
                blank_count -= record.line_count
        is_counted = layout.header and not self._first(file, layout).is_header
        return line_count if is_counted else max(line_count - 1, 0), blank_count

    def can_be_divided(self, counter: LineCounter) -> bool:
        """Whether any line end separates records."""
        return counter.is_tidy

    def lines_by_duckdb(self, content: Content) -> Lines | None:
        """Return the records of a tidy file whose records all have the same number of fields."""
        if not content.is_tidy:
            return None
        header = self._header_of(content)
        is_fixed = header.least_count == len(header.names) and not header.can_have_further
        if not is_fixed or len(header.names) > MOST_COLUMNS_OF_DUCKDB:
            return None
        names = header.names
        fields = [f"field_{number}" for number in range(len(names))]
        types = ", ".join(f"{literal(field)}: 'VARCHAR'" for field in fields)
        value = f"trim({{}}, {literal(blanks_of(header.first.delimiter))})" if header.first.is_spaced else "{}"
        select = query(
            "separated_lines",
            pairs=", ".join(
                f"{literal(name)}, nullif({value.format(quote(field))}, '')"
                for name, field in zip(names, fields, strict=True)
            ),
            path=literal(escaped(content.plain_path)),
            types=f"{{{types}}}",
            header=str(header.first.is_header).lower(),
            delimiter=literal(header.first.delimiter),
            quoting=literal(self.quoting),
            longest=LONGEST_EVENT_BYTES,
        )
        return Lines(select, 2 if header.first.is_header else 1, content.line_count)

    def python_rows(self, content: Content) -> Iterator[Row]:
        """Yield a row for every line. Rows of the header, blank lines and continuation lines are empty."""
        header = self._header_of(content)
        with content.plain_path.open("rb") as file:
            lines, escape = physical_lines(file), content.layout.escape
            found = self.records(lines, header.first.delimiter, escape, is_spaced=header.first.is_spaced)
            covered = 0
            if header.first.is_header:
                first = next(found, None)
                if first is None:
                    return
                covered = first.line_number + first.line_count - 1
            yield from repeat(NO_LINE, covered)
            for record in found:
                yield from repeat(NO_LINE, record.line_number - 1 - covered)
                yield _row(record, header)
                yield from repeat(NO_LINE, record.line_count - 1)
                covered = record.line_number + record.line_count - 1

    def stored_lines(self, path: Path) -> str:
        """Return the rows with control characters escaped by json(), as DuckDB's json_object escapes them."""
        line = "if(reason is null, cast(json(line) as varchar), line) as line"
        return f"select {line}, reason, detail from read_parquet({literal(escaped(path))})"

    def _header_of(self, content: Content) -> _Header:
        """Return the column names: from the first line, or from the settings if it is no header.

        A column without a name gets its position as name: column_3. A first line is a header if the settings give no
        names, or if more than half of its fields are these names, in any case: an export of a table has more columns.
        """
        layout = content.layout
        with content.plain_path.open("rb") as file:
            first = self._first(file, layout)
        if not first.is_header:
            return _Header(first, layout.names, layout.least_count, layout.can_have_further)
        names = layout.names_as_asked(_names(first.record))
        return _Header(first, names, len(names), can_have_further=False)

    def _first(self, file: IO[bytes], layout: Layout) -> _First:
        file.seek(0)
        delimiter = layout.delimiter or self.delimiter_of(file)
        file.seek(0)
        record = next(self.records(physical_lines(file), delimiter, layout.escape), None)
        has_blanks = (
            record is not None
            and record.fields is not None
            and is_spaced(record.text, delimiter, is_quoted=bool(self.quoting))
        )
        if has_blanks:
            file.seek(0)
            record = next(self.records(physical_lines(file), delimiter, layout.escape, is_spaced=True), None)
        is_header = not layout.header or _consists_of(record, layout.names)
        return _First(delimiter, record, is_header, is_header and has_blanks)


class Csv(_Separated):
    """Files of separated values with quotes (RFC 4180)."""

    name = "csv"
    endings = (".csv",)
    quoting = '"'

    def records(
        self, lines: Iterator[bytes], delimiter: str, escape: str | None, *, is_spaced: bool = False
    ) -> Iterator[Record]:
        """Yield the records; one can have several lines. The setting `escape` is only for TSV."""
        return records(lines, delimiter, is_spaced=is_spaced)

    def delimiter_of(self, file: IO[bytes]) -> str:
        """Return the separator that splits the header into the most names."""
        return delimiter_of(physical_lines(file))


class Tsv(_Separated):
    """Files of tab-separated values, in which quotes have no meaning (text/tab-separated-values).

    With the setting `escape`, a backslash escapes the next character, as databases write such files.
    """

    name = "tsv"
    endings = (".tsv",)
    quoting = ""

    def records(
        self, lines: Iterator[bytes], delimiter: str, escape: str | None, *, is_spaced: bool = False
    ) -> Iterator[Record]:
        """Yield every non-blank line as a record; with escapes, one can have several lines."""
        found = unquoted_records if escape is None else escaped_records
        return found(lines, delimiter, is_spaced=is_spaced)

    def delimiter_of(self, file: IO[bytes]) -> str:
        """Return a tab."""
        return "\t"

    def other_text(self, lines: Sequence[bytes]) -> str | None:
        """Recognize markup, JSON and CSV."""
        if kind := super().other_text(lines):
            return kind
        is_log = LOG_LINE.match(lines[0].decode(errors="replace"))
        if b"\t" not in lines[0] and not is_log and re.search(rb"[,;]", lines[0]):
            return "separated by commas or semicolons, and not by tabs"
        return None


def _consists_of(first: Record | None, names: Sequence[str]) -> bool:
    fields = {field.lower() for field in first.fields or ()} if first else set()
    return 2 * len(fields.intersection(name.lower() for name in names)) > len(fields)


def _names(header: Record | None) -> list[str]:
    if header is not None and LOG_LINE.match(header.text):
        raise RefusedFileError(
            "its first line is a line of an access log, not a header; if all files of the source are access logs,"
            ' set its format = "access_log"'
        )
    if header is not None and header.reason is not None:
        raise RefusedFileError(f"its header {UNUSABLE_HEADERS[header.reason]}")
    fields = header.fields if header is not None and header.fields is not None else [""]
    if any(LONE_CARRIAGE_RETURN.search(field) for field in fields):
        raise RefusedFileError("its lines end in a carriage return alone; deliver them with line feeds")
    if len(fields) > MOST_COLUMNS:
        raise RefusedFileError(f"its header names {len(fields):,} columns, more than {MOST_COLUMNS:,}; deliver fewer")
    names = [field.strip() or f"column_{number}" for number, field in enumerate(fields, start=1)]
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        fix = "if its first line is data, set header for its source in settings.toml"
        raise RefusedFileError(f"its header names {repeated[0]!r} more than once; {fix}")
    return names


def _row(record: Record, header: _Header) -> Row:
    if record.fields is None:
        return record.text, record.reason, None
    names, fields = header.names, record.fields
    # Surplus delimiters at the end of a line are ignored as well, which DuckDB also accepts.
    if header.can_have_further or not any(fields[len(names) :]):
        fields = fields[: len(names)]
    if not header.least_count <= len(fields) <= len(names):
        return record.text, "ragged_row", f"{len(fields)} fields instead of {len(names)}"
    values = (field or None for field in fields)
    return json.dumps(dict(zip(names, values, strict=False)), ensure_ascii=False), None, None
