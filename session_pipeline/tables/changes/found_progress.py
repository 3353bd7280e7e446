"""Makes the rows of progress_changes: chooses, ranks and describes the changes that progress.py finds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from session_pipeline.reference.changes import DAYS_READ, WHOLE
from session_pipeline.tables.changes.attribution import ALERT_RATE_RATIO, ALERT_SCORE, Drop, attribute
from session_pipeline.tables.changes.counts import SiteCounts
from session_pipeline.tables.changes.counts_of_rows import counts_of_sites
from session_pipeline.tables.changes.periods import Period, period_of_change
from session_pipeline.tables.changes.phrases import step_text
from session_pipeline.tables.changes.progress import DIGITS, Tested, Window, tested_windows
from session_pipeline.tables.changes.progress_sentences import (
    ChangedStep,
    OtherValues,
    ended_progress_sentence,
    progress_sentence,
)
from session_pipeline.tables.changes.rows import KEPT_SCORE, Days, Row, days_of, ranked, table_of
from session_pipeline.tables.changes.scores import largest_share_with_score

if TYPE_CHECKING:
    import pyarrow as pa

MOST_EXAMPLES = 3
LOST_DIGITS, VALUE_DIGITS = 3, 2
MADE_BY_SQL = frozenset(("low", "high"))


def progress_changes(rows: "pa.Table") -> "pa.Table":
    """Return the rows of progress_changes for the days that are asked for, from the rows of progress_counts."""
    sites = counts_of_sites(rows) if len(rows) else []
    found = [row for counts in sites for day in counts.asked_for for row in _rows_of_day(counts, day)]
    _add_detectable_rates(found)
    return table_of(found, "progress_changes", MADE_BY_SQL)


def _rows_of_day(counts: SiteCounts, day: int) -> Sequence[Row]:
    tested = list(tested_windows(counts, day))
    drops = attribute(counts, tested)
    return ranked((row for each in tested for row in _rows(counts, each, drops)), _place)


def _place(row: Row) -> tuple[Any, ...]:
    """Return what rows are ranked by: alerts by lost value, or lost conversions without values; others by score."""
    lost = (-(row["associated_lost_value"] or 0.0), -row["associated_lost"]) if row["is_alert"] else (0.0, 0.0)
    key = row["dimension"] != WHOLE[0], row["dimension"], row["dimension_value"], row["action"], row["next_action"]
    return not row["is_alert"], *lost, row["score"], row["window_days"], *key


def _rows(counts: SiteCounts, tested: Tested, drops: Mapping[tuple[int, int], Drop]) -> Iterator[Row]:
    """Yield the rows of a window that are worth having: large scores, and in any case the lowest one."""
    is_kept = np.abs(tested.score) >= KEPT_SCORE
    is_kept[np.argmin(tested.score)] = True
    for place in np.flatnonzero(is_kept).tolist():
        yield _row(counts, tested, place, drops.get((tested.window.days, int(tested.step[place]))))


def _add_detectable_rates(rows: Sequence[Row]) -> None:
    n1, k0, n0, spread = (
        np.array([row[name] for row in rows], np.float64)
        for name in ("session_count", "usual_progressed_count", "usual_session_count", "spread")
    )
    rates = largest_share_with_score(ALERT_SCORE, n1, k0, n0, spread)
    for row, rate in zip(rows, rates.tolist(), strict=True):
        largest = min(rate, float(ALERT_RATE_RATIO) * row["usual_rate"])
        row["detectable_rate"] = None if math.isnan(rate) else round(largest, DIGITS)


def _row(counts: SiteCounts, tested: Tested, place: int, drop: Drop | None) -> Row:
    window, step = tested.window, int(tested.step[place])
    segment_place, action, later = counts.steps[step].tolist()
    segment = counts.segments[segment_place]
    n1, k1 = int(window.at_risk[step]), int(window.progressed[step])
    n0, k0 = int(window.usual_at_risk[step]), int(window.usual_progressed[step])
    step_value = float(tested.step_value[place])
    lost = (n1 * k0 / n0 - k1) * step_value
    value = _mean_value(counts, window, step)
    others = _others(counts, window, step)
    period = _period(counts, drop) if drop is not None and drop.is_alert else None
    days = days_of(period, counts.day)
    before = _before(counts, window, step, period)
    explained_by = None if drop is None or drop.alert is None else _name(counts, drop.alert)
    row: Row = {
        "session_date": counts.day(window.last),
        "site": counts.site,
        "window_days": window.days,
        "dimension": segment[0],
        "dimension_value": segment[1],
        "action": counts.actions[action],
        "next_action": counts.actions[later],
        "session_count": n1,
        "progressed_count": k1,
        "progress_rate": k1 / n1,
        "usual_session_count": n0,
        "usual_progressed_count": k0,
        "usual_rate": k0 / n0,
        "before_session_count": before.session_count,
        "before_progressed_count": before.progressed_count,
        "before_rate": before.rate,
        "others_session_count": others.session_count,
        "others_rate": others.rate,
        "others_usual_rate": others.usual_rate,
        "others_before_rate": before.others_rate,
        "step_value": round(step_value, DIGITS),
        "associated_lost": round(lost, LOST_DIGITS),
        "associated_lost_value": None if value is None else round(lost * value, VALUE_DIGITS),
        "spread": round(float(tested.spread[place]), DIGITS),
        "score": float(tested.score[place]),
        "q_value": round(float(tested.q_value[place]), DIGITS),
        "tested_count": len(tested.step),
        "is_alert": days.since is not None and days.over_since is None,
        "since": days.since,
        "over_since": days.over_since,
        "explained_by": explained_by,
        "example_session_ids": _examples(counts, window, step, period),
    }
    row["sentence"] = _sentence(counts, window, step, row, period, days)
    return row


def _sentence(
    counts: SiteCounts, window: Window, step: int, row: Mapping[str, Any], period: Period | None, days: Days
) -> str:
    """Return the sentence of a row, whose other columns are known."""
    dimension, value = row["dimension"], row["dimension_value"]
    changed = ChangedStep(
        segment=(dimension, value),
        action=row["action"],
        next_action=row["next_action"],
        window_days=window.days,
        last_day=row["session_date"],
        lost=row["associated_lost"],
        lost_value=row["associated_lost_value"],
        has_older=period is not None and period.older is not None and period.older[0] < window.first,
        older_days=_older_days(counts, window, period),
    )
    if days.ended:
        return ended_progress_sentence(changed, days.ended)
    others = [other for other in _values(counts, dimension, window.last) if other != value]
    return progress_sentence(
        changed,
        since=days.since,
        count=row["session_count"],
        progressed_count=row["progressed_count"],
        rate_before=row["before_rate"],
        others=OtherValues(others, row["others_rate"], row["others_before_rate"]),
        explained_by=row["explained_by"],
    )


def _older_days(counts: SiteCounts, window: Window, period: Period | None) -> tuple[date, date] | None:
    """Return the first and the last day of the window that an older drop has; None without one."""
    if period is None or period.older is None or period.older[1] <= window.first:
        return None
    return counts.day(max(period.older[0], window.first)), counts.day(period.older[1] - 1)


def _name(counts: SiteCounts, drop: Drop) -> str:
    segment, action, later = counts.steps[drop.step].tolist()
    return step_text(counts.segments[segment], counts.actions[action], counts.actions[later])


def _mean_value(counts: SiteCounts, window: Window, step: int) -> float | None:
    """Return the mean value of a conversion after the action in the days before the window; None without a value."""
    goal = counts.position_of[int(counts.steps[step, 0]), int(counts.steps[step, 1]), len(counts.actions) - 1]
    conversions = float(window.usual_progressed[goal])
    values = counts.values[max(window.first_usual, 0) : window.first, counts.visits[step]]
    known = values[~np.isnan(values)]
    return math.fsum(known.tolist()) / conversions if len(known) and conversions else None


def _values(counts: SiteCounts, dimension: str, last: int) -> Sequence[str]:
    """Return the values of a dimension that have sessions on the days that are read for a day.

    The counts can have more days, because neighbouring days are built together.
    """
    has_visits = counts.segment_sums.between(last - DAYS_READ + 1, last) > 0
    places = np.flatnonzero(has_visits).tolist()
    return [counts.segments[place][1] for place in places if counts.segments[place][0] == dimension]


class Others(NamedTuple):
    """The other values of a dimension: their sessions at risk, and their rates in the window and before."""

    session_count: int | None = None
    rate: float | None = None
    usual_rate: float | None = None


def _others(counts: SiteCounts, window: Window, step: int) -> Others:
    """Return the figures of the other values of the dimension; none for all sessions, or if their sum is unknown.

    They are all sessions minus those of the value, on the days that have the dimension: before a test of variants
    begins, for example, nobody has another variant.
    """
    if not _has_others(counts, step):
        return Others()
    n1, k1 = _others_between(counts, step, window.first, window.last)
    n0, k0 = _others_between(counts, step, window.first_usual, window.first - 1)
    return Others(n1, k1 / n1 if n1 else None, k0 / n0 if n0 else None)


def _has_others(counts: SiteCounts, step: int) -> bool:
    return bool(counts.steps[step, 0] != 0 and counts.whole_of[step] >= 0)


def _between(counts: SiteCounts, step: int, first: int, last: int) -> tuple[int, int]:
    """Return the sessions at risk of a step on some days, and those of them that went on."""
    days = slice(max(first, 0), max(last + 1, 0))
    return int(counts.at_risk[days, step].sum()), int(counts.progressed[days, step].sum())


def _others_between(counts: SiteCounts, step: int, first: int, last: int) -> tuple[int, int]:
    """Return the sessions at risk of the other values on some days, and those that went on; 0 if there are none."""
    if not _has_others(counts, step):
        return 0, 0
    whole, segment = int(counts.whole_of[step]), int(counts.steps[step, 0])
    days = slice(max(first, 0), max(last + 1, 0))
    has_dimension = counts.has_dimension[counts.segments[segment][0]][days]
    n, k = (
        int((by_day[days, whole] - by_day[days, step])[has_dimension].sum())
        for by_day in (counts.at_risk, counts.progressed)
    )
    return n, k


class Before(NamedTuple):
    """The sessions at risk before a change, those that went on, and the rates; a rate of no sessions is None."""

    session_count: int
    progressed_count: int
    rate: float | None
    others_rate: float | None


def _before(counts: SiteCounts, window: Window, step: int, period: Period | None) -> Before:
    """Return what was before a change: on the days before the window, without those of the change.

    A change that is older than the window lowers what is usual, so the usual rates are not those before it. An older
    change that was over before this one does so, too.
    """
    first, end = window.first_usual, window.first if period is None else min(window.first, period.first)
    n, k = _between(counts, step, first, end - 1)
    others_n, others_k = _others_between(counts, step, first, end - 1)
    if period is not None and period.older is not None and period.older[0] < end:
        older = period.older[0], min(period.older[1], end) - 1
        n, k = (all_days - left_out for all_days, left_out in zip((n, k), _between(counts, step, *older), strict=True))
        left_out_n, left_out_k = _others_between(counts, step, *older)
        others_n, others_k = others_n - left_out_n, others_k - left_out_k
    return Before(n, k, k / n if n else None, others_k / others_n if others_n else None)


def _period(counts: SiteCounts, drop: Drop) -> Period:
    """Return the days of a drop, among those of its window and of the days before it."""
    window = drop.window
    first = max(window.first_usual, 0)
    return period_of_change(
        counts.progressed[first : window.last + 1, drop.step],
        counts.at_risk[first : window.last + 1, drop.step],
        start=first,
        window=window.first,
        spread=drop.spread,
        is_drop=True,
    )


def _examples(counts: SiteCounts, window: Window, step: int, period: Period | None) -> str | None:
    """Return the ids of sessions of the window that stopped at the action, the latest first.

    If a change has a first day, they are of its days only: earlier sessions do not show it.
    """
    first, last = window.first, window.last
    if period is not None:
        first = max(first, period.first)
        last = last if period.over_from is None else period.over_from - 1
    found: list[str] = []
    for day in range(last, max(first, 0) - 1, -1):
        ids = counts.stopped[day, counts.visits[step]]
        found += ids.split(" ") if ids else []
        if len(found) >= MOST_EXAMPLES:
            break
    return " ".join(found[:MOST_EXAMPLES]) or None
