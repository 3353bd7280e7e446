"""Counts the lines of a file while it is hashed, with other code than the reader, so that the ledger has two sides.

reading/read.py interprets the lines.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import IO

from session_pipeline.errors import RefusedFileError
from session_pipeline.ingest.formats.records import (
    BYTE_ORDER_MARK,
    decoded,
    delimiter_of,
    ends_in_escape,
    is_blank,
    is_spaced,
)

CHUNK_BYTES = 4 << 20
LONGEST_LINE_BYTES = 16 << 20
LARGEST_CONTENT_BYTES = 256 << 30
BLANK_LINE = re.compile(rb"\n[ \t\r]*(?=\n)")


class LineCounter:
    """Counts lines chunk by chunk.

    Attributes:
        byte_count: Number of bytes.
        line_count: Number of lines, also blank ones.
        blank_count: Number of blank lines.
        has_open_lines: Whether a line has an odd number of quotes, or ends in an escape, so that a record may have
            several lines.
        is_tidy: Whether DuckDB can number the lines and reads them as Python does.
        unfinished: The start of a line that continues in the next chunk.
    """

    def __init__(self) -> None:
        self.byte_count = 0
        self.line_count = 0
        self.blank_count = 0
        self.has_open_lines = False
        self.is_tidy = True
        self.unfinished = b""

    def add(self, chunk: bytes) -> None:
        """Count the lines of the next chunk."""
        content = chunk.removeprefix(BYTE_ORDER_MARK) if self.byte_count == 0 else chunk
        self.add_bytes(chunk)
        first, last = content.find(b"\n"), content.rfind(b"\n")
        line = self.unfinished + (content if first < 0 else content[:first])
        if len(line) > LONGEST_LINE_BYTES:
            raise RefusedFileError(f"it has a line of more than {LONGEST_LINE_BYTES >> 20} MiB; write one event a line")
        if first < 0:
            self.unfinished = line
            return
        self.line_count += content.count(b"\n")
        self.blank_count += is_blank(line) + len(BLANK_LINE.findall(content, first, last + 1))
        self.look_closer(b"\n" + line + b"\n")
        self.look_closer(content[first : last + 1])
        self.unfinished = content[last + 1 :]

    def finish(self) -> None:
        """Count a last line that has no line end."""
        if self.unfinished:
            self.line_count += 1
            self.blank_count += is_blank(self.unfinished)
        self.look_closer(b"\n" + self.unfinished)

    def add_bytes(self, chunk: bytes) -> None:
        """Count the bytes of the next chunk."""
        self.byte_count += len(chunk)
        if self.byte_count > LARGEST_CONTENT_BYTES:
            raise RefusedFileError(f"it has more than {LARGEST_CONTENT_BYTES >> 30} GiB; deliver it in smaller files")

    def look_closer(self, lines: bytes) -> None:
        """Look for content that DuckDB and Python read differently, in lines that each follow a line end."""


class ByteCounter(LineCounter):
    """Counts bytes only."""

    def add(self, chunk: bytes) -> None:
        """Count the bytes of the next chunk."""
        self.add_bytes(chunk)


class SeparatedLineCounter(LineCounter):
    """Counts lines of separated values, and finds out whether the file is tidy."""

    def __init__(self, delimiter: str | None, *, is_quoted: bool, is_escaped: bool = False) -> None:
        super().__init__()
        self._delimiter = delimiter
        self._is_quoted = is_quoted
        self._is_escaped = is_escaped
        self._is_spaced: bool | None = None  # unknown before the first line

    def finish(self) -> None:
        """Count a last line that has no line end."""
        super().finish()
        self.is_tidy &= not self.blank_count and not self.has_open_lines

    def look_closer(self, lines: bytes) -> None:
        """Look for content that DuckDB and Python read differently."""
        self.is_tidy &= b"\0" not in lines and lines.count(b"\r") == lines.count(b"\r\n")
        if self._is_escaped and b"\\" in lines:
            self.is_tidy = False  # only Python reads escapes
            self.has_open_lines |= any(ends_in_escape(line.removesuffix(b"\r")) for line in lines.split(b"\n"))
        if not self._is_quoted:
            return
        if self._delimiter is None and lines.strip():
            self._delimiter = delimiter_of(lines.split(b"\n"))
        if self._is_spaced is None and self._delimiter is not None and lines.strip():
            header, _ = decoded(lines.strip(b"\r\n").split(b"\n", 1)[0])
            self._is_spaced = is_spaced(header, self._delimiter, is_quoted=True)
        if b'"' not in lines:
            return
        # DuckDB does not say whether a value was quoted, so only Python can remove blanks outside quotes.
        self.is_tidy &= not self._is_spaced
        if not self.has_open_lines:
            self.has_open_lines = any(line.count(b'"') % 2 for line in lines.split(b"\n"))
        if self.is_tidy and (b'" ' in lines or b' "' in lines):
            # DuckDB sometimes trims spaces around quotes. Within quoted fields they are harmless: remove such fields.
            border = re.escape(str(self._delimiter)).encode()
            quoted = rb'(?<=[\n%s])"[^"]*(?:""[^"]*)*"(?=[\r\n%s]|\Z)' % (border, border)
            self.is_tidy = b'"' not in re.sub(quoted, b"", lines)


def look_through(
    file: IO[bytes], counter: LineCounter, on_chunk: Callable[[LineCounter], None] = lambda counter: None
) -> str:
    """Hash the content while its lines are counted in a separate thread, and call `on_chunk` after each large chunk."""
    chunk = file.read(CHUNK_BYTES)
    digest = sha256()
    if len(chunk) < CHUNK_BYTES:  # for a small file, a thread costs more than it saves
        digest.update(chunk)
        counter.add(chunk)
        chunk = file.read(CHUNK_BYTES)
    if chunk:
        with ThreadPoolExecutor(1) as other_thread:
            while chunk:
                # Counting keeps Python's lock. In the other thread, hashing would wait for it; here, it gives it up.
                counted = other_thread.submit(counter.add, chunk)
                digest.update(chunk)
                chunk = file.read(CHUNK_BYTES)
                counted.result()
                on_chunk(counter)
    counter.finish()
    return digest.hexdigest()
