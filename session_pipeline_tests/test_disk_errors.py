"""Tests that an error of a full or broken disk is one sentence that names the right place."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import pytest
import sqlalchemy.exc
import typer

from session_pipeline.cli.app import app
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import code_location
from session_pipeline.defs.local_runs import QUIET, instance_of
from session_pipeline.engines.duckdb_files import Statistics
from session_pipeline.errors import DiskFullError, OpenFilesError, StoreError
from session_pipeline.ingest.mapping.visitors import find_key
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.catalog_file import CATALOG_FILE
from session_pipeline.store.shortage import report_shortage, sentence_of_database
from session_pipeline.store.sqlite import is_locked
from session_pipeline_tests.broken_disks import cannot_read


def sqlite_error(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


IO_ERROR = sqlite_error(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
LOCKED = sqlite_error(sqlite3.SQLITE_BUSY, "database is locked")
FULL = sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full")


def of_dagster(error: sqlite3.OperationalError) -> sqlalchemy.exc.OperationalError:
    found = sqlalchemy.exc.OperationalError("insert", {}, error)
    found.__cause__ = error
    return found


def test_full_disk_of_dagster_home_is_not_blamed_on_the_catalog(tmp_path: Path) -> None:
    store, home = tmp_path / "store", tmp_path / "dagster_home"
    store.mkdir()
    Catalog(store / CATALOG_FILE).close()
    home.mkdir()
    with pytest.raises(DiskFullError, match=f"cannot write {home}:"), report_shortage(home), report_shortage(store):
        raise of_dagster(FULL)
    with pytest.raises(DiskFullError, match=f"cannot write {store / CATALOG_FILE}:"), report_shortage(store):
        raise FULL


def error_of_spark(text: str) -> Exception:
    """Return an error as that of a JVM, which this environment may not have."""
    found: Exception = type("Py4JJavaError", (Exception,), {"__module__": "py4j.protocol"})(text)
    return found


LOST_TASK = (
    ": org.apache.spark.SparkException: Job aborted due to stage failure: Lost task 0.0 in stage 0.0 (TID 0)"
    " (10.0.0.1 executor 1): "
)
JAVA_FULL = "java.io.IOException: No space left on device"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f": [TASK_WRITE_FAILED]\nCaused by: org.apache.hadoop.fs.FSError: {JAVA_FULL}\nCaused by: {JAVA_FULL}", None),
        (f"{LOST_TASK}{JAVA_FULL}\n\tat java.base/x\nCaused by: {JAVA_FULL}", "a temporary file of Spark below spark."),
        (
            f"{LOST_TASK}java.io.FileNotFoundException: /local/1 (Disk quota exceeded)",
            "a temporary file of Spark below",
        ),
        ("Traceback:\n  File x\nOSError: [Errno 27] Error writing bytes to file. Detail: File too large", None),
    ],
    ids=["computation", "shuffle", "quota", "Arrow"],
)
def test_full_disk_of_a_machine_of_spark_is_one_sentence(text: str, said: str | None, tmp_path: Path) -> None:
    said = f"cannot write {said or f'{tmp_path}: the disk is full'}"
    with pytest.raises(DiskFullError, match=f"^{said}"), report_shortage(tmp_path):
        raise error_of_spark(text)


def test_files_that_a_task_of_spark_may_not_open_are_explained(tmp_path: Path) -> None:
    with pytest.raises(OpenFilesError, match=r"a file in a task of Spark: too many"), report_shortage(tmp_path):
        raise error_of_spark("OSError: [Errno 24] Too many open files: '/data/store/a.parquet'")


def test_values_in_an_error_of_spark_are_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="CAST_INVALID_INPUT"), report_shortage(tmp_path):
        raise error_of_spark("[CAST_INVALID_INPUT] The value 'No space left on device' cannot be cast")


@pytest.mark.long
def test_event_that_cannot_be_stored_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @dg.op
    def step() -> None:
        pass

    def store(_event: object) -> None:
        raise of_dagster(FULL)

    jobs = dg.Definitions(jobs=[dg.GraphDefinition("job", node_defs=[step]).to_job()])
    with instance_of(DataFolder(tmp_path)) as instance:
        run = partial(code_location.execute, jobs, "job", instance=instance, run_config=QUIET, tags={})
        assert run(run_id=str(uuid4())).success
        monkeypatch.setattr(instance.event_log_storage, "store_event", store)
        with pytest.raises(sqlalchemy.exc.OperationalError, match="disk is full"):
            run(run_id=str(uuid4()))
    assert capsys.readouterr().err == ""


def test_locked_catalog_is_named(tmp_path: Path) -> None:
    path = tmp_path / CATALOG_FILE
    with closing(Catalog(path)) as catalog, closing(sqlite3.connect(path, isolation_level=None)) as other:
        catalog._connection.execute("pragma busy_timeout = 0")
        other.execute("begin immediate")
        with pytest.raises(StoreError, match=f"{path} is locked by another program"), report_shortage(tmp_path):
            catalog.set_state("some", 1)


@pytest.mark.parametrize("error", [LOCKED, of_dagster(LOCKED)], ids=["sqlite", "dagster"])
def test_locked_database_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(error, monkeypatch, capsys)
    assert "is locked by another program (database is locked); end that program" in text


def test_conflict_within_a_connection_is_no_lock_of_another_program() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("create table some as values (1), (2)")
        rows = connection.execute("select * from some")
        next(rows)
        with pytest.raises(sqlite3.OperationalError, match="locked") as found:
            connection.execute("drop table some")
    assert not is_locked(found.value)


def test_broken_disk_names_the_catalog(tmp_path: Path) -> None:
    Catalog(tmp_path / CATALOG_FILE).close()
    with pytest.raises(StoreError, match=f"{tmp_path / CATALOG_FILE}: disk I/O error"), report_shortage(tmp_path):
        raise IO_ERROR


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IO_ERROR, "SQLite cannot read or write a database (disk I/O error)"),
        (of_dagster(IO_ERROR), "SQLite cannot read or write a database in dagster_home/ (disk I/O error)"),
        (
            duckdb.IOException('Could not fsync file "/a"'),
            'DuckDB cannot read or write a file (Could not fsync file "/a")',
        ),
        (duckdb.FatalException("fsync failed!\n\nStack Trace:\n0x1"), "(fsync failed!)"),
    ],
    ids=["sqlite", "dagster", "duckdb", "duckdb-fatal"],
)
def test_broken_disk_is_one_sentence(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(error, monkeypatch, capsys)
    assert said in text
    assert text.endswith("; check the disk and run again")


@pytest.mark.parametrize(
    "error",
    [sqlite_error(sqlite3.SQLITE_ERROR, "no such column: a"), duckdb.FatalException("INTERNAL Error: a bug")],
    ids=["sqlite", "duckdb"],
)
def test_bug_in_a_query_keeps_its_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)):
        printed(error, monkeypatch, capsys)


def printed(error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command prints that fails with an error."""

    def failing(*_: Any, **__: Any) -> Callable[..., None]:
        raise error

    monkeypatch.setattr("session_pipeline.cli.folders.data_folder.at", failing)
    with pytest.raises((SystemExit, typer.Exit)):
        app(["init", "somewhere"], prog_name="session-pipeline")
    return " ".join(capsys.readouterr().err.split())


def test_error_of_a_dead_database_is_not_hidden_by_its_cleanup() -> None:
    class Invalidated:
        def execute(self, sql: str) -> None:
            if "''" in sql:
                raise duckdb.FatalException("database has been invalidated because of a previous fatal error")

    connection: Any = Invalidated()
    statistics = Statistics()
    statistics.stay_off(connection)
    statistics.come_back(connection)


def test_unreadable_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "visitor_key"
    path.write_text("00")
    cannot_read(monkeypatch, path)
    with pytest.raises(OSError, match="Input/output error") as raised:
        find_key(path)
    assert raised.value.filename == str(path)


def test_too_little_memory_for_a_command_is_one_sentence() -> None:
    error = duckdb.OutOfMemoryException("Out of Memory Error: Allocation failure\nmore")
    said = "not enough memory (Out of Memory Error: Allocation failure); give the process more memory and run again"
    assert sentence_of_database(error) == said
