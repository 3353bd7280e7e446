"""Finds what the store holds about a person: a visitor id, a user id, and the ids that belong to them.

A visitor id is meant as in the tables. By person, the id of a person stands for all ids that only the person uses.

Reads the store only. run/erasure.py erases what is found; cli/personal_data.py exports it.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from secrets import token_bytes

import duckdb

from session_pipeline.engines.sql import literal, query_text, quote, rows_of
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.ingest.erase_frozen import frozen_partitions
from session_pipeline.ingest.erasures import LEAST_SEARCHED, Erasures
from session_pipeline.ingest.visitors import KEY_BYTES, VisitorKey
from session_pipeline.run.opened import OpenFolder
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, Table, table
from session_pipeline.tables.identity.from_settings import linking_events

NEIGHBOURS = (timedelta(days=-1), timedelta(), timedelta(days=1))  # a UTC date has parts of these local days
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
# Columns of raw_events that can contain an id as a part of a longer text.
MENTIONING = (
    *("event_id", "client_session_id", "event_name", "page_url", "page_title", "referrer", "search_term", "element"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "user_agent", "properties"),
)


@dataclass(frozen=True)
class Person:
    """Who is looked for: a visitor id, a user id or both, as they are in the tables.

    Attributes:
        visitor: The visitor id; None if only a user id is known.
        user: The user id; None if only a visitor id is known.
        site: The only site that counts; None for all sites.
    """

    visitor: str | None
    user: str | None
    site: str | None

    def __post_init__(self) -> None:
        """Check that an id is given."""
        if not self.visitor and not self.user:
            raise WrongUseError("nobody is named; give --visitor ID or --user ID, as in the tables")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that are given."""
        return tuple(each for each in (self.visitor, self.user) if each)


@dataclass(frozen=True)
class Held:
    """What the store holds about a person.

    Attributes:
        person: Who.
        visitors: The visitors whose events are all held, each with its site: of the visitor id, those whose only
            user id is the user id, and those that only the person uses.
        users: The user ids whose events are all held, each with its site: the given one, and those of the person.
        counts_for: The persons that the events of the given visitor id count for, if it is a device of others.
        shared_visitors: Visitors that also have other user ids, each with its site; only the user's own events count.
        event_count: Accepted lines, before duplicates are left out.
        quarantined_count: Quarantined lines that contain one of the ids.
        session_ids: Sessions that consist of such events only, also former ids of sessions.
        days: The local days that have such events, each with its site.
        files: The delivered files that have such lines and are under raw/ now.
        gone_files: The paths of such files that are no longer under raw/.
        mention_count: Events of other visitors that contain one of the ids in a longer text, such as a URL.
        former_count: Events of other visitors that have one of the ids as their former id (identity.previous_id).
        file_ids: The ids of the delivered files that have such lines.
    """

    person: Person
    visitors: tuple[tuple[str, str], ...] = ()
    users: tuple[tuple[str, str], ...] = ()
    counts_for: tuple[str, ...] = ()
    shared_visitors: tuple[tuple[str, str], ...] = ()
    event_count: int = 0
    quarantined_count: int = 0
    session_ids: tuple[str, ...] = ()
    days: tuple[tuple[str, date], ...] = ()
    files: tuple[Path, ...] = ()
    gone_files: tuple[str, ...] = ()
    mention_count: int = 0
    former_count: int = 0
    file_ids: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether the store has no line of the person, and no row of a frozen day."""
        return not (
            self.event_count or self.quarantined_count or self.former_count or self.visitors or self.shared_visitors
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the person, of its visitors and of its users."""
        return tuple(sorted({*self.person.ids, *(each for _, each in (*self.visitors, *self.users))}))


def with_person(erasures: Erasures, held: Held) -> Erasures:
    """Return erasures together with those of a person."""
    person = held.person
    if person.visitor:
        erasures = erasures.with_id("visitor", person.site, person.visitor)
    if person.user:
        erasures = erasures.with_user(person.site, person.user)
    for site, visitor in held.visitors:
        if visitor != person.visitor:
            erasures = erasures.with_id("visitor", site, visitor)
    for site, user in held.users:
        if user != person.user:
            erasures = erasures.with_user(site, user)
    return erasures


