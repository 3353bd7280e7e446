"""The catalog: one SQLite file that records the store's partitions, delivered files and publications.

Every change is one transaction, so a killed run leaves either the state before the change or the state after it. This
module handles rows and transactions. store.py handles the Parquet files; build/planner.py finds what is stale.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline.errors import StoreError
from session_pipeline.store import crash_points, damage
from session_pipeline.store.catalog_rows import (
    PARTITION,
    date_text,
    file_paths_of,
    partition_of,
    publication_of,
    row_of,
)
from session_pipeline.store.records import Key, Partition, Publication, Recipe, SourceFile

CATALOG_FILE = "catalog.sqlite"  # its name in the folder of the store
WAREHOUSE_BYTES = "warehouse_bytes"  # number: the size of the warehouse as published; 0: write it again
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
RUN_IS_OPEN = "run_is_open"  # number: 1 while a run writes, and after one that was killed or failed
FROZEN_BEFORE = "frozen_before"  # a recorded number: the first day that is not frozen, as its ordinal; 0: no day is
FROZEN_TIMEZONE = "frozen_timezone"  # a recorded text: the time zone of the frozen days; empty: older versions had none
TABLES = ("state", "partitions", "source_files", "deliveries", "recipes", "retired", "publications")
# Columns that a store of an older format lacks: table, column, declaration.
ADDED_COLUMNS = (
    ("partitions", "changed_generation", "integer not null default 0"),
    ("partitions", "causes", "text not null default '[]'"),
    ("partitions", "part_list", "text not null default ''"),
    *((table_name, damage.DIGEST, "text not null default ''") for table_name in TABLES),
)


def number_in(path: Path, name: str) -> int:
    """Return a recorded number of a catalog file, which can be of another version; 0 if it was never recorded.

    Changes no table. SQLite may create the files that readers share, so the file is not opened read-only.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60)) as connection:
        row = connection.execute("select value from state where name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


class Catalog:
    """The open catalog file, for use in one process."""

    def __init__(self, path: Path) -> None:
        """Open the catalog; create it if it does not exist."""
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        # The ledger as it was read last, and the state of the file then. A run asks for it several times.
        self._ledger: tuple[tuple[int, int], dict[str, SourceFile]] | None = None
        self._ledger_changes = 0
        try:
            with self._explained():
                self._connection.execute("pragma journal_mode = wal")
                self._connection.execute("pragma synchronous = full")
                self._connection.executescript(SCHEMA)
                self._add_columns()
                damage.define_digest(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _add_columns(self) -> None:
        missing = [item for item in ADDED_COLUMNS if not self._has_column(*item[:2])]
        if not missing:
            return
        self._connection.execute("begin immediate")
        with self._connection:
            for table_name, column, declared in missing:
                if not self._has_column(table_name, column):  # another process may have added it meanwhile
                    self._connection.execute(f"alter table {table_name} add column {column} {declared}")
            for table_name in {table_name for table_name, _, _ in missing}:
                damage.forget(self._connection, table_name)

    def _has_column(self, table_name: str, column: str) -> bool:
        columns = self._connection.execute("select name from pragma_table_info(?)", (table_name,))
        return column in {row["name"] for row in columns}

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
            self.set_number("generation", generation)
            yield generation
            crash_points.reached("catalog: transaction filled")
        except BaseException:
            self._connection.execute("rollback")
            self._ledger_changes += 1  # it may have been read within
            raise
        self._connection.execute("commit")
        crash_points.reached("catalog: transaction committed")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads within see one state, whatever a writer does meanwhile."""
        self._connection.execute("begin")
        try:
            yield
        finally:
            self._connection.execute("rollback")

    def generation(self) -> int:
        """The number of the current state; it grows with each change of a table."""
        return self.number("generation")

    def set_number(self, name: str, value: int) -> None:
        """Record a number of the store's own state, such as the generation that the lake shows."""
        self._set(name, value)

    def number(self, name: str) -> int:
        """A recorded number; 0 if it was never recorded."""
        with self._explained():
            return int(self._value(name) or 0)

    def set_text(self, name: str, value: str) -> None:
        """Record a text of the store's own state."""
        self._set(name, value)

    def text(self, name: str) -> str:
        """A recorded text; empty if it was never recorded."""
        with self._explained():
            return str(self._value(name) or "")

    def _set(self, name: str, value: int | str) -> None:
        damage.put_rows(self._connection, "state", [{"name": name, "value": value}])

    def _value(self, name: str) -> int | str | None:
        row = self._connection.execute("select value from state where name = ?", (name,)).fetchone()
        return row[0] if row else None

    def shrink(self) -> None:
        """Write the file again without deleted rows, and empty the write-ahead log.

        Raises:
            StoreError: Another process reads the catalog for too long.
        """
        self._connection.execute("pragma secure_delete = on")
        self._connection.execute("vacuum")
        [is_busy, *_] = self._connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        if is_busy:
            raise StoreError("the catalog is being read by another process; run `session-pipeline run` again later")

    def frozen_before(self) -> date | None:
        """The first day that is not frozen, because raw events of earlier days have expired; None if none have."""
        number = self.number(FROZEN_BEFORE)
        with self._explained():
            return date.fromordinal(number) if number else None

    def data_version(self) -> int:
        """A number that differs from the last one if another connection has changed the file since."""
        return int(self._connection.execute("pragma data_version").fetchone()[0])

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

    # Partitions

    def partitions(self) -> dict[Key, Partition]:
        """All partitions."""
        with self._explained():
            rows = self._connection.execute(f"select {', '.join(PARTITION)} from partitions")
            return {partition.key: partition for partition in map(partition_of, rows)}

    def put(self, partitions: Sequence[Partition]) -> None:
        """Record partitions and retire their previous files. Call within a transaction."""
        if not partitions:
            return
        paths = [[file.path for file in partition.files] for partition in partitions]
        for partition, its_paths in zip(partitions, paths, strict=True):
            self._retire(partition.key, except_paths=its_paths, generation=partition.generation)
        self._connection.executemany(
            "delete from retired where path = ?", [(path,) for its_paths in paths for path in its_paths]
        )
        damage.put_rows(self._connection, "partitions", list(map(row_of, partitions)))

    def drop(self, key: Key, generation: int) -> None:
        """Remove a partition and retire its files. Call within a transaction."""
        self._retire(key, except_paths=(), generation=generation)
        self._connection.execute(
            "delete from partitions where table_name = ? and date = ? and file_id = ?",
            (key.table, date_text(key.date), key.file_id),
        )

    def mark_damaged(self, key: Key) -> None:
        """Record that a partition's file is damaged, so that the next run rebuilds it."""
        rows = self._connection.execute(
            f"select {', '.join(PARTITION)} from partitions where table_name = ? and date = ? and file_id = ?",
            (key.table, date_text(key.date), key.file_id),
        )
        damage.put_rows(self._connection, "partitions", [dict(row) | {"is_damaged": 1} for row in rows.fetchall()])

    def _retire(self, key: Key, *, except_paths: Collection[str], generation: int) -> None:
        rows = self._connection.execute(
            "select path, part_list from partitions where table_name = ? and date = ? and file_id = ?",
            (key.table, date_text(key.date), key.file_id),
        )
        before = (path for row in rows.fetchall() for path in file_paths_of(row))
        retired = [{"path": path, "generation": generation} for path in before if path not in except_paths]
        damage.put_rows(self._connection, "retired", retired)

    def retired(self, until_generation: int) -> list[str]:
        """Files that no partition has used since a generation."""
        rows = self._connection.execute("select path from retired where generation <= ?", (until_generation,))
        return [row["path"] for row in rows]

    def forget_retired(self, paths: Iterable[str]) -> None:
        """Delete the records of retired files that were removed."""
        self._connection.executemany("delete from retired where path = ?", [(path,) for path in paths])

    def named_paths(self) -> set[str]:
        """All files that a partition uses, and all retired files."""
        rows = self._connection.execute("select path, part_list from partitions union all select path, '' from retired")
        return {path for row in rows for path in file_paths_of(row)}

    # Recipes: what all partitions of a step that are built with the same code and settings have in common

    def put_recipe(self, recipe: Recipe) -> None:
        """Record the parts of a recipe under its hash. Call within a transaction."""
        row = {"recipe": recipe.value, "parts": json.dumps(recipe.parts)}
        damage.put_rows(self._connection, "recipes", [row], verb="insert or ignore")

    def recipes(self) -> dict[str, dict[str, str]]:
        """The parts of all recipes that were ever used, by hash."""
        with self._explained():
            rows = self._connection.execute("select recipe, parts from recipes")
            return {row["recipe"]: json.loads(row["parts"]) for row in rows}

    # Delivered files

    def source_files(self) -> dict[str, SourceFile]:
        """The ledger, by file id.

        `delivery_count` and `path` are derived from the deliveries and do not depend on their order.
        """
        state = self.data_version(), self._ledger_changes
        if self._ledger is None or self._ledger[0] != state:
            with self._explained():
                self._ledger = state, self._read_ledger()
        return dict(self._ledger[1])

    def _read_ledger(self) -> dict[str, SourceFile]:
        rows = self._connection.execute(
            "select file_id, min(path) as first_path, count(*) as delivery_count from deliveries group by file_id"
        )
        delivered = {
            row["file_id"]: {"path": row["first_path"], "delivery_count": row["delivery_count"]} for row in rows
        }
        never: Mapping[str, Any] = {"path": None, "delivery_count": 0}
        rows = self._connection.execute("select file_id, fingerprint, facts from source_files order by file_id")
        return {
            row["file_id"]: SourceFile(
                row["file_id"], row["fingerprint"], json.loads(row["facts"]) | delivered.get(row["file_id"], never)
            )
            for row in rows
        }

    def put_source_file(self, source_file: SourceFile) -> None:
        """Record a delivered file. Call within a transaction."""
        self._ledger_changes += 1
        row = {
            "file_id": source_file.file_id,
            "fingerprint": source_file.fingerprint,
            "facts": json.dumps(dict(source_file.facts)),
        }
        damage.put_rows(self._connection, "source_files", [row])

    def forget_source_file(self, file_id: str) -> None:
        """Remove a delivered file and its paths from the ledger. Call within a transaction."""
        self._ledger_changes += 1
        self._connection.execute("delete from source_files where file_id = ?", (file_id,))
        self._connection.execute("delete from deliveries where file_id = ?", (file_id,))

    def put_delivery(self, path: str, file_id: str, stamp: str) -> None:
        """Record the content found at a path, with a stamp that shows whether the file has been changed since.

        Call within a transaction.
        """
        self._ledger_changes += 1
        rows = self._connection.execute("select file_id from deliveries where path = ? and stamp <> ''", (path,))
        stamps = dict.fromkeys((row["file_id"] for row in rows.fetchall()), "") | {file_id: stamp}
        damage.put_rows(
            self._connection,
            "deliveries",
            [{"path": path, "file_id": content, "stamp": its_stamp} for content, its_stamp in stamps.items()],
        )

    def delivered(self) -> dict[str, tuple[str, str]]:
        """The stamp and file id that each path had when it was last read."""
        with self._explained():
            rows = self._connection.execute("select path, stamp, file_id from deliveries where stamp <> ''")
            return {row["path"]: (row["stamp"], row["file_id"]) for row in rows}

    def paths_of(self, file_id: str) -> list[str]:
        """Every path under which a content was delivered."""
        rows = self._connection.execute("select path from deliveries where file_id = ? order by path", (file_id,))
        return [row["path"] for row in rows]

    # Publications

    def publications(self) -> list[Publication]:
        """All publications, newest first."""
        with self._explained():
            rows = self._connection.execute("select * from publications order by generation desc")
            return list(map(publication_of, rows))

    def latest_publication(self) -> Publication | None:
        """The latest publication; None if nothing was published yet."""
        with self._explained():
            row = self._connection.execute("select * from publications order by generation desc limit 1").fetchone()
            return publication_of(row) if row else None

    def put_publication(self, publication: Publication) -> None:
        """Record a publication."""
        row = {**asdict(publication), "data_until": publication.data_until.isoformat()}
        damage.put_rows(self._connection, "publications", [row])
