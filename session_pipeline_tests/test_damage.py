"""Tests that damaged files of the store and of the warehouse are found and rebuilt, or reported if they cannot be."""

import gzip
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import pytest

from session_pipeline.run.pipeline import open_store
from session_pipeline.store.records import Key
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.built_week import UNTIL, clean, event
from session_pipeline_tests.deployment import Deployment, damage, flipped

# The usual tests have every 16th table, the long ones every eighth, and the nightly ones the others.
DAMAGED = [
    pytest.param(name, marks=[pytest.mark.nightly] if number % 8 else [pytest.mark.long] if number % 16 else [])
    for number, name in enumerate(["raw_events", *sorted({name for step in STEPS for name in step.tables})])
]


@pytest.mark.parametrize("table", DAMAGED)
def test_damaged_file_is_rebuilt_with_everything_below_it(week: Deployment, table: str) -> None:
    before = week.hashes()
    store = open_store(week.folder)
    partition = max(store.of_table(table), key=lambda item: (item.row_count, str(item.key)))
    path = store.path_of(partition)
    link_lake(week, path)
    damaged = flipped(path.read_bytes())
    damage(path, damaged)
    problems = [(item.key, problem) for item, problem in store.verify() if problem]
    assert problems == [(partition.key, "its content is not what was written")]
    with store.writing():
        store.mark_damaged(partition)
    store.close()

    week.run(UNTIL)

    assert week.hashes() == before
    store = open_store(week.folder)
    assert [problem for _, problem in store.verify() if problem] == []
    assert not [item for item in store.partitions.values() if item.is_damaged]
    store.close()
    assert damaged not in [file.read_bytes() for file in files_in_lake(week, path)]
    assert week.run(UNTIL) == []


@pytest.mark.long
def test_damaged_input_is_not_used(week: Deployment, tmp_path: Path) -> None:
    """The damage is not marked before: the run finds it, because inputs are hashed when they are read."""
    store = open_store(week.folder)
    partition = store.partitions[next(key for key in store.partitions if key.table == "open_sessions")]
    damage(store.path_of(partition), b"not what was written")
    store.close()
    week.deliver("late", [event("v0", f"2026-10-{day:02}T10:30:00Z", 999) for day in range(5, 13)])
    week.run(UNTIL)
    assert week.hashes() == clean(week, tmp_path / "clean")


@pytest.mark.long
@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda data: flipped(data), id="bit"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut", marks=pytest.mark.nightly),
    ],
)
def test_damaged_warehouse_is_rebuilt_by_the_next_run(week: Deployment, harm: Callable[[bytes], bytes]) -> None:
    week.run(UNTIL)
    warehouse = week.folder.warehouse
    warehouse.write_bytes(harm(warehouse.read_bytes()))
    assert week.run(UNTIL) == []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        for (name,) in tables:
            connection.execute(f"select * from {name}").fetchall()
        assert connection.execute("select count(*) from events").fetchone() == (len(week.table("events")),)


@pytest.mark.long
def test_warehouse_whose_copy_cannot_be_opened_is_written_again(week: Deployment) -> None:
    # Its size and time are as published, so the damage shows only when several days, in memory, are written into it.
    warehouse = week.folder.warehouse
    published = warehouse.stat()
    warehouse.write_bytes(bytes(published.st_size))
    os.utime(warehouse, ns=(published.st_atime_ns, published.st_mtime_ns))
    week.deliver("late", [event("v0", f"2026-10-0{day}T10:30:00Z", 999) for day in (6, 7, 8)])
    week.run(UNTIL)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for name in ("events", "sessions", "daily_summary", "retention"):
            [(count,)] = connection.execute(f"select count(*) from {name}").fetchall()
            assert count == len(week.table(name)) > 0


