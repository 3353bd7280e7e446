"""Divides the lines of a large plain file into ranges, so that several tasks can read them.

The borders are found while the file is hashed and its lines are counted (formats/line_counts.py), so each range knows
the number of its first line. reading/tasks.py reads the ranges.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from session_pipeline.ingest.formats.line_counts import LineCounter
from session_pipeline.ingest.formats.records import BYTE_ORDER_MARK

BYTES_OF_RANGE = 512 << 20
COPIED_BYTES = 4 << 20


@dataclass(frozen=True)
class LineRange:
    """Consecutive whole lines of a file.

    Attributes:
        start: Position of its first byte.
        end: Position after its last byte.
        first_line_number: Number of its first line that should contain an event.
        line_count: Lines that should contain an event.
        blank_line_count: Blank lines.
    """

    start: int
    end: int
    first_line_number: int
    line_count: int
    blank_line_count: int


class Borders:
    """The places at which a file can be divided, collected while its lines are counted."""

    def __init__(self, bytes_of_range: int) -> None:
        """Start without borders.

        Args:
            bytes_of_range: The least size of a range.
        """
        self._bytes_of_range = bytes_of_range
        self._found = [(0, 0, 0)]  # position, lines before it, blank lines before it

    def look(self, counter: LineCounter) -> None:
        """Make a border before the unfinished line, if the last border is far enough away."""
        rest = counter.unfinished
        position = counter.byte_count - len(rest)
        if position - self._found[-1][0] < self._bytes_of_range:
            return
        # A byte order mark within a file is part of a line, but at the start of a copy it would be removed.
        if len(rest) < len(BYTE_ORDER_MARK) or rest.startswith(BYTE_ORDER_MARK):
            return
        self._found.append((position, counter.line_count, counter.blank_count))

    def ranges(self, counter: LineCounter, *, has_header: bool) -> tuple[LineRange, ...]:
        """Return the ranges of a file that is counted to its end."""
        ends = [*self._found[1:], (counter.byte_count, counter.line_count, counter.blank_count)]
        return tuple(
            LineRange(
                start,
                end,
                lines_before + 1 + (has_header and not start),
                (lines - lines_before) - (blanks - blanks_before) - (has_header and not start),
                blanks - blanks_before,
            )
            for (start, lines_before, blanks_before), (end, lines, blanks) in zip(self._found, ends, strict=True)
        )


def copy_range(source: Path, lines: LineRange, target: Path, *, has_header: bool) -> None:
    """Copy the lines of a range to a new file that only its owner can read, after the file's header if it has one."""
    with source.open("rb") as file, open(target, "xb", opener=_private) as copy:
        if has_header and lines.start:
            copy.write(file.readline())
        file.seek(lines.start)
        remaining = lines.end - lines.start
        while chunk := file.read(min(COPIED_BYTES, remaining)):
            copy.write(chunk)
            remaining -= len(chunk)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
