"""Finds what frozen days have about erased visitors and users: rows of their own, and values that name their events.

A row is found by its visitor, its user, its session or its event. A session that an erased user shares with others
stays, with its figures: only its user id, and the pages and actions that only erased events have, become null.
frozen_places.py finds where rows of a day name events of the next one, frozen_visitors.py computes the history of
visitors that stay. erase_frozen.py writes the tables again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from session_pipeline.engines.connections import private_connection
from session_pipeline.ingest.erasing.erasures import Unfinished
from session_pipeline.ingest.erasing.frozen_places import add_frozen, add_frozen_places, places_of
from session_pipeline.ingest.erasing.frozen_visitors import Histories
from session_pipeline.ingest.sql import query
from session_pipeline.store.store import Store

VISITORS = ("visitor_id", "device_id", "person_id")
USERS = ("user_id", "known_user_id")
# Columns of rows about a session that name a page or an action of one of its events.
NAMES = (
    *("landing_page", "exit_page", "landing_action", "exit_action", "deciding_page"),
    *("previous_action", "next_action", "next_action_2", "next_action_3"),
    *("dropped_to_action", "dropped_to_action_2", "dropped_to_action_3"),
)
OF_NUMBER = (
    "(event_date, session_id, event_number) in (select (event_date, session_id, event_number) from erased_events)"
)
OF_PLACE = "(session_id, event_number) in (select (session_id, event_number) from erased_places)"
OF_LATER_TIME = (
    "(session_id, event_time) in (select (session_id, event_time) from erased_events where event_date <> session_date)"
)
OF_ENTRY = (
    "(event_date, session_id, entry_event_number) in"
    " (select (entry_date, session_id, event_number) from erased_entries)"
)
OF_ID = "(session_id, {}) in (select (session_id, event_id) from erased_places)"
OF_NAME = "(session_id, {}) in (select (session_id, name) from erased_names)"
OF_LINE = "({}, {}) in (select (file_id, line_number) from erased_events)"
# By table, the condition on rows that are about an erased event. Other columns of an event's number are figures.
OF_EVENT: Mapping[str, str] = {
    **dict.fromkeys(("events", "event_devices"), OF_NUMBER),
    **dict.fromkeys(("session_actions", "outcome_matches", "funnel_matches", "funnel_events"), OF_PLACE),
    # It has no ids, and an event after midnight that no other table has can have another number.
    "goal_matches": f"{OF_PLACE} or {OF_LATER_TIME}",
    **dict.fromkeys(("funnel_entries", "funnel_entry_steps"), OF_ENTRY),
    "session_patterns": OF_ID.format("first_event_id"),
    "session_friction": f"{OF_ID.format('first_event_id')} or {OF_NAME.format('action')}",
    "duplicate_events": OF_LINE.format("kept_file_id", "kept_line_number"),
    "recent_event_ids": OF_LINE.format("file_id", "line_number"),
    # A path can have parameters, which events do not have.
    "action_labels": "row(event_date, event_name, split_part(page_path, '?', 1)) in (select label from erased_labels)",
}
ROW = "_row_number"


class Matches:
    """Tells which rows and values of frozen days are erased."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, histories: Histories) -> None:
        """Take a connection with the tables of what is erased, and the visitors whose history changes."""
        self._connection = connection
        self.histories = histories

    def erased_rows(self, name: str, day: date | None, rows: pa.Table) -> pa.Array | None:
        """Return, for each row of a table, whether it is erased; None if no row is."""
        names = set(rows.column_names)
        conditions = [OF_EVENT[name]] if name in OF_EVENT else []
        conditions += ["session_id in (select id from erased_sessions)"] if "session_id" in names else []
        if "site" in names:
            of_ids = [(each, "erased_visitors") for each in VISITORS] + [("carried_user_id", "erased_users")]
            conditions += [_is_in(each, ids) for each, ids in of_ids if each in names]
        return self._where(rows, day, conditions)

    def without_values(self, rows: pa.Table, day: date | None) -> pa.Table:
        """Return rows in which values that name an erased user or event are null; the rows themselves if none does."""
        names = set(rows.column_names)
        conditions = {each: _is_in(each, "erased_users") for each in USERS if {"site", each} <= names}
        if "session_id" in names:
            conditions |= {each: OF_NAME.format(each) for each in NAMES if each in names}
            if "deciding_event_id" in names:
                conditions["deciding_event_id"] = OF_ID.format("deciding_event_id")
        for each, condition in conditions.items():
            is_erased = self._where(rows, day, [condition])
            if is_erased is not None:
                place, field = rows.column_names.index(each), rows.schema.field(each)
                kept = pc.if_else(is_erased, pa.scalar(None, field.type), rows.column(each))
                rows = rows.set_column(place, field, kept)
        return rows

    def former_ids(self, events: pa.Table, linking_events: str) -> list[str | None]:
        """Return the erased former id of each event; None for an event that has none.

        Args:
            events: Rows of events.
            linking_events: SQL that adds `previous_id` to the relation raw_events.
        """
        numbered = events.append_column(ROW, pa.array(range(len(events)), pa.int64()))
        self._connection.register("raw_events", numbered)
        try:
            found = self._connection.sql(
                f"select {ROW}, previous_id from ({linking_events}) where {_is_in('previous_id', 'erased_former_ids')}"
            ).fetchall()
        finally:
            self._connection.unregister("raw_events")
        ids: dict[int, str] = dict(found)
        return [ids.get(number) for number in range(len(events))]

    def _where(self, rows: pa.Table, day: date | None, conditions: Sequence[str]) -> pa.Array | None:
        """Return, for each row, whether one of the conditions is true; None if there is no such row."""
        if not conditions or not len(rows):
            return None
        numbers = pa.array(range(len(rows)), pa.int64())  # because a join does not keep the order of rows
        numbered = rows.append_column(ROW, numbers)
        if "event_date" not in rows.column_names:
            numbered = numbered.append_column("event_date", pa.array([day] * len(rows), pa.date32()))
        is_erased = " or ".join(f"coalesce({each}, false)" for each in conditions)
        self._connection.register("given_rows", numbered)
        try:
            found = self._connection.sql(f"select {ROW} from given_rows where {is_erased}").to_arrow_table()
        finally:
            self._connection.unregister("given_rows")
        return pc.is_in(numbers, value_set=found.column(ROW).combine_chunks()) if len(found) else None


