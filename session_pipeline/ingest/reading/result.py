"""The result of reading a delivered file: the rows of each UTC date, quarantined lines, and figures.

Reading itself is the work of read.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from session_pipeline.errors import CorruptFileError, RefusedFileError, StillWrittenError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.reading.figures import Figures
from session_pipeline.reference.quarters import recorded
from session_pipeline.store.part_files import remove_at


@dataclass(frozen=True)
class RawDay:
    """The accepted lines of one file and one UTC date, in a Parquet file.

    Attributes:
        utc_date: The date, UTC.
        path: Parquet file with the columns of raw_events, sorted by line number; or a folder of part files.
        row_count: Its number of rows.
        quarters: Quarter hours of the date that have events, from 0 to 95.
        sha256: The hash of the file, if it is known already.
    """

    utc_date: date
    path: Path
    row_count: int
    quarters: tuple[int, ...]
    sha256: str = ""

    @property
    def counts(self) -> dict[str, str]:
        """What the catalog records about the partition: its quarter hours as bits, in hex."""
        return recorded(self.quarters)


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
        erased_count: Number of lines of erased visitors and users, which are neither accepted nor quarantined.
        is_keyed: Whether the visitor id of some line was an address, so that the rows depend on the visitor key.
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
    erased_count: int = 0
    is_keyed: bool = False

    def discard(self) -> None:
        """Delete the files of the reading, because it is not kept."""
        for path in [*(day.path for day in self.days), *([self.quarantine_path] if self.quarantine_path else [])]:
            remove_at(path)


# The reading of a file, or the error that says why it cannot be read.
ReadResult = Reading | CorruptFileError | RefusedFileError


@dataclass(frozen=True)
class RangeReading:
    """The result of reading a range of lines of a file.

    Attributes:
        figures: The figures of these lines.
        days: Files of raw_events.
        quarantine_path: File of quarantined_lines; None if no line was quarantined.
        nameless_path: The number of lines of each content without an event id, sorted by content; None if all lines
            have one.
    """

    figures: Figures
    days: tuple[RawDay, ...]
    quarantine_path: Path | None
    nameless_path: Path | None


def reading_of(
    figures: Figures, file_id: str, mapping: dict[str, str], path_of: Callable[[str, date | None], Path]
) -> Reading:
    """Return the reading of a file from its figures.

    Args:
        figures: The figures of all of its lines.
        file_id: The file.
        mapping: The origin of each column.
        path_of: Returns the path of a table's rows of a UTC date.
    """
    days = figures.days(file_id)
    reasons: dict[str, int] = figures.reasons.get(file_id, {})
    return Reading(
        accepted_count=figures.accepted_count(file_id),
        set_aside_count=figures.set_aside_count(file_id),
        reasons=reasons,
        first_event_time=min((day.first_event_time for day in days), default=None),
        last_event_time=max((day.last_event_time for day in days), default=None),
        mapping=mapping,
        days=tuple(
            RawDay(day.utc_date, path_of("raw_events", day.utc_date), day.row_count, tuple(day.quarters))
            for day in days
        ),
        quarantine_path=path_of("quarantined_lines", None) if reasons else None,
        further_count=figures.further[file_id],
        is_keyed=file_id in figures.keyed,
    )


def if_unchanged(admitted: Admitted, reading: Reading) -> Reading | StillWrittenError:
    """Return the reading. If the file was written to meanwhile, discard the reading and return the error."""
    try:
        admitted.check_unchanged()
    except StillWrittenError as error:
        reading.discard()
        return error
    return reading
