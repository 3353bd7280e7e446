"""Opens Dagster's SQLite databases one process at a time: if two create the tables at once, the database is broken.

The webserver and the daemon open them at their start, without a command of this package before. So the lock is taken
here, in the classes that dagster.yaml names. `defs.event_log` has the class for events, `defs.broken_history` finds
databases that are broken already.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster._core.storage.runs.sqlite import SqliteRunStorage
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from session_pipeline.defs import broken_history, home, subsets
from session_pipeline.errors import HistoryError
from session_pipeline.store.files import make_folder
from session_pipeline.store.locks import folder_lock

subsets.compare_by_days()


@contextmanager
def opening(base_dir: str, database: str) -> Iterator[str]:
    """Keep other processes from opening a database of a Dagster home within the block; yield its folder.

    Args:
        base_dir: The Dagster home.
        database: The file, relative to the home.

    Raises:
        HistoryError: The database is broken.
    """
    path = Path(base_dir, database).absolute()
    make_folder(path.parent)
    with folder_lock(path.parent):
        # Only this database: another one may be in creation, which a reader would disturb.
        if broken_history.is_broken(path):
            raise HistoryError(broken_history.broken(Path(base_dir).absolute()) or "")
        yield os.path.join(path.parent, "")


def _url_of_created(base_dir: str, database: str) -> str | None:
    """Return the URL of a database that has its tables; None if Dagster must create them.

    Dagster itself reads all its migrations, also to open a database that has them.
    """
    path = Path(base_dir, database).absolute()
    return f"sqlite:///{path}" if broken_history.is_created(path) else None


class Runs(SqliteRunStorage):
    """Dagster's SQLite storage of runs, in `history` of the Dagster home that `base_dir` names."""

    _has_times = _has_backfills = False  # until Dagster's migration has added the columns

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "Runs":
        """Open the storage; create it if it does not exist."""
        with opening(config_value["base_dir"], home.RUNS) as folder:
            url = _url_of_created(config_value["base_dir"], home.RUNS)
            return cls(url, inst_data) if url else cls.from_local(folder, inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection within a transaction."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def has_run_stats_index_cols(self) -> bool:
        """Whether the table of runs has columns for their times. Dagster asks for each run that it reads."""
        self._has_times = self._has_times or super().has_run_stats_index_cols()
        return self._has_times

    def has_backfill_id_column(self) -> bool:
        """Whether the table of runs has a column for backfills. Dagster asks for each run that it reads or adds."""
        self._has_backfills = self._has_backfills or super().has_backfill_id_column()
        return self._has_backfills

    @cached_property
    def _engine(self) -> Engine:
        """Opens connections. Dagster itself makes an engine for each one, which compiles all its statements again."""
        return create_engine(self._conn_string, poolclass=NullPool)


class Schedules(SqliteScheduleStorage):
    """Dagster's SQLite storage of ticks, in `schedules` of the Dagster home that `base_dir` names."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "Schedules":
        """Open the storage; create it if it does not exist."""
        with opening(config_value["base_dir"], home.SCHEDULES) as folder:
            url = _url_of_created(config_value["base_dir"], home.SCHEDULES)
            storage = cls(url, inst_data) if url else cls.from_local(folder, inst_data)
        assert isinstance(storage, cls)  # Dagster declares its own class
        return storage
