"""Splits JSON that is not written one object a line into records, without reading all of it into memory.

A file can be one list, objects over several lines or all on one line, an object with a list of records in it, or a
text sequence (RFC 7464), in which a record separator precedes each value. Brackets and strings are recognized here;
whether a record is valid JSON is checked where all lines are checked (read_lines.sql).
"""

import json
import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import accumulate
from typing import IO

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.formats.records import BYTE_ORDER_MARK, is_blank

CHUNK_BYTES = 1 << 20
LONGEST_VALUE_BYTES = 16 << 20
MOST_LEVELS = 200  # of objects and lists within each other, as in is_too_nested
RECORD_SEPARATOR = b"\x1e"
SPACE = re.compile(rb"[ \t\r\n\x1e]*+")
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
SCALAR = re.compile(rb'[^\s,:"\[\]{}\x1e]++')
TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
CUT_SHORT = "JSON that ends within a value; deliver it again"


def is_document(beginning: bytes, keys: Sequence[str]) -> bool:
    """Whether JSON is not written one object a line, from its first bytes.

    Args:
        beginning: The first bytes of the content.
        keys: The path of keys to the list of records, if the settings give one.
    """
    text = beginning.removeprefix(BYTE_ORDER_MARK).lstrip()
    if text.startswith((b"[", RECORD_SEPARATOR)):
        return True
    if not text.startswith(b"{"):
        return False
    first, has_end, rest = text.partition(b"\n")
    if not rest.strip() and _has_several(first):
        return True
    if not has_end:
        return bool(keys)
    if not first.rstrip().endswith((b"{", b"[", b",", b":")):
        return False
    following = [line for line in rest.split(b"\n") if not is_blank(line)][:2] or [b"{"]
    if not following[0].startswith(b"{"):
        return True
    # The elements of a list have commas between them, and its end after them: other lines follow a line that was cut.
    return first.rstrip().endswith(b"[") and not (
        _is_one_object(following[0]) and len(following) > 1 and following[1].startswith(b"{")
    )


def records_of(file: IO[bytes], keys: Sequence[str]) -> Iterator[bytes]:
    """Yield the records of JSON values that follow one another: the elements of lists, and objects.

    Args:
        file: The content, at its start.
        keys: The path of keys to the list of records in an object. An object without this list is a record itself.

    Raises:
        CorruptFileError: The content ends within a value, or has text between values.
        RefusedFileError: It has a value of more than 16 MiB.
    """
    text = _Text(file)
    while sign := text.next_sign():
        yield from _elements(text, keys) if sign == b"[" else _value(text, keys)


def records_of_line(line: bytes, keys: Sequence[str]) -> list[bytes]:
    """Return the records of one line; the line itself if it is not complete JSON."""
    if not keys or key_in_text(keys) not in line:
        return [line]
    try:
        return list(records_of(BytesIO(line), keys)) or [line]
    except (CorruptFileError, RefusedFileError):
        return [line]


def key_in_text(keys: Sequence[str]) -> bytes:
    """Return the name of the list of records as it is in JSON. A text without it has no such list."""
    return json.dumps(keys[-1], ensure_ascii=False).encode()


def _has_several(line: bytes) -> bool:
    """Whether a line begins with an object and goes on with another one, as Amazon Data Firehose writes them."""
    first = _first_object(line)
    return line[len(first) :].lstrip(b" \t").startswith(b"{") and _is_valid(first)  # other line ends stay invalid


def _is_one_object(line: bytes) -> bool:
    first = _first_object(line)
    return is_blank(line[len(first) :]) and _is_valid(first)


def _first_object(line: bytes) -> bytes:
    """Return the object with which a line begins, by its brackets; nothing if its end is not on the line."""
    try:
        return _Text(BytesIO(line)).value()
    except CorruptFileError:
        return b""


def _is_valid(value: bytes) -> bool:
    """Whether a value is valid JSON. One with too many levels counts as valid: versions of Python differ about it."""
    if _levels(value) > MOST_LEVELS:
        return True
    try:
        json.loads(value.decode(errors="replace"))
    except ValueError:
        return False
    return True


def _levels(value: bytes) -> int:
    opened = value.count(b"{") + value.count(b"[")
    if opened <= MOST_LEVELS:
        return opened  # or fewer
    brackets = re.findall(rb"[\[\]{}]", STRING.sub(b"", value))
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets))


