"""An input of the corpus: a file with the expected result of its ingestion, and functions that make its lines."""

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from session_pipeline.ingest.formats.compression import zstd

EVENT = {"visitor_id": "ann", "event_time": "2026-10-05T10:00:00Z", "event_name": "page_view"}

Settings = Mapping[str, Any]

DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".zst": zstd.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}


@dataclass(frozen=True)
class Input:
    """A file below raw/web and the expected result of its ingestion.

    Attributes:
        what: What is special about the file.
        name: The file name.
        content: The bytes, or a function that makes them (for large files).
        status: accepted, corrupt or refused.
        reason: Part of the reason, if the file is not accepted.
        accepted: Number of lines that become events.
        set_aside: Number of each quarantined line, with its reason.
        blank: Number of blank lines.
        settings: Settings of the data folder.
    """

    what: str
    name: str | bytes
    content: bytes | Callable[[], bytes]
    status: str = "accepted"
    reason: str = ""
    accepted: int = 0
    set_aside: Mapping[int, str] = field(default_factory=dict)
    blank: int = 0
    settings: Settings = field(default_factory=dict)

    @property
    def bytes(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content()

    @property
    def plain(self) -> bytes:
        """The decompressed content, where the file can be read. It identifies the file; the name does not."""
        name = os.fsdecode(self.name).lower()
        return next((read(self.bytes) for ending, read in DECOMPRESS.items() if name.endswith(ending)), self.bytes)

    @property
    def line_count(self) -> int:
        return self.accepted + len(self.set_aside)


def line(**said: Any) -> bytes:
    """Return a JSON line that is a valid event with the given fields changed; None leaves a field out."""
    return json.dumps({name: value for name, value in {**EVENT, **said}.items() if value is not None}).encode() + b"\n"


def lines(count: int) -> bytes:
    return b"".join(line(event_id=str(number)) for number in range(count))


def corrupt(what: str, name: str, content: bytes | Callable[[], bytes], reason: str, **more: Any) -> Input:
    return Input(what, name, content, "corrupt", reason, **more)


def refused(what: str, name: str | bytes, content: bytes | Callable[[], bytes], reason: str, **more: Any) -> Input:
    return Input(what, name, content, "refused", reason, **more)


def aside(what: str, bad: bytes, reason: str, **more: Any) -> Input:
    """Return a file of three lines; the second is quarantined."""
    return Input(
        what, "x.jsonl", line() + bad.rstrip(b"\n") + b"\n" + line(), accepted=2, set_aside={2: reason}, **more
    )


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 0x10
    return bytes(changed)
