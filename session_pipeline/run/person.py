"""Opens the store with what identifies the rows of a person: its ids, and macros that compare them.

A visitor id is the one of the tables. By person, the id of a person stands for all ids that only the person uses, also
if it is a user id that events have as their former id. held.py finds what there is about a person.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.sql import query_text, quote, rows_of
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.erasing.erase_frozen import frozen_dates, frozen_partitions
from session_pipeline.ingest.mapping.visitors import PROPERTY_PURPOSE, USER_PURPOSE, VisitorKey
from session_pipeline.store.store import Store
from session_pipeline.tables import table

IS_HELD = "is_held(site, visitor_id, user_id)"
IS_OF_VISITOR = "is_of_visitor(site, visitor_id)"
IS_LINKED = " or ".join(
    f"{macro}(site, {name})" for macro in ("is_of_visitor", "is_of_user") for name in ("id", "other_id")
)
MACROS = (
    "is_of_visitor(a_site, a_visitor) as"
    " (a_site, a_visitor) in (select (site, visitor_id) from persons where not is_shared)",
    "is_of_user(a_site, a_user) as"
    " coalesce((a_site, a_user) in (select (site, id) from held_ids where kind = 'user'), false)",
    "is_held(a_site, a_visitor, a_user) as is_of_visitor(a_site, a_visitor) or is_of_user(a_site, a_user)",
)


@dataclass(frozen=True)
class Person:
    """Who is looked for: a visitor id, a user id or both, as they are in the tables.

    Attributes:
        visitor: The visitor id; None if only a user id is known.
        user: The user id; None if only a visitor id is known.
        site: The only site that counts; None for all sites.
        keyed_user: The form of the user id that `user_ids = "keyed"` stores; None if it is not known.
        hashed_ids: The ids as `hash_properties` stores them where events have them as their former id.
        ignored_users: User ids that name nobody. A visitor with such an id does not have another user because of it.
    """

    visitor: str | None
    user: str | None
    site: str | None
    keyed_user: str | None = None
    hashed_ids: tuple[str, ...] = ()
    ignored_users: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that an id is given."""
        if not self.visitor and not self.user:
            raise WrongUseError("nobody is named; give --visitor ID or --user ID, as in the tables")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that are given, and the keyed form of the user id."""
        return tuple(each for each in (self.visitor, self.user, self.keyed_user) if each)

    def with_key(self, key: VisitorKey | None) -> "Person":
        """Return the person with the keyed forms of its ids and of the ignored ones, which are compared, too."""
        if key is None:
            return self
        # Rows of files that are gone can have the hash of an ignored id.
        hashed = (key.keyed(USER_PURPOSE, each) for each in self.ignored_users)
        return replace(
            self,
            keyed_user=self.user and key.keyed(USER_PURPOSE, self.user),
            hashed_ids=tuple(key.keyed(PROPERTY_PURPOSE, each) for each in (self.visitor, self.user) if each),
            ignored_users=(*self.ignored_users, *hashed),
        )


@contextmanager
def connection_about(store: Store, person: Person) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in which a person's rows can be found.

    It has the tables raw_events, identities, identity_links and identity_edges of the store, held_ids with the ids of
    the person, persons with its visitors, and the macros is_of_visitor, is_of_user and is_held.
    """
    with private_connection(temp_directory="") as connection:
        connection.execute("set enable_progress_bar = false")
        given = {
            "held_visitor": person.visitor,
            "held_user": person.user,
            "held_keyed_user": person.keyed_user,
            "held_site": person.site,
        }
        for name, value in given.items():
            connection.execute(f"set variable {name} = $1::varchar", [value])
        former_ids = [each for each in (person.user, person.keyed_user, *person.hashed_ids) if each]
        connection.execute("set variable held_former_ids = $1::varchar[]", [former_ids])
        connection.execute("set variable ignored_users = $1::varchar[]", [list(person.ignored_users)])
        add_table(connection, store, "raw_events")
        add_table(connection, store, "identities")
        add_table(connection, store, "identity_links")
        add_table(connection, store, "identity_edges")
        add_view(connection, "seen_ids", _seen_ids(connection, store))
        connection.execute(f"create temp table held_ids as {query_text(__package__, 'held_ids')}")
        connection.execute(f"create temp table persons as {query_text(__package__, 'persons')}")
        for macro in MACROS:
            connection.execute(f"create temp macro {macro}")
        yield connection


def add_table(
    connection: duckdb.DuckDBPyConnection, store: Store, name: str, dates: Collection[date] | None = None
) -> None:
    """Add a table of the store as a view: all of it, or only some dates. Events have the visitor id of the source."""
    if name == "events" and store.of_table("event_devices"):
        add_table(connection, store, "event_devices", dates)
        add_view(connection, "events_of_persons", _rows(store, name, dates))
        add_view(connection, name, query_text(__package__, "events_of_devices"))
    else:
        add_view(connection, name, _rows(store, name, dates))


def _seen_ids(connection: duckdb.DuckDBPyConnection, store: Store) -> str:
    """Return SQL of the ids that were seen together: in raw events, and in tables of days that have no raw events."""
    frozen = {name: _frozen_paths(store, name) for name in ("events", "identity_links", "visitor_states")}
    selects = ["select site, visitor_id, user_id from raw_events"]
    if frozen["events"]:
        dates = frozen_dates(store, "events")
        add_table(connection, store, "events", dates)
        selects.append("select site, visitor_id, user_id from events")
    if frozen["identity_links"]:
        links = rows_of(table("identity_links"), frozen["identity_links"])
        selects.append(f"select site, visitor_id, nullif(carried_user_id, '') from ({links})")
    if frozen["visitor_states"]:
        # By person, the visitors are persons, whose devices and user ids are in identity_links.
        user = "null" if frozen["identity_links"] else "user_id"
        states = rows_of(table("visitor_states"), frozen["visitor_states"])
        selects.append(f"select site, visitor_id, {user} from ({states})")
    return " union all ".join(selects)


def _frozen_paths(store: Store, name: str) -> list[Path]:
    return [path for each in frozen_partitions(store, (name,)) for path in store.paths_of(each)]


def add_view(connection: duckdb.DuckDBPyConnection, name: str, rows: str) -> None:
    """Add a SELECT as a view; it replaces an earlier one of that name."""
    connection.execute(f"create or replace temp view {quote(name)} as {rows}")


def _rows(store: Store, name: str, dates: Collection[date] | None) -> str:
    partitions = [each for each in store.of_table(name) if dates is None or each.key.date in dates]
    paths = [path for partition in partitions for path in store.paths_of(partition)]
    return rows_of(table(name), paths, with_date=True)
