"""Tests databases of SQLite that a user may only read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from session_pipeline.store.read_only import opened_copy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a write-ahead log, that no program has open."""
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table numbers as select 1 as number")
        connection.commit()
    return path


def test_copy_has_the_rows_and_cannot_be_changed(path: Path) -> None:
    copy = opened_copy(path)
    assert copy is not None
    with closing(copy):
        assert copy.execute("select number from numbers").fetchall() == [(1,)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            copy.execute("delete from numbers")


def test_database_that_is_open_is_not_copied(path: Path) -> None:
    """Its file does not have what is in the log, and can change while it is read."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("insert into numbers values (2)")
        assert opened_copy(path) is None


def test_database_that_is_written_meanwhile_is_not_copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = Path.read_bytes

    def read_and_write(read: Path) -> bytes:
        content = read_bytes(read)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("insert into numbers values (2)")
            connection.commit()
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_write)
    assert opened_copy(path) is None


@pytest.mark.parametrize("content", [None, b"", b"half", bytes(100)])
def test_file_that_is_missing_or_no_database_is_not_copied(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "some.db").write_bytes(content)
    assert opened_copy(tmp_path / "some.db") is None
