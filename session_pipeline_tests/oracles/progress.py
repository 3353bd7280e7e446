"""Counts actions and progress of sessions, and scores changes, in plain Python: an oracle for the tables of changes.

Written from docs/changes.md, not from the models. oracles/attribution.py decides which changes are alerts.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any

import pyarrow as pa

Segment = tuple[str, str]
Step = tuple[Segment, str, str]
Counts = Mapping[date, Mapping[Step, tuple[int, int, int]]]  # sessions, converted, converted after the next action
Daily = Callable[[Step, date], tuple[int, int, int, int]]

GOAL = "(goal)"
NOT_FOLLOWED = "(not followed)"  # as the next action: the day has no pairs of the action
WHOLE: Segment = ("all", "all")
VALUE = 20  # of each conversion
ROWS = pa.schema(
    [
        ("session_date", pa.date32()),
        ("is_asked_for", pa.bool_()),
        *((name, pa.string()) for name in ("site", "dimension", "dimension_value", "action", "next_action")),
        *((name, pa.int64()) for name in ("session_count", "converted_count", "converted_after_count")),
        ("converted_value", pa.decimal128(38, 6)),
        ("is_followed", pa.bool_()),
        ("stopped_session_ids", pa.string()),
    ]
)


@dataclass(frozen=True)
class Session:
    """A session of a site: its actions with their event numbers, and the number of its last converting event.

    A session that converts as a whole has an infinite `converted_at`; one that does not convert has none.
    """

    day: date
    session_id: str
    actions: Sequence[tuple[int, str]]
    converted_at: float | None = None
    segments: Sequence[Segment] = ()


def first_times(session: Session) -> list[tuple[int, str]]:
    """Return each action of a session with its first event number, in order."""
    found: dict[str, int] = {}
    for number, action in sorted(session.actions):
        found.setdefault(action, number)
    return sorted((number, action) for action, number in found.items())


def daily_counts(sessions: Iterable[Session]) -> dict[date, dict[Step, tuple[int, int, int]]]:
    """Return the counts of actions (with the goal as next action) and of progress, by day and step.

    The conversions of a day are at the goal itself.
    """
    counts: dict[date, dict[Step, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for session in sessions:
        firsts = first_times(session)
        counts[session.day][WHOLE, GOAL, GOAL]["n"] += session.converted_at is not None
        for segment in (WHOLE, *session.segments):
            of_day = counts[session.day]
            for number, action in firsts:
                of_day[segment, action, GOAL]["n"] += 1
                of_day[segment, action, GOAL]["g"] += converts_after(session, number)
            for (number, action), (later, next_action) in combinations(firsts, 2):
                of_day[segment, action, next_action]["n"] += 1
                of_day[segment, action, next_action]["g"] += converts_after(session, number)
                of_day[segment, action, next_action]["a"] += converts_after(session, later)
    return {day: {step: (c["n"], c["g"], c["a"]) for step, c in of_day.items()} for day, of_day in counts.items()}


def rows_of_counts(counts: Counts, asked_for: Collection[date], site: str = "main") -> list[dict[str, Any]]:
    """Return counts as rows of the model progress_counts. Each conversion has a value, and `ship` has two examples."""
    return [
        {
            "session_date": day,
            "is_asked_for": day in asked_for and later == GOAL and action != GOAL,
            "site": site,
            "dimension": segment[0],
            "dimension_value": segment[1],
            "action": action,
            "next_action": later,
            "session_count": n,
            "converted_count": g,
            "converted_after_count": a,
            "converted_value": VALUE * g if later == GOAL and action != GOAL and g else None,
            "is_followed": True,
            "stopped_session_ids": f"{day} 2 3" if action == "ship" and later == GOAL else None,
        }
        for day, of_day in counts.items()
        for (segment, action, later), (n, g, a) in of_day.items()
    ]


def converts_after(session: Session, number: int) -> bool:
    """Whether the last converting event is the event with this number or a later one."""
    return session.converted_at is not None and session.converted_at >= number


def stopped(sessions: Iterable[Session], day: date, action: str, segment: Segment) -> list[str]:
    """Return the examples of an action: sessions that did nothing new after it and did not convert after it."""
    return sorted(
        session.session_id
        for session in sessions
        if session.day == day
        and segment in (WHOLE, *session.segments)
        and first_times(session)[-1:] == [(number := first_times(session)[-1][0], action)]
        and not converts_after(session, number)
    )[:3]


@dataclass(frozen=True)
class Tested:
    """A tested step with its counts and score."""

    window_days: int
    step: Step
    session_count: int
    progressed_count: int
    usual_session_count: int
    usual_progressed_count: int
    step_value: Fraction
    spread: float
    score: float
    q_value: float


def daily_of(counts: Counts) -> Daily:
    """Return a function of a step and a day: its sessions at risk, and those that went on, converted, and did both."""
    return cache(lambda step, day: _of_day(counts, step, day))


def tested_steps(counts: Counts, last: date, daily: Daily) -> list[Tested]:
    """Return the steps that are tested in the windows that end with a day."""
    found = []
    for window_days in (1, 7, 14, 28):
        window = [last - timedelta(days=back) for back in range(window_days)]
        before = [last - timedelta(days=window_days + back) for back in range(56)]
        if sum(1 for day in before if _has_actions(counts.get(day, {}))) >= 28:
            found += _tested(counts, daily, window_days, window, before)
    return found


def _has_actions(of_day: Mapping[Step, tuple[int, int, int]]) -> bool:
    return any(action != GOAL and later == GOAL and n for (_, action, later), (n, _, _) in of_day.items())


def _tested(
    counts: Counts, daily: Daily, window_days: int, window: Sequence[date], before: Sequence[date]
) -> list[Tested]:
    goals = sum(counts.get(day, {}).get((WHOLE, GOAL, GOAL), (0, 0, 0))[0] for day in window)
    of_days = {step for day in (*window, *before) for step in counts.get(day, {})}
    steps = sorted(step for step in of_days if step[1] != GOAL and step[2] != NOT_FOLLOWED)
    rows = []
    for step in steps:
        n0, k0, g0, kg0 = sums(daily, step, before)
        if sum(1 for day in before if daily(step, day)[0]) < 7:
            continue
        if n0 < 20 or kg0 < 5 or (step[2] != GOAL and kg0 == k0):
            continue
        n1, k1, _, _ = sums(daily, step, window)
        if n1 < 5 or _is_whole(daily, step, window, before):
            continue
        value = Fraction(1)
        if step[2] != GOAL:
            value = Fraction(2 * kg0 + 1, 2 * (k0 + 1)) - Fraction(max(g0 - kg0, 0), n0 - k0 + 1)
        if value <= 0 or Fraction(n1 * k0, n0) * value < max(Fraction(5), Fraction(goals, 50)):
            continue
        spread = _spread(daily, step, before, k0 / n0, with_weeks=window_days >= 7)
        score = round(root(k1, n1, k0, n0) / math.sqrt(spread), 6)
        rows.append((step, n1, k1, n0, k0, value, spread, score))
    by_score = sorted(row[-1] for row in rows)
    q_of: dict[float, float] = {}
    lowest = 1.0
    harmonic = sum(1 / place for place in range(1, len(rows) + 1))
    for place in range(len(by_score), 0, -1):
        p_value = math.erfc(-by_score[place - 1] / math.sqrt(2)) / 2
        lowest = min(lowest, p_value * len(rows) * harmonic / place)
        q_of[by_score[place - 1]] = min(q_of.get(by_score[place - 1], 1.0), lowest)
    return [Tested(window_days, *row, 1.0 if row[-1] > 0 else q_of[row[-1]]) for row in rows]


def _of_day(counts: Counts, step: Step, day: date) -> tuple[int, int, int, int]:
    segment, action, later = step
    of_day = counts.get(day, {})
    visits, won, _ = of_day.get((segment, action, GOAL), (0, 0, 0))
    if later == GOAL:
        return visits, won, won, won
    if any((WHOLE, each, NOT_FOLLOWED) in of_day for each in (action, later)):
        return 0, 0, 0, 0
    passed, both, _ = of_day.get(step, (0, 0, 0))
    back, _, back_won = of_day.get((segment, later, action), (0, 0, 0))
    return visits - back, passed, won - back_won, both


def sums(daily: Daily, step: Step, days: Sequence[date]) -> tuple[int, int, int, int]:
    """Return the counts of a step over some days."""
    found = [daily(step, day) for day in days]
    n, k, g, both = (sum(each) for each in zip(*found, strict=True))
    return n, k, g, both


def _is_whole(daily: Daily, step: Step, window: Sequence[date], before: Sequence[date]) -> bool:
    whole = (WHOLE, *step[1:])
    return step[0] != WHOLE and all(
        sums(daily, step, days)[0] == sums(daily, whole, days)[0] for days in (window, before)
    )


def _spread(daily: Daily, step: Step, before: Sequence[date], share: float, *, with_weeks: bool) -> float:
    if not 0 < share < 1:
        return 1.0

    def pearson(parts: Sequence[Sequence[date]]) -> tuple[float, int]:
        found = [sums(daily, step, part)[:2] for part in parts]
        found = [(n, k) for n, k in found if n]
        return sum((k - n * share) ** 2 / (n * share * (1 - share)) for n, k in found), len(found) - 1

    counts = [daily(step, day)[:2] for day in before]
    squares = [round(k**2 / n * 2**20) / 2**20 for n, k in counts if n]
    chi = (sum(squares) - share * sum(k for _, k in counts)) / (share * (1 - share))
    spreads = [1.0, chi / (len(squares) - 1) if len(squares) > 1 else 1.0]
    if with_weeks:
        chi, free = pearson([before[place : place + 7] for place in range(0, 56, 7)])
        spreads.append((chi + 7) / (free + 7))
    return max(spreads)


def root(k1: float, n1: float, k0: float, n0: float) -> float:
    """Return the signed root of the likelihood ratio of two shares."""
    if k1 * n0 == k0 * n1:
        return 0.0
    share = (k0 + k1) / (n0 + n1)
    total = 0.0
    for k, n in ((k1, n1), (k0, n0)):
        for cases, expected in ((k, n * share), (n - k, n * (1 - share))):
            total += cases * math.log(cases / expected) if cases else 0.0
    return math.copysign(math.sqrt(max(0.0, 2 * total)), k1 / n1 - k0 / n0)
