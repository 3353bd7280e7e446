"""Tests the logs of changes: replaced session ids, and the history of each day's figures."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from session_pipeline.run.pipeline import open_store
from session_pipeline.tables import TABLES
from session_pipeline.tables.steps import LOGS
from session_pipeline_tests.deployment import Deployment, damage

UNTIL = date(2026, 10, 12)
THURSDAY = date(2026, 10, 8)
WEDNESDAY = date(2026, 10, 7)
BOTH_LOGS = ("session_changes", "_day_history")  # the history of days is made from many tables


def event(time: str, event_id: str, visitor: str = "anna", name: str = "page_view", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "visitor_id": visitor, "event_time": f"2026-10-{time}Z", "event_name": name, **more}


def visits(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the given events plus those of a visitor that never changes."""
    others = [event(f"{day:02}T12:00:00", f"other-{day}", "other") for day in (7, 8, 9)]
    return [*events, *others]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "data", only=("session_changes",))


def session_of(deployment: Deployment, event_id: str) -> tuple[str, date]:
    return session_in(deployment.table("events"), event_id)


def session_in(events: pd.DataFrame, event_id: str) -> tuple[str, date]:
    found = events[events["event_id"] == event_id].iloc[0]
    return found["session_id"], found["session_date"]


def rows(table: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table[list(columns)].to_numpy().tolist()]


def file_names(deployment: Deployment) -> Mapping[str, str]:
    files = deployment.table("source_files")
    return dict(zip(files["file_id"], files["path"], strict=True))


class Late:
    """Two deliveries of several visitors: the first events, and one late event of each visitor."""

    def __init__(self, folder: Path, first: Mapping[str, Sequence[str]], late: Mapping[str, str]) -> None:
        deployment = Deployment(folder, only=("session_changes",))
        events = [event(time, f"{visitor} {time}", visitor) for visitor, times in first.items() for time in times]
        deployment.deliver("first", visits(*events))
        deployment.run(UNTIL)
        self._before = deployment.table("events")
        deployment.deliver("late", [event(time, f"{visitor} {time}", visitor) for visitor, time in late.items()])
        deployment.run(UNTIL)
        self._after = deployment.table("events")
        self._changes = deployment.table("session_changes")
        self.file_names = file_names(deployment)

    def before(self, visitor: str, time: str) -> tuple[str, date]:
        """Return id and date of the session that an event was in before the second delivery."""
        return session_in(self._before, f"{visitor} {time}")

    def after(self, visitor: str, time: str) -> tuple[str, date]:
        return session_in(self._after, f"{visitor} {time}")

    def changes(self, visitor: str) -> pd.DataFrame:
        return self._changes[self._changes["visitor_id"] == visitor].reset_index(drop=True)


@pytest.fixture(scope="module")
def late_on_the_day(tmp_path_factory: pytest.TempPathFactory) -> Late:
    first = {
        "end": ("08T10:00:00", "08T10:10:00"),
        "start": ("08T10:00:00", "08T10:10:00"),
        "gap": ("08T10:00:00", "08T10:50:00"),
    }
    late = {"end": "08T10:30:00", "start": "08T09:50:00", "gap": "08T10:25:00"}
    return Late(tmp_path_factory.mktemp("on the day"), first, late)


@pytest.fixture(scope="module")
def late_on_the_day_before(tmp_path_factory: pytest.TempPathFactory) -> Late:
    first = {"moved": ("08T00:10:00", "08T00:20:00"), "merged": ("07T23:25:00", "08T00:10:00")}
    return Late(tmp_path_factory.mktemp("before"), first, {"moved": "07T23:50:00", "merged": "07T23:45:00"})


def test_late_event_at_the_end_keeps_the_session_id(late_on_the_day: Late) -> None:
    assert late_on_the_day.after("end", "08T10:30:00") == late_on_the_day.before("end", "08T10:00:00")
    assert late_on_the_day.changes("end").empty
    assert late_on_the_day.changes("other").empty


def test_late_event_at_the_start_changes_the_session_id(late_on_the_day: Late) -> None:
    before = late_on_the_day.before("start", "08T10:00:00")
    after = late_on_the_day.after("start", "08T09:50:00")
    changes = late_on_the_day.changes("start")
    assert rows(changes, "replaced_session_id", "session_id", "change", "event_count") == [
        (before[0], after[0], "restarted", 2)
    ]
    assert rows(changes, "event_date", "reason", "run_id") == [(THURSDAY, "file test/late.jsonl", "test")]
    assert late_on_the_day.file_names[changes["file_id"][0]] == "test/late.jsonl"


