"""Defines the columns that several groups of tables share: name, type and meaning.

A column that appears in two tables with the same name has the same meaning in both, so it is one constant here. Types
are DuckDB's names for types that DuckDB, Arrow and Spark store in the same way. column_groups.py has the groups
of them. The tables are defined in tables/<group>/contracts.py, with the columns that only one group has.
"""

from session_pipeline.reference.column import Column, count, date, flag, rate, text, time
from session_pipeline.reference.signals import SIGNALS

# Where a line came from
FILE_ID = text("file_id", "Delivered file, as the hash of its source and its decompressed content. See source_files.")
LINE_NUMBER = count(
    "line_number",
    "Line number in the delivered file, from 1; for a CSV record, its first line. In JSON lists, and with events_in or "
    "records_in, the number of the event.",
)
SOURCE = text("source", "Folder under raw/ in which the file was delivered; in sessions: of the first event.")
SITE = text("site", "Site the visitor was on; part of the visitor's key. Set per source, 'main' by default.")

# An event
EVENT_ID = text(
    "event_id",
    "Id from the source; without one, the hash of the line and its occurrence number in the file.",
    is_personal=True,
)
VISITOR_ID = text(
    "visitor_id",
    "The visitor, as identified by the source: a cookie or device id. In events and tables made from them, "
    "the person_id if identity.by is person. Unique within its site.",
    is_personal=True,
)
USER_ID = text(
    "user_id",
    "Logged-in user, as a keyed hash if the settings say so; null if unknown. In sessions and visitors: the first one.",
    is_personal=True,
)
CLIENT_SESSION_ID = text(
    "client_session_id",
    "Session id from the source; null if unknown. In sessions: the first known one.",
    is_personal=True,
)
EVENT_TIME = time("event_time", "Time when the event happened, UTC.")
RECEIVED_AT = time(
    "received_at", "Time when the source received the event, UTC; null if the source does not record it."
)
SEQUENCE = count(
    "sequence", "Sequence number from the source; null if it gives none (the line number is then used for the order)."
)
EVENT_NAME = text("event_name", "What happened; 'page_view' for page views, 'asset' for static files.")
PAGE_URL = text(
    "page_url",
    "Page on which the event happened; query parameters outside the allow-list are removed. Null if none is known.",
    is_personal=True,
)
PAGE_HOST = text("page_host", "Host of page_url, lower case; null if page_url has none.")
PAGE_PATH = text(
    "page_path",
    "Path of page_url; '/' if it has none. A page_url without // before the host is a path. Percent-encoding is in one"
    " spelling: digits in capitals, and letters, digits and -._~ as themselves. Null without page_url.",
)
PAGE_TITLE = text("page_title", "Title of the page; null if the source gives none.")
REFERRER = text(
    "referrer",
    "Page the visitor came from; query parameters outside the allow-list are removed. Null if none is known.",
    is_personal=True,
)
REFERRER_HOST = text(
    "referrer_host",
    "Host of the referrer, lower case; in sessions: of the first event. Null without a referrer, or if it has no host.",
)
UTM_SOURCE = text(
    "utm_source",
    "Campaign source, given or from page_url; in sessions: of the first event that names a campaign; null without one.",
)
UTM_MEDIUM = text(
    "utm_medium",
    "Campaign medium, given or from page_url; in sessions: of the first event that names a campaign; null without one.",
)
UTM_CAMPAIGN = text(
    "utm_campaign",
    "Campaign name, given or from page_url; in sessions: of the first event that names a campaign; null without one.",
)
UTM_TERM = text(
    "utm_term",
    "Campaign term, given or from page_url; in sessions: of the first event that names a campaign; null without one.",
)
UTM_CONTENT = text(
    "utm_content",
    "Campaign content, given or from page_url; in sessions: of the first event that names a campaign; null without "
    "one.",
)
CLICK_ID_TYPE = text(
    "click_id_type",
    "Advertising click id in page_url: its parameter's name (gclid, ...), not its value. In sessions: "
    "of the first event. Null without one.",
)
SEARCH_TERM = text(
    "search_term",
    "What the visitor searched for on the site, given or from a parameter of page_url: q, query, s, search or keyword. "
    "Null if the event is no search.",
    is_personal=True,
)
ELEMENT = text("element", "Page element that the visitor used; null if the source gives none.")
STATUS_CODE = count("status_code", "HTTP status, or the source's error number; null if the source gives none.")
EVENT_VALUE = Column(
    "value", "DECIMAL(18,6)", "Monetary or other value of the event, in currency; null if it has none."
)
CURRENCY = text(
    "currency",
    "Currency of value in capital letters: an ISO 4217 code. In session_outcomes 'XXX' if there are several. "
    "Null without a currency.",
)
USER_AGENT = text(
    "user_agent",
    "User agent as it was sent; reduced for people if the settings say so, or if the source has only its parts. Null "
    "if there is none.",
)
USER_AGENT_ID = text("user_agent_id", "md5 of the user agent; null if there is none. See user_agents.")
PROPERTIES = text(
    "properties",
    "JSON object with all fields that have no column of their own; null if there are none.",
    is_personal=True,
)
PERSON_ID = text(
    "person_id",
    "Id whose events are one visitor's if identity.by is person: the person's first visitor id, or a hash of the user "
    "id if all their visitor ids are shared.",
    is_personal=True,
)
CARRIED_USER_ID = text(
    "carried_user_id", "user_id that the visitor's events carry; '' for events without one.", is_personal=True
)
CONTENT_HASH = text("content_hash", "md5 of the line.", is_personal=True)
EVENT_IS_BOT = flag(
    "is_bot",
    "Whether this event is from a bot, by the user agent or by a rule in [bots]. If one event of a session is, the "
    "session is a bot session: see is_bot of sessions.",
)
SESSION_ID = text(
    "session_id",
    "md5 of site, visitor, and id and time of the session's first event. Independent of other sessions.",
    is_personal=True,
)
SESSION_DATE = date("session_date", "Local date of the session's first event.")
EVENT_NUMBER = count("event_number", "Position of the event in its session, from 1.")
BREAK_REASON = text(
    "break_reason",
    "Why a session starts here: inactivity, midnight, utc_hour, separator, client_session, user, campaign or "
    "max_hours. In events: null except on the first event of a session.",
)
GAP_MICROSECONDS = Column(
    "gap_microseconds", "BIGINT", "Microseconds since the previous event of the session; null on the first event."
)

