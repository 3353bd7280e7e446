"""Tests when the state of a store is published and what a publication returns and deletes, on stores without a run.

test_warehouse_file.py and test_lake_files.py have what is in the files.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.build.plan import Certainty, Item, Kind
from session_pipeline.errors import StoreError
from session_pipeline.publish import lake
from session_pipeline.publish.publication import Published, why_not
from session_pipeline.store.records import Key
from session_pipeline.store.store import Store
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.small_stores import drop, plan_of, published, put

MONDAY, TUESDAY = (Key("daily_summary", date(2026, 10, day)) for day in (5, 6))
STALE = (
    Item(STEP_OF_TABLE["sessions"], MONDAY.date, Certainty.WILL, Kind.DATA, "events changed"),
    Item(STEP_OF_TABLE["daily_summary"], MONDAY.date, Certainty.MAY, Kind.DATA, "reads sessions"),
    Item(STEP_OF_TABLE["visitors"], None, Certainty.MAY, Kind.DATA, "reads visitor_states"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "store", "1.0")) as store, store.writing():
        yield store


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        (0, None),
        (1, "sessions[2026-10-05] is stale (events changed); the previous publication stays in place"),
        (2, "sessions[2026-10-05] is stale (events changed) and 1 more; the previous publication stays in place"),
        (3, "sessions[2026-10-05] is stale (events changed) and 2 more; the previous publication stays in place"),
    ],
)
def test_reason_names_the_first_stale_table_and_counts_the_others(count: int, reason: str | None) -> None:
    assert why_not(replace(plan_of(), items=STALE[:count])) == reason


def test_stale_state_is_not_published(tmp_path: Path, store: Store) -> None:
    put(store, MONDAY, "a")
    with pytest.raises(StoreError, match=r"sessions\[2026-10-05\] is stale"):
        published(tmp_path, store, replace(plan_of(), items=STALE[:1]))
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def test_publication_says_what_it_changed(tmp_path: Path, store: Store) -> None:
    put(store, MONDAY, "a")
    put(store, TUESDAY, "b")
    first = published(tmp_path, store)
    assert first == Published(store.catalog.generation(), replaced_count=2, linked_count=2, removed_count=0)
    put(store, TUESDAY, "c")
    drop(store, [MONDAY])
    second = published(tmp_path, store)
    assert second == Published(first.generation + 2, replaced_count=2, linked_count=1, removed_count=1)


def test_files_of_old_publications_are_deleted(tmp_path: Path, store: Store) -> None:
    paths = []
    for site in "abcdef":
        paths.append(store.path_of(put(store, MONDAY, site)))
        published(tmp_path, store)
    assert [path.exists() for path in paths] == [False, False, True, True, True, True]


@pytest.mark.parametrize("is_first", [True, False])
def test_writer_whose_lock_file_is_deleted_publishes_nothing(tmp_path: Path, store: Store, is_first: bool) -> None:
    """Otherwise it replaces the warehouse of another writer, and files of its lake, which nobody would notice."""
    put(store, MONDAY, "a")
    if not is_first:
        published(tmp_path, store)
        put(store, MONDAY, "b")
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    (store.folder / "writer.lock").unlink()
    with pytest.raises(StoreError, match=r"writer\.lock was deleted while"):
        published(tmp_path, store)
    del before[store.folder / "writer.lock"]
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before


def test_lake_is_left_alone_once_the_lock_file_is_deleted(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer can publish while this one is at work on many files."""
    put(store, MONDAY, "a")
    put(store, TUESDAY, "b")
    place = lake._place

    def place_and_lose_the_lock(*args: Any, **options: Any) -> None:
        place(*args, **options)
        (store.folder / "writer.lock").unlink()

    monkeypatch.setattr(lake, "_place", place_and_lose_the_lock)
    with pytest.raises(StoreError, match=r"writer\.lock was deleted while"):
        published(tmp_path, store)
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) == 1
