"""Splits a delivered file into physical lines, and lines into CSV records.

Handles bytes, UTF-8 and quotes; formats/separated.py handles columns. Used for counting, for headers, and for the files
that DuckDB cannot read or that are read together.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

LONGEST_EVENT_BYTES = 256 << 10
MOST_LINES_OF_A_RECORD = 1000
MOST_COLUMNS = 5000  # a query names each column, and DuckDB's planning time grows with the square of their number
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANK = b" \t\r"
DELIMITERS = ",;\t|"

csv.field_size_limit(LONGEST_EVENT_BYTES)  # a field may be as long as a line, as in DuckDB


class Record(NamedTuple):
    """A CSV record.

    Attributes:
        line_number: Number of its first line.
        line_count: Number of lines it covers.
        text: Its text.
        fields: Its fields; None if it cannot be split.
        reason: Why it has no fields; None if it has.
    """

    line_number: int
    line_count: int
    text: str
    fields: list[str] | None
    reason: str | None


def physical_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield every line, without its line end and without the file's byte order mark."""
    for number, line in enumerate(file):
        if number == 0:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if line or number:
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def is_blank(line: bytes) -> bool:
    """Whether a line contains only spaces, tabs and carriage returns."""
    return not line.strip(BLANK)


def decoded(line: bytes) -> tuple[str, str | None]:
    """Return the text of a line, and the reason to quarantine it, or None."""
    if len(line) > LONGEST_EVENT_BYTES:
        return line[:LONGEST_EVENT_BYTES].decode(errors="replace"), "line_too_long"
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return line.decode(errors="replace"), "invalid_utf8"
    return text, "nul_byte" if "\0" in text else None


def delimiter_of(lines: Iterable[bytes]) -> str:
    """Return the delimiter that splits the header into the most names; a comma if none gives at least two."""
    arriving = iter(lines)
    line = next((line for line in arriving if not is_blank(line)), b"")
    following = _following(line, deque(), arriving) if line.count(b'"') % 2 else []
    text, _ = decoded(b"\n".join([line, *following]))
    return max(DELIMITERS, key=lambda delimiter: len(split_record(text, delimiter) or ()))


def split_record(text: str, delimiter: str) -> list[str] | None:
    """Return the fields of one CSV record; None if its quotes do not follow RFC 4180."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def unquoted_records(lines: Iterable[bytes], delimiter: str) -> Iterator[Record]:
    """Yield every non-blank line as a record. Quotes have no meaning (text/tab-separated-values)."""
    for number, line in enumerate(lines, start=1):
        if not is_blank(line):
            text, reason = decoded(line)
            yield Record(number, 1, text, None if reason else text.split(delimiter), reason)


def records(lines: Iterable[bytes], delimiter: str) -> Iterator[Record]:
    """Yield every record that is not blank.

    A record continues on the next line while its number of quotes is odd. If this gives no valid record because a quote
    is never closed, only the line with that quote is quarantined, and reading continues after it.
    """
    arriving = iter(lines)
    ahead: deque[bytes] = deque()
    number = 0
    while True:
        line = ahead.popleft() if ahead else next(arriving, None)
        if line is None:
            return
        number += 1
        if is_blank(line):
            continue
        text, reason = decoded(line)
        if reason is not None:
            yield Record(number, 1, text, None, reason)
            continue
        following = _following(line, ahead, arriving) if line.count(b'"') % 2 else []
        if following:
            joined, reason = decoded(b"\n".join([line, *following]))
            fields = split_record(joined, delimiter) if reason is None else None
            if fields is not None:
                for _ in following:
                    ahead.popleft()
                yield Record(number, 1 + len(following), joined, fields, None)
                number += len(following)
                continue
        fields = split_record(text, delimiter)
        yield Record(number, 1, text, fields, "invalid_csv" if fields is None else None)


def _following(line: bytes, ahead: deque[bytes], arriving: Iterator[bytes]) -> list[bytes]:
    """Return the lines up to the next one with an odd number of quotes; empty if that is too far away."""
    following: list[bytes] = []
    size = len(line)
    while len(following) < MOST_LINES_OF_A_RECORD:
        if len(following) == len(ahead):
            arrived = next(arriving, None)
            if arrived is None:
                return []
            ahead.append(arrived)
        following.append(ahead[len(following)])
        size += len(following[-1]) + 1
        if size > LONGEST_EVENT_BYTES:
            return []
        if following[-1].count(b'"') % 2:
            return following
    return []
