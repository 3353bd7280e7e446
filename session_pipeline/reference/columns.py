"""Defines every column once: its name, type and meaning.

A column that appears in two tables with the same name has the same meaning in both, so it is one constant here. Types
are DuckDB's names for types that DuckDB, Arrow and Spark store in the same way. The tables are defined in
tables/<group>/contracts.py.
"""

from collections.abc import Mapping

from session_pipeline.reference.column import Column, count, date, flag, rate, text, time
from session_pipeline.reference.signals import HARD_TIME_SIGNALS, SIGNALS

# Where a line came from
FILE_ID = text("file_id", "Delivered file, as the hash of its source and its decompressed content. See source_files.")
LINE_NUMBER = count("line_number", "Line number in the delivered file, from 1; for a CSV record, its first line.")
SOURCE = text("source", "Folder under raw/ in which the file was delivered.")
SITE = text("site", "Site the visitor was on; part of the visitor's key. Set per source, 'main' by default.")

# An event
EVENT_ID = text(
    "event_id", "Id from the source; without one, the hash of the line and its occurrence number in the file."
)
VISITOR_ID = text(
    "visitor_id", "The visitor, as identified by the source: a cookie or device id. Unique within its site."
)
USER_ID = text("user_id", "Logged-in user; null if unknown. In sessions and visitors: the first known user.")
CLIENT_SESSION_ID = text("client_session_id", "Session id from the source; null if unknown.")
EVENT_TIME = time("event_time", "Time when the event happened, UTC.")
RECEIVED_AT = time(
    "received_at", "Time when the source received the event, UTC; null if the source does not record it."
)
SEQUENCE = count(
    "sequence", "Sequence number from the source; null if it gives none (the line number is then used for the order)."
)
EVENT_NAME = text("event_name", "What happened; 'page_view' for page views, 'asset' for static files.")
PAGE_URL = text("page_url", "Page on which the event happened; query parameters outside the allow-list are removed.")
PAGE_HOST = text("page_host", "Host of page_url, lower case.")
PAGE_PATH = text("page_path", "Path of page_url, from the first slash; '/' if it has none.")
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
ELEMENT = text("element", "Page element that the visitor used.")
STATUS_CODE = count("status_code", "HTTP status, or the source's error number.")
EVENT_VALUE = Column(
    "value", "DECIMAL(18,6)", "Monetary or other value of the event, in currency; null if it has none."
)
CURRENCY = text("currency", "ISO 4217 code of value; in session_outcomes 'XXX' if there are several.")
USER_AGENT = text("user_agent", "User agent as it was sent.")
USER_AGENT_ID = text("user_agent_id", "md5 of the user agent; null if there is none. See user_agents.")
PROPERTIES = text("properties", "JSON object with all fields that have no column of their own; null if there are none.")
CONTENT_HASH = text("content_hash", "md5 of the line.")
IS_BOT = flag(
    "is_bot", "Whether the crawler list or the parser's rules classify the user agent as a bot. Counts exclude bots."
)
SESSION_ID = text(
    "session_id", "md5 of site, visitor, and id and time of the session's first event. Independent of other sessions."
)
SESSION_DATE = date("session_date", "Local date of the session's first event.")
EVENT_NUMBER = count("event_number", "Position of the event in its session, from 1.")
BREAK_REASON = text(
    "break_reason",
    "Why a session starts here: inactivity, midnight, separator, client_session, user, campaign or max_hours. "
    "In events: null except on the first event of a session.",
)
GAP_MICROSECONDS = Column(
    "gap_microseconds", "BIGINT", "Microseconds since the previous event of the session; null on the first event."
)

# A session
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
DEVICE = text("device", "desktop, mobile, tablet, tv or other; null without a user agent.")
BROWSER = text("browser", "Browser family; null without a user agent.")
OS = text("os", "Operating system family; null without a user agent.")
IS_BOUNCE = flag(
    "is_bounce", "Whether the session is not engaged: too few page views, no interaction, too little engaged time."
)
IS_ENGAGED = flag(
    "is_engaged", "Whether the session has enough page views, an interaction, or enough engaged seconds (see settings)."
)
IS_COMPLETE = flag("is_complete", "Whether all days that could add events to the session are built.")

