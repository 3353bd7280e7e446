"""Defines the tables of visitors: their days, life cycle and history, and how many return."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import count, date, flag, text, time
from session_pipeline.tables.contract import Table

# Columns of several of these tables
FIRST_SESSION_ID = text(
    "first_session_id", "Id of the visitor's first session; in visitor_days: the first of the day.", is_personal=True
)
FIRST_SEEN_AT = time("first_seen_at", "Time of the visitor's first event.")
LAST_SEEN_AT = time("last_seen_at", "Time of the visitor's last event.")
FIRST_CHANNEL = text("first_channel", "Marketing channel of the visitor's first session.")
FIRST_UTM_CAMPAIGN = text("first_utm_campaign", "Campaign of the visitor's first session; null if there is none.")
FIRST_CONVERTED_AT = time(
    "first_converted_at",
    "Time of the visitor's first conversion, or the start of the session if that converts as a whole; null if there is"
    " none.",
)
FIRST_VISIT_DATE = date("first_visit_date", "Local date of the visitor's first session.")
LAST_VISIT_DATE = date("last_visit_date", "Local date of the visitor's last session.")
FIRST_CONVERSION_DATE = date(
    "first_conversion_date",
    "Local date of the visitor's first session with a conversion, known up to the row's day; null if there is none.",
)
CONVERTED_SESSION_COUNT = count("converted_session_count", "Sessions of the visitor whose outcome is a conversion.")

TABLES: tuple[Table, ...] = (
    Table(
        name="visitor_states",
        grain="One row is a visitor of a site in a block of days: the day, or a block that ended before it.",
        date_column="session_date",
        key=("block_days", "site", "visitor_id"),
        is_published=False,
        columns=(
            count("block_days", "Length of the block: 1, 10, 100 or 1,000 days."),
            count("block_number", "Days from 1970-01-01 to the first day of the block, divided by block_days."),
            c.SITE,
            c.VISITOR_ID,
            c.USER_ID,
            FIRST_SESSION_ID,
            FIRST_CHANNEL,
            FIRST_UTM_CAMPAIGN,
            FIRST_SEEN_AT,
            LAST_SEEN_AT,
            FIRST_VISIT_DATE,
            LAST_VISIT_DATE,
            FIRST_CONVERTED_AT,
            FIRST_CONVERSION_DATE,
            c.SESSION_COUNT,
            CONVERTED_SESSION_COUNT,
            c.VALUE,
        ),
    ),
    Table(
        name="visitor_days",
        grain="One row is a visitor of a site on a day on which a session of theirs starts. Bot sessions do not count.",
        date_column="session_date",
        key=("site", "visitor_id"),
        columns=(
            c.SITE,
            c.VISITOR_ID,
            c.LIFECYCLE,
            count("visit_number", "Number of the day's first session among all sessions of the visitor, from 1."),
            FIRST_VISIT_DATE,
            date(
                "previous_visit_date",
                "Last earlier day on which a session of the visitor starts; null on the first day.",
            ),
            count(
                "days_since_last_visit", "Days from previous_visit_date to the day; null on the visitor's first day."
            ),
            FIRST_CONVERSION_DATE,
            FIRST_SESSION_ID,
            text("channel", "Marketing channel of the day's first session."),
            c.SESSION_COUNT,
            c.CONVERTED_COUNT,
            c.VALUE,
        ),
    ),
    Table(
        name="daily_visitors",
        grain="One row is a day of a site with visitors on the day or on the day before, by life cycle.",
        date_column="session_date",
        key=("site",),
        columns=(
            c.SITE,
            c.VISITOR_COUNT,
            count("new_count", "Visitors whose first day this is."),
            count("returning_count", "Visitors who were also seen on the day before."),
            count("resurrected_count", "Visitors who were seen before, but not on the day before."),
            count("dormant_count", "Visitors who were seen on the day before, but not on this day."),
        ),
    ),
    Table(
        name="visitors",
        grain="One row is a visitor of a site. Bot sessions do not count.",
        date_column=None,
        key=("site", "visitor_id"),
        columns=(
            c.SITE,
            c.VISITOR_ID,
            c.USER_ID,
            FIRST_SEEN_AT,
            LAST_SEEN_AT,
            FIRST_VISIT_DATE,
            LAST_VISIT_DATE,
            FIRST_SESSION_ID,
            FIRST_CHANNEL,
            FIRST_UTM_CAMPAIGN,
            FIRST_CONVERTED_AT,
            c.SESSION_COUNT,
            CONVERTED_SESSION_COUNT,
            c.VALUE,
        ),
    ),
    Table(
        name="retention",
        grain="One row is a cohort of a site, of visitors who came or converted first on a day, and a period after it.",
        date_column=None,
        key=("site", "cohort", "period", "cohort_date", "periods_after"),
        columns=(
            c.SITE,
            text(
                "cohort",
                "What the visitors of the cohort did for the first time on cohort_date: first_visit or "
                "first_conversion.",
            ),
            text("period", "Unit of periods_after: day, or week (7 days, counted from cohort_date)."),
            date("cohort_date", "Local date on which the visitors of the cohort did it."),
            count("periods_after", "Number of periods after the one that begins on cohort_date, from 0."),
            c.VISITOR_COUNT,
            count(
                "returned_count",
                "Visitors of the cohort with a session in the period; with periods_after 0: all of them.",
            ),
            flag(
                "is_period_over",
                "Whether the last day of the period is not after the last day with sessions of any site, without bots.",
            ),
        ),
    ),
)
