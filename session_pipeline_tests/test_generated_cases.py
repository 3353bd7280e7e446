"""Tests that the generated cases reach the edge cases they are made for; only then is comparing them useful."""

from collections import Counter
from itertools import pairwise

import pytest

from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.expected_tables import known_lines
from session_pipeline_tests.oracles.generated_cases import CASES_IN_A_GROUP, PLACES, SEEDS, Group, group
from session_pipeline_tests.oracles.sessions import (
    CHANGES,
    CLIENT_SESSION_TIMEOUT,
    MICROSECOND,
    Copy,
    Event,
    local_date,
)

AT_LEAST = {
    "inactivity": 100,
    "midnight": 100,
    "separator": 100,
    **dict.fromkeys(CHANGES, 100),
    "max_hours": 100,
    "max_hours, at the multiple": 100,
    "no gap": 100,
    "gap: the timeout less 1 µs": 100,
    "gap: the timeout": 100,
    "gap: the timeout and 1 µs": 100,
    "first instant of a day": 100,
    "last instant of a day": 100,
    "on the day after the session's": 100,
    "two days after the session's": 3,
    "session that may go on": 50,
    "among events of another client session": 100,
    "gap in a client session without a timeout: 12 hours": 10,
    "copy": 100,
    "copy of an event of the day before": 100,
}


@pytest.mark.long
def test_cases_reach_every_edge(capsys: pytest.CaptureFixture[str]) -> None:
    met: Counter[str] = Counter()
    for seed in range(max(len(SEEDS), len(PLACES))):
        cases = group(seed)
        kept, copies = oracle.split_copies(known_lines(cases), cases.rules.timezone)
        events = oracle.sessionize(kept, cases.rules)
        met.update(met_by_events(events, cases))
        met.update(met_by_copies(copies, cases.rules.timezone))
        sessions = oracle.summarize(events, cases.rules, cases.until)
        met["session that may go on"] += sum(not session.is_complete for session in sessions)
    with capsys.disabled():
        print(f"\n{len(SEEDS) * CASES_IN_A_GROUP:,} generated cases in {len(SEEDS)} groups")
    assert {border: met[border] for border in AT_LEAST if met[border] < AT_LEAST[border]} == {}


def test_a_seed_always_gives_the_same_cases() -> None:
    assert group(3) == group(3)


def met_by_events(events: list[Event], cases: Group) -> Counter[str]:
    rules, timezone = cases.rules, cases.rules.timezone
    gaps = {
        0 * MICROSECOND: "no gap",
        rules.inactivity - MICROSECOND: "gap: the timeout less 1 µs",
        rules.inactivity: "gap: the timeout",
        rules.inactivity + MICROSECOND: "gap: the timeout and 1 µs",
    }
    met: Counter[str] = Counter()
    for previous, event in pairwise(events):
        if (previous.line.site, previous.series) == (event.line.site, event.series):
            gap = event.event_time - previous.event_time
            met[gaps.get(gap, "other gap")] += 1
            if rules.is_without_timeout(event.line) and gap == CLIENT_SESSION_TIMEOUT:
                met["gap in a client session without a timeout: 12 hours"] += 1
    in_order = sorted(events, key=lambda event: (event.line.visitor, event.order))
    for previous, between, event in zip(in_order, in_order[1:], in_order[2:], strict=False):
        if previous.session_id == event.session_id != between.session_id:
            met["among events of another client session"] += 1
    for event in events:
        day = local_date(event.event_time, timezone)
        since_break = event.event_time - event.run_started_at
        met[event.break_reason or "no break"] += 1
        if event.break_reason == "max_hours" and since_break % rules.longest == 0 * MICROSECOND:
            met["max_hours, at the multiple"] += 1
        if event.event_time == oracle.day_start(day, timezone):
            met["first instant of a day"] += 1
        if event.event_time == oracle.day_end(day, timezone) - MICROSECOND:
            met["last instant of a day"] += 1
        if event.session_date < day:
            yesterday = oracle.day_before(day, timezone)
            days = "on the day" if event.session_date == yesterday else "two days"
            met[f"{days} after the session's"] += 1
    return met


def met_by_copies(copies: list[Copy], timezone: str) -> Counter[str]:
    met: Counter[str] = Counter()
    for copy in copies:
        day = local_date(copy.line.event_time, timezone)
        met["copy"] += 1
        if copy.kept.event_time < oracle.day_start(day, timezone):
            met["copy of an event of the day before"] += 1
    return met
