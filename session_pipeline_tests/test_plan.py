"""Tests the plan on constructed catalogs without files: which days are wanted, what is stale and why, what waits."""

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_pipeline.build.known import Known, known_of
from session_pipeline.build.plan import Certainty, Kind, Plan, Planner
from session_pipeline.build.wanted import days_with_events, wanted_days
from session_pipeline.engines.sql import literal
from session_pipeline.reference.days import Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.store.files import digest
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS

DAY = date(2026, 10, 5)
ONE = timedelta(days=1)
START = date(2020, 1, 1)
UNTIL = date(2026, 10, 20)


def quarter(hour: int, minute: int = 0) -> int:
    return 1 << (hour * 4 + minute // 15)


def raw(day: date, quarters: int, file_id: str = "f1", sha256: str = "raw") -> Partition:
    key = Key("raw_events", day, file_id)
    return Partition(key, f"{key}", sha256, 1, 1, "", counts={"quarters": f"{quarters:x}"})


class Built:
    """A catalog in which everything wanted was built, from given raw events and settings."""

    def __init__(self, *of_raw: Partition, settings: str = "", until: date = UNTIL) -> None:
        self.partitions: dict[Key, Partition] = {partition.key: partition for partition in of_raw}
        self.recipes: dict[str, Mapping[str, str]] = {}
        self.settings, self.until = settings, until
        planner = self.planner(settings, until)
        for step in STEPS:
            for day in planner.frame.wanted if step.is_daily else (None,):
                fingerprint = planner.fingerprint(step, day)
                assert fingerprint is not None
                self.recipes.update([planner.recipe(step)])
                for name in step.tables:
                    key = Key(name, day)
                    self.partitions[key] = Partition(
                        key, f"{key}", f"{key}", 1, 1, fingerprint.value, parts=fingerprint.parts
                    )

    def planner(self, settings: str = "", until: date = UNTIL) -> Planner:
        parsed = parse_settings(settings, "settings.toml")
        calendar = Calendar(parsed.timezone)
        of_raw = [partition for key, partition in self.partitions.items() if key.table == "raw_events"]
        wanted = wanted_days(of_raw, calendar, START, until)
        return Planner(self.partitions, self.recipes, Frame(parsed, calendar, wanted, until))

    def copy(self) -> "Built":
        other = copy(self)
        other.partitions = dict(self.partitions)
        return other

    def change(self, key: Key, **changes: object) -> None:
        newer = {"changed_generation": 1} if "sha256" in changes else {}
        self.partitions[key] = replace(self.partitions[key], **{**newer, **changes})  # type: ignore[arg-type]


def described(plan: Plan) -> dict[str, tuple[Certainty, Kind, str]]:
    return {str(item): (item.certainty, item.kind, item.reason) for item in plan.items}


# Wanted days


@pytest.mark.parametrize(
    ("timezone", "quarters", "days"),
    [
        ("UTC", quarter(0), {5}),
        ("UTC", quarter(23, 45), {5}),
        ("UTC", 0, set()),
        ("Europe/Berlin", quarter(21, 45), {5}),
        ("Europe/Berlin", quarter(22), {6}),
        ("Europe/Berlin", quarter(0) | quarter(23, 45), {5, 6}),
        ("America/New_York", quarter(3, 45), {4}),
        ("America/New_York", quarter(4), {5}),
        ("Asia/Kathmandu", quarter(18), {5}),
        ("Asia/Kathmandu", quarter(18, 15), {6}),
    ],
)
def test_quarter_hours_tell_which_local_days_have_events(timezone: str, quarters: int, days: set[int]) -> None:
    found = days_with_events([raw(DAY, quarters)], Calendar(timezone), START)
    assert found == {date(2026, 10, day) for day in days}


def test_quarter_hour_shared_by_two_days_counts_for_both() -> None:
    # Liberia was 44 minutes and 30 seconds behind UTC until 1972, so midnight was within a quarter hour of UTC.
    day = date(1970, 6, 2)
    found = days_with_events([raw(day, quarter(0, 30))], Calendar("Africa/Monrovia"), date(1970, 1, 1))
    assert found == {day - ONE, day}


def test_days_with_events_combine_files_and_respect_start_date() -> None:
    some = [raw(DAY, quarter(1)), raw(DAY, quarter(23), "f2"), raw(DAY - ONE, quarter(12), "f3")]
    berlin = Calendar("Europe/Berlin")
    assert days_with_events(some, berlin, START) == {DAY - ONE, DAY, DAY + ONE}
    assert days_with_events(some, berlin, DAY) == {DAY, DAY + ONE}


def test_wanted_days_have_events_or_close_sessions() -> None:
    some = [raw(date(2026, 10, day), 1) for day in (5, 6, 9, 12)]
    wanted = wanted_days(some, Calendar("UTC"), START, date(2026, 10, 12))
    assert [day.day for day in wanted] == [5, 6, 7, 9, 10, 12]
    wanted = wanted_days(some, Calendar("UTC"), START, date(2026, 10, 11))
    assert [day.day for day in wanted] == [5, 6, 7, 9, 10]


# Inputs


def test_step_reads_files_with_events_of_its_day_ordered_by_id() -> None:
    built = Built(
        raw(DAY, quarter(12), "f2"),
        raw(DAY, quarter(21, 45), "f1"),
        raw(DAY, quarter(22), "f3"),
        raw(DAY - ONE, quarter(22), "f4"),
        raw(DAY - ONE, quarter(21, 45), "f5"),
        settings='timezone = "Europe/Berlin"',
    )
    planner = built.planner('timezone = "Europe/Berlin"')
    found = planner.inputs(STEP_OF_TABLE["events"], (DAY,))
    assert [key.key.file_id for key in found["raw_events"] if isinstance(key, Partition)] == ["f4", "f1", "f2"]
    assert found["open_sessions"] == [built.partitions[Key("open_sessions", DAY - ONE)]]


def test_missing_input_is_named_and_gives_no_fingerprint() -> None:
    built = Built(raw(DAY, 1))
    del built.partitions[Key("action_labels", DAY)]
    planner = built.planner()
    step = STEP_OF_TABLE["session_actions"]
    assert planner.inputs(step, (DAY,))["action_labels"] == [
        Key("action_labels", DAY),
        built.partitions[Key("action_labels", DAY + ONE)],
    ]
    assert planner.fingerprint(step, DAY) is None
    assert planner.staleness(step, DAY) is None


def test_raw_events_are_read_again_after_forget_raw() -> None:
    built = Built(raw(DAY, 1))
    planner = built.planner()
    step = STEP_OF_TABLE["events"]
    assert len(planner.inputs(step, (DAY,))["raw_events"]) == 1
    late = raw(DAY, 1, "f2")
    built.partitions[late.key] = late
    assert len(planner.inputs(step, (DAY,))["raw_events"]) == 1
    planner.forget_raw()
    assert len(planner.inputs(step, (DAY,))["raw_events"]) == 2


# Staleness


def test_digest_ignores_key_order_but_not_list_order() -> None:
    assert digest({"a": 1, "b": {"c": DAY, "d": 2}}) == digest({"b": {"d": 2, "c": DAY}, "a": 1})
    assert digest(["a", "b"]) != digest(["b", "a"])


def test_everything_built_is_fresh() -> None:
    plan = Built(raw(DAY, 1)).planner().plan()
    assert plan.items == plan.deferred == plan.unwanted == ()
    assert repr(plan) == "Plan(items=(), deferred=(), unwanted=())"
    assert plan.is_empty
    assert plan.days == ()


def test_new_day_is_built_in_the_order_of_steps() -> None:
    built = Built(raw(DAY, 1))
    late = raw(DAY - 3 * ONE, 1, "f2")
    built.partitions[late.key] = late
    plan = built.planner().plan()
    new = [str(item) for item in plan.items if item.reason == "new day"]
    days = (DAY - 3 * ONE, DAY - 2 * ONE)
    assert new == [f"{step.name}[{day}]" for step in STEPS if step.is_daily for day in days]
    assert described(plan)["user_agents"] == (Certainty.MAY, Kind.DATA, f"reads agents_seen[{days[0]}]")
    assert not plan.is_empty
    assert plan.days[:2] == days


def test_missing_undated_table_is_new() -> None:
    built = Built(raw(DAY, 1))
    del built.partitions[Key("user_agents", None)]
    assert described(built.planner().plan()) == {"user_agents": (Certainty.WILL, Kind.DATA, "new table")}


def test_one_missing_table_makes_the_step_stale() -> None:
    built = Built(raw(DAY, 1))
    del built.partitions[Key("recent_event_ids", DAY)]
    found = described(built.planner().plan())
    assert found[f"sessionize[{DAY}]"] == (Certainty.WILL, Kind.DATA, "new day")


def test_changed_raw_file_makes_readers_stale_and_others_possible() -> None:
    built = Built(raw(DAY, 1))
    built.change(Key("raw_events", DAY, "f1"), sha256="other")
    found = described(built.planner().plan())
    will = {name for name, (certainty, _, _) in found.items() if certainty is Certainty.WILL}
    assert will == {f"agents_seen[{DAY}]", f"sessionize[{DAY}]"}
    assert found[f"sessionize[{DAY}]"] == (Certainty.WILL, Kind.DATA, "raw_events changed")
    assert found[f"sessionize[{DAY + ONE}]"] == (Certainty.MAY, Kind.DATA, f"reads open_sessions[{DAY}]")
    assert found[f"sessions[{DAY}]"] == (Certainty.MAY, Kind.DATA, f"reads events[{DAY}]")
    assert found[f"funnel_steps[{DAY}]"] == (Certainty.MAY, Kind.DATA, f"reads funnel_entries[{DAY}]")
    assert found["user_agents"] == (Certainty.MAY, Kind.DATA, f"reads agents_seen[{DAY}]")


def test_damaged_file_is_rebuilt() -> None:
    built = Built(raw(DAY, 1))
    built.change(Key("duplicate_events", DAY), is_damaged=True)
    found = described(built.planner().plan())
    assert found[f"sessionize[{DAY}]"] == (Certainty.WILL, Kind.DATA, "its file is damaged")


def test_one_table_with_other_fingerprint_makes_the_step_stale() -> None:
    built = Built(raw(DAY, 1))
    built.change(Key("recent_event_ids", DAY), fingerprint="other")
    assert f"sessionize[{DAY}]" in described(built.planner().plan())


def test_reason_names_all_changed_inputs() -> None:
    built = Built(raw(DAY, 1))
    built.change(Key("events", DAY), sha256="other")
    built.change(Key("sessions", DAY), sha256="other")
    found = described(built.planner().plan())
    assert found[f"session_actions[{DAY}]"] == (Certainty.WILL, Kind.DATA, "events changed, sessions changed")
    assert found[f"daily_outcomes[{DAY}]"][2] == "sessions changed"


def test_changed_setting_is_a_logic_reason_with_values() -> None:
    built = Built(raw(DAY, 1))
    found = described(built.planner("[sessions]\ninactivity_minutes = 20").plan())
    certainty, kind, reason = found[f"sessionize[{DAY}]"]
    assert (certainty, kind) == (Certainty.WILL, Kind.LOGIC)
    assert "30 to 20" in reason
    assert found[f"action_labels[{DAY}]"][:2] == (Certainty.MAY, Kind.DATA)


def test_setting_that_changes_the_days_read_is_a_logic_reason() -> None:
    # A visitor funnel with a window of two days also reads the day after next.
    funnel = (
        '[[funnels]]\nname = "f"\ngrain = "visitor"\nwindow_seconds = {}\n'
        'steps = [{{ name = "a", where = "event_name = \'a\'" }}, {{ name = "b", where = "event_name = \'b\'" }}]'
    )
    built = Built(raw(DAY, 1), raw(DAY + ONE, 1), raw(DAY + 2 * ONE, 1), settings=funnel.format(86400))
    plan = built.planner(funnel.format(2 * 86400)).plan()
    kinds = {item.kind for item in plan.items if item.step.name == "funnel_entries" and item.day == DAY}
    assert kinds == {Kind.LOGIC}
    built.change(Key("funnel_events", DAY), sha256="other")
    plan = built.planner(funnel.format(86400)).plan()
    assert described(plan)[f"funnel_entries[{DAY}]"] == (Certainty.WILL, Kind.DATA, "funnel_events changed")


def test_changed_input_and_setting_are_a_data_reason() -> None:
    funnel = (
        '[[funnels]]\nname = "{}"\ngrain = "visitor"\nwindow_seconds = 86400\n'
        'steps = [{{ name = "a", where = "event_name = \'a\'" }}, {{ name = "b", where = "event_name = \'b\'" }}]'
    )
    built = Built(raw(DAY, 1), settings=funnel.format("one"))
    built.change(Key("funnel_events", DAY), sha256="other")
    found = described(built.planner(funnel.format("two")).plan())
    assert found[f"funnel_entries[{DAY}]"] == (Certainty.WILL, Kind.DATA, "funnel_events changed")


def test_new_reachable_day_and_changed_setting_are_a_data_reason() -> None:
    built = Built(raw(DAY, 1), until=DAY)
    key = Key("events", DAY + ONE)
    built.partitions[key] = Partition(key, "", "new", 0, 0, "")
    planner = built.planner("[dimensions]\nplan = \"properties ->> 'plan'\"")
    assert planner.staleness(STEP_OF_TABLE["session_dimensions"], DAY) == (Kind.DATA, "events changed")


def test_changed_outcome_rule_is_a_logic_reason() -> None:
    outcome = '[[outcomes]]\nname = "sale"\nwhere = "event_name = \'{}\'"'
    built = Built(raw(DAY, 1), settings=outcome.format("purchase"))
    assert described(built.planner(outcome.format("purchase")).plan()) == {}
    found = described(built.planner(outcome.format("order")).plan())
    assert found[f"event_matches[{DAY}]"] == (Certainty.WILL, Kind.LOGIC, "setting outcomes changed")
    assert found[f"session_outcomes[{DAY}]"][:2] == (Certainty.MAY, Kind.DATA)
    assert f"session_actions[{DAY}]" not in found


def test_recipe_covers_everything_except_data(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = Built(raw(DAY, 1)).planner
    step = STEP_OF_TABLE["sessions"]
    recipe, parts = planner().recipe(step)
    assert {"model landings", "contract of sessions", "list channel_rules", "setting engaged_page_views"} <= set(parts)
    assert planner().recipe(step)[0] == recipe
    assert planner().recipe(replace(step, logic_version="2"))[0] != recipe
    assert planner().recipe(replace(step, computed=step.computed[:1]))[0] != recipe
    renamed = tuple(replace(item, name="other") for item in step.computed)
    assert planner().recipe(replace(step, computed=renamed))[0] != recipe
    monkeypatch.setattr("session_pipeline.build.plan.table", lambda name: replace(table(name), order=("session_id",)))
    assert planner().recipe(step)[0] != recipe


@pytest.mark.parametrize("name", [step.tables[0] for step in STEPS if step.is_daily])
def test_bounds_of_a_day_are_hashed_in_order_of_name(name: str) -> None:
    planner = Built(raw(DAY, 1)).planner()
    step = STEP_OF_TABLE[name]
    fingerprint = planner.fingerprint(step, DAY)
    assert fingerprint is not None
    bounds = [literal(value) for name, value in sorted(planner.frame.bounds(DAY).items()) if name in step.day_columns]
    assert fingerprint.parts.get("day") == (digest(bounds) if step.day_columns else None)


def test_other_time_zone_changes_the_bounds_of_days() -> None:
    built = Built(raw(DAY, quarter(12)))
    found = described(built.planner('timezone = "Europe/Berlin"').plan())
    assert found[f"sessionize[{DAY}]"][1:] == (Kind.DATA, "the bounds of the day changed (time zone)")


def test_visitor_funnel_is_rebuilt_when_later_days_are_known() -> None:
    funnel = (
        '[[funnels]]\nname = "f"\ngrain = "visitor"\nwindow_seconds = 172800\n'
        'steps = [{ name = "a", where = "event_name = \'a\'" }, { name = "b", where = "event_name = \'b\'" }]'
    )
    built = Built(raw(DAY, 1), settings=funnel, until=DAY + ONE)
    found = described(built.planner(funnel, DAY + 2 * ONE).plan())
    assert found[f"funnel_entries[{DAY}]"] == (Certainty.WILL, Kind.DATA, "later days are known now")
    assert described(built.planner(funnel, DAY + ONE).plan()) == {}


# Dropped partitions, deferred days, and ranges of runs


def test_partitions_of_unwanted_days_are_dropped() -> None:
    built = Built(raw(DAY, 1))
    removed = Key("no_table_any_more", DAY)
    without_events = raw(DAY - 3 * ONE, 0)  # raw events stay as they were read
    built.partitions[without_events.key] = without_events
    for key in (
        Key("events", DAY - ONE),
        Key("session_changes", DAY - ONE),
        Key("_day_history", DAY - ONE),
        removed,
        Key("source_files", None),
        Key("quarantined_lines", None, "f1"),
    ):
        built.partitions[key] = Partition(key, "", "", 0, 0, "", is_damaged=key.table == "_day_history")
    plan = built.planner().plan()
    assert plan.unwanted == (Key("_day_history", DAY - ONE), Key("events", DAY - ONE), removed)
    assert not plan.is_empty


def test_without_wanted_days_undated_tables_are_dropped() -> None:
    built = Built(raw(DAY, 1))
    ledger = Key("source_files", None)
    built.partitions[ledger] = Partition(ledger, "", "", 0, 0, "")
    plan = built.planner("", DAY - ONE).plan()
    assert plan.items == ()
    assert Key("user_agents", None) in plan.unwanted
    assert not {ledger, Key("raw_events", DAY, "f1")} & {*plan.unwanted}


@pytest.mark.parametrize(("settings", "near"), [("funnels = []", 1), ("", 7)])
def test_days_that_can_read_each_other_are_built_in_one_run(settings: str, near: int) -> None:
    built = Built(raw(DAY, 1), settings=settings, until=date(2027, 1, 1))
    assert built.planner(settings, date(2027, 1, 1)).plan().ranges() == []
    first, second, third = DAY + 40 * ONE, DAY + (41 + near) * ONE, DAY + (43 + 2 * near) * ONE
    for day in (third, first, second):
        late = raw(day, 1, "f2")
        built.partitions[late.key] = late
    ranges = built.planner(settings, date(2027, 1, 1)).plan().ranges()
    assert ranges == [(first, second + ONE), (third, third + ONE)]


class ByLogic:
    """Four days that are stale because of a setting, with a configurable limit."""

    def __init__(self) -> None:
        self.until = date(2027, 1, 1)
        self.built = Built(raw(DAY, 1), raw(DAY + 2 * ONE, 1), until=self.until)

    def plan(self, limit: int) -> Plan:
        return self.planner(limit).plan()

    def planner(self, limit: int) -> Planner:
        settings = f"max_rebuild_days = {limit}\n[sessions]\ninactivity_minutes = 20"
        return self.built.planner(settings, self.until)


def test_logic_days_over_the_limit_wait_for_an_upgrade() -> None:
    four = ByLogic()
    assert four.plan(4).deferred == ()
    assert len(four.plan(4).days) == 4
    held = four.plan(3)
    assert held.items == ()
    assert held.deferred_days == {DAY + number * ONE for number in range(4)}
    assert four.planner(3).plan(upgrade=True).deferred == ()


def test_day_with_a_data_reason_does_not_wait() -> None:
    four = ByLogic()
    four.built.change(Key("action_labels", DAY), is_damaged=True)
    plan = four.plan(3)
    assert {item.day for item in plan.items if item.certainty is Certainty.WILL} == {DAY}
    assert {item.day for item in plan.deferred} == {DAY + ONE, DAY + 2 * ONE, DAY + 3 * ONE}


def test_new_days_do_not_count_toward_the_limit() -> None:
    four = ByLogic()
    new = raw(DAY + 30 * ONE, 1, "f2")
    four.built.partitions[new.key] = new
    plan = four.plan(4)
    assert plan.deferred == ()
    assert DAY in plan.days


def test_undated_tables_do_not_count_toward_the_limit() -> None:
    four = ByLogic()
    in_one_piece = Key("user_agents", None)
    parts = {**four.built.partitions[in_one_piece].parts, "recipe": "other"}
    four.built.change(in_one_piece, fingerprint="other", parts=parts)
    plan = four.plan(4)
    assert described(plan)["user_agents"][:2] == (Certainty.WILL, Kind.LOGIC)
    assert plan.deferred == ()


# A state whose plan is known to be empty


def compared(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, date | None]]:
    """Returns the steps and days that a plan compares."""
    asked: set[tuple[str, date | None]] = set()
    original = Planner.staleness

    def staleness(self: Planner, step: Step, day: date | None) -> tuple[Kind, str] | None:
        asked.add((step.name, day))
        return original(self, step, day)

    with monkeypatch.context() as patched:
        patched.setattr(Planner, "staleness", staleness)
        planner.plan()
    return asked


def knowing(known: Known, built: Built, of_settings: str = "", until: date = UNTIL) -> Planner:
    """Returns a planner that knows, from a text, that the plan of a state was empty."""
    planner = built.planner(of_settings, until)
    return Planner(built.partitions, built.recipes, planner.frame, known=known_of(known.text()))


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


CHANGES: tuple[dict[str, object], ...] = (
    {"sha256": "other"},
    {"is_damaged": True},
    {"fingerprint": "other"},
    {"generation": 2},
    {"changed_generation": 2},
)
OTHER_SETTINGS = ('timezone = "Asia/Tokyo"', "[sessions]\ninactivity_minutes = 20")


@given(data=st.data())
@settings(max_examples=60)
def test_plan_is_the_same_with_and_without_a_known_state(data: st.DataObject, histories: Mapping[str, Built]) -> None:
    built = histories[data.draw(st.sampled_from(sorted(HISTORIES)))].copy()
    known = built.planner(built.settings, built.until).state()
    for _ in range(data.draw(st.integers(0, 3))):
        key = data.draw(st.sampled_from(sorted(built.partitions)))
        kind = data.draw(st.sampled_from(["change", "remove", "new"]))
        if kind == "change":
            change = data.draw(st.sampled_from(CHANGES))
            built.partitions[key] = replace(built.partitions[key], **change)  # type: ignore[arg-type]
        elif kind == "remove":
            del built.partitions[key]
        else:
            new = raw(DAY + data.draw(st.integers(-40, 80)) * ONE, quarter(data.draw(st.integers(0, 23))), "new")
            built.partitions[new.key] = new
    until = built.until + data.draw(st.integers(-40, 40)) * ONE
    of_settings = data.draw(st.sampled_from([built.settings] * 4 + [*OTHER_SETTINGS]))
    expected, found = built.planner(of_settings, until).plan(), knowing(known, built, of_settings, until).plan()
    assert described(found) == described(expected)
    assert (found.unwanted, found.deferred) == (expected.unwanted, expected.deferred)


@pytest.mark.parametrize("name", HISTORIES)
def test_no_date_is_read_further_ahead_than_its_span_says(name: str, histories: Mapping[str, Built]) -> None:
    frame = histories[name].planner(histories[name].settings, histories[name].until).frame
    for span in {what.span for step in STEPS if step.is_daily for what in step.inputs}:
        assert max(span.distance(frame, day) for day in frame.wanted) <= span.ahead(frame), span.name
