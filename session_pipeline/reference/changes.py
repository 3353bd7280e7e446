"""Defines the bounds and windows of the tables of changes.

They are here, because models read them as parameters. tables/changes/ has the other constants and the formulas.
"""

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
