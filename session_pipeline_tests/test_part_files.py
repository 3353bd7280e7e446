"""Tests partitions of several part files: commit, damage, sweeping, publishing, readers and the audit."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import session_pipeline
from session_pipeline.engines import duckdb_jobs as engine
from session_pipeline.publish import lake
from session_pipeline.publish.published_state import published_partitions
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store.part_files import MANIFEST, content_hash, files_at
from session_pipeline.store.records import Key, Partition, Publication, Written
from session_pipeline.store.store import Store
from session_pipeline.store.store_files import sha256_of
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.deployment import Deployment, damage

UNTIL = date(2026, 10, 6)
KEY = Key("daily_summary", date(2026, 10, 5))


def write(path: Path, *values: int) -> Path:
    pq.write_table(pa.table({"site": [str(value) for value in values]}), path)
    return path


def folder_of(store: Store, *parts: int) -> Path:
    """A folder of parts as an engine writes them."""
    folder = store.scratch / "session_date=2026-10-05.parquet"
    folder.mkdir()
    for number, value in enumerate(parts):
        write(folder / f"{number:05}.parquet", value)
    return folder


def commit(store: Store, *parts: int) -> Partition:
    with store.writing():
        path = folder_of(store, *parts)
        [partition] = store.commit([Written(KEY, path, len(parts), fingerprint="f")], run_id="test")
    return partition


def values(store: Store, partition: Partition) -> list[str]:
    return [value for path in store.paths_of(partition) for value in pq.read_table(path).column("site").to_pylist()]


def test_parts_are_listed_in_order(store: Store, opened: Callable[[], Store]) -> None:
    committed = commit(store, 3, 1, 2)
    found = opened().partitions[KEY]
    assert found == committed
    assert values(store, found) == ["3", "1", "2"]
    assert [(file.sha256, file.row_count) for file in found.files] == [
        (sha256_of(path), 1) for path in store.paths_of(found)
    ]
    assert found.row_count == 3
    assert found.byte_count == sum(path.stat().st_size for path in store.paths_of(found))
    assert store.path_of(found) == store.paths_of(found)[0]


def test_folder_of_one_part_is_a_partition_of_one_file(store: Store) -> None:
    partition = commit(store, 7)
    assert (partition.part_list, partition.sha256) == ("", sha256_of(store.path_of(partition)))


def test_order_of_the_parts_is_content(store: Store) -> None:
    assert commit(store, 1, 2).sha256 != commit(store, 2, 1).sha256


def test_hashes_of_an_engine_are_used(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", 1)
    write(tmp_path / "a.parquet", 2)
    parts = [{"name": "b.parquet", "sha256": "x", "row_count": 1}, {"name": "a.parquet", "sha256": "y", "row_count": 1}]
    (tmp_path / MANIFEST).write_text(json.dumps(parts))
    found = files_at(tmp_path, 2)
    assert [(file.path.name, file.sha256) for file in found] == [("b.parquet", "x"), ("a.parquet", "y")]
    assert content_hash(found) != content_hash(found[::-1])


@pytest.mark.parametrize("number", [0, 1])
def test_damage_of_any_part_is_found(store: Store, opened: Callable[[], Store], number: int) -> None:
    partition = commit(store, 1, 2)
    path = store.paths_of(partition)[number]
    assert [problem for _, problem in store.verify()] == [None]
    damage(path, b"not what was written")
    again = opened()
    assert not again.is_intact(partition)
    assert again.damaged_file(partition) == path
    assert [problem for _, problem in again.verify()] == ["its content is not what was written"]
    path.unlink()
    assert [problem for _, problem in again.verify()] == ["the file is missing"]


def test_parts_that_stay_are_not_swept(store: Store) -> None:
    old = commit(store, 1, 2, 3)
    new = commit(store, 1, 4)
    for generation in range(1, 6):
        store.catalog.put_publication(Publication(generation + 1, KEY.date or date.max, "", "", ""))
    store.sweep()
    assert values(store, new) == ["1", "4"]
    assert [path.exists() for path in store.paths_of(old)] == [True, False, False]


def test_parts_without_a_row_are_removed(
    store: Store, opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.writing():
        monkeypatch.setattr(store.catalog, "put", lambda partition: 1 / 0)
        path = folder_of(store, 1, 2)
        with pytest.raises(ZeroDivisionError):
            store.commit([Written(KEY, path, 2, fingerprint="f")], run_id="test")
    assert len(list(store.files.names())) == 2
    with opened().writing():
        assert list(store.files.names()) == []


# The pipeline


def split(path: Path) -> None:
    """Replace a file by a folder of parts with at most two rows each."""
    rows = pq.read_table(path)
    path.unlink()
    path.mkdir()
    for start in range(0, max(len(rows), 1), 2):
        pq.write_table(rows.slice(start, 2), path / f"{start:05}.parquet")


@contextmanager
def several_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the engine write several parts, as an engine of a cluster does."""
    write_model = engine.Job.write_model

    def in_parts(self: engine.Job, name: str, parameters: Any, paths: Any, **more: Any) -> Any:
        counts = write_model(self, name, parameters, paths, **more)
        for path in paths.values():
            split(path)
        return counts

    with monkeypatch.context() as patch:
        patch.setattr(engine.Job, "write_model", in_parts)
        yield


