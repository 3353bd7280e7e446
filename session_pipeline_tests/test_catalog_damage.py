"""Tests damage of the catalog: it is reported in a sentence, and `verify` finds it in every row."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.errors import StoreError
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.catalog_file import TABLES
from session_pipeline.store.damage import DIGEST
from session_pipeline.store.records import Key, Partition, Publication, Recipe, SourceFile
from session_pipeline.store.store import Store
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.shop_commands import call

DAY = date(2026, 10, 5)
KEY = Key("events", DAY)
PARTITION = Partition(KEY, "events/a.parquet", "a", 3, 4, "print", parts={"recipe": "r"}, causes=("file web/a.jsonl",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog with rows in each table, also rows that were changed."""
    path = tmp_path / "catalog.sqlite"
    with closing(Catalog(path)) as catalog, catalog.transaction():
        catalog.put([PARTITION._replace(path="events/former.parquet"), PARTITION._replace(key=Key("sessions", DAY))])
        catalog.put([PARTITION])
        catalog.mark_damaged(Key("sessions", DAY))
        catalog.put_source_file(SourceFile("f1", "rules", {"status": "accepted"}))
        catalog.put_delivery("web/a.jsonl", "f0", "first stamp")
        catalog.put_delivery("web/a.jsonl", "f1", "second stamp")
        catalog.put_recipe(Recipe("r", {"model": "a"}))
        catalog.put_publication(Publication(1, DAY, "settings", "now", "run"))
    return path


def change(path: Path, statement: str) -> None:
    """Change rows without their digests, as damage does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def columns_of(path: Path, table_name: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("select name from pragma_table_info(?)", (table_name,))]


def rows_of(path: Path) -> object:
    """All rows of a catalog file, or the error of reading them."""
    with closing(sqlite3.connect(path)) as connection:
        try:
            return [connection.execute(f"select * from {table_name}").fetchall() for table_name in TABLES]
        except (sqlite3.Error, ValueError) as error:
            return str(error)


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("update partitions set date = '2026-1p-05'", Catalog.partitions),
        ("update partitions set causes = '[\"file'", Catalog.partitions),
        ("update partitions set path = cast(x'ff' as text)", Catalog.partitions),
        ("update partitions set parts = '{'", lambda catalog: catalog.partitions()[KEY].parts["recipe"]),
        ("update partitions set part_list = '{'", lambda catalog: catalog.partitions()[KEY].files),
        ("update partitions set part_list = '{'", Catalog.named_paths),
        ("update recipes set parts = '{'", Catalog.recipes),
        ("update source_files set facts = '{'", Catalog.source_files),
        ("update source_files set facts = '[]'", Catalog.source_files),
        ("update deliveries set stamp = cast(x'ff' as text)", Catalog.delivered),
        ("update publications set data_until = '2026'", Catalog.publications),
        ("update publications set data_until = '2026'", Catalog.latest_publication),
        ("update state set value = 'x'", Catalog.generation),
        ("insert into state values ('frozen_before', -1, '')", Catalog.frozen_before),
    ],
)
def test_value_that_cannot_be_read_is_reported_as_damage(
    path: Path, statement: str, read: Callable[[Catalog], object]
) -> None:
    change(path, statement)
    with closing(Catalog(path)) as catalog, pytest.raises(StoreError, match=r"damaged .*; restore it from a backup"):
        read(catalog)


@pytest.mark.parametrize(
    ("statement", "read", "message"),
    [
        (
            "update source_files set facts = replace(facts, 'status', 'sta4us')",
            lambda catalog: catalog.source_files()["f1"].facts["status"],
            r"catalog\.sqlite is damaged \(delivered file web/a\.jsonl has no status\); restore it from a backup",
        ),
        (
            "update partitions set parts = replace(parts, 'recipe', 'recite')",
            lambda catalog: catalog.partitions()[KEY].parts["recipe"],
            r"damaged \(a partition has no recipe\); restore it from a backup",
        ),
    ],
)
def test_damaged_name_of_a_value_is_reported_as_damage(
    path: Path, statement: str, read: Callable[[Catalog], object], message: str
) -> None:
    change(path, statement)
    with closing(Catalog(path)) as catalog, pytest.raises(StoreError, match=message):
        read(catalog)


def test_damaged_schema_is_reported_as_damage(tmp_path: Path) -> None:
    with closing(Store(tmp_path, "1.0")):
        pass
    file = tmp_path / "catalog.sqlite"
    file.write_bytes(file.read_bytes().replace(b"fingerprint text", b"fingerprilt text"))
    with pytest.raises(StoreError, match=r"catalog\.sqlite is damaged .*fingerprint.*; restore it from a backup"):
        Store(tmp_path, "1.0")


def test_undamaged_catalog_passes_the_check(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        catalog.check_rows()
        with catalog.transaction() as generation:
            catalog.drop(KEY, generation)
            catalog.forget_source_file("f1")
        catalog.check_rows()


@pytest.mark.parametrize("table_name", TABLES)
def test_change_of_any_column_is_found(path: Path, table_name: str) -> None:
    whole = path.read_bytes()
    for column in columns_of(path, table_name):
        change(path, f"update {table_name} set {column} = {column} || '1'")
        with closing(Catalog(path)) as catalog, pytest.raises(StoreError, match=f"of {table_name} not as written"):
            catalog.check_rows()
        path.write_bytes(whole)


@pytest.mark.long
def test_every_flipped_bit_that_changes_a_row_is_found(path: Path) -> None:
    whole, rows = path.read_bytes(), rows_of(path)
    found_count = 0
    for position in range(0, len(whole), 41):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        if rows_of(path) != rows:
            with pytest.raises(StoreError), closing(Catalog(path)) as catalog:
                catalog.check_rows()
            found_count += 1
    assert found_count > 20


def test_rows_of_an_older_version_are_checked_once_their_digests_are_recorded(path: Path) -> None:
    for table_name in TABLES:
        change(path, f"alter table {table_name} drop column {DIGEST}")
    change(path, "update recipes set parts = '{}'")
    with closing(Catalog(path)) as catalog:
        catalog.check_rows()
        catalog.record_missing_digests()
        catalog.check_rows()
        change(path, "update recipes set parts = '[]'")
        with pytest.raises(StoreError, match=r"damaged \(1 row of recipes not as written\)"):
            catalog.check_rows()


def test_verify_reports_a_changed_row_of_the_catalog(week: Deployment) -> None:
    assert call("verify", "--data", week.folder.path)[0] == 0
    change(week.folder.store / "catalog.sqlite", "update partitions set row_count = row_count + 1 where date <> ''")
    code, _, err = call("verify", "--data", week.folder.path)
    assert code == 1
    assert "rows of partitions not as written" in err
    assert "restore it from a backup" in err
