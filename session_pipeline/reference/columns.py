"""Every column once: a name, a type, a meaning.

A column that appears in two tables under one name means the same in both, so it is one constant here. Types are
DuckDB's names of the types that DuckDB, Arrow and Spark store alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

ARROW_TYPES: Mapping[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "DECIMAL(18,6)": pa.decimal128(18, 6),
    "DECIMAL(38,6)": pa.decimal128(38, 6),
}


@dataclass(frozen=True)
class Column:
    """A column: name, type and meaning (with unit, and what null says)."""

    name: str
    type: str
    meaning: str


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of a file with these columns."""
    return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in columns])


def text(name: str, meaning: str) -> Column:
    """Make a VARCHAR column."""
    return Column(name, "VARCHAR", meaning)


def count(name: str, meaning: str) -> Column:
    """Make a BIGINT column; counts are never null."""
    return Column(name, "BIGINT", meaning)


def flag(name: str, meaning: str) -> Column:
    """Make a BOOLEAN column; flags are never null."""
    return Column(name, "BOOLEAN", meaning)


def time(name: str, meaning: str) -> Column:
    """Make a TIMESTAMP column: UTC, microseconds."""
    return Column(name, "TIMESTAMP", meaning)


def rate(name: str, meaning: str) -> Column:
    """Make a DOUBLE column holding a share from 0 to 1; null where the denominator is 0."""
    return Column(name, "DOUBLE", meaning)


def date(name: str, meaning: str) -> Column:
    """Make a DATE column: a local date in the reporting time zone."""
    return Column(name, "DATE", meaning)


# Where a line came from
FILE_ID = text("file_id", "Delivered file: hash of its source and decompressed content. See source_files.")
LINE_NUMBER = count("line_number", "Line in the delivered file, from 1; a CSV record's first line.")
SOURCE = text("source", "Folder under raw/ that the file was delivered in.")
SITE = text("site", "Site the visitor was on; part of the visitor's key. Set per source, 'main' by default.")

# An event
EVENT_ID = text("event_id", "Given by the source, else hash of the line and its occurrence number in the file.")
VISITOR_ID = text("visitor_id", "Who acts, as the source knows them: a cookie or device id. Unique within its site.")
USER_ID = text("user_id", "Logged-in user; null when unknown. In sessions: the first known one of the session.")
CLIENT_SESSION_ID = text("client_session_id", "Session id that the source gave, if any; null when unknown.")
EVENT_TIME = time("event_time", "When it happened, UTC.")
RECEIVED_AT = time("received_at", "When the source received it, UTC; null where the source does not say.")
SEQUENCE = count(
    "sequence", "The source's own order of events; null where it gives none (the line number then orders)."
)
EVENT_NAME = text("event_name", "What happened; 'page_view' for page views, 'asset' for static files.")
PAGE_URL = text("page_url", "Page it happened on; query parameters outside the allow-list are removed.")
PAGE_HOST = text("page_host", "Host of page_url, lower case.")
PAGE_PATH = text("page_path", "Path of page_url, from the first slash; '/' when it has none.")
PAGE_TITLE = text("page_title", "Title of the page.")
REFERRER = text("referrer", "Page the visitor came from; query parameters outside the allow-list are removed.")
REFERRER_HOST = text("referrer_host", "Host of the referrer, lower case; in sessions: of the first event.")
UTM_SOURCE = text(
    "utm_source", "Campaign source, given or from page_url; in sessions: of the first event that names a campaign."
)
UTM_MEDIUM = text(
    "utm_medium", "Campaign medium, given or from page_url; in sessions: of the first event that names a campaign."
)
UTM_CAMPAIGN = text(
    "utm_campaign", "Campaign name, given or from page_url; in sessions: of the first event that names a campaign."
)
UTM_TERM = text(
    "utm_term", "Campaign term, given or from page_url; in sessions: of the first event that names a campaign."
)
UTM_CONTENT = text(
    "utm_content", "Campaign content, given or from page_url; in sessions: of the first event that names a campaign."
)
CLICK_ID_TYPE = text(
    "click_id_type", "Advertising click id in page_url: its parameter's name (gclid, ...), not its value."
)
SEARCH_TERM = text("search_term", "What the visitor searched for on the site.")
ELEMENT = text("element", "Element of the page that was acted on.")
STATUS_CODE = count("status_code", "HTTP status, or the source's error number.")
EVENT_VALUE = Column("value", "DECIMAL(18,6)", "Money or worth of the event, in currency; null when it has none.")
CURRENCY = text("currency", "ISO 4217 code of value; in session_outcomes 'XXX' when several occur.")
USER_AGENT = text("user_agent", "User agent as it was sent.")
USER_AGENT_ID = text("user_agent_id", "md5 of the user agent; null when there is none. See user_agents.")
PROPERTIES = text("properties", "JSON object with all that has no column of its own; null when there is nothing.")
CONTENT_HASH = text("content_hash", "md5 of the line.")
IS_BOT = flag(
    "is_bot", "Whether the crawler list or the parser's rules know the user agent as a bot. Counts leave bots out."
)
SESSION_ID = text("session_id", "md5 of site, visitor, id and time of the session's first event: it does not move.")
SESSION_DATE = date("session_date", "Local date of the session's first event.")
EVENT_NUMBER = count("event_number", "Position of the event in its session, from 1.")
BREAK_REASON = text(
    "break_reason",
    "Why a session begins here: inactivity, midnight, separator, client_session, user, campaign or max_hours. "
    "In events: null on all but the first of a session.",
)
GAP_MICROSECONDS = Column(
    "gap_microseconds", "BIGINT", "Microseconds since the session's previous event; null on the first."
)

