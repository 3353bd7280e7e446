"""Physical lines of a delivered file, and the CSV records that they hold.

Knows bytes, UTF-8 and quotes. Does not know columns; and only files that DuckDB cannot read as they are come this way.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

LONGEST_EVENT_BYTES = 256 << 10
MOST_LINES_OF_A_RECORD = 1000
MOST_COLUMNS = 5000  # a query names each of them, and DuckDB plans it in the square of their number
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANK = b" \t\r"
DELIMITERS = ",;\t|"

csv.field_size_limit(LONGEST_EVENT_BYTES)  # a field may be as long as a line, as it is for DuckDB


class Record(NamedTuple):
    """A CSV record: where it begins, over how many lines it goes, and its fields, or why it has none."""

    line_number: int
    line_count: int
    text: str
    fields: list[str] | None
    reason: str | None


def physical_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Every line, without its line end and without the file's byte order mark."""
    for number, line in enumerate(file):
        if number == 0:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if line or number:
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def is_blank(line: bytes) -> bool:
    """Whether a line has nothing but spaces and tabs."""
    return not line.strip(BLANK)


def decoded(line: bytes) -> tuple[str, str | None]:
    """The text of a line, and why it is to be set aside, if it is."""
    if len(line) > LONGEST_EVENT_BYTES:
        return line[:LONGEST_EVENT_BYTES].decode(errors="replace"), "line_too_long"
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return line.decode(errors="replace"), "invalid_utf8"
    return text, "nul_byte" if "\0" in text else None


def delimiter_of(lines: Iterable[bytes]) -> str:
    """The delimiter that gives the header the most names; a comma when none gives two."""
    arriving = iter(lines)
    line = next((line for line in arriving if not is_blank(line)), b"")
    following = _following(line, deque(), arriving) if line.count(b'"') % 2 else []
    text, _ = decoded(b"\n".join([line, *following]))
    return max(DELIMITERS, key=lambda delimiter: len(split_record(text, delimiter) or ()))


def split_record(text: str, delimiter: str) -> list[str] | None:
    """The fields of one CSV record; None when its quotes are not as RFC 4180 has them."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def unquoted_records(lines: Iterable[bytes], delimiter: str) -> Iterator[Record]:
    """Every line that is not blank, as a record; quotes mean nothing (text/tab-separated-values)."""
    for number, line in enumerate(lines, start=1):
        if not is_blank(line):
            text, reason = decoded(line)
            yield Record(number, 1, text, None if reason else text.split(delimiter), reason)


def records(lines: Iterable[bytes], delimiter: str) -> Iterator[Record]:
    """Every record that is not blank.

    A record goes on on the next line while its quotes are odd in number. Where that leads nowhere, because a quote was
    never closed, only the line with that quote is set aside, and reading goes on behind it.
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
    """The lines up to the next one with an odd number of quotes; none when it is too far away."""
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