def test_late_event_in_a_gap_merges_two_sessions(late_on_the_day: Late) -> None:
    first, second = (late_on_the_day.before("gap", time) for time in ("08T10:00:00", "08T10:50:00"))
    assert first != second
    changes = late_on_the_day.changes("gap")
    assert rows(changes, "replaced_session_id", "session_id", "change", "event_count") == [
        (second[0], first[0], "merged", 1)
    ]


def test_late_event_moves_a_session_to_the_day_before(late_on_the_day_before: Late) -> None:
    before = late_on_the_day_before.before("moved", "08T00:10:00")
    assert before[1] == THURSDAY
    after = late_on_the_day_before.after("moved", "08T00:10:00")
    assert after == late_on_the_day_before.after("moved", "07T23:50:00")
    changes = late_on_the_day_before.changes("moved")
    columns = ("replaced_session_id", "replaced_session_date", "session_id", "session_date", "change", "event_date")
    assert rows(changes, *columns) == [(before[0], THURSDAY, after[0], WEDNESDAY, "restarted", THURSDAY)]
    assert late_on_the_day_before.file_names[changes["file_id"][0]] == "test/late.jsonl"
    assert rows(changes, "reason") == [("file test/late.jsonl (lines of other days)",)]


def test_late_event_merges_a_session_into_the_day_before(late_on_the_day_before: Late) -> None:
    first, second = (late_on_the_day_before.before("merged", time) for time in ("07T23:25:00", "08T00:10:00"))
    changes = late_on_the_day_before.changes("merged")
    columns = ("replaced_session_id", "replaced_session_date", "session_id", "session_date", "change", "event_date")
    assert rows(changes, *columns) == [(second[0], THURSDAY, first[0], WEDNESDAY, "merged", THURSDAY)]
    assert late_on_the_day_before.file_names[changes["file_id"][0]] == "test/late.jsonl"


@pytest.mark.long
def test_late_separator_splits_a_session_and_keeps_its_id(deployment: Deployment) -> None:
    deployment.set({"sessions": {"separator": "new_visit"}})
    deployment.deliver("first", visits(event("08T10:00:00", "a"), event("08T10:10:00", "b"), event("08T10:20:00", "c")))
    deployment.run(UNTIL)
    before = session_of(deployment, "a")
    deployment.deliver("late", [event("08T10:05:00", "late", name="new_visit")])
    deployment.run(UNTIL)
    assert session_of(deployment, "a") == before
    changes = deployment.table("session_changes")
    assert rows(changes, "replaced_session_id", "session_id", "change", "event_count") == [
        (before[0], session_of(deployment, "b")[0], "split", 2)
    ]


@pytest.mark.long
def test_session_of_only_a_duplicate_is_dropped(deployment: Deployment) -> None:
    """The earlier copy arrives late, from the last hour of the day before."""
    deployment.deliver("first", visits(event("08T00:10:00", "a")))
    deployment.run(UNTIL)
    before = session_of(deployment, "a")
    deployment.deliver("late", [event("07T23:10:00", "a")])
    deployment.run(UNTIL)
    changes = deployment.table("session_changes")
    assert rows(changes, "replaced_session_id", "session_id", "change", "event_date") == [
        (before[0], None, "dropped", THURSDAY)
    ]


@pytest.mark.long
def test_changed_setting_is_the_reason_without_a_file(deployment: Deployment) -> None:
    deployment.deliver("first", visits(event("08T10:00:00", "a"), event("08T10:20:00", "b")))
    deployment.run(UNTIL)
    before = session_of(deployment, "a")
    deployment.set({"sessions": {"inactivity_minutes": 10}})
    deployment.run(UNTIL)
    changes = deployment.table("session_changes")
    assert rows(changes, "replaced_session_id", "change", "reason", "file_id") == [
        (before[0], "split", "setting inactivity_minutes changed from 30 to 10", None)
    ]


