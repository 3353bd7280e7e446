"""The pipeline as a Dagster resource: it holds the lock of the store from the first op of a run to the end of the run.

This module opens and closes the pipeline run. The ops that use it are in `defs.assets` and `defs.checks`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import dead_runs, tags
from session_pipeline.errors import SessionPipelineError
from session_pipeline.run.pipeline import Run, open_run
from session_pipeline.store.shortage import report_shortage

RETRIES = 2
RETRY_SECONDS = 5


@contextmanager
def errors_for_dagster(folder: DataFolder) -> Iterator[None]:
    """Convert errors for Dagster: errors that a person must fix are not retried, other operating system errors are."""
    try:
        with report_shortage(folder.store):
            yield
    except SessionPipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except OSError as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS) from error


class PipelineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The pipeline of one data folder, opened for one run.

    Attributes:
        data_folder: Path of the data folder.
    """

    data_folder: str
    _open: Callable[[], Run] | None = PrivateAttr(default=None)
    _run: Run | None = PrivateAttr(default=None)
    _stop_if_ended: Callable[[], None] | None = PrivateAttr(default=None)

    @contextmanager
    def opened(self) -> Iterator[Run]:
        """Yield the pipeline run to an op, and convert its errors for Dagster.

        The first op opens the store. If another process holds the store, or if the settings are invalid, that op fails
        with its own error message, instead of the start of the run.
        """
        with errors_for_dagster(DataFolder(Path(self.data_folder))):
            if self._run is None:
                assert self._open is not None, "the resource is used outside a run"
                self._run = self._open()
            # Checked while the lock is held, so that an orphan that gets it late does not repeat its successor's work.
            self.stop_if_ended()
            yield self._run

    def stop_if_ended(self) -> None:
        """Stop a run that was canceled or already reported as finished. Long ops call this from time to time."""
        assert self._stop_if_ended is not None, "the resource is used outside a run"
        self._stop_if_ended()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PipelineResource"]:
        """Let the ops of the run open the store. They wait for another writer, and the log names it."""
        assert context.run is not None
        assert context.instance is not None
        run_id = context.run.run_id
        by_hand = {} if tags.REASON in context.run.tags else {tags.REASON: tags.MANUAL}
        context.instance.add_run_tags(run_id, {**dead_runs.signature(run_id), **by_hand})
        until = context.run.tags.get(tags.UNTIL)
        open_now = partial(
            open_run,
            DataFolder(Path(self.data_folder)),
            run_id=run_id,
            until=date.fromisoformat(until) if until else None,
            upgrade=tags.UPGRADE in context.run.tags,
            on_wait=context.log.info if context.log else None,
        )
        with ExitStack() as held:
            self._open = lambda: held.enter_context(open_now())
            self._stop_if_ended = partial(dead_runs.stop_if_ended, context.instance, run_id)
            try:
                yield self
            finally:
                self._open = self._run = self._stop_if_ended = None
