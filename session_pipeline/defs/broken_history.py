"""Finds databases of Dagster that two processes created at the same moment, which Dagster cannot open any more.

Does not import Dagster. `defs.storages` prevents it; a dagster.yaml of an older version, or one that names Dagster's
own classes, does not.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from session_pipeline.defs import home

BUSY_SECONDS = 30
# What is deleted with each database, and what is lost with it.
OF_DATABASE = {
    home.RUNS: ("history", "the history of runs in the UI"),
    home.INDEX: ("history", "the history of runs in the UI"),
    home.SCHEDULES: ("schedules", "the ticks, and which schedules and sensors were switched on or off in the UI"),
}


def broken(dagster_home: Path) -> str | None:
    """Return a sentence about databases with two versions of their tables: what to do, and what is lost; else None."""
    lost: dict[str, str] = {}
    for database, (folder, what) in OF_DATABASE.items():
        if is_broken(dagster_home / database):
            lost[folder] = what
    if not lost:
        return None
    folders = " and ".join(str(dagster_home / folder) for folder in lost)
    return (
        f"two processes created Dagster's databases in {dagster_home} at the same moment, and broke them; stop"
        f" `session-pipeline dev`, the webserver and the daemon, delete {folders}, and start them again; this loses"
        f" {' and '.join(lost.values())}, but no data"
    )


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
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as connection:
            [count] = connection.execute("select count(*) from alembic_version").fetchone()
    except sqlite3.Error:
        return 0  # no table yet, or the file cannot be read, which is reported when it is opened
    return int(count)
