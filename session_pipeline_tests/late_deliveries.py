"""Late deliveries to a built week and their effects, for tests.

The inputs of each step are listed here a second time, from the meanings and not from the steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

BUILT_DAYS = tuple(date(2026, 10, day) for day in range(5, 10))  # the last day has no events: it closes sessions
OLD_DAYS = (date(2021, 3, 1), date(2021, 3, 2))
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

SETTINGS: Mapping[str, Any] = {
    "funnels": [
        {
            "name": "to purchase",
            "grain": "visitor",
            "window_seconds": 2 * 86_400,
            "steps": [
                {"name": "cart", "where": "event_name = 'add_to_cart'"},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
        }
    ],
    "friction": {"signals": ["error"]},  # there is none, so friction changes with the number of sessions only
    "sources": {"second": {"site": "second"}},
}

# For each step: the tables that it reads, and for each table the days relative to its own. A session of at most 24
# hours that starts on a day can continue on the next. A funnel of two days reads as far ahead, and sessions that
# contain its events may have started the day before.
SAME, NEXT, BEFORE = (0,), (0, 1), (-1,)
PAST = tuple(range(-6, 1))  # all days of the week up to the day
READS: Mapping[str, Mapping[str, Sequence[int]]] = {
    "agents_seen": {},
    "sessionize": {"agents_seen": SAME, "open_sessions": BEFORE, "recent_event_ids": BEFORE},
    "action_labels": {"events": SAME},
    "sessions": {"events": NEXT, "action_labels": NEXT, "agents_seen": SAME},
    "session_actions": {"events": NEXT, "action_labels": NEXT, "sessions": SAME},
    "event_matches": {"events": NEXT},
    "session_outcomes": {"outcome_matches": SAME, "sessions": SAME},
    "session_goals": {"goal_matches": SAME, "sessions": SAME},
    "session_dimensions": {"events": NEXT, "sessions": SAME},
    "daily_summary": {"sessions": SAME, "session_outcomes": SAME, "events": SAME, "duplicate_events": SAME},
    "daily_outcomes": {"sessions": SAME, "session_outcomes": SAME},
    "daily_bots": {"sessions": SAME},
    "daily_definitions": {},  # without a definition, it reads nothing
    "visitor_states": {"sessions": SAME, "session_outcomes": SAME},
    "visitor_days": {"visitor_states": PAST},
    "daily_visitors": {"visitor_days": (-1, 0)},
    "daily_breakdowns": {
        "sessions": SAME,
        "session_outcomes": SAME,
        "session_dimensions": SAME,
        "visitor_days": SAME,
    },
    "funnel_events": {"funnel_matches": SAME, "sessions": SAME, "session_actions": SAME, "session_dimensions": SAME},
    "funnel_entries": {"funnel_events": (-1, 0, 1, 2)},
    "funnel_steps": {"funnel_entries": SAME, "funnel_entry_steps": SAME},
    "funnel_drops": {"funnel_entries": SAME},
    "session_paths": {"sessions": SAME, "session_actions": SAME, "session_outcomes": SAME},
    "typical_paths": {"path_counts": PAST},
    "session_patterns": {"session_actions": SAME},
    "friction": {"events": NEXT, "sessions": SAME, "session_actions": SAME},
    "action_visits": {
        "sessions": SAME,
        "session_actions": SAME,
        "outcome_matches": SAME,
        "funnel_matches": SAME,
        "session_outcomes": SAME,
        "session_dimensions": SAME,
    },
    "progress_changes": {"action_visits": PAST, "action_progress": PAST, "daily_outcomes": PAST},
    "outcome_changes": {
        "daily_outcomes": PAST,
        "daily_breakdowns": PAST,
        "sessions": SAME,
        "session_outcomes": SAME,
        "session_dimensions": SAME,
    },
    "moments": {
        "sessions": SAME,
        "session_actions": SAME,
        "outcome_matches": SAME,
        "funnel_matches": SAME,
        "session_outcomes": SAME,
        "session_friction": SAME,
    },
    "opportunities": {"moment_counts": PAST},
    "next_best_actions": {"seen_counts": PAST},
    "session_facts": {
        "sessions": SAME,
        "session_actions": SAME,
        "session_outcomes": SAME,
        "session_goals": SAME,
        "session_dimensions": SAME,
        "session_friction": SAME,
        "visitor_days": SAME,
    },
}
# The first day of the week also has the states of the visitors of the old days, if there are any.
CLOSES_THE_OLD_DAYS = date(2026, 10, 5)
UNDATED_READERS = {
    "user_agents": ("agents_seen", (*OLD_DAYS, *BUILT_DAYS)),
    "visitors": ("visitor_states", BUILT_DAYS),
    "retention": ("visitor_days", (*OLD_DAYS, *BUILT_DAYS)),
}
GIVES = {
    "sessionize": ("events", "duplicate_events", "open_sessions", "recent_event_ids"),
    "event_matches": ("outcome_matches", "goal_matches", "funnel_matches"),
    "funnel_entries": ("funnel_entries", "funnel_entry_steps"),
    "session_paths": ("action_transitions", "action_steps", "session_paths", "path_counts"),
    "friction": ("session_friction", "action_friction", "daily_friction"),
    "action_visits": ("action_visits", "action_progress"),
    "moments": ("moment_counts", "seen_counts"),
}

# Tables that change together. The undated tables belong to no day: which day they are listed with does not matter.
OF_SESSIONS = (
    "events",
    "sessions",
    "session_actions",
    "session_outcomes",
    "session_facts",
    "daily_summary",
    "daily_outcomes",
    "daily_bots",
    "daily_breakdowns",
)
PATHS = ("action_transitions", "action_steps", "session_paths", "path_counts")
COUNTS_OF_EVENTS = (*PATHS, "moment_counts", "visitor_states", "visitors")
COUNTS_OF_SESSIONS = ("action_friction", "daily_friction", "action_visits", "seen_counts", "visitor_days")
COUNTS_OF_VISITORS = ("daily_visitors", "retention")  # of a day and the next, on which who does not return is dormant
TYPICAL_PATHS = ("typical_paths",)  # of a day and all later days of its windows
ANOTHER_SESSION = (*OF_SESSIONS, *COUNTS_OF_EVENTS, *COUNTS_OF_SESSIONS)
ANOTHER_EVENT = (
    *("events", "sessions", "session_actions", "session_facts", "daily_summary", "daily_bots"),
    *COUNTS_OF_EVENTS,
)
ANOTHER_ID = (*ANOTHER_EVENT, "session_outcomes", "visitor_days")
EXAMPLE = ("action_visits",)  # it names the three sessions of the smallest ids
# No moment is counted of a session that converts with its only action.
A_PURCHASE = (
    *(table for table in ANOTHER_SESSION if table not in ("moment_counts", "seen_counts")),
    *("action_labels", *GIVES["event_matches"], "session_goals", "funnel_events"),
)
ALL_TABLES = (
    *sorted({table for step in READS for table in GIVES.get(step, (step,))}),
    "visitors",
    "retention",
)


def event(time: str, event_id: str, visitor: str, name: str = "page_view", **more: Any) -> dict[str, Any]:
    time = time if "-" in time else f"2026-10-{time}"
    return {"event_id": event_id, "visitor_id": visitor, "event_time": f"{time}Z", "event_name": name, **more}


def days_of(*days: int) -> tuple[date, ...]:
    return tuple(date(2026, 10, day) for day in days)


BASE = (
    *(event(f"0{day}T12:00:00", f"daily-{day}", "daily") for day in (5, 6, 7, 8)),
    event("08T10:00:00", "a", "morning"),
    event("08T10:10:00", "b", "morning"),
    event("08T10:00:00", "a", "twice a day"),
    event("08T10:50:00", "b", "twice a day"),
    event("08T00:10:00", "a", "after midnight"),
    event("08T00:20:00", "b", "after midnight"),
    event("07T23:35:00", "a", "before and after"),
    event("08T00:10:00", "b", "before and after"),
    event("07T23:50:00", "a", "over midnight"),
    event("08T00:10:00", "b", "over midnight"),
    event("07T23:20:00", "a", "until midnight"),
    event("07T23:45:00", "b", "until midnight"),
    event("07T23:20:00", "a", "beyond midnight"),
    event("07T23:45:00", "b", "beyond midnight"),
    event("08T00:10:00", "c", "beyond midnight"),
    event("05T11:00:00", "a", "buyer", "add_to_cart"),
)


@dataclass(frozen=True)
class Case:
    """A late delivery and its effects.

    Attributes:
        name: The case as a sentence.
        late: The late lines.
        touched: The days whose events are in the file: they are certain to be built.
        changed: Tables whose bytes change, by the days on which they change.
        replaced: (visitor, day, change, day) of the sessions that lose events, and of those that get them.
        new_days: Days that had no events before.
        source: The source of the delivery.
        timezone: The time zone of the days.
    """

    name: str
    late: Sequence[dict[str, Any] | str]
    touched: Sequence[date]
    changed: Mapping[Sequence[date], Sequence[str]]
    replaced: Sequence[tuple[str, date, str, date | None]] = ()
    new_days: Sequence[date] = ()
    source: str = "test"
    timezone: str = "UTC"

    @property
    def changed_partitions(self) -> set[tuple[str, date | None]]:
        changed = {(table, day) for days, tables in self.changed.items() for day in days for table in tables}
        return {(table, None if table in UNDATED_READERS else day) for table, day in changed}


SEVENTH, EIGHTH = days_of(7, 8)
CASES = (
    Case(
        "a session is extended by an event exactly the timeout after its last",
        [event("08T10:40:00", "late", "morning")],
        [EIGHTH],
        {days_of(8): ANOTHER_EVENT, days_of(8, 9): TYPICAL_PATHS},
    ),
    Case(
        "a microsecond more, and the event is a session of its own",
        [event("08T10:40:00.000001", "late", "morning")],
        [EIGHTH],
        {days_of(8): ANOTHER_SESSION, days_of(8, 9): TYPICAL_PATHS},
    ),
    Case(
        "a session begins earlier, so it has another id",
        [event("08T09:50:00", "late", "morning")],
        [EIGHTH],
        {days_of(8): (*ANOTHER_ID, *EXAMPLE)},
        [("morning", EIGHTH, "restarted", EIGHTH)],
    ),
    Case(
        "two sessions are one, since an event lies between them",
        [event("08T10:25:00", "late", "twice a day")],
        [EIGHTH],
        {days_of(8): ANOTHER_SESSION, days_of(8, 9): TYPICAL_PATHS},
        [("twice a day", EIGHTH, "merged", EIGHTH)],
    ),
    Case(
        "a session moves to the day before",
        [event("07T23:50:00", "late", "after midnight")],
        [SEVENTH],
        {
            days_of(7, 8): ANOTHER_SESSION,
            days_of(7): ("open_sessions", "recent_event_ids"),
            days_of(7, 8, 9): (*COUNTS_OF_VISITORS, *TYPICAL_PATHS),
        },
        [("after midnight", EIGHTH, "restarted", SEVENTH)],
    ),
    Case(
        "two sessions are one over midnight",
        [event("07T23:55:00", "late", "before and after")],
        [SEVENTH],
        # The session of the 7th is no longer a bounce, which action_visits counts, too.
        {
            days_of(7, 8): (*OF_SESSIONS, *COUNTS_OF_EVENTS),
            days_of(7): ("open_sessions", "recent_event_ids", "action_visits"),
            days_of(8): COUNTS_OF_SESSIONS,
            days_of(8, 9): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
        [("before and after", EIGHTH, "merged", SEVENTH)],
    ),
    Case(
        "a session of the day before goes on for longer",
        [event("08T00:30:00", "late", "over midnight")],
        [EIGHTH],
        {
            days_of(8): ("events",),
            days_of(7): tuple(table for table in ANOTHER_EVENT if table != "events"),
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
    ),
    Case(
        "of what the next day needs only the recent ids change",
        [event("07T23:00:00", "late", "evening")],
        [SEVENTH],
        {
            days_of(7): (*ANOTHER_SESSION, "recent_event_ids"),
            days_of(7, 8): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
    ),
    Case(
        "a microsecond earlier, and the next day needs nothing of it",
        [event("07T22:59:59.999999", "late", "evening")],
        [SEVENTH],
        {
            days_of(7): ANOTHER_SESSION,
            days_of(7, 8): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
    ),
    Case(
        "the first of two lines with one id comes late, so the session of the second is gone",
        [event("07T23:10:00", "a", "after midnight"), event("07T23:11:00", "b", "after midnight")],
        [SEVENTH],
        {
            days_of(7): (*ANOTHER_SESSION, "recent_event_ids", *TYPICAL_PATHS),
            days_of(8): (*ANOTHER_SESSION, "duplicate_events"),
            days_of(7, 8, 9): COUNTS_OF_VISITORS,
        },
        [("after midnight", EIGHTH, "dropped", None)],
    ),
    Case(
        "of what the next day needs only an open session changes",
        [event("07T22:55:00", "late", "until midnight")],
        [SEVENTH],
        {days_of(7): (*ANOTHER_ID, *EXAMPLE, "open_sessions", *TYPICAL_PATHS)},
        [("until midnight", SEVENTH, "restarted", SEVENTH)],
    ),
    Case(
        "a session that goes on on the next day begins earlier",
        [event("07T22:55:00", "late", "beyond midnight")],
        [SEVENTH],
        {days_of(7): (*ANOTHER_ID, "open_sessions"), days_of(8): ("events",)},
        [("beyond midnight", SEVENTH, "restarted", SEVENTH)] * 2,
    ),
    Case(
        "a line repeats an event",
        [event("08T10:05:00", "a", "morning")],
        [EIGHTH],
        {days_of(8): ("duplicate_events", "daily_summary")},
    ),
    Case(
        "a line repeats an event, and is the one to be kept",
        [event("08T09:59:00", "a", "morning")],
        [EIGHTH],
        {
            days_of(8): (
                "events",
                "duplicate_events",
                "sessions",
                "session_actions",
                "session_outcomes",
                "session_facts",
                "daily_summary",
                # The times between actions, the first session of the visitor, and the example.
                "action_transitions",
                "path_counts",
                "visitor_states",
                "visitor_days",
                "visitors",
                *EXAMPLE,
            )
        },
        [("morning", EIGHTH, "restarted", EIGHTH)],
    ),
    Case(
        "a bot",
        [event("08T15:00:00", "late", "crawler", user_agent=GOOGLEBOT)],
        [EIGHTH],
        {days_of(8): (*OF_SESSIONS, "agents_seen", "user_agents")},
    ),
    Case(
        "an image is no action",
        [event("08T10:05:00", "late", "morning", "asset", page_url="https://shop.example/logo.png")],
        [EIGHTH],
        {days_of(8): ("events", "action_labels", "sessions", "session_actions", "session_facts", "daily_bots")},
    ),
    Case(
        "a visitor converts exactly two days after he entered the funnel",
        [event("07T11:00:00", "late", "buyer", "purchase", value=20)],
        [SEVENTH],
        {
            days_of(7): A_PURCHASE,
            days_of(7, 8): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
            days_of(5): (*GIVES["funnel_entries"], "funnel_steps", "funnel_drops"),
        },
    ),
    Case(
        "a microsecond more, and he has not converted",
        [event("07T11:00:00.000001", "late", "buyer", "purchase", value=20)],
        [SEVENTH],
        {
            days_of(7): A_PURCHASE,
            days_of(7, 8): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
    ),
    Case(
        "a purchase on the third day is no longer read by the day of entry",
        [event("08T00:00:00", "late", "buyer", "purchase", value=20)],
        [EIGHTH],
        {days_of(8): A_PURCHASE, days_of(8, 9): (*COUNTS_OF_VISITORS, *TYPICAL_PATHS)},
    ),
    Case(
        "the first event ever, of years ago",
        [event("2021-03-01T10:00:00", "late", "pioneer")],
        [],
        {OLD_DAYS: ALL_TABLES, (CLOSES_THE_OLD_DAYS,): ("visitor_states",)},
        new_days=OLD_DAYS,
    ),
    Case(
        "an event at the first instant of a day",
        [event("08T00:00:00", "late", "punctual")],
        [EIGHTH],
        {days_of(8): ANOTHER_SESSION, days_of(8, 9): (*COUNTS_OF_VISITORS, *TYPICAL_PATHS)},
    ),
    Case(
        "an event at the last instant of a day",
        [event("07T23:59:59.999999", "late", "punctual")],
        [SEVENTH],
        {
            days_of(7): (*ANOTHER_SESSION, "open_sessions", "recent_event_ids"),
            days_of(7, 8): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
    ),
    Case("a line that is quarantined", [event("08T10:00:00", "late", "")], [], {}),
    Case("an event that waits for its day to be over", [event("13T00:00:00", "late", "early bird")], [], {}),
    Case(
        "a file with events of two days",
        [event("05T15:00:00", "late", "comes again"), event("08T15:00:00", "later", "comes again")],
        days_of(5, 8),
        {
            days_of(5, 8): ANOTHER_SESSION,
            days_of(5, 6, 8, 9): COUNTS_OF_VISITORS,
            days_of(5, 6, 7, 8, 9): TYPICAL_PATHS,
        },
    ),
    Case(
        "a visitor of another site who is called the same",
        [event("08T10:05:00", "a", "morning")],
        [EIGHTH],
        {days_of(8): ANOTHER_SESSION, days_of(8, 9): (*COUNTS_OF_VISITORS, *TYPICAL_PATHS)},
        source="second",
    ),
    Case(
        "a UTC date that two local days share, and the last hour of the first",
        [event("08T03:00:00", "late", "evening")],
        [SEVENTH],
        {
            days_of(7): (*ANOTHER_SESSION, "recent_event_ids"),
            days_of(7, 8): COUNTS_OF_VISITORS,
            days_of(7, 8, 9): TYPICAL_PATHS,
        },
        timezone="America/New_York",
    ),
    Case(
        "a UTC date that two local days share, and the first instant of the second",
        [event("08T04:00:00", "late", "evening")],
        [EIGHTH],
        {days_of(8): ANOTHER_SESSION, days_of(8, 9): (*COUNTS_OF_VISITORS, *TYPICAL_PATHS)},
        timezone="America/New_York",
    ),
)
