"""Tests what a step reads, when it is stale, and the reasons, on constructed catalogs without files."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from session_pipeline.build import fingerprints
from session_pipeline.build.causes import Causes
from session_pipeline.build.plan import Certainty, Kind, Staleness
from session_pipeline.build.planner import Planner
from session_pipeline.engines.sql import literal
from session_pipeline.store.files import digest
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEP_OF_TABLE, STEPS
from session_pipeline_tests.constructed_catalogs import DAY, ONE, Built, described, quarter, raw

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
    found = planner.inputs.of(STEP_OF_TABLE["events"], (DAY,))
    assert [key.key.file_id for key in found["raw_events"] if isinstance(key, Partition)] == ["f4", "f1", "f2"]
    assert found["open_sessions"] == [built.partitions[Key("open_sessions", DAY - ONE)]]


def test_each_input_is_read_once() -> None:
    built = Built(*(raw(DAY + ONE * number, quarter(12)) for number in range(40)))
    planner = built.planner()
    days = planner.frame.wanted
    for step in STEPS:
        for stretch in [*((day,) for day in days), days] if step.is_daily else [(None,)]:
            for name, found in planner.inputs.of(step, stretch).items():
                keys = [each.key if isinstance(each, Partition) else each for each in found]
                assert len(keys) == len(set(keys)), f"{step.name} of {stretch} reads {name} twice"


def test_missing_input_is_named_and_gives_no_fingerprint() -> None:
    built = Built(raw(DAY, 1))
    del built.partitions[Key("action_labels", DAY)]
    planner = built.planner()
    step = STEP_OF_TABLE["session_actions"]
    assert planner.inputs.of(step, (DAY,))["action_labels"] == [
        Key("action_labels", DAY),
        built.partitions[Key("action_labels", DAY + ONE)],
    ]
    assert planner.fingerprints.of(step, DAY) is None
    assert planner.staleness(step, DAY) is None


def test_what_a_frozen_day_does_not_have_is_no_missing_input() -> None:
    built = Built(raw(DAY, 1), raw(DAY + ONE, 1, "f2"))
    late, step = raw(DAY + ONE, 1, "late"), STEP_OF_TABLE["events"]
    built.partitions[late.key] = late
    del built.partitions[Key("open_sessions", DAY)]
    frame = built.planner().frame
    assert Planner(built.partitions, built.recipes, frame).staleness(step, DAY + ONE) is None, "an input is missing"
    frozen = Planner(built.partitions, built.recipes, replace(frame, frozen_before=DAY + ONE))
    found = frozen.staleness(step, DAY + ONE)
    assert found is not None
    assert found.kind is Kind.DATA


def test_events_of_a_file_are_divided_evenly_among_its_quarter_hours() -> None:
    # In Berlin, the first quarter hour is on this day and the others are on the next.
    file = raw(DAY, quarter(20) | quarter(22) | quarter(23))._replace(row_count=90)
    other = raw(DAY + ONE, quarter(12), "f2")._replace(row_count=7)
    inputs = Built(file, other).planner('timezone = "Europe/Berlin"').inputs
    assert (inputs.event_count(DAY), inputs.event_count(DAY + ONE), inputs.event_count(DAY + 2 * ONE)) == (30, 67, 0)


def test_raw_events_are_read_again_after_forget_raw() -> None:
    built = Built(raw(DAY, 1))
    planner = built.planner()
    step = STEP_OF_TABLE["events"]
    assert len(planner.inputs.of(step, (DAY,))["raw_events"]) == 1
    late = raw(DAY, 1, "f2")
    built.partitions[late.key] = late
    assert len(planner.inputs.of(step, (DAY,))["raw_events"]) == 1
    planner.inputs.forget_raw()
    assert len(planner.inputs.of(step, (DAY,))["raw_events"]) == 2


# Staleness


def test_digest_ignores_key_order_but_not_list_order() -> None:
    assert digest({"a": 1, "b": {"c": DAY, "d": 2}}) == digest({"b": {"d": 2, "c": DAY}, "a": 1})
    assert digest(["a", "b"]) != digest(["b", "a"])


def test_everything_built_is_fresh() -> None:
    plan = Built(raw(DAY, 1)).planner().plan()
    assert plan.items == plan.outdated == plan.unwanted == ()
    assert repr(plan) == "Plan(items=(), outdated=(), unwanted=())"
    assert plan.is_empty
    assert plan.days == ()


def test_unchanged_days_are_fresh_without_a_look_at_any_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = Built(raw(DAY, 1)).planner()
    monkeypatch.setattr(planner.fingerprints, "of", None)
    for step in STEPS:
        for day in planner.frame.wanted if step.is_daily else (None,):
            assert planner.staleness(step, day) is None, f"{step.name} of {day}"


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


def test_tables_that_a_setting_adds_are_no_new_data() -> None:
    found = described(Built(raw(DAY, 1)).planner('[identity]\nby = "person"').plan())
    added = (Certainty.WILL, Kind.ADDED, "setting identity.by changed")
    assert found["identities"] == found[f"identity_links[{DAY}]"] == added
    assert Kind.DATA not in {kind for certainty, kind, _ in found.values() if certainty is Certainty.WILL}


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
    assert found[f"sessionize[{DAY}]"] == (Certainty.WILL, Kind.DAMAGE, "its file is damaged")


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
    assert planner.staleness(STEP_OF_TABLE["session_dimensions"], DAY) == Staleness(Kind.DATA, "events changed")


def test_changed_outcome_rule_is_a_logic_reason() -> None:
    outcome = '[[outcomes]]\nname = "sale"\nwhere = "event_name = \'{}\'"'
    built = Built(raw(DAY, 1), settings=outcome.format("purchase"))
    assert described(built.planner(outcome.format("purchase")).plan()) == {}
    found = described(built.planner(outcome.format("order")).plan())
    assert found[f"event_matches[{DAY}]"] == (Certainty.WILL, Kind.LOGIC, "setting outcomes changed")
    assert found[f"session_outcomes[{DAY}]"][:2] == (Certainty.MAY, Kind.DATA)
    assert f"session_actions[{DAY}]" not in found


def built_by_an_older_version(name: str, *later_parts: str) -> Built:
    """Return a catalog in which an older version built a table of DAY, without these parts of its fingerprint."""
    built = Built(raw(DAY, 1))
    key = Key(name, DAY)
    parts = {part: value for part, value in built.partitions[key].parts.items() if part not in later_parts}
    built.recipes["older"] = {**built.recipes[parts["recipe"]], f"model {name}": "older"}
    built.change(key, fingerprint="older", parts={**parts, "recipe": "older"})
    return built


def test_input_that_a_new_version_adds_is_a_logic_reason() -> None:
    built = built_by_an_older_version("session_facts", "daily_friction", "days of daily_friction")
    step = STEP_OF_TABLE["session_facts"]
    assert built.planner().staleness(step, DAY) == Staleness(Kind.LOGIC, "model session_facts changed")
    built.change(Key("sessions", DAY), sha256="other")
    assert built.planner().staleness(step, DAY) == Staleness(Kind.DATA, "sessions changed")


def test_added_input_is_named_if_the_recipe_is_the_same() -> None:
    built = built_by_an_older_version("session_facts", "daily_friction", "days of daily_friction")
    recipe, _ = built.planner().fingerprints.recipe(STEP_OF_TABLE["session_facts"])
    key = Key("session_facts", DAY)
    built.change(key, parts={**built.partitions[key].parts, "recipe": recipe})
    found = built.planner().staleness(STEP_OF_TABLE["session_facts"], DAY)
    assert found == Staleness(Kind.LOGIC, "daily_friction is also read")


def test_bounds_of_the_day_that_a_new_version_adds_are_a_logic_reason() -> None:
    built = built_by_an_older_version("events", "day")
    planner, step = built.planner(), STEP_OF_TABLE["events"]
    found = planner.staleness(step, DAY)
    assert found == Staleness(Kind.LOGIC, "model events changed")
    store: Any = SimpleNamespace(catalog=SimpleNamespace(recipes=lambda: built.recipes))
    now = planner.fingerprints.of(step, DAY)
    assert now is not None
    before = [built.partitions[Key(name, DAY)] for name in step.tables]
    causes = Causes(store, planner).of(step, DAY, before, now.parts, {}, found.reason)
    assert causes.count("model events changed") == 1


def test_recipe_covers_everything_except_data(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = Built(raw(DAY, 1)).planner
    step = STEP_OF_TABLE["sessions"]
    recipe, parts = planner().fingerprints.recipe(step)
    assert {"model landings", "contract of sessions", "list channel_rules", "setting engaged_page_views"} <= set(parts)
    assert planner().fingerprints.recipe(step).value == recipe
    assert planner().fingerprints.recipe(replace(step, logic_version="2")).value != recipe
    assert planner().fingerprints.recipe(replace(step, computed=step.computed[:1])).value != recipe
    renamed = tuple(replace(item, name="other") for item in step.computed)
    assert planner().fingerprints.recipe(replace(step, computed=renamed)).value != recipe
    with_parameter = tuple(replace(item, runs=lambda settings: [{"number": 1}]) for item in step.computed)
    assert planner().fingerprints.recipe(replace(step, computed=with_parameter)).value != recipe
    monkeypatch.setattr(fingerprints, "table", lambda name: replace(table(name), own_order=("session_id",)))
    assert planner().fingerprints.recipe(step).value != recipe


def test_bounds_of_a_day_are_hashed_in_order_of_name() -> None:
    planner = Built(raw(DAY, 1)).planner()
    bounds = sorted(planner.frame.bounds(DAY).items())
    for step in STEPS:
        if step.is_daily:
            fingerprint = planner.fingerprints.of(step, DAY)
            assert fingerprint is not None
            read = [literal(value) for name, value in bounds if name in step.day_columns]
            assert fingerprint.parts.get("day") == (digest(read) if step.day_columns else None), step.name


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
