"""Defines the bounds and windows of the tables of changes, and which changes are bad news.

They are here, because models, checks and the report read them. tables/changes/ has other constants and the formulas.
"""

from collections.abc import Mapping, Set
from typing import Any

# Bounds of action_visits and action_progress, by day and site
MOST_ACTIONS = 200
MOST_FOLLOWED_ACTIONS = 40
MOST_DIMENSION_VALUES = 20

# Windows that end with a day, in days, and the days before each of them that it is compared with
WINDOWS = (1, 7, 14, 28)
OUTCOME_WINDOWS = (1, 7, 28)
BASE_DAYS = 56
LEAST_BASE_DAYS = 28  # with sessions
DAYS_READ = max(WINDOWS) + BASE_DAYS
# The days with sessions from which on a step can be compared, and the days that its shortest window reads
FIRST_COMPARED_DAYS = LEAST_BASE_DAYS + min(WINDOWS)
SHORTEST_DAYS_READ = BASE_DAYS + min(WINDOWS)

# Alerts of so many days are shown: an alert can pause for some days while its fault goes on
ALERT_DAYS = 14

# A step is tested if at least this many sessions converted after it in the days before the window
LEAST_USUAL_CONVERSIONS = 5

# How a conversion is named as a later action, and the segment of all sessions
GOAL = "(goal)"
Segment = tuple[str, str]  # dimension and value
WHOLE: Segment = ("all", "all")

# Outcomes that nobody wants, by their meaning; of other outcomes without a conversion nothing is known
UNWANTED = ("abandoned_cart", "bounce")


def is_worse(row: Mapping[str, Any], conversions: Set[str]) -> bool:
    """Whether a row of outcome_changes is bad news: fewer visits or conversions, or more abandoned carts or bounces.

    A change of any other outcome can be good or bad: more or fewer engaged visits, or an outcome that is no conversion.

    Args:
        row: The row.
        conversions: The outcomes that are conversions.
    """
    if row["outcome"] in ("(sessions)", "(converted)") or row["outcome"] in conversions:
        return bool(row["score"] < 0)
    return row["outcome"] in UNWANTED and bool(row["score"] > 0)
