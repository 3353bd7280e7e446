"""Makes the rows of outcome_changes: reads the counts, chooses, ranks and describes the changes."""

from collections.abc import Iterator, Sequence, Set
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from session_pipeline.reference.changes import (
    BASE_DAYS,
    DAYS_READ,
    LEAST_BASE_DAYS,
    MOST_DIMENSION_VALUES,
    OUTCOME_WINDOWS,
    UNWANTED,
    WHOLE,
    Segment,
)
from session_pipeline.tables.changes.more_visits import SESSIONS, more_visits
from session_pipeline.tables.changes.moved_visits import have_visits_moved
from session_pipeline.tables.changes.outcome_scores import (
    DIGITS,
    LEAST_COUNT,
    OutcomeCounts,
    Scores,
    rate_scores,
)
from session_pipeline.tables.changes.outcome_sentences import ended_outcome_sentence, outcome_sentence
from session_pipeline.tables.changes.periods import Period, period_of_change
from session_pipeline.tables.changes.phrases import NO_VALUE
from session_pipeline.tables.changes.rows import KEPT_SCORE, Row, days_of, ranked, table_of
from session_pipeline.tables.changes.session_scores import day_scores, first_changed_day, week_scores

if TYPE_CHECKING:
    import pyarrow as pa

# Numbers of sessions change with the seasons, so they are not compared in windows of four weeks.
SESSION_SCORES = {1: day_scores, 7: week_scores}
RATE_ALERT_SCORE, COUNT_ALERT_SCORE = 3.5, 5.0
UNLIKE_OTHERS = Fraction(1, 4)  # of the usual sessions, by which a value has lost or gained more than the others
COUNT_DIGITS = 3
MADE_BY_SQL = frozenset(("low", "high", "example_session_ids"))


def outcome_changes(rows: "pa.Table") -> "pa.Table":
    """Return the rows of outcome_changes for the days that are asked for, from the rows of outcome_counts."""
    found = (
        row for counts in _sites(rows.to_pylist()) for day in counts.asked_for for row in _rows_of_day(counts, day)
    )
    return table_of(found, "outcome_changes", MADE_BY_SQL)


def _sites(rows: Sequence[Row]) -> Iterator[OutcomeCounts]:
    """Yield the counts of each site, in the order of their names, from the rows of outcome_counts."""
    for site in sorted({row["site"] for row in rows}):
        of_site = [row for row in rows if row["site"] == site]
        asked = sorted({row["session_date"].toordinal() for row in of_site if row["is_asked_for"]})
        if not asked:
            continue
        first = asked[0] - DAYS_READ + 1
        # Of a stretch with days without sessions of the site, days are read that no day with sessions is compared with.
        of_site = [row for row in of_site if first <= row["session_date"].toordinal() <= asked[-1]]
        segments = {(row["dimension"], row["dimension_value"]) for row in of_site}
        outcomes = {(row["dimension"], row["dimension_value"], row["outcome"]) for row in of_site}
        # How many sessions have no value says how a dimension is delivered, not how many come.
        counted = {(*segment, SESSIONS) for segment in segments if segment[1] != NO_VALUE}
        series = sorted({*outcomes, *counted})
        places = {one: place for place, one in enumerate(series)}
        sessions, with_outcome = (np.zeros((asked[-1] - first + 1, len(series)), np.int64) for _ in range(2))
        of_segment: dict[tuple[str, str], list[int]] = {}
        for one, place in places.items():
            of_segment.setdefault(one[:2], []).append(place)
        for row in of_site:
            day, segment = row["session_date"].toordinal() - first, (row["dimension"], row["dimension_value"])
            # A series without a row on a day has no session with the outcome, of all sessions of its value.
            sessions[day, of_segment[segment]] = row["session_count"]
            with_outcome[day, places[*segment, row["outcome"]]] = row["outcome_count"]
            if (*segment, SESSIONS) in counted:
                with_outcome[day, places[*segment, SESSIONS]] = row["session_count"]
        positions = tuple(day - first for day in asked)
        yield OutcomeCounts(site, date.fromordinal(first), positions, series, sessions, with_outcome)


def _rows_of_day(counts: OutcomeCounts, day: int) -> Sequence[Row]:
    sessions = counts.sessions[day - DAYS_READ + 1 : day + 1]
    if np.count_nonzero(sessions[:-1].max(axis=1, initial=0)) < LEAST_BASE_DAYS:
        return ()
    is_count = np.array([outcome == SESSIONS for _, _, outcome in counts.series])
    largest = _largest(counts, day)
    is_read = np.array([one[:2] in largest for one in counts.series])
    rows: list[Row] = []
    for window_days in OUTCOME_WINDOWS:
        first = day - window_days + 1 - BASE_DAYS
        n, k = counts.sessions[first : day + 1], counts.with_outcome[first : day + 1]
        scores = rate_scores(n, k, window_days)
        rate_places = np.flatnonzero(scores.is_tested & is_read & ~is_count)
        tested = [(scores, place) for place in rate_places.tolist()]
        if window_days in SESSION_SCORES:
            count_scores = SESSION_SCORES[window_days](n)
            tested += [
                (count_scores, place) for place in np.flatnonzero(count_scores.is_tested & is_read & is_count).tolist()
            ]
        rows += _without_parts(list(_rows(counts, day, window_days, tested, largest)))
    return ranked(rows, _place)