# A session
DAY_SESSION_NUMBER = count(
    "day_session_number",
    "Position of the session among the visitor's sessions of the day, in the order of their first events, from 1.",
)
STARTED_AT = time("started_at", "Time of the first event.")
ENDED_AT = time("ended_at", "Time of the last event.")
DURATION_SECONDS = Column("duration_seconds", "DOUBLE", "Time from the first to the last event, in seconds.")
ENGAGED_SECONDS = Column(
    "engaged_seconds", "DOUBLE", "Sum of the gaps between events, each counted up to sessions.engaged_gap_seconds."
)
EVENT_COUNT = count("event_count", "Events of the session; in session_goals: events that meet the goal.")
PAGE_VIEW_COUNT = count("page_view_count", "Page views; in daily tables: of the day's sessions, without bots.")
INTERACTION_COUNT = count("interaction_count", "Events that are not page views, assets or passive events.")
LANDING_PAGE = text("landing_page", "page_path of the first page view that has one; null if there is none.")
EXIT_PAGE = text("exit_page", "page_path of the last page view that has one; null if there is none.")
LANDING_ACTION = text("landing_action", "First action; null if no event is an action.")
EXIT_ACTION = text("exit_action", "Last action; null if no event is an action.")
CHANNEL = text(
    "channel", "Marketing channel of the session, based on GA4's default channel group: organic_search, direct, ..."
)
DEVICE = text(
    "device", "desktop, mobile, tablet, tv or other; null without a user agent. In sessions: of the first event."
)
BROWSER = text("browser", "Browser family; null without a user agent. In sessions: of the first event.")
OS = text("os", "Operating system family; null without a user agent. In sessions: of the first event.")
IS_BOUNCE = flag(
    "is_bounce", "Whether the session is not engaged: too few page views, no interaction, too little engaged time."
)
IS_ENGAGED = flag(
    "is_engaged", "Whether the session has enough page views, an interaction, or enough engaged seconds (see settings)."
)
IS_BOT = flag(
    "is_bot",
    "Whether any event of the session is from a bot, by the user agent or by a rule in [bots]. Counts exclude bots.",
)
IS_COMPLETE = flag("is_complete", "Whether all days that could add events to the session are built.")

# An action
ACTION_NUMBER = count(
    "action_number", "Position of the action in its session, from 1; in funnel_events null if the event is no action."
)
ACTION = text(
    "action",
    "Label in paths: the folded page path for page views, with the parameters in actions.query_parameters; the event "
    "name for other events.",
)
OCCURRED_AT = time("occurred_at", "Time when the action happened.")
SECONDS_TO_NEXT = Column("seconds_to_next", "DOUBLE", "Seconds until the next action of the session; null on the last.")
PREVIOUS_ACTION = text("previous_action", "Previous action of the session; null on the first.")
NEXT_ACTION = text("next_action", "Next action of the session; null on the last.")
IS_LANDING = flag("is_landing", "Whether this is the first action of the session.")
IS_EXIT = flag("is_exit", "Whether this is the last action of the session.")

# Events that meet rules
RULE = text("rule", "Name of the outcome rule in the settings.")
RULE_VALUE = Column(
    "value", "DECIMAL(18,6)", "Value that the rule gives the event; null if the rule gives none or it does not fit."
)
STEP_OR_EXCLUSION_NUMBER = count(
    "step_number",
    "Number of the funnel step, from 1; for an exclusion, minus its number; "
    "0 for an event of a strict funnel that meets no step.",
)
POSITION = count("position", "Order among events with equal times: sequence, or the line number without one.")

