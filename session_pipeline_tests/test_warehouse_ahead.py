"""Tests that a second thread writes the warehouse before it is published, and that this never changes what is in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import pytest

import session_pipeline
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import StoreError
from session_pipeline.publish.native_rows import Kept
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.publish.publication import Published
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.tables import TABLES
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.built_week import UNTIL, day_of_events
from session_pipeline_tests.deployment import Deployment, by_step

FIRST, LAST = 5, 6  # of October 2026
WAIT_SECONDS = 60.0
OF_THE_RUN = {"warehouse_info", "source_files"}
write = NewWarehouse.write


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> "Writers":
    return Writers(monkeypatch)


class Writers:
    """Notes which thread writes a warehouse. The second one can be told to fail.

    Attributes:
        names: The threads, in order.
        error: What the second thread raises after it has written the file.
        ended: Set when the second thread has written a warehouse, or failed.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.error: Exception | None = None
        self.ended = Event()

        def noting(new: NewWarehouse, kept: Kept) -> None:
            is_first = current_thread() is main_thread()
            self.names.append("first" if is_first else "second")
            try:
                write(new, kept)
                if not is_first and self.error is not None:
                    raise self.error
            finally:
                if not is_first:
                    self.ended.set()

        patch.setattr(NewWarehouse, "write", noting)


@contextmanager
def built_days(
    folder: Path,
    wait_for: Event | None = None,
    events_of: Callable[[int], list[dict[str, Any]]] = day_of_events,
) -> Iterator[Run]:
    """Yield a run that has built two days and not published them.

    Args:
        folder: The data folder.
        wait_for: Is waited for after the last step is built.
        events_of: Returns the events of a day.
    """
    deployment = Deployment(folder)
    for day in range(FIRST, LAST + 1):
        deployment.deliver(f"day-{day}", events_of(day))
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        plan = run.plan()
        run.begin_ahead(plan.days[0], plan.days[-1])
        for step, days in by_step(plan):
            run.build(step, days)
        if wait_for is not None:
            assert wait_for.wait(WAIT_SECONDS)
        yield run


def contents(folder: Path) -> dict[str, list[str]]:
    """Return the rows of the published tables, as texts, except those that record when a run did something."""
    with session_pipeline.connect(folder) as connection:
        names = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
        return {
            name: sorted(map(str, connection.execute(f"select * from {name}").fetchall()))
            for name in sorted(names - OF_THE_RUN)
            if name in TABLES and not TABLES[name].is_log
        }


def unfinished_files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".warehouse")]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what is published by one thread."""
    folder = tmp_path_factory.mktemp("one thread")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBEngine, "second_jobs", lambda self: None)
        with built_days(folder) as run:
            assert isinstance(run.publish(), Published)
    return contents(folder)


@pytest.mark.long
def test_warehouse_that_was_written_ahead_is_published(
    writers: Writers, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    with built_days(tmp_path, writers.ended) as run:
        assert not run.folder.warehouse.exists()
        published = run.publish()
        assert isinstance(published, Published)
        assert published.generation == run.store.catalog.generation()
        assert published.replaced_count > 0
    assert writers.names == ["second"]
    assert contents(tmp_path) == expected
    assert unfinished_files(tmp_path) == []


@pytest.mark.long
def test_failure_of_the_second_thread_is_repaired_by_the_first(
    writers: Writers, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    writers.error = OSError("the disk is full")
    with built_days(tmp_path, writers.ended) as run:
        assert isinstance(run.publish(), Published)
    assert writers.names == ["second", "first"]
    assert contents(tmp_path) == expected
    assert unfinished_files(tmp_path) == []


@pytest.mark.long
def test_warehouse_of_another_state_is_not_published(
    writers: Writers, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    with built_days(tmp_path, writers.ended) as run:
        before = run.store.catalog.generation()
        run.build(STEP_OF_TABLE["session_facts"], [date(2026, 10, LAST)], force=True)
        published = run.publish()
        assert isinstance(published, Published)
        assert published.generation > before
    assert writers.names == ["second", "first"]
    assert contents(tmp_path) == expected
    assert unfinished_files(tmp_path) == []


@pytest.mark.long
def test_warehouse_is_not_published_if_something_became_stale(writers: Writers, tmp_path: Path) -> None:
    with built_days(tmp_path, writers.ended) as run:
        run.store.commit([], run_id="test", drop=[run.store.of_table("session_facts")[0].key])
        assert "is stale" in str(run.publish())
    assert not run.folder.warehouse.exists()
    assert unfinished_files(tmp_path) == []


@pytest.mark.long
def test_warehouse_that_another_program_opened_meanwhile_is_not_replaced(writers: Writers, tmp_path: Path) -> None:
    with built_days(tmp_path, writers.ended) as run:
        run.folder.warehouse.with_name("warehouse.duckdb.wal").touch()
        with pytest.raises(StoreError, match="something opened the warehouse for writing"):
            run.publish()
    assert writers.names == ["second"]
    assert not run.folder.warehouse.exists()
    assert unfinished_files(tmp_path) == []


@pytest.mark.nightly
def test_run_that_does_not_publish_leaves_no_file(writers: Writers, tmp_path: Path) -> None:
    with built_days(tmp_path, writers.ended) as run:
        assert len(unfinished_files(run.folder.path)) == 1
    assert unfinished_files(tmp_path) == []