def _is_in(name: str, ids: str) -> str:
    return f"(site, {name}) in (select (site, id) from {ids})"


@contextmanager
def matching(store: Store, left: Unfinished, frozen_before: date) -> Iterator[Matches]:
    """Yield what tells erased rows. The events of frozen days are read for it.

    Args:
        store: The store.
        left: Who is erased.
        frozen_before: The first day that is not frozen.
    """
    with private_connection(temp_directory="") as connection:
        connection.execute("set enable_progress_bar = false")
        _keep_ids(connection, "erased_visitors", left.visitors)
        _keep_ids(connection, "erased_users", left.users)
        _keep_ids(connection, "erased_former_ids", [*left.visitors, *left.users, *left.former_ids])
        _keep_ids(connection, "erased_sessions", [("", each) for each in left.session_ids])
        add_frozen_places(connection, store, frozen_before)
        for view, name in (
            ("frozen_events", "events"),
            ("frozen_devices", "event_devices"),
            ("frozen_entries", "funnel_entries"),
        ):
            add_frozen(connection, store, view, name, frozen_before)
        connection.execute(f"create temp table erased_events as {query('erased_events')}")
        connection.execute(f"create temp table erased_places as {places_of('erased_events', frozen_before)}")
        for name in ("erased_entries", "erased_names", "erased_labels"):
            connection.execute(f"create temp table {name} as {query(name)}")
        yield Matches(connection, Histories(connection, store, frozen_before))


def _keep_ids(connection: duckdb.DuckDBPyConnection, name: str, ids: Iterable[tuple[str, str]]) -> None:
    given = list(ids)
    connection.execute(
        f"create temp table {name} as select unnest($1::varchar[]) as site, unnest($2::varchar[]) as id",
        [[site for site, _ in given], [each for _, each in given]],
    )
