"""Counts what the lines of some files gave, part by part: rows of each date, reasons, and values of each column.

work.py compares the counts with those of admission; mapping/fields.py makes the mapping from the values.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import duckdb
import pyarrow as pa

from session_pipeline.errors import SessionPipelineError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.mapping.fields import value_counts
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.sql import query


@dataclass
class Day:
    """The accepted lines of a file on a UTC date; a row of days.sql."""

    file_id: str
    utc_date: date
    row_count: int
    quarters: list[int]
    first_event_time: datetime
    last_event_time: datetime

    def add(self, other: "Day") -> None:
        """Add the lines of another part of the file."""
        self.row_count += other.row_count
        self.quarters = sorted({*self.quarters, *other.quarters})
        self.first_event_time = min(self.first_event_time, other.first_event_time)
        self.last_event_time = max(self.last_event_time, other.last_event_time)


@dataclass
class Figures:
    """The figures of some files.

    Attributes:
        reasons: Number of quarantined lines, by file id and reason.
        values: Sums of value_counts, by file id.
        further: Number of events beyond the first of their lines, by file id.
        keyed: Ids of the files in which some visitor id was an address.
    """

    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    values: dict[str, list[int]] = field(default_factory=dict)
    further: Counter[str] = field(default_factory=Counter)
    keyed: set[str] = field(default_factory=set)
    _days: dict[str, dict[date, Day]] = field(default_factory=dict)

    def add(self, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, lines: pa.Table) -> None:
        """Count the lines of a part, which are the tables numbered_lines and accepted_lines of the connection."""
        part = Figures(values=value_counts(rules, connection, lines))
        for file_id, reason, count in connection.execute(query("reasons")).fetchall():
            part.reasons.setdefault(file_id, Counter())[reason] = count
        if rules.events_in:
            part.further.update(dict(connection.execute(query("further_events")).fetchall()))
        for row in connection.execute(query("days")).fetchall():
            part._add_day(Day(*row))
        self.merge(part)

    def merge(self, other: "Figures") -> None:
        """Add the figures of other lines of the same files."""
        for file_id, counts in other.reasons.items():
            self.reasons.setdefault(file_id, Counter()).update(counts)
        self.further.update(other.further)
        for days in other._days.values():
            for day in days.values():
                self._add_day(replace(day))
        for file_id, values in other.values.items():
            before = self.values.get(file_id, [0] * len(values))
            self.values[file_id] = [sum(pair) for pair in zip(before, values, strict=True)]
        self.keyed |= other.keyed

    def _add_day(self, day: Day) -> None:
        known = self._days.setdefault(day.file_id, {}).setdefault(day.utc_date, day)
        if known is not day:
            known.add(day)

    def days(self, file_id: str) -> list[Day]:
        """Return the dates on which a file has accepted lines, in order."""
        return [day for _, day in sorted(self._days.get(file_id, {}).items())]

    def accepted_count(self, file_id: str) -> int:
        """Return the number of accepted lines of a file."""
        return sum(day.row_count for day in self.days(file_id))

    def set_aside_count(self, file_id: str) -> int:
        """Return the number of quarantined lines of a file."""
        return sum(self.reasons.get(file_id, {}).values())


def check_counts(admitted: Admitted, figures: Figures) -> None:
    """Check that every line was accepted or quarantined, and every event beyond the first of its line as well.

    Raises:
        SessionPipelineError: The counts differ.
    """
    file_id = admitted.file_id
    accepted_count, set_aside_count = figures.accepted_count(file_id), figures.set_aside_count(file_id)
    if accepted_count + set_aside_count != admitted.line_count + figures.further[file_id]:
        raise SessionPipelineError(
            f"{admitted.path}: {admitted.line_count:,} lines were counted, but {accepted_count:,} were accepted"
            f" and {set_aside_count:,} quarantined, so no line is stored; this is a bug in session_pipeline,"
            " please report it with the file"
        )
