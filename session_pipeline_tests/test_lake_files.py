"""Tests which files a publication writes into the lake, replaces and removes, on stores without a run.

test_lake.py has the lake of whole runs, and test_readers.py how it is read while it changes.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from session_pipeline.errors import StoreError
from session_pipeline.publish import lake
from session_pipeline.publish.published_state import published_partitions
from session_pipeline.store.files import temporary_name
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline_tests.small_stores import drop, put

MONDAY, TUESDAY, WEDNESDAY = (Key("daily_summary", date(2026, 10, day)) for day in (5, 6, 7))
FILE, OTHER_FILE = (Key("quarantined_lines", None, letter * 32) for letter in "ab")
ONE = "daily_summary/session_date=2026-10-05/data.parquet"
TWO = "daily_summary/session_date=2026-10-06/data.parquet"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "store", "1.0")) as store, store.writing():
        yield store


class Lake:
    """The lake of a store, and the generation that it shows."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.generation = store, folder, 0

    def publish(self, *, contracts_changed: bool = False) -> tuple[int, int]:
        """Publish; return how many files were linked and removed."""
        change = lake.publish(
            self.store,
            self.folder,
            published_partitions(self.store),
            self.generation,
            contracts_changed=contracts_changed,
        )
        self.generation = self.store.catalog.generation()
        return change.linked_count, change.removed_count

    def files(self) -> dict[str, list[str]]:
        """Return the sites in each file, by its place."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): pq.ParquetFile(path).read().column("site").to_pylist() for path in found
        }


@pytest.fixture
def shown(store: Store, tmp_path: Path) -> Lake:
    return Lake(store, tmp_path / "lake")


def test_lake_has_one_file_for_each_partition_of_a_published_table(store: Store, shown: Lake) -> None:
    put(store, MONDAY, "a", "b")
    put(store, TUESDAY, "c")
    put(store, Key("visitors", None), "d")
    put(store, FILE, "e")
    put(store, Key("raw_events", MONDAY.date, FILE.file_id), "f")
    assert shown.publish() == (4, 0)
    assert shown.files() == {
        ONE: ["a", "b"],
        TWO: ["c"],
        f"quarantined_lines/{FILE.file_id}.parquet": ["e"],
        "visitors/data.parquet": ["d"],
    }


def test_files_of_the_lake_are_those_of_the_store(store: Store, shown: Lake) -> None:
    partition = put(store, MONDAY, "a")
    shown.publish()
    assert (shown.folder / ONE).samefile(store.path_of(partition))
    put(store, MONDAY, "b")
    shown.publish()
    assert (shown.folder / ONE).samefile(store.path_of(store.partitions[MONDAY]))


def test_only_changed_files_are_linked_and_removed(store: Store, shown: Lake) -> None:
    for key in (MONDAY, TUESDAY, FILE, OTHER_FILE):
        put(store, key, "a")
    shown.publish()
    assert shown.publish() == (0, 0)
    put(store, TUESDAY, "b")
    assert shown.publish() == (1, 0)
    put(store, WEDNESDAY, "c")
    drop(store, [MONDAY, OTHER_FILE])
    assert shown.publish() == (1, 2)
    assert shown.files() == {
        TWO: ["b"],
        "daily_summary/session_date=2026-10-07/data.parquet": ["c"],
        f"quarantined_lines/{FILE.file_id}.parquet": ["a"],
    }
    drop(store, [FILE])
    shown.publish()
    assert not (shown.folder / "quarantined_lines").exists(), "empty folders are removed"
    assert not (shown.folder / "daily_summary" / "session_date=2026-10-05").exists()


def test_generation_that_is_not_certain_replaces_every_file(store: Store, shown: Lake) -> None:
    """After another store wrote the lake, its file names say nothing about their content."""
    put(store, MONDAY, "a")
    shown.publish()
    (shown.folder / ONE).unlink()
    shutil.copyfile(store.path_of(put(store, TUESDAY, "of another store")), shown.folder / ONE)
    shown.generation = 0
    shown.publish()
    assert shown.files() == {ONE: ["a"], TWO: ["of another store"]}


def test_partition_of_several_files_replaces_the_one_file(store: Store, shown: Lake) -> None:
    put(store, MONDAY, "a")
    shown.publish()
    put(store, MONDAY, "a", "b", "c", file_count=3)
    assert shown.publish() == (3, 1)
    folder = "daily_summary/session_date=2026-10-05"
    assert shown.files() == {f"{folder}/data-0000{number}.parquet": [site] for number, site in enumerate("abc", 1)}
    put(store, MONDAY, "b", "c", file_count=2)
    assert shown.publish() == (2, 1)
    assert shown.files() == {f"{folder}/data-0000{number}.parquet": [site] for number, site in enumerate("bc", 1)}


def test_lake_with_a_file_of_a_dead_publication_is_cleaned(store: Store, shown: Lake) -> None:
    put(store, MONDAY, "a")
    shown.publish()
    leftovers = [
        shown.folder / "daily_summary" / "session_date=2026-10-06" / ".data.parquet.4711",
        shown.folder / "visitors" / ".data.parquet.4711",
        shown.folder / "daily_summary" / ".data.parquet.4711",
    ]
    for path in leftovers:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert shown.publish() == (0, 3)
    assert list(shown.files()) == [ONE]


def without_a_column(store: Store, partition: Partition) -> None:
    """Rewrite a partition's file as an older version would have written it."""
    path = store.path_of(partition)
    rows = pq.ParquetFile(path).read()
    path.unlink()
    pq.write_table(rows.drop_columns(["session_count"]), path)


