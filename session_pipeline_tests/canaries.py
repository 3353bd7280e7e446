"""Finds where a text is in a data folder: in the bytes of all files, and in the values of all tables."""

import re
import sqlite3
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import duckdb

from session_pipeline.data_folder import DataFolder

PICTURE = re.compile(rb"base64,((?:[A-Za-z0-9+/]{4})+)")


def places_with(folder: DataFolder, text: str) -> set[str]:
    """Return the places below a data folder that have a text, without the delivered files.

    A place is the path of a file, or of a table: store/events, lake/events, warehouse.duckdb/main.events.
    """
    return set(all_places(folder, [text]))


def all_places(folder: DataFolder, texts: Sequence[str]) -> Iterator[str]:
    """Yield the places that have one of several texts."""
    for path in sorted(folder.path.rglob("*")):
        if path.is_file() and not path.is_relative_to(folder.raw):
            content = path.read_bytes()
            if content.startswith(b"SQLite"):  # its long texts are divided over pages, so its rows are read as well
                content += _rows_of_sqlite(path)
            # Pictures in the history of runs and in reports are in base64.
            content += b"".join(b64decode(found + b"==") for found in PICTURE.findall(content))
            if any(text.encode() in content for text in texts):
                yield path.relative_to(folder.path).as_posix()
    with duckdb.connect() as connection:
        for place, source in _tables(folder, connection):
            rows = repr(connection.execute(f"from {source}").fetchall())
            if any(text in rows for text in texts):
                yield place


def _rows_of_sqlite(path: Path) -> bytes:
    """Return all values of a database as text."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = [row for name in tables for row in connection.execute(f'select * from "{name}"')]
    return "\n".join(str(value) for row in rows for value in row).encode()


def _tables(folder: DataFolder, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield the place of each table of the store, the lake and the warehouse, and SQL that reads it."""
    for area in (folder.store, folder.lake):
        for table in sorted(path for path in area.iterdir() if path.is_dir()):
            files = sorted(map(str, table.rglob("*.parquet")))
            for file in files:
                yield table.relative_to(folder.path).as_posix(), f"read_parquet('{file}', hive_partitioning = false)"
    connection.execute(f"attach '{folder.warehouse}' as warehouse (read_only)")
    tables = "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'warehouse'"
    for (name,) in connection.execute(tables).fetchall():
        yield f"{folder.warehouse.name}/{name}", f"warehouse.{name}"


def areas_of(places: set[str]) -> set[str]:
    """Return the first part of each place: store, lake, warehouse.duckdb, reports, dagster_home, or a file."""
    return {Path(place).parts[0] for place in places}