# A session
STARTED_AT = time("started_at", "Time of the first event.")
ENDED_AT = time("ended_at", "Time of the last event.")
DURATION_SECONDS = Column("duration_seconds", "DOUBLE", "From the first to the last event, in seconds.")
ENGAGED_SECONDS = Column(
    "engaged_seconds", "DOUBLE", "Sum of the gaps between events, each counted up to sessions.engaged_gap_seconds."
)
EVENT_COUNT = count("event_count", "Events of the session; in session_goals: events that meet the goal.")
PAGE_VIEW_COUNT = count("page_view_count", "Page views; in daily tables: of the day's sessions without bots.")
INTERACTION_COUNT = count("interaction_count", "Events that are neither page views, nor assets, nor passive.")
LANDING_PAGE = text("landing_page", "page_path of the first page view that has one; null without.")
EXIT_PAGE = text("exit_page", "page_path of the last page view that has one; null without.")
LANDING_ACTION = text("landing_action", "First action; null when no event is an action.")
EXIT_ACTION = text("exit_action", "Last action; null when no event is an action.")
CHANNEL = text("channel", "How the visit came about, after GA4's default channel group: organic_search, direct, ...")
DEVICE = text("device", "desktop, mobile, tablet, tv, other; null without a user agent.")
BROWSER = text("browser", "Browser family; null without a user agent.")
OS = text("os", "Operating system family; null without a user agent.")
IS_BOUNCE = flag("is_bounce", "Not engaged: at most one page view, no interaction, little time.")
IS_ENGAGED = flag("is_engaged", "Enough page views, an interaction, or enough engaged seconds (see settings).")
IS_COMPLETE = flag("is_complete", "False while the days that could still add events to the session are not built.")

# An action
ACTION_NUMBER = count("action_number", "Position of the action in its session, from 1.")
ACTION = text("action", "Label in paths: the folded page path for page views, the event name for the rest.")
OCCURRED_AT = time("occurred_at", "When the action happened.")
SECONDS_TO_NEXT = Column("seconds_to_next", "DOUBLE", "Seconds until the session's next action; null at the exit.")
PREVIOUS_ACTION = text("previous_action", "The session's action before; null at the landing.")
NEXT_ACTION = text("next_action", "The session's action after; null at the exit.")
IS_LANDING = flag("is_landing", "First action of the session.")
IS_EXIT = flag("is_exit", "Last action of the session.")

# Outcomes
OUTCOME = text("outcome", "How the session ended: the first rule of the settings that holds, else engaged or bounce.")
IS_CONVERTED = flag("is_converted", "Whether the outcome is a conversion; in funnels: all steps were reached.")
CONVERSION_COUNT = count(
    "conversion_count",
    "Events that meet the deciding rule, 1 when the session as a whole does; 0 without a conversion.",
)
VALUE = Column(
    "value",
    "DECIMAL(38,6)",
    "Sum of the values of all matching events, in daily tables of conversions; null when none has one.",
)
DECIDED_AT = time("decided_at", "Time of the event that decided; null when the session as a whole did.")
DECIDING_EVENT_ID = text("deciding_event_id", "Event that decided; null when the session as a whole did.")
DECIDING_PAGE = text("deciding_page", "page_path of the event that decided.")
GOAL = text("goal", "Goal of the settings.")
REACHED_AT = time("reached_at", "Time of the first event that meets the goal.")
DIMENSION = text("dimension", "A dimension's name: packaged (channel, device, ...) or of the settings.")
DIMENSION_VALUE = text("dimension_value", "The dimension's value; '(none)' stands for null in daily_breakdowns.")

# Days
SESSION_COUNT = count("session_count", "Sessions, without bots.")
VISITOR_COUNT = count("visitor_count", "Distinct visitors, without bots.")
BOUNCE_COUNT = count("bounce_count", "Sessions with outcome bounce, without bots.")
ENGAGED_COUNT = count("engaged_count", "Engaged sessions (is_engaged), without bots.")
CONVERTED_COUNT = count("converted_count", "Sessions whose outcome is a conversion, without bots.")
BOT_SESSION_COUNT = count(
    "bot_session_count", "Sessions of bots, left out of all counts of sessions, visitors and pages."
)
DUPLICATE_COUNT = count("duplicate_count", "Lines that repeat an event of this local day.")
LATE_EVENT_COUNT = count(
    "late_event_count", "Events received after the local day they happened on, where the source says."
)
IS_FINAL = flag("is_final", "All sessions of the day are complete.")
CONVERSION_RATE = rate(
    "conversion_rate", "Converted share; in funnel_steps: reached this step, of all that entered and were not excluded."
)
LOW = rate("low", "Lower end of the 95 % Wilson interval of the rate.")
HIGH = rate("high", "Upper end of the 95 % Wilson interval of the rate.")

