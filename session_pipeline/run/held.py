"""Finds what the store holds about a person: a visitor id, a user id, and the ids that belong to them.

Reads the store only. person.py defines which rows are about the person; run/erasure.py erases what is found, and
cli/personal_data.py exports it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from secrets import token_bytes

import duckdb

from session_pipeline.engines.sql import literal, query_text, quote
from session_pipeline.errors import StoreError
from session_pipeline.ingest.erasing.erase_frozen import frozen_dates
from session_pipeline.ingest.erasing.erasures import LEAST_SEARCHED, Erasures
from session_pipeline.ingest.erasing.expired_text import EXPIRED_TEXT
from session_pipeline.ingest.erasing.frozen_places import add_frozen_places, places_of
from session_pipeline.ingest.mapping.visitors import KEY_BYTES, PROPERTY_PURPOSE, VisitorKey, find_key
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.reference.days import Calendar
from session_pipeline.run.opened import OpenFolder
from session_pipeline.run.person import IS_HELD, IS_LINKED, IS_OF_VISITOR, Person, add_table, add_view, connection_about
from session_pipeline.store.shortage import report_shortage
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, Table, table
from session_pipeline.tables.identity.from_settings import linking_events

NEIGHBOURS = (timedelta(days=-1), timedelta(), timedelta(days=1))  # a UTC date has parts of these local days
# The rows of the person's events, by table with rows for events or actions. Of a session that is shared with others,
# only these are about the person.
OF_EVENTS = {
    "event_devices": (
        "(event_date, session_id, event_number) in (select (event_date, session_id, event_number) from held_events)"
    ),
    **dict.fromkeys(
        ("session_actions", "outcome_matches", "goal_matches", "funnel_matches"),
        "(session_id, event_number) in (select (session_id, event_number) from held_places)",
    ),
}
# Their columns that are about the events around it, which can be those of others.
OF_NEIGHBOURS = ("previous_action", "next_action", "seconds_to_next")
COMPARED = ("visitor_id", "user_id")  # with the ids of the person, as a whole
# Columns of raw_events that can contain an id as a part of a longer text.
MENTIONING = tuple(
    column.name
    for column in table("raw_events").columns
    if column.name in DELIVERED_COLUMNS and column.type == "VARCHAR" and column.name not in COMPARED
)


@dataclass(frozen=True)
class Held:
    """What the store holds about a person.

    Attributes:
        person: Who.
        visitors: The visitors whose events are all held, each with its site: of the visitor id, those whose only
            user id is the user id, and those that only the person uses.
        users: The user ids whose events are all held, each with its site: the given one, and those of the person.
        counts_for: The persons that the events of the given visitor id count for, if it is a device of others.
        row_visitors: What visitor_id is in rows that are about the person only, each with its site: the visitors, the
            given id on each site, and persons of whom all events are held.
        shared_visitors: Visitors that also have other user ids, each with its site; only the user's own events count.
        event_count: Accepted lines, before duplicates are left out.
        quarantined_count: Quarantined lines that contain one of the ids.
        session_ids: Sessions that consist of such events only, also former ids of sessions.
        days: The local days that have such events, each with its site.
        files: The delivered files that have such lines and are under raw/ now.
        gone_files: The paths of such files that are no longer under raw/.
        mention_count: Events of other visitors that contain one of the ids in a longer text, such as a URL.
        former_count: Events of other visitors that have one of the ids as their former id (identity.previous_id).
        unsearched_files: The other delivered files under raw/ that have lines whose rows or texts have expired. Whether
            they contain the person is not known.
        file_ids: The ids of the delivered files that have such lines.
    """

    person: Person
    visitors: tuple[tuple[str, str], ...] = ()
    users: tuple[tuple[str, str], ...] = ()
    counts_for: tuple[str, ...] = ()
    row_visitors: tuple[tuple[str, str], ...] = ()
    shared_visitors: tuple[tuple[str, str], ...] = ()
    event_count: int = 0
    quarantined_count: int = 0
    session_ids: tuple[str, ...] = ()
    days: tuple[tuple[str, date], ...] = ()
    files: tuple[Path, ...] = ()
    gone_files: tuple[str, ...] = ()
    mention_count: int = 0
    former_count: int = 0
    unsearched_files: tuple[Path, ...] = ()
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
        of_rows = (*self.visitors, *self.row_visitors, *self.users)
        return tuple(sorted({*self.person.ids, *(each for _, each in of_rows)}))


def with_person(erasures: Erasures, held: Held) -> Erasures:
    """Return erasures together with those of a person."""
    person = held.person
    if person.visitor:
        erasures = erasures.with_visitor(person.site, person.visitor)
    if person.user:
        erasures = erasures.with_user(person.site, person.user)
    for site, visitor in held.visitors:
        if visitor != person.visitor:
            erasures = erasures.with_visitor(site, visitor)
    for site, user in held.users:
        if user not in (person.user, person.keyed_user):
            erasures = erasures.with_user(site, user)
    return erasures


def find_held(opened: OpenFolder, person: Person) -> Held:
    """Find what the store holds about a person. Of raw events, the columns of ids and texts are read.

    Raises:
        StoreError: A file of the store cannot be read.
        OpenFilesError: The process may not open more files.
        MemoryTooSmallError: The engine needed more memory than its limit.
        OSError: The visitor key cannot be read.
    """
    import pyarrow as pa  # slow to load

    key = find_key(opened.folder.visitor_key)
    try:
        with report_shortage(opened.folder.store):
            return _find_held(opened, person, key)
    except (duckdb.IOException, duckdb.InvalidInputException, pa.ArrowException, OSError) as error:
        raise StoreError(
            f"a file of the store cannot be read ({str(error).splitlines()[0]}); run `session-pipeline verify`,"
            " and then `session-pipeline run`, which rebuilds what can be rebuilt"
        ) from error


def _find_held(opened: OpenFolder, person: Person, key: VisitorKey | None) -> Held:
    store = opened.store
    person = replace(person, ignored_users=opened.settings.identity.ignored_user_ids).with_key(key)
    with connection_about(store, person) as connection:
        rows = connection.execute(
            "select file_id, cast(event_time as date) as utc_date, count(*) as row_count from raw_events"
            f" where {IS_HELD} group by all"
        ).fetchall()
        frozen = frozen_dates(store, "events")
        read = {day + shift for day in {*frozen, *(utc_date for _, utc_date, _ in rows)} for shift in NEIGHBOURS}
        add_table(connection, store, "events", read)
        add_table(connection, store, "duplicate_events", frozen)
        add_table(connection, store, "session_changes")
        add_view(connection, "linking_events", _linking_events(opened, has_frozen=bool(frozen)))
        days = connection.execute(
            f"select distinct site, unnest([event_date, session_date]) as day from events where {IS_HELD} order by all"
        ).fetchall()
        sessions = connection.execute(query_text(__package__, "person_sessions")).fetchall()
        # Raw events of frozen days are gone, so the files are those of the rows that are left.
        frozen_files = connection.execute(query_text(__package__, "frozen_files")).fetchall()
        counts_for = connection.execute(query_text(__package__, "counts_for")).fetchall()
        held = Held(
            person,
            visitors=_ids(connection, "select site, visitor_id from persons where not is_shared order by all"),
            users=_ids(connection, "select site, id from held_ids where kind = 'user' order by all"),
            counts_for=tuple(each for (each,) in counts_for),
            row_visitors=_ids(connection, query_text(__package__, "row_visitors")),
            shared_visitors=_ids(connection, "select site, visitor_id from persons where is_shared order by all"),
            event_count=sum(count for _, _, count in rows),
            session_ids=tuple(sorted(session_id for (session_id,) in sessions if session_id is not None)),
            days=tuple((site, day) for site, day in days),
            file_ids=frozenset(file_id for file_id, *_ in (*rows, *frozen_files)),
        )
        _create_former_ids(connection, held, key)
        held = _with_mentions(connection, held)
        unsearched = _with_expired_rows(connection, opened) | _with_expired_texts(store)
    return _with_files(opened, _with_quarantined(store, held), unsearched)


def _linking_events(opened: OpenFolder, *, has_frozen: bool) -> str:
    """Return SQL of all events with their former id: raw events, and those of frozen days."""
    selects = [linking_events(opened.settings)]
    if has_frozen:
        frozen = f"({query_text(__package__, 'frozen_events')}) as frozen_events"
        selects.append(linking_events(opened.settings, frozen))
    return " union all by name ".join(selects)


def _ids(connection: duckdb.DuckDBPyConnection, select: str) -> tuple[tuple[str, str], ...]:
    return tuple((site, each) for site, each in connection.execute(select).fetchall())


def _create_former_ids(connection: duckdb.DuckDBPyConnection, held: Held, key: VisitorKey | None) -> None:
    """Create the table of the former ids of the person: all its ids, also as hash_properties stores them."""
    ids = {*_ids(connection, "select site, id from held_ids"), *held.visitors, *held.users}
    hashed = {(site, key.keyed(PROPERTY_PURPOSE, each)) for site, each in ids} if key is not None else set()
    found = sorted(ids | hashed)
    connection.execute(
        "create temp table former_ids as select unnest($1::varchar[]) as site, unnest($2::varchar[]) as id",
        [[site for site, _ in found], [each for _, each in found]],
    )


def _with_mentions(connection: duckdb.DuckDBPyConnection, held: Held) -> Held:
    """Count the events of others that contain an id, and those that have one as their former id."""
    searched = [each for each in held.ids if len(each) >= LEAST_SEARCHED]
    mentions = " or ".join(
        f"coalesce(contains({quote(column)}, {literal(each)}), false)" for column in MENTIONING for each in searched
    )
    add_view(connection, "mentions", query_text(__package__, "mentions"))
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

    Of a table of figures, no row is about one person, although a column can name a session as an example. Of a session
    that is shared with others, only rows of the person's events are returned, without what came before and after.
    """
    found: dict[str, list[dict[str, object]]] = {}
    with connection_about(store, held.person) as connection:
        connection.execute(
            "create temp table held_sessions as select unnest($1::varchar[]) as session_id", [list(held.session_ids)]
        )
        add_table(connection, store, "events")
        connection.execute(f"create temp table held_events as {query_text(__package__, 'held_events')}")
        frozen_before = store.catalog.frozen_before()
        add_frozen_places(connection, store, frozen_before)
        connection.execute(f"create temp table held_places as {places_of('held_events', frozen_before)}")
        for name, contract in TABLES.items():
            condition = _condition(contract)
            if condition is None:
                continue
            if name != "raw_events":
                add_table(connection, store, name)
            order = ", ".join(quote(column) for column in (contract.date_column, *contract.order) if column)
            rows = connection.sql(f"select {_columns(contract)} from {quote(name)} where {condition} order by {order}")
            found[name] = rows.to_arrow_table().to_pylist()
    found["quarantined_lines"] = list(quarantined_of(store, held))
    return {name: rows for name, rows in found.items() if rows}


