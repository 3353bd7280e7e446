"""Tests the catalog: stored values, transactions and snapshots, retired files, and the ledger of deliveries."""

import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.errors import StoreError
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.catalog_file import FROZEN_BEFORE, number_in
from session_pipeline.store.records import JsonMapping, Key, Partition, Publication, Recipe, SourceFile, utc_now

DAY = date(2026, 10, 5)
PARTITION = Partition(
    key=Key("events", DAY, "f1"),
    path="events/a.parquet",
    sha256="a",
    row_count=3,
    byte_count=4,
    fingerprint="print",
    parts={"recipe": "r"},
    counts={"seconds": 0.5},
    reason="new day",
    run_id="run",
    built_at="now",
    generation=5,
    is_damaged=False,
    changed_generation=2,
    causes=("new a.jsonl", "new b.jsonl"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    catalog = Catalog(path)
    yield catalog
    catalog.close()


def test_numbers_default_to_zero(catalog: Catalog) -> None:
    assert (catalog.generation(), catalog.number("never said")) == (0, 0)


def test_keys_have_a_text_and_an_order() -> None:
    assert str(Key("events", DAY)) == "events[2026-10-05]"
    assert str(Key("user_agents", None)) == "user_agents"
    assert sorted([Key("b", DAY), Key("a", DAY, "2"), Key("a", DAY, "1")])[0] == Key("a", DAY, "1")


def test_partition_defaults() -> None:
    bare = Partition(Key("events", DAY), "", "", 0, 0, "")
    assert (bare.generation, bare.changed_generation, bare.is_damaged) == (0, 0, False)


def test_times_have_microseconds_and_no_zone() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", utc_now())


def test_any_thread_can_use_an_open_catalog(catalog: Catalog) -> None:
    with ThreadPoolExecutor(1) as other:
        assert other.submit(catalog.generation).result() == 0
    catalog.close()
    with pytest.raises(sqlite3.ProgrammingError):
        catalog.generation()


@pytest.mark.parametrize("partition", [PARTITION, PARTITION._replace(key=Key("user_agents", None), is_damaged=True)])
def test_partition_is_read_as_it_was_written(catalog: Catalog, path: Path, partition: Partition) -> None:
    with catalog.transaction():
        catalog.put([partition])
    other = Catalog(path)
    assert other.partitions() == catalog.partitions() == {partition.key: partition}
    other.close()


def _put_and_fail(catalog: Catalog) -> None:
    with catalog.transaction():
        catalog.put([PARTITION])
        raise ZeroDivisionError


def test_transaction_makes_the_next_generation_or_changes_nothing(catalog: Catalog) -> None:
    assert catalog.generation() == 0
    with catalog.transaction() as generation:
        assert generation == 1
    with pytest.raises(ZeroDivisionError):
        _put_and_fail(catalog)
    assert catalog.partitions() == {}
    assert catalog.generation() == 1
    with catalog.transaction(advances=False) as generation:
        assert generation == 1
    with catalog.transaction():
        pass
    assert catalog.generation() == 2


def test_writes_are_visible_to_others_after_commit(catalog: Catalog, path: Path) -> None:
    other = Catalog(path)
    with catalog.transaction():
        catalog.put([PARTITION])
        assert other.partitions() == {}
    assert other.partitions() != {}
    other.close()


def test_snapshot_sees_one_state(catalog: Catalog, path: Path) -> None:
    other = Catalog(path)
    with other.snapshot():
        assert other.partitions() == {}
        with catalog.transaction():
            catalog.put([PARTITION])
        assert other.partitions() == {}
    assert other.partitions() != {}
    other.close()


def test_error_before_a_commit_changes_nothing(catalog: Catalog) -> None:
    def refuse() -> None:
        raise StoreError("another process writes the store")

    catalog.before_commit = refuse
    with pytest.raises(StoreError, match="another process"), catalog.transaction():
        catalog.put([PARTITION])
    assert (catalog.generation(), catalog.partitions()) == (0, {})


def test_numbers_and_texts_are_stored_by_name(catalog: Catalog) -> None:
    assert (catalog.number("some"), catalog.text("name")) == (0, "")
    catalog.set_state("some", 7)
    catalog.set_state("other", 8)
    catalog.set_state("name", "a text")
    assert (catalog.number("some"), catalog.number("other"), catalog.text("name")) == (7, 8, "a text")


def test_number_of_a_file_is_read_without_opening_the_catalog(catalog: Catalog, path: Path) -> None:
    catalog.set_state("some", 7)
    assert (number_in(path, "some"), number_in(path, "never said")) == (7, 0)


def test_number_of_a_missing_file_creates_none(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        number_in(tmp_path / "missing.sqlite", "some")
    assert not (tmp_path / "missing.sqlite").exists()


def test_first_day_that_is_not_frozen_is_a_date(catalog: Catalog) -> None:
    assert catalog.frozen_before() is None
    catalog.set_state(FROZEN_BEFORE, DAY.toordinal())
    assert catalog.frozen_before() == DAY


def test_shrunk_file_has_neither_deleted_rows_nor_their_space(catalog: Catalog, path: Path) -> None:
    with catalog.transaction():
        for number in range(1_000):
            catalog.put_delivery(f"deleted/{number:0100}", "f1", "stamp")
    with catalog.transaction():
        catalog.forget_source_file("f1")
    catalog.shrink()
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    assert b"deleted/" not in path.read_bytes()
    assert path.stat().st_size < 100_000


def test_replaced_file_is_retired_until_referenced_again(catalog: Catalog) -> None:
    second = PARTITION._replace(path="events/b.parquet", generation=6)
    with catalog.transaction():
        catalog.put([PARTITION])
    assert catalog.retired(99) == []
    with catalog.transaction():
        catalog.put([second])
        catalog.put([second._replace(row_count=9)])
    assert catalog.retired(5) == []
    assert catalog.retired(6) == ["events/a.parquet"]
    assert catalog.named_paths() == {"events/a.parquet", "events/b.parquet"}
    with catalog.transaction():
        catalog.put([PARTITION._replace(generation=7)])
    assert catalog.retired(99) == ["events/b.parquet"]
    catalog.forget_retired(["events/b.parquet"])
    assert catalog.retired(99) == []


def test_drop_retires_only_the_given_partition(catalog: Catalog) -> None:
    beside = [
        PARTITION._replace(key=Key("events", DAY, "f2"), path="b"),
        PARTITION._replace(key=Key("events", date(2026, 10, 6), "f1"), path="c"),
        PARTITION._replace(key=Key("sessions", DAY, "f1"), path="d"),
    ]
    with catalog.transaction():
        for partition in (PARTITION, *beside):
            catalog.put([partition])
        catalog.drop(PARTITION.key, 9)
        catalog.mark_damaged(beside[0].key)
    found = catalog.partitions()
    assert set(found) == {partition.key for partition in beside}
    assert [found[partition.key].is_damaged for partition in beside] == [True, False, False]
    assert (catalog.retired(8), catalog.retired(9)) == ([], ["events/a.parquet"])


def test_recipes_are_never_overwritten(catalog: Catalog) -> None:
    catalog.put_recipe(Recipe("r1", {"model": "a"}))
    catalog.put_recipe(Recipe("r1", {"model": "b"}))
    assert catalog.recipes() == {"r1": {"model": "a"}}


def test_source_file_has_its_first_path_and_delivery_count(catalog: Catalog) -> None:
    with catalog.transaction():
        catalog.put_source_file(SourceFile("f1", "print", {"status": "accepted"}))
        catalog.put_source_file(SourceFile("f2", "print", {"status": "refused"}))
        catalog.put_delivery("web/b.jsonl", "f1", "stamp 1")
        catalog.put_delivery("web/a.jsonl", "f1", "stamp 2")
    ledger = catalog.source_files()
    assert ledger["f1"] == SourceFile("f1", "print", {"status": "accepted", "path": "web/a.jsonl", "delivery_count": 2})
    assert ledger["f2"].facts["delivery_count"] == 0
    assert catalog.paths_of("f1") == ["web/a.jsonl", "web/b.jsonl"]


def test_forgotten_file_is_gone_from_the_ledger_with_its_paths(catalog: Catalog) -> None:
    with catalog.transaction():
        for file_id in ("f1", "f2"):
            catalog.put_source_file(SourceFile(file_id, "print", {"status": "accepted"}))
            catalog.put_delivery(f"web/{file_id}.jsonl", file_id, "stamp")
    assert set(catalog.source_files()) == {"f1", "f2"}
    with catalog.transaction():
        catalog.forget_source_file("f1")
    assert set(catalog.source_files()) == {"f2"}
    assert catalog.delivered() == {"web/f2.jsonl": ("stamp", "f2")}


def test_path_has_its_last_delivered_file(catalog: Catalog) -> None:
    with catalog.transaction():
        catalog.put_delivery("web/a.jsonl", "f3", "stamp 1")
        catalog.put_delivery("web/b.jsonl", "f2", "stamp 2")
        catalog.put_delivery("web/a.jsonl", "f1", "stamp 3")
    assert catalog.delivered() == {"web/a.jsonl": ("stamp 3", "f1"), "web/b.jsonl": ("stamp 2", "f2")}
    assert catalog.paths_of("f3") == ["web/a.jsonl"]


def test_publications_are_newest_first(catalog: Catalog) -> None:
    some = [Publication(number, DAY, "hash", "now", "run") for number in (3, 9, 5)]
    with catalog.transaction():
        for publication in some:
            catalog.put_publication(publication)
    assert [publication.generation for publication in catalog.publications()] == [9, 5, 3]
    assert catalog.publications()[0] == some[1]


def test_catalog_of_an_older_format_gets_missing_columns(path: Path) -> None:
    catalog = Catalog(path)
    with catalog.transaction():
        catalog.put([PARTITION])
    catalog.close()
    with sqlite3.connect(path) as connection:
        connection.execute("alter table partitions drop column causes")
        connection.execute("alter table partitions drop column changed_generation")
    connection.close()
    again = Catalog(path)
    assert again.partitions()[PARTITION.key] == PARTITION._replace(changed_generation=0, causes=())
    assert again.generation() == 1
    again.close()


def test_ledger_is_read_again_after_a_change_by_any_connection(catalog: Catalog, path: Path) -> None:
    def put(through: Catalog, file_id: str) -> None:
        with through.transaction():
            through.put_source_file(SourceFile(file_id, "rules", {"status": "accepted"}))

    put(catalog, "f1")
    first = catalog.source_files()
    first.clear()  # the caller's own
    assert set(catalog.source_files()) == {"f1"}
    put(catalog, "f2")
    assert set(catalog.source_files()) == {"f1", "f2"}
    other = Catalog(path)
    put(other, "f3")
    other.close()
    assert set(catalog.source_files()) == {"f1", "f2", "f3"}


def test_values_of_a_partition_are_read_from_their_text_when_they_are_needed() -> None:
    values = JsonMapping('{"a": 1, "b": [2]}')
    assert values == {"a": 1, "b": [2]}
    assert (len(values), values["b"], values.get("c"), dict(values)) == (2, [2], None, {"a": 1, "b": [2]})
    JsonMapping("no JSON")  # not needed


def test_ledger_read_in_a_transaction_that_fails_is_read_again(catalog: Catalog) -> None:
    def fail() -> None:
        with catalog.transaction():
            catalog.put_source_file(SourceFile("f1", "rules", {"status": "accepted"}))
            assert set(catalog.source_files()) == {"f1"}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert catalog.source_files() == {}


def test_full_disk_within_a_transaction_is_its_error(catalog: Catalog, path: Path) -> None:
    """SQLite itself rolls the transaction back then."""
    with closing(sqlite3.connect(path)) as other:
        [page_count] = other.execute("pragma page_count").fetchone()
    catalog._connection.execute(f"pragma max_page_count = {page_count + 2}")

    def fill() -> None:
        with catalog.transaction():
            for number in range(1_000):
                catalog.put_delivery(f"{number:0100}", "f1", "stamp")

    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        fill()
    assert catalog.delivered() == {}
    assert catalog.generation() == 0
