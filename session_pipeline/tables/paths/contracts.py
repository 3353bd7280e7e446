"""Defines the tables of paths: transitions, paths, steps, typical paths and patterns."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="action_transitions",
        grain="One row is a pair of consecutive actions on a day of a site, for the sessions with one outcome.",
        date_column="session_date",
        key=("site", "outcome", "transition", "from_action", "to_action"),
        order=("site", "outcome", "transition", "from_action", "to_action"),
        columns=(
            c.SITE,
            c.OUTCOME,
            c.TRANSITION,
            c.FROM_ACTION,
            c.TO_ACTION,
            c.TRANSITION_COUNT,
            c.SESSION_COUNT,
            c.CONVERTED_COUNT,
            c.MEDIAN_SECONDS,
            c.P90_SECONDS,
        ),
    ),
    Table(
        name="action_steps",
        grain="One row is an action at a position on a day of a site, for the sessions with one outcome.",
        date_column="session_date",
        key=("site", "outcome", "step_number", "action"),
        order=("site", "outcome", "step_number", "action"),
        columns=(
            c.SITE,
            c.OUTCOME,
            c.PATH_STEP_NUMBER,
            c.STEP_ACTION,
            c.SESSION_COUNT,
            c.CONVERTED_COUNT,
            c.SHARE,
        ),
    ),
    Table(
        name="session_paths",
        grain="One row is a path through the site on a day, for the sessions with one outcome.",
        date_column="session_date",
        key=("site", "outcome", "path"),
        order=("site", "outcome", "path"),
        columns=(c.SITE, c.OUTCOME, c.PATH, c.SESSION_COUNT, c.CONVERTED_COUNT),
    ),
    Table(
        name="path_counts",
        grain=(
            "One row is a path with repeated actions folded, a number of actions and a duration on a day of a site, for"
            " the sessions with one outcome and device."
        ),
        date_column="session_date",
        key=("site", "outcome", "device", "path", "action_count", "rounded_seconds"),
        order=("site", "outcome", "device", "path", "action_count", "rounded_seconds"),
        is_published=False,
        columns=(
            c.SITE,
            c.OUTCOME,
            Column("device", "VARCHAR", "Device of the sessions; '(none)' without a user agent."),
            c.PATH,
            count("action_count", "Actions of each session, with repeats; null for the path '(other)'."),
            count(
                "rounded_seconds",
                "Duration of each session in seconds, rounded down to two digits; null for the path '(other)'.",
            ),
            c.SESSION_COUNT,
            c.CONVERTED_COUNT,
        ),
    ),
    Table(
        name="typical_paths",
        grain=(
            "One row is one of the most frequent paths of a window of days up to the day, by outcome and segment."
            " Repeats are folded, and rare actions are replaced by their kind."
        ),
        date_column="session_date",
        key=("site", "window_days", "outcome", "segment", "rank"),
        order=("site", "window_days", "outcome", "segment", "rank"),
        columns=(
            c.SITE,
            c.WINDOW_DAYS,
            c.OUTCOME_GROUP,
            c.SEGMENT,
            c.RANK,
            c.PATH,
            c.SESSION_COUNT,
            c.GROUP_SESSION_COUNT,
            c.SHARE,
            c.MEDIAN_ACTION_COUNT,
            c.MEDIAN_SECONDS,
        ),
    ),
    Table(
        name="session_patterns",
        grain="One row is a session and a pattern from the settings that its actions contain.",
        date_column="session_date",
        key=("session_id", "pattern"),
        order=("site", "session_id", "pattern"),
        columns=(
            c.SESSION_ID,
            c.SITE,
            c.PATTERN,
            c.MATCH_COUNT,
            c.FIRST_ACTION_NUMBER,
            c.LAST_ACTION_NUMBER,
            c.FIRST_EVENT_ID,
            c.MATCHED_AT,
            c.MATCH_SECONDS,
            c.IS_BOT,
        ),
    ),
)
