"""Tests what a publication writes into the warehouse, on stores without a run.

test_replaced_warehouse.py has warehouses of other programs and versions, and those that are replaced meanwhile.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

import session_pipeline
from session_pipeline.build.plan import Certainty, Item, Kind, Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.publish import native_rows, new_warehouse, published_state, warehouse, warehouse_file
from session_pipeline.store.files import sync_file, sync_folder
from session_pipeline.store.records import Key
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES
from session_pipeline.tables.steps import STEP_OF_TABLE, is_built, is_optional
from session_pipeline_tests.small_stores import UNTIL, drop, plan_of, published, put, written_ahead

MONDAY, TUESDAY, WEDNESDAY = (Key("daily_summary", date(2026, 10, day)) for day in (5, 6, 7))
FILE, OTHER_FILE = (Key("quarantined_lines", None, letter * 32) for letter in "ab")
VISITORS = Key("visitors", None)
OUTDATED = Item(STEP_OF_TABLE["sessions"], MONDAY.date, Certainty.WILL, Kind.LOGIC, "a setting changed")
VIEWS = "[publish]\nnative_limit_gb = 0"
# What these tests look at, and what the macros read.
FEW_TABLES = {"daily_summary", "quarantined_lines", "visitors", "warehouse_info", "session_actions", "session_outcomes"}


@pytest.fixture(autouse=True)
def few_tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish few tables: most of the time of a publication is that of making all tables."""
    if "all_tables" not in request.fixturenames:
        monkeypatch.setattr(
            new_warehouse, "is_built", lambda name, settings: name in FEW_TABLES and is_built(name, settings)
        )


@pytest.fixture
def all_tables() -> None:
    """Publish all tables that the settings build."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with closing(Store(data / "store", "1.0")) as store, store.writing():
        yield store


@pytest.fixture
def copy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the copy of the present file cannot be changed, a new file is written instead; then a test fails here."""

    def refuse(file: warehouse_file.NewFile) -> None:
        raise AssertionError("the copy was discarded")

    monkeypatch.setattr(warehouse_file.NewFile, "discard", refuse)


def query(data: Path, sql: str) -> list[tuple[Any, ...]]:
    with session_pipeline.connect(data) as connection:
        return connection.execute(sql).fetchall()


