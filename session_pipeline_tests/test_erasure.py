"""Tests that an erased visitor is gone from everything that is built, stays away, and leaves all others unchanged."""

import os
import shutil
import signal
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest

from session_pipeline import report
from session_pipeline.errors import SessionPipelineError, WrongUseError
from session_pipeline.ingest import day_files, deliveries, erased_rows, small_files
from session_pipeline.ingest.erasures import unfinished_in
from session_pipeline.run import erasure
from session_pipeline.run.held import Held, Person, find_held, held_tables
from session_pipeline.run.pipeline import open_folder, open_run
from session_pipeline.settings.model import LONGEST_READ_DAYS
from session_pipeline.store import crash_points
from session_pipeline.tables import TABLES
from session_pipeline_tests.crashes.killed_runs import PROCESSES, KillAt
from session_pipeline_tests.crashes.recovery import faults_of, warehouse_of
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.erasures import (
    BAD,
    CANARY,
    CANARY_USER,
    OTHERS,
    SETTINGS,
    THIRD,
    UNTIL,
    begin,
    complete,
    copy_of,
    deliver,
    event,
    rows_without_files,
    texts_left,
)
from session_pipeline_tests.reliability.figures import effort, record


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with the canary, published several times, so that there are files of earlier states."""
    deployment = Deployment(tmp_path_factory.mktemp("built") / "data", SETTINGS)
    deliver(deployment)
    deployment.run(UNTIL)
    report.write(deployment.folder)
    deployment.deliver("third", THIRD)  # the first of these is the new beginning of a session of the canary
    deployment.run(UNTIL)
    shutil.copyfile(deployment.folder.reports / "latest.html", deployment.folder.reports / "2026-10-05.html")
    return deployment


@pytest.fixture(scope="module")
def erased(built: Deployment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, Held, Sequence[Path]]:
    deployment = copy_of(built, tmp_path_factory.mktemp("erased") / "data")
    held = begin(deployment, Person(CANARY, None, None))
    return deployment, held, complete(deployment)


@pytest.fixture(scope="module")
def recorded_before(erased: tuple[Deployment, Held, Sequence[Path]], tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A clean run over the same files, with the erasure recorded before."""
    folder = erased[0].folder
    clean = Deployment(tmp_path_factory.mktemp("clean") / "data", SETTINGS)
    shutil.copytree(folder.raw, clean.folder.raw)
    for path in (folder.erasures, folder.visitor_key):
        shutil.copyfile(path, clean.folder.path / path.name)
    clean.run(UNTIL)
    return clean


@pytest.mark.long
def test_the_deployment_has_the_canary_everywhere(built: Deployment) -> None:
    found = texts_left(built, [CANARY])
    assert {"warehouse.duckdb", "warehouse.duckdb/main.quarantined_lines", "lake/events"} <= set(found)
    assert {"store/events", "store/raw_events", "store/session_changes", "store/quarantined_lines"} <= set(found)


@pytest.mark.long
def test_everything_about_the_visitor_is_found(erased: tuple[Deployment, Held, Sequence[Path]]) -> None:
    deployment, held, reports = erased
    assert (held.event_count, held.quarantined_count, held.visitors) == (5, 3, (("main", CANARY),))
    assert len(held.session_ids) == 3  # two, and one under its former id
    assert {str(day) for _, day in held.days} == {"2026-10-05", "2026-10-06"}
    assert [path.name for path in held.files] == ["first.jsonl", "second.jsonl", "third.jsonl"]
    assert [path.name for path in reports] == ["2026-10-05.html"]
    assert CANARY in (deployment.folder.raw / "test" / "first.jsonl").read_text()


@pytest.mark.long
def test_no_byte_of_an_erased_visitor_is_left(erased: tuple[Deployment, Held, Sequence[Path]]) -> None:
    deployment, held, _ = erased
    # OTHER_BAD has a longer id that begins with that of the canary. It is that of another visitor.
    texts = [f'"{CANARY}"', f"/{CANARY}", CANARY_USER, *held.session_ids]
    assert texts_left(deployment, texts) == []
    assert set(texts_left(deployment, [CANARY])) == set(texts_left(deployment, [f"{CANARY}9"]))


