"""The result of reading a delivered file: the rows of each UTC date, quarantined lines, and figures.

Reading itself is the work of read.py.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path


@dataclass(frozen=True)
class RawDay:
    """The accepted lines of one file and one UTC date, in a Parquet file.

    Attributes:
        utc_date: The date, UTC.
        path: Parquet file with the columns of raw_events, sorted by line number.
        row_count: Its number of rows.
        quarters: Quarter hours of the date that have events, from 0 to 95.
    """

    utc_date: date
    path: Path
    row_count: int
    quarters: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """The result of reading a file.

    Attributes:
        accepted_count: Number of accepted lines.
        set_aside_count: Number of quarantined lines.
        reasons: Number of quarantined lines, by reason.
        first_event_time: Time of the earliest accepted event, naive UTC; None if no line was accepted.
        last_event_time: Time of the latest accepted event, naive UTC; None if no line was accepted.
        mapping: The origin of each column that has a value in some accepted line, by column name.
        days: Files of raw_events.
        quarantine_path: File of quarantined_lines; None if no line was quarantined.
        further_count: Number of events beyond the first of their lines. Each of them counts as a line.
    """

    accepted_count: int
    set_aside_count: int
    reasons: dict[str, int]
    first_event_time: datetime | None
    last_event_time: datetime | None
    mapping: dict[str, str]
    days: tuple[RawDay, ...]
    quarantine_path: Path | None
    further_count: int = 0

    def discard(self) -> None:
        """Delete the files of the reading, because it is not kept."""
        for path in [*(day.path for day in self.days), *([self.quarantine_path] if self.quarantine_path else [])]:
            path.unlink()
