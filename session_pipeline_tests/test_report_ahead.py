"""Tests that a second thread reads the figures of the report, and that this never changes the report."""

import errno
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

import duckdb
import pytest

from session_pipeline import report
from session_pipeline.build import ahead
from session_pipeline.checks import settings_match_data, silent_sites
from session_pipeline.errors import StoreError
from session_pipeline.publish import native_limit, warehouse
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.publish.publication import Published
from session_pipeline.report import figures
from session_pipeline.report.ahead import ReadAhead, read_ahead
from session_pipeline.run import written_ahead
from session_pipeline.run.run import Run
from session_pipeline.settings_warnings import find_for_folder
from session_pipeline_tests.built_week import day_of_events
from session_pipeline_tests.test_warehouse_ahead import LAST, WAIT_SECONDS, built_days, unfinished_files

read, connect = figures.read, warehouse.connect
BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"


def bot_events(day: int) -> list[dict[str, Any]]:
    return [{**event, "user_agent": BOT} for event in day_of_events(day)]


class Readers:
    """Notes which thread reads the figures. The second one can be told to wait or to fail.

    Attributes:
        names: The threads, in order.
        error: What the second thread raises after it has read the figures.
        may_open: The second thread opens the warehouse when it is set. It knows the place of the file before.
        may_read: The second thread reads the figures when it is set.
        begun: Set when the second thread has written the warehouse, and opens it next.
        opened: Set when the second thread has opened the warehouse.
        ended: Set when the second thread has read the figures, or failed.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.error: Exception | None = None
        self.may_open, self.may_read = Event(), Event()
        self.begun, self.opened, self.ended = Event(), Event(), Event()
        self.may_open.set()
        self.may_read.set()

        def noting(connection: duckdb.DuckDBPyConnection, *which: Any) -> figures.Figures:
            is_first = current_thread() is main_thread()
            self.names.append("first" if is_first else "second")
            if is_first:
                return read(connection, *which)
            self.opened.set()
            assert self.may_read.wait(WAIT_SECONDS)
            found = read(connection, *which)
            if self.error is not None:
                raise self.error
            return found

        def waiting(*where: Any, **limits: Any) -> duckdb.DuckDBPyConnection:
            if current_thread() is not main_thread():
                self.begun.set()
                assert self.may_open.wait(WAIT_SECONDS)
            return connect(*where, **limits)

        def ending(*what: Any) -> ReadAhead:
            try:
                return read_ahead(*what)
            finally:
                self.ended.set()

        patch.setattr(figures, "read", noting)
        patch.setattr(warehouse, "connect", waiting)
        patch.setattr(written_ahead, "read_ahead", ending)


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    made = Readers(monkeypatch)
    yield made
    made.may_open.set()
    made.may_read.set()


def publish(run: Run) -> None:
    """Publish, and compare the settings with what is published, as the check after it does."""
    assert isinstance(run.publish(), Published)
    run.outcome.findings = find_for_folder(run.folder, run.settings)


def is_as_read_from_the_warehouse(run: Run) -> bool:
    """Whether the report of a run is the one that is written from the warehouse."""
    assert run.outcome.report is not None
    written = run.outcome.report
    page = written.path.read_bytes()
    again = report.write(run.folder, run.settings)
    return (page, written.charts) == (again.path.read_bytes(), again.charts)


@pytest.mark.long
@pytest.mark.parametrize(
    "has_views", [pytest.param(False, id="tables"), pytest.param(True, id="views", marks=pytest.mark.nightly)]
)
def test_report_is_made_from_the_figures_that_were_read_ahead(
    has_views: bool, readers: Readers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if has_views:
        monkeypatch.setattr(native_limit, "_native_bytes", lambda *_: 10e12)
    with built_days(tmp_path, readers.ended) as run:
        publish(run)
        with duckdb.connect(str(run.folder.warehouse), read_only=True) as connection:
            sessions = connection.execute("select count(*) from duckdb_views() where view_name = 'sessions'")
            assert sessions.fetchone() == (int(has_views),)
        run.write_report()
        assert readers.names == ["second"]
        assert is_as_read_from_the_warehouse(run)
    assert readers.names == ["second", "first"]
    assert unfinished_files(tmp_path) == []


@pytest.mark.nightly
def test_report_without_visits_is_made_from_what_was_read_ahead(readers: Readers, tmp_path: Path) -> None:
    with built_days(tmp_path, readers.ended, events_of=bot_events) as run:
        publish(run)
        run.write_report()
        assert readers.names == ["second"]
        assert not report.day_file(run.folder, date(2026, 10, LAST)).exists()
        assert is_as_read_from_the_warehouse(run)


@pytest.mark.long
def test_publishing_does_not_wait_for_the_figures(readers: Readers, tmp_path: Path) -> None:
    readers.may_read.clear()
    with built_days(tmp_path, readers.opened) as run:
        publish(run)
        assert not readers.ended.is_set()
        readers.may_read.set()
        run.write_report()
        assert readers.names == ["second"]
        assert is_as_read_from_the_warehouse(run)


@pytest.mark.nightly
def test_warehouse_that_is_put_in_place_before_it_is_opened_is_read_there(readers: Readers, tmp_path: Path) -> None:
    readers.may_open.clear()
    with built_days(tmp_path, readers.begun) as run:
        publish(run)
        readers.may_open.set()
        run.write_report()
        assert readers.names == ["second"]
        assert is_as_read_from_the_warehouse(run)


@pytest.mark.long
def test_report_reads_a_warehouse_that_was_changed_since(readers: Readers, tmp_path: Path) -> None:
    with built_days(tmp_path, readers.ended) as run:
        publish(run)
        with duckdb.connect(str(run.folder.warehouse)) as connection:
            connection.execute("update warehouse_info set timezone = 'Mars/Olympus'")
        run.write_report()
        assert readers.names == ["second", "first"]
        assert is_as_read_from_the_warehouse(run)


@pytest.mark.nightly
def test_checks_use_what_was_read_ahead(readers: Readers, tmp_path: Path) -> None:
    with built_days(tmp_path, readers.ended) as run:
        run.publish()
        found = settings_match_data(run, ()), silent_sites(run, ())
        ahead = run.read_of_published()
        assert ahead is not None
        assert run.outcome.findings is ahead.findings
        assert readers.names == ["second"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Run, "read_of_published", lambda run: None)
            assert found == (settings_match_data(run, ()), silent_sites(run, ()))
        assert run.outcome.findings == ahead.findings


@pytest.mark.nightly
def test_settings_are_compared_again_after_a_delivery_of_another_source(readers: Readers, tmp_path: Path) -> None:
    with built_days(tmp_path, readers.ended) as run:
        run.publish()
        (run.folder.raw / "app").mkdir()
        (run.folder.raw / "app" / "events.jsonl").touch()
        settings_match_data(run, ())
        ahead = run.read_of_published()
        assert ahead is not None
        assert run.outcome.findings == find_for_folder(run.folder, run.settings) != ahead.findings


@pytest.mark.nightly
def test_report_without_findings_reads_the_warehouse(readers: Readers, tmp_path: Path) -> None:
    with built_days(tmp_path, readers.ended) as run:
        run.publish()
        run.write_report()
        assert readers.names == ["second", "first"]
        assert is_as_read_from_the_warehouse(run)


@pytest.mark.long
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(duckdb.OutOfMemoryException("out of memory"), id="memory limit"),
        pytest.param(OSError(errno.ENOSPC, "no space"), id="disk full", marks=pytest.mark.nightly),
    ],
)
def test_error_of_the_second_thread_is_not_seen(error: Exception, readers: Readers, tmp_path: Path) -> None:
    readers.error = error
    with built_days(tmp_path, readers.ended) as run:
        publish(run)
        run.write_report()
        assert readers.names == ["second", "first"]
        assert is_as_read_from_the_warehouse(run)


@pytest.mark.nightly
def test_error_of_the_first_thread_is_raised(readers: Readers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("damaged")

    readers.error = StoreError("not seen")
    with built_days(tmp_path, readers.ended) as run:
        publish(run)
        monkeypatch.setattr(figures, "read", fail)
        with pytest.raises(StoreError, match="damaged"):
            run.write_report()


@pytest.mark.long
def test_figures_of_a_warehouse_that_is_not_published_are_not_used(readers: Readers, tmp_path: Path) -> None:
    readers.may_read.clear()  # so that its file is open while the first thread writes another one
    with built_days(tmp_path, readers.opened) as run:
        new = run._written_ahead._new
        write = NewWarehouse.write

        def writing(other: NewWarehouse, *kept: Any) -> None:
            assert not readers.ended.is_set()
            write(other, *kept)
            readers.may_read.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(NewWarehouse, "write", writing)
            patch.setattr(NewWarehouse, "is_equal", lambda this, other: False)
            publish(run)
        assert new is not None
        assert not new.file.is_in_place
        run.write_report()
        assert readers.names == ["second", "first"]
        assert is_as_read_from_the_warehouse(run)
    assert unfinished_files(tmp_path) == []


@pytest.mark.long
def test_failed_publication_leaves_no_file_and_no_figures(readers: Readers, tmp_path: Path) -> None:
    log = tmp_path / "warehouse.duckdb.wal"
    with built_days(tmp_path, readers.ended) as run:
        log.touch()
        with pytest.raises(StoreError, match="something opened the warehouse for writing"):
            run.publish()
        assert unfinished_files(tmp_path) == []
        assert run.read_of_published() is None
        log.unlink()
        publish(run)
        run.write_report()
        assert readers.names == ["second", "first"]
        assert is_as_read_from_the_warehouse(run)
    assert unfinished_files(tmp_path) == []


@pytest.mark.long
def test_run_that_ends_meanwhile_waits_for_the_figures(readers: Readers, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), built_days(tmp_path, readers.opened):
        raise KeyboardInterrupt
    assert readers.ended.is_set()
    assert unfinished_files(tmp_path) == []


@pytest.mark.nightly
def test_figures_of_big_days_are_not_read_ahead(
    readers: Readers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ahead, "MOST_EVENTS", 1)
    with built_days(tmp_path) as run:
        publish(run)
        assert run.read_of_published() is None
        run.write_report()
        assert readers.names == ["first"]
