"""Turns a file that was read into partitions of the store and a row of the ledger.

This module computes values only. reading/read.py reads the files; recorder.py commits the result.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypedDict

from session_pipeline.ingest.admission.admit import Admitted, file_id_of
from session_pipeline.ingest.admission.raw_folder import Delivery
from session_pipeline.ingest.ledger import NEW_FILE
from session_pipeline.ingest.mapping.rule_changes import recorded
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading.result import Reading
from session_pipeline.reference.days import Calendar
from session_pipeline.reference.quarters import MINUTES_OF_QUARTER
from session_pipeline.store.file_facts import FileFacts, FileStatus
from session_pipeline.store.part_files import remove_at
from session_pipeline.store.records import Key, SourceFile, Written


@dataclass
class Pending:
    """An admitted file that is waiting to be read.

    Attributes:
        admitted: The file.
        deliveries: The deliveries that have its content.
        reason: Why it is read.
    """

    admitted: Admitted
    deliveries: list[Delivery]
    reason: str


@dataclass(frozen=True)
class Taken:
    """What a reading changes in the store.

    Attributes:
        pending: The file that was read.
        file: Its row of the ledger.
        written: Its new partitions; None if the stored ones stay.
        drop: Partitions that it had before and no longer has.
    """

    pending: Pending
    file: SourceFile
    written: Sequence[Written] | None
    drop: Sequence[Key]


def without_frozen_days(reading: Reading, calendar: Calendar, frozen_before: date | None) -> tuple[Reading, int]:
    """Return a reading without the days of which no raw events are kept any more, and the number of their lines."""
    if frozen_before is None:
        return reading, 0
    frozen = [day for day in reading.days if calendar.is_over_before(day.utc_date, frozen_before)]
    for day in frozen:
        remove_at(day.path)
    kept = tuple(day for day in reading.days if day not in frozen)
    return replace(reading, days=kept), sum(day.row_count for day in frozen)


def frozen_rows(reading: Reading, calendar: Calendar, frozen_before: date | None) -> int:
    """Return how many rows of a reading are of frozen days: those before the first open day on the same UTC date.

    Args:
        reading: The reading, without the days of which no raw events are kept.
        calendar: The local days.
        frozen_before: The first day that is not frozen.
    """
    if frozen_before is None:
        return 0
    start = calendar.start(frozen_before)
    earlier = (start.hour * 60 + start.minute) / MINUTES_OF_QUARTER  # quarter hours of its UTC date
    paths = [day.path for day in reading.days if day.utc_date == start.date() and min(day.quarters) < earlier]
    return sum(_rows_before(start, path) for path in paths)


def _rows_before(instant: datetime, path: Path) -> int:
    import pyarrow as pa  # slow to load, and hardly any file has such rows
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    times = pq.read_table(path, columns=["event_time"], partitioning=None).column(0)
    count: int = pc.sum(pc.less(times, pa.scalar(instant, times.type))).as_py()
    return count


def written_of(pending: Pending, reading: Reading, fingerprint: str) -> list[Written]:
    """Return the files of a reading as partitions to commit."""
    file_id, name, reason = pending.admitted.file_id, pending.deliveries[0].name, pending.reason
    written = [
        Written(
            key=Key("raw_events", day.utc_date, file_id),
            path=day.path,
            row_count=day.row_count,
            fingerprint=fingerprint,
            counts=day.counts,
            reason=reason,
            sha256=day.sha256,
            causes=(f"file {name}" if reason == NEW_FILE else f"file {name}: {reason}",),
        )
        for day in reading.days
    ]
    if reading.quarantine_path is not None:
        written.append(
            Written(
                key=Key("quarantined_lines", None, file_id),
                path=reading.quarantine_path,
                row_count=reading.set_aside_count,
                fingerprint=fingerprint,
                counts=dict(reading.reasons),
                reason=reason,
            )
        )
    return written


def facts_of(admitted: Admitted, reading: Reading, rules: ReadingRules) -> FileFacts:
    """Return what the ledger records about a file that was read in one format."""
    facts: FileFacts = {
        "file_id": admitted.file_id,
        "source": rules.source,
        "site": rules.site,
        "status": "accepted",
        "reason": None,
        "mapping": dict(reading.mapping),
        "byte_count": admitted.byte_count,
        "line_count": admitted.line_count + reading.further_count,
        "accepted_count": reading.accepted_count,
        "set_aside_count": reading.set_aside_count,
        "erased_count": reading.erased_count,
        "blank_line_count": admitted.blank_line_count,
        "first_event_time": as_text(reading.first_event_time),
        "last_event_time": as_text(reading.last_event_time),
        "format": admitted.format,
        "formats": [admitted.format],
        "rules": recorded(rules),
    }
    if admitted.preset is not None:
        facts["preset"] = admitted.preset
    if rules.visitor_key is not None and (reading.is_keyed or rules.uses_key(admitted.format)):
        facts["visitor_key"] = rules.visitor_key.fingerprint
    return facts


def not_read(delivery: Delivery, rules: ReadingRules, status: FileStatus, reason: str) -> SourceFile:
    """Return the ledger row of a delivery that cannot be read."""
    file_id = file_id_of(delivery.source, delivery.name)
    facts: FileFacts = {
        "file_id": file_id,
        "source": delivery.source,
        "site": rules.site,
        "status": status,
        "reason": reason,
        "mapping": {},
        "byte_count": delivery.byte_count,
        "line_count": 0,
        "accepted_count": 0,
        "set_aside_count": 0,
        "erased_count": 0,
        "blank_line_count": 0,
        "first_event_time": None,
        "last_event_time": None,
        "rules": recorded(rules),
    }
    return SourceFile(file_id, rules.fingerprint(""), facts)


def ledger_row(facts: FileFacts, names: Sequence[str]) -> dict[str, Any]:
    """Return a row of source_files."""
    row: dict[str, Any] = {
        "erased_count": 0,
        **facts,
        "first_event_time": _as_time(facts["first_event_time"]),
        "last_event_time": _as_time(facts["last_event_time"]),
        "mapping": json.dumps(facts["mapping"], sort_keys=True),
    }
    return {name: row[name] for name in names}


def as_text(instant: datetime | None) -> str | None:
    """Return a time as the ledger records it; None for None."""
    return None if instant is None else instant.isoformat(sep=" ", timespec="microseconds")


def _as_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class Seen(TypedDict):
    """Keyword arguments of Store.commit for deliveries."""

    deliveries: list[tuple[str, str, str]]
    forget: list[str]
