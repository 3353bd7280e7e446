"""Stores Dagster's events in the same SQLite files as Dagster's own class, with a fraction of the work.

Dagster opens a database three times for each event and waits each time until the disk has the event. Here the
connections stay open, a commit does not wait for the disk, and the events of one output (one for each partition) are
one transaction. A power failure can lose the last events, but cannot damage the files. The store has its own catalog
and loses nothing.

When a run is deleted, the latest materialization of each asset partition and the latest result of each check stay in
the index. Otherwise a day that is built would look as if it was missing. `defs.retention` deletes old runs.

dagster.yaml names the class `EventLog`. Without it, Dagster's own class reads and writes the same files.
"""

import json
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy
from dagster._core.events import ASSET_EVENTS, AssetMaterializationPlannedData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, StaticPool

from session_pipeline.defs.event_text import EventFrame
from session_pipeline.engines.sql import query_text

MOST_OPEN = 16  # databases that stay open: the index, and those of the latest runs
BATCH_SIZE = 1000


def hand_over_in_batches() -> None:
    """Let Dagster hand over all partitions of an output at once in this process, unless the environment says else."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))


class EventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log with open connections and batches. The history is equal to that of Dagster's class."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the event log in a folder; create it if it does not exist."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._in_use: dict[str, Connection] = {}
        self._process = os.getpid()
        self._empty = b""
        super().__init__(base_dir, inst_data)
        # Reentrant, because a batch is one block around the blocks of its events.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "EventLog":
        """Create the event log of a Dagster home; `base_dir` is that folder."""
        return cls(os.path.join(config_value["base_dir"], "history", "runs", ""), inst_data)

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """Whether Dagster plans all partitions of an asset with one event: always, because `_rows` divides it."""
        return True

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; one that plans several partitions becomes an event for each."""
        if _planned_partitions(event):
            self.store_event_batch([event])
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run in one transaction. On an error, none of them is stored."""
        if len({event.run_id for event in events}) != 1:
            super().store_event_batch(events)
            return
        with self.run_connection(events[0].run_id) as run, self.index_connection() as index:
            for is_of_asset, group in groupby(events, _is_asset_event):
                if is_of_asset:
                    self._store_asset_events(run, index, list(group))
                    continue
                for event in group:
                    self.store_event(event)

    def _store_asset_events(self, run: Connection, index: Connection, events: Sequence[EventLogEntry]) -> None:
        insert = SqlEventLogStorageTable.insert()
        rows, events = self._rows(events)
        run.execute(insert, rows)
        # The first insert locks the index, so the ids that follow are free until this transaction ends.
        first_id = _id_of(index.execute(insert, rows[0]))
        ids = range(first_id, first_id + len(rows))
        if len(rows) > 1:
            index.execute(insert, [{**row, "id": row_id} for row, row_id in zip(rows[1:], ids[1:], strict=True)])
        self._store_asset_event_tags(index, events, ids)
        # The row of an asset shows its latest event of each type, so the others need no update.
        latest = {
            (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
            for event, event_id in zip(events, ids, strict=True)
        }
        for event, event_id in latest.values():
            self._store_asset_event(index, event, event_id)

    def _rows(self, events: Sequence[EventLogEntry]) -> tuple[list[dict[str, Any]], list[EventLogEntry]]:
        """Return the rows of events, and the event of each row.

        What neighbouring events have in common is serialized once. An event that plans several partitions has a row for
        each: from Dagster, it would be one event, and the UI would not show which partitions failed.
        """
        rows: list[dict[str, Any]] = []
        events_of_rows: list[EventLogEntry] = []
        frame: EventFrame | None = None
        for event in events:
            if planned := _planned_partitions(event):
                rows += self._rows_of_planned(event, planned)
                events_of_rows += [event] * len(planned)
                frame = None
                continue
            events_of_rows.append(event)
            if frame is None or not frame.fits(event):
                rows.append(self._event_to_row(event))
                frame = EventFrame(event)
                if frame.text(event) != rows[-1]["event"]:  # a version of Dagster that serializes in another way
                    frame = None
                continue
            row = {"event": frame.text(event), "timestamp": self._event_insert_timestamp(event)}  # type: ignore[no-untyped-call]
            rows.append({**rows[-1], **row, "partition": event.get_dagster_event().partition})
        return rows, events_of_rows

    def _rows_of_planned(self, event: EventLogEntry, partitions: Sequence[str]) -> list[dict[str, Any]]:
        """Return a row for each partition that an event plans; only the partition differs."""
        of_dagster = event.get_dagster_event()
        asset_key = of_dagster.asset_materialization_planned_data.asset_key

        def row_of(partition: str) -> dict[str, Any]:
            data = AssetMaterializationPlannedData(asset_key, partition)
            return self._event_to_row(event._replace(dagster_event=of_dagster._replace(event_specific_data=data)))

        first = row_of(partitions[0])
        before, *after = first["event"].split(json.dumps(partitions[0]))
        if len(after) != 1:  # the text of the partition is elsewhere in the event, too
            return [first, *map(row_of, partitions[1:])]
        return [
            {**first, "event": f"{before}{json.dumps(partition)}{after[0]}", "partition": partition}
            for partition in partitions
        ]

    def run_ids(self) -> set[str]:
        """Return the ids of all runs that have events, also of runs that are deleted."""
        with self.index_connection() as index:
            found = index.execute(sqlalchemy.select(SqlEventLogStorageTable.c.run_id).distinct())
            in_index = set(found.scalars())
        return in_index.union(self.get_all_run_ids()) - {RUNLESS_RUN_ID, None}

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run, except the latest of each asset partition and of each check."""
        self.delete_events_of([run_id])

    def delete_events_of(self, run_ids: Collection[str]) -> None:
        """Do the same for several runs, in one transaction."""
        with self.index_connection() as index:
            # First the results of checks, because the events of those that stay are kept.
            _delete(index, AssetCheckExecutionsTable.c.id, _superseded(index, "superseded_check_results", run_ids))
            events = _superseded(index, "superseded_events", run_ids)
            _delete(index, AssetEventTagsTable.c.event_id, events)
            _delete(index, SqlEventLogStorageTable.c.id, events)
        for run_id in run_ids:
            self._delete_shard(run_id)

    def _delete_shard(self, run_id: str) -> None:
        with self._db_lock:
            if (engine := self._engines.pop(run_id, None)) is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
        path = self.path_for_shard(run_id)
        if not os.path.exists(path):
            return
        if self.supports_global_concurrency_limits:
            self.free_concurrency_slots_for_run(run_id)
        for each in (f"{path}-wal", f"{path}-shm", path):
            with suppress(FileNotFoundError):
                os.unlink(each)

    def wipe(self) -> None:
        """Delete all events."""
        self._close()
        super().wipe()

    def close_files(self) -> None:
        """Close the databases until the next event, so that nothing keeps them from being written again."""
        self._close()

    def dispose(self) -> None:
        """Close the databases."""
        self._close()
        super().dispose()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """Yield a connection to the database of a run, or to the index, within a transaction.

        Within a block of the same database, it is the connection and the transaction of that block.
        """
        with self._db_lock:
            if shard in self._in_use:
                yield self._in_use[shard]
                return
            with self._engine(shard).connect() as connection, connection.begin():
                self._in_use[shard] = connection
                try:
                    yield connection
                finally:
                    del self._in_use[shard]

    def _engine(self, shard: str) -> Engine:
        if self._process != os.getpid():  # after a fork: SQLite connections of the parent must not be used or closed
            self._process, self._engines = os.getpid(), OrderedDict()
        if shard not in self._engines:
            self._engines[shard] = self._opened(shard)
            while len(self._engines) > MOST_OPEN:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def _opened(self, shard: str) -> Engine:
        url = self.conn_string_for_shard(shard)
        options = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
        if shard != INDEX_SHARD_NAME and not os.path.exists(self.path_for_shard(shard)):
            self._create(shard)
        if shard not in self._initialized_dbs:
            first = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=options)
            sqlalchemy.event.listen(first, "connect", _do_not_wait_for_the_disk)
            self._initdb(first)
            self._initialized_dbs.add(shard)
        engine = sqlalchemy.create_engine(url, poolclass=StaticPool, connect_args=options)
        sqlalchemy.event.listen(engine, "connect", _do_not_wait_for_the_disk)
        return engine

    def _create(self, shard: str) -> None:
        """Create the database of a run with the empty tables of the index, which are the same.

        Dagster's own way takes 0.1 s: it reads all its migrations, and makes each table in a transaction of its own.
        """
        if not self._empty:
            with self.index_connection() as index, closing(sqlite3.connect(":memory:")) as empty:
                for (statement,) in index.exec_driver_sql(query_text(__package__, "event_tables")):
                    empty.execute(statement)
                for (revision,) in index.exec_driver_sql("select version_num from alembic_version"):
                    empty.execute("insert into alembic_version values (?)", (revision,))
                empty.commit()
                self._empty = empty.serialize()
        path = Path(self.path_for_shard(shard))
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(self._empty)
        # Not where another process was first, or the file system has no links: then Dagster looks at the file itself.
        with suppress(OSError):
            os.link(temporary, path)
            self._initialized_dbs.add(shard)
        temporary.unlink()

    def _close(self) -> None:
        with self._db_lock:
            if self._process == os.getpid():
                for engine in self._engines.values():
                    engine.dispose()
            self._engines.clear()


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("pragma journal_mode = wal")  # also while the tables of a new database are created
    connection.execute("pragma synchronous = normal")


def _superseded(index: Connection, query: str, run_ids: Collection[str]) -> list[int]:
    parameters = {"run_ids": json.dumps(list(run_ids))}
    return list(index.exec_driver_sql(query_text(__package__, query), parameters).scalars())


def _delete(index: Connection, column: sqlalchemy.Column[int], ids: Sequence[int]) -> None:
    for start in range(0, len(ids), BATCH_SIZE):
        index.execute(sqlalchemy.delete(column.table).where(column.in_(ids[start : start + BATCH_SIZE])))


def _is_asset_event(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS


def _planned_partitions(event: EventLogEntry) -> Sequence[str]:
    """Return the partitions that an event plans together; none if it is another event, or plans at most one."""
    if not event.is_dagster_event or not event.get_dagster_event().is_asset_materialization_planned:
        return ()
    subset = event.get_dagster_event().asset_materialization_planned_data.partitions_subset
    return tuple(subset.get_partition_keys()) if subset else ()


def _id_of(inserted: sqlalchemy.CursorResult[Any]) -> int:
    key = inserted.inserted_primary_key
    assert key is not None
    return int(key[0])
