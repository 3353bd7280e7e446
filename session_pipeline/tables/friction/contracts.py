"""Defines the tables of friction: signals by session and action, and their counts by action and by day."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, flag, rate, text, time
from session_pipeline.reference.signals import HARD_TIME_SIGNALS, SIGNALS
from session_pipeline.tables.contract import Table

FRICTION_ACTION = text(
    "action", "Where it happened: the action of the event's page; without a page, the event's own action."
)
HARD_TIME_COUNT = count(
    "hard_time_count",
    f"Sessions with one of the signals {', '.join(HARD_TIME_SIGNALS)}, in action_friction at the action; without bots. "
    "Null if none of these signals can be observed.",
)
FRICTION_RATE = rate(
    "friction_rate",
    "Share of the sessions that had a hard time: hard_time_count / session_count. Null where hard_time_count is null.",
)

ALSO_NULL = {"dead_end": "; in action_friction also if the action had fewer than dead_end_sessions sessions"}
# The number of sessions with each signal, such as rage_click_count.
SIGNAL_COUNTS: tuple[Column, ...] = tuple(
    count(
        f"{signal}_count",
        f"Sessions with the signal {signal}, in action_friction at the action; without bots. Null if the signal is off,"
        f" or if no event of the site's sessions of the day can show it{ALSO_NULL.get(signal, '')}.",
    )
    for signal in SIGNALS
)
SECONDS_LOST = count(
    "seconds_lost",
    "Seconds that the signals of hard_time_count took, without bots, rounded down in each row; error_loop is not added,"
    " because its errors are. Null if none of these signals can be observed.",
)

TABLES: tuple[Table, ...] = (
    Table(
        name="session_friction",
        grain="One row is a session, an action and a signal of friction that occurred there.",
        date_column="session_date",
        key=("session_id", "action", "signal"),
        own_order=("site", "session_id", "action", "signal"),
        columns=(
            c.SESSION_ID,
            c.SITE,
            FRICTION_ACTION,
            c.SIGNAL,
            count("occurrence_count", "How often the signal occurred at the action in the session."),
            text(
                "first_event_id",
                "Event of the action with which the signal was complete for the first time.",
                is_personal=True,
            ),
            count("first_action_number", "action_number of that action."),
            time("first_at", "Time of that action."),
            Column(
                "seconds_lost",
                "DOUBLE",
                "Seconds that all occurrences took; 0 for signals without a duration. docs/definitions.md says from"
                " when to when.",
            ),
            flag("is_hard_time", f"Whether it counts as a hard time: it is one of {', '.join(HARD_TIME_SIGNALS)}."),
            c.IS_BOT,
        ),
    ),
    Table(
        name="action_friction",
        grain="One row is an action on a day of a site.",
        date_column="session_date",
        key=("site", "action"),
        columns=(
            c.SITE,
            FRICTION_ACTION,
            count(
                "session_count",
                "Sessions with an action there, without bots. An event counts at its page, also without a page view of"
                " it, so action_visits, which counts sessions by the actions they did, has other numbers.",
            ),
            HARD_TIME_COUNT,
            FRICTION_RATE,
            *SIGNAL_COUNTS,
            SECONDS_LOST,
        ),
    ),
    Table(
        name="daily_friction",
        grain="One row is a day of a site with sessions, and how many of them had a hard time.",
        date_column="session_date",
        key=("site",),
        columns=(
            c.SITE,
            c.SESSION_COUNT,
            HARD_TIME_COUNT,
            FRICTION_RATE,
            *SIGNAL_COUNTS,
            SECONDS_LOST,
        ),
    ),
)