def _columns(contract: Table) -> str:
    """Return the columns of the rows about the person. In a session of others, what they did around it is left out."""
    hidden = [column.name for column in contract.columns if contract.name in OF_EVENTS and column.name in OF_NEIGHBOURS]
    if not hidden:
        return "*"
    cases = (
        f"case when session_id in (select session_id from held_sessions) then {name} end as {name}" for name in hidden
    )
    return f"* replace ({', '.join(cases)})"


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
    if contract.name in OF_EVENTS:
        conditions.append(OF_EVENTS[contract.name])
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


def _with_expired_rows(connection: duckdb.DuckDBPyConnection, opened: OpenFolder) -> set[str]:
    """Return the ids of delivered files that have accepted lines without a row: expired, or too late for their day."""
    catalog = opened.store.catalog
    files, frozen_before = catalog.source_files(), catalog.frozen_before()
    if frozen_before is None:
        return set()
    raw_from = Calendar(opened.settings.timezone).start(frozen_before).date()  # raw events of earlier dates are gone
    rows = connection.execute(query_text(__package__, "kept_lines"), {"raw_from": raw_from}).fetchall()
    kept: dict[str, int] = dict(rows)
    return {file_id for file_id, file in files.items() if file.facts.get("expired_count", 0) > kept.get(file_id, 0)}


def _with_expired_texts(store: Store) -> set[str]:
    """Return the ids of delivered files that have quarantined lines whose text has expired."""
    return {each.key.file_id for each in store.of_table("quarantined_lines") if each.reason == EXPIRED_TEXT}


def _with_files(opened: OpenFolder, held: Held, unsearched: set[str]) -> Held:
    """Add the paths of delivered files: of those that have lines of the person, and of those that may have some."""
    catalog, raw, site = opened.store.catalog, opened.folder.raw, held.person.site
    paths = {path for file_id in held.file_ids for path in catalog.paths_of(file_id)}
    there = sorted(path for path in paths if (raw / path).is_file())
    sites = {file_id: file.facts["site"] for file_id, file in catalog.source_files().items()}
    others = {
        path
        for file_id in unsearched - held.file_ids
        if site in (None, sites.get(file_id))
        for path in catalog.paths_of(file_id)
    }
    return replace(
        held,
        files=tuple(raw / path for path in there),
        gone_files=tuple(sorted(paths.difference(there))),
        unsearched_files=tuple(raw / path for path in sorted(others) if (raw / path).is_file()),
    )
