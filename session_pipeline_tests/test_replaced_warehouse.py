"""Tests that a run replaces a warehouse of another version or that cannot be opened, and readers of a replaced one."""

import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from session_pipeline import processes
from session_pipeline.errors import StoreError
from session_pipeline.publish import native_limit, reader, warehouse, warehouse_file
from session_pipeline.publish.publication import Published
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests import process_names
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.older_versions import UNTIL, copy_of, lines
from session_pipeline_tests.shop_commands import call


@pytest.fixture
def deployment(rebuilt_days: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `rebuilt_days` that the test may change."""
    return copy_of(rebuilt_days, tmp_path / "data")


def record_as_published_by_an_older_version(deployment: Deployment) -> None:
    """Record the present warehouse as published; the catalog identifies it by its size and modification time."""
    state = deployment.folder.warehouse.stat()
    with open_run(deployment.folder, run_id="older", until=UNTIL) as run, run.store.catalog.transaction(advances=False):
        run.store.catalog.set_state("warehouse_bytes", state.st_size)
        run.store.catalog.set_state("warehouse_written_at", state.st_mtime_ns)
        run.store.catalog.set_state("published_contracts", 1)


def publish_again(deployment: Deployment) -> None:
    """Publish a new state, in which no day was built again: a line that is no event is delivered."""
    deployment.deliver("later", ["{"])
    deployment.run(UNTIL)
    assert isinstance(deployment.published, Published)


@pytest.mark.parametrize(
    ("limit", "views"), [(10**9, set()), (60, set()), (59, {"a"}), (35, {"a"}), (34, {"a", "b"}), (0, {"a", "b", "c"})]
)
def test_largest_tables_become_views_until_the_rest_fits(
    limit: int, views: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"a": "events", "b": "sessions", "c": "visitors"}
    sizes = {"c": [10, 0], "b": [25], "a": [20, 5]}
    monkeypatch.setattr(native_limit, "_native_bytes", lambda size, column_count: size)
    by_table = {names[name]: found for name, found in sizes.items()}
    assert native_limit.tables_as_views(by_table, limit) == {names[name] for name in views}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row_count", "byte_count", "native"), [(300, 14_826, 14_859), (0, 2_370, 0), (400_000, 16_000_000, 39_987_700)]
)
def test_native_size_leaves_out_what_a_file_has_in_addition_to_its_values(
    row_count: int, byte_count: int, native: int
) -> None:
    file = SimpleNamespace(row_count=row_count, byte_count=byte_count)
    assert native_limit._native_bytes(file, 41) == native  # type: ignore[arg-type]


@pytest.mark.long
def test_unknown_tables_are_removed_from_the_warehouse(deployment: Deployment) -> None:
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("create table session_moods as select 1 as mood")
        connection.execute("create view daily_moods as select 1 as mood")
    publish_again(deployment)
    names = {row[0] for row in deployment.query("show tables")}
    assert names == {name for name, contract in TABLES.items() if contract.is_published}


@pytest.mark.long
def test_warehouse_without_internal_schema_is_rewritten(deployment: Deployment) -> None:
    """An older version stored its internal table next to the published tables."""
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("create table _published as from _internal.published")
        connection.execute("drop schema _internal cascade")
    record_as_published_by_an_older_version(deployment)
    with pytest.raises(StoreError, match="another version of session_pipeline; run `session-pipeline run`"):
        reader.files("events", data=deployment.folder.path)
    before = deployment.query("select count(*) from events")
    assert deployment.run(UNTIL) == []
    assert deployment.query("select count(*) from events") == before
    assert "_published" not in {row[0] for row in deployment.query("show tables")}
    assert len(reader.files("events", data=deployment.folder.path)) == 4


@pytest.mark.parametrize("command", ["sessions", "show", "report"])
def test_commands_say_that_an_older_version_wrote_the_warehouse(deployment: Deployment, command: str) -> None:
    [(session_id,)] = deployment.query("select session_id from sessions limit 1")
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("alter table sessions drop column day_session_number")
        connection.execute("alter table warehouse_info drop column outdated_day_count")
    arguments = [command, session_id] if command == "show" else [command]
    code, _, error = call(*arguments, "--data", deployment.folder.path)
    assert code == 1
    assert "another version wrote the warehouse (Binder Error: " in error
    assert "run `session-pipeline run`" in " ".join(error.split())


@pytest.mark.long
def test_comments_are_those_of_the_version_that_published_last(deployment: Deployment) -> None:
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("comment on column events.page_path is 'the meaning in an older version'")
    record_as_published_by_an_older_version(deployment)
    assert deployment.run(UNTIL) == []
    found = deployment.query(
        "select comment from duckdb_columns() where table_name = 'events' and column_name = 'page_path'",
    )
    assert found == [(next(column.meaning for column in TABLES["events"].columns if column.name == "page_path"),)]


@pytest.mark.long
def test_macros_are_those_of_the_version_that_published_last(deployment: Deployment) -> None:
    added = "select count(*) from duckdb_functions() where function_name = 'paths_after'"
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("drop macro table paths_after")
        assert connection.execute(added).fetchall() == [(0,)]
    record_as_published_by_an_older_version(deployment)
    assert deployment.run(UNTIL) == []
    assert deployment.query(added) == [(1,)]
    publish_again(deployment)
    assert deployment.query(added) == [(1,)], "the copy of the next publication has them, too"


@pytest.mark.long
def test_only_own_unfinished_files_are_removed_next_to_the_warehouse(deployment: Deployment) -> None:
    dead, elsewhere, parent = (
        name.replace("/", "-")
        for name in (process_names.dead(), process_names.in_another_container(), processes.name_of(os.getppid()))
    )
    removed = [dead, f"{dead}.wal", f"9.{dead}", elsewhere, f"{os.getpid()}", f"{os.getpid()}.wal", f"9.{os.getpid()}"]
    kept = ["before-upgrade", "swp", "wal", parent, f"{os.getppid()}"]
    for ending in (*removed, *kept):
        deployment.folder.path.joinpath(f".warehouse.duckdb.{ending}").touch()
    publish_again(deployment)
    left = {path.name for path in deployment.folder.path.glob(".warehouse.duckdb.*")}
    assert left == {f".warehouse.duckdb.{ending}" for ending in kept}


class TestWarehouse:
    """Any file in place of the warehouse is replaced, because the store contains everything."""

    @staticmethod
    def contents(deployment: Deployment) -> Mapping[str, int]:
        with reader.connect(deployment.folder.path) as connection:
            names = [row[0] for row in connection.execute("show tables").fetchall()]
            return {name: connection.execute(f'select count(*) from "{name}"').fetchall()[0][0] for name in names}

    def test_of_a_newer_duckdb_is_rewritten(self, deployment: Deployment) -> None:
        before = self.contents(deployment)
        deployment.folder.warehouse.unlink()
        with duckdb.connect() as connection:
            connection.execute(f"attach '{deployment.folder.warehouse}' as newer (storage_version 'latest')")
            connection.execute("create table newer.mine as select 1 as one")
        assert deployment.run(UNTIL) == []
        assert self.contents(deployment) == before
        with duckdb.connect() as connection:
            # DuckDB rejects this for a file with a newer storage version.
            connection.execute(
                f"attach '{deployment.folder.warehouse}'"
                f" (storage_version '{warehouse_file.STORAGE_VERSION}', read_only)"
            )

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", marks=pytest.mark.nightly, id="empty"),
            pytest.param(b"not a warehouse at all" * 1000, marks=pytest.mark.long, id="another file"),
        ],
    )
    def test_that_cannot_be_opened_is_rewritten(self, deployment: Deployment, data: bytes) -> None:
        before = self.contents(deployment)
        deployment.folder.warehouse.write_bytes(data)
        assert deployment.run(UNTIL) == []
        assert self.contents(deployment) == before
        assert deployment.run(UNTIL) == []
        assert "already" in str(deployment.published)

    @pytest.mark.long
    def test_of_an_older_state_is_updated(self, deployment: Deployment) -> None:
        older = deployment.folder.path / "older.duckdb"
        shutil.copyfile(deployment.folder.warehouse, older)
        deployment.deliver("later", lines(6, visitors=4)[-1:])
        deployment.run(UNTIL)
        before = self.contents(deployment)
        shutil.copyfile(older, deployment.folder.warehouse)
        assert deployment.run(UNTIL) == []
        assert self.contents(deployment) == before


class ReplacedWhileAttached:
    """A connection whose first attachments are of a file that is replaced meanwhile."""

    def __init__(self, replacements: list[Path], path: Path, error: duckdb.Error | None) -> None:
        self._connection = duckdb.connect()
        self._replacements, self._path, self._error = replacements, path, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        if sql.startswith("attach ") and self._replacements:
            if not self._error:
                self._connection.execute(sql)
            os.replace(self._replacements.pop(0), self._path)
            if self._error:
                raise self._error
            return self._connection
        return self._connection.execute(sql)


def file_with(number: int, path: Path) -> Path:
    with duckdb.connect(path) as connection:
        connection.execute(f"create table found as select {number} as number")
    return path


@pytest.mark.parametrize("error", [None, duckdb.IOException("Could not read enough bytes")], ids=["mixed", "error"])
def test_warehouse_that_is_replaced_while_it_is_opened_is_opened_again(
    error: duckdb.Error | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB opens a file twice. If a run replaces it in between, its header is of another file than its blocks."""
    path = file_with(0, tmp_path / "warehouse.duckdb")
    newer = [file_with(number, tmp_path / f"{number}.duckdb") for number in (1, 2)]
    monkeypatch.setattr(warehouse, "private_connection", lambda: ReplacedWhileAttached(newer, path, error))
    with closing(warehouse.connect(path, tmp_path)) as connection:
        assert connection.execute("select number from found").fetchall() == [(2,)]


def test_warehouse_that_is_replaced_again_and_again_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_with(0, tmp_path / "warehouse.duckdb")
    newer = [file_with(number, tmp_path / f"{number}.duckdb") for number in range(1, 20)]
    monkeypatch.setattr(warehouse, "private_connection", lambda: ReplacedWhileAttached(newer, path, None))
    with pytest.raises(StoreError, match="was replaced again and again while it was opened"):
        warehouse.connect(path, tmp_path)


def test_too_little_memory_is_no_reason_to_remove_the_warehouse(tmp_path: Path) -> None:
    path = file_with(0, tmp_path / "warehouse.duckdb")
    with pytest.raises(
        StoreError, match=r"cannot be opened \(Out of Memory .*\); give the process more memory"
    ) as raised:
        warehouse.connect(path, tmp_path, memory_limit="1KB")
    assert "remove" not in str(raised.value)
