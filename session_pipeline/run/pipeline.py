"""Begins runs over one data folder, and opens data folders to look at them.

The command line, Dagster and the tests all use this module, so they cannot disagree. run.py defines what a run does.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date

from session_pipeline.build.second_thread import SecondThread
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.chosen import chosen_engine
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.run.opened import (
    HAD_SETTINGS,
    OpenFolder,
    current_plan,
    horizon,
    make_planner,
    open_folder,
    open_store,
)
from session_pipeline.run.outcome import Progress
from session_pipeline.run.run import Run
from session_pipeline.store.catalog_file import FROZEN_TIMEZONE
from session_pipeline.store.shortage import report_shortage

LOCK_WAIT_SECONDS = 3600.0

__all__ = [
    "LOCK_WAIT_SECONDS",
    "current_plan",
    "horizon",
    "make_planner",
    "open_folder",
    "open_run",
    "open_store",
    "writing",
]


@contextmanager
def writing(
    opened: OpenFolder, *, run_id: str, progress: Progress | None = None, wait_seconds: float = LOCK_WAIT_SECONDS
) -> Iterator[Run]:
    """Begin a run in an open data folder: lock its store, start the engine.

    If another process has changed the store since the folder was opened, the settings and the last day are determined
    again. Otherwise a run that waited for the lock could undo what the other one did.

    Args:
        opened: The data folder.
        run_id: The id of the run.
        progress: Is called while the run works.
        wait_seconds: How long to wait for another writer of the store.

    Raises:
        StoreHeldError: Another process holds the store for longer than `wait_seconds`.
        DiskFullError: The disk is too small for what the run writes.
        MemoryTooSmallError: The memory limit is too low for the run.
    """
    folder, store = opened.folder, opened.store
    progress = progress or Progress()
    with ExitStack() as stack:
        stack.enter_context(report_shortage(folder.store))
        if stack.enter_context(store.writing(wait_seconds=wait_seconds, on_wait=progress.on_wait)):
            opened = opened.renewed()
        resources = opened.settings.resources
        limits = Limits(resources.memory_limit, resources.threads)
        engine = stack.enter_context(closing(DuckDBEngine(limits, store.scratch)))
        model_engine = stack.enter_context(chosen_engine(opened.settings.engine, engine, store.scratch))
        second = stack.enter_context(closing(SecondThread(model_engine)))
        if folder.has_settings and not store.catalog.number(HAD_SETTINGS):
            with store.catalog.transaction(advances=False):
                store.catalog.set_state(HAD_SETTINGS, 1)
        if store.catalog.frozen_before() is not None and not store.catalog.text(FROZEN_TIMEZONE):
            with store.catalog.transaction(advances=False):  # the store of an older version
                store.catalog.set_state(FROZEN_TIMEZONE, opened.settings.timezone)
        run = Run(
            folder,
            opened.settings,
            store,
            opened.until,
            opened.upgrade,
            given_until=opened.given_until,
            profile=opened.profile,
            plans=opened.plans,
            to_read=opened.to_read,
            engine=engine,
            model_engine=model_engine,
            second_thread=second,
            run_id=run_id,
            progress=progress,
        )
        stack.callback(run.discard_unpublished)
        yield run


@contextmanager
def open_run(
    folder: DataFolder,
    *,
    run_id: str,
    until: date | None = None,
    upgrade: bool = False,
    wait_seconds: float = LOCK_WAIT_SECONDS,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Run]:
    """Open a data folder for one run: load the settings, lock the store, start the engine.

    Args:
        folder: The data folder.
        run_id: The id of the run.
        until: The last day that counts; None for the usual one.
        upgrade: Whether to rebuild days whose settings or models changed without the limit max_rebuild_days.
        wait_seconds: How long to wait for another writer of the store.
        on_wait: Called once, with a sentence that names the other writer, if the store is locked.

    Raises:
        SettingsError: The settings are invalid.
        WrongUseError: `until` is in the future or before start_date.
        StoreHeldError: Another process holds the store for longer than `wait_seconds`.
        DiskFullError: The disk is too small for what the run writes.
        MemoryTooSmallError: The memory limit is too low for the run.
    """
    progress = Progress(on_wait=on_wait) if on_wait else Progress()
    with (
        report_shortage(folder.store),
        open_folder(folder, until=until, upgrade=upgrade) as opened,
        writing(opened, run_id=run_id, progress=progress, wait_seconds=wait_seconds) as run,
    ):
        yield run
