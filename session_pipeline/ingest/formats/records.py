"""Splits a delivered file into physical lines, and lines into CSV records.

Handles bytes, UTF-8 and quotes; formats/separated.py handles columns. Used for counting, for headers, and for the files
that DuckDB cannot read or that are read together.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from typing import IO, NamedTuple

LONGEST_EVENT_BYTES = 256 << 10
MOST_LINES_OF_A_RECORD = 1000
MOST_COLUMNS = 5000  # a query names each column, and DuckDB's planning time grows with the square of their number
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BLANK = b" \t\r"
DELIMITERS = ",;\t|"
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# Other characters stand for themselves. Text cannot have a NUL, so \0 stays as it is.
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\\0"}
NO_ESCAPED_VALUE = "\\N"

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


def blanks_of(delimiter: str) -> str:
    """Return the blanks that can stand around the fields of a file."""
    return " \t".replace(delimiter, "")


def is_spaced(header: str, delimiter: str, *, is_quoted: bool) -> bool:
    """Whether a name of a header begins with a blank that is not quoted, as in `a, b`.

    Blanks around the values of such a file are no part of them.
    """
    if not is_quoted or '"' not in header:
        blanks = blanks_of(delimiter)
        return any(name.strip() and name[0] in blanks for name in header.split(delimiter))
    fields = _spaced_fields(header, delimiter) or ()
    return any(found["blanks"] and (found["quoted"] or (found["plain"] or "").strip()) for found in fields)


def split_record(text: str, delimiter: str, *, is_spaced: bool = False) -> list[str] | None:
    """Return the fields of one CSV record; None if its quotes do not follow RFC 4180.

    Args:
        text: The record.
        delimiter: The field separator.
        is_spaced: Whether blanks around a field, outside its quotes, are no part of it.
    """
    if is_spaced:
        blanks = blanks_of(delimiter)
        if '"' not in text:
            return [field.strip(blanks) for field in text.split(delimiter)]
        if (fields := _spaced_fields(text, delimiter)) is None:
            return None
        return [
            found["plain"].strip(blanks) if found["quoted"] is None else found["quoted"].replace('""', '"')
            for found in fields
        ]
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _spaced_fields(text: str, delimiter: str) -> list[re.Match[str]] | None:
    """Return the fields of one CSV record with blanks around them; None if one is neither quoted nor without quotes.

    A quote within a field that does not begin with one has no meaning, as without blanks.
    """
    pattern, place = _spaced_field(delimiter), 0
    fields: list[re.Match[str]] = []
    while not fields or fields[-1]["end"]:
        found = pattern.match(text, place)
        if found is None:
            return None
        fields.append(found)
        place = found.end()
    return fields


@cache
def _spaced_field(delimiter: str) -> re.Pattern[str]:
    blanks, border = f"[{blanks_of(delimiter)}]*+", re.escape(delimiter)
    quoted = rf'"(?P<quoted>[^"]*(?:""[^"]*)*)"{blanks}'
    return re.compile(rf'(?P<blanks>{blanks})(?:{quoted}|(?P<plain>(?!")[^{border}\r\n]*))(?P<end>{border}|\Z)')


def escaped_records(lines: Iterable[bytes], delimiter: str, *, is_spaced: bool = False) -> Iterator[Record]:
    r"""Yield every record that is not blank. Quotes have no meaning, and a backslash escapes the next character.

    An escaped line end, delimiter or backslash is part of the value, and \t, \n, \r, \b, \f and \v are control
    characters. A field that is only \N has no value.
    """
    blanks = blanks_of(delimiter)
    arriving = iter(lines)
    number = 0
    for line in arriving:
        number += 1
        if is_blank(line):
            continue
        parts, size = [line], len(line)
        while ends_in_escape(parts[-1]) and size <= LONGEST_EVENT_BYTES and len(parts) < MOST_LINES_OF_A_RECORD:
            following = next(arriving, None)
            if following is None:
                break
            parts.append(following)
            size += len(following) + 1
        text, reason = decoded(b"\n".join(parts))
        fields = None
        if reason is None:
            found = text.split(delimiter) if "\\" not in text else _escaped_fields(text, delimiter)
            fields = [_unescaped(field.strip(blanks) if is_spaced else field) for field in found]
        yield Record(number, len(parts), text, fields, reason)
        number += len(parts) - 1


def ends_in_escape(line: bytes) -> bool:
    """Whether the line end after a line is escaped, so that the record continues on the next line."""
    return (len(line) - len(line.rstrip(b"\\"))) % 2 == 1


def _escaped_fields(text: str, delimiter: str) -> list[str]:
    """Return the fields of a record, which are separated by delimiters that are not escaped."""
    pattern, place = _escaped_field(delimiter), 0
    fields: list[str] = []
    while (found := pattern.match(text, place)) is not None:
        fields.append(found["field"])
        place = found.end()
        if not found["end"]:
            break
    return fields


@cache
def _escaped_field(delimiter: str) -> re.Pattern[str]:
    border = re.escape(delimiter)
    return re.compile(rf"(?P<field>(?:[^{border}\\]++|\\.)*+\\?)(?P<end>{border}|\Z)", re.DOTALL)


def _unescaped(field: str) -> str:
    if "\\" not in field:
        return field
    return "" if field == NO_ESCAPED_VALUE else ESCAPED.sub(lambda found: ESCAPES.get(found[1], found[1]), field)


def unquoted_records(lines: Iterable[bytes], delimiter: str, *, is_spaced: bool = False) -> Iterator[Record]:
    """Yield every non-blank line as a record. Quotes have no meaning (text/tab-separated-values)."""
    blanks = blanks_of(delimiter)
    for number, line in enumerate(lines, start=1):
        if not is_blank(line):
            text, reason = decoded(line)
            fields = None if reason else text.split(delimiter)
            if fields and is_spaced:
                fields = [field.strip(blanks) for field in fields]
            yield Record(number, 1, text, fields, reason)


def records(lines: Iterable[bytes], delimiter: str, *, is_spaced: bool = False) -> Iterator[Record]:
    """Yield every record that is not blank.

    A record continues on the next line while its number of quotes is odd. If this gives no valid record because a quote
    is never closed, only the line with that quote is quarantined, and reading continues after it.

    Args:
        lines: The physical lines.
        delimiter: The field separator.
        is_spaced: Whether blanks around a field, outside its quotes, are no part of it.
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
            fields = split_record(joined, delimiter, is_spaced=is_spaced) if reason is None else None
            if fields is not None:
                for _ in following:
                    ahead.popleft()
                yield Record(number, 1 + len(following), joined, fields, None)
                number += len(following)
                continue
        fields = split_record(text, delimiter, is_spaced=is_spaced)
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
