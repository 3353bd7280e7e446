"""Tests the atomic replacement of files: with several processes, after dead processes, on a full disk."""

import errno
import os
from glob import escape
from pathlib import Path
from time import time

import pytest

from session_pipeline import processes
from session_pipeline.store import files
from session_pipeline.store.files import remove_temporaries, replacing
from session_pipeline_tests import process_names


def test_file_is_replaced_after_the_write_ends(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


class TestTemporaryFiles:
    """Those of dead processes are removed; a file of a process that can be alive is kept."""

    @staticmethod
    def removed(folder: Path, *writers: str, is_only_writer: bool = False) -> set[str]:
        """Return which files are removed, by the ends of their names."""
        path = folder / "settings [1].toml"
        of_writers = {path.with_name(f".{path.name}.{writer}"): writer for writer in writers}
        for leftover in of_writers:
            leftover.touch()
        remove_temporaries(folder, f".{escape(path.name)}.*", is_only_writer=is_only_writer)
        return {writer for leftover, writer in of_writers.items() if not leftover.exists()}

    @staticmethod
    def ending(process: str) -> str:
        return process.replace("/", "-")

    def test_of_dead_processes_are_removed(self, tmp_path: Path) -> None:
        dead = self.ending(process_names.dead())
        earlier = self.ending(process_names.before_the_last_boot())
        same_number = f"{self.ending(processes.own_name())}0"
        writers = {dead, f"{dead}.wal", f"7.{dead}", earlier, same_number}
        assert self.removed(tmp_path, *writers) == writers

    def test_of_live_processes_are_kept(self, tmp_path: Path) -> None:
        parent = self.ending(processes.name_of(os.getppid()))
        writers = parent, f"{parent}.wal", self.ending(processes.own_name())
        assert self.removed(tmp_path, *writers, is_only_writer=True) == set()

    def test_of_processes_elsewhere_are_kept_for_a_day(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Their ids say nothing here. A file with an old time is not old."""
        writers = {self.ending(process_names.in_another_container()), self.ending(process_names.on_another_machine())}
        assert self.removed(tmp_path, *writers) == set()
        for leftover in tmp_path.iterdir():
            os.utime(leftover, (0, 0))
        assert self.removed(tmp_path, *writers) == set()
        monkeypatch.setattr(files, "time", lambda: time() + 86_500)
        assert self.removed(tmp_path, *writers) == writers

    def test_of_processes_elsewhere_are_removed_under_a_lock(self, tmp_path: Path) -> None:
        writer = self.ending(process_names.in_another_container())
        assert self.removed(tmp_path, writer, is_only_writer=True) == {writer}

    def test_of_older_versions_have_only_a_number(self, tmp_path: Path) -> None:
        dead = process_names.dead().split("/")[3]
        writers = {dead, f"{dead}.wal", f"7.{dead}", str(os.getpid())}
        assert self.removed(tmp_path, *writers, str(os.getppid())) == writers

    def test_are_not_taken_from_backups_with_similar_names(self, tmp_path: Path) -> None:
        dates = "20261201", "2026-12-01", "2026-12-01-10-00-00", "bak.20261201"
        others = "swp", "wal", "before-upgrade", "5d0e3b7c", "5d0e3b7c-0d1f-4a2b-9c3d-0123456789ab"
        assert self.removed(tmp_path, *dates, *others, is_only_writer=True) == set()

    def test_of_this_process_are_named_after_it(self, tmp_path: Path) -> None:
        path = tmp_path / "page.html"
        with replacing(path) as temporary:
            temporary.write_text("after")
            assert temporary.name == f".page.html.{self.ending(processes.own_name())}"
        assert list(tmp_path.iterdir()) == [path]

    def test_of_dead_processes_are_removed_by_the_next_write(self, tmp_path: Path) -> None:
        path = tmp_path / "page.html"
        (tmp_path / f".page.html.{self.ending(process_names.dead())}").touch()
        with replacing(path) as temporary:
            temporary.write_text("after")
        assert list(tmp_path.iterdir()) == [path]


def test_full_disk_keeps_the_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"page\.html"):
        write_half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
