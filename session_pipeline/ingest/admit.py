"""Admits a delivered file: verifies, hashes and counts all of it before any line is accepted.

Handles bytes and line ends only; read.py reads the lines. Lines are counted by different code than the reader's, so
that the two counts check each other.
"""

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from session_pipeline.errors import CorruptFileError, RefusedFileError, StillWrittenError
from session_pipeline.ingest import parquet
from session_pipeline.ingest.compression import (
    COMPRESSIONS,
    LONGEST_MAGIC_BYTES,
    Compression,
    compression_of_content,
    compression_of_name,
    decompressed,
)
from session_pipeline.ingest.kinds import other_kind
from session_pipeline.ingest.records import (
    BYTE_ORDER_MARK,
    delimiter_of,
    is_blank,
    physical_lines,
    records,
)
from session_pipeline.store import crash_points

CHUNK_BYTES = 4 << 20
NO_PERMISSION = "its permissions do not let it be read"
LONGEST_LINE_BYTES = 16 << 20
LARGEST_CONTENT_BYTES = 256 << 30

WITH_HEADER = ("csv", "tsv")
PARQUET = "parquet"
FORMATS = {".parquet": PARQUET, ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv"}

FORMAT_NAMES = ("jsonl", "csv", "tsv", PARQUET, "access_log")  # in order of preference between equal readings

LOG_NAME = re.compile(r"(^|[._-])log([._-]\d[\d._-]*)?$")  # access.log, access_log.1, access.log-20261005

BLANK_LINE = re.compile(rb"\n[ \t\r]*(?=\n)")


@dataclass(frozen=True)
class Admitted:
    """A complete, unchanging file that may be read.

    Attributes:
        path: The delivered file.
        source: Folder under raw/ that contains it.
        format: jsonl, csv, tsv, parquet or access_log.
        file_id: Hash of source and decompressed content. Name and compression do not affect it.
        byte_count: Size of the decompressed content.
        line_count: Lines that should contain an event: without blank lines and header. A CSV record counts once.
        blank_line_count: Lines that are empty or contain only spaces and tabs.
        is_tidy: Whether DuckDB can number the lines and reads them as Python does. A CSV or TSV is tidy if it has no
            blank line, no record over several lines, no NUL, no stray carriage return, and no space next to a quote
            that DuckDB could trim.
        plain_path: The decompressed content: a copy in the scratch folder, or the delivered file itself.
        stamp: State of the delivered file, which must be the same after reading.
    """

    path: Path
    source: str
    format: str
    file_id: str
    byte_count: int
    line_count: int
    blank_line_count: int
    is_tidy: bool
    plain_path: Path
    stamp: tuple[int, ...]

    @property
    def has_header(self) -> bool:
        """Whether its first line contains the field names."""
        return self.format in WITH_HEADER

    def check_unchanged(self) -> None:
        """Check that the file did not change since it was admitted.

        Raises:
            StillWrittenError: The delivered file was written to meanwhile.
        """
        if self.plain_path == self.path and _stamp(self.path.lstat()) != self.stamp:
            raise StillWrittenError

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
        root: The raw folder. Nothing outside of it is read, not even through links.
        source: Folder under raw/ that contains the file.
        format: jsonl, csv, tsv, parquet or access_log; None: the format given by the file name.
        scratch: Folder for the decompressed copy of a compressed file.
        delimiter: Field separator of a CSV; None: detected from its header.

    Raises:
        CorruptFileError: It is cut short or damaged, or of another kind than its format.
        RefusedFileError: It is not a regular file, has no known format, or is too large.
        StillWrittenError: It changes while it is examined.
    """
    _check_way(path, root)
    format, compression = kind_of(path, format)
    with (
        _opened(path) as delivered,
        _plain(delivered, path, compression, scratch) as (plain_path, plain),
    ):
        stamp = _stamp(os.fstat(delivered.fileno()))
        if kind := other_kind(plain, format):
            raise CorruptFileError(f"it is to be read as {format}, but it is {kind}")
        counter = _LineCounter(format, delimiter)
        content_hash = _look_through(plain, counter)
        line_count, blank_count = counter.line_count - counter.blank_count, counter.blank_count
        if format == PARQUET:
            plain.seek(0)
            line_count, blank_count = parquet.count_rows(plain, counter.byte_count), 0
        if counter.has_open_quotes:
            plain.seek(0)
            line_count, covered_count = _count_records(plain, delimiter)
            blank_count = counter.line_count - covered_count
        if format in WITH_HEADER:
            line_count = max(line_count - 1, 0)  # the header
        if {_stamp(os.fstat(delivered.fileno())), _stamp(path.lstat())} != {stamp}:
            raise StillWrittenError
        return Admitted(
            path=path,
            source=source,
            format=format,
            file_id=_file_id(source, content_hash),
            byte_count=counter.byte_count,
            line_count=line_count,
            blank_line_count=blank_count,
            is_tidy=counter.is_tidy,
            plain_path=plain_path,
            stamp=stamp,
        )


def is_called_like_a_file(name: str) -> bool:
    """Whether a name is a valid name of a delivered file, so that a folder should not have it."""
    if "." not in name:
        return False  # files and folders can both be named access_log
    try:
        kind_of(Path(name), None)
    except RefusedFileError:
        return False
    return True


def kind_of(path: Path, format: str | None) -> tuple[str, Compression | None]:
    """Return the format and the compression of a delivered file.

    Args:
        path: The file. Only its name is used.
        format: The format from the settings of its source; None: the format given by the name.

    Raises:
        RefusedFileError: Neither the settings nor the name give a known format, the name is not UTF-8, or the file is
            compressed Parquet.
    """
    try:
        name = path.name.lower()
        str(path).encode()
    except UnicodeEncodeError as error:
        raise RefusedFileError("its name is not UTF-8") from error
    compression = compression_of_name(name)
    name = name.removesuffix(compression.ending) if compression else name
    format = format or FORMATS.get(Path(name).suffix) or ("access_log" if LOG_NAME.search(name) else None)
    if format == PARQUET and compression is not None:
        raise RefusedFileError(f"Parquet is compressed within; deliver it without {compression.ending}")
    if format is None:
        compressed = " or ".join(each.ending for each in COMPRESSIONS)
        raise RefusedFileError(
            f"its name ends in none of {', '.join(FORMATS)}, .log, .log.1 or the like, each plain or with"
            f" {compressed}; rename it, or set format for its source in settings.toml"
        )
    return format, compression


def id_of_content(path: Path, *, root: Path, source: str, scratch: Path) -> str | None:
    """Return the file_id of a file, computed from its content only; None if it cannot be read to its end."""
    with suppress(CorruptFileError, RefusedFileError, OSError):
        _check_way(path, root)
        compression = compression_of_name(path.name.lower())
        with _opened(path) as delivered, _plain(delivered, path, compression, scratch) as (plain_path, plain):
            try:
                digest = sha256()
                while chunk := plain.read(CHUNK_BYTES):
                    digest.update(chunk)
                return _file_id(source, digest.hexdigest())
            finally:
                if plain_path != path:
                    plain_path.unlink()
    return None


def _file_id(source: str, content_hash: str) -> str:
    return sha256(f"{source}\n{content_hash}".encode()).hexdigest()[:32]


def _check_way(path: Path, root: Path) -> None:
    """Check that path is a readable regular file below root, with no link on the way and no other hard link."""
    if not path.is_relative_to(root):
        raise RefusedFileError("it lies outside of the raw folder")
    if path.parent.resolve() != root.resolve() / path.parent.relative_to(root):
        raise RefusedFileError("a folder on the way to it is a link")
    if path.is_symlink():
        raise RefusedFileError("it is a link")
    state = path.lstat()
    if not os.access(path, os.R_OK, effective_ids=True):
        raise RefusedFileError(NO_PERMISSION)
    if stat.S_ISDIR(state.st_mode):
        raise RefusedFileError(
            "it is a folder that is called like a file"
            if os.access(path, os.X_OK, effective_ids=True)
            else NO_PERMISSION
        )
    if not stat.S_ISREG(state.st_mode):
        raise RefusedFileError("it is no regular file")
    if state.st_nlink > 1:
        raise RefusedFileError("it is a hard link: the file has other names, too")


def _opened(path: Path) -> IO[bytes]:
    """Open the file. If it has become a link or a pipe meanwhile, do not follow the link or wait for the pipe."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


@contextmanager
def _plain(
    delivered: IO[bytes], path: Path, compression: Compression | None, scratch: Path
) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield the path and the open file of the decompressed content. The copy is deleted only if admission fails."""
    found = compression_of_content(delivered.read(LONGEST_MAGIC_BYTES))
    delivered.seek(0)
    if compression is not None and found is not compression:
        raise CorruptFileError(f"its name ends in {compression.ending}, but it is not {compression.name}")
    if compression is None and found is not None:
        raise CorruptFileError(f"it is {found.name}, but its name does not end in {found.ending}")
    if compression is None:
        yield path, delivered
        return
    # Only its owner may read the copy: it can contain addresses, which are not stored.
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="delivered-", delete=False) as copy:
        try:
            for chunk in decompressed(delivered, compression):
                copy.write(chunk)
            copy.flush()
            crash_points.reached("ingest: file decompressed")
            copy.seek(0)
            yield Path(copy.name), copy.file
        except BaseException as error:
            os.unlink(copy.name)
            if isinstance(error, OSError):
                error.filename = error.filename or copy.name  # errors of a write do not contain the file name
            raise


class _LineCounter:
    """Counts lines chunk by chunk, and finds out whether the file is tidy."""

    def __init__(self, format: str, delimiter: str | None) -> None:
        self.byte_count = 0
        self.line_count = 0
        self.blank_count = 0
        self.has_open_quotes = False
        self.is_tidy = True
        self._format = format
        self._delimiter = delimiter
        self._rest = b""  # the start of a line that continues in the next chunk

    def add(self, chunk: bytes) -> None:
        content = chunk.removeprefix(BYTE_ORDER_MARK) if self.byte_count == 0 else chunk
        self.byte_count += len(chunk)
        if self.byte_count > LARGEST_CONTENT_BYTES:
            raise RefusedFileError(f"it has more than {LARGEST_CONTENT_BYTES >> 30} GiB")
        if self._format == PARQUET:
            return  # Parquet has no lines
        first, last = content.find(b"\n"), content.rfind(b"\n")
        line = self._rest + (content if first < 0 else content[:first])
        if len(line) > LONGEST_LINE_BYTES:
            raise RefusedFileError(f"it has a line of more than {LONGEST_LINE_BYTES >> 20} MiB")
        if first < 0:
            self._rest = line
            return
        self.line_count += content.count(b"\n")
        self.blank_count += is_blank(line) + len(BLANK_LINE.findall(content, first, last + 1))
        if self._format in WITH_HEADER:
            self._look_closer(b"\n" + line + b"\n")
            self._look_closer(content[first : last + 1])
        self._rest = content[last + 1 :]

    def finish(self) -> None:
        if self._rest:
            self.line_count += 1
            self.blank_count += is_blank(self._rest)
        if self._format in WITH_HEADER:
            self._look_closer(b"\n" + self._rest)
            self.is_tidy &= not self.blank_count and not self.has_open_quotes

    def _look_closer(self, lines: bytes) -> None:
        """Look for content that DuckDB and Python read differently, in lines that each follow a line end."""
        self.is_tidy &= b"\0" not in lines and lines.count(b"\r") == lines.count(b"\r\n")
        if self._format != "csv":
            return
        if self._delimiter is None and lines.strip():
            self._delimiter = delimiter_of(lines.split(b"\n"))
        if b'"' not in lines:
            return
        if not self.has_open_quotes:
            self.has_open_quotes = any(line.count(b'"') % 2 for line in lines.split(b"\n"))
        if self.is_tidy and (b'" ' in lines or b' "' in lines):
            # DuckDB sometimes trims spaces around quotes. Within quoted fields they are harmless: remove such fields.
            border = re.escape(str(self._delimiter)).encode()
            quoted = rb'(?<=[\n%s])"[^"]*(?:""[^"]*)*"(?=[\r\n%s]|\Z)' % (border, border)
            self.is_tidy = b'"' not in re.sub(quoted, b"", lines)


def _look_through(file: IO[bytes], counter: _LineCounter) -> str:
    """Hash the content in a separate thread while its lines are counted."""
    chunk = file.read(CHUNK_BYTES)
    digest = sha256()
    if len(chunk) < CHUNK_BYTES:  # for a small file, a thread costs more than it saves
        digest.update(chunk)
        counter.add(chunk)
        chunk = file.read(CHUNK_BYTES)
    if chunk:
        with ThreadPoolExecutor(1) as other_thread:
            while chunk:
                hashed = other_thread.submit(digest.update, chunk)
                counter.add(chunk)
                hashed.result()
                chunk = file.read(CHUNK_BYTES)
    counter.finish()
    return digest.hexdigest()


def _count_records(file: IO[bytes], delimiter: str | None) -> tuple[int, int]:
    """Return the number of records, including the header, and the number of lines they cover."""
    delimiter = delimiter or delimiter_of(physical_lines(file))
    file.seek(0)
    record_count = covered_count = 0
    for record in records(physical_lines(file), delimiter):
        record_count += 1
        covered_count += record.line_count
    return record_count, covered_count


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
