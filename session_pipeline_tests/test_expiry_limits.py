"""Tests the border between what expires and what stays, on catalogs without files."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.build.expiry import Expiry, find_expiry
from session_pipeline.ingest.erasing.expired_text import EXPIRED_TEXT
from session_pipeline.ingest.reading.result import RawDay, Reading
from session_pipeline.ingest.taken import without_frozen_days
from session_pipeline.reference.days import ONE_DAY, Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.settings.privacy import LONGEST_READ_DAYS
from session_pipeline.store.records import Key, Partition, Publication, SourceFile

FIRST = date(2024, 3, 1)
UNTIL = FIRST + 17 * ONE_DAY
RAW_DAYS, EVENT_DAYS = 10, 13
FROZEN_BEFORE = UNTIL - (RAW_DAYS - 1) * ONE_DAY


def partition(name: str, day: date | None, file_id: str = "", **others: Any) -> Partition:
    key = Key(name, day, file_id)
    return Partition(key, f"{key}", "", 3, 1, "")._replace(**others)


def found_in(
    *partitions: Partition, keep: str, files: Sequence[SourceFile] = (), publications: Sequence[Publication] = ()
) -> Expiry:
    settings = parse_settings(f"start_date = {FIRST}\n{keep}")
    by_id = {file.file_id: file for file in files}
    return find_expiry({each.key: each for each in partitions}, by_id, publications, None, settings, UNTIL)


KEEP_RAW = f"privacy.keep_days.raw = {RAW_DAYS}\n"


def test_counts_expire_after_their_own_limit() -> None:
    days_kept = RAW_DAYS + LONGEST_READ_DAYS
    first = UNTIL - (days_kept - 1) * ONE_DAY
    stored = [partition("daily_summary", day) for day in (first - ONE_DAY, first)]
    limits = f"privacy.keep_days = {{ raw = {RAW_DAYS}, events = {EVENT_DAYS}, aggregates = {days_kept} }}"
    assert found_in(*stored, keep=limits).drop == (stored[0].key,)


# East of Greenwich, the first local day that is kept begins on the UTC date before.
UTC_DATES = [FROZEN_BEFORE + number * ONE_DAY for number in (-2, -1, 0)]
KEPT_DATES = {
    "UTC": UTC_DATES[2:],
    "America/St_Johns": UTC_DATES[2:],
    "Asia/Tokyo": UTC_DATES[1:],
    "Pacific/Apia": UTC_DATES[1:],
}


@pytest.mark.parametrize("timezone", KEPT_DATES)
def test_raw_events_stay_while_a_kept_local_day_has_their_utc_date(timezone: str) -> None:
    stored = [partition("raw_events", day, "f1") for day in UTC_DATES]
    dropped = found_in(*stored, keep=f"{KEEP_RAW}timezone = '{timezone}'").drop
    assert [each.key.date for each in stored if each.key not in dropped] == KEPT_DATES[timezone]


@pytest.mark.parametrize("timezone", KEPT_DATES)
def test_late_file_keeps_the_same_days_and_counts_the_other_lines(timezone: str, tmp_path: Path) -> None:
    read = tuple(RawDay(day, tmp_path / str(day), 3, (1,)) for day in UTC_DATES)
    for day in read:
        day.path.touch()
    reading = Reading(9, 0, {}, None, None, {}, read, None)
    left, expired_count = without_frozen_days(reading, Calendar(timezone), FROZEN_BEFORE)
    kept = KEPT_DATES[timezone]
    assert [day.utc_date for day in left.days] == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(day) for day in kept]
    assert expired_count == 3 * (len(UTC_DATES) - len(kept))


def test_late_file_keeps_all_days_if_none_is_frozen() -> None:
    reading = Reading(3, 0, {}, None, None, {}, (RawDay(FIRST, Path("nowhere"), 3, (1,)),), None)
    assert without_frozen_days(reading, Calendar("UTC"), None) == (reading, 0)


def test_expired_lines_of_a_file_are_all_those_of_its_days() -> None:
    stored = [partition("raw_events", FIRST + number * ONE_DAY, "f1") for number in range(3)]
    files = [SourceFile("f1", "", {"expired_count": 5}), SourceFile("f2", "", {})]
    [file] = found_in(*stored, keep=KEEP_RAW, files=files).files
    assert (file.file_id, file.facts) == ("f1", {"expired_count": 5 + 3 * 3})


@pytest.mark.parametrize(
    ("timezone", "last_event_time", "is_expired"),
    [
        ("UTC", "2024-03-16 23:30:00.000000", True),
        ("UTC", "2024-03-17 00:00:00.000000", False),
        ("Asia/Tokyo", "2024-03-16 23:30:00.000000", False),  # there, it is the 17th
    ],
)
def test_age_of_text_counts_from_the_local_day_of_the_last_event(
    timezone: str, last_event_time: str, is_expired: bool
) -> None:
    keep = f"privacy.quarantine_days = 2\ntimezone = '{timezone}'"
    file = SourceFile("f1", "", {"last_event_time": last_event_time})
    found = found_in(partition("quarantined_lines", None, "f1"), keep=keep, files=[file])
    assert bool(found.texts) is is_expired


def test_age_of_text_without_events_counts_from_the_first_publication() -> None:
    file = SourceFile("f1", "", {"last_event_time": None})
    stored = partition("quarantined_lines", None, "f1", generation=3)
    keep = "privacy.quarantine_days = 2"
    horizons = ((9, UNTIL), (6, UNTIL - ONE_DAY), (4, UNTIL - 2 * ONE_DAY), (2, FIRST))
    publications = [Publication(generation, until, "", "", "") for generation, until in horizons]
    assert found_in(stored, keep=keep, files=[file], publications=publications).texts == (stored.key,)
    before_and_after = [each for each in publications if each.generation != 4]
    assert not found_in(stored, keep=keep, files=[file], publications=before_and_after).texts


def test_expired_text_does_not_expire_again() -> None:
    file = SourceFile("f1", "", {"last_event_time": f"{FIRST} 10:00:00.000000"})
    stored = partition("quarantined_lines", None, "f1")
    assert found_in(stored, keep="privacy.quarantine_days = 2", files=[file]).texts == (stored.key,)
    again = found_in(stored._replace(reason=EXPIRED_TEXT), keep="privacy.quarantine_days = 2", files=[file])
    assert again.is_empty
