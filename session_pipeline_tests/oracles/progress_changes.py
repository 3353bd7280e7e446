"""Makes the rows of progress_changes in plain Python, from rows of progress_counts: an oracle for all columns.

Written from docs/changes.md, not from the models. oracles/progress.py has the scores,
oracles/periods.py the days of a change, and oracles/attribution.py the alerts. The sentences are those of the pipeline,
with the figures of this module.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from session_pipeline.tables.changes import periods
from session_pipeline.tables.changes.progress_sentences import (
    ChangedStep,
    OtherValues,
    ended_progress_sentence,
    progress_sentence,
)
from session_pipeline.tables.changes.rows import Ended
from session_pipeline_tests.oracles.attribution import (
    BASE_DAYS,
    Drop,
    Site,
    Window,
    attribute,
    explanation,
    lost_sessions,
    place,
)
from session_pipeline_tests.oracles.periods import older, period
from session_pipeline_tests.oracles.progress import GOAL, WHOLE, Segment, Step, Tested, root, tested_steps

Row = dict[str, Any]
Shares = tuple[float, float, float]

LONGEST_WINDOW = 28


def changes(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of progress_changes without their Wilson interval, from rows of progress_counts."""
    found = []
    for name in sorted({row["site"] for row in rows}):
        of_site = [row for row in rows if row["site"] == name]
        site = Site(of_site)
        for last in sorted({row["session_date"] for row in of_site if row["is_asked_for"] and row["action"] != GOAL}):
            found += _rows_of_day(site, name, last)
    return found


def _rows_of_day(site: Site, name: str, last: date) -> list[Row]:
    tested: dict[int, list[Tested]] = defaultdict(list)
    for each in tested_steps(site.counts, last, site.daily):
        tested[each.window_days].append(each)
    windows = {days: Window(site, last, days) for days in tested}
    drops = [
        Drop(row, windows[days].visits_of_loss(row.step, lost_sessions(row) * row.step_value))
        for days in sorted(tested)
        for row in sorted(tested[days], key=lambda row: place(row.step))
        if row.score <= -2.5
    ]
    alerts = attribute(windows, drops)
    drop_of = {id(drop.row): drop for drop in drops}
    rows = []
    for days, of_window in tested.items():
        lowest = min(of_window, key=lambda row: (row.score, place(row.step)))
        for row in of_window:
            if abs(row.score) >= 2.5 or row is lowest:
                drop = drop_of.get(id(row))
                explained_by = drop and explanation(drop, alerts)
                rows.append(_row(windows[days], name, row, len(of_window), drop in alerts, explained_by))
    return ranked(rows)


# Columns


