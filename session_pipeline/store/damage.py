"""Finds damage of the catalog: explains the errors that it causes, and keeps a digest for each row.

SQLite has no checksums. It notices a damaged page only if the page makes no sense, so a flipped bit in a text or a
number is read as if it had been written. This module handles the catalog only; store_files.py hashes the Parquet
files.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from session_pipeline.errors import StoreError
from session_pipeline.store.sqlite import primary_code

FIX = "restore it from a backup; without one, remove the store: the next run rebuilds it from the files under raw/"
# 20 digits: no flipped bit in the head of a row makes this length 0, which would mean that there is no digest yet.
DIGEST_BYTES = 10
DIGEST = "digest"  # the column; empty in rows of older versions until `verify` records it
DIGEST_OF = "row_digest"  # the function that computes it, in the SQL of connections for which it is defined
# ERROR: a table or column has another name than it had. 0: Python could not decode a text.
SIGNS_OF_DAMAGE = {0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def damage_explained(path: Path | str) -> Iterator[None]:
    """Turn errors of reading damaged rows of a catalog into one clear error. Other errors pass through unchanged.

    Raises:
        StoreError: A page makes no sense, or a value is not of its type.
    """
    try:
        yield
    except (ValueError, TypeError, sqlite3.DatabaseError) as error:
        is_wrong_use = isinstance(error, sqlite3.ProgrammingError)  # such as a closed connection
        if is_wrong_use or (isinstance(error, sqlite3.Error) and primary_code(error) not in SIGNS_OF_DAMAGE):
            raise
        raise damaged(path, error) from error


class RecordedValues(dict[str, Any]):
    """Values of a JSON object in a row, by name. Asking for one that is missing reports damage, unlike `get`."""

    __slots__ = ("_about", "_path")  # a catalog can have millions

    def __init__(self, values: Mapping[str, Any], path: Path | str, about: str) -> None:
        """Take the values.

        Args:
            values: The values, by name.
            path: The catalog, or what it is called.
            about: What the values are about, in the error.
        """
        super().__init__(values)
        self._path = path
        self._about = about

    def __missing__(self, name: str) -> Any:
        """Report a name that is always recorded, so damage changed it or its row.

        Raises:
            StoreError: Always.
        """
        raise damaged(self._path, f"{self._about} has no {name}")


def damaged(path: Path | str, how: object) -> StoreError:
    """Return the error for a damaged catalog."""
    return StoreError(f"{path} is damaged ({how}); {FIX}")


def define_digest(connection: sqlite3.Connection) -> None:
    """Let the SQL of a connection compute the digest of a row from its values."""
    connection.create_function(DIGEST_OF, -1, _digest, deterministic=True)


def put_rows(
    connection: sqlite3.Connection,
    table_name: str,
    rows: Sequence[Mapping[str, object]],
    verb: str = "insert or replace",
) -> None:
    """Write rows, each with its digest. Each row must have all columns of the table.

    Columns are given by name, because columns that were added to an older catalog come last in it.
    """
    if not rows:
        return
    columns = sorted(rows[0])
    values = ", ".join(f":{column}" for column in columns)
    connection.executemany(
        f"{verb} into {table_name} ({', '.join(columns)}, {DIGEST}) values ({values}, {DIGEST_OF}({values}))", rows
    )


def check_rows(connection: sqlite3.Connection, path: Path) -> None:
    """Check the pages of a catalog, and compare every row that has a digest with it.

    Raises:
        StoreError: Something is damaged.
    """
    with damage_explained(path):
        [(problem, *_), *_] = connection.execute("pragma integrity_check(1)").fetchall()
        if problem != "ok":
            raise damaged(path, " ".join(str(problem).split()))
        for table_name in _tables(connection):
            digest = _digest_sql(connection, table_name)
            wrong = f"select count(*) from {table_name} where {DIGEST} not in ('', {digest})"
            [count] = connection.execute(wrong).fetchone()
            if count:
                raise damaged(path, f"{count:,} row{'s' if count > 1 else ''} of {table_name} not as written")


def record_missing(connection: sqlite3.Connection) -> None:
    """Record the digests of rows that an older version wrote. Call within a transaction."""
    for table_name in _tables(connection):
        digest = _digest_sql(connection, table_name)
        connection.execute(f"update {table_name} set {DIGEST} = {digest} where {DIGEST} = ''")


def forget(connection: sqlite3.Connection, table_name: str) -> None:
    """Empty the digests of a table, because it got another column. Call within a transaction."""
    connection.execute(f"update {table_name} set {DIGEST} = '' where {DIGEST} <> ''")


def _digest(*values: int | str | bytes | float | None) -> str:
    text = json.dumps(values, default=repr)  # repr: of a value that is not of its type, because it is damaged
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("select name from sqlite_master where type = 'table' order by name")
    return [name for (name,) in rows.fetchall()]


def _digest_sql(connection: sqlite3.Connection, table_name: str) -> str:
    """Return SQL of the digest of a row. The order of its columns does not depend on when they were added."""
    rows = connection.execute(
        "select name from pragma_table_info(?) where name <> ? order by name", (table_name, DIGEST)
    )
    return f"{DIGEST_OF}({', '.join(name for (name,) in rows.fetchall())})"
