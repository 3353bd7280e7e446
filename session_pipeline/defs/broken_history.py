"""Finds databases of Dagster that it cannot use any more: damaged, or created by two processes at the same moment.

Does not import Dagster. `defs.storages` prevents the latter; a dagster.yaml of an older version, or one that names
Dagster's own classes, does not.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from session_pipeline.defs import home
from session_pipeline.store.sqlite import open_existing, primary_code

BUSY_SECONDS = 30
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# What is deleted with each database, and what is lost with it.
OF_DATABASE = {
    home.RUNS: ("history", "the history of runs in the UI"),
    home.INDEX: ("history", "the history of runs in the UI"),
    home.SCHEDULES: ("schedules", "the ticks, and which schedules and sensors were switched on or off in the UI"),
}


def broken(dagster_home: Path) -> str | None:
    """Return a sentence about databases with two versions of their tables: what to do, and what is lost; else None."""
    lost = {folder: what for database, (folder, what) in OF_DATABASE.items() if is_broken(dagster_home / database)}
    if not lost:
        return None
    return (
        f"two processes created Dagster's databases in {dagster_home} at the same moment, and broke them;"
        f" {_what_to_do(dagster_home, lost)}"
    )


def damaged(dagster_home: Path, *, reads_all: bool) -> str | None:
    """Return a sentence about databases that SQLite cannot read: what to do, and what is lost; else None.

    Args:
        dagster_home: The folder of the databases.
        reads_all: Whether each page is looked at, also of the databases with the events of one run each, which takes
            seconds for a long history; otherwise only the first page of the others.
    """
    lost: dict[str, str] = {}
    files = []
    databases = dict(OF_DATABASE)
    if reads_all:
        for path in sorted((dagster_home / home.INDEX).parent.glob("*.db")):
            databases.setdefault(str(path.relative_to(dagster_home)), OF_DATABASE[home.INDEX])
    for database, (folder, what) in databases.items():
        if _is_damaged(dagster_home / database, "quick_check(1)" if reads_all else "schema_version"):
            files.append(str(dagster_home / database))
            lost[folder] = what
    if not lost:
        return None
    return f"damaged database of Dagster: {' and '.join(files)}; {_what_to_do(dagster_home, lost)}"


def damaged_schedules(dagster_home: Path) -> str | None:
    """Return a sentence if SQLite cannot read the database of schedules, which only the daemon and the UI read."""
    if not _is_damaged(dagster_home / home.SCHEDULES, "schema_version"):
        return None
    return damaged(dagster_home, reads_all=False)


def _what_to_do(dagster_home: Path, lost: Mapping[str, str]) -> str:
    """Return what to delete, by folder of the databases, and what is lost with it."""
    folders = " and ".join(str(dagster_home / folder) for folder in lost)
    return (
        f"stop `session-pipeline dev`, the webserver and the daemon, delete {folders}, and start them again; this loses"
        f" {' and '.join(lost.values())}, but no data"
    )


def _is_damaged(path: Path, pragma: str) -> bool:
    if not path.is_file():
        return False
    try:
        with closing(open_existing(path, BUSY_SECONDS)) as connection:
            [found] = connection.execute(f"pragma {pragma}").fetchone()
    except sqlite3.DatabaseError as error:
        return is_damage(error)
    return isinstance(found, str) and found != "ok"


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of SQLite means that the content of a file is damaged."""
    return primary_code(error) in DAMAGE


def is_broken(path: Path) -> bool:
    """Return whether a database has two versions of its tables."""
    return _version_count(path) > 1


def is_created(path: Path) -> bool:
    """Return whether a database exists and has all its tables; Dagster sets their version after it created them."""
    return _version_count(path) == 1


def _version_count(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        with closing(open_existing(path, BUSY_SECONDS)) as connection:
            [count] = connection.execute("select count(*) from alembic_version").fetchone()
    except sqlite3.Error:
        return 0  # no table yet, or the file cannot be read, which is reported when it is opened
    return int(count)
