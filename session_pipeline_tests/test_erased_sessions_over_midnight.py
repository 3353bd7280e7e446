"""Tests erasures and exports of sessions that begin on a frozen day and go on after midnight, on an open day.

The tables of the frozen day keep the numbers, and the session, of events of the next day. That day is built again with
late events, without erased ones and with other settings, so its events get other numbers, or another session.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.run.held import find_held, held_tables
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_folder
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import event, texts_left
from session_pipeline_tests.frozen_days import SETTINGS, UNTIL, deployed, erase

pytestmark = pytest.mark.long

GOALS = [{"name": "paid", "where": "event_name = 'purchase'"}]
ATTEMPTS: dict[str, Any] = {**SETTINGS["funnels"][0], "name": "attempts", "grain": "attempt", "window_seconds": 3600}
WITH_GOALS = {**SETTINGS, "goals": GOALS, "funnels": [*SETTINGS["funnels"], ATTEMPTS]}
# Tables whose rows are about an event or a session. Counts of frozen days name pages, too, and nobody.
NOT_COUNTS = {
    "action_labels",
    *(name for name, each in TABLES.items() if "session_id" in {c.name for c in each.columns}),
}
# In each of these tables of the frozen day, a row is about one event.
OF_EVENTS = {"session_actions": "occurred_at", "outcome_matches": "event_time", "goal_matches": "event_time"}


def at(time: str, user: str, **more: Any) -> dict[str, Any]:
    """Return an event of the shared visitor; its page is named after its user."""
    page = f"https://shop.example/{user}"
    return event("tablet", 1, 0, event_id=time, event_time=f"2026-10-{time}:00Z", user_id=user, page_url=page, **more)


LINES = [
    at("02T23:50", "user-one"),
    at("03T00:05", "user-two"),
    at("03T00:10", "user-two", event_name="purchase", value=5),
    at("03T00:15", "user-three"),
    at("03T00:20", "user-three", event_name="purchase", value=7),
    event("ada", 9, 1),
]
LATE = at("03T00:02", "user-three")


@pytest.fixture(scope="module")
def of_three_users(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """On the frozen day, a session of three users begins. Read only."""
    return deployed(tmp_path_factory.mktemp("midnight") / "data", WITH_GOALS, test=LINES)


@pytest.fixture
def shared(of_three_users: Deployment, tmp_path: Path) -> Deployment:
    """A copy that the test may change."""
    return of_three_users.copied_to(tmp_path / "data")


def minutes(deployment: Deployment, table: str) -> list[str]:
    """Return the times of the rows that a table of events has for the session of the frozen day."""
    rows = deployment.table(table)
    rows = rows[rows["session_date"].astype(str) == "2026-10-02"] if "session_date" in rows else rows
    return sorted(str(time)[11:16] for time in rows[OF_EVENTS[table]])


def exported(deployment: Deployment, user: str) -> dict[str, list[dict[str, Any]]]:
    with open_folder(deployment.folder, until=UNTIL) as opened:
        return held_tables(opened.store, find_held(opened, Person(None, user, None)))


def check_without_second_user(deployment: Deployment) -> None:
    """Erase the second user: its rows are gone, and those of the third user are still there."""
    erase(deployment, Person(None, "user-two", None))
    assert texts_left(deployment, ["03T00:05", "03T00:10"]) == []
    assert not {place.removeprefix("store/") for place in texts_left(deployment, ["user-two"])} & NOT_COUNTS
    of_third = {"00:15", "00:20"}
    assert of_third <= set(minutes(deployment, "session_actions"))
    assert not {"00:05", "00:10"} & set(minutes(deployment, "session_actions"))
    for table in ("outcome_matches", "goal_matches"):
        assert "00:20" in minutes(deployment, table)
        assert "00:10" not in minutes(deployment, table)
    entries = deployment.table("funnel_entries")
    assert not {"03T00:05", "03T00:10"} & set(entries["entry_event_id"])
    assert "03T00:15" in set(entries["entry_event_id"])


def test_events_after_midnight_are_erased(shared: Deployment) -> None:
    check_without_second_user(shared)


def test_late_event_of_the_next_day_does_not_hide_erased_events(shared: Deployment) -> None:
    shared.deliver("late", [LATE])
    shared.run(UNTIL)
    events = shared.table("events").set_index("event_id")["event_number"]
    assert (events["03T00:02"], events["03T00:05"]) == (2, 3)
    check_without_second_user(shared)


def test_one_erasure_does_not_hide_the_events_of_the_next(shared: Deployment) -> None:
    erase(shared, Person(None, "user-two", None))
    events = shared.table("events").set_index("event_id")["event_number"]
    assert (events["03T00:15"], events["03T00:20"]) == (2, 3)
    erase(shared, Person(None, "user-three", None))
    assert texts_left(shared, [line["event_id"] for line in LINES[1:5]]) == []
    assert not {place.removeprefix("store/") for place in texts_left(shared, ["user-t"])} & NOT_COUNTS
    assert minutes(shared, "session_actions") == ["23:50"]
    assert minutes(shared, "outcome_matches") == minutes(shared, "goal_matches") == []


def test_session_that_was_split_later_does_not_hide_erased_events(shared: Deployment) -> None:
    shared.set({**WITH_GOALS, "sessions": {"inactivity_minutes": 12}})
    shared.run(UNTIL)
    events = shared.table("events").set_index("event_id")["session_id"]
    assert events["02T23:50"] != events["03T00:05"]
    check_without_second_user(shared)


def test_session_that_reaches_the_second_open_day_is_erased(tmp_path: Path) -> None:
    """The first open day, 4 October in Sydney, has 23 hours. The session begins ten minutes before it."""
    settings = {**WITH_GOALS, "timezone": "Australia/Sydney", "sessions": {"inactivity_minutes": 720}}
    deployment = Deployment(tmp_path / "data", settings)
    of_session = [at("03T13:50", "user-one"), at("04T01:40", "user-one"), at("04T13:20", "user-two")]
    deployment.deliver("events", [event("bob", 2, 1), *of_session, event("ada", 9, 1)])
    deployment.run(UNTIL + timedelta(days=1))
    with open_folder(deployment.folder, until=UNTIL) as opened:
        assert opened.store.catalog.frozen_before() == date(2026, 10, 4)
    actions = deployment.table("session_actions")
    assert set(actions[actions["event_id"] == "04T13:20"]["session_date"].map(str)) == {"2026-10-03"}
    erase(deployment, Person(None, "user-two", None))
    assert texts_left(deployment, ["04T13:20"]) == []
    assert not {place.removeprefix("store/") for place in texts_left(deployment, ["user-two"])} & NOT_COUNTS


@pytest.mark.parametrize("change", ["none", "late", "split"])
def test_export_has_the_events_of_the_user_after_midnight(shared: Deployment, change: str) -> None:
    if change == "late":
        shared.deliver("late", [LATE])
    if change == "split":
        shared.set({**WITH_GOALS, "sessions": {"inactivity_minutes": 12}})
    shared.run(UNTIL)
    tables = exported(shared, "user-two")
    actions = [row["action"] for row in tables["session_actions"] if str(row["session_date"]) == "2026-10-02"]
    assert actions == ["/user-two", "purchase"]
    for table in ("outcome_matches", "goal_matches"):
        assert {f"{row['event_time']:%H:%M}" for row in tables[table]} == {"00:10"}
    assert "user-three" not in str(tables)
