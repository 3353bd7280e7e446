"""Defines the tables of paths: transitions, paths, steps, typical paths and patterns."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, rate, text, time
from session_pipeline.tables.contract import Table

PATH = text(
    "path",
    "Actions in order, joined by ' > '; '(more)' at the end replaces what exceeds paths.max_path_actions, "
    "'(no action)' is the path without actions, '(other)' stands for all paths that are not listed. A > in an action "
    "is written ›.",
)
SHARE = rate(
    "share",
    "Share of the sessions with this outcome; in typical_paths: of those of the window and the segment.",
)

TABLES: tuple[Table, ...] = (
    Table(
        name="action_transitions",
        grain="One row is a pair of consecutive actions on a day of a site, for the sessions with one outcome.",
        date_column="session_date",
        key=("site", "outcome", "transition", "from_action", "to_action"),
        columns=(
            c.SITE,
            c.OUTCOME,
            text(
                "transition",
                "entry (start to first action), step (to another action), loop (to the same action), exit (last "
                "action to end), no_action (start to end, in a session without actions) or other (transitions of "
                "fewer than paths.min_session_count sessions).",
            ),
            text(
                "from_action",
                "Action that the transition leaves; '(start)' before the first action, '(other)' for rare transitions.",
            ),
            text(
                "to_action",
                "Action that the transition reaches; '(end)' after the last action, '(other)' for rare transitions.",
            ),
            count("transition_count", "Transitions of these sessions, without bots."),
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
        columns=(
            c.SITE,
            c.OUTCOME,
            count("step_number", "Position of the action in the session, from 1; 0 for '(start)'."),
            text(
                "action",
                "Action at this position; '(start)', '(end)' after the last action, '(more)' for sessions with more "
                "than paths.max_steps actions, '(other)' for actions of fewer than paths.min_session_count sessions.",
            ),
            c.SESSION_COUNT,
            c.CONVERTED_COUNT,
            SHARE,
        ),
    ),
    Table(
        name="session_paths",
        grain="One row is a path through the site on a day, for the sessions with one outcome.",
        date_column="session_date",
        key=("site", "outcome", "path"),
        columns=(c.SITE, c.OUTCOME, PATH, c.SESSION_COUNT, c.CONVERTED_COUNT),
    ),
    Table(
        name="path_counts",
        grain=(
            "One row is a path with repeated actions folded, a number of actions and a duration on a day of a site, for"
            " the sessions with one outcome and device."
        ),
        date_column="session_date",
        key=("site", "outcome", "device", "path", "action_count", "rounded_seconds"),
        is_published=False,
        columns=(
            c.SITE,
            c.OUTCOME,
            Column("device", "VARCHAR", "Device of the sessions; '(none)' without a user agent."),
            PATH,
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
            " Repeats are folded, and rare actions are replaced by their kind. An action is rare if fewer than one in"
            " five sessions of the outcome have it among the actions of their path."
        ),
        date_column="session_date",
        key=("site", "window_days", "outcome", "segment", "rank"),
        columns=(
            c.SITE,
            c.WINDOW_DAYS,
            text(
                "outcome",
                "Outcome, or a group of outcomes: '(converted)', or '(not converted)', which is without conversion "
                "and bounce.",
            ),
            text("segment", "'(all)', or the sessions of one device, such as 'device=mobile'."),
            c.RANK,
            PATH,
            c.SESSION_COUNT,
            count("group_session_count", "All sessions of the window with this outcome and segment."),
            SHARE,
            Column(
                "median_action_count",
                "DOUBLE",
                "Median number of actions of the sessions with this path, with repeats.",
            ),
            c.MEDIAN_SECONDS,
        ),
    ),
    Table(
        name="session_patterns",
        grain="One row is a session and a pattern from the settings that its actions contain.",
        date_column="session_date",
        key=("session_id", "pattern"),
        own_order=("site", "session_id", "pattern"),
        columns=(
            c.SESSION_ID,
            c.SITE,
            text("pattern", "Name of the pattern in the settings."),
            count("match_count", "Matches of the pattern in the session that do not overlap."),
            count("first_action_number", "action_number of the first action of the first match."),
            count("last_action_number", "action_number of the last action of the first match."),
            text("first_event_id", "Event of the first action of the first match.", is_personal=True),
            time("matched_at", "Time of the first action of the first match."),
            Column("match_seconds", "DOUBLE", "Time from the first to the last action of the first match, in seconds."),
            c.IS_BOT,
        ),
    ),
)
