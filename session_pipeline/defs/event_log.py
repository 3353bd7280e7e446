"""Stores Dagster's events in the same SQLite files as Dagster's own class, with a fraction of the work.

Dagster opens a database three times for each event and waits each time until the disk has the event. Here the
connections stay open, a commit does not wait for the disk, and the events of one output (one for each partition) are
one transaction. A power failure can lose the last events, but cannot damage the files. The store has its own catalog
and loses nothing.

dagster.yaml names the class `EventLog`. Without it, Dagster's own class reads and writes the same files.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import sqlalchemy
from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, StaticPool

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
        super().__init__(base_dir, inst_data)
        # Reentrant, because a batch is one block around the blocks of its events.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "EventLog":
        """Create the event log of a Dagster home; `base_dir` is that folder."""
        return cls(os.path.join(config_value["base_dir"], "history", "runs", ""), inst_data)

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
        rows = [self._event_to_row(event) for event in events]
        run.execute(insert, rows)
        ids = [_id_of(index.execute(insert, row)) for row in rows]
        self._store_asset_event_tags(index, events, ids)
        # The row of an asset shows its latest event of each type, so the others need no update.
        latest = {
            (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
            for event, event_id in zip(events, ids, strict=True)
        }
        for event, event_id in latest.values():
            self._store_asset_event(index, event, event_id)

    def wipe(self) -> None:
        """Delete all events."""
        self._close()
        super().wipe()

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
        if shard not in self._initialized_dbs:
            self._initdb(sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=options))
            self._initialized_dbs.add(shard)
        engine = sqlalchemy.create_engine(url, poolclass=StaticPool, connect_args=options)

        @sqlalchemy.event.listens_for(engine, "connect")
        def do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
            connection.execute("pragma synchronous = normal")

        return engine

    def _close(self) -> None:
        with self._db_lock:
            if self._process == os.getpid():
                for engine in self._engines.values():
                    engine.dispose()
            self._engines.clear()


def _is_asset_event(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS


def _id_of(inserted: sqlalchemy.CursorResult[Any]) -> int:
    key = inserted.inserted_primary_key
    assert key is not None
    return int(key[0])
