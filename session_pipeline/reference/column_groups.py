"""Defines groups of the shared columns: those that several tables have, and those that settings can name.

columns.py defines each column.
"""

from collections.abc import Mapping

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, flag, text

UTM = (c.UTM_SOURCE, c.UTM_MEDIUM, c.UTM_CAMPAIGN, c.UTM_TERM, c.UTM_CONTENT)
WHO_AND_WHEN = (
    c.EVENT_ID,
    c.SITE,
    c.SOURCE,
    c.VISITOR_ID,
    c.USER_ID,
    c.CLIENT_SESSION_ID,
    c.EVENT_TIME,
    c.RECEIVED_AT,
    c.SEQUENCE,
)
WHAT_HAPPENED = (
    c.EVENT_NAME,
    c.PAGE_URL,
    c.PAGE_HOST,
    c.PAGE_PATH,
    c.PAGE_TITLE,
    c.REFERRER,
    c.REFERRER_HOST,
    *UTM,
    c.CLICK_ID_TYPE,
    c.SEARCH_TERM,
    c.ELEMENT,
    c.STATUS_CODE,
    c.EVENT_VALUE,
    c.CURRENCY,
)
SESSION = (
    c.SESSION_ID,
    c.SITE,
    c.VISITOR_ID,
    c.USER_ID,
    c.CLIENT_SESSION_ID,
    c.SOURCE,
    c.DAY_SESSION_NUMBER,
    c.STARTED_AT,
    c.ENDED_AT,
    c.DURATION_SECONDS,
    c.ENGAGED_SECONDS,
    c.EVENT_COUNT,
    c.PAGE_VIEW_COUNT,
    c.INTERACTION_COUNT,
    c.LANDING_PAGE,
    c.EXIT_PAGE,
    c.LANDING_ACTION,
    c.EXIT_ACTION,
    c.REFERRER_HOST,
    c.CHANNEL,
    c.DEVICE,
    c.BROWSER,
    c.OS,
    *UTM,
    c.CLICK_ID_TYPE,
    c.IS_BOUNCE,
    c.IS_ENGAGED,
    c.IS_BOT,
    c.BOT_REASON,
    c.BREAK_REASON,
    c.IS_COMPLETE,
)
AGENT = (
    Column("user_agent_id", "VARCHAR", "md5 of the user agent."),
    c.USER_AGENT,
    c.BROWSER,
    c.OS,
    c.DEVICE,
    flag("is_bot", "Whether the user agent is that of a bot."),
    text(
        "bot_reason",
        "What classified it as a bot: 'crawler list: ...', 'parser rules: ...', 'packaged pattern: ...' or "
        "'settings: ...'; null for people.",
    ),
)

# Columns that a condition in the settings can use: the columns of an event, or of a session
EVENT_CONDITION_COLUMNS: Mapping[str, str] = {
    column.name: column.type for column in (*WHO_AND_WHEN, *WHAT_HAPPENED, c.PROPERTIES, c.EVENT_IS_BOT, c.EVENT_NUMBER)
}
# Columns of an event that are known before sessions are
RAW_EVENT_COLUMNS: Mapping[str, str] = {
    column.name: column.type for column in (*WHO_AND_WHEN, *WHAT_HAPPENED, c.PROPERTIES)
}
SESSION_CONDITION_COLUMNS: Mapping[str, str] = {column.name: column.type for column in SESSION}

REQUIRED_COLUMNS = ("visitor_id", "event_time", "event_name")  # every event needs them

# Columns that a source can deliver; the other columns are derived
DELIVERED_COLUMNS: tuple[str, ...] = (
    "event_id",
    "visitor_id",
    "user_id",
    "client_session_id",
    "event_time",
    "received_at",
    "sequence",
    "event_name",
    "page_url",
    "page_title",
    "referrer",
    *(column.name for column in UTM),
    "search_term",
    "element",
    "status_code",
    "value",
    "currency",
    "user_agent",
    "properties",
)

# Columns that expressions and conditions of a source can name: the text of each mapped field, and the line as JSON
LINE_COLUMNS: Mapping[str, str] = {
    **{name: "VARCHAR" for name in DELIVERED_COLUMNS if name != "properties"},
    "line": "VARCHAR",
}