# Funnels
FUNNEL = text("funnel", "Funnel of the settings.")
ATTEMPT_NUMBER = count("attempt_number", "Number of the attempt within its unit and day, from 1.")
BREAKDOWN = text(
    "breakdown", "Value of the funnel's breakdown at entry; '(all)' without a breakdown, '(none)' for null."
)
ENTERED_AT = time("entered_at", "Time of the event that entered the funnel.")
ENTRY_EVENT_ID = text("entry_event_id", "Event that entered the funnel.")
STEP_REACHED = count("step_reached", "Deepest step reached, from 1.")
LAST_STEP_AT = time("last_step_at", "Time of the deepest step's event.")
DROPPED_TO_ACTION = text(
    "dropped_to_action", "Action that followed that of the last step in its session; null when converted or left."
)
IS_EXCLUDED = flag("is_excluded", "An exclusion of the funnel took place; counted apart.")
IS_WINDOW_CLOSED = flag(
    "is_window_closed",
    "No event still to come can change the row: converted and not excluded, session complete, or windows over.",
)
SECONDS_TO_CONVERT = Column(
    "seconds_to_convert", "DOUBLE", "From entry to the last step, in seconds; null unless converted."
)
STEP_NUMBER = count("step_number", "Position of the step, from 1.")
STEP = text("step", "Name of the step.")
ENTERED_COUNT = count(
    "entered_count", "Attempts that reached this step, without bots; excluded ones count at step 1 only."
)
DROPPED_COUNT = count(
    "dropped_count", "Attempts that reached this step and went no further, without excluded ones; 0 at the last."
)
EXCLUDED_COUNT = count("excluded_count", "Attempts taken out by an exclusion; on step 1 only, 0 elsewhere.")
STEP_CONVERSION_RATE = rate("step_conversion_rate", "Reached this step, of all that reached the step before.")

# Logs of what happened
CHANGED_AT = time("changed_at", "When the build that changed it ran, by the machine's clock; UTC.")
RUN_ID = text("run_id", "Dagster run that built it.")
REASON_OF_CHANGE = text("reason", "What set the build off: the files that came, or the rules that changed.")

# Groups of columns that stand together in several tables
UTM = (UTM_SOURCE, UTM_MEDIUM, UTM_CAMPAIGN, UTM_TERM, UTM_CONTENT)
WHO_AND_WHEN = (
    EVENT_ID,
    SITE,
    SOURCE,
    VISITOR_ID,
    USER_ID,
    CLIENT_SESSION_ID,
    EVENT_TIME,
    RECEIVED_AT,
    SEQUENCE,
)
WHAT_HAPPENED = (
    EVENT_NAME,
    PAGE_URL,
    PAGE_HOST,
    PAGE_PATH,
    PAGE_TITLE,
    REFERRER,
    REFERRER_HOST,
    *UTM,
    CLICK_ID_TYPE,
    SEARCH_TERM,
    ELEMENT,
    STATUS_CODE,
    EVENT_VALUE,
    CURRENCY,
)
SESSION = (
    SESSION_ID,
    SITE,
    VISITOR_ID,
    USER_ID,
    CLIENT_SESSION_ID,
    SOURCE,
    STARTED_AT,
    ENDED_AT,
    DURATION_SECONDS,
    ENGAGED_SECONDS,
    EVENT_COUNT,
    PAGE_VIEW_COUNT,
    INTERACTION_COUNT,
    LANDING_PAGE,
    EXIT_PAGE,
    LANDING_ACTION,
    EXIT_ACTION,
    REFERRER_HOST,
    CHANNEL,
    DEVICE,
    BROWSER,
    OS,
    *UTM,
    CLICK_ID_TYPE,
    IS_BOUNCE,
    IS_ENGAGED,
    IS_BOT,
    BREAK_REASON,
    IS_COMPLETE,
)
AGENT = (
    Column("user_agent_id", "VARCHAR", "md5 of the user agent."),
    USER_AGENT,
    BROWSER,
    OS,
    DEVICE,
    IS_BOT,
    text("bot_reason", "What knew it: crawler list: ... or parser rules: ...; null for people."),
)

# What a condition in the settings can name: everything that an event, or a session, says about itself
EVENT_CONDITION_COLUMNS: Mapping[str, str] = {
    column.name: column.type for column in (*WHO_AND_WHEN, *WHAT_HAPPENED, PROPERTIES, IS_BOT, EVENT_NUMBER)
}
SESSION_CONDITION_COLUMNS: Mapping[str, str] = {column.name: column.type for column in SESSION}

# What a source can deliver; the other columns are derived
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
