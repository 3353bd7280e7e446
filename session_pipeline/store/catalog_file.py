"""The SQLite file of the catalog: its tables, its transactions, checks of its rows, and the store's own state.

Every change is one transaction, so a killed run leaves either the state before the change or the state after it. The
state is numbers and texts by name, such as the number of the last change. catalog.py reads and writes the rows of the
other tables.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import date
from pathlib import Path

from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points, damage, read_only
from session_pipeline.store.sqlite import write_again

BUSY_SECONDS = 60  # how long to wait for a lock that another program holds
CATALOG_FILE = "catalog.sqlite"  # its name in the folder of the store
SCHEMA = """
create table if not exists state (name text primary key, value not null, digest text not null default '');
create table if not exists partitions (
    table_name text not null, date text not null, file_id text not null,
    path text not null, sha256 text not null, row_count integer not null, byte_count integer not null,
    fingerprint text not null, parts text not null, counts text not null, reason text not null, run_id text not null,
    built_at text not null, generation integer not null, is_damaged integer not null default 0,
    changed_generation integer not null default 0, causes text not null default '[]',
    part_list text not null default '', digest text not null default '',
    primary key (table_name, date, file_id)
) without rowid;
create table if not exists source_files (
    file_id text primary key, fingerprint text not null, facts text not null,
    digest text not null default ''
);
create table if not exists deliveries (
    path text not null, file_id text not null, stamp text not null, digest text not null default '',
    primary key (path, file_id)
) without rowid;
create table if not exists recipes (recipe text primary key, parts text not null, digest text not null default '');
create table if not exists retired (
    path text primary key, generation integer not null, digest text not null default ''
);
create table if not exists publications (
    generation integer primary key, data_until text not null, settings_hash text not null, published_at text not null,
    run_id text not null, digest text not null default ''
);
"""
TABLES = ("state", "partitions", "source_files", "deliveries", "recipes", "retired", "publications")
# Columns that a store of an older format lacks: table, column, declaration.
ADDED_COLUMNS = (
    ("partitions", "changed_generation", "integer not null default 0"),
    ("partitions", "causes", "text not null default '[]'"),
    ("partitions", "part_list", "text not null default ''"),
    *((table_name, damage.DIGEST, "text not null default ''") for table_name in TABLES),
)
# The first versions did not record the format of an accepted file. With none, the next run reads the file again.
ADDED_FORMATS = """
update source_files set facts = json_set(facts, '$.format', '', '$.formats', json('[]'))
where json_extract(facts, '$.status') = 'accepted' and json_extract(facts, '$.format') is null
"""

# Names of numbers and texts of the state that several packages use.
RUN_IS_OPEN = "run_is_open"  # number: 1 while a run writes, and after one that was killed or failed
WAREHOUSE_BYTES = "warehouse_bytes"  # number: the size of the warehouse as published; 0: write it again
FROZEN_BEFORE = "frozen_before"  # number: the first day that is not frozen, as its ordinal; 0: no day is
FROZEN_TIMEZONE = "frozen_timezone"  # text: the time zone of the frozen days; empty: older versions had none


def number_in(path: Path, name: str) -> int:
    """Return a recorded number of a catalog file, which can be of another version; 0 if it was never recorded.

    Changes no table.
    """
    with closing(read_only.connect_to_read(path, BUSY_SECONDS)) as connection:
        row = connection.execute("select value from state where name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


class CatalogFile:
    """The open catalog file, for use in one process.

    Attributes:
        before_commit: Called before each transaction is committed. If it raises an error, nothing is changed.
        is_read_only: Whether this user cannot write it. Then it can be a copy of the state in which it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Open the catalog; create it if it does not exist."""
        self._path = path
        self.before_commit: Callable[[], None] | None = None
        self._rollback_count = 0
        copy = None
        try:
            self._connection = self._opened()
        except sqlite3.Error as error:
            copy = read_only.opened_copy(path) if read_only.means_no_access(error) else None
            if copy is None or not all(_has_column(copy, *item[:2]) for item in ADDED_COLUMNS):
                raise
            self._connection = copy
        self._connection.row_factory = sqlite3.Row
        damage.define_digest(self._connection)
        self.is_read_only = copy is not None or not os.access(path, os.W_OK)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            with self._explained():
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = full")
                connection.executescript(SCHEMA)
                _add_columns(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self, *, advances: bool = True) -> Iterator[int]:
        """Run one transaction, and yield its generation. Either all of it becomes visible at once, or nothing.

        Args:
            advances: Whether the change makes a new generation; false for changes that alter no table.
        """
        self._connection.execute("begin immediate")
        try:
            crash_points.reached("catalog: transaction begun")
            generation = self.generation() + int(advances)
            self.set_state("generation", generation)
            yield generation
            crash_points.reached("catalog: transaction filled")
            if self.before_commit is not None:
                self.before_commit()
            self._connection.execute("commit")
        except BaseException:
            self._roll_back()
            self._rollback_count += 1
            raise
        crash_points.reached("catalog: transaction committed")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads within see one state, whatever a writer does meanwhile."""
        self._connection.execute("begin")
        try:
            yield
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        """End a transaction without its changes. SQLite has done so after some errors, such as of a full disk."""
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def data_version(self) -> int:
        """A number that differs from the last one if another connection has changed the file since."""
        return int(self._connection.execute("pragma data_version").fetchone()[0])

    def shrink(self) -> None:
        """Write the file again without deleted rows, and empty the write-ahead log.

        Raises:
            StoreError: Another process reads the catalog for too long.
        """
        self._connection.execute("pragma secure_delete = on")
        if not write_again(self._connection):
            raise StoreError("the catalog is being read by another process; run `session-pipeline run` again later")

    # Damage

    def _explained(self) -> AbstractContextManager[None]:
        """Explain the errors that damaged rows cause within."""
        return damage.damage_explained(self._path)

    def check_rows(self) -> None:
        """Check every page, and every row whose digest is recorded.

        Raises:
            StoreError: Something is damaged.
        """
        with self.snapshot():
            damage.check_rows(self._connection, self._path)

    def record_missing_digests(self) -> None:
        """Record the digests of rows that an older version wrote, so that they can be checked from now on."""
        with self.transaction(advances=False):
            damage.record_missing(self._connection)

    # State

    def generation(self) -> int:
        """The number of the current state; it grows with each change of a table."""
        return self.number("generation")

    def set_state(self, name: str, value: int | str) -> None:
        """Record a number or a text of the store's own state, such as the generation that the lake shows.

        Outside a transaction, it is one of its own.
        """
        is_within = self._connection.in_transaction
        with nullcontext() if is_within else self.transaction(advances=False):
            damage.put_rows(self._connection, "state", [{"name": name, "value": value}])

    def number(self, name: str) -> int:
        """A recorded number; 0 if it was never recorded."""
        with self._explained():
            return int(self._value(name) or 0)

    def text(self, name: str) -> str:
        """A recorded text; empty if it was never recorded."""
        with self._explained():
            return str(self._value(name) or "")

    def _value(self, name: str) -> int | str | None:
        row = self._connection.execute("select value from state where name = ?", (name,)).fetchone()
        return row[0] if row else None

    def frozen_before(self) -> date | None:
        """The first day that is not frozen, because raw events of earlier days have expired; None if none have."""
        number = self.number(FROZEN_BEFORE)
        with self._explained():
            return date.fromordinal(number) if number else None


def _add_columns(connection: sqlite3.Connection) -> None:
    missing = [item for item in ADDED_COLUMNS if not _has_column(connection, *item[:2])]
    if not missing:
        return
    connection.execute("begin immediate")
    with connection:
        for table_name, column, declared in missing:
            if not _has_column(connection, table_name, column):  # another process may have added it meanwhile
                connection.execute(f"alter table {table_name} add column {column} {declared}")
        connection.execute(ADDED_FORMATS)
        for table_name in {table_name for table_name, _, _ in missing}:
            damage.forget(connection, table_name)


def _has_column(connection: sqlite3.Connection, table_name: str, column: str) -> bool:
    return column in {name for (name,) in connection.execute("select name from pragma_table_info(?)", (table_name,))}
