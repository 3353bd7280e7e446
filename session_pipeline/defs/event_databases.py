"""Keeps the SQLite files of Dagster's events open, and remembers what they have.

Dagster opens a database three times for each event, waits each time until the disk has the event, and asks for the
tables and columns of a database at each step.
"""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, StaticPool

from session_pipeline.defs import broken_history
from session_pipeline.engines.sql import query_text
from session_pipeline.store.files import remove_temporaries, temporary_name

MOST_OPEN = 16  # databases that stay open: the index, and those of the latest runs


class EventDatabases(SqliteEventLogStorage):
    """Dagster's SQLite event log with connections that stay open and do not wait for the disk.

    A power failure can lose the last events, but cannot damage the files.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the event log in a folder; create it if it does not exist."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._in_use: dict[str, Connection] = {}
        self._process = os.getpid()
        self._empty = b""
        self._found: set[tuple[str, str]] = set()
        super().__init__(base_dir, inst_data)
        # Reentrant, because a batch is one block around the blocks of its events.
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table. Dagster asks at each step, with a connection of its own."""

        def is_there() -> bool:
            with self.index_connection() as index:
                return sqlalchemy.inspect(index).has_table(table_name)

        return self._stays_true("table", table_name, is_there)

    def has_secondary_index(self, name: str) -> bool:
        """Whether a migration of the index is done. Dagster asks several times at each step."""
        return self._stays_true("migration", name, lambda: super(EventDatabases, self).has_secondary_index(name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the table of assets has a column. Dagster asks several times at each step, and lists all columns."""
        return self._stays_true(
            "column", column_name, lambda: super(EventDatabases, self).has_asset_key_col(column_name)
        )

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        """Answer the same question for an event that is being stored."""

        def is_there() -> bool:
            return super(EventDatabases, self)._has_asset_key_col_on_connection(conn, column_name)

        return self._stays_true("column", column_name, is_there)

    def _stays_true(self, kind: str, name: str, is_true: Callable[[], bool]) -> bool:
        """Return the answer to a question, which is not asked again once the answer is yes."""
        if (kind, name) not in self._found and is_true():
            self._found.add((kind, name))
        return (kind, name) in self._found

    def wipe(self) -> None:
        """Delete all events."""
        self.close_files()
        super().wipe()

    def dispose(self) -> None:
        """Close the databases."""
        self.close_files()
        super().dispose()

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
        if shard not in self._initialized_dbs and broken_history.is_created(Path(self.path_for_shard(shard))):
            self._initialized_dbs.add(shard)  # Dagster itself reads all its migrations to see that
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
        path = Path(self.path_for_shard(shard))
        if not self._empty:
            remove_temporaries(path.parent, ".*.db.*")  # of processes that were killed here
            with self.index_connection() as index, closing(sqlite3.connect(":memory:")) as empty:
                for (statement,) in index.exec_driver_sql(query_text(__package__, "event_tables")):
                    empty.execute(statement)
                for (revision,) in index.exec_driver_sql("select version_num from alembic_version"):
                    empty.execute("insert into alembic_version values (?)", (revision,))
                empty.commit()
                self._empty = empty.serialize()
        temporary = temporary_name(path)
        try:
            temporary.write_bytes(self._empty)
            # Not where another process was first, or the file system has no links: then Dagster looks at the file.
            with suppress(OSError):
                os.link(temporary, path)
                self._initialized_dbs.add(shard)
        except OSError as error:
            error.filename = error.filename or str(path)  # errors of write() do not name the file
            raise
        finally:
            temporary.unlink(missing_ok=True)

    def close_files(self) -> None:
        """Close the databases until the next event, so that nothing keeps them from being written again."""
        self._found.clear()
        with self._db_lock:
            if self._process == os.getpid():
                for engine in self._engines.values():
                    engine.dispose()
            self._engines.clear()


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("pragma journal_mode = wal")  # also while the tables of a new database are created
    connection.execute("pragma synchronous = normal")
