"""Holds what a run makes once: its ingest, its builder and the outdated days.

`run.pipeline` decides when a run needs them, and replaces all of them together when they are no longer right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from session_pipeline.build.builder import Builder
from session_pipeline.store.records import Partition

if TYPE_CHECKING:
    from session_pipeline.ingest.deliveries import Ingest
    from session_pipeline.run.pipeline import Run


@dataclass
class Work:
    """What a run makes once, each when it is first needed.

    It is right for the run id, the raw events and the frozen days that the run has then. When one of them changes, the
    run replaces the whole object, so no part of it can stay in use by mistake.

    Attributes:
        run: The run.
        repair: Rebuilds a damaged partition.
    """

    run: "Run"
    repair: Callable[[Partition], None]

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
            run.store, run.planner, run.model_engine, run.second_thread, run_id=run.run_id, repair=self.repair
        )

    @cached_property
    def outdated_days(self) -> frozenset[date]:
        """The outdated days according to the latest plan."""
        return self.run.latest_plan().outdated_days
