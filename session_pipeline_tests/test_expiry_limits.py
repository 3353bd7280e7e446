"""Tests the border between what expires and what stays, on catalogs without files, and which limits are allowed."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.build.expiry import Expiry, find_expiry, has_expiry, kept_tables, other_tables, tables_of_people
from session_pipeline.errors import SettingsError
from session_pipeline.ingest.erasing.expired_text import EXPIRED_TEXT
from session_pipeline.ingest.reading.result import RawDay, Reading
from session_pipeline.ingest.taken import frozen_rows, without_frozen_days
from session_pipeline.reference.days import ONE_DAY, Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.settings.privacy import LONGEST_READ_DAYS, SESSION_DAYS
from session_pipeline.store.records import Key, Partition, Publication, SourceFile
from session_pipeline.tables import TABLES
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS

FIRST = date(2024, 3, 1)
UNTIL = FIRST + 17 * ONE_DAY
RAW_DAYS, EVENT_DAYS = 10, 13
FROZEN_BEFORE = UNTIL - (RAW_DAYS - 1) * ONE_DAY


def partition(name: str, day: date | None, file_id: str = "", **others: Any) -> Partition:
    key = Key(name, day, file_id)
    return Partition(key, f"{key}", "", 3, 1, "")._replace(**others)


def found_in(
    *partitions: Partition,
    keep: str,
    files: Sequence[SourceFile] = (),
    publications: Sequence[Publication] = (),
    frozen_before: date | None = None,
) -> Expiry:
    settings = parse_settings(f"start_date = {FIRST}\n{keep}")
    by_id = {file.file_id: file for file in files}
    return find_expiry({each.key: each for each in partitions}, by_id, publications, frozen_before, settings, UNTIL)


KEEP_RAW = f"privacy.keep_days.raw = {RAW_DAYS}\n"


@pytest.mark.parametrize(
    ("recorded", "frozen_before"),
    [
        (None, FROZEN_BEFORE),
        (FROZEN_BEFORE - ONE_DAY, FROZEN_BEFORE),
        (FROZEN_BEFORE + ONE_DAY, FROZEN_BEFORE + ONE_DAY),  # by a later last day, or by a smaller limit
    ],
)
def test_frozen_days_stay_frozen(recorded: date | None, frozen_before: date) -> None:
    stored = [partition("raw_events", frozen_before + number * ONE_DAY, "f1") for number in (-1, 0)]
    found = found_in(*stored, keep=KEEP_RAW, frozen_before=recorded)
    assert (found.frozen_before, found.drop, found.is_empty) == (frozen_before, (stored[0].key,), False)
    assert found_in(stored[1], keep=KEEP_RAW, frozen_before=recorded).is_empty


def test_nothing_expires_without_a_limit() -> None:
    stored = partition("raw_events", FIRST, "f1")
    found = found_in(stored, keep="", frozen_before=FROZEN_BEFORE)
    assert (found.frozen_before, found.is_empty) == (FROZEN_BEFORE, True)
    limits = {"": False, "privacy.quarantine_days = 1": True, KEEP_RAW: True}
    assert {keep: has_expiry(parse_settings(keep)) for keep in limits} == limits


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
    assert frozen_rows(reading, Calendar("UTC"), None) == 0


@pytest.mark.parametrize("timezone", ["America/St_Johns", "Asia/Tokyo"])
@pytest.mark.parametrize("minutes", [(-15, 0), (-1, 0, 1), (0, 1), (1,)], ids=str)
def test_rows_before_the_first_open_day_are_of_frozen_days(
    timezone: str, minutes: Sequence[int], tmp_path: Path
) -> None:
    start = Calendar(timezone).start(FROZEN_BEFORE)
    times = [start + timedelta(minutes=each) for each in minutes]
    pq.write_table(pa.table({"event_time": pa.array(times, pa.timestamp("us"))}), tmp_path / "events.parquet")
    quarters = sorted({(time.hour * 60 + time.minute) // 15 for time in times})
    day = RawDay(start.date(), tmp_path / "events.parquet", len(times), tuple(quarters))
    later = RawDay(start.date() + ONE_DAY, tmp_path / "not read", 1, (0,))
    reading = Reading(len(times) + 1, 0, {}, None, None, {}, (day, later), None)
    assert frozen_rows(reading, Calendar(timezone), FROZEN_BEFORE) == sum(each < 0 for each in minutes)


def test_expired_lines_of_a_file_are_all_those_of_its_days() -> None:
    days = [FIRST + number * ONE_DAY for number in (2, 0, 1)]
    stored = [partition("raw_events", day, file_id) for file_id in ("f2", "f1") for day in days]
    files = [SourceFile("f1", "", {"expired_count": 5}), SourceFile("f2", "", {}), SourceFile("f3", "", {})]
    found = found_in(*stored, keep=KEEP_RAW, files=files)
    assert list(found.drop) == sorted(each.key for each in stored)
    assert [(file.file_id, file.facts) for file in found.files] == [
        ("f1", {"expired_count": 5 + 3 * 3}),
        ("f2", {"expired_count": 3 * 3}),
    ]


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


# Which limits the settings can have


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        ("{ raw = 5 }", "raw = 5"),
        ("{ events = 90 }", "has no raw"),
        ("{ raw = 30, events = 31 }", "write at least 33"),
        ("{ raw = 30, events = 40, aggregates = 100 }", "write at least 114"),
        ("{ raw = 30, events = 200, aggregates = 150 }", "write at least 200"),
        ("{ raw = 30, aggregates = 150 }", "events too"),
        ("{ raw = -1 }", "raw"),
    ],
)
def test_limits_that_later_days_need_are_refused(keep: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_settings(f"privacy.keep_days = {keep}")


def test_funnel_windows_need_raw_events() -> None:
    assert parse_settings("privacy.keep_days = { raw = 10 }").privacy.keep_days.raw == 10
    with pytest.raises(SettingsError, match="write at least 10"):
        parse_settings("privacy.keep_days = { raw = 9 }")
    assert parse_settings("funnels = []\nprivacy.keep_days = { raw = 9 }").privacy.keep_days.raw == 9


def test_settings_keep_what_the_spans_of_open_days_read() -> None:
    wanted = tuple(FIRST + number * ONE_DAY for number in range(400))
    frame = Frame(parse_settings("sessions.max_hours = 24"), Calendar("America/St_Johns"), wanted, wanted[-1])
    day, furthest = wanted[300], {"people": 0, "others": 0}
    for step in STEPS:
        for what in step.inputs:
            for kind, tables in (("people", tables_of_people()), ("others", other_tables())):
                if step.is_daily and what.table in tables:
                    read = min((*what.span.dates(frame, day), day))
                    furthest[kind] = max(furthest[kind], (day - read).days)
    assert 1 <= furthest["people"] <= SESSION_DAYS
    assert 0 < furthest["others"] <= LONGEST_READ_DAYS


def test_each_daily_table_expires_with_one_limit_or_never() -> None:
    logs = {log.table for step in STEPS for log in step.logs}
    daily = {name for name in {*STEP_OF_TABLE, *logs} if TABLES[name].date_column}
    assert tables_of_people() | other_tables() | kept_tables() >= daily
    assert not tables_of_people() & other_tables()
    assert {"events", "sessions", "session_facts", "open_sessions", "session_changes"} <= tables_of_people()
    assert {"daily_summary", "moment_counts", "funnel_steps"} <= other_tables()
    assert {"visitor_states", "visitor_days", "agents_seen"} <= kept_tables()


@pytest.mark.parametrize("timezone", ["UTC", "America/St_Johns", "Pacific/Apia"])
def test_raw_events_of_a_utc_date_are_kept_while_a_local_day_needs_them(timezone: str) -> None:
    calendar = Calendar(timezone)
    for day in (date(2011, 12, 29), date(2011, 12, 31), date(2024, 3, 10), FIRST):
        needed = {utc_date for later in range(3) for utc_date in calendar.utc_dates(day + later * ONE_DAY)}
        assert not any(calendar.is_over_before(utc_date, day) for utc_date in needed)
        assert calendar.is_over_before(min(needed) - ONE_DAY, day)
