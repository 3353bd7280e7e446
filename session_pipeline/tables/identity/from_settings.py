"""Provides what the models of identity read from the settings: former ids as SQL, merges and ids as small tables."""

from session_pipeline.reference.column_groups import RAW_EVENT_COLUMNS
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.settings.conditions import parse_scalar


def linking_events(settings: Settings, events: str = "raw_events") -> str:
    """Return SQL that adds `previous_id` to events, given as a relation; '' without one."""
    given = settings.identity.previous_id
    if not given:
        return f"select *, '' as previous_id from {events}"
    sql = parse_scalar(given, RAW_EVENT_COLUMNS, key="identity.previous_id").sql("duckdb")
    return f"select *, coalesce(cast({sql} as varchar), '') as previous_id from {events}"


def identity_merges(settings: Settings) -> SmallTable:
    """Return the merges by hand: (origin, site, visitor_id, user_id, previous_id).

    The origin is link or unlink. A site or an id that is not given is ''.
    """
    names = ("site", "visitor_id", "user_id", "previous_id")
    given = {"link": settings.identity.link, "unlink": settings.identity.unlink}
    rows = [
        {"origin": origin, **{name: getattr(merge, name) or "" for name in names}}
        for origin, merges in given.items()
        for merge in merges
    ]
    return SmallTable(dict.fromkeys(("origin", *names), "VARCHAR"), rows)


def ignored_user_ids(settings: Settings) -> SmallTable:
    """Return the user ids that name nobody: (user_id)."""
    return SmallTable(
        {"user_id": "VARCHAR"}, [{"user_id": each} for each in sorted(set(settings.identity.ignored_user_ids))]
    )
