"""The tables that become stale when a setting, model or contract changes, listed by hand for tests.

They follow the description of each key in settings.toml. A setting, model or table that is missing here fails a test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

SETTINGS: Mapping[str, Any] = {
    "privacy": {"keep_days": {"raw": 1000, "events": 2000, "aggregates": 3000}},
    "actions": {"fold": [{"pattern": "/[0-9]+", "replacement": ":id"}]},
    "outcomes": [
        {"name": "purchase", "where": "event_name = 'purchase'", "value": "value", "is_conversion": True},
        {"name": "long", "where_session": "page_view_count >= 2"},
    ],
    "patterns": [
        {"name": "again", "pattern": "cart -> page_view", "within_seconds": 60, "among": ["cart", "page_view"]}
    ],
    "goals": [{"name": "bought", "where": "event_name = 'purchase'", "value": "value"}],
    "funnels": [
        {
            "name": "to purchase",
            "grain": "visitor",
            "window_seconds": 86_400,
            "breakdown": "device",
            "steps": [
                {"name": "page", "where": "event_name = 'page_view'"},
                {"name": "cart", "where": "event_name = 'cart'", "window_seconds": 80_000},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
            "exclusions": [{"where": "event_name = 'logout'", "after_step": 1, "before_step": 3}],
        },
        {
            "name": "directly",
            "mode": "strict",
            "allow_reentry": False,
            "allow_early_steps": False,
            "allow_other_events": False,
            "stop_ends": "attempt",
            "steps": [
                {"name": "page", "where": "event_name = 'page_view'"},
                {
                    "name": "scroll",
                    "where": "event_name = 'scroll'",
                    "optional": False,
                    "min_seconds": 0,
                    "window_seconds": 60,
                },
                {"name": "cart", "where": "event_name = 'cart'"},
            ],
        },
    ],
    "dimensions": {"variant": "properties ->> 'variant'"},
    "identity": {
        "link": [{"site": "main", "visitor_id": "v", "user_id": "u"}, {"user_id": "u", "previous_id": "p"}],
        "unlink": [{"site": "main", "visitor_id": "w", "user_id": "u"}, {"user_id": "u", "previous_id": "q"}],
    },
    "friction": {"forms": [{"start": "event_name = 'cart'", "submit": "event_name = 'purchase'"}]},
    "definitions": {
        "rules": {"mine": {"like": "matomo", "bounce_unless": {"events": 2}, "engaged_if": {"page_views": 2}}}
    },
    "sources": {
        "test": {"site": "main", "events": [{"name": "other", "where": "event_name = 'no such event'"}]},
        "log": {"format": "access_log"},
    },
    "engine": {"master": "local[1]"},
}


def event(time: str, name: str, visitor: str = "anna", **more: Any) -> dict[str, Any]:
    said = {"event_id": f"{time} {name}", "visitor_id": visitor, "event_time": f"2026-10-{time}", "event_name": name}
    return said | more


LINES = (
    event("07T10:00:00", "page_view", page_url="https://shop.example/product/12?ref=a&utm_campaign=spring"),
    event("07T10:25:00", "page_view", page_url="https://shop.example/about", plan="gold", variant="b"),
    event("07T10:26:00", "scroll", client_session_id="first", user_id="ann"),
    event("07T10:27:00", "cart", client_session_id="second", user_id="bob", utm_campaign="autumn"),
    event("07T10:28:00", "logout"),
    event("07T23:50:00", "page_view", page_url="https://shop.example/"),
    event("08T00:05:00", "purchase", value=20, price=30),
    event("08T09:00:00", "page_view", visitor="bert", received_at="2026-10-08T07:30:00Z"),
    event("08T09:00:20", "page_view", visitor="bert"),
    *(event(f"08T{time}:00", "page_view", visitor="carl") for time in ("10:00", "10:25", "10:50", "11:15")),
    event("08T12:00:00", "page_view", visitor="dora"),
    event("08T12:00:20", "scroll", visitor="dora"),
    event("08T13:00:00", "page_view", visitor="emil"),
    event("08T13:00:02", "page_view", visitor="emil"),
    *(event(f"08T14:00:0{n}", name, visitor="fred") for n, name in enumerate(("page_view", "logout", "cart"))),
)

WITHOUT_ID = {"event_time": "2026-10-08T15:00:00Z", "event_name": "page_view", "client": "203.0.113.9"}
ACCESS_LOG = '203.0.113.9 - - [08/Oct/2026:16:00:00 +0000] "GET /about HTTP/1.1" 200 12 "-" "Mozilla/5.0"\n'
LOG_SETTINGS = {"log_format", "host"}  # apply to access logs only

SESSIONIZED = ("events", "duplicate_events", "open_sessions", "recent_event_ids")
READ_FROM_RAW = ("agents_seen", *SESSIONIZED)
FRICTION = ("session_friction", "action_friction", "daily_friction")
MOMENT_TABLES = ("moment_counts", "seen_counts")
MATCHES = ("outcome_matches", "goal_matches", "funnel_matches")
PATHS = ("action_transitions", "action_steps", "session_paths", "path_counts")
ENTRIES = ("funnel_entries", "funnel_entry_steps")
VISITS = ("action_visits", "action_progress")
IDENTITY = (
    "identity_links",
    "identity_edges",
    "equal_ids",
    "identities",
    "identity_parts",
    "day_identities",
    "event_devices",
)
NOTHING: Sequence[str] = ()
# Parts of recipes that are constants of the package.
CONSTANTS = frozenset(
    (
        "list block_lengths",
        "list channel_click_ids",
        "list channel_mediums",
        "list channel_rules",
        "list channel_sources",
        "list cohort_names",
        "list compared_signals",
        "list window_ages",
        "list shared_suffixes",
        "setting capital_letters",
        "setting carried_minutes",
        "setting days_of_week",
        "setting least_base_days",
        "setting least_compared_sessions",
        "setting least_usual_conversions",
        "setting longest_window_days",
        "setting most_actions",
        "setting most_dimension_values",
        "setting most_followed_actions",
        "setting most_lines",
        "setting most_moment_actions",
        "setting most_seen_actions",
        "setting rare_one_in",
        "setting small_letters",
        "setting typical_path_count",
        "setting z",
    )
)


@dataclass(frozen=True)
class Change:
    """Another value of a setting, the tables it makes stale, and the reason that the plan gives.

    {default} in the reason is the packaged default, as SQL. Several reasons are separated by semicolons.
    """

    value: Any
    stale: Sequence[str]
    reason: str = ""


CHANGES: Mapping[str, Change] = {
    "timezone": Change(
        "America/New_York",
        (*READ_FROM_RAW, "daily_summary", *ENTRIES),
        "the bounds of the day changed (time zone)",
    ),
    "start_date": Change(date(2019, 1, 1), NOTHING),
    "include_today": Change(True, NOTHING),
    "daily_at": Change("04:30", NOTHING),
    "max_rebuild_days": Change(7, NOTHING),
    "sessions.inactivity_minutes": Change(20, SESSIONIZED, "setting inactivity_minutes changed from {default} to 20"),
    "sessions.definition": Change(
        "posthog",
        SESSIONIZED,
        "setting client_sessions changed from 'ignore' to 'key_without_timeout'",
    ),
    "sessions.at_border": Change("starts", SESSIONIZED, "setting at_border changed"),
    "sessions.split_at_utc_hour": Change(True, SESSIONIZED, "setting split_at_utc_hour changed from {default} to true"),
    "sessions.split_on_new_campaign": Change(
        True, SESSIONIZED, "setting split_on_new_campaign changed from {default} to true"
    ),
    "sessions.max_hours": Change(1, SESSIONIZED, "setting max_hours changed from {default} to 1"),
    "sessions.split_at_midnight": Change(True, SESSIONIZED, "setting split_at_midnight changed from {default} to true"),
    "sessions.separator": Change("cart", SESSIONIZED, "setting separator changed from {default} to 'cart'"),
    "sessions.split_on_client_session": Change(
        True, SESSIONIZED, "setting split_on_client_session changed from {default} to true"
    ),
    "sessions.client_sessions": Change("key", SESSIONIZED, "setting client_sessions changed from {default} to 'key'"),
    "sessions.split_on_user": Change(True, SESSIONIZED, "setting split_on_user changed from {default} to true"),
    "sessions.split_on_campaign": Change(True, SESSIONIZED, "setting split_on_campaign changed from {default} to true"),
    "sessions.engaged_seconds": Change(30, ("sessions",), "setting engaged_seconds changed from {default} to 30"),
    "sessions.engaged_page_views": Change(3, ("sessions",), "setting engaged_page_views changed from {default} to 3"),
    "sessions.engaged_gap_seconds": Change(5, ("sessions",), "setting engaged_gap_seconds changed from {default} to 5"),
    "sessions.passive_events": Change(["logout"], ("action_labels",), "setting passive_events changed"),
    "bots.patterns": Change(["^Mozilla"], ("agents_seen",), "setting bots changed"),
    "bots.exceptions": Change(["^Mozilla"], ("agents_seen",), "setting bots changed"),
    "bots.no_user_agent": Change(False, SESSIONIZED, "setting no_user_agent changed from {default} to false"),
    "bots.page_views_per_minute": Change(60, SESSIONIZED, "setting page_views_per_minute changed from {default} to 60"),
    "bots.page_views_per_day": Change(900, SESSIONIZED, "setting page_views_per_day changed from {default} to 900"),
    "bots.single_hit": Change(True, SESSIONIZED, "setting single_hit changed from {default} to true"),
    "definitions.also": Change(
        ["ga4", "mine"], ("daily_definitions",), "setting definitions, sessions or outcomes changed"
    ),
    # Rules matter only if `also` names their definition.
    "definitions.rules{}.inactivity_seconds": Change(60, NOTHING),
    "definitions.rules{}.at_border": Change("stays", NOTHING),
    "definitions.rules{}.midnight": Change(False, NOTHING),
    "definitions.rules{}.utc_hour": Change(True, NOTHING),
    "definitions.rules{}.campaign": Change("no", NOTHING),
    "definitions.rules{}.user": Change(True, NOTHING),
    "definitions.rules{}.client_session": Change(True, NOTHING),
    "definitions.rules{}.max_hours": Change(1, NOTHING),
    "definitions.rules{}.starts": Change("event_name = 'cart'", NOTHING),
    "definitions.rules{}.ends": Change("event_name = 'cart'", NOTHING),
    "definitions.rules{}.needs": Change("page_view", NOTHING),
    "definitions.rules{}.length": Change("counted", NOTHING),
    **{
        f"definitions.rules{{}}.{stay}.{key}": Change(value, NOTHING)
        for stay in ("bounce_unless", "engaged_if")
        for key, value in {
            "page_views": 3,
            "events": 4,
            "interactions": 2,
            "seconds": 5.5,
            "is_longer": True,
            "conversions": 2,
        }.items()
    },
    "actions.fold[].pattern": Change("/[a-z]+$", ("action_labels", *FRICTION), "setting actions.fold changed"),
    "actions.fold[].replacement": Change(":number", ("action_labels", *FRICTION), "setting actions.fold changed"),
    "actions.ignored_events": Change(["cart"], ("action_labels",), "setting ignored_events changed"),
    "actions.query_parameters": Change(
        ["page"],
        ("action_labels", "sessions", "session_actions", *FRICTION),
        "setting actions.query_parameters changed",
    ),
    "outcomes[].name": Change(
        "sale", (*MATCHES, "session_outcomes", *MOMENT_TABLES, "progress_changes"), "setting outcomes changed"
    ),
    "outcomes[].where": Change("event_name = 'cart'", MATCHES, "setting outcomes changed"),
    "outcomes[].where_session": Change("event_count >= 3", ("session_outcomes",), "setting outcomes changed"),
    "outcomes[].value": Change("status_code", MATCHES, "setting outcomes changed"),
    "outcomes[].is_conversion": Change(
        False, ("session_outcomes", *MOMENT_TABLES, "progress_changes"), "setting outcomes changed"
    ),
    "goals[].name": Change("sold", MATCHES, "setting goals changed"),
    "goals[].where": Change("event_name = 'cart'", MATCHES, "setting goals changed"),
    "goals[].value": Change("status_code", MATCHES, "setting goals changed"),
    "funnels[].name": Change(
        "to money", (*MATCHES, "funnel_events", *ENTRIES, "funnel_steps"), "setting funnels changed"
    ),
    "funnels[].grain": Change("session", ENTRIES, "setting funnels changed"),
    # In mode strict, events that meet no step are matches too.
    "funnels[].mode": Change("ordered", (*MATCHES, *ENTRIES), "setting funnels changed"),
    "funnels[].window_seconds": Change(600, ENTRIES, "setting funnels changed"),
    "funnels[].min_seconds": Change(60, ENTRIES, "setting funnels changed"),
    "funnels[].ties": Change("later", ENTRIES, "setting funnels changed"),
    "funnels[].one_event_per_step": Change(False, ENTRIES, "setting funnels changed"),
    "funnels[].repeats": Change("stop", ENTRIES, "setting funnels changed"),
    "funnels[].allow_reentry": Change(True, ENTRIES, "setting funnels changed"),
    "funnels[].allow_early_steps": Change(True, ENTRIES, "setting funnels changed"),
    "funnels[].allow_other_events": Change(True, MATCHES, "setting funnels changed"),
    "funnels[].stop_ends": Change("all", ENTRIES, "setting funnels changed"),
    "funnels[].entry": Change("any", ENTRIES, "setting funnels changed"),
    "funnels[].breakdown": Change(["variant", "device"], ("funnel_events",), "setting funnels changed"),
    "funnels[].breakdown_at": Change("last", ENTRIES, "setting funnels changed"),
    "funnels[].steps[].name": Change("any page", ("funnel_steps",), "setting funnels changed"),
    "funnels[].steps[].where": Change("page_path = '/about'", MATCHES, "setting funnels changed"),
    "funnels[].steps[].optional": Change(True, (*ENTRIES, "funnel_steps"), "setting funnels changed"),
    "funnels[].steps[].min_seconds": Change(30, ENTRIES, "setting funnels changed"),
    "funnels[].steps[].window_seconds": Change(30, ENTRIES, "setting funnels changed"),
    "funnels[].exclusions[].where": Change("event_name = 'scroll'", MATCHES, "setting funnels changed"),
    "friction.signals": Change(["error", "repeat"], FRICTION, "setting friction.signals changed"),
    "friction.click": Change("event_name = 'cart'", FRICTION, "setting friction changed"),
    "friction.rage_click_clicks": Change(4, FRICTION, "setting rage_click_clicks changed from {default} to 4"),
    "friction.rage_click_seconds": Change(2, FRICTION, "setting rage_click_seconds changed from {default} to 2"),
    "friction.u_turn_seconds": Change(5, FRICTION, "setting u_turn_seconds changed from {default} to 5"),
    "friction.search_results": Change("event_name = 'cart'", FRICTION, "setting friction changed"),
    "friction.submit": Change("event_name = 'cart'", FRICTION, "setting friction changed"),
    "friction.repeated_submit_seconds": Change(
        5, FRICTION, "setting repeated_submit_seconds changed from {default} to 5"
    ),
    "friction.error": Change("event_name = 'cart'", FRICTION, "setting friction changed"),
    "friction.error_loop_actions": Change(3, FRICTION, "setting error_loop_actions changed from {default} to 3"),
    "friction.dead_end_sessions": Change(1, FRICTION, "setting dead_end_sessions changed from {default} to 1"),
    "friction.dead_end_exit_percent": Change(
        60, FRICTION, "setting dead_end_exit_percent changed from {default} to 60"
    ),
    "friction.long_dwell_seconds": Change(60, FRICTION, "setting long_dwell_seconds changed from {default} to 60"),
    "friction.forms[].start": Change("event_name = 'logout'", FRICTION, "setting friction changed"),
    "friction.forms[].submit": Change("event_name = 'logout'", FRICTION, "setting friction changed"),
    "paths.max_steps": Change(5, PATHS, "setting max_steps changed from {default} to 5"),
    "paths.max_path_actions": Change(
        5,
        (*PATHS, "typical_paths"),
        "setting max_path_actions changed from {default} to 5; setting max_path_actions changed",
    ),
    "paths.max_paths": Change(5, PATHS, "setting max_paths changed from {default} to 5"),
    "paths.min_session_count": Change(
        5, (*PATHS, "typical_paths"), "setting min_session_count changed from {default} to 5"
    ),
    "patterns[].name": Change("once more", ("session_patterns",), "setting patterns changed"),
    "patterns[].pattern": Change("cart -> cart", ("session_patterns",), "setting patterns changed"),
    "patterns[].within_seconds": Change(5, ("session_patterns",), "setting patterns changed"),
    "patterns[].among": Change(["cart", "page_view", "/x"], ("session_patterns",), "setting patterns changed"),
    "funnels[].exclusions[].after_step": Change(2, ENTRIES, "setting funnels changed"),
    "funnels[].exclusions[].before_step": Change(2, ENTRIES, "setting funnels changed"),
    "dimensions": Change(
        {"plan": "properties ->> 'plan'"},
        ("session_dimensions", "daily_breakdowns", *VISITS, "outcome_changes"),
        "setting dimensions changed; setting breakdowns or dimensions changed; setting changes or dimensions changed",
    ),
    "breakdowns.dimensions": Change(
        ["os"],
        ("daily_breakdowns", "outcome_changes"),
        "setting breakdowns or dimensions changed; setting changes, breakdowns or dimensions changed",
    ),
    "changes.dimensions": Change(
        ["device"],
        (*VISITS, "outcome_changes"),
        "setting changes changed",
    ),
    "changes.excluded_dimensions": Change(
        ["variant"],
        (*VISITS, "outcome_changes"),
        "setting changes or dimensions changed",
    ),
    # The ingest has built the other tables of identity.
    "identity.by": Change("person", (*SESSIONIZED, "event_devices"), "setting identity.by changed"),
    **{
        f"identity.{name}": Change(value, NOTHING)  # by is visitor
        for name, value in {
            "previous_id": "client_session_id",
            "ignored_user_ids": ["nobody"],
            **{
                f"{merges}[].{key}": "another"
                for merges in ("link", "unlink")
                for key in ("site", "visitor_id", "user_id", "previous_id")
            },
        }.items()
    },
    "visitors.retention_days": Change(7, ("retention",), "setting visitors changed"),
    "visitors.retention_weeks": Change(4, ("retention",), "setting visitors changed"),
    "sources{}.format": Change("jsonl", NOTHING),  # the format that its name already gives
    "sources{}.site": Change("shop", READ_FROM_RAW, "raw_events changed"),
    "sources{}.columns": Change({"value": "price"}, READ_FROM_RAW, "raw_events changed"),
    "sources{}.constants": Change({"currency": "EUR"}, READ_FROM_RAW, "raw_events changed"),
    "sources{}.preset": Change("none", NOTHING),
    "sources{}.expressions": Change({"page_title": "upper(event_name)"}, READ_FROM_RAW, "raw_events changed"),
    "sources{}.events[].name": Change("another", NOTHING),  # no event meets its condition
    "sources{}.events[].where": Change("event_name = 'cart'", READ_FROM_RAW, "raw_events changed"),
    "sources{}.event_names": Change({"cart": "basket"}, READ_FROM_RAW, "raw_events changed"),
    "sources{}.key_values": Change(["no_such_field"], NOTHING),
    "sources{}.header": Change(["no_such_field"], NOTHING),  # JSON lines have no header
    "sources{}.records_in": Change("no_such_key", NOTHING),  # an object without the key is a record
    "sources{}.events_in": Change("no_such_list", NOTHING),
    "sources{}.json_fields": Change(["no_such_field"], NOTHING),
    "sources{}.json_columns": Change(["page_title"], NOTHING),  # JSON lines have no columns
    "sources{}.null_values": Change(["/about"], NOTHING),
    "sources{}.drop_fields": Change(["plan"], READ_FROM_RAW, "raw_events changed"),
    "sources{}.decimal_comma": Change(True, NOTHING),
    "sources{}.escape": Change("\\", NOTHING),  # JSON lines have escapes of their own
    "sources{}.request": Change({"path": "no_such_field"}, NOTHING),
    "sources{}.time_format": Change("%Y-%m-%dT%H:%M:%S", NOTHING),  # reads the same times
    "sources{}.timezone": Change("Asia/Tokyo", READ_FROM_RAW, "raw_events changed"),
    "sources{}.clock_tolerance_minutes": Change(120, READ_FROM_RAW, "raw_events changed"),
    "sources{}.expected_by": Change("06:00", NOTHING),
    "sources{}.delimiter": Change(";", NOTHING),  # JSON lines have no delimiter
    "sources{}.visitor_address": Change("client", READ_FROM_RAW, "raw_events changed"),
    "sources{}.log_format": Change("common", READ_FROM_RAW, "raw_events changed"),
    "sources{}.host": Change("www.shop.example", READ_FROM_RAW, "raw_events changed"),
    "privacy.keep_query_parameters": Change(["ref"], READ_FROM_RAW, "raw_events changed"),
    "privacy.drop_properties": Change(["plan"], READ_FROM_RAW, "raw_events changed"),
    "privacy.hash_properties": Change(["plan"], READ_FROM_RAW, "raw_events changed"),
    "privacy.user_ids": Change("keyed", READ_FROM_RAW, "raw_events changed"),
    "privacy.quarantine_days": Change(7, NOTHING),
    "privacy.keep_days.raw": Change(900, NOTHING),
    "privacy.keep_days.events": Change(2100, NOTHING),
    "privacy.keep_days.aggregates": Change(3100, NOTHING),
    "privacy.user_agents": Change("reduced", NOTHING),  # the lines have no user agents
    "alerts.command": Change(["/usr/local/bin/alert"], NOTHING),
    "alerts.time_limit_seconds": Change(5, NOTHING),
    "history.keep_days": Change(7, NOTHING),
    "resources.memory_limit": Change("2GB", NOTHING),
    "resources.threads": Change(1, NOTHING),
    "engine.kind": Change("spark", NOTHING),
    "engine.master": Change("local[2]", NOTHING),
    "engine.remote": Change("sc://localhost:15002", NOTHING),
    "engine.conf": Change({"spark.executor.memory": "2g"}, NOTHING),
    "publish.native_limit_gb": Change(0.0, NOTHING),
}

# The tables of the steps that run each model.
MODELS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("repeated_events", "sessionized", *SESSIONIZED), SESSIONIZED),
    **dict.fromkeys(IDENTITY, NOTHING),  # by is visitor
    "distinct_user_agents": ("agents_seen",),
    **dict.fromkeys(("landings", "session_channels", "sessions"), ("sessions",)),
    **dict.fromkeys(
        (
            "step_events",
            "stopped_events",
            "reached_steps",
            "next_reached_steps",
            "optional_steps",
            "unstopped_steps",
            "narrower_steps",
            "next_step_events",
            "unordered_attempts",
            "unordered_steps",
            "distinct_steps",
            "funnel_attempts",
            "attempt_steps",
            *ENTRIES,
        ),
        ENTRIES,
    ),
    **dict.fromkeys(("event_matches", *MATCHES), MATCHES),
    **dict.fromkeys(
        (
            *("no_definition_starts", "definition_starts", "no_definition_sessions", "definition_sessions"),
            "daily_definitions",
        ),
        ("daily_definitions",),
    ),
    **dict.fromkeys(
        ("path_sessions", "path_groups", "path_labels", "path_actions", "session_routes", *PATHS),
        PATHS,
    ),
    **dict.fromkeys(("counted_paths", "folded_paths", "shown_paths", "typical_paths"), ("typical_paths",)),
    **dict.fromkeys(
        (
            *("pattern_texts", "no_untimed_matches", "next_untimed_matches", "no_part_matches", "next_part_matches"),
            *("matched_actions", "session_patterns"),
        ),
        ("session_patterns",),
    ),
    **dict.fromkeys(("first_actions", "session_segments", *VISITS), VISITS),
    **dict.fromkeys(("progress_counts", "progress_changes"), ("progress_changes",)),
    **dict.fromkeys(("outcome_counts", "outcome_changes"), ("outcome_changes",)),
    **dict.fromkeys(
        (
            *("friction_sessions", "friction_events", "friction_actions", "friction_places", "friction_found"),
            *("friction_observable", *FRICTION),
        ),
        FRICTION,
    ),
    **dict.fromkeys(("moments", "counted_actions", *MOMENT_TABLES), MOMENT_TABLES),
    **dict.fromkeys(("numbered_actions", "numbered_sessions"), (*VISITS, *MOMENT_TABLES)),
    **dict.fromkeys(("opportunity_counts", "opportunities"), ("opportunities",)),
    **dict.fromkeys(("next_best_counts", "next_best_actions"), ("next_best_actions",)),
    **dict.fromkeys(("session_changes", "_day_history"), NOTHING),  # rows of logs are never rebuilt
    **{
        name: (name,)
        for name in (
            "action_labels",
            "agents_seen",
            "daily_bots",
            "daily_breakdowns",
            "daily_outcomes",
            "daily_summary",
            "daily_visitors",
            "funnel_drops",
            "funnel_events",
            "funnel_steps",
            "retention",
            "session_actions",
            "session_dimensions",
            "session_facts",
            "session_goals",
            "session_outcomes",
            "user_agents",
            "visitor_days",
            "visitor_states",
            "visitors",
        )
    },
}
