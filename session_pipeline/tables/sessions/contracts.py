"""Defines the tables of events and sessions, including user agents, actions and the state carried over midnight."""

from session_pipeline.reference import column_groups
from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, date, flag, text, time
from session_pipeline.tables.contract import Table

TABLES: tuple[Table, ...] = (
    Table(
        name="agents_seen",
        grain="One row is a distinct user agent of a day.",
        date_column="event_date",
        key=("user_agent_id",),
        group="sessions",
        is_published=False,
        columns=column_groups.AGENT,
    ),
    Table(
        name="events",
        grain="One row is a deduplicated event.",
        date_column="event_date",
        key=("site", "session_id", "event_number"),
        own_order=("site", "visitor_id", "event_time", "session_id", "event_number"),
        group="sessions",
        columns=(
            *column_groups.WHO_AND_WHEN,
            *column_groups.WHAT_HAPPENED,
            c.USER_AGENT_ID,
            c.PROPERTIES,
            c.EVENT_IS_BOT,
            c.BOT_REASON,
            c.SESSION_ID,
            c.SESSION_DATE,
            c.EVENT_NUMBER,
            c.GAP_MICROSECONDS,
            c.BREAK_REASON,
            c.FILE_ID,
            c.LINE_NUMBER,
        ),
    ),
    Table(
        name="duplicate_events",
        grain="One row is a line that repeats an event.",
        date_column="event_date",
        key=("file_id", "line_number"),
        own_order=("site", "visitor_id", "event_id", "file_id", "line_number"),
        group="sessions",
        columns=(
            c.EVENT_ID,
            c.SITE,
            c.VISITOR_ID,
            c.EVENT_TIME,
            c.FILE_ID,
            c.LINE_NUMBER,
            text("kept_file_id", "File of the line that was kept."),
            count("kept_line_number", "Number of the line that was kept."),
            flag("is_same_content", "Whether both lines are identical."),
        ),
    ),
    Table(
        name="open_sessions",
        grain="One row is a visitor whose session may continue after the end of the day; or, if client sessions are "
        "the key, such a visitor with a client session, as one id: '2|v8|c1'.",
        date_column="event_date",
        key=("site", "visitor_id"),
        group="sessions",
        is_published=False,
        columns=(
            c.SITE,
            c.VISITOR_ID,
            time("event_time", "Time of the visitor's last event."),
            c.SESSION_ID,
            c.SESSION_DATE,
            time("run_started_at", "Time of the last session break other than max_hours."),
            c.EVENT_NUMBER,
            text(
                "known_user_id",
                "Last known user since an inactivity, midnight or separator break; null if the split is off.",
                is_personal=True,
            ),
            text(
                "known_client_session_id",
                "Last known client session since an inactivity, midnight or separator break; null if the split is off.",
                is_personal=True,
            ),
            text(
                "known_campaign",
                "Last known campaign since an inactivity, midnight or separator break; null if the split is off. "
                "Empty if none is known, the first one is a break, and an event since then came from another host.",
            ),
        ),
    ),
    Table(
        name="recent_event_ids",
        grain="One row is an event kept in the last hour of the day.",
        date_column="event_date",
        key=("site", "visitor_id", "event_id"),
        group="sessions",
        is_published=False,
        columns=(c.SITE, c.VISITOR_ID, c.EVENT_ID, c.CONTENT_HASH, c.FILE_ID, c.LINE_NUMBER),
    ),
    Table(
        name="user_agents",
        grain="One row is a distinct user agent.",
        date_column=None,
        key=("user_agent_id",),
        group="publish",
        columns=column_groups.AGENT,
    ),
    Table(
        name="action_labels",
        grain="One row is a pair of event name and page on a day, with its action label.",
        date_column="event_date",
        key=("event_name", "page_path"),
        group="sessions",
        is_published=False,
        columns=(
            c.EVENT_NAME,
            Column(
                "page_path",
                "VARCHAR",
                "page_path of page views, with the parameters in actions.query_parameters; '' without one and for other"
                " events.",
            ),
            Column("action", "VARCHAR", "Label in paths; null if the event is not an action."),
            flag(
                "is_interaction", "Whether the event is an interaction: not a page view, an asset or a passive event."
            ),
        ),
    ),
    Table(
        name="sessions",
        grain="One row is a session: an unbroken series of a visitor's events, on the day on which it starts.",
        date_column="session_date",
        key=("session_id",),
        own_order=("site", "visitor_id", "day_session_number"),
        group="sessions",
        columns=column_groups.SESSION,
    ),
    Table(
        name="session_changes",
        grain="One row is a session that lost events of a day when the day was rebuilt, and where they belong now.",
        date_column="event_date",
        key=("changed_at", "replaced_session_id", "session_id"),
        own_order=("changed_at", "site", "visitor_id", "replaced_session_id", "session_id"),
        group="sessions",
        is_log=True,
        columns=(
            c.CHANGED_AT,
            c.RUN_ID,
            c.REASON_OF_CHANGE,
            c.SITE,
            c.VISITOR_ID,
            text("replaced_session_id", "Session that the events belonged to before the rebuild.", is_personal=True),
            date("replaced_session_date", "session_date of the replaced session."),
            Column(
                "session_id",
                "VARCHAR",
                "Session that the events belong to now; null if they are no longer events.",
                is_personal=True,
            ),
            Column("session_date", "DATE", "session_date of that session; null without one."),
            text(
                "change",
                "merged (into a session that existed before), restarted (it has another first event and so another id),"
                " split (it still exists, without these events) or dropped (these events are no longer events).",
            ),
            Column("event_count", "BIGINT", "Events of this day that moved."),
            Column(
                "file_id", "VARCHAR", "Delivered file that caused it; null if settings or models did. See source_files."
            ),
            flag("is_bot", "Whether the replaced session was a bot session; null in rows logged by older versions."),
        ),
    ),
    Table(
        name="session_actions",
        grain="One row is an action in a session.",
        date_column="session_date",
        key=("session_id", "action_number"),
        own_order=("site", "session_id", "action_number"),
        group="sessions",
        columns=(
            c.SESSION_ID,
            c.SITE,
            c.ACTION_NUMBER,
            c.ACTION,
            c.EVENT_ID,
            c.EVENT_NUMBER,
            c.EVENT_NAME,
            c.OCCURRED_AT,
            c.SECONDS_TO_NEXT,
            c.PREVIOUS_ACTION,
            c.NEXT_ACTION,
            c.IS_LANDING,
            c.IS_EXIT,
            c.IS_BOT,
        ),
    ),
)