def test_file_of_an_older_version_gets_todays_columns(store: Store, shown: Lake) -> None:
    older = put(store, MONDAY, "a")
    without_a_column(store, older)
    put(store, TUESDAY, "b")
    shown.publish()
    for place in (ONE, TWO):
        assert pq.read_schema(shown.folder / place).equals(table("daily_summary").schema), place
    assert shown.files() == {ONE: ["a"], TWO: ["b"]}
    assert pq.read_schema(store.path_of(older)).names[1] != "session_count", "the file of the store stays as it is"


def test_published_files_get_the_columns_of_a_changed_contract(store: Store, shown: Lake) -> None:
    older = put(store, MONDAY, "a")
    shown.publish()
    without_a_column(store, older)  # as if the contract had gained the column since
    (shown.folder / ONE).unlink()
    os.link(store.path_of(older), shown.folder / ONE)
    put(store, TUESDAY, "b")
    assert shown.publish() == (1, 0), "the contracts did not change"
    assert shown.publish(contracts_changed=True) == (1, 0)
    assert pq.read_schema(shown.folder / ONE).equals(table("daily_summary").schema)


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lake is on a disk to which there are no hard links."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("no_links")
def test_without_hard_links_files_are_copied(store: Store, shown: Lake) -> None:
    partition = put(store, MONDAY, "a")
    shown.publish()
    assert shown.files() == {ONE: ["a"]}
    assert not (shown.folder / ONE).samefile(store.path_of(partition))
    put(store, MONDAY, "b")
    shown.publish()
    assert shown.files() == {ONE: ["b"]}


