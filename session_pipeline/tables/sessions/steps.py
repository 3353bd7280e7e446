"""Defines the steps that build events, sessions and their actions."""

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from session_pipeline.reference import channels, user_agents
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.graph import Computation, Copied, Input, Log, PythonTable, Relation, Step
from session_pipeline.tables.sessions import from_settings
from session_pipeline.tables.spans import DAY_BEFORE, END_OF_REACH, IDENTITIES_OF_DAY, REACHING, THE_DAY

if TYPE_CHECKING:
    import pyarrow as pa


def _classify(rows: "pa.Table") -> "pa.Table":
    """Classify the user agents of each day. Which of two texts with the same md5 counts is decided by day."""
    import pyarrow as pa

    texts: dict[date, list[str]] = {}
    for row in rows.to_pylist():
        texts.setdefault(row["event_date"], []).append(row["user_agent"])
    tables = [
        table.append_column("event_date", pa.array([day] * len(table), pa.date32()))
        for day, table in ((day, user_agents.classify(texts[day])) for day in sorted(texts))
    ]
    nothing = user_agents.classify(()).append_column("event_date", pa.array([], pa.date32()))
    return pa.concat_tables([nothing, *tables])


def _channel_table(name: str, settings: Settings) -> SmallTable:
    return channels.channel_tables()[name]


_PAGED_EVENTS = {"paged_events": Relation(from_settings.paged_events, reads=("events",))}

STEPS: tuple[Step, ...] = (
    Step(
        name="agents_seen",
        tables=("agents_seen",),
        python_table=PythonTable("classified_agents", "distinct_user_agents", _classify),
        relations={"ruled_agents": Relation(from_settings.ruled_agents, reads=())},
        logic_version=user_agents.lists_fingerprint(),
    ),
    Step(
        name="sessionize",
        tables=("events", "duplicate_events", "open_sessions", "recent_event_ids"),
        spans={"open_sessions": DAY_BEFORE, "recent_event_ids": DAY_BEFORE, "day_identities": IDENTITIES_OF_DAY},
        wrapped={"raw_events": Relation(from_settings.raw_events_of_persons, reads=("day_identities",))},
        copied={"events": Copied("raw_events", computed=frozenset({"visitor_id"}))},
        computed=(Computation("repeated_events", "repeated_events"), Computation("sessionized", "sessionized")),
        logs=(
            Log(
                table="session_changes",
                of="events",
                inputs={
                    "earlier_events": Input("events", REACHING),  # after the build: days are built in order
                    "earlier_sessions": Input("sessions", REACHING),  # before the build: sessions come after events
                },
            ),
        ),
    ),
    Step(
        name="action_labels",
        tables=("action_labels",),
        relations={**_PAGED_EVENTS, "folded_paths": Relation(from_settings.folded_paths, reads=("events",))},
        lists={"ignored_events": from_settings.ignored_events, "passive_events": from_settings.passive_events},
    ),
    Step(
        name="sessions",
        tables=("sessions",),
        # A session has the user agent of its first event, which is on the day itself.
        spans={"agents_seen": THE_DAY, "open_sessions": END_OF_REACH},
        relations=_PAGED_EVENTS,
        lists={name: partial(_channel_table, name) for name in channels.TABLE_NAMES},
        computed=(Computation("landings", "landings"), Computation("session_channels", "session_channels")),
    ),
    Step(name="session_actions", tables=("session_actions",), relations=_PAGED_EVENTS),
    Step(name="user_agents", tables=("user_agents",)),
)