def _row(window: Window, site: str, tested: Tested, tested_count: int, is_alert: bool, explained_by: str | None) -> Row:
    (dimension, value), action, later = tested.step
    usual_rate = tested.usual_progressed_count / tested.usual_session_count
    lost = lost_sessions(tested) * tested.step_value
    mean = _mean_value(window, tested.step)
    lost_value = None if mean is None else round(float(lost) * mean, 2)
    since, over_since, shares, left_out = _days(window, tested) if is_alert else (None, None, None, ())
    others_count, others_rate, others_usual_rate = _others(window, tested.step, window.before)
    before = [day for day in window.before if (since is None or day < since) and day not in left_out]
    before_count, before_progressed, _, _ = window.site.sums(tested.step, tuple(before))
    row = {
        "session_date": window.last,
        "site": site,
        "window_days": window.length,
        "dimension": dimension,
        "dimension_value": value,
        "action": action,
        "next_action": later,
        "session_count": tested.session_count,
        "progressed_count": tested.progressed_count,
        "progress_rate": tested.progressed_count / tested.session_count,
        "usual_session_count": tested.usual_session_count,
        "usual_progressed_count": tested.usual_progressed_count,
        "usual_rate": usual_rate,
        "before_session_count": before_count,
        "before_progressed_count": before_progressed,
        "before_rate": before_progressed / before_count if before_count else None,
        "others_session_count": others_count,
        "others_rate": others_rate,
        "others_usual_rate": others_usual_rate,
        "others_before_rate": _others(window, tested.step, before)[2],
        "step_value": round(float(tested.step_value), 6),
        "associated_lost": round(float(lost), 3),
        "associated_lost_value": lost_value,
        "spread": round(tested.spread, 6),
        "score": tested.score,
        "q_value": round(tested.q_value, 6),
        "tested_count": tested_count,
        "is_alert": is_alert and over_since is None,
        "since": since,
        "over_since": over_since,
        "explained_by": explained_by,
        "detectable_rate": _detectable_rate(tested, usual_rate),
        "example_session_ids": _examples(window, tested.step, since, over_since),
    }
    changed = ChangedStep(
        segment=tested.step[0],
        action=action,
        next_action=later,
        window_days=window.length,
        last_day=window.last,
        lost=row["associated_lost"],
        lost_value=lost_value,
        has_older=any(day in left_out for day in window.before),
        older_days=(min(older), max(older)) if (older := [day for day in window.days if day in left_out]) else None,
    )
    if since and over_since and shares:
        sentence = ended_progress_sentence(changed, Ended(since, over_since, periods.Shares(*shares)))
    else:
        sentence = progress_sentence(
            changed,
            since=since,
            count=tested.session_count,
            progressed_count=tested.progressed_count,
            rate_before=row["before_rate"],
            others=OtherValues(_other_values(window, tested.step[0]), others_rate, row["others_before_rate"]),
            explained_by=explained_by,
        )
    return {**row, "sentence": sentence}


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a day in order, with their rank."""

    def order(row: Row) -> tuple[Any, ...]:
        lost = (-(row["associated_lost_value"] or 0), -row["associated_lost"]) if row["is_alert"] else (0, 0)
        segment = row["dimension"], row["dimension_value"]
        step = segment != WHOLE, segment, row["action"], row["next_action"]
        return not row["is_alert"], lost, row["score"], row["window_days"], step

    return [{**row, "rank": rank} for rank, row in enumerate(sorted(rows, key=order), start=1)]


def _mean_value(window: Window, step: Step) -> float | None:
    segment, action, _ = step
    known = [window.site.values.get((day, segment, action)) for day in window.before]
    values = [value for value in known if value is not None]
    return sum(values) / window.site.sums((segment, action, GOAL), window.before)[1] if values else None


def _others(window: Window, step: Step, before: Sequence[date]) -> tuple[int | None, float | None, float | None]:
    segment, action, later = step
    if segment == WHOLE:
        return None, None, None

    def others(days: Sequence[date]) -> tuple[int, int]:
        known = [day for day in days if segment[0] in {dimension for dimension, _ in window.site.visited[day]}]
        pairs = [(window.site.daily((WHOLE, action, later), day), window.site.daily(step, day)) for day in known]
        return sum(whole[0] - part[0] for whole, part in pairs), sum(whole[1] - part[1] for whole, part in pairs)

    (n1, k1), (n0, k0) = others(window.days), others(before)
    return n1, k1 / n1 if n1 else None, k0 / n0 if n0 else None


def _other_values(window: Window, segment: Segment) -> list[str]:
    """Return the other values of the dimension on the 84 days that are read for a day."""
    read = [window.last - timedelta(days=back) for back in range(LONGEST_WINDOW + BASE_DAYS)]
    values = {value for day in read for dimension, value in window.site.visited[day] if dimension == segment[0]}
    return sorted(values - {segment[1]})


def _days(window: Window, tested: Tested) -> tuple[date, date | None, Shares | None, Collection[date]]:
    """Return the first day of a drop, the first day after it, its shares, and the days of an older drop.

    The shares are those before, without the older drop, during and after it.
    """
    days = (*window.before, *window.days)
    counts = [(window.site.daily(tested.step, day)[1], window.site.daily(tested.step, day)[0]) for day in days]
    first, end = period(counts, len(window.before), tested.spread, sign=1)
    places = older(counts[:first], sign=1)
    left_out = {days[place] for place in places}
    if end is None:
        return days[first], None, None, left_out
    usual = [each for place, each in enumerate(counts[:first]) if place not in places]
    before, during, after = (
        sum(k for k, _ in part) / sum(n for _, n in part) for part in (usual, counts[first:end], counts[end:])
    )
    return days[first], days[end], (before, during, after), left_out


def _detectable_rate(tested: Tested, usual_rate: float) -> float | None:
    n1, k0, n0 = tested.session_count, tested.usual_progressed_count, tested.usual_session_count

    def score(rate: float) -> float:
        return root(rate * n1, n1, k0, n0) / math.sqrt(tested.spread)

    if score(0) > -4:
        return None
    low, high = 0.0, usual_rate
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) <= -4 else (low, middle)
    return round(min(low, 0.9 * usual_rate), 6)


def _examples(window: Window, step: Step, since: date | None, over_since: date | None) -> str | None:
    segment, action, _ = step
    first, end = since or date.min, over_since or date.max
    days = [day for day in reversed(window.days) if first <= day < end]
    found = [one for day in days for one in window.site.stopped.get((day, segment, action), ())]
    return " ".join(found[:3]) or None
