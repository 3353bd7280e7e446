"""Holds what a run makes once: its ingest, its builder and the outdated days.

`run.run` decides when a run needs them, and replaces all of them together when they are no longer right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from session_pipeline.build.builder import Builder
from session_pipeline.engines.duckdb_jobs import rows_of_days
from session_pipeline.store.records import Partition
from session_pipeline.tables import Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from session_pipeline.ingest.deliveries import Ingest
    from session_pipeline.publish.native_rows import Kept
    from session_pipeline.run.run import Run


@dataclass
class Work:
    """What a run makes once, each when it is first needed.

    It is right for the run id, the raw events and the frozen days that the run has then. When one of them changes, the
    run replaces the whole object, so no part of it can stay in use by mistake.
    """

    run: "Run"

    @cached_property
    def ingest(self) -> "Ingest":
        """The ingest of delivered files."""
        from session_pipeline.ingest.deliveries import Ingest  # loads Arrow; most runs have no file to read

        run = self.run
        return Ingest(
            run.folder,
            run.settings,
            run.store,
            run.engine,
            run_id=run.run_id,
            runner=run.model_engine.task_runner,
            ahead=run.files_ahead,
        )

    @cached_property
    def builder(self) -> Builder:
        """The builder of stale tables."""
        run = self.run
        return Builder(
            run.store,
            run.planner,
            run.model_engine,
            run.second_thread,
            run_id=run.run_id,
            repair=run.repair,
            is_outdated=lambda day: day in self.outdated_days,
        )

    def kept(self, connect: "Callable[[], DuckDBPyConnection]") -> "Kept":
        """Return the rows that the engine still has in memory, for a connection to it."""
        from session_pipeline.publish.native_rows import NOTHING_KEPT, Divided, Kept  # slow to load

        if self.run.model_engine is not self.run.engine or not self.builder.rows.has_kept:
            return NOTHING_KEPT  # big days are not kept; publishing them is not bound to the memory limit of the engine

        def divide(contract: Table, partitions: Sequence[Partition]) -> Divided:
            days = set(self.builder.rows.of_partitions(partitions).kept_days)
            in_files = [partition for partition in partitions if partition.key.date not in days]
            return Divided(in_files, rows_of_days(contract, days) if days else "")

        return Kept(connect, divide)

    @cached_property
    def outdated_days(self) -> frozenset[date]:
        """The outdated days according to the latest plan."""
        return self.run.latest_plan().outdated_days
