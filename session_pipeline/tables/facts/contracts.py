"""Defines session_facts, which has everything about a session in one row, for BI tools and spreadsheets."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import count, flag, text
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="session_facts",
        grain="One row is a session with its outcome, goals, dimensions, visit number and friction.",
        date_column="session_date",
        key=("session_id",),
        own_order=("site", "session_id"),
        columns=(
            c.SESSION_ID,
            c.SITE,
            c.VISITOR_ID,
            c.USER_ID,
            c.SOURCE,
            c.STARTED_AT,
            c.DURATION_SECONDS,
            c.ENGAGED_SECONDS,
            c.EVENT_COUNT,
            c.PAGE_VIEW_COUNT,
            c.INTERACTION_COUNT,
            count("action_count", "Actions of the session."),
            c.LANDING_PAGE,
            c.LANDING_ACTION,
            c.EXIT_PAGE,
            c.EXIT_ACTION,
            c.REFERRER_HOST,
            c.CHANNEL,
            c.DEVICE,
            c.BROWSER,
            c.OS,
            c.UTM_SOURCE,
            c.UTM_MEDIUM,
            c.UTM_CAMPAIGN,
            c.OUTCOME,
            c.IS_CONVERTED,
            c.CONVERSION_COUNT,
            c.VALUE,
            c.CURRENCY,
            c.DECIDED_AT,
            text("goals", "Goals that the session reached, in alphabetical order, joined by ', '; null if none."),
            text("dimensions", "Dimensions from the settings, such as 'variant=a', joined by ', '; null if none."),
            count("visit_number", "Number of the session among all sessions of the visitor, from 1; null for bots."),
            c.LIFECYCLE,
            flag(
                "has_hard_time",
                "Whether a signal of friction that counts as a hard time occurred; null if none did and hard_time_count"
                " of the day and site in daily_friction is null.",
            ),
            text("friction_signals", "Signals of friction in the session, joined by ', '; null if none."),
            count("friction_count", "Occurrences of signals of friction in the session."),
            c.IS_BOUNCE,
            c.IS_ENGAGED,
            c.IS_BOT,
            c.IS_COMPLETE,
        ),
    ),
)
