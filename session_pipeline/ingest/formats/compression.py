"""Decompresses gzip, zstd, bzip2 and xz files as a stream, and verifies them to their end.

Truncation is always detected, and damage as far as the file has checksums. reading/read.py interprets the content.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from session_pipeline.errors import CorruptFileError, RefusedFileError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CONTENT_BYTES = 4 << 20  # largest piece of content
READ_BYTES = 32 << 10  # small, because the input after each part is copied and a file can have thousands of tiny parts
EXPANSION_FREE_BYTES = 100 << 20  # up to this size, the expansion ratio is not limited
EXPANSION_RATIO = 200  # event lines compress by a factor of 10 to 50
# The memory that a file can demand. A file of bzip2 cannot demand more than 4 MiB.
LARGEST_WINDOW_LOG = 27  # 128 MiB, as in the zstd command
LARGEST_XZ_BYTES = 129 << 20  # for a dictionary of 128 MiB; `xz -9` needs 65 MiB

GZIP_WINDOW = 16 + zlib.MAX_WBITS
# A stream of bzip2 begins with its level, and then with a block or, if it is empty, with its end.
BZIP2_STREAMS = tuple(b"BZh%d%b" % (level, first) for level in range(1, 10) for first in (b"1AY&SY", b"\x17rE8P\x90"))
SKIPPABLE_FRAMES = tuple(bytes([0x50 + number, 0x2A, 0x4D, 0x18]) for number in range(16))


class _Part(Protocol):
    """A gzip member, zstd frame, or stream of bzip2 or xz that is being decompressed, in pieces of bounded size.

    Attributes:
        is_whole: Whether its end was reached. Its checksum, if it has one, is then correct.
        has_more: Whether it can return more content without further input.
        rest: Input that it did not consume.
    """

    is_whole: bool
    has_more: bool
    rest: bytes

    def take(self, chunk: bytes) -> bytes: ...


class _GzipMember:
    def __init__(self) -> None:
        self._inflating = zlib.decompressobj(GZIP_WINDOW)
        self.is_whole = self.has_more = False
        self.rest = b""

    def take(self, chunk: bytes) -> bytes:
        content = self._inflating.decompress(chunk, CONTENT_BYTES)
        self.is_whole = self._inflating.eof
        self.rest = self._inflating.unused_data if self.is_whole else self._inflating.unconsumed_tail
        self.has_more = len(content) == CONTENT_BYTES and not self.is_whole
        return content


class _Decompressor(Protocol):
    """What the decompressors of zstd, bzip2 and xz have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Stream:
    """A zstd frame, or a stream of bzip2 or xz."""

    def __init__(self, inflating: _Decompressor) -> None:
        self._inflating = inflating
        self.is_whole = self.has_more = False
        self.rest = b""

    def take(self, chunk: bytes) -> bytes:
        content = self._inflating.decompress(chunk, CONTENT_BYTES)
        self.is_whole = self._inflating.eof
        self.rest = self._inflating.unused_data if self.is_whole else b""
        self.has_more = not self.is_whole and not self._inflating.needs_input
        return content


def _zstd_frame() -> _Stream:
    return _Stream(zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}))


@dataclass(frozen=True)
class Compression:
    """A compression format.

    Attributes:
        name: Its name.
        ending: The ending of its files' names.
        magic: The first bytes of its files; one of these.
        padding: Byte that may be repeated between or after parts; empty if none may.
        part: Creates a decompressor for one part.
        error: The error that a damaged part raises.
    """

    name: str
    ending: str
    magic: tuple[bytes, ...]
    padding: bytes
    part: Callable[[], _Part]
    error: type[Exception]


def _of_standard_library() -> tuple[Compression, ...]:
    """Return bzip2 and xz. Python can be built without them; then content.py says that their files cannot be read."""
    try:
        import bz2
        import lzma
    except ImportError:
        return ()
    return (
        Compression("bzip2", ".bz2", BZIP2_STREAMS, b"", lambda: _Stream(bz2.BZ2Decompressor()), OSError),
        Compression(
            "xz",
            ".xz",
            (b"\xfd7zXZ\0",),
            b"\0",
            lambda: _Stream(lzma.LZMADecompressor(lzma.FORMAT_XZ, LARGEST_XZ_BYTES)),
            lzma.LZMAError,
        ),
    )


COMPRESSIONS = (
    Compression("gzip", ".gz", (b"\x1f\x8b",), b"\0", _GzipMember, zlib.error),
    Compression("zstd", ".zst", (b"\x28\xb5\x2f\xfd", *SKIPPABLE_FRAMES), b"", _zstd_frame, zstd.ZstdError),
    *_of_standard_library(),
)
ENDINGS = tuple(each.ending for each in COMPRESSIONS)
LONGEST_MAGIC_BYTES = max(len(magic) for each in COMPRESSIONS for magic in each.magic)


def compression_of_name(name: str) -> Compression | None:
    """Return the compression that the ending of a file name gives; None if it gives none."""
    if not name.endswith(ENDINGS):
        return None  # asked first, because a history has very many files
    return next((each for each in COMPRESSIONS if name.endswith(each.ending)), None)


def compression_of_content(beginning: bytes) -> Compression | None:
    """Return the compression that the first bytes of a file show; None if they show none."""
    return next((each for each in COMPRESSIONS if beginning.startswith(each.magic)), None)


def check_expansion(expanded_count: int, byte_count: int) -> None:
    """Check how many bytes a content has that was expanded from some bytes of a file.

    Raises:
        RefusedFileError: They are more than EXPANSION_FREE_BYTES, and more than EXPANSION_RATIO times as many.
    """
    if expanded_count > max(EXPANSION_FREE_BYTES, byte_count * EXPANSION_RATIO):
        raise RefusedFileError(f"it expands to more than {EXPANSION_RATIO} times its size; deliver it in smaller files")


def decompressed(file: IO[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the content of a file of one or more parts. Each part is verified to its end.

    A gzip member contains its length and a CRC, and bzip2 a CRC of each block and of the stream. A zstd frame and a
    stream of xz contain a checksum if their writer added one (the commands do); their end is always known.

    Raises:
        CorruptFileError: A part is damaged, or the last one is cut short.
        RefusedFileError: The content is more than EXPANSION_RATIO times as large as the file.
    """
    read_count = written_count = 0
    part: _Part | None = None
    while chunk := file.read(READ_BYTES):
        read_count += len(chunk)
        while chunk or (part is not None and part.has_more):
            if part is None:
                chunk = chunk.lstrip(compression.padding) if compression.padding else chunk
                if not chunk:
                    break
                part = compression.part()
            try:
                content = part.take(chunk)
            except compression.error as error:
                raise CorruptFileError(f"{compression.name}, after {written_count:,} bytes: {error}") from error
            written_count += len(content)
            check_expansion(written_count, read_count)
            yield content
            chunk = part.rest
            if part.is_whole:
                part = None
    if part is not None:
        raise CorruptFileError(f"{compression.name}, cut short after {written_count:,} bytes of content")
