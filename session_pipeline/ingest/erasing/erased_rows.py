"""Removes the rows of erased visitors and users from files of raw_events and quarantined_lines.

An event of another visitor that names an erased one as its former id stays without that id (former_ids.py).

The same function removes rows from a file that was just read and from one of the store. So the bytes do not depend on
whether an erasure was recorded before a file arrived or after. erasures.py recognizes the ids.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.ingest.erasing.erased_days import days_with_erased
from session_pipeline.ingest.erasing.erasures import Erasures, Kind
from session_pipeline.ingest.erasing.former_ids import erased_former_ids, without_ids
from session_pipeline.ingest.reading.day_files import WRITTEN
from session_pipeline.ingest.reading.result import RawDay, Reading
from session_pipeline.reference.quarters import MINUTES_OF_QUARTER
from session_pipeline.store.part_files import MANIFEST, paths_at, remove_at

COLUMNS: tuple[tuple[Kind, str], ...] = (("visitor", "visitor_id"), ("user", "user_id"))


def erased_events(path: Path, erasures: Erasures, site: str) -> pa.Array | None:
    """Return, for each row of a file of raw_events, whether it is erased; None if no row is.

    A row with an erased former id is, too. `without_erased` blanks such ids before it removes rows, so it removes only
    events whose former id cannot be blanked.
    """
    kinds = erasures.kinds(site)
    names = {name: kind for kind, name in COLUMNS if kind in kinds}
    if not names:
        return None
    found = pq.read_table(path, columns=["line_number", *names], partitioning=None)
    conditions = []
    for name, kind in names.items():
        column = found.column(name).combine_chunks()
        ids = erasures.erased(kind, site, [each for each in pc.unique(column).to_pylist() if each is not None])
        if ids:
            conditions.append(pc.is_in(column, value_set=pa.array(ids, pa.string())))
    if former := erased_former_ids(path, erasures, site):
        lines = found.column("line_number").combine_chunks()
        conditions.append(pc.is_in(lines, value_set=pa.array(sorted(former), lines.type)))
    return reduce(pc.or_, conditions) if conditions else None


def erased_lines(path: Path, erasures: Erasures, site: str) -> pa.Array | None:
    """Return, for each row of a file of quarantined_lines, whether it contains an erased id; None if no row does."""
    found = pq.read_table(path, columns=["detail", "line"], partitioning=None).to_pylist()
    is_erased = [any(erasures.are_in(text, site) for text in row.values()) for row in found]
    return pa.array(is_erased, pa.bool_()) if any(is_erased) else None


def _blank_former_ids(path: Path, erasures: Erasures, site: str) -> bool:
    """Remove erased former ids from the properties of the events of a file; return whether an event changed."""
    former = erased_former_ids(path, erasures, site)
    if not former:
        return False
    _write_again(path, lambda rows, _: without_ids(rows, map(former.get, rows.column("line_number").to_pylist())))
    return True


def _write_again(path: Path, changed: Callable[[pa.Table, int], pa.Table]) -> None:
    """Write a Parquet file again with changed rows, given as a table and the number of rows before it."""
    kept = path.with_suffix(".kept")
    with pq.ParquetFile(path) as file, pq.ParquetWriter(kept, file.schema_arrow, **WRITTEN) as writer:
        start, waiting = 0, file.schema_arrow.empty_table()
        for batch in file.iter_batches(ROW_GROUP_ROWS, use_threads=False):
            rows = changed(pa.table(batch.columns, schema=file.schema_arrow), start)
            start += len(batch)
            waiting = pa.concat_tables([waiting, rows])
            while len(waiting) >= ROW_GROUP_ROWS:
                writer.write_table(waiting.slice(0, ROW_GROUP_ROWS).combine_chunks())
                waiting = waiting.slice(ROW_GROUP_ROWS)
        if len(waiting):
            writer.write_table(waiting.combine_chunks())
    os.replace(kept, path)


def _times_of(day: RawDay) -> Iterator[pa.ChunkedArray]:
    """Yield the times of the events in each file of a day."""
    for path in paths_at(day.path):
        yield pq.read_table(path, columns=["event_time"], partitioning=None).column("event_time")


def _quarters_of(day: RawDay) -> tuple[int, ...]:
    """Return the quarter hours of the UTC day that have events, from 0 to 95."""
    found: set[int] = set()
    for times in _times_of(day):
        minutes = pc.add(pc.multiply(pc.hour(times), 60), pc.minute(times))
        found.update(pc.unique(pc.divide(minutes, MINUTES_OF_QUARTER)).to_pylist())
    return tuple(sorted(found))


def all_without_erased(readings: Mapping[str, Reading], erasures: Erasures, site: str) -> dict[str, Reading]:
    """Remove the erased rows and former ids of several readings of one site, given by file id; see without_erased."""
    days = {
        (file_id, day.utc_date): paths_at(day.path) for file_id, reading in readings.items() for day in reading.days
    }
    dates: dict[str, set[date]] = defaultdict(set)
    for file_id, utc_date in days_with_erased(days, erasures, site):
        dates[file_id].add(utc_date)
    return {file_id: without_erased(reading, dates[file_id], erasures, site) for file_id, reading in readings.items()}


def without_erased(reading: Reading, dates: Collection[date], erasures: Erasures, site: str) -> Reading:
    """Remove the erased rows and former ids from the files of a reading, and return what is left of it.

    The hash of a changed day is no longer known.

    Args:
        reading: The reading; its files are changed.
        dates: The UTC dates whose events can have erased ids, from `days_with_erased`.
        erasures: The erasures.
        site: The site of the file.
    """
    if not erasures.kinds(site):
        return reading
    found = [_day_without_erased(day, erasures, site) if day.utc_date in dates else day for day in reading.days]
    days = tuple(day for day in found if day is not None)
    event_count = sum(day.row_count for day in reading.days) - sum(day.row_count for day in days)
    line_count = 0
    reasons, quarantine_path = reading.reasons, reading.quarantine_path
    if quarantine_path is not None:
        line_count = sum(_remove(path, erased_lines(path, erasures, site)) for path in paths_at(quarantine_path))
        if line_count:
            _forget_parts(quarantine_path)
            reasons = _reasons_of(paths_at(quarantine_path) if quarantine_path.exists() else [])
            if not reasons:
                quarantine_path = None
    if not line_count and days == reading.days:
        return reading
    bounds = [pc.min_max(times).as_py() for day in days for times in _times_of(day)]
    return replace(
        reading,
        accepted_count=reading.accepted_count - event_count,
        set_aside_count=reading.set_aside_count - line_count,
        erased_count=reading.erased_count + event_count + line_count,
        reasons=reasons,
        first_event_time=min((each["min"] for each in bounds), default=None),
        last_event_time=max((each["max"] for each in bounds), default=None),
        days=days,
        quarantine_path=quarantine_path,
    )


def _day_without_erased(day: RawDay, erasures: Erasures, site: str) -> RawDay | None:
    """Remove the erased rows and former ids from the files of a day; return what is left of it, None if nothing is."""
    blanked_count = sum(_blank_former_ids(path, erasures, site) for path in paths_at(day.path))
    count = sum(_remove(path, erased_events(path, erasures, site)) for path in paths_at(day.path))
    if not count and not blanked_count:
        return day
    if count < day.row_count:
        _forget_parts(day.path)
        return replace(day, row_count=day.row_count - count, quarters=_quarters_of(day), sha256="")
    if day.path.exists():
        remove_at(day.path)
    return None


def _reasons_of(paths: Sequence[Path]) -> dict[str, int]:
    """Return the number of lines in files of quarantined_lines, by reason."""
    reasons: Counter[str] = Counter()
    for path in paths:
        reasons.update(pq.read_table(path, columns=["reason"], partitioning=None).column("reason").to_pylist())
    return dict(sorted(reasons.items()))


def _remove(path: Path, is_erased: pa.Array | None) -> int:
    """Write a Parquet file again without some rows; return how many were removed.

    The bytes depend only on the rows that are left. A file without rows is removed.
    """
    if is_erased is None:
        return 0
    if is_erased.false_count:
        _write_again(path, lambda rows, start: rows.filter(pc.invert(is_erased.slice(start, len(rows)))))
    else:
        path.unlink()
    return int(is_erased.true_count)


def _forget_parts(path: Path) -> None:
    """Remove the list of part files, which has their former hashes, and a folder in which no part is left."""
    if path.is_dir():
        (path / MANIFEST).unlink(missing_ok=True)
        if not paths_at(path):
            remove_at(path)