# An action
ACTION_NUMBER = count("action_number", "Position of the action in its session, from 1.")
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
IS_CONVERTED = flag("is_converted", "Whether the outcome is a conversion; in funnels: whether all steps were reached.")
CONVERSION_COUNT = count(
    "conversion_count",
    "Events that meet the deciding rule, or 1 if the session as a whole meets it; 0 without a conversion.",
)
VALUE = Column(
    "value",
    "DECIMAL(38,6)",
    "Sum of the values of all matching events; in daily tables and tables of visitors: of conversions only. "
    "Null if no event has a value.",
)
DECIDED_AT = time("decided_at", "Time of the event that decided the outcome; null if the session as a whole did.")
DECIDING_EVENT_ID = text("deciding_event_id", "Event that decided the outcome; null if the session as a whole did.")
DECIDING_PAGE = text("deciding_page", "page_path of the event that decided the outcome.")
GOAL = text("goal", "Name of the goal in the settings.")
REACHED_AT = time("reached_at", "Time of the first event that meets the goal.")
DIMENSION = text("dimension", "Name of the dimension: packaged (channel, device, ...) or defined in the settings.")
DIMENSION_VALUE = text("dimension_value", "Value of the dimension; '(none)' instead of null in daily_breakdowns.")

# Days
SESSION_COUNT = count("session_count", "Sessions, without bots.")
VISITOR_COUNT = count("visitor_count", "Distinct visitors, without bots; in retention: the visitors of the cohort.")
BOUNCE_COUNT = count("bounce_count", "Sessions with outcome bounce, without bots.")
ENGAGED_COUNT = count("engaged_count", "Engaged sessions (is_engaged), without bots.")
CONVERTED_COUNT = count("converted_count", "Sessions whose outcome is a conversion, without bots.")
BOT_SESSION_COUNT = count(
    "bot_session_count", "Bot sessions. They are excluded from all counts of sessions, visitors and pages."
)
DUPLICATE_COUNT = count("duplicate_count", "Lines that repeat an event of this local day.")
LATE_EVENT_COUNT = count(
    "late_event_count",
    "Events received after the local day on which they happened, where the source has receive times.",
)
IS_FINAL = flag("is_final", "Whether all sessions of the day are complete.")
CONVERSION_RATE = rate(
    "conversion_rate",
    "Share that converted; in funnel_steps: share of all entered, not excluded, that reached this step.",
)
LOW = rate("low", "Lower bound of the 95 % Wilson interval of the rate.")
HIGH = rate("high", "Upper bound of the 95 % Wilson interval of the rate.")

