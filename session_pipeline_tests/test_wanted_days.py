"""Tests which local days are wanted: those with events, and those that close sessions."""

from datetime import date

import pytest

from session_pipeline.build.wanted import days_with_events, wanted_days
from session_pipeline.reference.days import Calendar
from session_pipeline.reference.quarters import mask_of, quarters_in, recorded
from session_pipeline_tests.constructed_catalogs import DAY, ONE, START, quarter, raw


@pytest.mark.parametrize(
    ("timezone", "quarters", "days"),
    [
        ("UTC", quarter(0), {5}),
        ("UTC", quarter(23, 45), {5}),
        ("UTC", 0, set()),
        ("Europe/Berlin", quarter(21, 45), {5}),
        ("Europe/Berlin", quarter(22), {6}),
        ("Europe/Berlin", quarter(0) | quarter(23, 45), {5, 6}),
        ("America/New_York", quarter(3, 45), {4}),
        ("America/New_York", quarter(4), {5}),
        ("Asia/Kathmandu", quarter(18), {5}),
        ("Asia/Kathmandu", quarter(18, 15), {6}),
    ],
)
def test_quarter_hours_tell_which_local_days_have_events(timezone: str, quarters: int, days: set[int]) -> None:
    found = days_with_events([raw(DAY, quarters)], Calendar(timezone), START)
    assert found == {date(2026, 10, day) for day in days}


@pytest.mark.parametrize("quarters", [(), (0,), (95,), (0, 1, 50, 95), tuple(range(96))])
def test_recorded_quarter_hours_are_read_back(quarters: tuple[int, ...]) -> None:
    assert quarters_in(mask_of(recorded(quarters))) == quarters


def test_quarter_hour_shared_by_two_days_counts_for_both() -> None:
    # Liberia was 44 minutes and 30 seconds behind UTC until 1972, so midnight was within a quarter hour of UTC.
    day = date(1970, 6, 2)
    found = days_with_events([raw(day, quarter(0, 30))], Calendar("Africa/Monrovia"), date(1970, 1, 1))
    assert found == {day - ONE, day}


def test_days_with_events_combine_files_and_respect_start_date() -> None:
    some = [raw(DAY, quarter(1)), raw(DAY, quarter(23), "f2"), raw(DAY - ONE, quarter(12), "f3")]
    berlin = Calendar("Europe/Berlin")
    assert days_with_events(some, berlin, START) == {DAY - ONE, DAY, DAY + ONE}
    assert days_with_events(some, berlin, DAY) == {DAY, DAY + ONE}


def test_wanted_days_have_events_or_close_sessions() -> None:
    some = [raw(date(2026, 10, day), 1) for day in (5, 6, 9, 12)]
    wanted = wanted_days(some, Calendar("UTC"), START, date(2026, 10, 12))
    assert [day.day for day in wanted] == [5, 6, 7, 9, 10, 12]
    wanted = wanted_days(some, Calendar("UTC"), START, date(2026, 10, 11))
    assert [day.day for day in wanted] == [5, 6, 7, 9, 10]
