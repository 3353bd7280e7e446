"""Tests when the published files count as those of the present state, so that nothing is published again."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.build.plan import Certainty, Item, Kind, Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import published_state
from session_pipeline.publish.macros import MACROS
from session_pipeline.store.records import Key
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, Table
from session_pipeline.tables.steps import STEPS
from session_pipeline_tests.small_stores import UNTIL, drop, plan_of, published, put

DAY, NEXT_DAY = date(2026, 10, 5), date(2026, 10, 6)
OUTDATED = Item(next(step for step in STEPS if step.is_daily), DAY, Certainty.WILL, Kind.LOGIC, "a setting changed")


def make(data: Path, settings: str = "") -> Path:
    """Publish a store with one day."""
    with closing(Store(data / "store", "1.0")) as store, store.writing():
        put(store, Key("daily_summary", DAY), "shop")
        published(data, store, plan_of(settings))
    return data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("published") / "data")


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of `made` that the test may change."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with closing(Store(data / "store", "1.0")) as store, store.writing():
        yield store


def shows(data: Path, store: Store, plan: Plan | None = None) -> bool:
    return published_state.shows_what_is_built(DataFolder(data), store, plan or plan_of())


def test_published_state_is_current(data: Path, store: Store) -> None:
    assert shows(data, store)
    assert published_state.is_current(DataFolder(data), store, plan_of())
    assert not published_state.is_changed(DataFolder(data), store)
    assert published_state.unpublished_days(store) == ()


def test_nothing_is_current_before_the_first_publication(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "store", "1.0")) as store:
        assert not shows(tmp_path, store)
        assert not published_state.is_of_present_store(DataFolder(tmp_path), store)
        assert not published_state.is_current(DataFolder(tmp_path), store, plan_of())
        assert not published_state.is_changed(DataFolder(tmp_path), store)


def test_other_last_day_is_not_current_but_shows_the_same_tables(data: Path, store: Store) -> None:
    for until in (UNTIL.replace(day=7), UNTIL.replace(day=9)):
        assert shows(data, store, plan_of(until=until))
        assert not published_state.is_current(DataFolder(data), store, plan_of(until=until))


def set_time(path: Path, nanoseconds: int) -> None:
    written = path.stat().st_mtime_ns
    os.utime(path, ns=(written, written + nanoseconds))


def append(path: Path) -> None:
    """Change the size of a file and not its modification time."""
    written = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(written, written))


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: set_time(data / "warehouse.duckdb", 1),
        lambda data: append(data / "warehouse.duckdb"),
        lambda data: (data / "warehouse.duckdb").unlink(),
    ],
    ids=["time", "size", "removed"],
)
def test_changed_warehouse_is_published_again(data: Path, store: Store, harm: Callable[[Path], None]) -> None:
    harm(data)
    assert not shows(data, store)
    assert not published_state.is_current(DataFolder(data), store, plan_of())
    assert published_state.is_changed(DataFolder(data), store)
    assert published_state.is_of_present_store(DataFolder(data), store), "its rows can still be compared"
    before = published_state.shown_before(DataFolder(data), store)
    assert (before.has_warehouse, before.lake_generation) == (False, 0), "the lake is not trusted either"


def test_removed_lake_is_published_again(data: Path, store: Store) -> None:
    shutil.rmtree(data / "lake")
    assert not shows(data, store)
    assert not published_state.is_changed(DataFolder(data), store)
    published(data, store)
    assert shows(data, store)
    assert (data / "lake" / "daily_summary" / f"session_date={DAY}" / "data.parquet").is_file()


def test_files_marked_to_be_written_again_are_not_changed(data: Path, store: Store) -> None:
    published_state.publish_again(store)
    assert not shows(data, store)
    assert not published_state.is_changed(DataFolder(data), store)


def test_built_and_dropped_partitions_are_published(data: Path, store: Store) -> None:
    put(store, Key("daily_summary", NEXT_DAY), "shop")
    assert not shows(data, store)
    published(data, store)
    assert shows(data, store)
    drop(store, [Key("daily_summary", NEXT_DAY)])
    assert not shows(data, store)


@pytest.mark.parametrize(
    "settings",
    ['timezone = "Europe/Berlin"', "[sources.web]\n[sources.shop]\nsite = 'main'"],
    ids=["time zone", "default site"],
)
def test_changed_settings_are_published(data: Path, store: Store, settings: str) -> None:
    """A site that equals the default counts, too: the report warns only if none is written."""
    before = "[sources.web]\n[sources.shop]"
    published(data, store, plan_of(before))
    assert not shows(data, store, plan_of(settings))
    published(data, store, plan_of(settings))
    assert shows(data, store, plan_of(settings))


def test_command_of_alerts_and_kept_runs_are_not_published(data: Path, store: Store) -> None:
    published(data, store, plan_of())
    assert shows(data, store, plan_of('[alerts]\ncommand = ["/usr/local/bin/alert"]\n[history]\nkeep_days = 9'))


def test_order_of_sources_is_no_changed_setting() -> None:
    web, shop = "[sources.web]\nsite = 'web'\n", "[sources.shop]\nsite = 'shop'\n"
    assert published_state.settings_hash(plan_of(web + shop)) == published_state.settings_hash(plan_of(shop + web))


def test_days_that_wait_for_an_upgrade_are_published(data: Path, store: Store) -> None:
    waiting = plan_of(outdated=[OUTDATED])
    assert not shows(data, store, waiting)
    published(data, store, waiting)
    assert shows(data, store, waiting)
    assert not shows(data, store), "none waits any more"


def with_contract(name: str, change: Callable[[Table], Table], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, name, change(TABLES[name]))  # type: ignore[misc]


def other_meaning(contract: Table) -> Table:
    first, *others = contract.columns
    return replace(contract, columns=(replace(first, meaning="Other."), *others))


@pytest.mark.parametrize(
    "change",
    [
        lambda contract: replace(contract, columns=contract.columns[1:]),
        lambda contract: replace(contract, grain="Other."),
        other_meaning,
    ],
    ids=["column", "row", "meaning"],
)
def test_changed_contract_of_a_published_table_is_published(
    data: Path, store: Store, change: Callable[[Table], Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_contract("open_sessions", change, monkeypatch)
    assert shows(data, store), "this table is in the store only"
    with_contract("daily_summary", change, monkeypatch)
    assert not shows(data, store)
    assert not published_state.is_of_present_store(DataFolder(data), store)
    assert published_state.shown_before(DataFolder(data), store).contracts_changed


def test_changed_comment_of_a_macro_is_published(data: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MACROS, "wilson_low", replace(MACROS["wilson_low"], grain="Other."))  # type: ignore[misc]
    assert not shows(data, store)


@pytest.mark.parametrize(("settings", "is_current"), [("", True), ("[publish]\nnative_limit_gb = 0", False)])
def test_moved_data_folder_is_published_again_if_views_name_it(tmp_path: Path, settings: str, is_current: bool) -> None:
    make(tmp_path / "before", settings)
    moved = (tmp_path / "before").rename(tmp_path / "after")
    with closing(Store(moved / "store", "1.0")) as store:
        assert shows(moved, store, plan_of(settings)) is is_current
        assert published_state.is_of_present_store(DataFolder(moved), store) is is_current


def test_days_built_since_the_last_publication_are_unpublished(data: Path, store: Store) -> None:
    """Raw events are no result of a build of their day, and visitors have no day."""
    assert published_state.unpublished_days(store) == ()
    for key in (
        Key("sessions", UNTIL),
        Key("daily_outcomes", NEXT_DAY),
        Key("sessions", NEXT_DAY),
        Key("raw_events", date(2026, 10, 7), "f1"),
        Key("visitors", None),
    ):
        put(store, key, "shop")
    assert published_state.unpublished_days(store) == (NEXT_DAY, UNTIL), "the day that was published is not one"
    published(data, store)
    assert published_state.unpublished_days(store) == ()


def test_all_built_days_are_unpublished_before_the_first_publication(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "store", "1.0")) as store, store.writing():
        put(store, Key("daily_summary", DAY), "shop")
        assert published_state.unpublished_days(store) == (DAY,)


def test_warehouse_of_another_store_is_no_reason_to_trust_the_lake(data: Path, tmp_path: Path) -> None:
    """A store that is created again can reach the same generations as the one that wrote the files."""
    shutil.rmtree(data / "store")
    with closing(Store(data / "store", "1.0")) as store, store.writing():
        put(store, Key("daily_summary", DAY), "other shop")
        before = published_state.shown_before(DataFolder(data), store)
        assert (before.has_warehouse, before.lake_generation) == (False, 0)