# Funnels
FUNNEL = text("funnel", "Name of the funnel in the settings.")
ATTEMPT_NUMBER = count("attempt_number", "Number of the attempt within its unit and day, from 1.")
BREAKDOWN = text(
    "breakdown",
    "Value of the funnel's breakdown; '(all)' without a breakdown, '(none)' for null. "
    "Values of several dimensions are joined by ' | '.",
)
ENTERED_AT = time("entered_at", "Time of the event that entered the funnel.")
ENTRY_EVENT_ID = text("entry_event_id", "Event that entered the funnel.")
STEP_REACHED = count("step_reached", "Deepest step reached, from 1; in mode unordered: number of steps reached.")
LAST_STEP_AT = time("last_step_at", "Time of the event that reached the deepest step.")
DROPPED_TO_ACTION = text(
    "dropped_to_action",
    "Action after the last reached step in its session; null if converted or if no action followed.",
)
DROPPED_TO_ACTION_2 = text("dropped_to_action_2", "The action after dropped_to_action; null if there is none.")
DROPPED_TO_ACTION_3 = text("dropped_to_action_3", "The action after dropped_to_action_2; null if there is none.")
NEXT_ACTION_2 = text("next_action_2", "The action after next_action in the session; null if there is none.")
NEXT_ACTION_3 = text("next_action_3", "The action after next_action_2 in the session; null if there is none.")
ENTRY_EVENT_NUMBER = count("entry_event_number", "Position of the event that entered the funnel in its session.")
ENTRY_STEP = count("entry_step", "Step at which the attempt entered the funnel: 1, unless entry is any.")
EXCLUSION_NUMBER = count(
    "exclusion_number", "Number of the exclusion that applied first, as in the settings, from 1; null if none did."
)
UNIT_ATTEMPT_COUNT = count(
    "attempt_count", "Attempts of the session, or of the visitor on the day, including those that do not decide."
)
ENTRY_VALUE = Column(
    "value", "DECIMAL(18,6)", "Value of the event that reached the last step; null unless converted, or without one."
)
ENTRY_ACTION_COUNT = count(
    "action_count",
    "Actions after the entry up to this step, or to the last step; null if not reached, or in another session.",
)
STEP_REACHED_AT = time("reached_at", "Time of the event that reached the step.")
SECONDS_BEFORE = Column(
    "seconds_from_step_before", "DOUBLE", "Time from the step that was reached before, in seconds; null at the entry."
)
IS_EXCLUDED = flag(
    "is_excluded", "Whether an exclusion of the funnel applied. Excluded attempts are counted separately."
)
IS_WINDOW_CLOSED = flag(
    "is_window_closed",
    "Whether no later event can change the row: converted and not excluded, session complete, or windows over.",
)
SECONDS_TO_CONVERT = Column(
    "seconds_to_convert", "DOUBLE", "Time from entry to the last step, in seconds; null unless converted."
)
STEP_NUMBER = count("step_number", "Position of the step, from 1.")
STEP = text("step", "Name of the step.")
STARTED_COUNT = count("started_count", "Attempts that entered the funnel at this step, without bots.")
ENTERED_COUNT = count(
    "entered_count",
    "Attempts that reached this step, without bots; excluded attempts count at the step of their entry only.",
)
REACHED_COUNT = count("reached_count", "Attempts that reached this step and are not excluded, without bots.")
DROPPED_COUNT = count(
    "dropped_count", "Attempts that reached this step and no further, without excluded attempts; 0 at the last step."
)
EXCLUDED_COUNT = count(
    "excluded_count", "Attempts removed by an exclusion; counted at the step of their entry only, 0 at other steps."
)
STEP_CONVERSION_RATE = rate(
    "step_conversion_rate", "Share of the attempts at the previous required step that reached this step."
)
STEP_LOW = rate("step_low", "Lower bound of the 95 % Wilson interval of step_conversion_rate.")
STEP_HIGH = rate("step_high", "Upper bound of the 95 % Wilson interval of step_conversion_rate.")
MEDIAN_SECONDS = Column(
    "median_seconds",
    "DOUBLE",
    "Median time from the step before, in seconds, over the attempts that reached this step; null at the entry.",
)
P90_SECONDS = Column(
    "p90_seconds", "DOUBLE", "90th percentile of that time: the smallest time that at least 90 % do not exceed."
)
STEP_VALUE = Column(
    "value", "DECIMAL(38,6)", "Sum of the values of the events that reached this step; null if none has a value."
)
STEP_ATTEMPT_COUNT = count(
    "attempt_count", "All attempts of the sessions or visitors that reached this step, also those that do not decide."
)
STEP_ACTION_COUNT = count(
    "action_count",
    "Actions after the entry up to this step, in total over the attempts that reached it; null if none is known.",
)
ENDED_BY = count("exclusion_number", "0 for attempts that dropped out; for excluded ones, the exclusion's number.")
NEXT_NUMBER = count("next_number", "1 for the action that followed, 2 and 3 for those after it.")
NEXT_RANK = count("rank", "Rank of the action by attempt_count, from 1; '(other)' comes last.")
FOLLOWING_ACTION = text(
    "action", "Action that followed; '(other)' beyond the ten most frequent ones, '(none)' if nothing followed."
)
DROPPED_ATTEMPT_COUNT = count("attempt_count", "Attempts that ended at the step and went on with the action.")

# Friction
FRICTION_ACTION = text(
    "action", "Where it happened: the action of the event's page; without a page, the event's own action."
)
SIGNAL = text("signal", f"Name of the signal of friction: {', '.join(SIGNALS)}.")
HARD_TIME_COUNT = count(
    "hard_time_count",
    f"Sessions with one of the signals {', '.join(HARD_TIME_SIGNALS)}, in action_friction at the action; without bots. "
    "Null if none of these signals can be observed.",
)
FRICTION_RATE = rate("friction_rate", "Share of the sessions that had a hard time: hard_time_count / session_count.")

# Logs of what happened
CHANGED_AT = time("changed_at", "Time of the build that made the change, from the machine's clock, UTC.")
RUN_ID = text("run_id", "Dagster run that made the change.")
REASON_OF_CHANGE = text("reason", "What caused the build: the delivered files, or the settings or models that changed.")

