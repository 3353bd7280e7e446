"""Tests local days: their start and length, their UTC dates, and the days that a time span reaches."""

from datetime import date, datetime, timedelta

import pytest

from session_pipeline.reference.days import MICROSECOND, Calendar, day_ranges, zone

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("timezone", "day", "length"),
    [
        ("UTC", date(2026, 10, 5), 24 * HOUR),
        ("America/New_York", date(2026, 3, 8), 23 * HOUR),
        ("America/New_York", date(2026, 11, 1), 25 * HOUR),
        ("America/Sao_Paulo", date(2018, 11, 4), 23 * HOUR),  # midnight does not exist
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5 * HOUR),
        ("Pacific/Apia", date(2011, 12, 30), 0 * HOUR),
    ],
)
def test_day_has_the_length_of_its_time_zone(timezone: str, day: date, length: timedelta) -> None:
    calendar = Calendar(timezone)
    assert calendar.end(day) - calendar.start(day) == length
    assert calendar.exists(day) is bool(length)


def test_nonexistent_day_is_skipped() -> None:
    apia = Calendar("Pacific/Apia")
    assert apia.next(date(2011, 12, 29)) == date(2011, 12, 31)
    assert apia.previous(date(2011, 12, 31)) == date(2011, 12, 29)
    assert apia.utc_dates(date(2011, 12, 30)) == ()


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "America/New_York"])
def test_every_instant_is_within_its_local_date(timezone: str) -> None:
    calendar = Calendar(timezone)
    instant = datetime(2010, 10, 25)
    while instant < datetime(2012, 1, 5):
        day = calendar.local_date(instant)
        assert calendar.start(day) <= instant < calendar.end(day)
        instant += 3 * HOUR + 7 * MICROSECOND


def test_day_ends_where_the_next_begins() -> None:
    calendar = Calendar("America/New_York")
    day = date(2026, 1, 1)
    for _ in range(730):
        assert calendar.end(day) == calendar.start(calendar.next(day))
        day = calendar.next(day)


def test_utc_dates_of_a_local_day() -> None:
    day, next_day = date(2026, 10, 5), date(2026, 10, 6)
    assert Calendar("UTC").utc_dates(day) == (day,)
    assert Calendar("America/New_York").utc_dates(day) == (day, next_day)


def test_utc_date_is_over_before_the_day_after_its_last_local_day() -> None:
    utc_date, next_day = date(2026, 10, 5), date(2026, 10, 6)
    assert Calendar("UTC").is_over_before(utc_date, next_day)
    assert not Calendar("UTC").is_over_before(utc_date, utc_date)
    assert Calendar("America/New_York").is_over_before(utc_date, next_day)  # it ends at 20:00 of the same date
    assert not Calendar("Asia/Kathmandu").is_over_before(utc_date, next_day)


def test_longest_session_reaches_the_next_days() -> None:
    calendar = Calendar("America/New_York")
    longest = timedelta(hours=24) - MICROSECOND
    assert calendar.reach(date(2026, 3, 10), longest) == (date(2026, 3, 10), date(2026, 3, 11))
    assert calendar.reach(date(2026, 3, 7), longest) == (date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9))


def test_reach_includes_the_last_instant_and_skips_empty_days() -> None:
    day, next_day = date(2026, 3, 10), date(2026, 3, 11)
    assert Calendar("UTC").reach(day, timedelta(0)) == (day,)
    assert Calendar("UTC").reach(day, timedelta(microseconds=1)) == (day, next_day)
    assert Calendar("Pacific/Apia").reach(date(2011, 12, 29), HOUR) == (date(2011, 12, 29), date(2011, 12, 31))


def test_local_date_is_right_if_a_clock_change_skips_midnight() -> None:
    toronto = Calendar("America/Toronto")  # on 1919-03-30 the clocks went from 23:30 to 00:30
    instant = datetime(1919, 3, 31, 3)
    while instant < datetime(1919, 3, 31, 7):
        day = toronto.local_date(instant)
        assert toronto.start(day) <= instant < toronto.end(day)
        instant += timedelta(minutes=5)


def test_calendar_equality_ignores_cached_values() -> None:
    asked = Calendar("UTC")
    asked.start(date(2026, 3, 10))
    assert asked == Calendar("UTC") != Calendar("Europe/Berlin")
    assert repr(asked) == "Calendar(timezone='UTC')"


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe/../UTC", "", "Europe"])
def test_unknown_time_zone_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        zone(name)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], ""),
        ([5], "2026-10-05"),
        ([6, 5, 7], "2026-10-05 to 2026-10-07"),
        ([5, 7, 9, 10], "2026-10-05, 2026-10-07, 2026-10-09 to 2026-10-10"),
        ([1, 2, 4, 6, 8, 9], "2026-10-01 to 2026-10-02, ..., 2026-10-08 to 2026-10-09 (4 stretches)"),
    ],
)
def test_days_are_written_as_ranges(days: list[int], expected: str) -> None:
    assert day_ranges(date(2026, 10, day) for day in days) == expected
