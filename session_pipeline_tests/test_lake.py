"""Tests that publishing removes files of the lake that are not wanted any more, and no files of others.

How the lake is read while it changes is tested in test_readers.py, and its columns in test_changed_columns.py.
"""

from datetime import date
from pathlib import Path

import pytest

from session_pipeline.publish import lake
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.deployment import Deployment

UNTIL = date(2026, 10, 8)
FILE_ID = "0123456789abcdef0123456789abcdef"
EVENT = {"visitor_id": "ada", "event_time": "2026-10-06T10:00:00Z", "event_name": "page_view"}


@pytest.mark.parametrize(
    ("place", "is_own"),
    [
        ("sessions/session_date=2026-10-06/data.parquet", True),
        ("sessions/session_date=2026-10-06/data-00002.parquet", True),
        ("sessions/session_date=2026-10-06/.data.parquet.4711", True),
        ("sessions/session_date=2026-10-06/notes.txt", False),
        ("sessions/session_date=2026-10-06/data.parquet.bak", False),
        ("sessions/data.parquet", True),
        (f"sessions/{FILE_ID}.parquet", True),
        (f"sessions/.{FILE_ID}.parquet.4711", True),
        ("sessions/copy.parquet", False),
        ("sessions/sub/data.parquet", False),
        ("orders/session_date=2026-10-06/data.parquet", False),
        ("data.parquet", False),
        ("thesis.txt", False),
    ],
)
def test_only_names_of_published_tables_are_own(place: str, is_own: bool) -> None:
    assert list(lake.own_places([place], {"sessions"})) == ([place] if is_own else [])


@pytest.mark.long
def test_publishing_into_a_folder_of_others_removes_nothing_of_theirs(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {"start_date": date(2026, 10, 1)})
    folder = tmp_path / "mine"
    theirs = [folder / name for name in ("thesis.txt", "sub/x.csv", "orders/data.parquet", "sessions/notes.md")]
    gone = [
        folder / "sessions" / "session_date=2020-01-01" / "data.parquet",
        folder / "removed_table" / "event_date=2020-01-01" / "data.parquet",
    ]
    for path in (*theirs, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    deployment.folder.lake.symlink_to(folder)
    deployment.deliver("first", [EVENT])
    with open_run(deployment.folder, run_id="older") as run:
        run.store.catalog.set_text(lake.PUBLISHED_TABLES, "removed_table")
    deployment.run(UNTIL)
    assert [path.read_text() for path in theirs] == ["kept"] * 4
    assert not any(path.parent.exists() for path in gone)
    assert (folder / "sessions" / "session_date=2026-10-06" / "data.parquet").is_file()
    with open_run(deployment.folder, run_id="look") as run:
        names = run.store.catalog.text(lake.PUBLISHED_TABLES).split()
    assert {"removed_table", "sessions", "visitors"} <= set(names)
