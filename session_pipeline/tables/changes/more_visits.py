"""Says whether a rate can be worse because more visits came, such as those of a campaign or of unknown bots.

found_outcomes.py finds the changed rates, and outcome_sentences.py has the words.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from session_pipeline.reference.changes import BASE_DAYS, UNWANTED, WHOLE, Segment
from session_pipeline.tables.changes.outcome_scores import OutcomeCounts
from session_pipeline.tables.parameters import DAYS_OF_WEEK

SESSIONS = "(sessions)"
ALIKE = Fraction(9, 10)  # of the usual number: a count is not much lower from here on, and visits are more below it
MOST_SHARE = Fraction(1, 2)  # of the additional visits: a value with more of them brings most
UNLIKE_USUAL = Fraction(1, 4)  # by which this share is larger than its share of the usual visits


@dataclass(frozen=True)
class MoreVisits:
    """More visits than usual.

    Attributes:
        count: The visits of the window.
        usual_count: The usual visits of as many days of the same weekdays.
        good_count: The visits with a good end: with the outcome, or without an unwanted one.
        usual_good_count: The usual number of these.
        is_much_lower: Whether their number is much lower than usual: then the additional visits are not all there is.
        segment: The value of a dimension that most of the additional visits have; None without one.
    """

    count: int
    usual_count: float
    good_count: int
    usual_good_count: float
    is_much_lower: bool
    segment: Segment | None


def more_visits(
    counts: OutcomeCounts, day: int, window_days: int, place: int, compared: Collection[Segment]
) -> MoreVisits | None:
    """Return the additional visits that lower a rate, or raise that of an unwanted outcome; None without such.

    Without usual visits nothing is known, as on the first Sunday with visits, or of a dimension that is new.

    Args:
        counts: The counts of the site.
        day: The position of the last day of the window.
        window_days: The days of the window.
        place: The series of the rate.
        compared: The segments that are compared on the day. Which others are known depends on the days that are built
            together.
    """
    days = UsualDays(counts, day - window_days + 1, day)
    series = counts.series[place]
    sessions, good = counts.sessions[:, place], counts.with_outcome[:, place]
    if series[2] in UNWANTED:
        good = sessions - good
    count, usual_count = days.sum_and_usual(sessions)
    good_count, usual_good_count = days.sum_and_usual(good)
    if not usual_count or usual_count >= ALIKE * count:
        return None
    segment = None
    if series[:2] == WHOLE:
        segment = _where_most_came(counts, days, compared, count - usual_count, usual_count)
    elif not days.have(_of_dimension(counts, compared, series[0])):
        return None
    is_much_lower = good_count < ALIKE * usual_good_count
    return MoreVisits(count, float(usual_count), good_count, float(usual_good_count), is_much_lower, segment)


def _where_most_came(
    counts: OutcomeCounts, days: "UsualDays", compared: Collection[Segment], additional: Fraction, usual_count: Fraction
) -> Segment | None:
    """Return the value that most of the additional visits have, if it has a smaller part of the usual ones.

    Of several, it is the one whose part grew the most; of equal ones, the first name.
    """
    found: list[tuple[Fraction, Segment]] = []
    for place, (dimension, value, outcome) in enumerate(counts.series):
        if (dimension, value) == WHOLE or (dimension, value) not in compared or outcome != SESSIONS:
            continue
        count, usual = days.sum_and_usual(counts.sessions[:, place])
        share = (count - usual) / additional
        growth = share - usual / usual_count
        if share > MOST_SHARE and growth >= UNLIKE_USUAL and days.have(_of_dimension(counts, compared, dimension)):
            found.append((-growth, (dimension, value)))
    return min(found)[1] if found else None


def _of_dimension(counts: OutcomeCounts, compared: Collection[Segment], dimension: str) -> NDArray[np.int64]:
    """Return the sessions of each day that have a compared value of a dimension, also none; 0 on days without it."""
    return counts.sessions[:, [one[0] == dimension and one[:2] in compared for one in counts.series]]


class UsualDays:
    """The days of a window, and the days with sessions among the 56 before it, by weekday."""

    def __init__(
        self, counts: OutcomeCounts, first: int, last: int, has_values: NDArray[np.bool_] | None = None
    ) -> None:
        """Find the days; with `has_values`, those before the window are only days for which it is true."""
        self._window = slice(first, last + 1)
        start = first - BASE_DAYS
        days = (np.flatnonzero(counts.sessions[start : last + 1].max(axis=1)) + start).tolist()
        self._usual = [day for day in days if day < first and (has_values is None or has_values[day])]
        self._alike = [
            [each for each in self._usual if (day - each) % DAYS_OF_WEEK == 0] for day in days if day >= first
        ]

    def sum_and_usual(self, by_day: NDArray[np.int64]) -> tuple[int, Fraction]:
        """Return the sum of the window, and that of as many usual days of the same weekdays."""
        usual = sum((Fraction(int(by_day[days].sum()), len(days)) for days in self._alike if days), Fraction(0))
        return int(by_day[self._window].sum()), usual

    def have(self, by_day: NDArray[np.int64]) -> bool:
        """Return whether each usual day has sessions in a column. Otherwise a dimension is new, so nothing is usual."""
        return bool((by_day[self._usual].max(axis=1) > 0).all())