def lines(day: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "visitor_id": f"v{number % 5}",
            "event_time": f"2026-10-{day:02}T{number % 24:02}:00:00Z",
            "event_name": "page_view",
            "page_url": f"https://shop.example/{number % 3}",
        }
        for number in range(count)
    ]


@pytest.mark.long
def test_pipeline_with_several_parts_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, several = Deployment(tmp_path / "one"), Deployment(tmp_path / "several")
    for name, delivered in (("first", lines(5, 40)), ("late", lines(4, 30))):
        for each in (one, several):
            each.deliver(name, delivered)
        with several_parts(monkeypatch):  # the second run builds these days again, and the logs record the changes
            several.run(UNTIL)
    one.run(UNTIL)
    for name in TABLES:
        if name not in ("warehouse_info", *(log for log, contract in TABLES.items() if contract.is_log)):
            assert_frame_equal(one.table(name), several.table(name))
            if TABLES[name].is_published:
                published = [session_pipeline.read(name, data=each.folder.path) for each in (one, several)]
                assert_frame_equal(*published)
    with closing(open_store(several.folder)) as store:
        events = [each for each in store.of_table("events") if each.row_count]
        assert max(len(each.files) for each in events) == 20
        found = [file.sha256[:32] for each in store.of_table("events") for file in each.files]
        assert [path.stem for path in session_pipeline.files("events", data=several.folder.path)] == found
        for partition in published_partitions(store):
            links = [several.folder.lake / place for place in lake.places_of(partition)]
            assert all(map(os.path.samefile, links, store.paths_of(partition)))
    with open_run(several.folder, run_id="test", until=UNTIL) as run:
        assert run.plan().is_empty
        for step in STEPS:
            if step.is_daily:  # this day has events, and so has the day before
                assert run.recompute(step, date(2026, 10, 5)) == []


@pytest.mark.long
def test_damaged_part_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path)
    deployment.deliver("first", lines(5, 40))
    with several_parts(monkeypatch):
        deployment.run(UNTIL)
        before = deployment.hashes()
        with closing(open_store(deployment.folder)) as store:
            damage(store.paths_of(store.partitions[Key("events", KEY.date)])[3], b"not what was written")
        deployment.deliver("more", lines(5, 1))
        deployment.run(UNTIL)
        (deployment.folder.raw / "test" / "more.jsonl").unlink()
    with closing(open_store(deployment.folder)) as store:
        assert all(problem is None for _, problem in store.verify())
    assert before.keys() <= deployment.hashes().keys()
