"""Provides what the models of definitions read from the settings: the definitions, and the events that start or end.

A definition is a row of numbers and flags. The models have no code for a single tool.
"""

from collections.abc import Callable, Mapping
from typing import Any

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.settings.definitions import DefinitionSettings, StaySettings
from session_pipeline.tables.settings_sql import Rule, event_condition, matches, text_sql

SECOND = 1_000_000  # in microseconds
STAYS = ("page_views", "events", "interactions", "microseconds", "conversions")
COLUMNS: Mapping[str, str] = {
    "definition": "VARCHAR",
    "least_break_microseconds": "BIGINT",
    "is_cut_at_midnight": "BOOLEAN",
    "is_cut_at_utc_hour": "BOOLEAN",
    "campaign_rule": "VARCHAR",
    "is_cut_at_user": "BOOLEAN",
    "is_by_client_session": "BOOLEAN",
    "max_microseconds": "BIGINT",
    "needed": "VARCHAR",
    "measured_between": "VARCHAR",
    "has_bounces": "BOOLEAN",
    **{f"bounce_{name}": "BIGINT" for name in STAYS},
    "has_engaged": "BOOLEAN",
    **{f"engaged_{name}": "BIGINT" for name in STAYS},
    # [sessions], the same in each row: so nothing depends on these settings if no definition is counted.
    "own_page_views": "BIGINT",
    "own_microseconds": "BIGINT",
    "own_gap_microseconds": "BIGINT",
}


def least_break(definition: DefinitionSettings) -> int | None:
    """Return the shortest gap that starts a session, in microseconds; None if no gap does."""
    seconds = definition.inactivity_seconds
    if seconds is None:
        return None
    return seconds * SECOND + (0 if definition.at_border == "starts" else 1)


def session_definitions(settings: Settings) -> SmallTable:
    """Return the definitions to count by, one row each."""
    own = {
        "own_page_views": settings.sessions.engaged_page_views,
        "own_microseconds": settings.sessions.engaged_seconds * SECOND,
        "own_gap_microseconds": settings.sessions.engaged_gap_seconds * SECOND,
    }
    return SmallTable(COLUMNS, [_row(name, each) | own for name, each in settings.definitions.counted.items()])


def only_if_counted(make: Callable[[Settings], SmallTable]) -> Callable[[Settings], SmallTable]:
    """Return a list that is empty if no definition is counted."""

    def made(settings: Settings) -> SmallTable:
        table = make(settings)
        return table if settings.definitions.also else SmallTable(table.types, [])

    return made


def marking_events(settings: Settings) -> str:
    """Return SQL for the events that start or end a session by a condition of a definition."""
    columns = "session_id, event_number"
    empty = (
        f"select {columns}, cast(null as varchar) as definition, cast(null as boolean) as is_start,"
        " cast(null as boolean) as is_end from events where false"
    )
    found = []
    for name, definition in settings.definitions.counted.items():
        starts, ends = (
            f"coalesce({event_condition(condition, f'definitions.rules.{name}.{key}')}, false)"
            if condition
            else "false"
            for key, condition in (("starts", definition.starts), ("ends", definition.ends))
        )
        if (starts, ends) != ("false", "false"):
            fields = {"definition": text_sql(name), "is_start": starts, "is_end": ends}
            found.append(Rule(f"({starts} or {ends})", fields))
    return matches("events", columns, found, empty)


def _row(name: str, definition: DefinitionSettings) -> dict[str, Any]:
    return {
        "definition": name,
        "least_break_microseconds": least_break(definition),
        "is_cut_at_midnight": definition.midnight,
        "is_cut_at_utc_hour": definition.utc_hour,
        "campaign_rule": definition.campaign,
        "is_cut_at_user": definition.user,
        "is_by_client_session": definition.client_session,
        "max_microseconds": None if definition.max_hours is None else definition.max_hours * 3_600 * SECOND,
        "needed": definition.needs,
        "measured_between": definition.length,
        "has_bounces": definition.bounce_unless is not None,
        **_stay("bounce", definition.bounce_unless),
        "has_engaged": definition.engaged_if is not None,
        **_stay("engaged", definition.engaged_if),
    }


def _stay(prefix: str, stay: StaySettings | None) -> dict[str, int | None]:
    """Return the least numbers with which a visitor stays; all null if the tool does not judge it."""
    if stay is None:
        return {f"{prefix}_{name}": None for name in STAYS}
    microseconds = None if stay.seconds is None else round(stay.seconds * SECOND) + int(stay.is_longer)
    return {
        f"{prefix}_page_views": stay.page_views,
        f"{prefix}_events": stay.events,
        f"{prefix}_interactions": stay.interactions,
        f"{prefix}_microseconds": microseconds,
        f"{prefix}_conversions": stay.conversions,
    }
