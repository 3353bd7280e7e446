"""Computes the history of shared visitors on frozen days again, without the sessions of an erased user.

The tables of visitors never expire, so a visitor that an erased user shared with others would keep the times and the
channel of an erased session. The days of such a visitor are computed again by the models of visitor_states and
visitor_days, from the sessions that are left. Where the sessions of a day have expired, the visitor's row of the day is
taken as it is, or left out if it names the erased user. frozen_matches.py finds the rows that are erased as a whole.
"""

from collections.abc import Iterable
from datetime import date

import duckdb
import pyarrow as pa

from session_pipeline.engines.sql import quote, rows_of
from session_pipeline.ingest.sql import query
from session_pipeline.reference.days import Calendar
from session_pipeline.store.catalog_file import FROZEN_TIMEZONE
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import models, table
from session_pipeline.tables.blocks import BLOCK_DAYS, FIRST_DAY

COMPUTED = ("visitor_states", "visitor_days")
ROW = "row_number"
IS_CHANGED = "(site, visitor_id) in (select (site, visitor_id) from changed_visitors)"


class Histories:
    """The new rows of the visitors that lose sessions on frozen days."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: Store, frozen_before: date) -> None:
        """Find the visitors, and compute their rows.

        Args:
            connection: A connection with the tables of who is erased: erased_visitors, erased_users, erased_sessions.
            store: The store.
            frozen_before: The first day that is not frozen.
        """
        self._connection = connection
        states, sessions, outcomes = (
            {
                each.key.date: each
                for each in store.of_table(name)
                if each.key.date is not None and each.key.date < frozen_before and store.is_intact(each)
            }
            for name in ("visitor_states", "sessions", "session_outcomes")
        )
        held = sessions.keys() & outcomes.keys()
        self._view(store, "frozen_states", "visitor_states", states.values())
        self._view(store, "frozen_sessions", "sessions", [sessions[day] for day in held])
        connection.execute(f"create temp table changed_visitors as {query('changed_visitors')}")
        [(count,)] = connection.execute("select count(*) from changed_visitors").fetchall()
        self._has_changed = count > 0
        if self._has_changed:
            self._view(store, "session_outcomes", "session_outcomes", [outcomes[day] for day in held])
            self._compute(sorted(states), sorted(held), Calendar(store.catalog.text(FROZEN_TIMEZONE) or "UTC"))

    def corrected(self, name: str, day: date | None, rows: pa.Table) -> pa.Table:
        """Return the rows of a partition with the new history of the visitors; the rows themselves if it is equal.

        Args:
            name: The table.
            day: The day of the partition.
            rows: Its rows without those that are erased.
        """
        if not self._has_changed or name not in (*COMPUTED, "session_facts"):
            return rows
        given = rows.append_column(ROW, pa.array(range(len(rows)), pa.int64()))
        for field in table(name).schema:
            if field.name not in rows.column_names:  # an older version wrote the rows
                given = given.append_column(field, pa.nulls(len(rows), field.type))
        self._connection.register("given_rows", given)
        try:
            found = self._with_history(name, day, rows) if name in COMPUTED else self._with_visits(day, rows)
        finally:
            self._connection.unregister("given_rows")
        return rows if found.equals(rows) else found

    def _with_history(self, name: str, day: date | None, rows: pa.Table) -> pa.Table:
        find = self._connection.sql
        kept = find(f"select {ROW} from given_rows where not {IS_CHANGED} order by {ROW}").to_arrow_table()
        columns = ", ".join(map(quote, rows.column_names))
        new = find(f"select {columns} from new_{name} where session_date = $1", params=[day]).to_arrow_table()
        found = pa.concat_tables([rows.take(kept.column(ROW).combine_chunks()), new.cast(rows.schema)])
        return found.sort_by([(each, "ascending") for each in table(name).order])

    def _with_visits(self, day: date | None, rows: pa.Table) -> pa.Table:
        found = self._connection.sql(query("visit_numbers"), params={"day": day}).to_arrow_table()
        for each in (name for name in found.column_names if name in rows.column_names):
            place = rows.column_names.index(each)
            rows = rows.set_column(
                place, rows.schema.field(place), found.column(each).cast(rows.schema.field(place).type)
            )
        return rows

    def _view(self, store: Store, view: str, name: str, partitions: Iterable[Partition]) -> None:
        paths = [path for each in partitions for path in store.paths_of(each)]
        self._connection.execute(f"create temp view {view} as {rows_of(table(name), paths, with_date=True)}")

    def _compute(self, days: list[date], held: list[date], calendar: Calendar) -> None:
        """Run the models over all frozen days at once, for the changed visitors only."""
        run = self._connection.execute
        run("create temp table days_with_sessions as select unnest($1::date[]) as session_date", [held])
        before = [calendar.previous(day) for day in days]
        given = {"days": days, "days_before": before, "first_day": FIRST_DAY}
        run(f"create temp table days as {query('frozen_days')}", given)
        run("create temp table block_lengths as select unnest($1::bigint[]) as block_days", [list(BLOCK_DAYS)])
        run(f"create temp view sessions as {query('left_sessions')}")
        run(f"create temp view visitor_states as {query('left_states')}")
        self._compute_table("visitor_states")
        # The model reads days without sessions only for the longer blocks.
        run("insert into new_visitor_states by name select * from visitor_states")
        run("create or replace temp view visitor_states as select * from new_visitor_states")
        self._compute_table("visitor_days")

    def _compute_table(self, name: str) -> None:
        columns = [f"cast({quote(each.name)} as {each.type}) as {quote(each.name)}" for each in table(name).columns]
        self._connection.execute(
            f"create temp table new_{name} as select session_date, {', '.join(columns)} from ({models.text(name)})"
        )
