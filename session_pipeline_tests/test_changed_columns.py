"""Tests contracts that differ from those of the version that wrote the store: added, removed and retyped columns."""

import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from session_pipeline.build.plan import Kind
from session_pipeline.publish import reader
from session_pipeline.run.pipeline import open_store
from session_pipeline.store.records import Key
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.older_versions import (
    FIRST,
    SETTINGS,
    UNTIL,
    copy_of,
    lines,
    written_by_an_older_version,
)

LAST = date(2026, 10, 8)
FEW = {**SETTINGS, "max_rebuild_days": 1}


@pytest.fixture
def deployment(rebuilt_days: Deployment, tmp_path: Path) -> Deployment:
    """A copy of `rebuilt_days` that the test may change."""
    return copy_of(rebuilt_days, tmp_path / "data")


def read_lake(deployment: Deployment, name: str, columns: str) -> list[tuple[Any, ...]]:
    """Read the lake as users do: with a glob and without a schema."""
    files = f"read_parquet('{deployment.folder.lake / name}/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        return connection.execute(f"select {columns} from {files} order by all").fetchall()


def lake_columns(deployment: Deployment, name: str) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute(f"from '{deployment.folder.lake / name}/*/*.parquet' limit 0")
        return [column[0] for column in connection.description or ()]


TITLES = "select event_date, count(page_title) from events group by event_date order by event_date"


@pytest.mark.long
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
    def test_is_filled_by_a_rebuild(self, older: Deployment, rebuilt_days: Deployment) -> None:
        assert older.run(UNTIL)
        assert older.hashes() == rebuilt_days.hashes()
        assert older.query(TITLES) == rebuilt_days.query(TITLES)
        assert read_lake(older, "events", "event_date, page_title") == read_lake(
            rebuilt_days, "events", "event_date, page_title"
        )

    @pytest.mark.long
    @pytest.mark.parametrize("native_limit_gb", [2.0, 0.0], ids=["native", "views"])
    def test_is_null_on_outdated_days(self, older: Deployment, native_limit_gb: float) -> None:
        older.set({**FEW, "publish": {"native_limit_gb": native_limit_gb}})
        assert older.run(UNTIL, upgrade=False) == []
        days = [(date(2026, 10, day), 0) for day in (5, 6, 7)]
        assert older.query(TITLES) == days
        assert older.query(TITLES.replace("page_title", "page_url"))[0] == (FIRST, 10)
        older.deliver("new", lines(8))
        older.run(UNTIL, upgrade=False)
        days.append((LAST, 9))
        assert older.query(TITLES) == days
        assert older.query(f"select count(page_title), count(*) from events where event_date = date '{LAST}'") == [
            (9, 9)
        ]
        titles = read_lake(older, "events", "event_date, count(page_title) over (partition by event_date)")
        assert sorted(set(titles)) == days
        frame = reader.read("events", data=older.folder.path)
        assert frame.groupby("event_date")["page_title"].count().tolist() == [0, 0, 0, 9]
        with_pandas = pd.read_parquet(older.folder.lake / "events")
        assert with_pandas["page_title"].count() == 9
        views = older.query("select view_name from duckdb_views() where not internal and view_name = 'events'")
        assert views == ([("events",)] if native_limit_gb == 0 else [])

    def test_tables_are_equal_after_the_upgrade(self, older: Deployment, rebuilt_days: Deployment) -> None:
        older.set(FEW)
        older.run(UNTIL, upgrade=False)
        older.run(UNTIL, upgrade=True)
        older.set(SETTINGS)
        assert older.run(UNTIL) == []
        assert older.hashes() == rebuilt_days.hashes()
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
        assert deployment.query("select count(*) from _day_history") == [(len(rows),)]

    @pytest.mark.long
    def test_of_raw_events_is_null_if_the_delivered_file_is_gone(self, deployment: Deployment) -> None:
        """The file cannot be read again, so its rows stay as they were read."""
        written_by_an_older_version(deployment, "raw_events", "select * exclude (page_title) from {source}")
        with sqlite3.connect(deployment.folder.store / "catalog.sqlite") as catalog:
            catalog.execute("update source_files set fingerprint = 'older'")
        (deployment.folder.raw / "test" / "day-6.jsonl").unlink()
        deployment.deliver("later", lines(6, visitors=4)[-1:])
        deployment.run(UNTIL)
        assert deployment.query(TITLES) == [(FIRST, 10), (date(2026, 10, 6), 1), (date(2026, 10, 7), 9)]
        assert deployment.query("select count(*) from events") == [(29,)]


@pytest.mark.long
def test_removed_column_is_left_out_everywhere(deployment: Deployment) -> None:
    written_by_an_older_version(deployment, "sessions", "select 'x' as gone, * from {source}")
    deployment.set(FEW)
    assert deployment.run(UNTIL, upgrade=False) == []
    columns = {"session_date", *(column.name for column in table("sessions").columns)}
    assert {row[0] for row in deployment.query("describe sessions")} == columns
    assert {*lake_columns(deployment, "sessions")} == columns
    deployment.deliver("later", lines(6, visitors=4)[-1:])
    deployment.run(UNTIL, upgrade=False)
    assert deployment.query("select count(*) from sessions") == [(11,)]


@pytest.mark.long
@pytest.mark.parametrize("was", [pytest.param("INTEGER", marks=pytest.mark.nightly), "VARCHAR"])
def test_column_of_another_type_is_cast(deployment: Deployment, was: str) -> None:
    select = f"select * replace (cast(event_count as {was}) as event_count) from {{source}}"
    written_by_an_older_version(deployment, "sessions", select)
    deployment.set(FEW)
    assert deployment.run(UNTIL, upgrade=False) == []
    assert deployment.query("select sum(event_count), any_value(typeof(event_count)) from sessions") == [(28, "BIGINT")]
    assert read_lake(deployment, "sessions", "sum(event_count), any_value(typeof(event_count))") == [(28, "BIGINT")]