@pytest.mark.long
def test_erasure_gives_the_bytes_of_a_run_with_the_erasure_recorded_before(
    erased: tuple[Deployment, Held, Sequence[Path]], recorded_before: Deployment
) -> None:
    assert erased[0].hashes() == recorded_before.hashes()
    assert erased[0].table("source_files").equals(recorded_before.table("source_files"))
    logs = {name for name, contract in TABLES.items() if contract.is_log} | {"warehouse_info"}
    found, expected = warehouse_of(erased[0].folder), warehouse_of(recorded_before.folder)
    assert [name for name in expected if found[name] != expected[name] and name not in logs] == []


@pytest.mark.long
def test_erasure_gives_the_rows_of_files_without_the_visitor(
    erased: tuple[Deployment, Held, Sequence[Path]], tmp_path: Path
) -> None:
    without = Deployment(tmp_path / "data", SETTINGS)
    deliver(without, with_canary=False)
    without.deliver("third", THIRD[1:])
    without.run(UNTIL)
    found, expected = rows_without_files(erased[0]), rows_without_files(without)
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
    deployment.run(UNTIL)
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
    without.run(UNTIL)
    found, expected = rows_without_files(deployment), rows_without_files(without)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.long
def test_erased_lines_are_counted(erased: tuple[Deployment, Held, Sequence[Path]]) -> None:
    files = erased[0].table("source_files").set_index("path")
    columns = ["line_count", "accepted_count", "set_aside_count", "erased_count"]
    assert files.loc["test/first.jsonl", columns].tolist() == [10, 3, 2, 5]
    assert files.loc["test/third.jsonl", columns].tolist() == [3, 2, 0, 1]
    assert str(files.loc["test/third.jsonl", "first_event_time"]) == "2026-10-06 10:09:00"


@pytest.mark.long
def test_history_of_other_days_and_visitors_is_kept(erased: tuple[Deployment, Held, Sequence[Path]]) -> None:
    assert set(erased[0].table("session_changes")["visitor_id"]) == {"bob"}
    assert set(map(str, erased[0].table("_day_history")["session_date"])) == {"2026-10-07"}


def test_without_erasures_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((deliveries, "erase_stored"), (deliveries, "without_erased"), (erasure, "remove_from_logs")):
        monkeypatch.setattr(module, name, Mock(side_effect=AssertionError))
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    deployment.deliver("a", [event("ada", 6, 1)])
    deployment.run(UNTIL)
    assert len(deployment.table("raw_events")) == 1
    assert not deployment.folder.erasures.exists()


@pytest.mark.long
def test_finished_erasure_leaves_nothing_to_do(erased: tuple[Deployment, Held, Sequence[Path]]) -> None:
    with open_folder(erased[0].folder, until=UNTIL) as now:
        assert now.is_done()


@pytest.mark.long
def test_later_arrivals_of_an_erased_visitor_are_left_out(
    erased: tuple[Deployment, Held, Sequence[Path]], tmp_path: Path
) -> None:
    deployment = copy_of(erased[0], tmp_path / "data")
    deployment.only = ("raw_events",)
    deployment.deliver("late", [event(CANARY, 4, 1), event("ada", 4, 2), *BAD])
    deployment.deliver("alone", [event(CANARY, 4, 5)])
    deployment.run(UNTIL)
    assert set(deployment.table("raw_events")["visitor_id"]) == {"ada", "bob", "eve"}
    files = deployment.table("source_files").set_index("path")
    assert files.loc["test/late.jsonl", ["accepted_count", "set_aside_count", "erased_count"]].tolist() == [1, 0, 4]
    assert files.loc["test/alone.jsonl", ["status", "accepted_count", "erased_count"]].tolist() == ["accepted", 0, 1]
    assert not texts_left(deployment, [f'"{CANARY}"'])


