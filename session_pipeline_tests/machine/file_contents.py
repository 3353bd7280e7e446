"""The content of a delivered file: a few events, as bytes for the pipeline and as lines for the oracle.

It parses its own lines, so that independent code checks the ledger.
"""

import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import md5, sha256
from typing import Any

from session_pipeline_tests.machine.options import Options
from session_pipeline_tests.oracles.sessions import Line

FIELDS = ("event_id", "visitor_id", "event_time", "event_name", "page_url", "user_id", "member", "sequence", "value")


@dataclass(frozen=True)
class Event:
    """A line of a file. Without a time it is quarantined. `at` is naive UTC."""

    visitor: str
    event_id: str
    at: datetime | None
    name: str = "page_view"
    user: str | None = None
    member: str | None = None
    sequence: int | None = None

    @property
    def said(self) -> dict[str, Any]:
        said = {
            "event_id": self.event_id,
            "visitor_id": self.visitor,
            "event_time": None if self.at is None else self.at.isoformat(timespec="microseconds") + "Z",
            "event_name": self.name,
            "page_url": f"https://shop.example/{self.name}",
            "user_id": self.user,
            "member": self.member,
            "sequence": self.sequence,
            "value": 20 if self.name == "purchase" else None,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Content:
    """The content of a file, independent of its name and compression."""

    source: str
    format: str
    events: tuple[Event, ...]

    @cached_property
    def data(self) -> bytes:
        """The uncompressed bytes. Files of JSON lines end with a blank line."""
        if self.format == "jsonl":
            return "".join(line + "\n" for line in [*map(_as_json, self.events), ""]).encode()
        text = io.StringIO()
        writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(event.said for event in self.events)
        return text.getvalue().encode()

    @property
    def file_id(self) -> str:
        """The identity of the file: a hash of its source and content."""
        return sha256(f"{self.source}\n{sha256(self.data).hexdigest()}".encode()).hexdigest()[:32]

    def as_delivered(self, *, is_compressed: bool) -> bytes:
        return gzip.compress(self.data, mtime=0) if is_compressed else self.data

    def file_name(self, name: str, *, is_compressed: bool) -> str:
        return f"{self.source}/{name}.{self.format}{'.gz' if is_compressed else ''}"

    def accepted_lines(self, options: Options) -> list[Line]:
        """Return the lines that are accepted when the file is read with these options."""
        first_number = 1 if self.format == "jsonl" else 2
        return [
            self._line(event, number, options)
            for number, event in enumerate(self.events, start=first_number)
            if event.at is not None and event.at >= options.earliest
        ]

    def _line(self, event: Event, number: int, options: Options) -> Line:
        text = _as_json(event) if self.format == "jsonl" else _as_record(event)
        assert event.at is not None
        return Line(
            site=options.sites.get(self.source, "main"),
            visitor_id=event.visitor,
            event_id=event.event_id,
            event_time=event.at,
            event_name=event.name,
            file_id=self.file_id,
            line_number=number,
            content_hash=md5(text.encode()).hexdigest(),
            sequence=event.sequence,
            user_id=event.member if options.takes_member_as_user else event.user,
        )


def _as_json(event: Event) -> str:
    return json.dumps(event.said)


def _as_record(event: Event) -> str:
    """Return a CSV record as the JSON text that its content hash is computed from."""
    said = event.said
    fields = {name: str(said[name]) if name in said else None for name in FIELDS}
    return json.dumps(fields, separators=(",", ":"))
