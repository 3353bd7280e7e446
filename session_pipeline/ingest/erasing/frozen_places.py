"""Finds where tables of frozen days name an event: by session, number and id.

A session that goes on after midnight belongs to the day on which it began. Once that day is frozen, its tables keep the
session and the numbers of its events, while the next day can be built again, with late events, without erased ones or
with other settings. So of events of the next day, only id and time are the same in both.
"""

from datetime import date, timedelta

import duckdb

from session_pipeline.engines.sql import literal, rows_of
from session_pipeline.ingest.sql import query
from session_pipeline.store.store import Store
from session_pipeline.tables import table

REACH = timedelta(days=2)  # sessions of up to 24 hours reach over a day that is shorter, or missing
VIEWS = {
    "frozen_actions": "session_actions",
    "frozen_outcome_matches": "outcome_matches",
    "frozen_funnel_matches": "funnel_matches",
    "frozen_funnel_events": "funnel_events",
    "frozen_friction": "session_friction",
    "frozen_session_sites": "sessions",
}


def add_frozen_places(connection: duckdb.DuckDBPyConnection, store: Store, frozen_before: date | None) -> None:
    """Create the view frozen_places, and the views that it reads.

    Args:
        connection: The connection.
        store: The store.
        frozen_before: The first day that is not frozen; None if no day is.
    """
    for view, name in VIEWS.items():
        add_frozen(connection, store, view, name, frozen_before)
    connection.execute(f"create temp view frozen_places as {query('frozen_places')}")


def add_frozen(
    connection: duckdb.DuckDBPyConnection, store: Store, view: str, name: str, frozen_before: date | None
) -> None:
    """Create a view of the rows of a table until the last day that a session of a frozen day can reach.

    Files that are damaged are left out.
    """
    partitions = [
        each
        for each in store.of_table(name)
        if frozen_before is not None and each.key.date is not None and each.key.date < frozen_before + REACH
    ]
    paths = [path for each in partitions if store.is_intact(each) for path in store.paths_of(each)]
    connection.execute(f"create temp view {view} as {rows_of(table(name), paths, with_date=True)}")


def places_of(events: str, frozen_before: date | None) -> str:
    """Return SQL of session, number and id of events in tables that have rows for the events of a session.

    Args:
        events: The relation with the events. It has event_date, session_date, site, session_id, event_number, event_id
            and event_time.
        frozen_before: The first day that is not frozen; None if no day is.
    """
    open_from = f"date {literal(str(frozen_before or date.min))}"
    return query("places_of_events", events=events, open_from=open_from)