def shown(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the days or files of each table with their sites."""
    columns = {"daily_summary": "session_date", "quarantined_lines": "file_id", "visitors": "null"}
    with session_pipeline.connect(data) as connection:
        return {
            name: connection.execute(f"select {key}, site from {name} order by all").fetchall()
            for name, key in columns.items()
        }


@pytest.mark.usefixtures("copy_is_used")
@pytest.mark.parametrize("settings", ["", VIEWS], ids=["tables", "views"])
def test_each_publication_shows_what_the_store_has(data: Path, store: Store, settings: str) -> None:
    plan = plan_of(settings)
    for key, sites in [(MONDAY, "ab"), (TUESDAY, "c"), (VISITORS, "de"), (FILE, "f"), (OTHER_FILE, "g")]:
        put(store, key, *sites)
    published(data, store, plan)
    assert shown(data) == {
        "daily_summary": [(MONDAY.date, "a"), (MONDAY.date, "b"), (TUESDAY.date, "c")],
        "quarantined_lines": [(FILE.file_id, "f"), (OTHER_FILE.file_id, "g")],
        "visitors": [(None, "d"), (None, "e")],
    }
    put(store, TUESDAY, "x", "y")
    put(store, WEDNESDAY, "z")
    put(store, VISITORS, "v")
    put(store, FILE, "w")
    drop(store, [MONDAY, OTHER_FILE])
    published(data, store, plan)
    assert shown(data) == {
        "daily_summary": [(TUESDAY.date, "x"), (TUESDAY.date, "y"), (WEDNESDAY.date, "z")],
        "quarantined_lines": [(FILE.file_id, "w")],
        "visitors": [(None, "v")],
    }
    drop(store, [TUESDAY, WEDNESDAY, FILE, VISITORS])
    published(data, store, plan)
    assert shown(data) == {"daily_summary": [], "quarantined_lines": [], "visitors": []}


@pytest.mark.usefixtures("copy_is_used")
def test_only_changed_partitions_are_replaced(data: Path, store: Store) -> None:
    for key in (MONDAY, TUESDAY, VISITORS, FILE):
        put(store, key, "a")
    assert published(data, store).replaced_count == 4
    assert published(data, store).replaced_count == 0
    put(store, TUESDAY, "b")
    put(store, WEDNESDAY, "c")
    drop(store, [MONDAY, FILE])
    assert published(data, store).replaced_count == 4, "one is replaced, one is new, two are deleted"


@pytest.mark.usefixtures("copy_is_used")
@pytest.mark.parametrize("limits", [("", VIEWS), (VIEWS, "")], ids=["become views", "become tables"])
def test_tables_become_views_and_views_tables(data: Path, store: Store, limits: tuple[str, str]) -> None:
    kinds = []
    for number, settings in enumerate(limits):
        put(store, MONDAY, f"a{number}")
        put(store, TUESDAY, "b")
        published(data, store, plan_of(settings))
        assert shown(data)["daily_summary"] == [(MONDAY.date, f"a{number}"), (TUESDAY.date, "b")]
        [(kind,)] = query(data, "select table_type from information_schema.tables where table_name = 'daily_summary'")
        kinds.append(kind)
    assert kinds == (["BASE TABLE", "VIEW"] if limits[1] else ["VIEW", "BASE TABLE"])
    drop(store, [TUESDAY])
    published(data, store, plan_of(limits[1]))
    assert shown(data)["daily_summary"] == [(MONDAY.date, "a1")]


@pytest.mark.usefixtures("copy_is_used")
@pytest.mark.parametrize("settings", ["", VIEWS], ids=["tables", "views"])
def test_files_are_those_of_the_rows(data: Path, store: Store, settings: str) -> None:
    put(store, MONDAY, "a", "b", file_count=2)
    put(store, TUESDAY, "c")
    put(store, FILE, "d")
    published(data, store, plan_of(settings))

    def files(name: str, *days: date | None) -> list[Path]:
        return session_pipeline.files(name, *days, data=data)

    monday, tuesday = (store.paths_of(store.partitions[key]) for key in (MONDAY, TUESDAY))
    assert files("daily_summary") == [*monday, *tuesday]
    assert files("daily_summary", TUESDAY.date, TUESDAY.date) == tuesday
    assert files("daily_summary", None, MONDAY.date) == monday
    assert files("quarantined_lines") == store.paths_of(store.partitions[FILE])
    assert query(data, "select site from daily_summary order by site") == [("a",), ("b",), ("c",)]
    put(store, MONDAY, "b", "c", file_count=2)
    drop(store, [FILE])
    published(data, store, plan_of(settings))
    assert files("daily_summary") == [*store.paths_of(store.partitions[MONDAY]), *tuesday]
    assert files("quarantined_lines") == []


def test_warehouse_info_has_one_row_for_the_present_publication(data: Path, store: Store) -> None:
    for day, timezone in ((7, "Europe/Berlin"), (8, "UTC")):
        put(store, MONDAY, f"{day}")
        plan = plan_of(f'timezone = "{timezone}"', UNTIL.replace(day=day))
        generation = published(data, store, plan).generation
        found = query(
            data, "select data_until, generation, package_version, settings_hash, timezone from warehouse_info"
        )
        assert found == [(plan.frame.until, generation, "1.0", published_state.settings_hash(plan), timezone)]
        assert generation == store.catalog.generation()


@pytest.mark.usefixtures("all_tables")
def test_table_that_the_settings_no_longer_build_is_removed(data: Path, store: Store) -> None:
    named = {name for name, contract in TABLES.items() if contract.is_published}
    optional = {name for name in named if is_optional(name)}
    assert optional
    for by, names in [("person", named), ("visitor", named - optional)]:
        published(data, store, plan_of(f"[identity]\nby = '{by}'"))
        assert {name for (name,) in query(data, "show tables")} == names


def test_damaged_copy_is_replaced_by_a_warehouse_with_all_rows(data: Path, store: Store) -> None:
    """Also if the file is the one that was published, by its size and time."""
    put(store, MONDAY, "a")
    published(data, store)
    path = data / "warehouse.duckdb"
    state = path.stat()
    path.write_bytes(bytes(state.st_size))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    put(store, TUESDAY, "b")
    assert published(data, store).replaced_count == 2
    assert shown(data)["daily_summary"] == [(MONDAY.date, "a"), (TUESDAY.date, "b")]
    assert query(data, "select wilson_low(0.5::double, 10, 1.96) is not null") == [(True,)]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (duckdb.IOException("Could not write file: No space left on device"), 1),
        (duckdb.TransactionException("Failed to commit: No space left on device"), 1),
        (duckdb.OutOfMemoryException("could not allocate block"), 2),
        (duckdb.FatalException("the file is damaged"), 2),
    ],
)
def test_full_disk_is_not_filled_again_by_another_attempt(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch, error: duckdb.Error, attempts: int
) -> None:
    put(store, MONDAY, "a")
    made: list[Path] = []

    def fail(store: Store, path: Path, *rows: Any) -> int:
        made.append(path)
        raise error

    monkeypatch.setattr(warehouse_file, "_write", fail)
    with pytest.raises(type(error)):
        published(data, store)
    assert len(made) == attempts
    assert not list(data.glob(".*"))


def test_copy_that_does_not_fit_on_the_disk_is_replaced_by_a_new_file(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If all days changed, a copy with the old and the new rows is twice as large as a new file."""
    put(store, MONDAY, "a")
    published(data, store)
    put(store, MONDAY, "b")
    write = warehouse_file._write

    def fail_for_a_copy(store: Store, path: Path, *rows: Any) -> int:
        if path.exists():
            raise duckdb.IOException("Could not write file: No space left on device")
        return write(store, path, *rows)

    monkeypatch.setattr(warehouse_file, "_write", fail_for_a_copy)
    published(data, store)
    assert shown(data)["daily_summary"] == [(MONDAY.date, "b")]


def test_changed_warehouse_is_not_copied(data: Path, store: Store) -> None:
    put(store, MONDAY, "a")
    published(data, store)
    with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
        connection.execute("update daily_summary set site = 'forged'")
    published(data, store)
    assert shown(data)["daily_summary"] == [(MONDAY.date, "a")]


def test_native_table_has_the_names_types_and_order_of_the_contract() -> None:
    contract = TABLES["daily_summary"]
    columns = [*((column.name, column.type) for column in contract.columns), ("session_date", "DATE")]
    assert native_rows.is_current({contract.name: columns}, contract)
    assert not native_rows.is_current({}, contract)
    for other in (
        columns[:-1],
        columns[1:],
        [columns[1], columns[0], *columns[2:]],
        [("site", "INTEGER"), *columns[1:]],
        [*columns[:-1], ("event_date", "DATE")],
    ):
        assert not native_rows.is_current({contract.name: other}, contract)


@pytest.mark.parametrize("linked", [False, True])
def test_warehouse_with_a_write_ahead_log_is_not_replaced(data: Path, store: Store, linked: bool) -> None:
    """Another program opened it for writing, by its name or by that of a link to it."""
    put(store, MONDAY, "a")
    path = data / "warehouse.duckdb"
    target = data / "elsewhere.duckdb"
    if linked:
        path.symlink_to(target)
    published(data, store)
    assert path.is_symlink() is linked
    assert not target.is_symlink()
    put(store, MONDAY, "b")
    for wal in {path, target if linked else path}:
        log = wal.with_name(f"{wal.name}.wal")
        log.touch()
        with pytest.raises(StoreError, match="something opened the warehouse for writing"):
            published(data, store)
        log.unlink()
        assert shown(data)["daily_summary"] == [(MONDAY.date, "a")]
        assert not list(data.glob(".*"))
    published(data, store)
    assert shown(data)["daily_summary"] == [(MONDAY.date, "b")]
    assert path.is_symlink() is linked


def test_new_warehouse_is_durable_before_and_after_it_is_in_place(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, MONDAY, "a")
    published(data, store)
    before = (data / "warehouse.duckdb").stat().st_ino
    order: list[str] = []

    def is_new() -> bool:
        return (data / "warehouse.duckdb").stat().st_ino != before

    def file(path: Path) -> None:
        order.append(f"file, in place: {is_new()}")
        sync_file(path)

    def folder(path: Path) -> None:
        order.append(f"folder, in place: {is_new()}")
        sync_folder(path)

    monkeypatch.setattr(warehouse_file, "sync_file", file)
    monkeypatch.setattr(warehouse_file, "sync_folder", folder)
    put(store, MONDAY, "b")
    published(data, store)
    assert order == ["file, in place: False", "folder, in place: True"]


def test_failed_publication_leaves_the_present_warehouse_and_no_other_file(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, MONDAY, "a")
    published(data, store)
    put(store, MONDAY, "b")

    def fail(path: Path) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(warehouse_file, "sync_file", fail)
    with pytest.raises(OSError, match="the disk is full"):
        published(data, store)
    assert shown(data)["daily_summary"] == [(MONDAY.date, "a")]
    assert not list(data.glob(".*"))


def test_warehouse_that_was_opened_for_writing_meanwhile_stays(data: Path, store: Store) -> None:
    put(store, MONDAY, "a")
    published(data, store)
    put(store, MONDAY, "b")
    ahead = written_ahead(data, store)
    assert ahead.file.place.is_file()
    log = data / "warehouse.duckdb.wal"
    log.touch()
    with pytest.raises(StoreError, match="something opened the warehouse for writing"):
        ahead.file.put_in_place()
    log.unlink()
    assert not ahead.file.is_in_place
    assert shown(data)["daily_summary"] == [(MONDAY.date, "a")]
    assert not list(data.glob(".*"))


@pytest.mark.parametrize("is_late", [False, True])
def test_warehouse_written_ahead_is_published_if_it_is_of_the_present_state(
    data: Path, store: Store, is_late: bool
) -> None:
    put(store, MONDAY, "a")
    ahead = written_ahead(data, store)
    if is_late:
        put(store, MONDAY, "b")
    published(data, store, written=ahead)
    assert ahead.file.is_in_place is not is_late
    assert shown(data)["daily_summary"] == [(MONDAY.date, "b" if is_late else "a")]
    assert published_state.is_current(DataFolder(data), store, plan_of())


@pytest.mark.parametrize(
    "plan",
    [plan_of(until=UNTIL.replace(day=7)), plan_of('timezone = "Europe/Berlin"'), plan_of(outdated=[OUTDATED])],
    ids=["last day", "settings", "outdated days"],
)
def test_warehouse_written_ahead_for_another_plan_is_not_published(data: Path, store: Store, plan: Plan) -> None:
    put(store, MONDAY, "a")
    ahead = written_ahead(data, store, plan)
    published(data, store, written=ahead)
    assert not ahead.file.is_in_place
    [found] = query(data, "select data_until, settings_hash, outdated_day_count from warehouse_info")
    assert found == (UNTIL, published_state.settings_hash(plan_of()), 0)


def test_damaged_partition_is_repaired_before_it_is_published(data: Path, store: Store) -> None:
    partition = put(store, MONDAY, "a")
    path = store.path_of(partition)
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    with closing(Store(data / "store", "1.0")) as later, pytest.raises(AssertionError, match="is damaged"):
        published(data, later)
    assert not (data / "warehouse.duckdb").exists()


@pytest.mark.parametrize("settings", ["", VIEWS], ids=["tables", "views"])
def test_connection_reads_no_other_files_and_keeps_its_limits(data: Path, store: Store, settings: str) -> None:
    put(store, MONDAY, "a")
    published(data, store, plan_of(settings))
    secret = data / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    folder = DataFolder(data)
    with closing(warehouse.connect(folder.warehouse, folder.store, memory_limit="100MB")) as connection:
        assert connection.execute("select site from daily_summary").fetchall() == [("a",)]
        assert connection.execute("select current_setting('memory_limit')").fetchone() == ("95.3 MiB",)
        for sql in (
            f"from '{secret}'",
            f"copy (select 1) to '{data / 'new.csv'}'",
            "set memory_limit = '10GB'",
            "set enable_external_access = true",
            "delete from _internal.published",
            "create table mine as select 1",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