@pytest.mark.parametrize("row_group", [2, day_files.ROW_GROUP_ROWS])
def test_large_files_are_erased_alike(row_group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", 0)
    monkeypatch.setattr(erased_rows, "ROW_GROUP_ROWS", row_group)
    later, before = (Deployment(tmp_path / name, SETTINGS, only=("raw_events",)) for name in ("later", "before"))
    deliver(later)
    later.run(UNTIL)
    # One after the other, or both at once.
    begin(later, Person(CANARY, None, None))
    later.run(UNTIL)
    begin(later, Person("bob", None, None))
    later.run(UNTIL)
    deliver(before)
    for path in (later.folder.erasures, later.folder.visitor_key):
        shutil.copyfile(path, before.folder.path / path.name)
    before.run(UNTIL)
    assert set(later.table("raw_events")["visitor_id"]) == {"ada"}
    assert later.hashes() == before.hashes()


def test_user_is_erased_with_visitors_of_its_own(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("events",))
    deployment.deliver(
        "users",
        [
            event("own", 6, 1),
            event("own", 6, 2, user_id=CANARY_USER),
            event("shared", 6, 3),
            event("shared", 6, 4, user_id=CANARY_USER),
            event("shared", 6, 5, user_id="another"),
            event("ada", 6, 6, properties={"invited_by": CANARY_USER}),
        ],
    )
    deployment.deliver("elsewhere", [event("own", 6, 1)], source="other")
    deployment.set({**SETTINGS, "sources": {"other": {"site": "second"}}})
    deployment.run(UNTIL)
    held = begin(deployment, Person(None, CANARY_USER, None))
    assert (held.event_count, held.mention_count) == (3, 1)
    assert held.visitors == (("main", "own"),)
    assert held.shared_visitors == (("main", "shared"),)
    deployment.deliver("late", [event("own", 6, 10), event("new", 6, 11, user_id=CANARY_USER), event("new", 6, 12)])
    deployment.run(UNTIL)
    rows = deployment.table("events")[["site", "visitor_id", "user_id"]]
    assert sorted(map(tuple, rows.fillna("").to_numpy())) == [
        ("main", "ada", ""),
        ("main", "new", ""),
        ("main", "shared", ""),
        ("main", "shared", "another"),
        ("second", "own", ""),
    ]


def test_site_narrows_an_erasure(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {**SETTINGS, "sources": {"other": {"site": "second"}}}, only=("events",))
    deployment.deliver("a", [event(CANARY, 6, 1)])
    deployment.deliver("b", [event(CANARY, 6, 1), BAD[0]], source="other")
    deployment.run(UNTIL)
    assert begin(deployment, Person(CANARY, None, "main")).event_count == 1
    deployment.run(UNTIL)
    assert deployment.table("events")["site"].tolist() == ["second"]
    assert len(deployment.table("quarantined_lines")) == 1


def test_unknown_id_is_remembered(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("events",))
    assert begin(deployment, Person(CANARY, None, None)).is_empty
    deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL)
    assert deployment.table("events")["visitor_id"].tolist() == ["ada"]


def test_rows_of_files_that_are_gone_are_erased(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    path = deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL)
    path.unlink()
    held = begin(deployment, Person(CANARY, None, None))
    assert (held.files, held.gone_files) == ((), ("test/a.jsonl",))
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["visitor_id"].tolist() == ["ada"]


def test_damaged_rows_are_read_again_without_the_visitor(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL)
    begin(deployment, Person(CANARY, None, None))
    [raw] = (deployment.folder.store / "raw_events").rglob("*.parquet")
    damage(raw, b"damaged")
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["visitor_id"].tolist() == ["ada"]


def test_person_needs_an_id() -> None:
    with pytest.raises(WrongUseError, match="--visitor ID or --user ID"):
        Person(None, None, None)


