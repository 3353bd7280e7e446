"""Scores numbers of sessions against the medians of their weekdays in the 56 days before a window.

Medians and deviations from them are used, so that a day without tracking or with a campaign does not change what is
usual. found_outcomes.py makes the rows of the table. docs/changes.md defines the terms.
"""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from session_pipeline.reference.changes import BASE_DAYS, LEAST_BASE_DAYS
from session_pipeline.tables.changes.outcome_scores import DIGITS, LEAST_COUNT, Scores
from session_pipeline.tables.changes.scores import Counts
from session_pipeline.tables.parameters import DAYS_OF_WEEK

DEVIATION_OF_MEDIAN = 1.4826  # standard deviation of a normal variable in median absolute deviations
ALIKE = 2  # two weekdays are alike if neither usually has more than this many times the sessions of the other
LEAST_RELATIVE_DEVIATION = 0.02  # of a number of sessions, so that very even days raise no alert
# Eight weeks say little about how much weeks differ, so this deviation counts as if four more weeks had it.
PRIOR_DEVIATION, PRIOR_WEEKS = 0.1, 4
LATEST_DAYS = 3  # a change is over if they together changed by less than half as large a share as the week

NOT_TESTED = (math.nan, math.nan, math.nan)


def day_scores(sessions: Counts) -> Scores:
    """Score the sessions of the last day against the median of its weekday, by the deviations of the days alike.

    Args:
        sessions: The sessions of the 56 days before and of the day: a row for each day.
    """
    return _scores([_day_score(column) for column in sessions.T.tolist()])


def week_scores(sessions: Counts) -> Scores:
    """Score the sessions of the last seven days against the medians of their weekdays, by the deviations of weeks.

    It finds a lasting change that is too small for each single day.

    Args:
        sessions: The sessions of the 56 days before and of the seven days: a row for each day. Days on which no
            column has sessions are left out.
    """
    has_sessions = _has_sessions(sessions)
    return _scores([_week_score(column, has_sessions) for column in sessions.T.tolist()])


def first_changed_day(sessions: Counts, place: int, *, is_drop: bool) -> int:
    """Return the position of the day since which the sessions of a column differ most from the usual ones.

    Args:
        sessions: As for `week_scores`.
        place: The column.
        is_drop: Whether there are fewer sessions than usual.
    """
    column, has_sessions = sessions[:, place].tolist(), _has_sessions(sessions)
    start = _first(column)
    usual = _usual(column, start)
    direction = -1 if is_drop else 1
    best, first = 0.0, len(column) - 1
    difference = expected = 0.0
    for day in reversed(range(start, len(column))):
        if not has_sessions[day]:
            continue
        difference += direction * (column[day] - usual[day % DAYS_OF_WEEK])
        expected += usual[day % DAYS_OF_WEEK]
        if difference > 0 and expected > 0 and difference**2 / expected >= best:
            best, first = difference**2 / expected, day
    return first


def _day_score(sessions: Sequence[int]) -> tuple[float, float, float]:
    """Return the count to expect, the spread and the score of the last day of a series."""
    start = _first(sessions)
    if BASE_DAYS - start < LEAST_BASE_DAYS:
        return NOT_TESTED
    usual = _usual(sessions, start)
    expected = usual[BASE_DAYS % DAYS_OF_WEEK]
    if expected < LEAST_COUNT:
        return NOT_TESTED
    # Days on which a site is closed or has few sessions say nothing about how much the sessions of the others differ.
    is_alike = [expected <= ALIKE * each and each <= ALIKE * expected for each in usual]
    days = [day for day in range(start, BASE_DAYS) if is_alike[day % DAYS_OF_WEEK]]
    deviation = max(
        _deviation([sessions[day] - usual[day % DAYS_OF_WEEK] for day in days]),
        LEAST_RELATIVE_DEVIATION * expected,
        math.sqrt(expected),
    )
    return _score(sessions[-1], expected, deviation)


def _week_score(sessions: Sequence[int], has_sessions: Sequence[bool]) -> tuple[float, float, float]:
    """Return the count to expect, the spread and the score of the last seven days of a series."""
    start = _first(sessions)
    if BASE_DAYS - start < LEAST_BASE_DAYS:
        return NOT_TESTED
    usual = _usual(sessions, start)

    def sums(first: int, end: int) -> tuple[int, float]:
        """Return the sessions of days, and the usual number."""
        days = [day for day in range(first, end) if has_sessions[day]]
        return sum(sessions[day] for day in days), math.fsum(usual[day % DAYS_OF_WEEK] for day in days)

    count, expected = sums(BASE_DAYS, len(sessions))
    if expected < LEAST_COUNT:
        return NOT_TESTED
    latest, usual_latest = sums(len(sessions) - LATEST_DAYS, len(sessions))
    if usual_latest and _is_over(count - expected, expected, latest - usual_latest, usual_latest):
        return NOT_TESTED
    before = [sums(first, first + DAYS_OF_WEEK) for first in range(0, BASE_DAYS, DAYS_OF_WEEK) if first >= start]
    weeks = [of_week / of_usual - 1 for of_week, of_usual in before if of_usual]
    variance = (len(weeks) * _deviation(weeks) ** 2 + PRIOR_WEEKS * PRIOR_DEVIATION**2) / (len(weeks) + PRIOR_WEEKS)
    open_days = [day for day in range(start, BASE_DAYS) if has_sessions[day] and usual[day % DAYS_OF_WEEK]]
    of_days = _deviation([sessions[day] - usual[day % DAYS_OF_WEEK] for day in open_days])
    deviation = max(math.sqrt(variance) * expected, math.sqrt(DAYS_OF_WEEK) * of_days, math.sqrt(expected))
    return _score(count, expected, deviation)


def _is_over(change: float, expected: float, latest_change: float, usual_latest: float) -> bool:
    """Whether the latest days changed by less than half as large a share as all days, or in the other direction."""
    latest = 2 * latest_change * expected  # both shares times both usual numbers: exact
    half = usual_latest * change
    return latest < half if change > 0 else change < 0 and latest > half


def _first(sessions: Sequence[int]) -> int:
    """Return the position of the first day with sessions before the window."""
    return next((day for day in range(BASE_DAYS) if sessions[day]), BASE_DAYS)


def _usual(sessions: Sequence[int], start: int) -> list[float]:
    """Return the median of each weekday before the window. The days before are whole weeks."""
    by_weekday = [sessions[start + (place - start) % DAYS_OF_WEEK : BASE_DAYS : DAYS_OF_WEEK] for place in range(7)]
    return [float(median(counts)) for counts in by_weekday]


def _deviation(differences: Sequence[float]) -> float:
    """Return the standard deviation of differences from medians, estimated by their median."""
    return DEVIATION_OF_MEDIAN * float(median(map(abs, differences)))


def _score(count: int, expected: float, deviation: float) -> tuple[float, float, float]:
    return expected, deviation**2 / expected, round((count - expected) / deviation, DIGITS)


def _has_sessions(sessions: Counts) -> list[bool]:
    found: list[bool] = (sessions.max(axis=1, initial=0) > 0).tolist()
    return found


def _scores(found: Sequence[tuple[float, float, float]]) -> Scores:
    return Scores(*(np.array(each, np.float64) for each in zip(*found, strict=True)))
