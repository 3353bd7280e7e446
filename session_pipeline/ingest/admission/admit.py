"""Admits a delivered file: verifies, hashes and counts all of it before any line is accepted.

Handles bytes and line ends only; reading/read.py reads the lines. Lines are counted by different code than the
reader's, so that the two counts check each other.
"""

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from session_pipeline.errors import CorruptFileError, RefusedFileError, StillWrittenError, UnreadableFileError
from session_pipeline.ingest.admission.file_names import UnknownEndingError, kind_of
from session_pipeline.ingest.admission.line_ranges import Borders, LineRange
from session_pipeline.ingest.admission.raw_folder import DELTA_LOG
from session_pipeline.ingest.admission.recognition import recognized_preset
from session_pipeline.ingest.admission.unknown_names import why_refused
from session_pipeline.ingest.formats import Parquet, format_named, other_kind
from session_pipeline.ingest.formats.compression import (
    LONGEST_MAGIC_BYTES,
    Compression,
    compression_of_content,
    compression_of_name,
    decompressed,
)
from session_pipeline.ingest.formats.content import LOOKED_AT_BYTES
from session_pipeline.ingest.formats.layout import NO_LAYOUT, Layout
from session_pipeline.ingest.formats.line_counts import CHUNK_BYTES, LineCounter, look_through
from session_pipeline.ingest.formats.parquet import is_parquet, without_inner_ending
from session_pipeline.store import crash_points

NO_PERMISSION = "its permissions do not let it be read"