# Paths
FROM_ACTION = text(
    "from_action",
    "Action that the transition leaves; '(start)' before the first action, '(other)' for rare transitions.",
)
TO_ACTION = text(
    "to_action", "Action that the transition reaches; '(end)' after the last action, '(other)' for rare transitions."
)
TRANSITION = text(
    "transition",
    "entry (start to first action), step (to another action), loop (to the same action), exit (last action to end), "
    "no_action (start to end, in a session without actions) or other (transitions of fewer than "
    "paths.min_session_count sessions).",
)
TRANSITION_COUNT = count("transition_count", "Transitions of these sessions, without bots.")
MEDIAN_SECONDS = Column(
    "median_seconds",
    "DOUBLE",
    "Median time in seconds. In action_transitions: from the action to the next one, null for entry, exit and other. "
    "In typical_paths: from the first to the last event of the session, each time rounded down to two digits.",
)
P90_SECONDS = Column(
    "p90_seconds", "DOUBLE", "90th percentile (nearest rank) of the same time; null where the median is null."
)
PATH = text(
    "path",
    "Actions in order, joined by ' > '; '(more)' at the end replaces what exceeds paths.max_path_actions, "
    "'(no action)' is the path without actions, '(other)' stands for all paths that are not listed. A > in an action "
    "is written ›.",
)
PATH_STEP_NUMBER = count("step_number", "Position of the action in the session, from 1; 0 for '(start)'.")
STEP_ACTION = text(
    "action",
    "Action at this position; '(start)', '(end)' after the last action, '(more)' for sessions with more than "
    "paths.max_steps actions, '(other)' for actions of fewer than paths.min_session_count sessions.",
)
SHARE = rate(
    "share",
    "Share of the sessions with this outcome; in typical_paths: of those of the window and the segment.",
)
WINDOW_DAYS = count("window_days", "Number of days that the row covers, up to and including its date.")
OUTCOME_GROUP = text(
    "outcome",
    "Outcome, or a group of outcomes: '(converted)', or '(not converted)', which is without conversion and bounce.",
)
SEGMENT = text("segment", "'(all)', or the sessions of one device, such as 'device=mobile'.")
RANK = count("rank", "Position among the rows of the group, from 1, the most important first. See definitions.")
GROUP_SESSION_COUNT = count("group_session_count", "All sessions of the window with this outcome and segment.")
MEDIAN_ACTION_COUNT = Column(
    "median_action_count", "DOUBLE", "Median number of actions of the sessions with this path, with repeats."
)
PATTERN = text("pattern", "Name of the pattern in the settings.")
MATCH_COUNT = count("match_count", "Matches of the pattern in the session that do not overlap.")
FIRST_ACTION_NUMBER = count("first_action_number", "action_number of the first action of the first match.")
LAST_ACTION_NUMBER = count("last_action_number", "action_number of the last action of the first match.")
FIRST_EVENT_ID = text("first_event_id", "Event of the first action of the first match.")
MATCHED_AT = time("matched_at", "Time of the first action of the first match.")
MATCH_SECONDS = Column(
    "match_seconds", "DOUBLE", "Time from the first to the last action of the first match, in seconds."
)
GOALS = text("goals", "Goals that the session reached, in alphabetical order, joined by ', '; null if none.")
DIMENSIONS = text("dimensions", "Dimensions from the settings, such as 'variant=a', joined by ', '; null if none.")
ACTION_COUNT = count("action_count", "Actions of the session.")
# Opportunities and next best actions
POSITION_BUCKET = count(
    "position_bucket",
    "Bucket of the action's position in the session, named by its first position: 1, 2, 3, 4 (to 5), 6 (to 8), "
    "9 (to 13) or 14 (and later).",
)
STAGE = count(
    "stage",
    "How far the session was before: the deepest step of each funnel whose condition an earlier event met, added up "
    "over all funnels. 0 before the first step.",
)
MOMENT_DEVICE = text("device", "Device of the session; '(none)' without a user agent.")
DIFFERENCE = Column(
    "difference",
    "DOUBLE",
    "Difference of the two rates (Mantel-Haenszel), negative if fewer converted; rounded to 6 digits. An association.",
)
DIFFERENCE_LOW = Column("difference_low", "DOUBLE", "Lower bound of the 95 % interval of difference (Sato); 6 digits.")
DIFFERENCE_HIGH = Column(
    "difference_high", "DOUBLE", "Upper bound of the 95 % interval of difference (Sato); 6 digits."
)
SCORE = Column("score", "DOUBLE", "Signed root of the test's statistic, about a normal deviate; rounded to 4 digits.")
Q_VALUE = rate(
    "q_value",
    "Share of wrong findings to expect among the rows of the window up to this one (Benjamini-Yekutieli); 6 digits.",
)
IS_SIGNIFICANT = flag(
    "is_significant", "Whether q_value is at most 0.05 and score at least 2.5 in the direction that is looked for."
)
SENTENCE = text("sentence", "The row in plain English.")
EXAMPLE_SESSION_IDS = text(
    "example_session_ids",
    "Up to three sessions of the row, the latest first, separated by spaces; null if there is none. See `show`.",
)

# Groups of columns that several tables share
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
    text("bot_reason", "What classified it as a bot: 'crawler list: ...' or 'parser rules: ...'; null for people."),
)

# Columns that a condition in the settings can use: the columns of an event, or of a session
EVENT_CONDITION_COLUMNS: Mapping[str, str] = {
    column.name: column.type for column in (*WHO_AND_WHEN, *WHAT_HAPPENED, PROPERTIES, IS_BOT, EVENT_NUMBER)
}
SESSION_CONDITION_COLUMNS: Mapping[str, str] = {column.name: column.type for column in SESSION}

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
