"""Reads a file as ingest does, without a catalog, for tests.

Handles one file at a time, with given rules. A data folder that is run as a whole is in deployment.py.
"""

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from session_pipeline.ingest.admission.admit import Admitted, admit
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.ingest.reading.read import read_together
from session_pipeline.ingest.reading.result import Reading

Row = dict[str, Any]
KEY = VisitorKey(bytes(range(32)))
RULES = ReadingRules(
    source="web",
    visitor_key=KEY,
    earliest=datetime(2020, 1, 1),
    keep_query_parameters=("q", "utm_source"),
    drop_properties=("ip", "client ip"),
)
EVENT = {"visitor_id": "v", "event_time": "2024-03-01T12:00:00Z", "event_name": "page_view"}


@dataclass(frozen=True)
class Taken:
    """The result of one delivered file."""

    admitted: Admitted
    reading: Reading
    events: list[Row]
    quarantined: list[Row]

    @property
    def reasons(self) -> dict[int, str]:
        return {row["line_number"]: row["reason"] for row in self.quarantined}

    def column(self, name: str) -> list[Any]:
        return [event[name] for event in self.events]


class Ingest:
    """A raw folder, a scratch folder, and a connection that all tests of a process share.

    It has one thread, because reading a few lines takes longer with a second one. Runs use more.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.root = folder / "raw"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.root.mkdir()
        self.connection = _connection(os.getpid(), threads)

    def deliver(self, content: str | bytes, name: str = "events.jsonl") -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def admit(self, path: Path, rules: ReadingRules = RULES) -> Admitted:
        return admit(
            path,
            root=self.root,
            source=rules.source,
            format=rules.format,
            scratch=self.scratch,
            layout=rules.layout,
        )

    def take(self, content: str | bytes, name: str = "events.jsonl", rules: ReadingRules = RULES) -> Taken:
        return self.read(self.admit(self.deliver(content, name), rules), rules)

    def read(self, admitted: Admitted, rules: ReadingRules = RULES) -> Taken:
        reading = read_file(admitted, rules, self.connection, self.scratch)
        rows = [row for day in reading.days for row in pq.ParquetFile(day.path).read().to_pylist()]
        events = sorted(rows, key=lambda row: int(row["line_number"]))
        path = reading.quarantine_path
        quarantined = pq.ParquetFile(path).read().to_pylist() if path else []
        assert len(events) == reading.accepted_count
        assert len(quarantined) == reading.set_aside_count == sum(reading.reasons.values())
        assert len(events) + len(quarantined) == admitted.line_count + reading.further_count
        assert self.connection.execute("select getvariable('inner_key')").fetchall() == [(None,)]
        assert not admitted.plain_path.is_relative_to(self.scratch) or not admitted.plain_path.exists()
        return Taken(admitted, reading, events, quarantined)

    def take_lines(self, *lines: Mapping[str, Any] | str, rules: ReadingRules = RULES) -> Taken:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        return self.take("\n".join(texts) + "\n", rules=rules)

    def event(self, rules: ReadingRules = RULES, **fields: Any) -> Row:
        """Return the event that a line with these fields, in addition to the usual ones, becomes."""
        taken = self.take_lines({**EVENT, **fields}, rules=rules)
        assert taken.quarantined == []
        return taken.events[0]

    def reason(self, rules: ReadingRules = RULES, **fields: Any) -> tuple[str, str]:
        """Return reason and detail of the quarantine of such a line."""
        taken = self.take_lines({**EVENT, **fields}, rules=rules)
        assert taken.events == []
        return taken.quarantined[0]["reason"], taken.quarantined[0]["detail"]

    def close(self) -> None:
        """Require that the connection, which is kept, has nothing of this test."""
        left = self.connection.execute("show tables").fetchall()
        if left:
            _connection.cache_clear()  # so that only this test fails
        assert left == []


def read_file(admitted: Admitted, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path) -> Reading:
    """Read a file alone; raise the error that says why it cannot be read."""
    [reading] = read_together([admitted], rules, connection, scratch)
    if isinstance(reading, Exception):
        raise reading
    return reading


@cache
def _connection(process: int, threads: int) -> duckdb.DuckDBPyConnection:
    """One connection with its macros per process and number of threads: to make one takes as long as a small file."""
    spill = Path(tempfile.gettempdir()) / f"ingest-spill-{process}-{threads}"
    connection = duckdb.connect(config={"threads": threads, "temp_directory": str(spill)})
    connection.execute("set timezone = 'America/New_York'")  # must not influence anything
    return connection


def as_csv(*rows: Sequence[object], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()