@dataclass(frozen=True)
class Admitted:
    """A complete, unchanging file that may be read.

    Attributes:
        path: The delivered file.
        source: Folder under raw/ that contains it.
        format: jsonl, csv, tsv, parquet, access_log or w3c.
        file_id: Hash of source and decompressed content. Name and compression do not affect it.
        byte_count: Size of the decompressed content.
        line_count: Lines that should contain an event: without blank lines and header. A CSV record counts once.
        blank_line_count: Lines that are empty or contain only spaces and tabs.
        is_tidy: Whether DuckDB can number the lines and reads them as Python does. A CSV or TSV is tidy if it has no
            blank line, no record over several lines, no NUL, no stray carriage return, and no space next to a quote
            that DuckDB could trim. JSON is tidy if it has one object a line.
        plain_path: The decompressed content: a copy in the scratch folder, or the delivered file itself.
        stamp: State of the delivered file, which must be the same after reading.
        ranges: Ranges of lines that several tasks can read; empty if the file is read as a whole.
        layout: How the settings split its content into records.
        preset: The preset that it was recognized as; None if it was not recognized, or not looked at.
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
    ranges: tuple[LineRange, ...] = ()
    layout: Layout = NO_LAYOUT
    preset: str | None = None

    @property
    def reading_group(self) -> tuple[str, str, str | None]:
        """What small files have in common that are read together: source, format and preset."""
        return self.source, self.format, self.preset

    def check_unchanged(self) -> None:
        """Check that the file did not change since it was admitted.

        Raises:
            StillWrittenError: The delivered file was written to meanwhile.
        """
        if self.plain_path == self.path and _stamp(self.path.lstat()) != self.stamp:
            raise StillWrittenError

    def is_unchanged(self) -> bool:
        """Whether the delivered file is there, in the state in which it was admitted."""
        try:
            return _stamp(self.path.lstat()) == self.stamp
        except OSError:
            return False

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
    layout: Layout = NO_LAYOUT,
    bytes_of_range: int | None = None,
    of_preset: Callable[[str], tuple[str | None, Layout]] | None = None,
) -> Admitted:
    """Verify, hash and count a delivered file.

    Args:
        path: The delivered file, below `root`.
        root: The raw folder. Nothing outside of it is read, not even through links.
        source: Folder under raw/ that contains the file.
        format: jsonl, csv, tsv, parquet, access_log or w3c; None: the format given by the file name.
        scratch: Folder for the decompressed copy of a compressed file.
        layout: How the settings split its content into records.
        bytes_of_range: The least size of a range of lines that can be read alone; None: the file is not divided.
        of_preset: Returns format and layout of the preset that the file is recognized as; None: it is not
            recognized.

    Raises:
        CorruptFileError: It is cut short or damaged, or of another kind than its format.
        RefusedFileError: It is not a regular file, has no known format, or is too large.
        StillWrittenError: It changes while it is examined.
        UnreadableFileError: The disk cannot read it.
    """
    _check_way(path, root)
    try:
        format, compression = kind_of(str(path), format)
    except UnknownEndingError as error:
        raise RefusedFileError(why_refused(error.reason, beginning_of(path))) from error
    with (
        _disk_errors(path),
        _opened(path) as delivered,
        _plain(delivered, path, _outer(delivered, path, format, compression), scratch) as (plain_path, plain),
    ):
        stamp = _stamp(os.fstat(delivered.fileno()))
        preset = None
        if of_preset is not None and (preset := recognized_preset(plain, plain_path, format)):
            preset_format, layout = of_preset(preset)
            format = preset_format or format
        if kind := other_kind(plain, format):
            raise CorruptFileError(f"it is to be read as {format}, but it is {kind}")
        counter = format_named(format).counter(layout)
        borders = Borders(bytes_of_range or sys.maxsize)
        content_hash = look_through(plain, counter, borders.look)
        line_count, blank_count = format_named(format).counts(plain, counter, layout)
        if {_stamp(os.fstat(delivered.fileno())), _stamp(path.lstat())} != {stamp}:
            raise StillWrittenError
        return Admitted(
            path=path,
            source=source,
            format=format,
            file_id=file_id_of(source, content_hash),
            byte_count=counter.byte_count,
            line_count=line_count,
            blank_line_count=blank_count,
            is_tidy=counter.is_tidy,
            plain_path=plain_path,
            stamp=stamp,
            ranges=_ranges(borders, counter, format, layout) if plain_path == path else (),
            layout=layout,
            preset=preset,
        )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn the errors of a disk that cannot read a delivered file into one of ours. Others name their own file."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EIO and error.filename in (None, str(path)):
            raise UnreadableFileError from error
        raise


def _ranges(borders: Borders, counter: LineCounter, format: str, layout: Layout) -> tuple[LineRange, ...]:
    """Return the ranges of lines of a plain file; none if it is read as a whole."""
    if layout.header or not format_named(format).can_be_divided(counter):
        return ()
    ranges = borders.ranges(counter, has_header=format_named(format).has_header)
    return ranges if len(ranges) > 1 else ()


def id_of_content(path: Path, *, root: Path, source: str, scratch: Path) -> str | None:
    """Return the file_id of a file, computed from its content only; None if it cannot be read to its end."""
    with suppress(CorruptFileError, RefusedFileError, OSError):
        _check_way(path, root)
        compression = compression_of_name(path.name.lower())
        with (
            _opened(path) as delivered,
            _plain(delivered, path, _outer(delivered, path, None, compression), scratch) as (plain_path, plain),
        ):
            digest = sha256()
            while chunk := plain.read(CHUNK_BYTES):
                digest.update(chunk)
        if plain_path != path:
            plain_path.unlink()  # after _plain, which removes it after an error, so that nothing removes it twice
        return file_id_of(source, digest.hexdigest())
    return None


def beginning_of(path: Path) -> bytes:
    """Return the first bytes of a file, without the compression that its name gives: those that can be read."""
    compression = compression_of_name(path.name.lower())
    beginning = b""
    with suppress(CorruptFileError, RefusedFileError, OSError), _opened(path) as delivered:
        content = decompressed(delivered, compression) if compression else iter([delivered.read(LOOKED_AT_BYTES)])
        for chunk in content:  # the first can be empty, as of bzip2, or short, as of many members of gzip
            beginning += chunk
            if len(beginning) >= LOOKED_AT_BYTES:
                break
    return beginning[:LOOKED_AT_BYTES]


def file_id_of(source: str, content: str) -> str:
    """Return the file_id of a delivery, from the hash of its content or, if it cannot be read, from its path."""
    return sha256(f"{source}\n{content}".encode()).hexdigest()[:32]


def _check_way(path: Path, root: Path) -> None:
    """Check that path is a readable regular file below root, with no link on the way and no other hard link."""
    if not path.is_relative_to(root):
        raise RefusedFileError("it is outside the raw folder; move it into the folder of a source")
    if path.parent.resolve() != root.resolve() / path.parent.relative_to(root):
        raise RefusedFileError("one of its folders is a link, and links are not followed; put the folder itself there")
    if path.is_symlink():
        raise RefusedFileError("it is a link, and links are not followed; put the file itself there")
    state = path.lstat()
    if not may_be_read(path):
        problem = "the folder cannot be read" if stat.S_ISDIR(state.st_mode) else "the file is refused"
        raise RefusedFileError(f"{NO_PERMISSION}; make it readable for the user that runs this", problem)
    if stat.S_ISDIR(state.st_mode) and path.name == DELTA_LOG:
        raise RefusedFileError(
            "it is the log of a Delta table, whose folder also has files of rows that were deleted or replaced; deliver"
            " an export of its rows in a folder of its own"
        )
    if stat.S_ISDIR(state.st_mode):
        raise RefusedFileError("it is a folder that is called like a file; rename it")
    if not stat.S_ISREG(state.st_mode):
        raise RefusedFileError("it is not a regular file; replace it by one, or remove it")
    if state.st_nlink > 1:
        raise RefusedFileError("it is a hard link: the file has other names, too; put a copy of it there")


def may_be_read(path: Path) -> bool:
    """Whether this process may read a file, or list and enter a folder."""
    wanted = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
    return os.access(path, wanted, effective_ids=True)


def can_be_read(path: Path) -> bool:
    """Whether the disk can read all of a file. This takes as long as reading it."""
    try:
        with _opened(path) as delivered:
            while delivered.read(CHUNK_BYTES):
                pass
    except OSError:
        return False
    return True


def _opened(path: Path) -> IO[bytes]:
    """Open the file. If it has become a link or a pipe meanwhile, do not follow the link or wait for the pipe."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _outer(delivered: IO[bytes], path: Path, format: str | None, compression: Compression | None) -> Compression | None:
    """Return the compression around a file. Parquet has none, because it is compressed within, whatever its name says.

    Raises:
        RefusedFileError: It is to be read as Parquet and has the name of a compressed file, but it is not Parquet.
    """
    is_within = is_parquet(delivered.read(LONGEST_MAGIC_BYTES))
    delivered.seek(0)
    if is_within:
        return None
    name = path.name.lower()
    if format == Parquet.name and (ending := name.removeprefix(without_inner_ending(name))):
        raise RefusedFileError(f"Parquet is compressed within; deliver it without {ending}")
    return compression


@contextmanager
def _plain(
    delivered: IO[bytes], path: Path, compression: Compression | None, scratch: Path
) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield the path and the open file of the decompressed content. The copy is deleted only if admission fails."""
    beginning = delivered.read(LONGEST_MAGIC_BYTES)
    found = compression_of_content(beginning)
    delivered.seek(0)
    if compression is not None and found is not compression:
        content = f"not {compression.name}" if beginning else "empty"
        raise CorruptFileError(f"its name ends in {compression.ending}, but it is {content}")
    if compression is None and found is not None:
        raise CorruptFileError(f"it is {found.name}, but its name does not end in {found.ending}")
    if compression is None:
        yield path, delivered
        return
    # Only its owner may read the copy: it can contain addresses, which are not stored.
    with tempfile.NamedTemporaryFile(dir=scratch, prefix="delivered-", delete=False) as copy:
        try:
            for chunk in _from_disk(decompressed(delivered, compression), path):
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


def _from_disk(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yield the chunks; an error while one is read, not while it is written elsewhere, is about the delivered file."""
    with _disk_errors(path):
        yield from chunks


def _stamp(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