def _largest(counts: OutcomeCounts, day: int) -> Set[Segment]:
    """Return the segments of each dimension that have the most sessions, and enough days for a comparison.

    A value that has all sessions is left out, because it would be tested twice.
    """
    sessions = counts.sessions[day - DAYS_READ + 1 : day + 1]
    totals = sessions.sum(axis=0).tolist()
    has_days = (np.count_nonzero(sessions, axis=0) >= LEAST_BASE_DAYS).tolist()
    segments = {one[:2]: total for one, total, has in zip(counts.series, totals, has_days, strict=True) if has}
    whole = segments.get(WHOLE)
    segments = {segment: total for segment, total in segments.items() if segment == WHOLE or total != whole}
    by_dimension: dict[str, list[tuple[str, str]]] = {}
    for segment in sorted(segments, key=lambda segment: (-segments[segment], segment)):
        by_dimension.setdefault(segment[0], []).append(segment)
    return {segment for found in by_dimension.values() for segment in found[:MOST_DIMENSION_VALUES]}


def _place(row: Row) -> tuple[Any, ...]:
    key = row["dimension"] != WHOLE[0], row["dimension"], row["dimension_value"], row["outcome"]
    return not row["is_alert"], -abs(row["score"]), row["window_days"], *key


def _rows(
    counts: OutcomeCounts, day: int, window_days: int, tested: Sequence[tuple[Scores, int]], compared: Set[Segment]
) -> Iterator[Row]:
    """Yield the rows of a window that are worth having: large scores, and in any case the largest one."""
    if not tested:
        return
    sizes = [abs(float(scores.score[place])) for scores, place in tested]
    largest = sizes.index(max(sizes))
    for number, (scores, place) in enumerate(tested):
        if sizes[number] >= KEPT_SCORE or number == largest:
            yield {**_row(counts, day, window_days, scores, place, compared), "tested_count": len(tested)}


def _without_parts(rows: Sequence[Row]) -> Sequence[Row]:
    """Make numbers of sessions of values no alert if there is one of all sessions, and the others changed as much."""
    alerts = [row for row in rows if row["outcome"] == SESSIONS and row["is_alert"]]
    whole = next((row for row in alerts if (row["dimension"], row["dimension_value"]) == WHOLE), None)
    for row in alerts:
        if whole is None or row is whole or (row["score"] < 0) != (whole["score"] < 0):
            continue
        count, expected = row["outcome_count"], Fraction(row["expected_count"])
        others, expected_others = whole["outcome_count"] - count, Fraction(whole["expected_count"]) - expected
        more = count / expected - others / expected_others if expected_others > 0 else Fraction(0)
        if (more if whole["score"] > 0 else -more) < UNLIKE_OTHERS:
            row.update(is_alert=False, since=None)
    return rows


def _row(counts: OutcomeCounts, day: int, window_days: int, scores: Scores, place: int, compared: Set[Segment]) -> Row:
    series = counts.series[place]
    is_count = series[2] == SESSIONS
    first = day - window_days + 1
    n, k = (int(each[first : day + 1, place].sum()) for each in (counts.sessions, counts.with_outcome))
    expected, score = float(scores.expected[place]), float(scores.score[place])
    alert_score = COUNT_ALERT_SCORE if is_count else RATE_ALERT_SCORE
    is_unusual = abs(score) >= alert_score and abs(k - expected) >= LEAST_COUNT
    if is_unusual and is_count and score < 0:
        is_unusual = not have_visits_moved(counts, day, window_days, series[:2], compared)
    days = days_of(_period(counts, day, window_days, place, scores) if is_unusual else None, counts.day)
    if days.ended:
        sentence = ended_outcome_sentence(series[:2], series[2], days.ended)
    else:
        sentence = outcome_sentence(
            segment=series[:2],
            outcome=None if is_count else series[2],
            window_days=window_days,
            last_day=counts.day(day),
            since=None if is_count else days.since,
            count=k,
            session_count=n,
            expected=expected,
            more=more_visits(counts, day, window_days, place, compared) if _is_worse(series[2], score) else None,
        )
    return {
        "session_date": counts.day(day),
        "site": counts.site,
        "window_days": window_days,
        "dimension": series[0],
        "dimension_value": series[1],
        "outcome": series[2],
        "session_count": n,
        "outcome_count": k,
        "rate": None if is_count else k / n,
        "expected_count": round(expected, COUNT_DIGITS),
        "usual_rate": None if is_count else round(expected / n, DIGITS),
        "spread": round(float(scores.spread[place]), DIGITS),
        "score": score,
        "is_alert": is_unusual and days.over_since is None,
        "since": days.since,
        "over_since": days.over_since,
        "sentence": sentence,
    }


def _is_worse(outcome: str, score: float) -> bool:
    """Return whether a rate can be worse because of additional visits: a lower one, or a higher one of bad ends."""
    return outcome != SESSIONS and (score > 0 if outcome in UNWANTED else score < 0)


def _period(counts: OutcomeCounts, day: int, window_days: int, place: int, scores: Scores) -> Period:
    """Return the days of a change, among those of its window and of the days before it; of one day, the day itself."""
    window = day - window_days + 1
    first = window - BASE_DAYS
    if counts.series[place][2] == SESSIONS:
        if window_days == 1:
            return Period(day)
        is_drop = bool(scores.score[place] < 0)
        return Period(first + first_changed_day(counts.with_outcome[first : day + 1], place, is_drop=is_drop))
    return period_of_change(
        counts.with_outcome[first : day + 1, place],
        counts.sessions[first : day + 1, place],
        start=first,
        window=window,
        spread=float(scores.spread[place]),
        is_drop=bool(scores.score[place] < 0),
    )
