"""Tests the store: commits, crashes between their steps, damage, sweeping. Its lock is in test_store_locks.py."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.errors import StoreError
from session_pipeline.store.files import copy_file
from session_pipeline.store.records import Key, Publication, Written
from session_pipeline.store.store import Store
from session_pipeline_tests.deployment import WITHOUT_PRIVILEGES, damage

DAY = date(2026, 10, 5)
OPEN = (
    "import pathlib, sys; from session_pipeline.store.store import Store;"
    " store = Store(pathlib.Path(sys.argv[1]), '1.0'); store"
)
OTHER_PLACES = [path for path in (Path("/dev/shm"), Path("/var/tmp"), Path.home()) if os.access(path, os.W_OK)]
KEY = Key("daily_summary", DAY)


def written(store: Store, value: int, key: Key = KEY) -> Written:
    path = store.scratch / f"{value}.parquet"
    pq.write_table(pa.table({"site": [str(value)]}), path)
    return Written(key, path, 1, fingerprint=str(value))


def commit(store: Store, *values: int) -> None:
    with store.writing():
        for value in values:
            store.commit([written(store, value)], run_id="test")


def test_commit_is_found_by_another_process(store: Store, opened: Callable[[], Store]) -> None:
    commit(store, 1)
    found = opened().get(KEY)
    assert found is not None
    assert found.fingerprint == "1"
    assert store.path_of(found).is_file()
    assert found.path.startswith("daily_summary/session_date=2026-10-05/")


def test_failed_commit_leaves_the_previous_state(
    store: Store, opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, 1)
    with store.writing():
        item = written(store, 2)
        monkeypatch.setattr(store.catalog, "put", lambda partition: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.commit([item], run_id="test")
    again = opened()
    assert again.get(KEY).fingerprint == "1"  # type: ignore[union-attr]
    assert again.catalog.generation() == 1


def test_unreferenced_files_are_swept_after_a_crash(store: Store) -> None:
    commit(store, 1)
    orphan = store.folder / "daily_summary" / "session_date=2026-10-05" / "orphan.parquet"
    orphan.write_bytes(b"half")
    store.catalog.set_state("run_is_open", 1)  # as a killed run leaves it
    with store.writing():
        assert not orphan.exists()
    assert store.path_of(store.get(KEY)).is_file()  # type: ignore[arg-type]


def test_unreferenced_files_are_swept_after_a_canceled_run(store: Store) -> None:
    commit(store, 1)
    orphan = store.folder / "daily_summary" / "session_date=2026-10-05" / "orphan.parquet"
    orphan.write_bytes(b"renamed, and not committed")
    with pytest.raises(KeyboardInterrupt), store.writing():
        raise KeyboardInterrupt
    with store.writing():
        assert not orphan.exists()


def test_scratch_of_a_dead_run_is_swept(store: Store) -> None:
    leftover = store.folder / "scratch" / "999999" / "spill"
    leftover.mkdir(parents=True)
    with store.writing():
        assert not leftover.exists()


def test_every_flipped_bit_is_found(store: Store, opened: Callable[[], Store]) -> None:
    commit(store, 1)
    partition = store.get(KEY)
    assert partition is not None
    path = store.path_of(partition)
    whole = path.read_bytes()
    assert [problem for _, problem in store.verify()] == [None]
    for position in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        damage(path, bytes(damaged))
        assert [problem for _, problem in store.verify()] == ["its content is not what was written"]
        assert not opened().is_intact(partition)
    path.unlink()
    assert [problem for _, problem in store.verify()] == ["the file is missing"]


def test_replaced_files_stay_for_recent_publications(store: Store) -> None:
    paths = []
    for value in range(1, 7):
        commit(store, value)
        partition = store.get(KEY)
        assert partition is not None
        paths.append(store.path_of(partition))
        store.catalog.put_publication(Publication(store.catalog.generation(), DAY, "hash", "now", "test"))
        store.sweep()
    assert [path.exists() for path in paths] == [False, False, True, True, True, True]


def test_file_that_is_used_again_is_not_swept(store: Store) -> None:
    for value in (1, 2, 1, 1, 1, 1):
        commit(store, value)
        store.catalog.put_publication(Publication(store.catalog.generation(), DAY, "hash", "now", "test"))
        store.sweep()
    assert store.path_of(store.get(KEY)).is_file()  # type: ignore[arg-type]


def test_newer_store_is_refused_in_one_sentence(store: Store) -> None:
    (store.folder / "_format.json").write_text('{"format": 99, "package_version": "7.0"}')
    with pytest.raises(StoreError, match=r"written by session_pipeline 7\.0.*install that version"):
        Store(store.folder, "1.0")


@pytest.mark.parametrize("content", [b"not SQLite" * 1000, None], ids=["another file", "cut short"])
def test_damaged_catalog_is_reported_in_one_sentence(store: Store, content: bytes | None) -> None:
    commit(store, 1)
    store.close()
    path = store.folder / "catalog.sqlite"
    path.write_bytes(path.read_bytes()[:8192] if content is None else content)
    with pytest.raises(StoreError, match=r"catalog\.sqlite is damaged .* restore it from a backup"):
        Store(store.folder, "1.0")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o444), (0o027, 0o440), (0o077, 0o400)])
def test_stored_file_can_be_read_as_the_umask_says(store: Store, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        commit(store, 1)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(store.path_of(one).stat().st_mode) for one in store.partitions.values()] == [mode]


def run_with_mode(mode: int, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code as a user without privileges, while the folder of a store and its catalog have a mode."""
    paths = [*folder.glob("catalog.sqlite*"), folder]
    modes = [path.stat().st_mode for path in paths]
    for path in paths:
        path.chmod(mode)
    try:
        command = [*WITHOUT_PRIVILEGES, sys.executable, "-c", code, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        for path, its_mode in zip(paths, modes, strict=True):
            path.chmod(its_mode)


@pytest.mark.parametrize("is_open", [False, True])
def test_store_that_may_only_be_read_can_be_read_and_is_not_written(store: Store, is_open: bool) -> None:
    """While another process has it open, and when none has, so that SQLite would have to create files."""
    commit(store, 1)
    if not is_open:
        store.close()
    done = run_with_mode(0o555, store.folder, f"{OPEN}.catalog.check_rows(); print(len(store.partitions))")
    assert (done.stdout, done.stderr) == ("1\n", "")
    done = run_with_mode(0o555, store.folder, f"{OPEN}.writing().__enter__()")
    assert done.stderr.splitlines()[-1].endswith(
        "catalog.sqlite cannot be written; the user that runs this needs write access"
    )
    done = run_with_mode(0o555, store.folder, f"{OPEN}.catalog.set_state('some', 1)")
    assert done.stderr.splitlines()[-1] == "sqlite3.OperationalError: attempt to write a readonly database"


def test_store_that_may_not_be_read_is_reported_in_one_sentence(store: Store) -> None:
    commit(store, 1)
    store.close()
    done = run_with_mode(0o333, store.folder, OPEN)
    assert done.stderr.splitlines()[-1].startswith("PermissionError")
    catalog = store.folder / "catalog.sqlite"
    catalog.chmod(0o333)
    command = [*WITHOUT_PRIVILEGES, sys.executable, "-c", OPEN, str(store.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "StoreError" in done.stderr
    assert "needs write access there, or, for commands that only read, read access to it" in done.stderr


def test_scratch_on_another_file_system_is_explained(store: Store) -> None:
    other = next((path for path in OTHER_PLACES if os.stat(path).st_dev != os.stat(store.folder).st_dev), None)
    if other is None:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=other) as scratch:
        (store.folder / "scratch").symlink_to(scratch)
        with pytest.raises(StoreError, match=r"/store is on several file systems: .*; keep everything in it on one"):
            commit(store, 1)
        (store.folder / "scratch").unlink()
    commit(store, 1)
    assert len(store.partitions) == 1


def test_damaged_file_is_looked_at_again_after_its_rebuild(store: Store) -> None:
    commit(store, 1)
    before = store.get(KEY)
    assert before is not None
    store.mark_damaged(before)
    commit(store, 1)  # the same bytes, so the same name
    rebuilt = store.get(KEY)
    assert rebuilt is not None
    assert rebuilt.path == before.path
    store.mark_damaged(rebuilt)
    damage(store.path_of(rebuilt), b"damaged again")
    assert not store.is_intact(rebuilt)


def test_changes_of_another_process_are_counted(store: Store, opened: Callable[[], Store]) -> None:
    other = opened()
    assert not store.refresh()
    before = store.change_count
    commit(other, 1)
    assert store.refresh()
    assert store.get(KEY) is not None
    assert store.change_count > before, "what is planned from the state before is outdated"


def test_oldest_file_is_removed_with_the_fourth_publication(store: Store) -> None:
    commit(store, 0)
    paths = []
    for value in range(1, 5):
        paths.append(store.path_of(store.get(KEY)))  # type: ignore[arg-type]
        commit(store, value)
        store.catalog.put_publication(Publication(store.catalog.generation(), DAY, "hash", "now", "test"))
        store.sweep()
        assert [path.exists() for path in paths] == [value < 4, *[True] * (value - 1)]


@pytest.mark.parametrize("size", [0, 1, 300_000])
@pytest.mark.parametrize("kernel", ["as it is", "other file system", "without the call"])
def test_copied_file_is_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, kernel: str) -> None:
    def fails(*arguments: object, **options: object) -> int:
        raise OSError(errno.EXDEV, "not between these file systems")

    if kernel == "other file system":
        monkeypatch.setattr(os, "copy_file_range", fails)
    if kernel == "without the call":
        monkeypatch.delattr(os, "copy_file_range")
        monkeypatch.setattr(shutil, "_USE_CP_COPY_FILE_RANGE", False, raising=False)  # of Python 3.14, set on import
    (tmp_path / "source").write_bytes(content := os.urandom(size))
    copy_file(tmp_path / "source", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content


def test_removed_file_that_reappears_is_removed_again(store: Store) -> None:
    """As after a power loss before the removal of the file's name was durable."""
    paths = []
    for value in range(1, 7):
        commit(store, value)
        paths.append(store.path_of(store.get(KEY)))  # type: ignore[arg-type]
        store.catalog.put_publication(Publication(store.catalog.generation(), DAY, "hash", "now", "test"))
        if value == 6:
            store.sweep()
    assert not paths[0].exists()
    paths[0].write_bytes(b"back")
    store.sweep()
    assert not paths[0].exists()


def test_failed_commit_with_caught_error_leaves_no_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.writing():
        item = written(store, 1)
        monkeypatch.setattr(store.catalog, "put", lambda partition: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.commit([item], run_id="test")
        assert list(store.folder.glob("*/*/*.parquet"))
    with store.writing():
        assert not list(store.folder.glob("*/*/*.parquet"))
