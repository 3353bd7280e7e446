"""The pipeline as a resource: the store is held for one run, and freed when it ends.

Knows how Dagster starts and ends a resource. Does not know what the run does with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import tags
from session_pipeline.pipeline import Run, open_run


class PipelineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One data folder, opened for the run that asks.

    Attributes:
        data_folder: Path of the data folder.
    """

    data_folder: str
    _run: Run | None = PrivateAttr(default=None)

    @property
    def run(self) -> Run:
        """The run's hold on the store."""
        assert self._run is not None, "the resource is used outside a run"
        return self._run

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PipelineResource"]:
        """Hold the store while the run lasts; another writer is waited for, and named in the log."""
        run_tags = context.run.tags if context.run else {}
        until = run_tags.get(tags.UNTIL)
        with open_run(
            DataFolder(Path(self.data_folder)),
            run_id=context.run.run_id if context.run else "",
            until=date.fromisoformat(until) if until else None,
            on_wait=context.log.info if context.log else None,
        ) as run:
            self._run = run
            try:
                yield self
            finally:
                self._run = None
