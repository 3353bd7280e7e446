"""Tests the atomic replacement of files: with several processes, after dead processes, on a full disk."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from session_pipeline.store.files import replacing


def test_file_is_replaced_after_the_write_ends(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_only_temporary_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, written = tmp_path / f".page.html.{dead.pid}", tmp_path / f".page.html.{os.getppid()}"
    left.touch()
    written.touch()
    with replacing(path) as temporary:
        temporary.write_text("after")
    assert sorted(tmp_path.iterdir()) == sorted([path, written])


def test_backup_with_a_date_is_no_temporary_file(tmp_path: Path) -> None:
    path, backup = tmp_path / "settings [1].toml", tmp_path / ".settings [1].toml.20261201"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    backup.touch()
    (tmp_path / f".settings [1].toml.{dead.pid}").touch()
    with replacing(path) as temporary:
        temporary.write_text("after")
    assert sorted(tmp_path.iterdir()) == sorted([path, backup])


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
