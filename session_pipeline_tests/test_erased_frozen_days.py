"""Tests what an erasure removes from frozen days, whose raw events have expired: the person's rows, and nothing else.

The first of October is frozen. test_erasure.py tests the tables that are built again, and test_erased_histories.py the
histories of visitors that several users share.
"""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline.ingest.erasing.erasures import Unfinished, erasures_of
from session_pipeline.run.held import find_held, held_tables
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_folder
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import CANARY, CANARY_USER, begin, event, texts_left
from session_pipeline_tests.frozen_days import SETTINGS, UNTIL, deployed, erase, pairs

pytestmark = pytest.mark.long

SITES = {"first": {"site": "a"}, "second": {"site": "b"}}
PERSONS = {**SETTINGS, "identity": {"by": "person"}}
# Tables whose rows are about an event or a session. Counts of frozen days name actions and pages, too, and nobody.
NOT_COUNTS = {name for name, contract in TABLES.items() if "session_id" in {column.name for column in contract.columns}}


def tables_with(deployment: Deployment, texts: list[str]) -> set[str]:
    """Return the tables of the store that have one of these texts."""
    return {place.removeprefix("store/") for place in texts_left(deployment, texts)}


def test_rows_of_other_sites_stay(tmp_path: Path) -> None:
    lines = [event("ada", 1, 1, user_id=CANARY_USER), event("ada", 9, 1)]
    deployment = deployed(tmp_path / "data", {**SETTINGS, "sources": SITES}, first=lines, second=lines)
    held = erase(deployment, Person(None, CANARY_USER, "a"))
    assert held.visitors == (("a", "ada"),)
    assert pairs(deployment, "events", "site", "user_id") == [("b", ""), ("b", CANARY_USER)]
    assert pairs(deployment, "sessions", "site", "user_id") == [("b", ""), ("b", CANARY_USER)]
    assert set(deployment.table("visitor_states")["site"]) == {"b"}


def test_users_whose_id_is_that_of_an_erased_visitor_stay(tmp_path: Path) -> None:
    lines = [event("1234567", 1, 1), event("other", 1, 2, user_id="1234567"), event("other", 9, 1)]
    deployment = deployed(tmp_path / "data", SETTINGS, test=lines)
    erase(deployment, Person("1234567", None, None))
    assert pairs(deployment, "events", "visitor_id", "user_id") == [("other", ""), ("other", "1234567")]
    assert pairs(deployment, "sessions", "visitor_id", "user_id") == [("other", ""), ("other", "1234567")]


@pytest.mark.nightly
def test_erasure_that_an_older_version_began_is_finished(tmp_path: Path) -> None:
    """It recorded ids without their kind."""
    lines = [
        event("tablet", 1, 1, user_id=CANARY_USER),
        event("tablet", 1, 2, user_id="another"),
        event(CANARY_USER, 1, 3, user_id="third"),
        event("ada", 9, 1),
    ]
    deployment = deployed(tmp_path / "data", SETTINGS, test=lines)
    begin(deployment, Person(None, CANARY_USER, None), UNTIL)
    path = deployment.folder.erasures
    found = json.loads(path.read_text())
    found["unfinished"] = {name: found["unfinished"][name] for name in ("ids", "visitors", "days")}
    path.write_text(json.dumps(found))
    left = erasures_of(deployment.folder).unfinished
    assert left is not None
    assert ("main", CANARY_USER) in left.users
    assert left.visitors == ()
    deployment.run(UNTIL)
    assert pairs(deployment, "events", "visitor_id", "user_id") == [
        ("ada", ""),
        ("tablet", "another"),
        (CANARY_USER, "third"),
    ]