def _value(text: "_Text", keys: Sequence[str]) -> Iterator[bytes]:
    if not keys or text.next_sign() != b"{":
        yield text.value()
        return
    text.keep()
    found = False
    for record in _listed(text, keys):
        found = True
        if record is not None:
            yield record
    kept = text.kept()
    if not found:
        yield kept


def _listed(text: "_Text", keys: Sequence[str]) -> Iterator[bytes | None]:
    """Yield None if an object has the list, and then the elements of the list."""
    text.take(b"{")
    while (sign := text.next_sign()) != b"}":
        if sign == b",":
            text.take(b",")
            continue
        name = text.value()
        text.take(b":")
        sign = text.next_sign()
        if not name.startswith(b'"') or _text_of(name) != keys[0]:
            text.value()
        elif len(keys) > 1 and sign == b"{":
            yield from _listed(text, keys[1:])
        elif len(keys) == 1 and sign == b"[":
            text.let_go()
            yield None
            yield from _elements(text, ())
        else:
            text.value()
    text.take(b"}")


def _elements(text: "_Text", keys: Sequence[str]) -> Iterator[bytes]:
    text.take(b"[")
    while (sign := text.next_sign()) != b"]":
        if sign == b",":
            text.take(b",")
        else:
            yield from _value(text, keys)
    text.take(b"]")


def _text_of(name: bytes) -> str:
    try:
        return str(json.loads(name))
    except ValueError:
        return ""


class _Text:
    """The content of a file at a position that moves forward."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._buffer = file.read(CHUNK_BYTES).removeprefix(BYTE_ORDER_MARK)
        self._at = 0
        self._kept: int | None = None
        self._is_all = False

    def next_sign(self) -> bytes:
        """Return the next character that is not space; empty at the end."""
        while True:
            self._at = SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._has_more(self._at):
                return b""

    def take(self, sign: bytes) -> None:
        """Move past a character, which must be the next one."""
        found = self.next_sign()
        if found != sign:
            raise CorruptFileError(CUT_SHORT if not found else f"not JSON: {found!r} instead of {sign!r}")
        self._at += 1

    def value(self) -> bytes:
        """Return the next value and move past it."""
        sign = self.next_sign()
        if not sign:
            raise CorruptFileError(CUT_SHORT)
        end = self._end_of_nested() if sign in (b"{", b"[") else self._end_of_scalar()
        value = self._buffer[self._at : end]
        self._at = end
        return value

    def keep(self) -> None:
        """Keep the text from here on."""
        self._kept = self._at

    def let_go(self) -> None:
        """Stop keeping text."""
        self._kept = None

    def kept(self) -> bytes:
        """Return the kept text up to here, and stop keeping it."""
        start, self._kept = self._kept, None
        return b"" if start is None else self._buffer[start : self._at]

    def _end_of_nested(self) -> int:
        depth, end = 0, self._at
        while True:
            end = TO_BRACKET.match(self._buffer, end).end()  # type: ignore[union-attr]
            sign = self._buffer[end : end + 1]
            if sign in (b"", b'"'):  # the end of the buffer, maybe within a string
                moved = end - self._at
                if not self._has_more(self._at):
                    raise CorruptFileError(CUT_SHORT)
                end = self._at + moved
                continue
            end += 1
            depth += 1 if sign in (b"{", b"[") else -1
            if depth == 0:
                return end

    def _end_of_scalar(self) -> int:
        while True:
            pattern = STRING if self._buffer[self._at : self._at + 1] == b'"' else SCALAR
            found = pattern.match(self._buffer, self._at)
            if found is None and pattern is SCALAR:
                raise CorruptFileError(f"not JSON: {self._buffer[self._at : self._at + 1]!r} between values")
            if found is not None and (self._is_all or found.end() < len(self._buffer)):
                return found.end()
            if not self._has_more(self._at) and found is None:
                raise CorruptFileError(CUT_SHORT)

    def _has_more(self, needed: int) -> bool:
        """Read on, and drop the text that is no longer needed. Whether there was more."""
        if self._is_all:
            return False
        needed = needed if self._kept is None else self._kept
        if len(self._buffer) - needed > LONGEST_VALUE_BYTES:
            raise RefusedFileError(f"it has a JSON value of more than {LONGEST_VALUE_BYTES >> 20} MiB; split it")
        chunk = self._file.read(CHUNK_BYTES)
        self._is_all = not chunk
        self._buffer = self._buffer[needed:] + chunk
        self._at -= needed
        if self._kept is not None:
            self._kept = 0
        return bool(chunk)
