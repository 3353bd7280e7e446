"""Removes the rows of erased visitors and users from the delivered files' partitions of the store.

Only the files that have such rows are written again. The plan then finds the days to rebuild, because their input has
another content. erased_rows.py removes the rows; deliveries.py calls this at the start of an ingest.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from session_pipeline.ingest.erasing.erase_frozen import erase_frozen
from session_pipeline.ingest.erasing.erased_days import Day, days_with_erased
from session_pipeline.ingest.erasing.erased_rows import erased_events, erased_lines, without_erased
from session_pipeline.ingest.erasing.erasures import Erasures
from session_pipeline.ingest.reading.result import RawDay, Reading
from session_pipeline.ingest.reading.small_files import part_path
from session_pipeline.ingest.taken import as_text
from session_pipeline.reference.quarters import mask_of, quarters_in
from session_pipeline.store import crash_points
from session_pipeline.store.catalog_file import WAREHOUSE_BYTES
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.store.part_files import part_name
from session_pipeline.store.records import Key, Partition, SourceFile, Written
from session_pipeline.store.store import Store

REASON = "a visitor was erased"


def erase_stored(store: Store, erasures: Erasures, run_id: str, mark_damaged: Callable[[Partition], None]) -> set[str]:
    """Remove all erased rows, one delivered file after the other.

    The rows of a file and its counts in the ledger change in one transaction.

    Args:
        store: The store, open for writing.
        erasures: What is erased.
        run_id: The run that erases.
        mark_damaged: Marks a partition as damaged, or raises an error if its rows must not be given up.

    Returns:
        The ids of the delivered files that have a damaged partition. It is marked, and its rows stay: the caller must
        read the file again, which leaves out the erased rows.
    """
    of_file: dict[str, list[Partition]] = defaultdict(list)
    for key, partition in store.partitions.items():
        if key.file_id:
            of_file[key.file_id].append(partition)
    damaged = set()
    files = store.catalog.source_files()
    days = _days_with_erased(store, files.values(), of_file, erasures)
    for file_id, file in files.items():
        site = file.facts["site"]
        if not erasures.kinds(site):
            continue
        possible = [each for each in of_file[file_id] if each.key.date is None or (file_id, each.key.date) in days]
        if any(_has_erased(store, each, erasures, site, mark_damaged) for each in possible):
            dates = {each.key.date for each in possible if each.key.date is not None}
            _erase(store, file, of_file[file_id], dates, erasures, run_id, mark_damaged)
            crash_points.reached("erase: file written again")
        if any(_is_damaged(store, each) for each in of_file[file_id]):
            damaged.add(file_id)
    if erasures.unfinished is not None:
        erase_frozen(store, erasures.unfinished, erasures.linking_events, run_id, REASON)
    # Also if no row was removed: DELETE leaves bytes of earlier rows in the warehouse, so it must be a new file.
    store.catalog.set_state(WAREHOUSE_BYTES, 0)
    crash_points.reached("erase: rows removed")
    return damaged


def _days_with_erased(
    store: Store, files: Iterable[SourceFile], of_file: Mapping[str, Sequence[Partition]], erasures: Erasures
) -> set[Day]:
    """Return the days of delivered files whose events have erased ids, or cannot be read."""
    of_site: dict[str, dict[Day, Sequence[Path]]] = defaultdict(dict)
    for file in files:
        for partition in of_file[file.file_id]:
            if partition.key.date is not None:
                of_site[file.facts["site"]][file.file_id, partition.key.date] = store.paths_of(partition)
    found: set[Day] = set()
    for site, paths in of_site.items():
        if erasures.kinds(site):
            found |= days_with_erased(paths, erasures, site)
    return found


def _is_damaged(store: Store, partition: Partition) -> bool:
    """Whether a partition was found damaged, also since this object was read."""
    current = store.get(partition.key)
    return current is not None and current.is_damaged


def _has_erased(
    store: Store, partition: Partition, erasures: Erasures, site: str, mark_damaged: Callable[[Partition], None]
) -> bool:
    find = erased_events if partition.key.table == "raw_events" else erased_lines
    try:
        return any(find(path, erasures, site) is not None for path in store.paths_of(partition))
    except (OSError, pa.ArrowException, duckdb.IOException, duckdb.InvalidInputException):
        mark_damaged(partition)
        return False


def _erase(
    store: Store,
    file: SourceFile,
    partitions: Sequence[Partition],
    dates: Collection[date],
    erasures: Erasures,
    run_id: str,
    mark_damaged: Callable[[Partition], None],
) -> None:
    for partition in partitions:
        if not store.is_intact(partition):
            mark_damaged(partition)
            return
    before = _copied(store, file, partitions)
    left = without_erased(before, dates, erasures, file.facts["site"])
    days = {Key("raw_events", day.utc_date, file.file_id): day for day in left.days}
    kept = set(days)
    changed = [
        (key, day.path, day.row_count, dict[str, Any](day.counts)) for key, day in days.items() if not day.sha256
    ]
    if left.quarantine_path is not None:
        key = Key("quarantined_lines", None, file.file_id)
        kept.add(key)
        if left.set_aside_count != before.set_aside_count:
            changed.append((key, left.quarantine_path, left.set_aside_count, dict(left.reasons)))
    written = [
        Written(key, path, row_count, file.fingerprint, counts=figures, reason=REASON, causes=(REASON,))
        for key, path, row_count, figures in changed
    ]
    facts: FileFacts = {
        **file.facts,
        "accepted_count": left.accepted_count,
        "set_aside_count": left.set_aside_count,
        "erased_count": left.erased_count,
        "first_event_time": as_text(left.first_event_time),
        "last_event_time": as_text(left.last_event_time),
    }
    store.commit(
        written,
        run_id=run_id,
        drop=[partition.key for partition in partitions if partition.key not in kept],
        source_files=[replace(file, facts=facts)],
    )


def _copied(store: Store, file: SourceFile, partitions: Sequence[Partition]) -> Reading:
    """Copy the files of a delivered file's partitions into the scratch folder, and return them as its reading."""
    days, reasons, quarantine_path = [], {}, None
    for partition in sorted(partitions, key=lambda each: str(each.key.date)):
        path = part_path(store.scratch, file.file_id, partition.key.table, partition.key.date)
        _copy(store.paths_of(partition), path)
        if partition.key.date is None:
            quarantine_path, reasons = path, {reason: int(count) for reason, count in partition.counts.items()}
            continue
        quarters = quarters_in(mask_of(partition.counts))
        days.append(RawDay(partition.key.date, path, partition.row_count, quarters, partition.sha256))
    return Reading(
        accepted_count=file.facts["accepted_count"],
        set_aside_count=file.facts["set_aside_count"],
        erased_count=file.facts.get("erased_count", 0),
        reasons=reasons,
        first_event_time=None,
        last_event_time=None,
        mapping={},
        days=tuple(days),
        quarantine_path=quarantine_path,
    )


def _copy(paths: Sequence[Path], target: Path) -> None:
    """Copy the files of a partition; several become a folder of part files."""
    if len(paths) == 1:
        shutil.copyfile(paths[0], target)
        return
    target.mkdir()
    for number, path in enumerate(paths):
        shutil.copyfile(path, target / part_name(number))