def find_held(opened: OpenFolder, person: Person) -> Held:
    """Find what the store holds about a person. Of raw events, the columns of ids and texts are read.

    Raises:
        StoreError: A file of the store cannot be read.
    """
    import pyarrow as pa  # slow to load

    try:
        return _find_held(opened, person)
    except (duckdb.IOException, duckdb.InvalidInputException, pa.ArrowException, OSError) as error:
        raise StoreError(
            f"a file of the store cannot be read ({str(error).splitlines()[0]}); run `session-pipeline verify`,"
            " and then `session-pipeline run`, which rebuilds what can be rebuilt"
        ) from None


def _find_held(opened: OpenFolder, person: Person) -> Held:
    store = opened.store
    with looking(store, person) as connection:
        _add_view(connection, "linking_events", linking_events(opened.settings))
        rows = connection.execute(
            "select file_id, cast(event_time as date) as utc_date, count(*) as row_count from raw_events"
            f" where {IS_HELD} group by all"
        ).fetchall()
        frozen = {each.key.date for each in frozen_partitions(store, ("events",)) if each.key.date}
        read = {utc_date + shift for _, utc_date, _ in rows for shift in NEIGHBOURS}
        _add(connection, store, "events", read | frozen)
        _add(connection, store, "session_changes")
        days = connection.execute(
            f"select distinct site, unnest([event_date, session_date]) as day from events where {IS_HELD} order by all"
        ).fetchall()
        sessions = connection.execute(query_text(__package__, "person_sessions")).fetchall()
        counts_for = connection.execute(query_text(__package__, "counts_for")).fetchall()
        held = Held(
            person,
            visitors=_visitors(connection, shared=False),
            users=_ids(connection, "select site, id from held_ids where kind = 'user' order by all"),
            counts_for=tuple(each for (each,) in counts_for),
            shared_visitors=_visitors(connection, shared=True),
            event_count=sum(count for _, _, count in rows),
            session_ids=tuple(sorted(session_id for (session_id,) in sessions if session_id is not None)),
            days=tuple((site, day) for site, day in days),
            file_ids=frozenset(file_id for file_id, _, _ in rows),
        )
        held = _with_mentions(connection, held)
    return _with_files(opened, _with_quarantined(store, held))