@pytest.mark.usefixtures("no_links")
def test_failed_copy_leaves_the_file_that_was_there(store: Store, shown: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, MONDAY, "a")
    shown.publish()
    put(store, MONDAY, "b")

    def fill_the_disk(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(shutil, "copyfile", fill_the_disk)
    with pytest.raises(OSError, match="No space left") as raised:
        shown.publish()
    assert Path(raised.value.filename).parent == (shown.folder / ONE).parent, "the disk of the lake is full"
    assert shown.files() == {ONE: ["a"]}


@pytest.mark.usefixtures("no_links")
def test_copies_and_rewritten_files_are_durable_before_they_are_shown(
    store: Store, shown: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_a_column(store, put(store, MONDAY, "rewritten"))
    put(store, TUESDAY, "copied")
    synced: list[str] = []

    def sync(path: Path) -> None:
        assert not path.with_name("data.parquet").exists()
        synced.append(path.parent.name)

    monkeypatch.setattr(lake, "sync_file", sync)
    shown.publish()
    assert sorted(synced) == ["session_date=2026-10-05", "session_date=2026-10-06"]


def test_leftover_link_of_a_process_with_this_number_is_not_written_into(
    store: Store, shown: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leftover is a name of a file of the store, so a copy into it would damage the store."""
    stored = store.path_of(put(store, MONDAY, "a"))
    shown.publish()
    stored.chmod(0o600)
    os.link(stored, temporary_name(shown.folder / ONE))
    put(store, MONDAY, "b")
    shown.publish()
    assert shown.files() == {ONE: ["b"]}
    assert pq.ParquetFile(stored).read().column("site").to_pylist() == ["a"]


def test_removed_files_and_folders_are_written_again(store: Store, shown: Lake) -> None:
    put(store, MONDAY, "a")
    put(store, Key("visitors", None), "b")
    put(store, FILE, "c")
    shown.publish()
    before = shown.files()
    shutil.rmtree((shown.folder / ONE).parent)
    (shown.folder / "visitors" / "data.parquet").unlink()
    (shown.folder / "quarantined_lines" / f"{FILE.file_id}.parquet").unlink()
    assert shown.publish() == (3, 0)
    assert shown.files() == before
    shutil.rmtree(shown.folder)
    assert shown.publish() == (3, 0)
    assert shown.files() == before


def test_lake_without_partitions_is_an_empty_folder(store: Store, shown: Lake) -> None:
    """If it were removed, every run would publish again."""
    put(store, MONDAY, "a", "b", file_count=2)
    shown.publish()
    drop(store, [MONDAY])
    assert shown.publish() == (0, 2)
    assert list(shown.folder.iterdir()) == []


def test_links_to_folders_of_others_are_not_followed(store: Store, shown: Lake, tmp_path: Path) -> None:
    """Neither in place of a table nor of a day: what is behind them is not of this lake."""
    theirs = [tmp_path / "theirs" / "data.parquet", tmp_path / "theirs" / "session_date=2020-01-01" / "data.parquet"]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("theirs")
    put(store, MONDAY, "a")
    shown.publish()
    (shown.folder / "visitors").symlink_to(tmp_path / "theirs")
    (shown.folder / "daily_summary" / "session_date=2020-01-01").symlink_to(theirs[1].parent)
    assert shown.publish() == (0, 0)
    assert [path.read_text() for path in theirs] == ["theirs", "theirs"]


def test_folder_in_place_of_a_file_is_named(store: Store, shown: Lake) -> None:
    put(store, MONDAY, "a")
    (shown.folder / ONE).mkdir(parents=True)
    with pytest.raises(StoreError, match="session_date=2026-10-05"):
        shown.publish()
    assert [path.name for path in (shown.folder / ONE).parent.iterdir()] == ["data.parquet"], "no temporary file stays"


def test_renamed_folders_are_durable(store: Store, shown: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder with a new or removed name, and those above it up to the lake."""
    synced: list[str] = []
    monkeypatch.setattr(lake, "sync_folder", lambda path: synced.append(os.path.relpath(path, shown.folder)))
    put(store, MONDAY, "a")
    shown.publish()
    assert sorted(synced) == sorted(["..", ".", "daily_summary", os.path.dirname(ONE)])
    synced.clear()
    put(store, TUESDAY, "b")
    shown.publish()
    assert sorted(synced) == sorted([".", "daily_summary", os.path.dirname(TWO)])
    synced.clear()
    drop(store, [MONDAY])
    shown.publish()
    assert synced == [".", "daily_summary"]
