"""A delivered file is looked at whole before anything of it is accepted: verified, hashed, counted.

Knows bytes, gzip and line ends, and counts with other code than the reader, so that the ledger has two sides. Does not
know what a line says.
"""

import os
import re
import stat
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.records import (
    BYTE_ORDER_MARK,
    delimiter_of,
    is_blank,
    physical_lines,
    records,
)

CHUNK_BYTES = 4 << 20
LONGEST_LINE_BYTES = 16 << 20
LARGEST_CONTENT_BYTES = 256 << 30
EXPANSION_FREE_BYTES = 100 << 20  # below this, gzip may expand as it likes
EXPANSION_RATIO = 200  # event lines compress by 10 to 50

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv"}
GZIP_ENDING = ".gz"
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS

BLANK_LINE = re.compile(rb"\n[ \t\r]*(?=\n)")
STILL_WRITTEN = "it is still being written"


@dataclass(frozen=True)
class Admitted:
    """A whole, unchanging file that may be read.

    Attributes:
        path: The delivered file.
        source: Folder under raw/ that it was delivered in.
        format: jsonl, csv or tsv.
        file_id: Hash of source and decompressed content: another name or compression is the same file.
        byte_count: Size of the decompressed content.
        line_count: Lines that should hold an event: no blank lines, no header; a CSV record once.
        blank_line_count: Lines of spaces and tabs only.
        continued_line_count: Lines that go on with a CSV record of an earlier line.
        plain_path: The decompressed content: a copy in the scratch folder, or the delivered file.
        stamp: State of the delivered file, which is to be the same after reading.
    """

    path: Path
    source: str
    format: str
    file_id: str
    byte_count: int
    line_count: int
    blank_line_count: int
    continued_line_count: int
    plain_path: Path
    stamp: tuple[int, ...]

    def check_unchanged(self) -> None:
        """Make sure that what was read is what was admitted.

        Raises:
            RefusedFileError: The delivered file was written to meanwhile.
        """
        if self.plain_path == self.path and _stamp(self.path.lstat()) != self.stamp:
            raise RefusedFileError(STILL_WRITTEN)

    def discard(self) -> None:
        """Remove the decompressed copy, if there is one."""
        if self.plain_path != self.path:
            self.plain_path.unlink(missing_ok=True)


def admit(
    path: Path,
    *,
    root: Path,
    source: str,
    format: str | None,
    scratch: Path,
    delimiter: str | None = None,
) -> Admitted:
    """Verify, hash and count a delivered file.

    Args:
        path: The delivered file, below `root`.
        root: The raw folder; nothing outside of it is read, also not through links.
        source: Folder under raw/ that it lies in.
        format: jsonl, csv or tsv; None: what the file's name says.
        scratch: Folder for the decompressed copy of a compressed file.
        delimiter: What separates the fields of a CSV; None: what its header says.

    Raises:
        CorruptFileError: It is cut short or damaged.
        RefusedFileError: It is no regular file, of unknown kind, too large, or still being written.
    """
    named_format, is_compressed = _kind(path)
    with (
        _opened(path, root) as delivered,
        _plain(delivered, path, is_compressed, scratch) as (plain_path, plain),
    ):
        stamp = _stamp(os.fstat(delivered.fileno()))
        format = format or named_format
        counter = _LineCounter(looks_for_quotes=format == "csv")
        content_hash = _look_through(plain, counter)
        if format == "csv" and counter.has_open_quotes:
            plain.seek(0)
            line_count, continued_count = _count_records(plain, delimiter)
            blank_count = counter.line_count - 1 - line_count - continued_count
        else:
            blank_count, continued_count = counter.blank_count, 0
            line_count = counter.line_count - blank_count
            if format != "jsonl":
                line_count = max(line_count - 1, 0)  # the header
        if {_stamp(os.fstat(delivered.fileno())), _stamp(path.lstat())} != {stamp}:
            raise RefusedFileError(STILL_WRITTEN)
        return Admitted(
            path=path,
            source=source,
            format=format,
            file_id=sha256(f"{source}\n{content_hash}".encode()).hexdigest()[:32],
            byte_count=counter.byte_count,
            line_count=line_count,
            blank_line_count=blank_count,
            continued_line_count=continued_count,
            plain_path=plain_path,
            stamp=stamp,
        )


def _kind(path: Path) -> tuple[str, bool]:
    """Format and whether it is compressed, by name."""
    try:
        name = path.name.lower()
        str(path).encode()
    except UnicodeEncodeError as error:
        raise RefusedFileError("its name is not UTF-8") from error
    plain_name = name.removesuffix(GZIP_ENDING)
    format = FORMATS.get(Path(plain_name).suffix)
    if format is None:
        endings = ", ".join(FORMATS)
        raise RefusedFileError(f"its name ends in none of {endings}, each plain or with {GZIP_ENDING}")
    return format, plain_name != name