SESSIONS = "select * from sessions order by session_id"
HARMS = {"bit": flipped, "cut": lambda data: data[: len(data) // 2], "gone": None}


def harm_file_of(deployment: Deployment, table: str, day: date, harm: str) -> Path:
    """Damage the file of a day without marking it as damaged. Return its path."""
    with closing(open_store(deployment.folder)) as store:
        path = store.path_of(store.partitions[Key(table, day)])
    harmed = HARMS[harm]
    if harmed is None:
        path.unlink()
    else:
        damage(path, harmed(path.read_bytes()))
    return path


@pytest.mark.parametrize("harm", ["gone", *(pytest.param(name, marks=pytest.mark.long) for name in ("bit", "cut"))])
@pytest.mark.parametrize("lost", ["warehouse", "lake"])
def test_what_is_written_again_has_no_rows_of_a_damaged_file(week: Deployment, harm: str, lost: str) -> None:
    """The file was published, so no later run has read it."""
    before, shown = week.hashes(), week.query(SESSIONS)
    place = week.folder.path / ("warehouse.duckdb" if lost == "warehouse" else "lake")
    place.unlink() if place.is_file() else shutil.rmtree(place)
    stored = harm_file_of(week, "sessions", date(2026, 10, 7), harm)
    week.run(UNTIL)
    assert week.hashes() == before
    assert week.query(SESSIONS) == shown
    [linked] = files_in_lake(week, stored)
    assert linked.read_bytes() == stored.read_bytes()


@pytest.mark.long
def test_warehouse_with_views_is_written_again_without_a_file_that_is_gone(week: Deployment) -> None:
    shown = week.query(SESSIONS)
    week.set({"publish": {"native_limit_gb": 0}})
    week.run(UNTIL)
    week.folder.warehouse.unlink()
    harm_file_of(week, "sessions", date(2026, 10, 5), "gone")
    week.run(UNTIL)
    assert week.query(SESSIONS) == shown


@pytest.mark.long
@pytest.mark.parametrize(("table", "day"), [("events", 6), ("sessions", 6), ("sessions", 7)])
def test_damaged_file_that_a_log_reads_is_repaired(week: Deployment, table: str, day: int, tmp_path: Path) -> None:
    """session_changes names the sessions that the events of a rebuilt day belonged to, also on the days before."""
    harm_file_of(week, table, date(2026, 10, day), "gone")
    late = ["2026-10-08T10:30:00Z", "2026-10-07T23:59:00Z"]
    week.deliver("late", [event("v0", time, 998 + number) for number, time in enumerate(late)])
    week.run(UNTIL)
    assert week.hashes() == clean(week, tmp_path / "clean")


def test_damaged_raw_rows_without_delivered_file_are_reported(week: Deployment) -> None:
    store = open_store(week.folder)
    partition = store.of_table("raw_events")[0]
    damage(store.path_of(partition), b"not what was written")
    path = store.catalog.source_files()[partition.key.file_id].facts["path"]
    store.close()
    (week.folder.raw / path).unlink()
    week.deliver("late", [event("v0", "2026-10-05T10:30:00Z", 999)])
    with pytest.raises(Exception, match="deliver it again under raw/"):
        week.run(UNTIL)


def files_in_lake(deployment: Deployment, stored: Path) -> list[Path]:
    """Return the files of the lake for a partition; none for a table that is not published."""
    name = str(stored.parent.relative_to(deployment.folder.store)).removesuffix("/all")  # of a table without days
    return list((deployment.folder.lake / name).glob("*.parquet"))


def link_lake(deployment: Deployment, stored: Path) -> None:
    """Make the lake's file of a partition a hard link again, which it is not in a copied deployment."""
    for file in files_in_lake(deployment, stored):
        file.unlink()
        os.link(stored, file)


@pytest.mark.long
def test_damaged_raw_rows_are_read_from_the_path_that_still_has_the_content(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, only=("sessions",))
    lines = [event(f"v{day}", f"2026-10-{day:02}T10:00:00Z", day) for day in (5, 6)]
    original = deployment.deliver("b", lines)
    copy = original.with_name("a.jsonl.gz")
    copy.write_bytes(gzip.compress(original.read_bytes()))
    deployment.run(UNTIL)
    before = deployment.hashes()
    copy.write_bytes(b"a broken upload")
    deployment.run(UNTIL)
    with closing(open_store(deployment.folder)) as store:
        partition = store.of_table("raw_events")[0]
        damage(store.path_of(partition), b"not what was written")
        with store.writing():
            store.mark_damaged(partition)
    deployment.run(UNTIL)
    assert deployment.hashes() == before
