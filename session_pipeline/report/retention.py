"""Prepares who comes back: the visitors who came first in a week, and how many came again in each later week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from session_pipeline.report.figures import Row
from session_pipeline.report.window import Window

FIRST_WEEKS = timedelta(weeks=4)  # with data: earlier visits are not known


@dataclass(frozen=True)
class Cohort:
    """The visitors who came first in a week: the row of that week, and each later week, None if it is not over."""

    first: Row
    later: Sequence[Row | None]


def cohorts(rows: Sequence[Row]) -> list[Cohort]:
    """Return the visitors of each week. All have the same number of later weeks."""
    weeks = sorted({row["periods_after"] for row in rows})
    found = []
    for _, group in groupby(rows, itemgetter("first_day")):
        by_week = {row["periods_after"]: row for row in group}
        found.append(Cohort(by_week[min(by_week)], [by_week.get(week) for week in weeks]))
    return found


def has_first_weeks(found: Sequence[Cohort], window: Window) -> bool:
    """Whether some of these weeks are among the first with data."""
    return any(cohort.first["first_day"] < window.first_known_day + FIRST_WEEKS for cohort in found)