@pytest.fixture(scope="module")
def of_persons(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """On the frozen day, two devices of one user have one session. It has the visitor id of the first. Read only."""
    lines = [
        event("first-device", 1, 1, user_id=CANARY_USER),
        event(CANARY, 1, 2, user_id=CANARY_USER, page_url="https://shop.example/second-page"),
        event(CANARY, 1, 3, event_name="second_event"),
        event("first-device", 1, 4, user_id=CANARY_USER),
        event("ada", 1, 5),
        event("ada", 9, 1),
    ]
    return deployed(tmp_path_factory.mktemp("persons") / "data", PERSONS, test=lines)


@pytest.fixture
def persons(of_persons: Deployment, tmp_path: Path) -> Deployment:
    """A copy that the test may change."""
    return of_persons.copied_to(tmp_path / "data")


def test_device_of_a_person_is_found_and_erased(persons: Deployment) -> None:
    assert set(persons.table("events")["visitor_id"]) == {"first-device", "ada"}
    with open_folder(persons.folder, until=UNTIL) as opened:
        held = find_held(opened, Person(CANARY, None, None))
        tables = held_tables(opened.store, held)
    assert (held.visitors, held.counts_for, len(held.days)) == ((("main", CANARY),), ("first-device",), 1)
    assert [path.name for path in held.files] == ["events.jsonl"]
    assert (len(tables["events"]), len(tables["event_devices"]), len(tables["identity_links"])) == (2, 2, 2)
    erase(persons, Person(CANARY, None, None))
    assert texts_left(persons, [CANARY]) == []
    assert tables_with(persons, ["second-page", "second_event"]) & {*NOT_COUNTS, "action_labels"} == set()
    assert len(persons.table("events")) == 4
    assert persons.table("event_devices").empty
    assert sorted(persons.table("sessions")["visitor_id"]) == ["ada", "ada", "first-device"]


def test_device_of_a_person_is_erased_after_persons_are_switched_off(persons: Deployment) -> None:
    """The events of the frozen day still have the id of the person."""
    persons.set(SETTINGS)
    persons.run(UNTIL)
    held = erase(persons, Person(CANARY, None, None))
    assert len(held.days) == 1
    assert texts_left(persons, [CANARY]) == []
    assert tables_with(persons, ["second-page", "second_event"]) & {*NOT_COUNTS, "action_labels"} == set()


def test_warehouse_and_lake_show_devices_of_frozen_days_after_persons_are_switched_off(persons: Deployment) -> None:
    persons.set(SETTINGS)
    persons.run(UNTIL)
    assert persons.query("select count(*) from event_devices") == [(2,)]
    frozen = {f"event_date=2026-10-0{day}" for day in (1, 2)}
    assert {path.name for path in (persons.folder.lake / "event_devices").iterdir()} == frozen


def test_persons_switched_on_again_have_the_links_of_frozen_days(persons: Deployment) -> None:
    before = pairs(persons, "identities", "visitor_id", "person_id")
    for settings in (SETTINGS, PERSONS):
        persons.set(settings)
        persons.run(UNTIL)
    assert (CANARY, "first-device") in before
    assert pairs(persons, "identities", "visitor_id", "person_id") == before


def test_user_of_several_devices_is_erased_with_them(persons: Deployment) -> None:
    held = erase(persons, Person(None, CANARY_USER, None))
    assert held.visitors == (("main", CANARY), ("main", "first-device"))
    assert texts_left(persons, [CANARY, CANARY_USER, "first-device", *held.session_ids]) == []
    assert set(persons.table("visitors")["visitor_id"]) == {"ada"}


def test_person_with_shared_devices_only_is_erased_under_its_hash(tmp_path: Path) -> None:
    lines = [event("tablet", 1, minute, user_id=user) for minute, user in enumerate((CANARY_USER, "u2"))]
    deployment = deployed(tmp_path / "data", PERSONS, test=[*lines, event("ada", 9, 1)])
    events = deployment.table("events")
    [person] = events[events["user_id"] == CANARY_USER]["visitor_id"]
    erase(deployment, Person(None, CANARY_USER, None))
    assert texts_left(deployment, [CANARY_USER, person]) == []
    assert set(deployment.table("visitors")["visitor_id"]) == {"ada", *events[events["user_id"] == "u2"]["visitor_id"]}


def test_events_of_a_user_leave_a_session_shared_with_another(tmp_path: Path) -> None:
    lines = [
        event(CANARY, 1, 1, user_id="ann", page_url="https://shop.example/ann"),
        event(CANARY, 1, 2, user_id=CANARY_USER, page_url="https://shop.example/secret"),
        event(CANARY, 1, 3, user_id=CANARY_USER, event_name="secret_purchase"),
        event(CANARY, 1, 4, user_id=CANARY_USER, event_name="purchase", value=5, page_url="https://shop.example/paid"),
        event(CANARY, 1, 5, user_id="ann", page_url="https://shop.example/ann"),
        event(CANARY, 1, 6, user_id=CANARY_USER, page_url="https://shop.example/secret"),
        event("ada", 9, 1),
    ]
    deployment = deployed(tmp_path / "data", SETTINGS, test=[*lines, lines[2]])
    assert {"session_actions", "session_outcomes", "session_friction"} <= tables_with(
        deployment, ["/secret", "secret_purchase", "/paid"]
    )
    before = {name: deployment.table(name) for name in ("events", "daily_summary")}
    held = erase(deployment, Person(None, CANARY_USER, None))
    assert (held.visitors, held.shared_visitors, held.session_ids) == ((), (("main", CANARY),), ())
    assert [path.name for path in held.files] == ["events.jsonl"]
    events = before["events"]
    event_ids = events[events["user_id"] == CANARY_USER]["event_id"].tolist()
    assert len(event_ids) == 4
    assert texts_left(deployment, [CANARY_USER, *event_ids]) == []
    assert tables_with(deployment, ["/secret", "secret_purchase", "/paid"]) & {*NOT_COUNTS, "action_labels"} == set()
    assert pairs(deployment, "events", "visitor_id", "user_id") == [("ada", ""), (CANARY, "ann"), (CANARY, "ann")]
    session = deployment.table("sessions").iloc[0]
    names = ["landing_page", "landing_action", "exit_page", "exit_action", "user_id", "event_count"]
    assert session[names].tolist() == ["/ann", "/ann", None, None, "ann", 6]
    assert pairs(deployment, "session_actions", "action", "previous_action", "next_action")[1:] == [
        ("/ann", "", ""),
        ("/ann", "", ""),
    ]
    assert deployment.table("duplicate_events").empty
    assert deployment.table("daily_summary").equals(before["daily_summary"])


@pytest.mark.nightly
def test_user_that_came_first_leaves_the_visitor_and_the_session(tmp_path: Path) -> None:
    lines = [event("tablet", 1, 1, user_id=CANARY_USER), event("tablet", 1, 2, user_id="ann"), event("ada", 9, 1)]
    deployment = deployed(tmp_path / "data", SETTINGS, test=lines)
    erase(deployment, Person(None, CANARY_USER, None))
    assert pairs(deployment, "sessions", "visitor_id", "user_id") == [("ada", ""), ("tablet", "")]
    assert set(pairs(deployment, "visitor_states", "visitor_id", "user_id")) == {("ada", ""), ("tablet", "")}
    assert texts_left(deployment, [CANARY_USER]) == []


@pytest.mark.parametrize(
    "privacy",
    [
        {},
        {"hash_properties": ["previousId"]},
        pytest.param({"user_ids": "keyed"}, marks=pytest.mark.nightly),
    ],
)
def test_user_whose_id_is_the_visitor_id_of_a_person_is_erased_with_the_person(
    privacy: dict[str, Any], tmp_path: Path
) -> None:
    """The former id of two visitors without a user is their visitor id, because it is the smallest."""
    former = {"visitor-one-1234", "visitor-two-1234"}
    lines = [
        event("own-device", 1, 1, user_id=CANARY_USER),
        *(event(each, 1, 2, previousId=CANARY_USER) for each in former),
        *(event("ada", day, 3) for day in (1, 9)),
    ]
    settings = {**PERSONS, "privacy": {**SETTINGS["privacy"], **privacy}}
    deployment = deployed(tmp_path / "data", settings, test=lines)
    assert len(set(deployment.table("sessions")["visitor_id"])) == 3
    held = erase(deployment, Person(None, CANARY_USER, None))
    assert {"own-device", *former} <= {visitor for _, visitor in held.visitors}
    assert texts_left(deployment, list(held.ids)) == []
    assert set(deployment.table("sessions")["visitor_id"]) == {"ada"}


def test_person_whose_visitor_id_is_only_equal_to_the_user_id_stays(tmp_path: Path) -> None:
    """No event has it as its former id, so it is the id of a device."""
    lines = [event("1234567", 1, 1, user_id="ann"), event("own", 1, 2, user_id="1234567"), event("ada", 9, 1)]
    deployment = deployed(tmp_path / "data", PERSONS, test=lines)
    erase(deployment, Person(None, "1234567", None))
    assert pairs(deployment, "sessions", "visitor_id", "user_id") == [("1234567", "ann"), ("ada", "")]


@pytest.mark.parametrize("hashed", [[], ["previousId"]])
def test_former_ids_in_events_of_others_become_empty(hashed: list[str], tmp_path: Path) -> None:
    lines = [
        event(CANARY, 1, 1),
        event("ada", 1, 2, previousId=CANARY, plan="gold"),
        event("ada", 1, 3, previousId="old"),
        event("ada", 9, 1, previousId=CANARY),
    ]
    privacy = {**SETTINGS["privacy"], "hash_properties": hashed}
    deployment = deployed(tmp_path / "data", {**SETTINGS, "privacy": privacy}, test=lines)
    before = deployment.table("events").set_index("event_id")["properties"]
    held = erase(deployment, Person(CANARY, None, None))
    assert (held.former_count, held.mention_count) == (2, 0)
    after = deployment.table("events").set_index("event_id")["properties"]
    assert json.loads(after["ada/1/2"]) == {"previousId": "", "plan": "gold"}
    assert after["ada/1/3"] == before["ada/1/3"]
    assert json.loads(after["ada/9/1"]) == {"previousId": ""}
    assert texts_left(deployment, [CANARY, json.loads(before["ada/9/1"])["previousId"]]) == []


def test_mentions_on_frozen_days_are_counted(tmp_path: Path) -> None:
    lines = [event(CANARY, 1, 1), *(event("ada", day, 2, page_url=f"https://s.example/{CANARY}") for day in (1, 9))]
    deployment = deployed(tmp_path / "data", SETTINGS, test=lines)
    held = begin(deployment, Person(CANARY, None, None), UNTIL)
    assert (held.former_count, held.mention_count) == (0, 2)


@pytest.mark.nightly
def test_command_says_that_counts_keep_values_of_own_dimensions(tmp_path: Path) -> None:
    lines = [event("ada", 1, 1, user_id=CANARY_USER), event("bob", 1, 2), event("bob", 9, 1)]
    deployment = deployed(tmp_path / "data", {**SETTINGS, "dimensions": {"customer": "user_id"}}, test=lines)
    options = ["--user", CANARY_USER, "--yes", "--until", str(UNTIL), "--data", str(deployment.folder.path)]
    result = CliRunner().invoke(app, ["erase", *options])
    assert result.exit_code == 0, result.output
    assert "they name nobody, except by values of your own dimensions" in result.stdout
    assert "daily_breakdowns" in tables_with(deployment, [CANARY_USER])
    assert tables_with(deployment, [CANARY_USER]) & NOT_COUNTS == set()


def test_users_are_recorded_with_their_site() -> None:
    one = Unfinished(ids=("u1",), users=(("a", "u1"),), session_ids=("s1",))
    both = one.with_others(replace(one, users=(("b", "u1"),), session_ids=("s2",)))
    assert (both.users, both.session_ids) == ((("a", "u1"), ("b", "u1")), ("s1", "s2"))


def names_of(deployment: Deployment, person: Person, until: date) -> tuple[list[str], list[str]]:
    """Return the names of the delivered files that have the person, and of those that were not searched."""
    with open_folder(deployment.folder, until=until) as opened:
        held = find_held(opened, person)
    return [path.stem for path in held.files], [path.stem for path in held.unsearched_files]


def test_files_with_expired_rows_are_named_as_not_searched(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS)
    deployment.deliver("old", [event(CANARY, 1, 1), event("ada", 1, 2), event("ada", 1, 2)])
    deployment.deliver("new", [event("ada", 9, 1)])
    deployment.run(UNTIL)
    # The events of the frozen day are still there, so the file was searched. Late lines of that day have no row.
    assert names_of(deployment, Person(CANARY, None, None), UNTIL) == (["old"], [])
    assert names_of(deployment, Person("eve", None, None), UNTIL) == ([], [])
    deployment.deliver("late", [event("bob", 1, 1)])
    deployment.run(UNTIL)
    assert names_of(deployment, Person(CANARY, None, None), UNTIL) == (["old"], ["late"])
    later = UNTIL + timedelta(days=4)
    deployment.set({**SETTINGS, "privacy": {"keep_days": {"raw": 7, "events": 10}}})
    deployment.run(later)
    assert names_of(deployment, Person(CANARY, None, None), later) == ([], ["late", "old"])
    assert names_of(deployment, Person("ada", None, None), later) == (["new"], ["late", "old"])
    assert names_of(deployment, Person("ada", None, "another site"), later) == ([], [])
    (deployment.folder.raw / "test" / "late.jsonl").unlink()
    result = CliRunner().invoke(app, ["erase", "--visitor", CANARY, "--data", str(deployment.folder.path)], input="n")
    assert "Delivered files whose rows or texts have expired (1) were not searched; they can contain" in result.stdout
    assert "old.jsonl" in result.stdout


@pytest.mark.nightly
def test_files_with_expired_texts_are_named_as_not_searched(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {**SETTINGS, "privacy": {"quarantine_days": 1}})
    deployment.deliver("old", [event("ada", 1, 1), {"visitor_id": CANARY, "event_name": "without a time"}])
    deployment.deliver("new", [event("ada", 9, 1), {"visitor_id": CANARY, "event_name": "without a time", "n": 2}])
    deployment.run(UNTIL)
    assert names_of(deployment, Person(CANARY, None, None), UNTIL) == (["new"], ["old"])
