"""Tests that an erased visitor is gone from everything that is built, stays away, and leaves all others unchanged.

How rows and lines are found and erased is tested in test_erased_rows.py, reports in test_erased_reports.py, and killed
erasures in test_killed_erasure.py.
"""

import shutil
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.run import erasure
from session_pipeline.run.held import find_held, held_tables
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_folder, open_run
from session_pipeline.settings.privacy import LONGEST_READ_DAYS
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES
from session_pipeline_tests.crashes.recovery import warehouse_of
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import (
    BAD,
    CANARY,
    CANARY_USER,
    OTHERS,
    SETTINGS,
    THIRD,
    UNTIL,
    Erased,
    begin,
    complete,
    deliver,
    event,
    rows_without_files,
    texts_left,
)


@pytest.fixture(scope="module")
def recorded_before(erased: Erased, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A clean run over the same files, with the erasure recorded before."""
    folder = erased.deployment.folder
    clean = Deployment(tmp_path_factory.mktemp("clean") / "data", SETTINGS)
    shutil.copytree(folder.raw, clean.folder.raw)
    for path in (folder.erasures, folder.visitor_key):
        shutil.copyfile(path, clean.folder.path / path.name)
    clean.run(UNTIL)
    return clean


@pytest.mark.long
def test_the_deployment_has_the_canary_everywhere(with_canary: Deployment) -> None:
    found = texts_left(with_canary, [CANARY])
    assert {"warehouse.duckdb", "warehouse.duckdb/main.quarantined_lines", "lake/events"} <= set(found)
    assert {"store/events", "store/raw_events", "store/session_changes", "store/quarantined_lines"} <= set(found)


@pytest.mark.long
def test_everything_about_the_visitor_is_found(erased: Erased) -> None:
    deployment, held, reports = erased
    assert (held.event_count, held.quarantined_count, held.visitors) == (5, 3, (("main", CANARY),))
    assert len(held.session_ids) == 3  # two, and one under its former id
    assert {str(day) for _, day in held.days} == {"2026-10-05", "2026-10-06"}
    assert [path.name for path in held.files] == ["first.jsonl", "second.jsonl", "third.jsonl"]
    assert [path.name for path in reports] == ["2026-10-05.html"]
    assert (deployment.folder.reports / "index.html").read_text() == "a page of others"
    assert CANARY in (deployment.folder.raw / "test" / "first.jsonl").read_text()


@pytest.mark.long
def test_no_byte_of_an_erased_visitor_is_left(erased: Erased) -> None:
    deployment, held, _ = erased
    # OTHER_BAD has a longer id that begins with that of the canary. It is that of another visitor.
    texts = [f'"{CANARY}"', f"/{CANARY}", CANARY_USER, *held.session_ids]
    assert texts_left(deployment, texts) == []
    assert set(texts_left(deployment, [CANARY])) == set(texts_left(deployment, [f"{CANARY}9"]))


@pytest.mark.long
def test_erasure_gives_the_bytes_of_a_run_with_the_erasure_recorded_before(
    erased: Erased, recorded_before: Deployment
) -> None:
    assert erased.deployment.hashes() == recorded_before.hashes()
    assert erased.deployment.table("source_files").equals(recorded_before.table("source_files"))
    logs = {name for name, contract in TABLES.items() if contract.is_log} | {"warehouse_info"}
    found, expected = warehouse_of(erased.deployment.folder), warehouse_of(recorded_before.folder)
    assert [name for name in expected if found[name] != expected[name] and name not in logs] == []


@pytest.mark.long
def test_erasure_gives_the_rows_of_files_without_the_visitor(erased: Erased, tmp_path: Path) -> None:
    without = Deployment(tmp_path / "data", SETTINGS)
    deliver(without, with_canary=False)
    without.deliver("third", THIRD[1:])
    without.run(UNTIL, publishes=False)
    found, expected = rows_without_files(erased.deployment), rows_without_files(without)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert found["events"]


@pytest.mark.long
def test_rows_of_frozen_days_are_erased(tmp_path: Path) -> None:
    """The raw events of the first days have expired. Counts of these days stay, and later days are built again."""
    keep = {"raw": 10, "events": 30, "aggregates": 10 + LONGEST_READ_DAYS}
    settings = {"start_date": date(2026, 10, 1), "privacy": {"keep_days": keep}}
    until = date(2026, 10, 24)
    of_days = [event(visitor, day, 1) for visitor in (CANARY, "ada") for day in (2, 3, 20)]
    deployment = Deployment(tmp_path / "data", settings)
    deployment.deliver("first", of_days)
    deployment.run(until)
    before = session_counts(deployment)
    assert {str(time)[8:10] for time in deployment.table("raw_events")["event_time"]} == {"20"}
    with open_run(deployment.folder, run_id="test", until=until) as run:
        held = find_held(run, Person(CANARY, None, None))
        erasure.record(run, held)
    assert (held.event_count, len(held.session_ids), len(held.days)) == (1, 3, 3)
    deployment.run(until)
    with open_run(deployment.folder, run_id="test", until=until) as run:
        left = unfinished_in(deployment.folder)
        assert left is not None
        erasure.delete_leftovers(run, left)
        erasure.finish(run)
    assert texts_left(deployment, [CANARY, *held.session_ids]) == []
    assert deployment.table("sessions")["visitor_id"].tolist() == ["ada"] * 3
    assert set(deployment.table("visitors")["visitor_id"]) == {"ada"}
    assert session_counts(deployment) == {day: count - (day == "2026-10-20") for day, count in before.items()}
    assert before["2026-10-02"] == 2


def session_counts(deployment: Deployment) -> dict[str, int]:
    rows = deployment.table("daily_summary")
    return {str(day)[:10]: int(count) for day, count in zip(rows["session_date"], rows["session_count"], strict=True)}


@pytest.mark.long
def test_a_device_of_a_person_is_erased(tmp_path: Path) -> None:
    """By person, the events of a second device have the visitor id of the first one. Only the second is erased."""
    settings = {**SETTINGS, "identity": {"by": "person"}}
    phone = [event(CANARY, 6, 20), event(CANARY, 6, 21, user_id="u1"), event(CANARY, 7, 1)]
    laptop = [event("laptop", 5, 1, user_id="u1"), event("laptop", 6, 2)]
    deployment = Deployment(tmp_path / "data", settings)
    deployment.deliver("first", [*laptop, *phone, *OTHERS])
    deployment.run(UNTIL, publishes=False)
    assert set(deployment.table("events")["visitor_id"]) == {"laptop", "ada", "bob"}
    held = begin(deployment, Person(CANARY, None, None))
    with open_folder(deployment.folder, until=UNTIL) as opened:
        tables = held_tables(opened.store, held)
    assert held.event_count == len(tables["events"]) == len(tables["event_devices"]) == 3
    assert len(tables["identity_edges"]) == 1
    assert len(held.session_ids) == 1, "the other session has events of the laptop, too"
    complete(deployment)
    assert texts_left(deployment, [CANARY, *held.session_ids]) == []
    without = Deployment(tmp_path / "without", settings)
    without.deliver("first", [*laptop, *OTHERS])
    without.run(UNTIL, publishes=False)
    found, expected = rows_without_files(deployment), rows_without_files(without)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.long
def test_an_erased_former_id_of_other_visitors_is_blanked(tmp_path: Path) -> None:
    """By person, such an id would link the others to the erased visitor, also in lines that arrive later."""
    settings = {**SETTINGS, "identity": {"by": "person"}}
    early = [event("ada", 6, 1, previousId=CANARY, plan="gold"), event("ada", 6, 2, user_id="u1"), *OTHERS[4:]]
    late = [event("zeta", 7, 8, previousId=CANARY), event("zeta", 7, 9, previousId=CANARY, user_id="u2")]
    deployment = Deployment(tmp_path / "data", settings)
    deployment.deliver("first", [event(CANARY, 6, 0), *early])
    deployment.run(UNTIL, publishes=False)
    assert set(deployment.table("events")["visitor_id"]) == {"ada", "bob"}
    held = begin(deployment, Person(CANARY, None, None))
    assert (held.event_count, held.former_count, held.mention_count) == (1, 1, 0)
    assert held.counts_for == ("ada",)
    complete(deployment)
    assert texts_left(deployment, [CANARY, *held.session_ids]) == []
    deployment.deliver("late", late)
    deployment.run(UNTIL, publishes=False)
    assert texts_left(deployment, [CANARY]) == []
    without = Deployment(tmp_path / "without", settings)
    without.deliver("first", [{**each, "previousId": ""} if "previousId" in each else each for each in early])
    without.deliver("late", [{**each, "previousId": ""} for each in late])
    without.run(UNTIL, publishes=False)
    found, expected = rows_without_files(deployment), rows_without_files(without)
    different = {name for name in expected if found[name] != expected[name]}
    assert different <= {"raw_events"}, "content_hash is that of the delivered line"


@pytest.mark.long
def test_the_id_of_a_person_stands_for_its_devices_and_users(tmp_path: Path) -> None:
    settings = {**SETTINGS, "identity": {"by": "person"}}
    deployment = Deployment(tmp_path / "data", settings)
    deployment.deliver(
        "first",
        [
            event(CANARY, 6, 0),
            event(CANARY, 6, 1, user_id=CANARY_USER),
            event("canary-laptop", 6, 2),
            event("canary-laptop", 6, 3, user_id=CANARY_USER),
            event("shared", 6, 4, user_id=CANARY_USER),
            event("shared", 6, 5, user_id="another"),
            event("shared", 6, 6),
            event("ada", 6, 7, user_id="null"),
            event(CANARY, 6, 8, user_id="null"),
        ],
    )
    deployment.run(UNTIL, publishes=False)
    with open_folder(deployment.folder, until=UNTIL) as opened:
        laptop = find_held(opened, Person("canary-laptop", None, None))
        assert (laptop.event_count, laptop.counts_for) == (2, (CANARY,))
    held = begin(deployment, Person(CANARY, None, None))
    assert held.visitors == (("main", CANARY), ("main", "canary-laptop"))
    assert held.users == (("main", CANARY_USER),)
    assert held.shared_visitors == (("main", "shared"),)
    assert (held.event_count, len(held.session_ids)) == (6, 1)
    deployment.deliver("late", [event("canary-tablet", 6, 9, user_id=CANARY_USER), event("canary-laptop", 6, 10)])
    complete(deployment)
    assert texts_left(deployment, [CANARY, CANARY_USER, "canary-laptop", *held.session_ids]) == []
    rows = deployment.table("raw_events")[["visitor_id", "user_id"]].fillna("")
    assert sorted(map(tuple, rows.to_numpy())) == [("ada", "null"), ("shared", ""), ("shared", "another")]


@pytest.mark.long
@pytest.mark.parametrize("by", ["visitor", "person"])
def test_rows_of_the_users_events_in_a_shared_session_are_exported(by: str, tmp_path: Path) -> None:
    """Nothing that the other user of the device did is part of the export."""
    deployment = Deployment(tmp_path / "data", {**SETTINGS, "identity": {"by": by}})
    pages = [(None, "/open"), ("another", "/secret"), (CANARY_USER, "/mine"), ("another", "/hidden"), (None, "/none")]
    lines = [
        event("shared", 6, minute, user_id=user, page_url=f"https://shop.example{page}")
        for minute, (user, page) in enumerate(pages)
    ]
    deployment.deliver("first", [*lines, event("shared", 6, 6, user_id=CANARY_USER, event_name="search")])
    deployment.run(UNTIL, publishes=False)
    with open_folder(deployment.folder, until=UNTIL) as opened:
        tables = held_tables(opened.store, find_held(opened, Person(None, CANARY_USER, None)))
    assert [row["action"] for row in tables["session_actions"]] == ["/mine", "search"]
    assert len(tables["events"]) == 2
    assert [row["goal"] for row in tables["goal_matches"]] == ["search"]
    assert ("event_devices" in tables) is (by == "person")
    assert not [text for text in ("/secret", "/hidden", "/open", "another") if text in str(tables)]


@pytest.mark.long
def test_a_person_that_only_shares_devices_is_found_by_its_hash(tmp_path: Path) -> None:
    settings = {**SETTINGS, "identity": {"by": "person"}}
    deployment = Deployment(tmp_path / "data", settings)
    of_users = [event("tablet", 6, minute, user_id=user) for minute, user in enumerate((CANARY_USER, "u2", "u3"))]
    deployment.deliver("first", [*of_users, event("phone", 6, 5, user_id="u2")])
    deployment.run(UNTIL, publishes=False)
    events = deployment.table("events")
    [person] = events[events["user_id"] == CANARY_USER]["visitor_id"]
    assert person not in ("tablet", "phone")
    held = begin(deployment, Person(person, None, None))
    assert (held.users, held.event_count, len(held.session_ids)) == ((("main", CANARY_USER),), 1, 1)
    with open_folder(deployment.folder, until=UNTIL) as opened:
        tables = held_tables(opened.store, held)
    assert {"raw_events", "events", "sessions", "visitors", "identities", "identity_edges"} <= tables.keys()
    complete(deployment)
    assert texts_left(deployment, [person, CANARY_USER, *held.session_ids]) == []
    assert len(deployment.table("events")) == 3


@pytest.mark.long
def test_erased_lines_are_counted(erased: Erased) -> None:
    files = erased.deployment.table("source_files").set_index("path")
    columns = ["line_count", "accepted_count", "set_aside_count", "erased_count"]
    assert files.loc["test/first.jsonl", columns].tolist() == [10, 3, 2, 5]
    assert files.loc["test/third.jsonl", columns].tolist() == [3, 2, 0, 1]
    assert str(files.loc["test/third.jsonl", "first_event_time"]) == "2026-10-06 10:09:00"


@pytest.mark.long
def test_history_of_other_days_and_visitors_is_kept(erased: Erased) -> None:
    assert set(erased.deployment.table("session_changes")["visitor_id"]) == {"bob"}
    assert set(map(str, erased.deployment.table("_day_history")["session_date"])) == {"2026-10-07"}


@pytest.mark.long
def test_finished_erasure_leaves_nothing_to_do(erased: Erased) -> None:
    with open_folder(erased.deployment.folder, until=UNTIL) as opened:
        assert opened.is_done()


@pytest.mark.long
def test_later_arrivals_of_an_erased_visitor_are_left_out(erased: Erased, tmp_path: Path) -> None:
    deployment = erased.deployment.copied_to(tmp_path / "data")
    deployment.only = ("raw_events",)
    deployment.deliver("late", [event(CANARY, 4, 1), event("ada", 4, 2), *BAD])
    deployment.deliver("alone", [event(CANARY, 4, 5)])
    deployment.run(UNTIL)
    assert set(deployment.table("raw_events")["visitor_id"]) == {"ada", "bob", "eve"}
    files = deployment.table("source_files").set_index("path")
    assert files.loc["test/late.jsonl", ["accepted_count", "set_aside_count", "erased_count"]].tolist() == [1, 0, 4]
    assert files.loc["test/alone.jsonl", ["status", "accepted_count", "erased_count"]].tolist() == ["accepted", 0, 1]
    assert not texts_left(deployment, [f'"{CANARY}"'])


def test_person_needs_an_id() -> None:
    with pytest.raises(WrongUseError, match="--visitor ID or --user ID"):
        Person(None, None, None)


@pytest.mark.long
def test_erasure_whose_lock_file_is_deleted_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it could replace erasures.json of another writer, or delete its reports."""
    deployment = Deployment(tmp_path, SETTINGS)
    deployment.deliver("first", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL, publishes=False)
    folder = deployment.folder
    lock, refused = folder.store / "writer.lock", r"writer\.lock was deleted while"
    with open_run(folder, run_id="test", until=UNTIL) as run:
        held = find_held(run, Person(CANARY, None, None))
        lock.unlink()
        with pytest.raises(StoreError, match=refused):
            erasure.record(run, held)
    assert not folder.erasures.exists()
    begin(deployment, Person(CANARY, None, None))
    deployment.run(UNTIL)
    folder.reports.mkdir(exist_ok=True)
    page = folder.reports / "2026-10-06.html"
    page.write_text(CANARY)
    left = unfinished_in(folder)
    assert left is not None
    with open_run(folder, run_id="test", until=UNTIL) as run:
        monkeypatch.setattr(Store, "delete_unused", lambda _: lock.unlink())
        with pytest.raises(StoreError, match=refused):
            erasure.delete_leftovers(run, left)
        with pytest.raises(StoreError, match=refused):
            erasure.finish(run)
    assert page.exists()
    assert unfinished_in(folder) == left
