"""The pipeline as a Dagster resource: it holds the lock of the store from the first op of a run to the end of the run.

This module opens and closes the pipeline run. The ops that use it are in `defs.assets` and `defs.checks`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from time import monotonic

import dagster as dg

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import dead_runs, tags
from session_pipeline.defs.same_folder import require_own_history
from session_pipeline.errors import SessionPipelineError
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.store.shortage import report_shortage

RETRIES = 2
RETRY_SECONDS = 5
INTERRUPTED_QUERY = "Query interrupted"
ASK_SECONDS = 1.0  # Dagster is asked at most this often whether the run was ended


@contextmanager
def errors_for_dagster(folder: DataFolder) -> Iterator[None]:
    """Convert errors for Dagster: errors that a person must fix are not retried, other operating system errors are.

    If Ctrl-C or a cancel arrives during a query, DuckDB replaces the exception of Dagster's signal handler by its own.
    """
    try:
        with report_shortage(folder.store):
            yield
    except RuntimeError as error:
        if str(error) != INTERRUPTED_QUERY:
            raise
        raise dg.DagsterExecutionInterruptedError from error
    except SessionPipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except OSError as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS) from error


class Pipeline:
    """The pipeline of one data folder, for the ops of one Dagster run."""

    def __init__(self, folder: DataFolder, open_now: Callable[[], Run], ask_dagster: Callable[[], None]) -> None:
        """Take a function that opens the pipeline run, and one that raises an error if the Dagster run was ended."""
        self._folder = folder
        self._open_now = open_now
        self._ask_dagster = ask_dagster
        self._ask_at = 0.0
        self._run: Run | None = None

    def stop_if_ended(self) -> None:
        """Stop a run that was canceled or already reported as finished. Long ops call this from time to time."""
        if monotonic() >= self._ask_at:
            self._ask_dagster()
            self._ask_at = monotonic() + ASK_SECONDS

    @contextmanager
    def opened(self) -> Iterator[Run]:
        """Yield the pipeline run to an op, and convert its errors for Dagster.

        The first op opens the store. If another process holds the store, or if the settings became invalid after the
        definitions were loaded, that op fails with its own error message, instead of the start of the run.
        """
        with errors_for_dagster(self._folder):
            if self._run is None:
                self._run = self._open_now()
            # Checked while the lock is held, so that an orphan that gets it late does not repeat its successor's work.
            self.stop_if_ended()
            yield self._run


PipelineResource = dg.ResourceParam[Pipeline]


def make_resource(folder: DataFolder, shared: Run | None = None) -> dg.ResourceDefinition:
    """Create the resource `pipeline`.

    Args:
        folder: The data folder.
        shared: The open run of this process, for its own Dagster runs. Without it, each Dagster run opens one.
    """

    @dg.resource(description=f"The pipeline over {folder.path}.")
    def pipeline(context: dg.InitResourceContext) -> Iterator[Pipeline]:
        assert context.run is not None
        assert context.instance is not None
        run_id, run_tags = context.run.run_id, context.run.tags
        by_hand = {} if tags.REASON in run_tags else {tags.REASON: tags.MANUAL}
        context.instance.add_run_tags(run_id, {**dead_runs.signature(run_id), **by_hand})
        stop_if_ended = partial(dead_runs.stop_if_ended, context.instance, run_id)
        if shared is not None:
            shared.begin(run_id)
            yield Pipeline(folder, lambda: shared, stop_if_ended)
            return
        until = run_tags.get(tags.UNTIL)
        instance = context.instance
        # The ops wait for another writer, and the log names it.
        open_now = partial(
            open_run,
            folder,
            run_id=run_id,
            until=date.fromisoformat(until) if until else None,
            upgrade=tags.UPGRADE in run_tags,
            on_wait=context.log.info if context.log else None,
        )
        with ExitStack() as held:

            def opened() -> Run:
                require_own_history(instance, folder)
                run = held.enter_context(open_now())
                run.keep_published_days()
                if days := tags.planned_days(run_tags):
                    run.begin_ahead(*days)
                return run

            yield Pipeline(folder, opened, stop_if_ended)

    return pipeline