# Outcomes
OUTCOME = text("outcome", "How the session ended: the first outcome rule that holds, otherwise engaged or bounce.")
IS_CONVERTED = flag(
    "is_converted",
    "Whether the outcome is a conversion; in funnels: whether the last step was reached, in mode unordered all steps.",
)
CONVERSION_COUNT = count(
    "conversion_count",
    "Events that meet the deciding rule, or 1 if the session as a whole meets it; 0 without a conversion.",
)
VALUE = Column(
    "value",
    "DECIMAL(38,6)",
    "Sum of the values of all matching events; in daily tables and tables of visitors: of conversions only. "
    "Adds different currencies without conversion. Null if no event has a value.",
)
DECIDED_AT = time("decided_at", "Time of the event that decided the outcome; null if the session as a whole did.")
DECIDING_EVENT_ID = text(
    "deciding_event_id", "Event that decided the outcome; null if the session as a whole did.", is_personal=True
)
DECIDING_PAGE = text(
    "deciding_page",
    "page_path of the event that decided the outcome; null if it has no page, or the session as a whole decided.",
)
GOAL = text("goal", "Name of the goal in the settings.")
REACHED_AT = time("reached_at", "Time of the first event that meets the goal.")
DIMENSION = text("dimension", "Name of the dimension: packaged (channel, device, ...) or defined in the settings.")
DIMENSION_VALUE = text(
    "dimension_value",
    "Value of the dimension; '(none)' for sessions without one; session_dimensions has no row for them.",
)

# Days
SESSION_COUNT = count("session_count", "Sessions, without bots.")
LIFECYCLE = text(
    "lifecycle",
    "new: the visitor's first day; returning: also seen on the day before; resurrected: seen before, but not on the day"
    " before; null for bots.",
)
VISITOR_COUNT = count("visitor_count", "Distinct visitors of the row, without bots.")
BOUNCE_COUNT = count("bounce_count", "Sessions with outcome bounce, without bots.")
ENGAGED_COUNT = count(
    "engaged_count",
    "Sessions with is_engaged, whatever their outcome, without bots; not those with the outcome engaged.",
)
CONVERTED_COUNT = count("converted_count", "Sessions whose outcome is a conversion, without bots.")
BOT_SESSION_COUNT = count(
    "bot_session_count", "Bot sessions. They are excluded from all counts of sessions, visitors and pages."
)
DUPLICATE_COUNT = count("duplicate_count", "Lines that repeat an event of this local day, with bots.")
LATE_EVENT_COUNT = count(
    "late_event_count",
    "Events received after the local day on which they happened, where the source has receive times; with bots.",
)
IS_FINAL = flag("is_final", "Whether all sessions of the day are complete.")
CONVERSION_RATE = rate(
    "conversion_rate",
    "Share that converted; in funnel_steps: share of the attempts that entered up to this step, not excluded, that "
    "reached it. Null without sessions or attempts.",
)
LOW = rate("low", "Lower bound of the 95 % Wilson interval of conversion_rate; null where the rate is null.")
HIGH = rate("high", "Upper bound of the 95 % Wilson interval of conversion_rate; null where the rate is null.")

# Funnels
FUNNEL = text("funnel", "Name of the funnel in the settings.")
MEDIAN_SECONDS_OF_STEP = Column(
    "median_seconds",
    "DOUBLE",
    "Median time from the step before, in seconds, over the attempts that reached this step; null at the entry.",
)
P90_SECONDS_OF_STEP = Column(
    "p90_seconds",
    "DOUBLE",
    "90th percentile of that time: the smallest time that at least 90 % do not exceed. Null where the median is null.",
)

# Friction
SIGNAL = text("signal", f"Name of the signal of friction: {', '.join(SIGNALS)}.")

# Logs of what happened
CHANGED_AT = time("changed_at", "Time of the build that made the change, from the machine's clock, UTC.")
RUN_ID = text("run_id", "Dagster run that made the change.")
REASON_OF_CHANGE = text("reason", "What caused the build: the delivered files, or the settings or models that changed.")

# Paths
MEDIAN_SECONDS = Column(
    "median_seconds",
    "DOUBLE",
    "Median time in seconds. In action_transitions: from the action to the next one, null for entry, exit, no_action "
    "and other. In typical_paths: from the first to the last event of the session, each time rounded down to two "
    "digits.",
)
P90_SECONDS = Column(
    "p90_seconds", "DOUBLE", "90th percentile (nearest rank) of the same time; null where the median is null."
)
WINDOW_DAYS = count("window_days", "Number of days that the row covers, up to and including its date.")
RANK = count(
    "rank",
    "Position among the rows of the same site and day, in opportunities and next_best_actions also of the same window, "
    "in typical_paths also of the same window, outcome and segment; from 1, the most important or frequent first.",
)

# Opportunities and next best actions
SENTENCE = text("sentence", "The row in plain English.")

# Bots and definitions
BOT_REASON = text(
    "bot_reason",
    "Why it is a bot: 'crawler list: ...', 'parser rules: ...', 'packaged pattern: ...', 'settings: ...', "
    "'no user agent', 'page views per minute', 'page views per day' or 'single hit'; null for people. In sessions: of "
    "the first event from a bot.",
)
