"""Tests different versions on one store: added and removed columns, changed types, removed tables, older catalogs."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from session_pipeline.build import builder
from session_pipeline.build.plan import Kind
from session_pipeline.checks import audit_recompute
from session_pipeline.cli import app
from session_pipeline.engines.sql import literal
from session_pipeline.errors import StoreError
from session_pipeline.publish import reader, warehouse
from session_pipeline.reference.days import ONE_DAY
from session_pipeline.run.pipeline import Run, open_run, open_store
from session_pipeline.store.catalog import ADDED_COLUMNS
from session_pipeline.store.records import Key, Written
from session_pipeline.store.store import FORMAT
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.deployment import Deployment

FIRST, LAST = date(2026, 10, 5), date(2026, 10, 8)
UNTIL = date(2026, 10, 20)
SETTINGS = {"start_date": date(2026, 10, 1)}
FEW = {**SETTINGS, "max_rebuild_days": 1}


def lines(day: int, visitors: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"{day}-{visitor}-{minute}",
            "visitor_id": f"v{visitor}",
            "event_time": f"2026-10-{day:02}T10:{minute:02}:00Z",
            "event_name": name,
            "page_url": f"https://shop.example/{name}",
            "page_title": f"Page {minute}",
        }
        for visitor in range(visitors)
        for minute, name in ((0, "page_view"), (5, "search"), (9, "purchase"))
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("built"), SETTINGS)
    for day in range(5, 8):
        deployment.deliver(f"day-{day}", lines(day))
    deployment.run(UNTIL)
    deployment.deliver("late", lines(5, visitors=4)[-1:])
    deployment.run(UNTIL)
    return deployment


@pytest.fixture
def deployment(built: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `built` that the test may change. It was run once, so that the copied files are known."""
    shutil.copytree(built.folder.path, tmp_path / "data")
    copy = Deployment(tmp_path / "data", SETTINGS)
    copy.run(UNTIL)
    return copy


def written_by_an_older_version(deployment: Deployment, name: str, select: str) -> None:
    """Change the store to what an older version would have left, which wrote these columns of a table.

    Everything is fresh except for the contract of the table.
    """
    with open_run(deployment.folder, run_id="older", until=UNTIL) as run:
        for number, partition in enumerate(run.store.of_table(name)):
            path = run.store.scratch / f"{number}.parquet"
            source = f"read_parquet('{run.store.path_of(partition)}', hive_partitioning = false)"
            run.engine.connection.execute(f"copy ({select.format(source=source)}) to '{path}' (format parquet)")
            counts = dict(partition.counts)
            run.store.commit(
                [Written(partition.key, path, partition.row_count, "older", dict(partition.parts), counts)],
                run_id="older",
            )
        with run.store.catalog.transaction():
            _record_as_fresh(run, name)
        run.store.catalog.set_number("published_contracts", 1)


def _record_as_fresh(run: Run, older: str) -> None:
    run.store.refresh()
    for step in STEPS:
        parts_of_recipe = dict(run.planner.recipe(step)[1])
        for key, partition in list(run.store.partitions.items()):
            if key.table not in step.tables:
                continue
            run.planner._partitions = run.store.partitions
            run.planner.forget_raw()
            fingerprint = run.planner.fingerprint(step, key.date)
            assert fingerprint is not None
            parts, value = dict(fingerprint.parts), fingerprint.value
            if older in step.tables:
                parts["recipe"] = value = f"older {step.name}"
                run.store.catalog.put_recipe(value, parts_of_recipe | {f"contract of {older}": "older"})
            fresh = replace(partition, fingerprint=value, parts=parts)
            run.store.catalog.put([fresh])
            run.store.partitions[key] = fresh


def read_lake(deployment: Deployment, name: str, columns: str) -> list[tuple[Any, ...]]:
    """Read the lake as users do: with a glob and without a schema."""
    files = f"read_parquet('{deployment.folder.lake / name}/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        return connection.execute(f"select {columns} from {files} order by all").fetchall()


def lake_columns(deployment: Deployment, name: str) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute(f"from '{deployment.folder.lake / name}/*/*.parquet' limit 0")
        return [column[0] for column in connection.description or ()]


def query(deployment: Deployment, sql: str) -> list[tuple[Any, ...]]:
    with reader.connect(deployment.folder.path) as connection:
        return connection.execute(sql).fetchall()


TITLES = "select event_date, count(page_title) from events group by event_date order by event_date"


