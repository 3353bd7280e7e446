"""Tests the lock of the store: one writer at a time, dead writers, and lock files that are deleted."""

import errno
import fcntl
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from session_pipeline.errors import StoreError, StoreHeldError
from session_pipeline.store.catalog_file import RUN_IS_OPEN
from session_pipeline.store.locks import folder_lock
from session_pipeline.store.records import Publication
from session_pipeline.store.store import Store
from session_pipeline_tests.test_store import DAY, KEY, commit, written


def test_second_writer_is_refused_with_the_process_number(store: Store, opened: Callable[[], Store]) -> None:
    with store.writing():
        other = opened()
        with pytest.raises(StoreHeldError, match=f"process {os.getpid()}"), other.writing(wait_seconds=0.3):
            pass


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event") -> None:
    with Store(folder, "1.0").writing():
        ready.set()
        signal.pause()


def test_killed_writer_holds_no_lock(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(store.folder, ready))
    process.start()
    assert ready.wait(30)
    process.kill()
    process.join()
    commit(store, 1)
    assert store.get(KEY) is not None


def test_folder_lock_keeps_others_out(tmp_path: Path) -> None:
    inside = threading.Event()

    def enter() -> None:
        with folder_lock(tmp_path):
            inside.set()

    with folder_lock(tmp_path):
        other = threading.Thread(target=enter)
        other.start()
        assert not inside.wait(0.3)
    other.join(30)
    assert inside.is_set()


def test_lock_holder_writes_at_once_and_others_wait(store: Store) -> None:
    with ThreadPoolExecutor(1) as other_writer, store.writing():
        store.commit([written(store, 1)], run_id="run")
        store.commit([written(store, 2)], run_id="run")
        with pytest.raises(StoreHeldError, match=f"process {os.getpid()}"):
            other_writer.submit(commit, store, 3).result()
    commit(store, 3)
    assert store.catalog.generation() == 3


@pytest.mark.parametrize("has_other_writer", [False, True])
def test_writer_whose_lock_file_is_deleted_commits_nothing(
    store: Store, opened: Callable[[], Store], has_other_writer: bool
) -> None:
    """Otherwise two processes would write, of which the second deletes the files that the first has just written."""
    with store.writing():
        store.commit([written(store, 1)], run_id="run")
        (store.folder / "writer.lock").unlink()
        if has_other_writer:
            commit(opened(), 2)
            store.scratch.mkdir(parents=True)  # the other writer deletes the scratch files of dead runs
        item = written(store, 3)
        with pytest.raises(StoreError, match=r"writer\.lock was deleted while this process wrote the store"):
            store.commit([item], run_id="run")
    commit(store, 4)
    assert store.catalog.generation() == (3 if has_other_writer else 2)
    assert all(problem is None for _, problem in store.verify())


@pytest.mark.parametrize("delete", [Store.delete_unused, Store.sweep])
def test_writer_whose_lock_file_is_deleted_deletes_nothing(
    store: Store, opened: Callable[[], Store], delete: Callable[[Store], None]
) -> None:
    """It does not know the files that the next writer has added."""
    for value in range(5):
        commit(store, value)
        generation = store.catalog.generation()
        store.catalog.put_publication(Publication(generation, DAY, "", "2026-10-06T00:00:00", "test"))
    with store.writing():
        (store.folder / "writer.lock").unlink()
        commit(opened(), 5)
        compacted = store.folder / "compacted" / "of_the_next.parquet"
        compacted.parent.mkdir()
        compacted.touch()
        before = sorted(store.files.names())
        with pytest.raises(StoreError, match=r"writer\.lock was deleted while"):
            delete(store)
        assert sorted(store.files.names()) == before
        assert compacted.exists()


def test_writer_whose_lock_file_is_deleted_records_no_state(store: Store) -> None:
    with store.writing():
        store.catalog.set_state("some", 1)
        (store.folder / "writer.lock").unlink()
        with pytest.raises(StoreError, match=r"writer\.lock was deleted while"):
            store.catalog.set_state("some", 2)
    assert store.catalog.number("some") == 1


def test_writer_whose_lock_file_is_deleted_leaves_the_mark_of_the_next(
    store: Store, opened: Callable[[], Store]
) -> None:
    """Otherwise nobody looks for the files that the next writer leaves when it is killed."""
    other = opened()
    with ExitStack() as of_other:
        with store.writing():
            (store.folder / "writer.lock").unlink()
            of_other.enter_context(other.writing())
        assert other.catalog.number(RUN_IS_OPEN)
    assert not other.catalog.number(RUN_IS_OPEN)


def test_lock_of_a_deleted_file_is_not_taken(
    store: Store, opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file can be deleted after a process opened it and before it locks it."""
    flock, path = fcntl.flock, store.folder / "writer.lock"
    deletions = iter([path.unlink, path.unlink])

    def delete_first(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_NB and (delete := next(deletions, None)):
            delete()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    with store.writing(on_wait=pytest.fail):  # nobody holds it, so there is nothing to wait for
        assert not list(deletions)
        with pytest.raises(StoreHeldError), opened().writing():
            pass


def test_lock_file_that_is_a_stale_handle_is_opened_again(
    store: Store, opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not locked then, also if the system still knows the same file at its path."""
    flock, errors = fcntl.flock, iter([OSError(errno.ESTALE, os.strerror(errno.ESTALE))])

    def fail_first(descriptor: int, operation: int) -> None:
        for error in errors:
            raise error
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", fail_first)
    with store.writing(on_wait=pytest.fail), pytest.raises(StoreHeldError), opened().writing():
        pass


def test_lock_file_that_is_always_deleted_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, path = fcntl.flock, store.folder / "writer.lock"

    def delete(descriptor: int, operation: int) -> None:
        path.unlink(missing_ok=True)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", delete)
    with pytest.raises(StoreError, match=r"writer\.lock is deleted again and again"), store.writing(wait_seconds=30):
        pass


def test_lock_file_deleted_by_another_machine_is_explained(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS, a file that another machine deleted is a stale handle."""
    fstat = os.fstat

    def stale(descriptor: int, *_: int) -> os.stat_result:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("writer.lock"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return fstat(descriptor)

    with store.writing():
        item = written(store, 1)
        monkeypatch.setattr(fcntl, "flock", stale)
        monkeypatch.setattr(os, "fstat", stale)
        with pytest.raises(StoreError, match=r"writer\.lock was deleted while"):
            store.commit([item], run_id="test")
    monkeypatch.undo()
    commit(store, 2)
    assert [partition.fingerprint for partition in store.partitions.values()] == ["2"]


def test_file_system_without_locks_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=r"No locks available: .*writer\.lock'"), store.writing():
        pass
