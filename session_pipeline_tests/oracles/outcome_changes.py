"""Scores outcomes and numbers of sessions against the same weekdays before, in plain Python.

Follows docs/definitions.md. test_change_periods.py has the oracle of when a change began and was over.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any

Row = Mapping[str, Any]
Segment = tuple[str, str]
Key = tuple[int, str, str, str]  # days of the window, dimension, value, outcome

WHOLE: Segment = ("all", "all")
SESSIONS = "(sessions)"


def rows_of_day(counts: Sequence[Row], day: date) -> dict[Key, dict[str, Any]]:
    """Return the rows of a site and a day, from the counts of the site by day, segment and outcome."""
    sessions: defaultdict[Segment, dict[date, int]] = defaultdict(dict)
    found: defaultdict[tuple[Segment, str], dict[date, int]] = defaultdict(dict)
    for row in counts:
        segment = row["dimension"], row["dimension_value"]
        sessions[segment][row["session_date"]] = row["session_count"]
        found[segment, row["outcome"]][row["session_date"]] = row["outcome_count"]
    rows: dict[Key, dict[str, Any]] = {}
    if sum(any(counts.get(each) for counts in sessions.values()) for each in _days(day, 84)[1:]) < 28:
        return rows
    for width in (1, 7, 28):
        window, before = _days(day, width), _days(day - timedelta(days=width), 56)
        tested = {}
        for segment in _segments(sessions, _days(day, 84)):
            of_day = [sessions[segment].get(each, 0) for each in before]
            for outcome in sorted(outcome for each, outcome in found if each == segment):
                k = [found[segment, outcome].get(each, 0) for each in before]
                in_window = [(sessions[segment].get(each, 0), found[segment, outcome].get(each, 0)) for each in window]
                if scores := _rate_scores(of_day, k, in_window):
                    tested[width, *segment, outcome] = scores
            if width == 1 and segment[1] != "(none)":
                here = sessions[segment].get(day, 0)
                if scores := _count_scores(of_day, here):
                    tested[width, *segment, SESSIONS] = scores
        largest = max((abs(scores["score"]) for scores in tested.values()), default=0)
        for key, scores in tested.items():
            if abs(scores["score"]) >= min(2.5, largest):
                rows[key] = {
                    **scores,
                    "expected_count": round(scores["expected_count"], 3),
                    "tested_count": len(tested),
                }
    return rows


def _days(last: date, count: int) -> list[date]:
    """Return days up to the last one, the latest first."""
    return [last - timedelta(days=offset) for offset in range(count)]


def _segments(sessions: Mapping[Segment, Mapping[date, int]], days: Sequence[date]) -> Iterator[Segment]:
    """Yield all sessions, and of each dimension the 20 values with the most sessions, without one that has all."""
    totals = {segment: sum(counts.get(each, 0) for each in days) for segment, counts in sessions.items()}
    enough = [
        segment
        for segment, counts in sessions.items()
        if sum(counts.get(each, 0) > 0 for each in days) >= 28 and (segment == WHOLE or totals[segment] < totals[WHOLE])
    ]
    for dimension in {each for each, _ in enough}:
        values = [segment for segment in enough if segment[0] == dimension]
        yield from sorted(values, key=lambda segment: (-totals[segment], segment))[:20]


def _rate_scores(n: Sequence[int], k: Sequence[int], window: Sequence[tuple[int, int]]) -> dict[str, Any] | None:
    """Return the scores of a window; days before it have the latest first, so two days 7 apart have one weekday."""
    n0, n1, k1 = sum(n), sum(count for count, _ in window), sum(count for _, count in window)
    day_count = sum(count > 0 for count in n)
    if day_count < 28:
        return None
    rates = [(sum(k[day::7]) + 50 * sum(k) / n0) / (sum(n[day::7]) + 50) for day in range(7)]
    # The weekday of the last day of the window is that of the last day before, `len(window)` days later.
    expected = sum(count * rates[(place - len(window)) % 7] for place, (count, _) in enumerate(window))
    if not 0 < expected < n1 or max(expected, k1) < 5:
        return None
    pearson = sum(
        (k[place] - n[place] * rate) ** 2 / (n[place] * rate * (1 - rate))
        for place in range(56)
        if n[place] and 0 < (rate := rates[place % 7]) < 1
    )
    spread = max(1.0, pearson / (day_count - 7))
    terms = ((k1, expected), (n1 - k1, n1 - expected))
    g = 2 * sum(count * math.log(count / usual) for count, usual in terms if count)
    score = math.copysign(math.sqrt(max(0.0, g) / (spread * (1 + n1 / n0))), k1 - expected)
    return {"session_count": n1, "outcome_count": k1, "expected_count": expected, "spread": spread, "score": score}


def _count_scores(before: Sequence[int], here: int) -> dict[str, Any] | None:
    past = list(before)
    while past and not past[-1]:
        past.pop()
    if len(past) < 28:
        return None
    usual = [median(past[day::7]) for day in range(7)]
    expected = usual[6]
    if expected < 5:
        return None
    deviations = [abs(count - usual[place % 7]) for place, count in enumerate(past)]
    deviation = max(1.4826 * median(deviations), 0.02 * expected, math.sqrt(expected))
    return {
        "session_count": here,
        "outcome_count": here,
        "expected_count": expected,
        "spread": deviation**2 / expected,
        "score": (here - expected) / deviation,
    }
