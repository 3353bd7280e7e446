"""Tests the session oracle with published cases, and with hand-written cases for the definitions of the design."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from session_pipeline_tests.deliveries import delivery, read_lines
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.published_cases import (
    NEEDS_FIXTURES,
    SESSION_CASES_NOT_EXPRESSIBLE,
    SESSION_CASES_THAT_DIFFER_ELSEWHERE,
    SessionCase,
    read_cases,
    session_cases,
    session_numbers,
)
from session_pipeline_tests.oracles.sessions import MICROSECOND, Event, Rules

NOON = datetime(2026, 1, 1, 12)
HALF_AN_HOUR = timedelta(minutes=30)


def events_of(lines: list[dict[str, Any]], rules: Rules) -> list[Event]:
    defaults = {"visitor_id": "v", "event_name": "page_view"}
    delivered = delivery("file", [defaults | {"event_id": str(place)} | line for place, line in enumerate(lines)])
    kept, _ = oracle.split_copies(read_lines([delivered]), rules.timezone)
    return oracle.sessionize(kept, rules)


def reasons(lines: list[dict[str, Any]], rules: Rules) -> list[str | None]:
    return [event.break_reason for event in events_of(lines, rules)]


@NEEDS_FIXTURES
@pytest.mark.parametrize("case", session_cases(), ids=lambda case: case.name)
def test_oracle_gives_the_published_sessions(case: SessionCase) -> None:
    lines = read_lines([delivery("file", case.lines)])
    events = oracle.sessionize(lines, case.rules)

    found = session_numbers((event.line.visitor_id, event.line.event_id, event.session_id) for event in events)
    assert {event_id: found.get(event_id) for event_id in case.session_numbers} == case.session_numbers
    if case.page_view_count is not None:
        [session] = oracle.summarize(events, case.rules, until=date(2030, 1, 1))
        assert session.page_view_count == session.event_count == case.page_view_count
        assert session.started_at == session.ended_at


@NEEDS_FIXTURES
def test_listed_cases_exist() -> None:
    ids = {case["id"] for case in read_cases("sessionize_cases.json")}
    listed = {*SESSION_CASES_NOT_EXPRESSIBLE, *SESSION_CASES_THAT_DIFFER_ELSEWHERE}
    assert listed <= ids
    assert len(session_cases()) == len(ids) - len(SESSION_CASES_NOT_EXPRESSIBLE)


def test_gap_equal_to_the_timeout_stays_one_session() -> None:
    times = [NOON, NOON + HALF_AN_HOUR, NOON + 2 * HALF_AN_HOUR + MICROSECOND]
    assert reasons([{"event_time": at} for at in times], Rules()) == [
        "inactivity",
        None,
        "inactivity",
    ]


def test_first_value_is_no_break_and_outlives_other_breaks() -> None:
    rules = Rules(breaks_at=frozenset({"user", "campaign"}))
    lines: list[dict[str, Any]] = [
        {"event_time": NOON},
        {"event_time": NOON, "user_id": "ann"},
        {"event_time": NOON, "utm_campaign": "spring"},
        {"event_time": NOON, "user_id": "bob"},
        {"event_time": NOON, "page_url": "https://shop.example/?utm_campaign=summer"},
        {"event_time": NOON + HALF_AN_HOUR + MICROSECOND, "user_id": "ann"},
        {"event_time": NOON + HALF_AN_HOUR + MICROSECOND, "utm_campaign": "spring"},
    ]
    assert reasons(lines, rules) == [
        "inactivity",
        None,
        None,
        "user",
        "campaign",
        "inactivity",
        None,
    ]


def test_longest_session_is_measured_from_the_last_other_break() -> None:
    rules = Rules(longest=timedelta(hours=1), inactivity=timedelta(hours=1))
    minutes = [0, 59, 60, 119, 121, 121]
    lines = [{"event_time": NOON + timedelta(minutes=minute)} for minute in minutes]
    assert reasons(lines, rules) == ["inactivity", None, "max_hours", None, "max_hours", None]


def test_order_is_sequence_then_line_number_then_event_id() -> None:
    lines = [
        {"event_time": NOON, "event_id": "z"},
        {"event_time": NOON, "event_id": "y", "sequence": 1},
        {"event_time": NOON, "event_id": "x", "sequence": 0},
        {"event_time": NOON, "event_id": "w", "sequence": 4},
    ]
    assert [event.line.event_id for event in events_of(lines, Rules())] == ["x", "y", "z", "w"]


@pytest.mark.parametrize(
    ("before_midnight", "is_copy"),
    [
        (timedelta(minutes=59, seconds=59), True),
        (timedelta(minutes=60), True),
        (timedelta(minutes=60) + MICROSECOND, False),
    ],
)
def test_ids_of_the_last_hour_are_carried_over_midnight(before_midnight: timedelta, is_copy: bool) -> None:
    midnight = datetime(2026, 1, 2)
    lines = [
        {"event_time": midnight - before_midnight, "event_id": "same"},
        {"event_time": midnight + timedelta(hours=5), "event_id": "same"},
    ]
    assert len(events_of(lines, Rules())) == (1 if is_copy else 2)


def test_copies_are_carried_over_the_skipped_day_in_apia() -> None:
    apia = "Pacific/Apia"
    assert oracle.day_start(date(2011, 12, 30), apia) == oracle.day_end(date(2011, 12, 30), apia)
    assert oracle.day_before(date(2011, 12, 31), apia) == date(2011, 12, 29)
    midnight = oracle.day_start(date(2011, 12, 31), apia)
    lines = [
        {"event_time": midnight - MICROSECOND, "event_id": "same"},
        {"event_time": midnight, "event_id": "same"},
    ]
    [event] = events_of(lines, Rules(timezone=apia))
    assert event.session_date == date(2011, 12, 29)


def test_days_with_23_and_25_and_half_hours() -> None:
    def hours(day: date, timezone: str) -> float:
        return (oracle.day_end(day, timezone) - oracle.day_start(day, timezone)) / timedelta(hours=1)

    assert hours(date(2026, 3, 8), "America/New_York") == 23
    assert hours(date(2026, 11, 1), "America/New_York") == 25
    assert hours(date(2026, 4, 5), "Australia/Lord_Howe") == 24.5
    assert hours(date(2018, 11, 4), "America/Sao_Paulo") == 23


def test_day_continues_when_clocks_go_back_over_midnight() -> None:
    st_johns = "America/St_Johns"
    start = oracle.day_start(date(2010, 11, 7), st_johns)
    assert oracle.local_date(start + timedelta(minutes=30), st_johns) == date(2010, 11, 7)
    assert oracle.local_date(start - MICROSECOND, st_johns) == date(2010, 11, 6)
    assert oracle.day_end(date(2010, 11, 7), st_johns) - start == timedelta(hours=25)


def test_session_is_incomplete_until_reachable_days_are_built() -> None:
    lines = [{"event_time": datetime(2026, 1, 1, 23, 30)}]
    rules = Rules()
    events = events_of(lines, rules)
    completeness = [
        oracle.summarize(events, rules, until=day)[0].is_complete for day in (date(2026, 1, 1), date(2026, 1, 2))
    ]
    assert completeness == [False, True]
    assert oracle.open_at_end(events, date(2026, 1, 1), rules) == events