@contextmanager
def _opened(path: Path, root: Path) -> Iterator[BinaryIO]:
    """The file, if it is a regular one that lies below root and is reached without links."""
    try:
        below = path.parent.relative_to(root)
        if path.parent.resolve(strict=True) != root.resolve(strict=True) / below:
            raise RefusedFileError("a folder on the way to it is a link")
        # Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise RefusedFileError("it lies outside of the raw folder") from error
    except OSError as error:
        if path.is_symlink():
            raise RefusedFileError("it is a link") from error
        raise
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RefusedFileError("it is no regular file")
        yield file


@contextmanager
def _plain(
    delivered: BinaryIO, path: Path, is_compressed: bool, scratch: Path
) -> Iterator[tuple[Path, BinaryIO]]:
    """The decompressed content; the copy stays, unless admission fails."""
    is_gzip = delivered.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    delivered.seek(0)
    if is_gzip != is_compressed:
        if is_compressed:
            raise CorruptFileError(f"its name ends in {GZIP_ENDING}, but it is not gzip")
        raise RefusedFileError(f"it is gzip, but its name does not end in {GZIP_ENDING}")
    if not is_compressed:
        yield path, delivered
        return
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="delivered-", delete=False) as copy:
        try:
            for chunk in _decompressed(delivered):
                copy.write(chunk)
            copy.seek(0)
            yield Path(copy.name), copy.file
        except BaseException:
            os.unlink(copy.name)
            raise


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Content of a gzip file of one or more members, each checked to its end by length and CRC."""
    read_count = written_count = 0
    member = None
    while chunk := file.read(CHUNK_BYTES):
        read_count += len(chunk)
        is_full = False
        while chunk or is_full:
            if member is None:
                chunk = chunk.lstrip(b"\0")  # padding
                if not chunk:
                    break
                member = zlib.decompressobj(GZIP_WINDOW)
            try:
                content = member.decompress(chunk, CHUNK_BYTES)
            except zlib.error as error:
                raise CorruptFileError(f"gzip, after {written_count:,} bytes: {error}") from error
            written_count += len(content)
            if written_count > max(EXPANSION_FREE_BYTES, read_count * EXPANSION_RATIO):
                raise RefusedFileError(f"it expands to more than {EXPANSION_RATIO} times its size")
            yield content
            is_full = len(content) == CHUNK_BYTES and not member.eof
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                member = None
    if member is not None:
        raise CorruptFileError(f"gzip, cut short after {written_count:,} bytes of content")


class _LineCounter:
    """Counts lines in chunks that end on line ends; each begins with the line end before it."""

    def __init__(self, *, looks_for_quotes: bool) -> None:
        self.byte_count = 0
        self.line_count = 0
        self.blank_count = 0
        self.has_open_quotes = False
        self._looks_for_quotes = looks_for_quotes
        self._rest = b"\n"

    def add(self, chunk: bytes) -> None:
        is_first = self.byte_count == 0
        self.byte_count += len(chunk)
        if self.byte_count > LARGEST_CONTENT_BYTES:
            raise RefusedFileError(f"it has more than {LARGEST_CONTENT_BYTES >> 30} GiB")
        if is_first:
            chunk = chunk.removeprefix(BYTE_ORDER_MARK)
        last = chunk.rfind(b"\n")
        if len(self._rest) + (chunk.find(b"\n") if last >= 0 else len(chunk)) > LONGEST_LINE_BYTES:
            raise RefusedFileError(f"it has a line of more than {LONGEST_LINE_BYTES >> 20} MiB")
        if last < 0:
            self._rest += chunk
            return
        lines = self._rest + chunk[: last + 1]
        self.line_count += lines.count(b"\n") - 1
        self.blank_count += len(BLANK_LINE.findall(lines))
        self._look_for_open_quotes(lines)
        self._rest = chunk[last:]

    def finish(self) -> None:
        line = self._rest[1:]
        if line:
            self.line_count += 1
            self.blank_count += is_blank(line)
            self._look_for_open_quotes(line)

    def _look_for_open_quotes(self, lines: bytes) -> None:
        if self._looks_for_quotes and not self.has_open_quotes and b'"' in lines:
            self.has_open_quotes = any(line.count(b'"') % 2 for line in lines.split(b"\n"))


def _look_through(file: BinaryIO, counter: _LineCounter) -> str:
    """Hash the content, in a thread of its own, while its lines are counted."""
    digest = sha256()
    with ThreadPoolExecutor(1) as other_thread:
        while chunk := file.read(CHUNK_BYTES):
            hashed = other_thread.submit(digest.update, chunk)
            counter.add(chunk)
            hashed.result()
    counter.finish()
    return digest.hexdigest()


def _count_records(file: BinaryIO, delimiter: str | None) -> tuple[int, int]:
    """Records without the header, and lines that continue a record."""
    lines = physical_lines(file)
    first = next((line for line in lines if not is_blank(line)), b"")
    file.seek(0)
    record_count = continued_count = 0
    for record in records(physical_lines(file), delimiter or delimiter_of(first)):
        record_count += 1
        continued_count += record.line_count - 1
    return record_count - 1, continued_count


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
