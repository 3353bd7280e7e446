"""Defines the tables of funnels: events that meet a funnel step, attempts, and the counts of each funnel step."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="funnel_events",
        grain="One row is an event of a session that starts on the day, and a funnel step or exclusion that it meets.",
        date_column="session_date",
        key=("funnel", "step_number", "session_id", "event_number"),
        order=("funnel", "site", "visitor_id", "event_time", "session_id", "event_number", "step_number"),
        is_published=False,
        columns=(
            c.FUNNEL,
            Column("step_number", "BIGINT", "Number of the funnel step, from 1; for an exclusion, minus its number."),
            c.SITE,
            c.VISITOR_ID,
            c.SESSION_ID,
            c.SESSION_DATE,
            c.EVENT_ID,
            c.EVENT_TIME,
            c.EVENT_NUMBER,
            Column(
                "position", "BIGINT", "Order among events with equal times: sequence, or the line number without one."
            ),
            c.NEXT_ACTION,
            c.BREAKDOWN,
            c.IS_BOT,
            c.IS_COMPLETE,
        ),
    ),
    Table(
        name="funnel_entries",
        grain="One row is an attempt at a funnel.",
        date_column="entry_date",
        key=("funnel", "session_id"),
        order=("funnel", "site", "visitor_id", "entered_at", "session_id"),
        columns=(
            c.FUNNEL,
            c.ATTEMPT_NUMBER,
            c.SITE,
            c.SESSION_ID,
            c.VISITOR_ID,
            c.BREAKDOWN,
            c.ENTERED_AT,
            c.ENTRY_EVENT_ID,
            c.STEP_REACHED,
            c.LAST_STEP_AT,
            c.DROPPED_TO_ACTION,
            c.IS_CONVERTED,
            c.IS_EXCLUDED,
            c.IS_WINDOW_CLOSED,
            c.SECONDS_TO_CONVERT,
            c.IS_BOT,
        ),
    ),
    Table(
        name="funnel_steps",
        grain="One row is a step of a funnel on a day of a site, by breakdown.",
        date_column="entry_date",
        key=("funnel", "site", "breakdown", "step_number"),
        order=("funnel", "site", "breakdown", "step_number"),
        columns=(
            c.FUNNEL,
            c.SITE,
            c.STEP_NUMBER,
            c.STEP,
            c.BREAKDOWN,
            c.ENTERED_COUNT,
            c.DROPPED_COUNT,
            c.EXCLUDED_COUNT,
            c.CONVERSION_RATE,
            c.STEP_CONVERSION_RATE,
            c.LOW,
            c.HIGH,
        ),
    ),
)
