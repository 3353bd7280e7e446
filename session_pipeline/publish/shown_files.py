"""Records in the warehouse which files of the store its tables show.

The record is read once and written once, whatever the number of tables is. native_rows.py replaces the rows of files
that differ from it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import duckdb

from session_pipeline.engines.sql import literal, query_text
from session_pipeline.store.records import Partition

# For tables that only this package uses. In a schema of their own, they do not show up among the tables for analysts.
INTERNAL_SCHEMA = "_internal"
PUBLISHED = f"{INTERNAL_SCHEMA}.published"
# The files of partitions of several files, by the hash in PUBLISHED. Made when there is such a partition.
PART_FILES = f"{INTERNAL_SCHEMA}.part_files"
_GRAIN = "One row is a file whose rows a table of this warehouse shows. For session_pipeline itself."
_COLUMNS = (
    ("table_name", "varchar", "Table that shows the rows."),
    ("date", "date", "Day of the rows; null where the table has no days."),
    ("file_id", "varchar", "Delivered file that the rows are about; empty where the table is not kept by file."),
    ("sha256", "varchar", "SHA-256 of the Parquet file in the store."),
)
Place = tuple[date | None, str]  # the date and the delivered file of a partition


def make_internal_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables that only this package uses, in a new file.

    A file without them was written by another version. The first query on them fails, and `NewFile.write` then writes
    a new file.
    """
    columns = ", ".join(f"{name} {kind}" for name, kind, _ in _COLUMNS)
    connection.execute(f"create schema {INTERNAL_SCHEMA}")
    connection.execute(f"create table {PUBLISHED} ({columns})")
    connection.execute(f"comment on table {PUBLISHED} is {literal(_GRAIN)}")
    for name, _, meaning in _COLUMNS:
        connection.execute(f"comment on column {PUBLISHED}.{name} is {literal(meaning)}")


def has_part_files(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse shows a partition of several files."""
    found = "select 1 from duckdb_tables() where schema_name = $1 and table_name = 'part_files'"
    return connection.execute(found, [INTERNAL_SCHEMA]).fetchone() is not None


def recorded(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, date | None, str, str]]:
    """Return the table, the date, the delivered file and the hash of each file that the warehouse shows."""
    return connection.execute(f"select table_name, date, file_id, sha256 from {PUBLISHED}").fetchall()


class ShownFiles:
    """The files that the tables of a warehouse show, and how that changes before it is written."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read what the warehouse shows."""
        self._hashes: dict[str, dict[Place, str]] = {}
        for name, day, file_id, sha256 in recorded(connection):
            self._hashes.setdefault(name, {})[day, file_id] = sha256
        self._removed: list[tuple[str, date | None, str]] = []
        self._added: list[Partition] = []

    def of_table(self, name: str) -> Mapping[Place, str]:
        """Return the hashes of the files that a table shows, by date and delivered file, without added ones."""
        return self._hashes.get(name, {})

    def remove_table(self, name: str) -> None:
        """Note that a table shows no files any more."""
        self.remove(name, tuple(self.of_table(name)))

    def remove(self, name: str, places: Collection[Place]) -> None:
        """Note that a table no longer shows some of its files."""
        of_table = self._hashes.get(name, {})
        for place in places:
            del of_table[place]
            self._removed.append((name, *place))

    def add(self, partitions: Sequence[Partition]) -> None:
        """Note that tables show these partitions. They show no others of the same date and delivered file."""
        self._added += partitions

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Record in the warehouse what changed."""
        if self._removed:
            connection.execute(
                f"delete from {PUBLISHED} as shown using {_lists('table_name', 'date', 'file_id')} as removed"
                " where shown.table_name = removed.table_name and shown.date is not distinct from removed.date"
                " and shown.file_id = removed.file_id",
                list(map(list, zip(*self._removed, strict=True))),
            )
        if self._added:
            rows = [(*partition.key, partition.sha256) for partition in self._added]
            connection.execute(
                f"insert into {PUBLISHED} from {_lists('table_name', 'date', 'file_id', 'sha256')}",
                list(map(list, zip(*rows, strict=True))),
            )
        if several := [partition for partition in self._added if len(partition.files) > 1]:
            _record_parts(connection, several)


def _lists(*names: str) -> str:
    """Return a SELECT of rows with these columns of PUBLISHED. Parameter $1 is the list of the first one, and so on."""
    kinds = {name: kind for name, kind, _ in _COLUMNS}
    columns = (f"unnest(${number}::{kinds[name]}[]) as {name}" for number, name in enumerate(names, start=1))
    return f"(select {', '.join(columns)})"


def _record_parts(connection: duckdb.DuckDBPyConnection, partitions: Sequence[Partition]) -> None:
    parts = [
        (partition.sha256, number, file.sha256)
        for partition in partitions
        for number, file in enumerate(partition.files, start=1)
    ]
    connection.execute(f"create table if not exists {PART_FILES} (content varchar, number integer, sha256 varchar)")
    connection.execute(f"delete from {PART_FILES} where content not in (select sha256 from {PUBLISHED})")
    connection.execute(
        f"insert into {PART_FILES} {query_text(__package__, 'new_part_files')}",
        list(map(list, zip(*parts, strict=True))),
    )