@pytest.fixture(scope="module")
def changed_twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, pd.DataFrame]:
    """Six days that wait for a changed setting, then a late file of one of them; and the changes of that build."""
    few: dict[str, Any] = {"max_rebuild_days": 2}  # with all tables: days that lack a table do not wait
    deployment = Deployment(tmp_path_factory.mktemp("twice"), few)
    deployment.deliver("first", [each for day in range(6, 12) for each in split_by_20_minutes(day)])
    deployment.run(UNTIL, publishes=False)
    before = deployment.table("_day_history")
    deployment.set({**few, "sessions": {"inactivity_minutes": 20}})
    assert deployment.run(UNTIL, upgrade=False, publishes=False) == []
    deployment.deliver("late", [event("08T09:50:00", "late"), event("08T23:50:00", "owl", "owl-8")])
    deployment.run(UNTIL, upgrade=False, publishes=False)
    history = deployment.table("_day_history")
    return deployment, history[history["changed_at"] > before["changed_at"].max()]


def split_by_20_minutes(day: int) -> list[dict[str, Any]]:
    """Return events of a visitor by day and of one over midnight, each one session with the default of 30 minutes."""
    anna = [event(f"{day:02}T10:{minute}:00", f"{day}-{minute}") for minute in ("00", "25")]
    times = (f"{day:02}T23:15:00", f"{day:02}T23:40:00", f"{day + 1:02}T00:05:00")
    return [*anna, *(event(time, time, f"owl-{day}") for time in times)]


@pytest.mark.long
def test_reason_names_the_setting_and_the_late_file(changed_twice: tuple[Deployment, pd.DataFrame]) -> None:
    deployment, history = changed_twice
    changes = deployment.table("session_changes")
    setting, file = "setting inactivity_minutes changed from 30 to 20", "file test/late.jsonl"
    of_thursday = changes[changes["event_date"] == THURSDAY]
    assert set(of_thursday["reason"]) == {f"{setting}, {file}"}
    assert of_thursday["file_id"].isna().any()
    assert history[history["session_date"] == THURSDAY]["reason"].tolist() == [f"{setting}, {file}"]


@pytest.mark.long
def test_reason_does_not_name_a_file_that_cannot_reach_the_day(
    changed_twice: tuple[Deployment, pd.DataFrame],
) -> None:
    deployment, history = changed_twice
    changes = deployment.table("session_changes")
    setting = "setting inactivity_minutes changed from 30 to 20"
    reached = f"{setting}, file test/late.jsonl (lines of other days)"
    for table, day_column in ((changes, "event_date"), (history, "session_date")):
        later = table[table[day_column] > THURSDAY]
        of_friday = later[day_column] == date(2026, 10, 9)
        assert set(later[of_friday]["reason"]) == {reached}
        assert set(later[~of_friday]["reason"]) == {setting}


@pytest.mark.long
def test_reason_names_the_time_zone_and_the_late_file(deployment: Deployment) -> None:
    deployment.deliver("first", visits(event("08T10:00:00", "a"), event("08T10:10:00", "b")))
    deployment.run(UNTIL)
    deployment.set({"timezone": "Europe/Berlin"})
    deployment.deliver("late", [event("08T09:50:00", "late")])
    deployment.run(UNTIL)
    changes = deployment.table("session_changes")
    assert set(changes["reason"]) == {"the bounds of the day changed (time zone), file test/late.jsonl"}


@pytest.mark.long
def test_setting_that_adds_tables_is_the_reason(deployment: Deployment) -> None:
    phone, laptop = (event(f"08T10:{minute}:00", minute, minute, user_id="anna") for minute in ("00", "10"))
    deployment.deliver("first", visits(phone, laptop))
    deployment.run(UNTIL)
    deployment.set({"identity": {"by": "person"}})
    deployment.run(UNTIL)
    assert set(deployment.table("session_changes")["reason"]) == {"setting identity.by changed"}


@pytest.mark.long
def test_equal_ids_of_two_visitors_by_person_are_two_events(deployment: Deployment) -> None:
    deployment.set({"identity": {"by": "person"}})
    anna = [event("08T10:00:00", "1"), event("08T10:00:05", "2")]
    bob = [{**event("08T10:00:00", "1"), "visitor_id": "bob"}, {**event("08T10:00:07", "2"), "visitor_id": "bob"}]
    deployment.deliver("first", [*anna, *bob])
    deployment.run(UNTIL)
    deployment.deliver("late", [{**event("08T12:00:00", "1"), "visitor_id": "carl"}])
    deployment.run(UNTIL)
    assert deployment.table("session_changes").empty


