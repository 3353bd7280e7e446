"""Runs models on a DuckDB database in memory: opens it with the limits of the settings, and closes it.

The jobs are in duckdb_jobs.py.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from session_pipeline.engines.base import TaskRunner
from session_pipeline.engines.connections import private_connection, second_connection
from session_pipeline.engines.duckdb_files import Statistics
from session_pipeline.engines.duckdb_jobs import DuckDBJobs
from session_pipeline.tables import models

AUTO = "auto"
# With two threads, days of 10 million events fit. More memory makes only `sessionize` of big days faster (measured).
MEGABYTES_OF_THREAD = 700
FEWEST_MEGABYTES = 1000
# For so few events, one thread is faster than two: handing over work takes longer than the work (measured).
MOST_EVENTS_OF_ONE_THREAD = 10_000


@dataclass(frozen=True)
class Limits:
    """The resources that the engine may use. They never change a row.

    Attributes:
        memory: DuckDB's memory limit; `AUTO` stands for MEGABYTES_OF_THREAD for each thread, at least FEWEST_MEGABYTES
            and at most half of the machine's memory.
        threads: The number of threads; 0 leaves it to DuckDB.
    """

    memory: str = AUTO
    threads: int = 0

    @property
    def memory_limit(self) -> str:
        """The memory limit as DuckDB reads it."""
        if self.memory != AUTO:
            return self.memory
        of_threads = max((self.threads or os.cpu_count() or 1) * MEGABYTES_OF_THREAD, FEWEST_MEGABYTES)
        of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
        return f"{min(of_threads, of_machine // 2)}MB"


class DuckDBEngine(DuckDBJobs):
    """A DuckDB database in memory that builds partitions on one connection, or on two at the same time."""

    stretch_scale = 1
    keeps_rows = True
    reads_compacted = True
    task_runner: TaskRunner | None = None

    def __init__(self, limits: Limits, scratch: Path) -> None:
        """Open an in-memory database that spills into its own folder below `scratch`."""
        self._spill = scratch / "spill"
        connection = private_connection(
            memory_limit=limits.memory_limit,
            temp_directory=str(self._spill),
            **({"threads": limits.threads} if limits.threads else {}),
        )
        super().__init__(connection, Statistics())
        self.connection.execute("set enable_progress_bar = false")
        self.connection.execute(models.macros())
        [(self._threads,)] = self.connection.execute("select current_setting('threads')").fetchall()
        self._used_threads = self._threads
        self._second: DuckDBJobs | None = None

    def expect(self, event_count: int) -> None:
        """Use one thread if the days to build have few events, otherwise all."""
        threads = 1 if event_count <= MOST_EVENTS_OF_ONE_THREAD else self._threads
        if threads != self._used_threads:
            self.connection.execute(f"set threads = {threads}")
            self._used_threads = threads

    def second_jobs(self) -> DuckDBJobs | None:
        """Return what runs jobs on a second connection, if there is a second thread; see `engines.base.Engine`."""
        if self._threads == 1:
            return None
        if self._second is None:
            self._second = DuckDBJobs(second_connection(self.connection), self._statistics)
        self._statistics.stay_off(self.connection)
        return self._second

    def end_second_jobs(self) -> None:
        """Say that no more jobs run on the second connection."""
        self._statistics.come_back(self.connection)

    def close(self) -> None:
        """Close the connections and delete their spill files."""
        if self._second is not None:
            self._second.connection.close()
        self.connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)
