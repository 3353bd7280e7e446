"""Finds what expires: partitions of old days, the text of old quarantined lines, and the days that are frozen with it.

A pure function of the catalog, the settings and the horizon, like the plan. Ages are counted in days of data, from the
horizon back, so the clock has no part in them. A day whose raw events have expired is frozen: it is never built again,
and its tables stay as they are until they expire themselves. run/run.py commits what is found here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache

from session_pipeline.ingest.erasing.expired_text import EXPIRED_TEXT
from session_pipeline.reference.days import ONE_DAY, Calendar
from session_pipeline.settings import Settings
from session_pipeline.store.records import Key, Partition, Publication, SourceFile
from session_pipeline.tables import TABLES
from session_pipeline.tables.spans import ALL_DAYS, CLOSED_BLOCKS, HISTORY
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS

OF_A_PERSON = frozenset(("visitor_id", "session_id"))


@dataclass(frozen=True)
class Expiry:
    """What expires at a horizon.

    Attributes:
        frozen_before: The first day that is not frozen; None if no day ever was.
        drop: Partitions to drop.
        texts: Partitions of quarantined_lines to write again without text.
        files: Delivered files that lose rows, as they are recorded then.
    """

    frozen_before: date | None = None
    drop: tuple[Key, ...] = ()
    texts: tuple[Key, ...] = ()
    files: tuple[SourceFile, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be removed."""
        return not self.drop and not self.texts


NOTHING = Expiry()


def has_expiry(settings: Settings) -> bool:
    """Whether the settings let anything expire."""
    return bool(settings.privacy.quarantine_days or settings.privacy.keep_days.raw)  # the other limits need raw


def find_expiry(
    partitions: Mapping[Key, Partition],
    source_files: Mapping[str, SourceFile],
    publications: Sequence[Publication],
    frozen_before: date | None,
    settings: Settings,
    until: date,
) -> Expiry:
    """Return what expires.

    Args:
        partitions: The partitions of the catalog.
        source_files: The ledger, by file id.
        publications: All publications, newest first.
        frozen_before: The recorded first day that is not frozen; it never moves back.
        settings: The settings.
        until: The horizon: the last day that counts.
    """
    keep, calendar = settings.privacy.keep_days, Calendar(settings.timezone)
    drop: list[Key] = []
    if keep.raw:
        frozen_before = max(filter(None, (frozen_before, _first_kept(until, keep.raw))))
        drop += _frozen_raw(partitions, frozen_before, calendar)
        # Only frozen days: the settings require more days of these tables than of raw events.
        for tables, days in ((tables_of_people(), keep.events), (other_tables(), keep.aggregates)):
            if days:
                first = _first_kept(until, days)
                drop += [key for key in partitions if key.table in tables and key.date and key.date < first]
    texts: list[Key] = []
    if settings.privacy.quarantine_days:
        first = _first_kept(until, settings.privacy.quarantine_days)
        texts = [
            key
            for key, partition in partitions.items()
            if key.table == "quarantined_lines"
            and partition.reason != EXPIRED_TEXT
            and (day := _day_of_lines(partition, source_files, publications, calendar)) is not None
            and day < first
        ]
    files = _files_without(drop, partitions, source_files)
    return Expiry(frozen_before, tuple(sorted(drop)), tuple(sorted(texts)), files)


@cache
def kept_tables() -> frozenset[str]:
    """Return the daily tables that later days read without a limit, such as when a visitor was first seen.

    They never expire: without them, returning visitors of later days would be new.
    """
    unlimited = (ALL_DAYS, CLOSED_BLOCKS, HISTORY)
    return frozenset(what.table for step in STEP_OF_TABLE.values() for what in step.inputs if what.span in unlimited)


@cache
def tables_of_people() -> frozenset[str]:
    """Return the daily tables with a row for each event, session or visitor, except those that never expire."""
    return frozenset(name for name in _daily_tables() if OF_A_PERSON & {column.name for column in TABLES[name].columns})


@cache
def other_tables() -> frozenset[str]:
    """Return the other daily tables, which have counts, except those that never expire."""
    return frozenset(_daily_tables()) - tables_of_people()


def _daily_tables() -> list[str]:
    built = {*STEP_OF_TABLE, *(log.table for step in STEPS for log in step.logs)}
    return [name for name in built if TABLES[name].date_column and name not in kept_tables()]


def _first_kept(until: date, days: int) -> date:
    return until - (days - 1) * ONE_DAY


def _frozen_raw(partitions: Iterable[Key], frozen_before: date, calendar: Calendar) -> list[Key]:
    return [
        key
        for key in partitions
        if key.table == "raw_events" and key.date and calendar.is_over_before(key.date, frozen_before)
    ]


def _day_of_lines(
    partition: Partition,
    source_files: Mapping[str, SourceFile],
    publications: Sequence[Publication],
    calendar: Calendar,
) -> date | None:
    """Return the day from which the age of quarantined lines counts; None if it is not known yet.

    It is the day of the last event of their file. A file without events counts from the horizon of the first
    publication that had its lines.
    """
    file = source_files.get(partition.key.file_id)
    last = file.facts["last_event_time"] if file is not None else None
    if last:
        return calendar.local_date(datetime.fromisoformat(last))
    since = [each for each in publications if each.generation >= partition.generation]
    return min((each.data_until for each in since), default=None)


def _files_without(
    drop: Iterable[Key], partitions: Mapping[Key, Partition], source_files: Mapping[str, SourceFile]
) -> tuple[SourceFile, ...]:
    """Return the files of dropped raw events, with the number of their lines that are no longer stored."""
    counts: dict[str, int] = {}
    for key in drop:
        if key.file_id:
            counts[key.file_id] = counts.get(key.file_id, 0) + partitions[key].row_count
    return tuple(
        replace(file, facts={**file.facts, "expired_count": file.facts.get("expired_count", 0) + count})
        for file_id, count in sorted(counts.items())
        if (file := source_files.get(file_id)) is not None
    )
