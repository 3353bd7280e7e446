"""Tests that runs and commands that a full disk or SIGKILL ends leave no half-written or temporary file behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.cli.folders import init
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs.event_databases import EventDatabases
from session_pipeline.ingest.mapping.visitors import find_key
from session_pipeline_tests.deployment import Deployment


def half_written(_path: Path, content: Any, *_: Any, **__: Any) -> None:
    """Write half of a file; then the disk is full."""
    with open(_path, "wb") as file:
        file.write((content.encode() if isinstance(content, str) else content)[: len(content) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_init_on_a_full_disk_leaves_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(tmp_path / "data")
    with monkeypatch.context() as patched:
        patched.setattr("session_pipeline.cli.folders.home.prepare", lambda _: None)
        patched.setattr(Path, "write_text", half_written)
        with pytest.raises(OSError, match="No space left") as raised:
            init(folder.path)
    assert raised.value.filename == str(folder.settings)
    assert [path.name for path in folder.path.iterdir()] == ["raw"]
    init(folder.path)


def test_history_of_a_run_that_does_not_fit_leaves_no_file(
    tmp_path: Path, dead_process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = EventDatabases(str(tmp_path))
    killed = tmp_path / f".before.db.{dead_process}"
    killed.write_bytes(b"")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half_written)
        with pytest.raises(OSError, match="No space left") as raised, history.run_connection("first"):
            pass
    assert raised.value.filename == str(tmp_path / "first.db")
    with history.run_connection("first"):
        pass
    history.dispose()
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_key_of_a_killed_run_is_removed(tmp_path: Path, dead_process: int) -> None:
    deployment = Deployment(tmp_path)
    deployment.deliver("day", [{"visitor_id": "v", "event_time": "2026-10-05T10:00:00Z", "event_name": "x"}])
    killed = tmp_path / f".visitor_key.{dead_process}"
    killed.write_text("00")
    deployment.run(days=())
    assert find_key(deployment.folder.visitor_key) is not None
    assert not killed.exists()
