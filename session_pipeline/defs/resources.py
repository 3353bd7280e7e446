"""The pipeline as a resource: the store is held from the first step of a run to its end.

Knows how Dagster starts and ends a resource. Does not know what the run does with it.
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
from session_pipeline.store.shortage import shortage_said

RETRIES = 2
RETRY_SECONDS = 5


@contextmanager
def errors_for_dagster(folder: DataFolder) -> Iterator[None]:
    """Trouble with the operating system is tried again; what a person must mend is not, and is said in one sentence."""
    try:
        with shortage_said(folder.store):
            yield
    except SessionPipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except OSError as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS) from error


class PipelineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One data folder, opened for the run that asks.

    Attributes:
        data_folder: Path of the data folder.
    """

    data_folder: str
    _open: Callable[[], Run] | None = PrivateAttr(default=None)
    _run: Run | None = PrivateAttr(default=None)
    _stop_if_ended: Callable[[], None] | None = PrivateAttr(default=None)

    @contextmanager
    def opened(self) -> Iterator[Run]:
        """The run's hold on the store, for a step that works with it; its errors are told to Dagster.

        The first step opens the store, so that a store that is held, or settings that cannot be used, fail a step in
        their own words and not Dagster's start of the run.
        """
        with errors_for_dagster(DataFolder(Path(self.data_folder))):
            if self._run is None:
                assert self._open is not None, "the resource is used outside a run"
                self._run = self._open()
            # Looked at while the store is held: an orphan that comes late does no work after its successor did it.
            self.stop_if_ended()
            yield self._run

    def stop_if_ended(self) -> None:
        """Stop a run that was canceled or given up; for steps that take long to call now and then."""
        assert self._stop_if_ended is not None, "the resource is used outside a run"
        self._stop_if_ended()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PipelineResource"]:
        """Let the run's steps open the store; another writer is waited for, and named in the log."""
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
