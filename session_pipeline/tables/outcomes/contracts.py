"""Defines the tables of how sessions end: outcomes, goals, dimensions and daily counts."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, text
from session_pipeline.tables.contract import Table

# The figures of a day, whose changes _day_history records.
FIGURES = (
    c.SESSION_COUNT,
    c.VISITOR_COUNT,
    c.PAGE_VIEW_COUNT,
    c.BOUNCE_COUNT,
    c.ENGAGED_COUNT,
    c.CONVERTED_COUNT,
    c.VALUE,
    c.BOT_SESSION_COUNT,
    c.DUPLICATE_COUNT,
    c.LATE_EVENT_COUNT,
)

TABLES: tuple[Table, ...] = (
    Table(
        name="session_outcomes",
        grain="One row is a session and how it ended.",
        date_column="session_date",
        key=("session_id",),
        own_order=("site", "session_id"),
        columns=(
            c.SESSION_ID,
            c.SITE,
            c.OUTCOME,
            c.IS_CONVERTED,
            c.CONVERSION_COUNT,
            c.VALUE,
            c.CURRENCY,
            c.DECIDED_AT,
            c.DECIDING_EVENT_ID,
            c.DECIDING_PAGE,
            c.IS_BOT,
        ),
    ),
    Table(
        name="session_goals",
        grain="One row is a session and a goal it reached.",
        date_column="session_date",
        key=("session_id", "goal"),
        own_order=("site", "session_id", "goal"),
        columns=(c.SESSION_ID, c.SITE, c.GOAL, c.REACHED_AT, c.EVENT_COUNT, c.VALUE, c.IS_BOT),
    ),
    Table(
        name="session_dimensions",
        grain="One row is a session and a dimension from the settings, with the session's first known value of it.",
        date_column="session_date",
        key=("session_id", "dimension"),
        own_order=("site", "session_id", "dimension"),
        columns=(c.SESSION_ID, c.SITE, c.DIMENSION, c.DIMENSION_VALUE, c.IS_BOT),
    ),
    Table(
        name="daily_summary",
        grain="One row is a day of a site with events or repeated lines, also if no session starts on it.",
        date_column="session_date",
        key=("site",),
        columns=(c.SITE, *FIGURES, c.IS_FINAL),
    ),
    Table(
        name="_day_history",
        grain="One row is a build that changed the figures of a day of a site.",
        date_column="session_date",
        key=("changed_at", "site"),
        is_log=True,
        columns=(
            c.CHANGED_AT,
            c.RUN_ID,
            c.REASON_OF_CHANGE,
            c.SITE,
            *(
                Column(
                    f"{figure.name}_{when}",
                    figure.type,
                    f"{figure.name} of daily_summary {when} the build; null without a row.",
                )
                for figure in FIGURES
                for when in ("before", "after")
            ),
        ),
    ),
    Table(
        name="daily_outcomes",
        grain="One row is a day of a site and an outcome that occurred.",
        date_column="session_date",
        key=("site", "outcome"),
        columns=(
            c.SITE,
            c.OUTCOME,
            c.SESSION_COUNT,
            c.VISITOR_COUNT,
            Column(
                "value",
                "DECIMAL(38,6)",
                "Sum of the values of all events that meet the rule of the outcome, without bots; also if it is no "
                "conversion. Adds different currencies without conversion. Null if no event has a value.",
            ),
            c.BOT_SESSION_COUNT,
        ),
    ),
    Table(
        name="daily_bots",
        grain="One row is a day of a site and a reason why sessions are those of bots; or '(people)' for all others.",
        date_column="session_date",
        key=("site", "bot_reason"),
        columns=(
            c.SITE,
            text("bot_reason", "Reason, as in sessions; '(people)' for the sessions that tables of counts have."),
            count("session_count", "Sessions with this reason."),
            count("visitor_count", "Distinct visitors of these sessions."),
            count("page_view_count", "Page views of these sessions."),
            count("event_count", "Events of these sessions."),
        ),
    ),
    Table(
        name="daily_breakdowns",
        grain="One row is a day of a site, a dimension and a value of it.",
        date_column="session_date",
        key=("site", "dimension", "dimension_value"),
        columns=(
            c.SITE,
            c.DIMENSION,
            c.DIMENSION_VALUE,
            c.SESSION_COUNT,
            c.CONVERTED_COUNT,
            c.BOUNCE_COUNT,
            c.VALUE,
            c.CONVERSION_RATE,
            c.LOW,
            c.HIGH,
            count("new_session_count", "Sessions of visitors whose first day this is, without bots."),
            count(
                "new_converted_count", "Sessions of visitors whose first day this is and whose outcome is a conversion."
            ),
            c.BOT_SESSION_COUNT,
        ),
    ),
)
