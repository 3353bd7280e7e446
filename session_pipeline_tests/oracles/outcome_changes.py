"""Makes the rows of outcome_changes in plain Python, without their sentences: an oracle.

Written from docs/changes.md (Outcomes), not from the models. oracles/periods.py has the days of a change.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from statistics import median
from typing import Any

from session_pipeline_tests.oracles.periods import period

Row = Mapping[str, Any]
Segment = tuple[str, str]
Key = tuple[int, str, str, str]  # days of the window, dimension, value, outcome

WHOLE: Segment = ("all", "all")
SESSIONS = "(sessions)"
PACKAGED = ("channel", "device", "browser", "os", "landing_action", "utm_source", "utm_medium", "utm_campaign")


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
            if width < 28 and segment[1] != "(none)":
                here = [sessions[segment].get(each, 0) for each in window]
                is_open = [any(counts.get(each) for counts in sessions.values()) for each in [*window, *before]]
                scores = _count_scores(of_day, here[0]) if width == 1 else _week_scores(of_day, here, is_open)
                if scores:
                    tested[width, *segment, SESSIONS] = scores
        largest = min(tested, key=lambda key: (-abs(tested[key]["score"]), *_place(key)), default=None)
        for key, scores in tested.items():
            if abs(scores["score"]) >= 2.5 or key == largest:
                since, over_since = _days_of_change(key, scores, sessions, found, [*window, *before])
                expected, is_rate = scores["expected_count"], key[-1] != SESSIONS
                rows[key] = {
                    **scores,
                    "rate": scores["outcome_count"] / scores["session_count"] if is_rate else None,
                    "expected_count": round(float(expected), 3),
                    "usual_rate": round(float(expected / scores["session_count"]), 6) if is_rate else None,
                    "tested_count": len(tested),
                    "is_alert": since is not None and over_since is None,
                    "since": since,
                    "over_since": over_since,
                }
    compared = set(_segments(sessions, _days(day, 84)))
    for key, row in rows.items():
        is_fewer = row["is_alert"] and key[-1] == SESSIONS and row["score"] < 0
        is_own = key[1] not in (WHOLE[0], *PACKAGED)
        if is_fewer and is_own and _went_over(sessions, (key[1], key[2]), compared, day, key[0]):
            row.update(is_alert=False, since=None)
        of_all = rows.get((key[0], *WHOLE, SESSIONS))
        if key[-1] == SESSIONS and key[1:3] != WHOLE and of_all and of_all["is_alert"]:
            sign = 1 if of_all["score"] > 0 else -1
            if sign * row["score"] > 0 and sign * _more_than_others(row, of_all) < Fraction(1, 4):
                row.update(is_alert=False, since=None)
    order = sorted(rows, key=lambda key: (not rows[key]["is_alert"], -abs(rows[key]["score"]), key[0], *_place(key)))
    return {key: {**rows[key], "rank": rank} for rank, key in enumerate(order, start=1)}


def _place(key: Key) -> tuple[bool, str, str, str]:
    _, dimension, value, outcome = key
    return (dimension, value) != WHOLE, dimension, value, outcome


def _days_of_change(
    key: Key,
    scores: Mapping[str, Any],
    sessions: Mapping[Segment, Mapping[date, int]],
    found: Mapping[tuple[Segment, str], Mapping[date, int]],
    latest: Sequence[date],
) -> tuple[date | None, date | None]:
    """Return the first day of a change that is unusual enough for an alert, and the first day after it."""
    width, *segment, outcome = key
    is_count = outcome == SESSIONS
    if abs(scores["score"]) < (5 if is_count else 3.5) or abs(scores["outcome_count"] - scores["expected_count"]) < 5:
        return None, None
    if is_count and width == 1:
        return latest[0], None
    if is_count:
        return latest[_days_since(key, sessions, latest, sign=1 if scores["score"] > 0 else -1)], None
    n, k = sessions[segment[0], segment[1]], found[(segment[0], segment[1]), outcome]
    days = list(reversed(latest))
    counts = [(k.get(day, 0), n.get(day, 0)) for day in days]
    first, end = period(counts, len(days) - width, scores["spread"], sign=1 if scores["score"] < 0 else -1)
    return days[first], None if end is None else days[end]


def _went_over(
    sessions: Mapping[Segment, Mapping[date, int]], segment: Segment, compared: set[Segment], day: date, width: int
) -> bool:
    """Return whether the sessions that a value lost are among those of the other values of its dimension."""
    others = [each for each in compared if each[0] == segment[0] and each != segment and each[1] != "(none)"]
    window, before = _days(day, width), _days(day - timedelta(days=width), 56)
    has_values = [each for each in before if any(sessions[value].get(each) for value in (segment, *others))]

    def numbers(segments: Sequence[Segment]) -> tuple[int, Fraction]:
        def count(each: date) -> int:
            return sum(sessions[value].get(each, 0) for value in segments)

        usual = Fraction(0)
        for here in window:
            alike = [each for each in has_values if each.weekday() == here.weekday()]
            if alike and any(counts.get(here) for counts in sessions.values()):
                usual += Fraction(sum(map(count, alike)), len(alike))
        return sum(map(count, window)), usual

    (all_now, all_usual), (now, usual), (others_now, others_usual) = map(numbers, ([WHOLE], [segment], others))
    is_alike = 10 * all_now >= 9 * all_usual and 10 * all_usual >= 9 * all_now
    return is_alike and 10 * others_usual < 9 * others_now and 4 * (others_now - others_usual) >= 3 * (usual - now)


def _more_than_others(row: Mapping[str, Any], of_all: Mapping[str, Any]) -> Fraction:
    """Return the change of a value, as a share of its usual sessions, less that of the sessions without the value."""
    usual, usual_of_all = Fraction(row["expected_count"]), Fraction(of_all["expected_count"])
    if usual_of_all <= usual:
        return Fraction(0)
    others = (of_all["outcome_count"] - row["outcome_count"]) / (usual_of_all - usual)
    return row["outcome_count"] / usual - others


def _days_since(key: Key, sessions: Mapping[Segment, Mapping[date, int]], latest: Sequence[date], *, sign: int) -> int:
    """Return how many days ago the sessions of a segment began to differ; latest are the days, the latest first."""
    counts = [sessions[key[1], key[2]].get(each, 0) for each in latest]
    while not counts[-1]:
        counts.pop()
    usual = [Fraction(median(counts[7:][day::7])) for day in range(7)]
    sizes = {}
    for ago in range(len(counts)):
        days = [day for day in range(ago + 1) if any(each.get(latest[day]) for each in sessions.values())]
        expected = sum(usual[day % 7] for day in days)
        difference = sign * (sum(counts[day] for day in days) - expected)
        if days and days[-1] == ago and difference > 0 and expected:
            sizes[ago] = difference**2 / expected
    return max(sizes, key=lambda ago: (sizes[ago], ago))


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
    rates = [(sum(k[day::7]) + Fraction(50 * sum(k), n0)) / (sum(n[day::7]) + 50) for day in range(7)]
    # The weekday of the last day of the window is that of the last day before, `len(window)` days later.
    expected = sum(count * rates[(place - len(window)) % 7] for place, (count, _) in enumerate(window))
    if not 0 < expected < n1 or max(expected, k1) < 5:
        return None
    pearson = sum(
        (k[place] - n[place] * rate) ** 2 / (n[place] * rate * (1 - rate))
        for place in range(56)
        if n[place] and 0 < (rate := float(rates[place % 7])) < 1
    )
    spread = max(1.0, pearson / (day_count - 7))
    if len(window) >= 7:
        spread = max(spread, _spread_of_weeks(n, k, [float(rate) for rate in rates]))
    terms = ((k1, expected), (n1 - k1, n1 - expected))
    g = 2 * sum(count * math.log(count / usual) for count, usual in terms if count)
    score = round(math.copysign(math.sqrt(max(0.0, g) / (spread * (1 + n1 / n0))), k1 - expected), 6)
    return {"session_count": n1, "outcome_count": k1, "expected_count": expected, "spread": spread, "score": score}


def _spread_of_weeks(n: Sequence[int], k: Sequence[int], rates: Sequence[float]) -> float:
    """Return the spread of the eight weeks before a window, as if seven more had differed by chance alone."""
    total, with_sessions = 0.0, 0
    for start in range(0, 56, 7):
        days = list(zip(n[start : start + 7], k[start : start + 7], rates, strict=True))
        with_sessions += any(count for count, _, _ in days)
        variance = sum(count * rate * (1 - rate) for count, _, rate in days)
        if variance > 0:
            total += sum(cases - count * rate for count, cases, rate in days) ** 2 / variance
    return (total + 7) / (with_sessions - 1 + 7)


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
    alike = {day for day in range(7) if expected / 2 <= usual[day] <= 2 * expected}
    deviations = [abs(count - usual[place % 7]) for place, count in enumerate(past) if place % 7 in alike]
    deviation = max(1.4826 * median(deviations), 0.02 * expected, math.sqrt(expected))
    return {
        "session_count": here,
        "outcome_count": here,
        "expected_count": expected,
        "spread": deviation**2 / expected,
        "score": round((here - expected) / deviation, 6),
    }


def _week_scores(before: Sequence[int], here: Sequence[int], is_open: Sequence[bool]) -> dict[str, Any] | None:
    """Return the scores of the sessions of seven days; all days have the latest first."""
    past = list(before)
    while past and not past[-1]:
        past.pop()
    if len(past) < 28:
        return None
    usual = [Fraction(median(past[day::7])) for day in range(7)]
    open_here, open_before = is_open[:7], is_open[7:]
    expected = sum(each for each, is_day in zip(usual, open_here, strict=True) if is_day)
    if expected < 5:
        return None
    count = sum(here)
    usual_latest = sum(each for each, is_day in zip(usual[:3], open_here, strict=False) if is_day)
    change = count / expected - 1
    if usual_latest and change and (sum(here[:3]) / usual_latest - 1) / change < Fraction(1, 2):
        return None
    weeks = []
    for start in range(0, len(past) - 6, 7):
        of_usual = sum(usual[day] for day in range(7) if open_before[start + day])
        if of_usual:
            weeks.append(sum(past[start : start + 7]) / of_usual - 1)
    of_weeks = 1.4826 * float(median(map(abs, weeks)))
    days = [abs(past[day] - usual[day % 7]) for day in range(len(past)) if open_before[day] and usual[day % 7]]
    variance = (len(weeks) * of_weeks**2 + 4 * 0.1**2) / (len(weeks) + 4)
    deviation = max(
        math.sqrt(expected), math.sqrt(7) * 1.4826 * float(median(days)), float(expected) * math.sqrt(variance)
    )
    return {
        "session_count": count,
        "outcome_count": count,
        "expected_count": expected,
        "spread": deviation**2 / float(expected),
        "score": round(float(count - expected) / deviation, 6),
    }
