"""What a format says about its files, so that the rest of ingest needs no knowledge of formats.

Each format is a module of this folder. mapping/given_lines.py maps the fields of its lines to columns.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats.content import binary_kind, first_lines, json_kind
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.line_counts import LineCounter
from session_pipeline.ingest.formats.records import LONGEST_EVENT_BYTES, decoded, is_blank, physical_lines
from session_pipeline.ingest.sql import query

if TYPE_CHECKING:
    from session_pipeline.ingest.mapping.rules import ReadingRules

Row = tuple[str | None, str | None, str | None]
NO_LINE: Row = (None, None, None)


class Content(Protocol):
    """The decompressed content of an admitted file. Its attributes are explained in admit.Admitted."""

    @property
    def plain_path(self) -> Path:
        """The file with the content."""

    @property
    def line_count(self) -> int:
        """Lines that should contain an event."""

    @property
    def blank_line_count(self) -> int:
        """Blank lines."""

    @property
    def is_tidy(self) -> bool:
        """Whether DuckDB can number the lines."""

    @property
    def layout(self) -> Layout:
        """How it is split into records."""


@dataclass(frozen=True)
class Lines:
    """A SELECT of (line, reason, detail), in the file's order.

    Attributes:
        select: The SELECT.
        first_line_number: Line number of its first row.
        row_count: Number of rows that it must return to be trusted; None if no check is needed.
    """

    select: str
    first_line_number: int
    row_count: int | None


class Format(ABC):
    """A source format.

    Attributes:
        name: Its name in the settings and in the ledger.
        endings: Endings of its files' names.
        has_header: Whether the first line contains the field names.
        is_nested: Whether fields can be nested. A dot in a field name of the settings then separates keys.
        has_own_visitors: Whether the format itself derives the visitor ids, with the key.
        is_decoded_by_pyarrow: Whether pyarrow verifies a file, so that an error of DuckDB means a damaged file.
    """

    name: str
    endings: tuple[str, ...] = ()
    has_header = False
    is_nested = False
    has_own_visitors = False
    is_decoded_by_pyarrow = False

    def fits_name(self, name: str) -> bool:
        """Whether a name in lower case, without the ending of its compression, is a name of this format."""
        stem, dot, ending = name.rpartition(".")
        return bool(stem) and f"{dot}{ending}" in self.endings

    def other_kind(self, beginning: bytes) -> str | None:
        """Return the kind of a content that is not of this format, from its first bytes; None if it may be."""
        if kind := binary_kind(beginning):
            return kind
        lines = first_lines(beginning)
        return self.other_text(lines) if lines else None

    def other_text(self, lines: Sequence[bytes]) -> str | None:
        """Return the kind of a text that is not of this format, from its first non-blank lines; None if it may be."""
        return json_kind(lines)

    def counter(self, layout: Layout) -> LineCounter:
        """Return what counts the lines while the file is hashed."""
        return LineCounter()

    def counts(self, file: IO[bytes], counter: LineCounter, layout: Layout) -> tuple[int, int]:
        """Return the number of lines that should contain an event, and the number of blank lines.

        Args:
            file: The content, at any position.
            counter: The format's counter, after all of the content.
            layout: How the settings split the content into records.

        Raises:
            CorruptFileError: It cannot be split into records.
            RefusedFileError: It has a record that is too long.
        """
        return counter.line_count - counter.blank_count, counter.blank_count

    def can_be_divided(self, counter: LineCounter) -> bool:
        """Whether any line end of a file separates events, so that several tasks can read it."""
        return False

    @abstractmethod
    def lines_by_duckdb(self, content: Content) -> Lines | None:
        """Return the lines as DuckDB reads them; None if DuckDB cannot number them.

        If DuckDB cannot read the file, the SELECT raises an InvalidInputException when it runs.

        Raises:
            RefusedFileError: Its header cannot be used.
        """

    @abstractmethod
    def python_rows(self, content: Content) -> Iterator[Row]:
        """Yield the same rows as lines_by_duckdb, one for every physical line, for any admitted file.

        Raises:
            RefusedFileError: Its header cannot be used.
        """

    def stored_lines(self, path: Path) -> str:
        """Return a SELECT of (line, reason, detail) from a Parquet file of rows that python_rows gave."""
        return f"select line, reason, detail from read_parquet({literal(escaped(path))})"

    def as_json(self, lines: str, rules: "ReadingRules") -> str:
        """Return a SELECT of (line, reason, detail) that converts the lines of another such SELECT to JSON."""
        return lines

    def origins(self, rules: "ReadingRules") -> dict[str, str]:
        """Return the origin of each column that the format itself derives, by column name."""
        return {}


class TextLines(Format):
    """A format in which every physical line is read as it is."""

    def can_be_divided(self, counter: LineCounter) -> bool:
        """Whether any line end separates events: always."""
        return True

    def lines_by_duckdb(self, content: Content) -> Lines | None:
        """Return the lines as DuckDB reads them; None if it would drop NULs at the end of the file."""
        if ends_in_nul(content.plain_path):
            return None
        select = query("text_lines", path=literal(escaped(content.plain_path)), longest=LONGEST_EVENT_BYTES)
        return Lines(select, 1, content.line_count + content.blank_line_count)

    def python_rows(self, content: Content) -> Iterator[Row]:
        """Yield every physical line."""
        with content.plain_path.open("rb") as file:
            for line in physical_lines(file):
                yield row_of_line(line)


def row_of_line(line: bytes) -> Row:
    """Return the row of a line. A blank line is counted as blank, however long it is."""
    text, reason = decoded(line)
    return NO_LINE if reason and is_blank(line) else (text or None, reason, None)


def ends_in_nul(path: Path) -> bool:
    """Whether the last byte of a file is a NUL."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read(1) == b"\0"


def escaped(path: Path) -> str:
    """Escape a path so that DuckDB does not read it as a glob pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
