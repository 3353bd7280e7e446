"""Tests plans that know a state whose plan was empty: they are the same as without it, and compare few days."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_pipeline.build.known import Known, days_ahead, known_of
from session_pipeline.build.plan import Staleness
from session_pipeline.build.planner import Planner
from session_pipeline.store.records import Key
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS
from session_pipeline_tests.constructed_catalogs import DAY, ONE, UNTIL, Built, described, quarter, raw
from session_pipeline_tests.reliability.figures import effort


def compared(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, date | None]]:
    """Return the steps and days that a plan compares."""
    asked: set[tuple[str, date | None]] = set()
    original = Planner.staleness

    def staleness(self: Planner, step: Step, day: date | None) -> Staleness | None:
        asked.add((step.name, day))
        return original(self, step, day)

    with monkeypatch.context() as patched:
        patched.setattr(Planner, "staleness", staleness)
        planner.plan()
    return asked


def built_without_outdated(built: Built, of_settings: str, until: date) -> Known:
    """Build what a plan has, without the outdated days; return the state, whose plan is empty."""
    planner = built.planner(of_settings, until)
    while items := planner.plan().items:
        for item in items:
            fingerprint = planner.fingerprints.of(item.step, item.day)
            assert fingerprint is not None
            built.recipes.update([planner.fingerprints.recipe(item.step)])
            for name in item.step.tables:
                key = Key(name, item.day)
                values = {"fingerprint": fingerprint.value, "parts": fingerprint.parts, "is_damaged": False}
                built.partitions[key] = built.partitions[key]._replace(**values)  # type: ignore[arg-type]
    assert planner.plan().is_empty
    return planner.state(planner.plan().outdated)


def knowing(known: Known, built: Built, of_settings: str = "", until: date = UNTIL) -> Planner:
    """Return a planner that knows, from a text, that the plan of a state was empty."""
    planner = built.planner(of_settings, until)
    return Planner(built.partitions, built.recipes, planner.frame, known=known_of(known.text()))


CHANGES: tuple[dict[str, object], ...] = (
    {"sha256": "other"},
    {"is_damaged": True},
    {"fingerprint": "other"},
    {"generation": 2},
    {"changed_generation": 2},
)
LAST = DAY + 130 * ONE
UNDATED = {(step.name, None) for step in STEPS if not step.is_daily}


@pytest.fixture(scope="module")
def long_history() -> Built:
    return Built(*(raw(DAY + number * ONE, quarter(12), f"f{number}") for number in range(120)), until=LAST)


def test_plan_of_a_known_state_compares_no_day(long_history: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    built = long_history.copy()
    known = built.planner(until=LAST).state()
    built.partitions = dict(reversed(built.partitions.items()))
    assert compared(knowing(known, built, until=LAST), monkeypatch) == UNDATED
    assert compared(built.planner(until=LAST), monkeypatch) > UNDATED


def test_plan_after_a_new_day_compares_few_earlier_days(long_history: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    built = long_history.copy()
    known = built.planner(until=LAST).state()
    new = raw(LAST - 5 * ONE, quarter(12), "new")
    assert new.key.date is not None
    built.partitions[new.key] = new
    asked = compared(knowing(known, built, until=LAST), monkeypatch)
    assert min(day for _, day in asked if day is not None) >= new.key.date - 60 * ONE
    assert min(day for name, day in asked if name == "sessionize" and day) >= new.key.date - 4 * ONE


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_change_of_a_partition_changes_the_state_of_its_date(
    change: dict[str, object], long_history: Built
) -> None:
    built = long_history.copy()
    known = built.planner(until=LAST).state()
    key = max(key for key in built.partitions if key.date is not None)
    built.partitions[key] = built.partitions[key]._replace(**change)  # type: ignore[arg-type]
    assert known.first_change(built.planner(until=LAST).state()) == key.date


def test_planner_sees_what_is_committed_after_it_looked(long_history: Built) -> None:
    """A run uses one planner while it commits, and each date is hashed again only if it changed."""
    built = long_history.copy()
    planner = knowing(built.planner(until=LAST).state(), built, until=LAST)
    before = planner.state()
    assert planner.plan().is_empty
    built.change(Key("sessions", DAY + ONE), sha256="other")
    assert before.first_change(planner.state()) == DAY + ONE
    assert {item.day for item in planner.plan().items if item.step.name == "session_outcomes"} == {DAY + ONE}


OUTDATED = "[sessions]\ninactivity_minutes = 20"  # settings with which all days of a catalog are outdated


@pytest.fixture(scope="module")
def outdated() -> tuple[Built, Known]:
    """A catalog of 80 days that all wait for an upgrade, and its state."""
    built = Built(*(raw(DAY + number * ONE, quarter(12), f"f{number}") for number in range(80)), until=LAST)
    return built, built_without_outdated(built, OUTDATED, LAST)


def test_outdated_days_of_a_known_state_are_listed_and_not_compared(
    outdated: tuple[Built, Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, known = outdated
    planner = knowing(known, built, OUTDATED, LAST)
    assert compared(planner, monkeypatch) == UNDATED
    found = planner.plan().outdated
    assert found == built.planner(OUTDATED, LAST).plan().outdated
    assert {item.day for item in found} == {*planner.frame.wanted}


def test_outdated_days_of_a_known_state_are_built_by_an_upgrade_or_with_a_higher_limit(
    outdated: tuple[Built, Known],
) -> None:
    built, known = outdated
    expected = built.planner(OUTDATED, LAST).plan(upgrade=True).items
    assert len(expected) > 80
    assert knowing(known, built, OUTDATED, LAST).plan(upgrade=True).items == expected
    assert knowing(known, built, f"max_rebuild_days = 200\n{OUTDATED}", LAST).plan().items == expected


def test_plan_after_a_late_file_for_an_outdated_day_is_the_same_with_a_known_state(
    outdated: tuple[Built, Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, known = outdated[0].copy(), outdated[1]
    late = raw(DAY + 75 * ONE, quarter(12), "late")
    built.partitions[late.key] = late
    planner = knowing(known, built, OUTDATED, LAST)
    found, expected = planner.plan(), built.planner(OUTDATED, LAST).plan()
    assert (found.items, found.outdated) == (expected.items, expected.outdated)
    assert late.key.date not in found.outdated_days
    assert DAY + 10 * ONE not in {day for _, day in compared(planner, monkeypatch)}


def test_outdated_days_of_a_known_state_are_not_fresh(outdated: tuple[Built, Known]) -> None:
    built, known = outdated
    assert knowing(known, built, OUTDATED, LAST).fresh_days(STEP_OF_TABLE["events"]) == frozenset()


def test_outdated_days_are_read_again_from_the_text_of_a_state() -> None:
    known = replace(STATE, outdated={("b", DAY): "r", ("a", DAY + ONE): "r", ("a", DAY): "r", ("a", DAY - ONE): "s"})
    assert known_of(known.text()) == known


STATE = Known("code", UNTIL, {DAY: "a", DAY + 2 * ONE: "c"})


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, None),
        ({"dates": {DAY: "a", DAY + 2 * ONE: "other"}}, DAY + 2 * ONE),
        ({"dates": {DAY: "a", DAY + ONE: "b", DAY + 2 * ONE: "c"}}, DAY + ONE),
        ({"dates": {DAY + 2 * ONE: "c"}}, DAY),
        ({"until": UNTIL + 3 * ONE}, UNTIL),
        ({"until": UNTIL - 3 * ONE}, UNTIL - 3 * ONE),
        ({"until": UNTIL + ONE, "dates": {DAY: "other", DAY + 2 * ONE: "c"}}, DAY),
        ({"code": "other"}, date.min),
    ],
    ids=["nothing", "date", "new date", "removed date", "later end", "earlier end", "end and date", "code"],
)
def test_first_change_is_the_earliest_difference(changes: Mapping[str, Any], first: date | None) -> None:
    assert STATE.first_change(replace(STATE, **changes)) == first


def test_code_stands_for_the_version_the_settings_and_the_frozen_days(long_history: Built) -> None:
    planner = long_history.planner(until=LAST)
    frame = planner.frame

    def code(frame: Frame, version: str = "") -> str:
        return Planner(long_history.partitions, long_history.recipes, frame, version=version).state().code

    others = [
        code(frame, version="2.0"),
        code(long_history.planner("[sessions]\ninactivity_minutes = 20", LAST).frame),
        code(replace(frame, frozen_before=DAY)),
        code(replace(frame, frozen_before=DAY + ONE)),
    ]
    assert len({planner.state().code, *others}) == 1 + len(others)


def test_other_time_zone_changes_the_state_of_each_day(long_history: Built) -> None:
    here, there = long_history.planner(until=LAST), long_history.planner('timezone = "Europe/Berlin"', LAST)
    before, after = here.state().dates, there.state().dates
    assert [day for day in here.frame.wanted if before[day] == after.get(day)] == []


def test_fresh_days_of_a_known_state_are_those_of_all_days(long_history: Built) -> None:
    built = long_history.copy()
    known = built.planner(until=LAST).state()
    for file_id, shift in (("late", 40), ("new", 5)):
        new = raw(LAST - shift * ONE, quarter(12), file_id)
        built.partitions[new.key] = new
    [step] = [step for step in STEPS if step.name == "sessionize"]
    planner = knowing(known, built, until=LAST)
    expected = {day for day in planner.frame.wanted if built.planner(until=LAST).staleness(step, day) is None}
    assert planner.fresh_days(step) == expected
    assert LAST - 40 * ONE not in expected
    assert expected


def test_day_without_all_of_its_inputs_is_not_fresh(long_history: Built) -> None:
    built = long_history.copy()
    del built.partitions[Key("action_labels", DAY)]
    planner, step = built.planner(until=LAST), STEP_OF_TABLE["session_actions"]
    assert planner.staleness(step, DAY) is None, "it cannot be built now"
    assert planner.fresh_days(step) == {*planner.frame.open_days} - {DAY}


def test_unreadable_text_is_no_known_state() -> None:
    assert [known_of(text) for text in ("", "{}", "[]", '{"code": "a", "until": "b", "dates": {}}', "7")] == [None] * 5


def history(timezone: str, days: Iterable[int], window: int) -> Built:
    of_settings = f"""timezone = "{timezone}"
        [[funnels]]
        name = "f"
        grain = "visitor"
        window_seconds = {window * 86400}
        steps = [{{ name = "a", where = "event_name = 'a'" }}, {{ name = "b", where = "event_name = 'b'" }}]"""
    files = [raw(DAY + number * ONE, quarter(number % 24), f"f{number}") for number in days]
    return Built(*files, settings=of_settings, until=DAY + 60 * ONE)


# Days are missing, and clocks change in two of the time zones.
HISTORIES = {
    "dense": ("UTC", range(25), 1),
    "gaps": ("Europe/Berlin", (0, 1, 5, 6, 20, 21, 22, 39, 40), 7),
    "far": ("America/New_York", (0, 3, 30, 45), 30),
}


@pytest.fixture(scope="module")
def histories() -> Mapping[str, Built]:
    return {name: history(*values) for name, values in HISTORIES.items()}


LIMIT = "max_rebuild_days = 3\n"
OTHER_SETTINGS = ('timezone = "Asia/Tokyo"', OUTDATED, LIMIT + OUTDATED, f"max_rebuild_days = 60\n{OUTDATED}")


@pytest.mark.long
@given(data=st.data())
@settings(max_examples=20 * effort())
def test_plan_is_the_same_with_and_without_a_known_state(data: st.DataObject, histories: Mapping[str, Built]) -> None:
    built = histories[data.draw(st.sampled_from(sorted(HISTORIES)))].copy()
    of_known = data.draw(st.sampled_from([built.settings, f"{LIMIT}{built.settings}\n{OUTDATED}"]))
    known = built_without_outdated(built, of_known, built.until)
    for _ in range(data.draw(st.integers(0, 3))):
        key = data.draw(st.sampled_from(sorted(built.partitions)))
        kind = data.draw(st.sampled_from(["change", "remove", "new"]))
        if kind == "change":
            change = data.draw(st.sampled_from(CHANGES))
            built.partitions[key] = built.partitions[key]._replace(**change)  # type: ignore[arg-type]
        elif kind == "remove":
            del built.partitions[key]
        else:
            new = raw(DAY + data.draw(st.integers(-40, 80)) * ONE, quarter(data.draw(st.integers(0, 23))), "new")
            built.partitions[new.key] = new
    until = built.until + data.draw(st.integers(-40, 40)) * ONE
    of_settings = data.draw(st.sampled_from([of_known] * 4 + [*OTHER_SETTINGS]))
    upgrade = data.draw(st.sampled_from([False, False, True]))
    expected = built.planner(of_settings, until).plan(upgrade=upgrade)
    found = knowing(known, built, of_settings, until).plan(upgrade=upgrade)
    assert described(found) == described(expected)
    assert (found.unwanted, found.outdated) == (expected.unwanted, expected.outdated)


@pytest.mark.parametrize("name", HISTORIES)
def test_plan_after_a_late_file_is_the_same_with_a_known_state(name: str, histories: Mapping[str, Built]) -> None:
    built = histories[name].copy()
    planner = built.planner(built.settings, built.until)
    known, late = planner.state(), raw(planner.frame.wanted[-2], quarter(12), "late")
    built.partitions[late.key] = late
    expected = described(built.planner(built.settings, built.until).plan())
    assert described(knowing(known, built, built.settings, built.until).plan()) == expected
    assert f"funnel_steps[{planner.frame.wanted[-3]}]" in expected, "through tables of other days"


def test_identities_can_change_on_every_day() -> None:
    frame = Built(raw(DAY, 1)).planner('[identity]\nby = "person"').frame
    assert days_ahead(frame)["day_identities"] > date.max.toordinal()


@pytest.mark.parametrize("name", HISTORIES)
def test_no_date_is_read_further_ahead_than_its_span_says(name: str, histories: Mapping[str, Built]) -> None:
    frame = histories[name].planner(histories[name].settings, histories[name].until).frame
    for span in {what.span for step in STEPS if step.is_daily for what in step.inputs}:
        assert max(span.distance(frame, day) for day in frame.wanted) <= span.ahead(frame), span.name