class TestAddedColumn:
    """The store has files without the column until their days are rebuilt."""

    @pytest.fixture
    def older(self, deployment: Deployment) -> Deployment:
        written_by_an_older_version(deployment, "events", "select * exclude (page_title) from {source}")
        return deployment

    @pytest.mark.long
    def test_makes_only_its_own_step_stale(self, older: Deployment) -> None:
        plan = older.plan(UNTIL)
        will = {(item.step.name, item.kind, item.reason) for item in plan.items if item.kind is Kind.LOGIC}
        assert will == {("sessionize", Kind.LOGIC, "contract of events changed")}
        assert {item.step.name for item in plan.items if item.certainty.value == "will"} == {"sessionize"}

    @pytest.mark.long
    def test_is_filled_by_a_rebuild(self, older: Deployment, built: Deployment) -> None:
        assert older.run(UNTIL)
        assert older.hashes() == built.hashes()
        assert query(older, TITLES) == query(built, TITLES)
        assert read_lake(older, "events", "event_date, page_title") == read_lake(
            built, "events", "event_date, page_title"
        )

    @pytest.mark.long
    @pytest.mark.parametrize("native_limit_gb", [2.0, 0.0], ids=["native", "views"])
    def test_is_null_on_deferred_days(self, older: Deployment, native_limit_gb: float) -> None:
        older.set({**FEW, "publish": {"native_limit_gb": native_limit_gb}})
        assert older.run(UNTIL, upgrade=False) == []
        days = [(date(2026, 10, day), 0) for day in (5, 6, 7)]
        assert query(older, TITLES) == days
        assert query(older, TITLES.replace("page_title", "page_url"))[0] == (FIRST, 10)
        older.deliver("new", lines(8))
        older.run(UNTIL, upgrade=False)
        days.append((LAST, 9))
        assert query(older, TITLES) == days
        assert query(older, f"select count(page_title), count(*) from events where event_date = date '{LAST}'") == [
            (9, 9)
        ]
        titles = read_lake(older, "events", "event_date, count(page_title) over (partition by event_date)")
        assert sorted(set(titles)) == days
        frame = reader.read("events", data=older.folder.path)
        assert frame.groupby("event_date")["page_title"].count().tolist() == [0, 0, 0, 9]
        with_pandas = pd.read_parquet(older.folder.lake / "events")
        assert with_pandas["page_title"].count() == 9
        views = query(older, "select view_name from duckdb_views() where not internal and view_name = 'events'")
        assert views == ([("events",)] if native_limit_gb == 0 else [])

    def test_tables_are_equal_after_the_upgrade(self, older: Deployment, built: Deployment) -> None:
        older.set(FEW)
        older.run(UNTIL, upgrade=False)
        older.run(UNTIL, upgrade=True)
        older.set(SETTINGS)
        assert older.run(UNTIL) == []
        assert older.hashes() == built.hashes()
        lake, store = older.folder.lake / "events" / f"event_date={FIRST}" / "data.parquet", open_store(older.folder)
        assert lake.samefile(store.path_of(store.partitions[Key("events", FIRST)])), "what fits is a link again"
        store.close()

    @pytest.mark.long
    def test_of_a_log_is_null_in_older_rows(self, deployment: Deployment) -> None:
        select = "select * exclude (visitor_count_before, visitor_count_after) from {source}"
        written_by_an_older_version(deployment, "_day_history", select)
        deployment.deliver("later", lines(5, visitors=5)[-1:])
        deployment.run(UNTIL)
        rows = deployment.table("_day_history")
        of_first = rows[rows["session_date"] == FIRST]
        assert of_first["visitor_count_after"].fillna(0).tolist() == [0, 0, 5]
        assert query(deployment, "select count(*) from _day_history") == [(len(rows),)]

    @pytest.mark.long
    def test_of_raw_events_is_null_if_the_delivered_file_is_gone(self, deployment: Deployment) -> None:
        """The file cannot be read again, so its rows stay as they were read."""
        written_by_an_older_version(deployment, "raw_events", "select * exclude (page_title) from {source}")
        with sqlite3.connect(deployment.folder.store / "catalog.sqlite") as catalog:
            catalog.execute("update source_files set fingerprint = 'older'")
        (deployment.folder.raw / "test" / "day-6.jsonl").unlink()
        deployment.deliver("later", lines(6, visitors=4)[-1:])
        deployment.run(UNTIL)
        assert query(deployment, TITLES) == [(FIRST, 10), (date(2026, 10, 6), 1), (date(2026, 10, 7), 9)]
        assert query(deployment, "select count(*) from events") == [(29,)]


