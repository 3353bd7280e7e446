"""Defines the tables of which events meet which rules, one for each kind of rule."""

from session_pipeline.reference import columns as c
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="outcome_matches",
        grain="One row is an event of a session that starts on the day, and an outcome rule that it meets.",
        date_column="session_date",
        key=("session_id", "event_number", "rule"),
        is_published=False,
        columns=(
            c.SESSION_ID,
            c.EVENT_NUMBER,
            c.RULE,
            c.EVENT_ID,
            c.EVENT_TIME,
            c.PAGE_PATH,
            c.RULE_VALUE,
            c.CURRENCY,
        ),
    ),
    Table(
        name="goal_matches",
        grain="One row is an event of a session that starts on the day, and a goal that it meets.",
        date_column="session_date",
        key=("session_id", "event_number", "goal"),
        is_published=False,
        columns=(c.SESSION_ID, c.EVENT_NUMBER, c.GOAL, c.EVENT_TIME, c.RULE_VALUE),
    ),
    Table(
        name="funnel_matches",
        grain="One row is an event of a session that starts on the day, and a funnel step or exclusion that it meets.",
        date_column="session_date",
        key=("session_id", "event_number", "funnel", "step_number"),
        is_published=False,
        columns=(
            c.SESSION_ID,
            c.EVENT_NUMBER,
            c.FUNNEL,
            c.STEP_OR_EXCLUSION_NUMBER,
            c.EVENT_ID,
            c.EVENT_TIME,
            c.POSITION,
            c.EVENT_VALUE,
        ),
    ),
)
