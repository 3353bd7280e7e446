"""Tests that publishing removes files of the lake that are not wanted any more, and no files of others.

How the lake is read while it changes is tested in test_readers.py, and its columns in test_changed_columns.py.
"""

import shutil
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.publish import lake, published_state
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
        ("sessions/session_date=2026-10-06/.data-00002.parquet.0a1b2c3d-4e5f6071-4026531836-12-345", True),
        (f"sessions/.{FILE_ID}.parquet.0a1b2c3d-4e5f6071-4026531836-12-345", True),
        ("sessions/session_date=2026-10-06/.data.parquet.20261201", False),
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
        run.store.catalog.set_state(published_state.PUBLISHED_TABLES, "removed_table")
    deployment.run(UNTIL)
    assert [path.read_text() for path in theirs] == ["kept"] * 4
    assert not any(path.parent.exists() for path in gone)
    assert (folder / "sessions" / "session_date=2026-10-06" / "data.parquet").is_file()
    with open_run(deployment.folder, run_id="look") as run:
        names = run.store.catalog.text(published_state.PUBLISHED_TABLES).split()
    assert {"removed_table", "sessions", "visitors"} <= set(names)


def delivered(deployment: Deployment, day: int) -> None:
    deployment.deliver(f"day-{day}", [EVENT | {"event_time": f"2026-10-0{day}T10:00:00Z"}])
    deployment.run(UNTIL)


@pytest.mark.long
def test_missing_and_strange_folders_of_days_are_noticed(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2026, 10, 1)})
    delivered(deployment, 2)
    delivered(deployment, 3)
    events = deployment.folder.lake / "events"
    shutil.rmtree(events / "event_date=2026-10-02")
    (events / "event_date=2020-01-01").mkdir()
    (events / "event_date=2020-01-01" / "data.parquet").write_text("of another version")
    delivered(deployment, 4)
    assert sorted(path.parent.name for path in events.glob("*/data.parquet")) == [
        f"event_date=2026-10-0{day}"
        for day in (2, 3, 4, 5)  # the day after the last event is built, too
    ]


@pytest.mark.long
def test_folders_of_days_without_changes_are_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each run would take longer the more days there are."""
    deployment = Deployment(tmp_path, {"start_date": date(2026, 7, 1), "sessions": {"max_hours": 2}})
    deployment.deliver("old", [EVENT | {"event_time": f"2026-07-{day:02}T10:00:00Z"} for day in range(2, 20)])
    delivered(deployment, 2)
    looked_into: list[str] = []
    own_files = lake._own_files
    monkeypatch.setattr(lake, "_own_files", lambda top, folder: looked_into.append(folder) or own_files(top, folder))
    delivered(deployment, 3)
    assert {folder for folder in looked_into if "=2026-10-" in folder}
    assert not [folder for folder in looked_into if folder.startswith("events/event_date=2026-07")]
