"""Defines the tables of what changed. Their statements are associations: none says what causes a change.

Scores and shares are rounded to 6 digits, conversions to 3 and values to 2. docs/changes.md defines the terms.
"""

from session_pipeline.reference import columns as c
from session_pipeline.reference.changes import BASE_DAYS
from session_pipeline.reference.column import Column, count, date, flag, rate, text
from session_pipeline.tables.contract import Table

SINCE = date("since", "Day on which the change most likely began; null unless is_alert or over_since.")
OVER_SINCE = date(
    "over_since",
    "Day from which on the rate is usual again, of a row that would be an alert otherwise; null while it lasts.",
)
SPREAD = Column(
    "spread",
    "DOUBLE",
    "How much more the days before the window (for 7 days and more, also the weeks) differ than by chance alone, as a "
    "ratio of variances; at least 1.",
)

DIMENSION = text(
    "dimension",
    "Name of the dimension; 'all', with the value 'all', for all sessions. Sessions count in each dimension: choose"
    " one.",
)

TABLES: tuple[Table, ...] = (
    Table(
        name="action_visits",
        grain="One row is an action on a day of a site, by dimension value.",
        date_column="session_date",
        key=("site", "dimension", "dimension_value", "action"),
        columns=(
            c.SITE,
            DIMENSION,
            text(
                "dimension_value", "Value of the dimension; '(none)' instead of null, '(other)' beyond the 20 largest."
            ),
            c.ACTION,
            count("session_count", "Sessions that did the action, without bots."),
            count("converted_count", "Those of session_count that convert with their first such action or later."),
            count(
                "not_converted_count",
                "Of session_count: sessions that neither converted nor bounced, as '(not converted)' in typical_paths.",
            ),
            Column(
                "converted_value", "DECIMAL(38,6)", "Value of the outcomes of converted_count; null without values."
            ),
            flag(
                "is_followed",
                "Whether action_progress has the pairs of the action: it is one of the 40 most visited of the day, or "
                "of a funnel step.",
            ),
            text(
                "stopped_session_ids",
                "Up to three of the sessions that did no other action for the first time after this one and did not "
                "convert with it or later: the smallest ids, separated by spaces; null if there is none.",
                is_personal=True,
            ),
        ),
    ),
    Table(
        name="action_progress",
        grain="One row is an action and one that is first done after it, on a day of a site, by dimension value.",
        date_column="session_date",
        key=("site", "dimension", "dimension_value", "action", "next_action"),
        columns=(
            c.SITE,
            DIMENSION,
            text("dimension_value", "Value of the dimension, as in action_visits."),
            c.ACTION,
            text("next_action", "Action that the sessions first did after their first `action`, at once or later."),
            count("session_count", "Sessions that first did next_action after they first did `action`, without bots."),
            count("converted_count", "Those of session_count that convert with their first `action` or later."),
            count(
                "converted_after_count", "Those of session_count that convert with their first next_action or later."
            ),
        ),
    ),
    Table(
        name="progress_changes",
        grain="One row is a step from an action to a later one, over a window, that sessions take less or more often.",
        date_column="session_date",
        key=("site", "window_days", "dimension", "dimension_value", "action", "next_action"),
        own_order=("site", "rank"),
        columns=(
            c.SITE,
            c.RANK,
            c.WINDOW_DAYS,
            DIMENSION,
            text("dimension_value", "Value of the dimension, as in action_visits."),
            c.ACTION,
            text("next_action", "Action first done after `action`; '(goal)' is a conversion after it."),
            count("session_count", "Sessions of the window at action that had not done next_action before."),
            count("progressed_count", "Of session_count: sessions that went on to next_action."),
            rate("progress_rate", "progressed_count / session_count."),
            rate("low", "Lower bound of the 95 % Wilson interval of progress_rate."),
            rate("high", "Upper bound of the 95 % Wilson interval of progress_rate."),
            count("usual_session_count", f"session_count of the {BASE_DAYS} days before the window."),
            count("usual_progressed_count", f"progressed_count of the {BASE_DAYS} days before the window."),
            rate(
                "usual_rate",
                "usual_progressed_count / usual_session_count. If since is before the window, these days have days of "
                "the change; they can also have days of an older drop that was over. before_rate is without both.",
            ),
            count(
                "before_session_count",
                "Of usual_session_count: sessions of the days before since, without those of an older drop that was "
                "over; all if since is null.",
            ),
            count("before_progressed_count", "Of before_session_count: sessions that went on to next_action."),
            rate(
                "before_rate",
                "before_progressed_count / before_session_count; null without sessions. sentence has this rate, unless "
                "the drop is over: then it is that of all days before since, also those of the window.",
            ),
            count(
                "others_session_count",
                "session_count of the dimension's other values, on days with the dimension; null for 'all'.",
            ),
            rate(
                "others_rate",
                "progress_rate of the dimension's other values, on the same days; null for 'all', and if there were "
                "none.",
            ),
            rate(
                "others_usual_rate",
                "usual_rate of the dimension's other values, on days with the dimension; null for 'all', and if there "
                "were none.",
            ),
            rate(
                "others_before_rate",
                "before_rate of the dimension's other values, on these days; null for 'all', and if there were none.",
            ),
            Column(
                "step_value",
                "DOUBLE",
                f"How much more often sessions that go on convert after action, in the {BASE_DAYS} days before the "
                "window: a difference of two shares; 1 for '(goal)'. An association.",
            ),
            Column(
                "associated_lost",
                "DOUBLE",
                "Conversions of the window that are missing if each missing progress counts step_value; negative for a "
                "gain. If since is before the window, or days of an older drop are among those before it, more are "
                "missing, because these days also lower usual_rate.",
            ),
            Column(
                "associated_lost_value",
                "DOUBLE",
                f"associated_lost times the mean value of a conversion after action in the {BASE_DAYS} days before; "
                "null if none has a value.",
            ),
            SPREAD,
            Column(
                "score",
                "DOUBLE",
                "Signed root of the likelihood ratio of the two rates, divided by the root of spread; negative for a "
                "drop.",
            ),
            rate(
                "q_value", "Share of wrong rows to expect among the drops of the window up to this one; 1 for a gain."
            ),
            count("tested_count", "Steps of the site that were tested in the window, with and without a row."),
            flag(
                "is_alert",
                "Whether the row is an alert. One fault is one alert: see explained_by. A fault that is over is not an "
                "alert.",
            ),
            SINCE,
            OVER_SINCE,
            text(
                "explained_by",
                "Alert whose loss accounts for at least half of the drop, as 'dimension=value: action > next_action'; "
                "null without one.",
            ),
            rate(
                "detectable_rate",
                "Largest progress_rate that would have had the score and the size of an alert: a score of -4, and at "
                "most 90 % of usual_rate. Null if none would. A smaller drop is an alert only if it explains a larger "
                "one of its window.",
            ),
            c.SENTENCE,
            text(
                "example_session_ids",
                "Up to three sessions of the window that stopped at action (stopped_session_ids of action_visits), the "
                "latest first, separated by spaces; with since, of the days of the change. Null if there is none. See "
                "`show`.",
                is_personal=True,
            ),
        ),
    ),
    Table(
        name="outcome_changes",
        grain="One row is an outcome or number of sessions, over a window, that is lower or higher than usual.",
        date_column="session_date",
        key=("site", "window_days", "dimension", "dimension_value", "outcome"),
        own_order=("site", "rank"),
        columns=(
            c.SITE,
            c.RANK,
            c.WINDOW_DAYS,
            DIMENSION,
            c.DIMENSION_VALUE,
            text(
                "outcome",
                "An outcome of daily_outcomes; for the values of dimensions, '(converted)' is any conversion; "
                "'(sessions)' is the number of sessions.",
            ),
            count("session_count", "Sessions of the window, without bots; for '(none)', on days with the dimension."),
            count("outcome_count", "Of session_count: sessions with the outcome; all for '(sessions)'."),
            rate("rate", "outcome_count / session_count; null for '(sessions)'."),
            rate("low", "Lower bound of the 95 % Wilson interval of rate; null for '(sessions)'."),
            rate("high", "Upper bound of the 95 % Wilson interval of rate; null for '(sessions)'."),
            Column(
                "expected_count",
                "DOUBLE",
                f"outcome_count to expect from the same weekdays of the {BASE_DAYS} days before the window.",
            ),
            rate("usual_rate", "expected_count / session_count; null for '(sessions)'."),
            SPREAD,
            Column("score", "DOUBLE", "How unusual outcome_count is, about a normal deviate; negative for too few."),
            count("tested_count", "Outcomes and counts of the site that were tested in the window."),
            flag(
                "is_alert",
                "Whether it left its usual range: a score beyond 3.5, for '(sessions)' beyond 5, and at least 5 "
                "sessions more or fewer than expected. A change that is over is not an alert, see over_since; "
                "nor is a number of a value that changed as those of the other values, or whose sessions went over to "
                "other values of an own dimension.",
            ),
            SINCE,
            OVER_SINCE,
            c.SENTENCE,
            text(
                "example_session_ids",
                "Up to three sessions of the day that show the change: with the outcome if it is more frequent, "
                "otherwise without it, any conversion or a bounce; the smallest ids, separated by spaces. Null if "
                "there is none, for '(sessions)', and if the change is over. See `show`.",
                is_personal=True,
            ),
        ),
    ),
)