def test_erasures_need_their_key(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("events",))
    begin(deployment, Person(CANARY, None, None))
    assert CANARY in deployment.folder.erasures.read_text()  # until it is finished
    assert deployment.folder.erasures.stat().st_mode & 0o077 == 0
    deployment.folder.visitor_key.unlink()
    deployment.deliver("a", [event(CANARY, 6, 1)])
    with pytest.raises(SessionPipelineError, match=r"restore .*visitor_key"):
        deployment.run(UNTIL)
    deployment.folder.erasures.write_text("{")
    with pytest.raises(SessionPipelineError, match=r"erasures\.json is not a list"):
        deployment.run(UNTIL)


def erase_in_this_process(folder: Path, place: int | str, log: str) -> None:
    """Erase the canary, and die at a crash point."""
    os.environ[crash_points.CRASH_AT], os.environ[crash_points.CRASH_LOG] = "0", log
    KillAt(place)()
    deployment = Deployment.at(folder)
    begin(deployment, Person(CANARY, None, None))
    complete(deployment)


def places_of_a_killed_erasure(deployment: Deployment, place: int | str, log: Path) -> list[str]:
    """Kill an erasure at a crash point, the n-th or the first of that name; return the places that it reached."""
    child = PROCESSES.Process(target=erase_in_this_process, args=(deployment.folder.path, place, str(log)), daemon=True)
    child.start()
    child.join(300)
    assert child.exitcode in (0, -signal.SIGKILL)
    return log.read_text().splitlines()


def require_recovery(deployment: Deployment, built: Deployment, erased: Deployment) -> None:
    """Readers see one of two states; the next run finishes the erasure."""
    assert warehouse_of(deployment.folder) in (warehouse_of(built.folder), warehouse_of(erased.folder))
    if not deployment.folder.erasures.exists():  # it was killed before anything was recorded
        begin(deployment, Person(CANARY, None, None))
    if unfinished_in(deployment.folder) is not None:
        complete(deployment)
    assert deployment.hashes() == erased.hashes()
    assert warehouse_of(deployment.folder) == warehouse_of(erased.folder)
    assert faults_of(deployment) == ["erasures.json was left behind"]
    assert texts_left(deployment, [f'"{CANARY}"', f"/{CANARY}", CANARY_USER]) == []


@pytest.mark.long
def test_erasure_survives_a_kill(
    built: Deployment, erased: tuple[Deployment, Held, Sequence[Path]], tmp_path: Path
) -> None:
    deployment = copy_of(built, tmp_path / "data")
    places = places_of_a_killed_erasure(deployment, "erase: file written again", tmp_path / "log")
    assert places[-1] == "erase: file written again"
    require_recovery(deployment, built, erased[0])


@pytest.mark.reliability
@pytest.mark.parametrize("part", range(4))
def test_erasure_survives_a_kill_at_each_step(
    built: Deployment, erased: tuple[Deployment, Held, Sequence[Path]], part: int, tmp_path: Path
) -> None:
    places = places_of_a_killed_erasure(copy_of(built, tmp_path / "all"), 0, tmp_path / "all.log")
    # Every step of the erasure, its first and its last time, and some of all other crash points.
    firsts = {place: number for number, place in list(enumerate(places, 1))[::-1]}
    lasts = {place: number for number, place in enumerate(places, 1)}
    steps = {numbers[place] for numbers in (firsts, lasts) for place in numbers if place.startswith("erase: ")}
    numbers = sorted(steps | set(range(1, len(places) + 1, max(1, len(places) // (20 * effort())))))
    for number in numbers[part::4]:
        deployment = copy_of(built, tmp_path / str(number))
        reached = places_of_a_killed_erasure(deployment, number, tmp_path / f"{number}.log")
        assert len(reached) == number
        require_recovery(deployment, built, erased[0])
        shutil.rmtree(deployment.folder.path)
    record(kill_points_hit=len(numbers[part::4]), kills_survived=len(numbers[part::4]))
