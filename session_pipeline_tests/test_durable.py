"""Files that are replaced whole: by several processes, after dead ones, on a full disk."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from session_pipeline.store.files import replacing


def test_the_file_is_as_before_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    with replacing(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_dead_process_left_is_removed_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, written = tmp_path / f".page.html.{dead.pid}", tmp_path / f".page.html.{os.getppid()}"
    left.touch()
    written.touch()
    with replacing(path) as temporary:
        temporary.write_text("after")
    assert sorted(tmp_path.iterdir()) == sorted([path, written])


def test_without_room_the_file_stays_and_is_named(tmp_path: Path) -> None:
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
