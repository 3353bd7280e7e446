"""Compressed content as a stream, checked to its end: nothing that was cut short or damaged passes for whole.

Knows gzip and zstd. Does not know what the content says.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from backports import zstd

from session_pipeline.errors import CorruptFileError, RefusedFileError

CONTENT_BYTES = 4 << 20  # of one piece, at most
READ_BYTES = 32 << 10  # what follows a part is copied for each: little, so that thousands of tiny parts cost little
EXPANSION_FREE_BYTES = 100 << 20  # below this, content may expand as it likes
EXPANSION_RATIO = 200  # event lines compress by 10 to 50
LARGEST_WINDOW_LOG = 27  # 128 MiB, as the zstd command has it: more is memory that a file could ask for

GZIP_WINDOW = 16 + zlib.MAX_WBITS
SKIPPABLE_FRAMES = tuple(bytes([0x50 + number, 0x2A, 0x4D, 0x18]) for number in range(16))


class _Part(Protocol):
    """A gzip member or zstd frame that is being decompressed, in pieces of bounded size.

    Attributes:
        is_whole: Its end was seen, and its checksum, where it has one, is right.
        has_more: It holds back content that needs no further input.
        rest: Input that it did not take.
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


class _ZstdFrame:
    def __init__(self) -> None:
        self._inflating = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}
        )
        self.is_whole = self.has_more = False
        self.rest = b""

    def take(self, chunk: bytes) -> bytes:
        content = self._inflating.decompress(chunk, CONTENT_BYTES)
        self.is_whole = self._inflating.eof
        self.rest = self._inflating.unused_data if self.is_whole else b""
        self.has_more = not self.is_whole and not self._inflating.needs_input
        return content


@dataclass(frozen=True)
class Compression:
    """A way to compress: its name, the ending of its files' names, how they begin, and what may pad their parts."""

    name: str
    ending: str
    magic: tuple[bytes, ...]
    padding: bytes
    part: Callable[[], _Part]
    error: type[Exception]


COMPRESSIONS = (
    Compression("gzip", ".gz", (b"\x1f\x8b",), b"\0", _GzipMember, zlib.error),
    Compression("zstd", ".zst", (b"\x28\xb5\x2f\xfd", *SKIPPABLE_FRAMES), b"", _ZstdFrame, zstd.ZstdError),
)
LONGEST_MAGIC_BYTES = max(len(magic) for each in COMPRESSIONS for magic in each.magic)


def compression_of_name(name: str) -> Compression | None:
    """What a file is compressed with, by the ending of its name."""
    return next((each for each in COMPRESSIONS if name.endswith(each.ending)), None)


def compression_of_content(beginning: bytes) -> Compression | None:
    """What a file is compressed with, by its first bytes."""
    return next((each for each in COMPRESSIONS if beginning.startswith(each.magic)), None)


def decompressed(file: IO[bytes], compression: Compression) -> Iterator[bytes]:
    """Content of a file of one or more parts, each checked to its end by what it says of itself.

    A gzip member has length and CRC. A zstd frame has a checksum if its writer wanted one (the zstd command does); its
    end is known in any case.

    Raises:
        CorruptFileError: A part is damaged, or the last one is cut short.
        RefusedFileError: It expands beyond all reason.
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
            if written_count > max(EXPANSION_FREE_BYTES, read_count * EXPANSION_RATIO):
                raise RefusedFileError(f"it expands to more than {EXPANSION_RATIO} times its size")
            yield content
            chunk = part.rest
            if part.is_whole:
                part = None
    if part is not None:
        raise CorruptFileError(f"{compression.name}, cut short after {written_count:,} bytes of content")