@pytest.mark.long
def test_changes_accumulate(deployment: Deployment) -> None:
    deployment.deliver("first", visits(event("08T10:00:00", "a")))
    deployment.run(UNTIL)
    ids = [session_of(deployment, "a")[0]]
    for minute in (50, 40, 30):
        deployment.deliver(f"late-{minute}", [event(f"08T09:{minute}:00", f"late-{minute}")])
        deployment.run(UNTIL)
        ids.append(session_of(deployment, "a")[0])
    changes = deployment.table("session_changes")
    assert rows(changes, "replaced_session_id", "session_id") == list(pairwise(ids))
    assert changes["reason"].tolist() == [f"file test/late-{minute}.jsonl" for minute in (50, 40, 30)]
    assert deployment.run(UNTIL) == []
    assert len(deployment.table("session_changes")) == 3


def test_day_history_gives_old_and_new_figures_and_reason(deployment: Deployment) -> None:
    deployment.only = BOTH_LOGS
    deployment.deliver("first", visits(event("08T10:00:00", "a"), event("08T10:50:00", "b")))
    deployment.run(UNTIL)
    deployment.deliver("late", [event("08T10:25:00", "late"), event("08T15:00:00", "c", "bert", "purchase", value=20)])
    deployment.run(UNTIL)
    history = deployment.table("_day_history")
    thursday = history[history["session_date"] == THURSDAY]
    figures = ("session_count", "visitor_count", "page_view_count", "converted_count", "value")
    pairs = [column for name in figures for column in (f"{name}_before", f"{name}_after")]
    assert rows(thursday, *pairs) == [
        (None, 3, None, 2, None, 3, None, 0, None, None),
        (3, 3, 2, 3, 3, 4, 0, 1, None, 20),
    ]
    assert thursday["reason"].tolist() == ["2026-10-08 is a new day", "file test/late.jsonl"]
    assert thursday["changed_at"].is_monotonic_increasing
    other = history[history["session_date"] == WEDNESDAY]
    assert other["reason"].tolist() == ["2026-10-07 is a new day"]


@pytest.mark.long
def test_duplicate_line_changes_only_the_duplicate_count(deployment: Deployment) -> None:
    deployment.only = BOTH_LOGS
    deployment.deliver("first", visits(event("08T10:00:00", "a")))
    deployment.run(UNTIL)
    before = deployment.table("_day_history")
    deployment.deliver("again", [event("08T10:00:00", "a", other="payload")])
    deployment.run(UNTIL)
    history = deployment.table("_day_history")
    changed = history[history["changed_at"] > before["changed_at"].max()]
    columns = ("session_date", "duplicate_count_before", "duplicate_count_after", "session_count_after")
    assert rows(changed, *columns) == [(THURSDAY, 0, 1, 2)]


@pytest.mark.long
def test_logs_are_published_and_outlive_dropped_days(deployment: Deployment) -> None:
    deployment.only = None
    deployment.deliver("first", visits(event("08T10:00:00", "a")))
    deployment.run(UNTIL)
    before = deployment.table("_day_history")
    deployment.run(WEDNESDAY)
    assert len(deployment.table("_day_history")) == len(before)
    assert list((deployment.folder.lake / "_day_history").rglob("*.parquet"))
    store = open_store(deployment.folder)
    assert {key.table for key in store.partitions if TABLES[key.table].is_log} == {"_day_history"}
    store.close()


@pytest.mark.long
def test_damaged_logs_continue_and_block_nothing(deployment: Deployment) -> None:
    deployment.only = BOTH_LOGS
    deployment.deliver("first", visits(event("08T10:00:00", "a")))
    deployment.run(UNTIL)
    deployment.deliver("late", [event("08T09:50:00", "late")])
    deployment.run(UNTIL)
    store = open_store(deployment.folder)
    for partition in [each for log in LOGS for each in store.of_table(log.table)]:
        damage(store.path_of(partition), b"not what was written")
        if partition.key.date != THURSDAY:
            store.mark_damaged(partition)  # as verify does; only the run finds the damage of Thursday
    store.close()
    deployment.deliver("later", [event("08T09:40:00", "later")])
    deployment.run(UNTIL)
    for log in LOGS:
        assert deployment.table(log.table)["reason"].tolist()[-1] == "file test/later.jsonl"
    deployment.only = None  # from here on, everything is built and published
    deployment.run(UNTIL)
    shutil.rmtree(deployment.folder.lake)
    deployment.folder.warehouse.unlink()
    deployment.run(UNTIL)
    store = open_store(deployment.folder)
    assert [problem for _, problem in store.verify() if problem] == []
    store.close()
    assert deployment.plan(UNTIL).is_empty
