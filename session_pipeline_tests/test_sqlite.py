"""Tests how SQLite files are opened and written again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from session_pipeline.store.sqlite import is_locked, open_existing, primary_code, write_again

CANARY = "canary-3141592653"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a ? b.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table notes (note text)")
        connection.execute("insert into notes values (?)", (CANARY,))
        connection.commit()
    return path


def test_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as found:
        open_existing(tmp_path / "a.db", 0)
    assert primary_code(found.value) == sqlite3.SQLITE_CANTOPEN
    assert list(tmp_path.iterdir()) == []


def test_relative_path_is_opened(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(database.parent)
    with closing(open_existing(Path(database.name), 0)) as connection:
        assert connection.execute("select note from notes").fetchall() == [(CANARY,)]


def test_deleted_rows_are_in_no_file_after_it_was_written_again(database: Path) -> None:
    with closing(open_existing(database, 0)) as connection:
        connection.execute("delete from notes")
        assert write_again(connection)
        assert all(CANARY.encode() not in path.read_bytes() for path in database.parent.iterdir())


def test_reader_keeps_the_log_from_being_emptied(database: Path) -> None:
    with closing(open_existing(database, 0)) as reader, closing(open_existing(database, 0)) as connection:
        reader.execute("begin")
        reader.execute("select * from notes").fetchall()
        connection.execute("delete from notes")
        assert not write_again(connection)


def test_writer_locks_other_writers_out(database: Path) -> None:
    with closing(open_existing(database, 0)) as writer, closing(open_existing(database, 0)) as other:
        writer.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError) as found:
            other.execute("delete from notes")
    assert is_locked(found.value)
    assert not is_locked(ValueError())