@pytest.mark.long
def test_removed_column_is_left_out_everywhere(deployment: Deployment) -> None:
    written_by_an_older_version(deployment, "sessions", "select 'x' as gone, * from {source}")
    deployment.set(FEW)
    assert deployment.run(UNTIL, upgrade=False) == []
    columns = {"session_date", *(column.name for column in table("sessions").columns)}
    assert {row[0] for row in query(deployment, "describe sessions")} == columns
    assert {*lake_columns(deployment, "sessions")} == columns
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL, upgrade=False)
    assert query(deployment, "select count(*) from sessions") == [(11,)]


@pytest.mark.parametrize("was", ["INTEGER", "VARCHAR"])
def test_column_of_another_type_is_cast(deployment: Deployment, was: str) -> None:
    select = f"select * replace (cast(event_count as {was}) as event_count) from {{source}}"
    written_by_an_older_version(deployment, "sessions", select)
    deployment.set(FEW)
    assert deployment.run(UNTIL, upgrade=False) == []
    assert query(deployment, "select sum(event_count), any_value(typeof(event_count)) from sessions") == [
        (28, "BIGINT")
    ]
    assert read_lake(deployment, "sessions", "sum(event_count), any_value(typeof(event_count))") == [(28, "BIGINT")]


def test_equal_rows_in_different_bytes_pass_the_audit(deployment: Deployment) -> None:
    """Another version of DuckDB may write other bytes."""
    with open_run(deployment.folder, run_id="older", until=UNTIL) as run:
        partition = run.store.partitions[Key("events", LAST - ONE_DAY)]
        path = run.store.scratch / "older.parquet"
        pq.write_table(pq.read_table(run.store.path_of(partition)), path, compression="gzip")
        parts, counts = dict(partition.parts), dict(partition.counts)
        [other] = run.store.commit(
            [Written(partition.key, path, partition.row_count, partition.fingerprint, parts, counts)], run_id="older"
        )
        assert other.sha256 != partition.sha256
        assert audit_recompute(run, [LAST - ONE_DAY]).holds
        assert "was recomputed" in audit_recompute(run, [LAST - ONE_DAY]).sentence


@pytest.mark.long
@pytest.mark.parametrize(("rows", "holds"), [("true", True), ("false", False)], ids=["equal", "no rows"])
def test_audit_of_a_big_day_compares_some_visitors(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, rows: str, holds: bool
) -> None:
    day = LAST - ONE_DAY
    crowd = [
        {"event_id": f"c{n}", "event_name": "page_view", "visitor_id": f"c{n}", "event_time": f"{day}T12:00:00Z"}
        for n in range(40)
    ]
    deployment.deliver("crowd", crowd)
    deployment.run(UNTIL)
    monkeypatch.setattr(builder, "AUDITED_EVENTS", 10)
    with open_run(deployment.folder, run_id="other", until=UNTIL) as run:
        assert run.planner.event_count(day) > 40
        partition = run.store.partitions[Key("events", day)]
        path = run.store.scratch / "other.parquet"
        stored = literal(str(run.store.path_of(partition)))
        with duckdb.connect() as connection:
            connection.execute(f"copy (from read_parquet({stored}) where {rows}) to {literal(str(path))}")
        parts, counts = dict(partition.parts), dict(partition.counts)
        run.store.commit([Written(partition.key, path, 1, partition.fingerprint, parts, counts)], run_id="other")
        assert audit_recompute(run, [day]).holds is holds


@pytest.mark.long
def test_unknown_tables_are_removed_from_the_warehouse(deployment: Deployment) -> None:
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("create table session_moods as select 1 as mood")
        connection.execute("create view daily_moods as select 1 as mood")
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL)
    names = {row[0] for row in query(deployment, "show tables")}
    assert names == {name for name, contract in TABLES.items() if contract.is_published}


def test_warehouse_without_internal_schema_is_rewritten(deployment: Deployment) -> None:
    """An older version stored its internal table next to the published tables."""
    with duckdb.connect(str(deployment.folder.warehouse)) as connection:
        connection.execute("create table _published as from _internal.published")
        connection.execute("drop schema _internal cascade")
    # As if that version had published it: the catalog identifies the file by its size and modification time.
    state = deployment.folder.warehouse.stat()
    with open_run(deployment.folder, run_id="older", until=UNTIL) as run, run.store.catalog.transaction(advances=False):
        run.store.catalog.set_number("warehouse_bytes", state.st_size)
        run.store.catalog.set_number("warehouse_written_at", state.st_mtime_ns)
        run.store.catalog.set_number("published_contracts", 1)
    with pytest.raises(StoreError, match="another version of session_pipeline; run `session-pipeline run`"):
        reader.files("events", data=deployment.folder.path)
    before = query(deployment, "select count(*) from events")
    assert deployment.run(UNTIL) == []
    assert query(deployment, "select count(*) from events") == before
    assert "_published" not in {row[0] for row in query(deployment, "show tables")}
    assert len(reader.files("events", data=deployment.folder.path)) == 4