@contextmanager
def looking(store: Store, person: Person) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with the tables raw_events and persons, and the macros is_held and is_of_visitor."""
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "temp_directory": ""}) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        given = {"held_visitor": person.visitor, "held_user": person.user, "held_site": person.site}
        for name, value in given.items():
            connection.execute(f"set variable {name} = $1::varchar", [value])
        _add(connection, store, "raw_events")
        _add(connection, store, "identities")
        _add(connection, store, "identity_edges")
        _add_view(connection, "seen_ids", _seen_ids(store))
        connection.execute(f"create temp table held_ids as {query_text(__package__, 'held_ids')}")
        connection.execute(f"create temp table persons as {query_text(__package__, 'persons')}")
        for macro in MACROS:
            connection.execute(f"create temp macro {macro}")
        yield connection


def _add(connection: duckdb.DuckDBPyConnection, store: Store, name: str, dates: Collection[date] | None = None) -> None:
    """Add a table of the store as a view: all of it, or only some dates. Events have the visitor id of the source."""
    if name == "events" and store.of_table("event_devices"):
        _add(connection, store, "event_devices", dates)
        _add_view(connection, "events_of_persons", _rows(store, name, dates))
        _add_view(connection, name, query_text(__package__, "events_of_devices"))
    else:
        _add_view(connection, name, _rows(store, name, dates))


def _seen_ids(store: Store) -> str:
    """Return SQL of the ids that were seen together: in raw events, and in tables of days that have no raw events."""
    select = "select site, visitor_id, user_id from raw_events"
    for name, user in (("events", "user_id"), ("visitor_states", "cast(null as varchar) as user_id")):
        paths = [path for each in frozen_partitions(store, (name,)) for path in store.paths_of(each)]
        if paths:
            select += f" union all select site, visitor_id, {user} from ({rows_of(table(name), paths)})"
    return select


def _add_view(connection: duckdb.DuckDBPyConnection, name: str, rows: str) -> None:
    connection.execute(f"create or replace temp view {quote(name)} as {rows}")


def _rows(store: Store, name: str, dates: Collection[date] | None) -> str:
    partitions = [each for each in store.of_table(name) if dates is None or each.key.date in dates]
    paths = [path for partition in partitions for path in store.paths_of(partition)]
    return rows_of(table(name), paths, with_date=True)


def _visitors(connection: duckdb.DuckDBPyConnection, *, shared: bool) -> tuple[tuple[str, str], ...]:
    is_shared = "is_shared" if shared else "not is_shared"
    return _ids(connection, f"select site, visitor_id from persons where {is_shared} order by all")


def _ids(connection: duckdb.DuckDBPyConnection, select: str) -> tuple[tuple[str, str], ...]:
    return tuple((site, each) for site, each in connection.execute(select).fetchall())


def _with_mentions(connection: duckdb.DuckDBPyConnection, held: Held) -> Held:
    """Count the events of others that contain an id, and those that have one as their former id."""
    searched = [each for each in held.ids if len(each) >= LEAST_SEARCHED]
    mentions = " or ".join(
        f"coalesce(contains({quote(column)}, {literal(each)}), false)" for column in MENTIONING for each in searched
    )
    _add_view(connection, "mentions", query_text(__package__, "mentions"))
    rows = connection.execute(
        f"select file_id, count_if({mentions or 'false'}), count_if(has_former_id) from mentions group by file_id"
    ).fetchall()
    return replace(
        held,
        mention_count=sum(mentioned for _, mentioned, _ in rows),
        former_count=sum(former for _, _, former in rows),
        file_ids=held.file_ids.union(file_id for file_id, _, former in rows if former),
    )


def held_tables(store: Store, held: Held) -> dict[str, list[dict[str, object]]]:
    """Return all rows that are about a person, by table; tables without such rows are left out.

    Of a table of figures, no row is about one person, although a column can name a session as an example.
    """
    found: dict[str, list[dict[str, object]]] = {}
    with looking(store, held.person) as connection:
        connection.execute("create temp table held_sessions (session_id varchar)")
        connection.execute("insert into held_sessions select unnest($1::varchar[])", [list(held.session_ids)])
        for name, contract in TABLES.items():
            condition = _condition(contract)
            if condition is not None:
                if name != "raw_events":
                    _add(connection, store, name)
                order = ", ".join(
                    map(quote, [*([contract.date_column] if contract.date_column else []), *contract.order])
                )
                rows = connection.sql(f"select * from {quote(name)} where {condition} order by {order}")
                found[name] = rows.to_arrow_table().to_pylist()
    found["quarantined_lines"] = list(quarantined_of(store, held))
    return {name: rows for name, rows in found.items() if rows}


def _condition(contract: Table) -> str | None:
    """Return the condition on rows that are about the person; None for tables whose rows are not about one visitor."""
    names = {column.name for column in contract.columns}
    conditions = [IS_LINKED] if contract.name == "identity_edges" else []
    conditions += [f"is_of_visitor(site, {name})" for name in ("device_id", "person_id") if name in names]
    if "carried_user_id" in names:
        conditions.append("is_of_user(site, carried_user_id)")
    if {"site", "visitor_id"} <= names:
        conditions.append(IS_HELD if contract.name in ("raw_events", "events") else IS_OF_VISITOR)
    conditions += [
        f"{name} in (select session_id from held_sessions)"
        for name in ("session_id", "replaced_session_id")
        if name in names
    ]
    return " or ".join(conditions) or None


def quarantined_of(store: Store, held: Held) -> Iterator[dict[str, object]]:
    """Yield the quarantined lines that contain an id of the person, with the columns of quarantined_lines."""
    import pyarrow.parquet as pq  # slow to load

    # A key of its own: only the text is compared, and nothing of it is kept.
    of_person = with_person(Erasures(key=VisitorKey(token_bytes(KEY_BYTES))), held)
    for partition in store.of_table("quarantined_lines"):
        for path in store.paths_of(partition):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                if any(of_person.are_in(row[name], row["site"]) for name in ("detail", "line")):
                    yield row


def _with_quarantined(store: Store, held: Held) -> Held:
    file_ids = [str(row["file_id"]) for row in quarantined_of(store, held)]
    return replace(held, quarantined_count=len(file_ids), file_ids=held.file_ids.union(file_ids))


def _with_files(opened: OpenFolder, held: Held) -> Held:
    paths = {path for file_id in held.file_ids for path in opened.store.catalog.paths_of(file_id)}
    there = sorted(path for path in paths if (opened.folder.raw / path).is_file())
    return replace(
        held,
        files=tuple(opened.folder.raw / path for path in there),
        gone_files=tuple(sorted(paths.difference(there))),
    )