@pytest.mark.parametrize("native_limit_gb", [2.0, 0.0], ids=["native", "views"])
def test_every_table_and_column_has_a_comment(deployment: Deployment, native_limit_gb: float) -> None:
    deployment.set({**SETTINGS, "publish": {"native_limit_gb": native_limit_gb}})
    deployment.folder.warehouse.unlink()
    deployment.run(UNTIL)
    relations = query(
        deployment,
        "select table_name, comment from duckdb_tables() where not internal"
        " union all select view_name, comment from duckdb_views() where not internal"
        " union all select table_name || '.' || column_name, comment from duckdb_columns() where not internal",
    )
    assert "published.sha256" in {name for name, _ in relations}
    assert [name for name, comment in relations if not comment] == []


@pytest.mark.long
def test_store_of_format_1_still_works(deployment: Deployment, built: Deployment) -> None:
    """The catalog of format 1 does not record the cause of a partition's last change."""
    catalog = sqlite3.connect(deployment.folder.store / "catalog.sqlite", isolation_level=None)
    for table_name, column, _ in ADDED_COLUMNS:
        catalog.execute(f"alter table {table_name} drop column {column}")
    catalog.close()
    format_file = deployment.folder.store / "_format.json"
    format_file.write_text(json.dumps({"format": 1, "package_version": "0.0.9"}))
    assert deployment.run(UNTIL) == []
    assert deployment.hashes() == built.hashes()
    assert json.loads(format_file.read_text())["format"] == FORMAT
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL)
    store = open_store(deployment.folder)
    changed = store.partitions[Key("events", date(2026, 10, 6))]
    assert changed.causes == ("file test/later.jsonl",)
    assert store.partitions[Key("events", FIRST)].causes == ()
    store.close()
    history = deployment.table("_day_history")
    assert "file test/later.jsonl" in set(history["reason"])


@pytest.mark.long
def test_added_catalog_column_may_be_in_any_position(deployment: Deployment) -> None:
    catalog = sqlite3.connect(deployment.folder.store / "catalog.sqlite", isolation_level=None)
    catalog.execute("alter table partitions drop column reason")
    catalog.execute("alter table partitions add column reason text not null default ''")
    catalog.close()
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL)
    store = open_store(deployment.folder)
    assert store.partitions[Key("events", date(2026, 10, 6))].reason == "raw_events changed"
    store.close()


class TestNewerStore:
    SENTENCE = "was written by session_pipeline 7.0"

    @pytest.fixture
    def newer(self, deployment: Deployment) -> Deployment:
        (deployment.folder.store / "_format.json").write_text('{"format": 99, "package_version": "7.0"}')
        return deployment

    @pytest.mark.parametrize("command", ["run", "plan", "status", "verify"])
    def test_is_rejected_by_each_command_in_a_sentence(
        self, newer: Deployment, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        files = {path: path.stat().st_mtime_ns for path in newer.folder.store.rglob("*")}
        with pytest.raises(SystemExit) as ended:
            app([command, "--data", str(newer.folder.path)])
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert self.SENTENCE in said
        assert "install that version or a newer one" in said
        assert "Traceback" not in said
        assert {path: path.stat().st_mtime_ns for path in newer.folder.store.rglob("*")} == files

    def test_warehouse_can_still_be_read(self, newer: Deployment) -> None:
        assert query(newer, "select count(*) from sessions") == [(10,)]

    @pytest.mark.parametrize("content", ["[]", "{}", '{"format": null}', "no json", ""])
    def test_without_a_known_format_is_rejected(self, newer: Deployment, content: str) -> None:
        (newer.folder.store / "_format.json").write_text(content)
        with pytest.raises(StoreError, match="does not state the version of the store"):
            open_store(newer.folder)


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
                f"attach '{deployment.folder.warehouse}' (storage_version '{warehouse.STORAGE_VERSION}', read_only)"
            )

    @pytest.mark.parametrize("data", [b"", b"not a warehouse at all" * 1000], ids=["empty", "another file"])
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
