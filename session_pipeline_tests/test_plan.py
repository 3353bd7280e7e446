"""Tests the plan on constructed catalogs without files: what is dropped, which days run together, and what waits."""

from dataclasses import replace
from datetime import date

import pytest

from session_pipeline.build.plan import Certainty, Kind, Plan
from session_pipeline.build.planner import Planner
from session_pipeline.store.records import Key, Partition
from session_pipeline_tests.constructed_catalogs import DAY, ONE, Built, described, raw


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


def test_tables_of_frozen_days_stay_also_if_the_settings_no_longer_build_them() -> None:
    built, frozen_day = Built(raw(DAY, 1)), DAY - 3 * ONE
    keys = [Key(name, frozen_day) for name in ("events", "identity_links", "no_table_any_more")]
    built.partitions |= {key: Partition(key, "", "", 0, 0, "") for key in keys}
    frame = built.planner().frame
    assert not frame.settings.identity.is_by_person
    for frozen_before, unwanted in ((DAY, keys[2:]), (frozen_day, keys)):
        planner = Planner(built.partitions, built.recipes, replace(frame, frozen_before=frozen_before))
        assert list(planner.plan().unwanted) == unwanted


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


def test_last_range_has_the_open_days_that_were_not_published() -> None:
    until = date(2027, 1, 1)
    built = Built(*(raw(DAY + number * 40 * ONE, 1) for number in range(3)), settings="funnels = []", until=until)
    first, second, third = (DAY + number * 40 * ONE for number in range(3))
    plan = built.planner("funnels = []", until).plan()
    assert plan.ranges([]) == []
    assert plan.ranges([second]) == [(second, second)]
    assert plan.ranges([third, first]) == [(first, third)]
    assert plan.ranges([first - ONE, third + 20 * ONE]) == [], "days without events are not wanted"
    frozen = replace(plan, frame=replace(plan.frame, frozen_before=second))
    assert frozen.ranges([first, third]) == [(third, third)]
    damaged = built.copy()
    damaged.change(Key("session_paths", first), is_damaged=True)
    assert damaged.planner("funnels = []", until).plan().ranges([third]) == [(first, third)]
    late = raw(third, 1, "f2")
    built.partitions[late.key] = late
    assert built.planner("funnels = []", until).plan().ranges([first]) == [(first, third + ONE)]


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
    assert four.plan(4).outdated == ()
    assert len(four.plan(4).days) == 4
    limited = four.plan(3)
    assert limited.items == ()
    assert limited.outdated_days == {DAY + number * ONE for number in range(4)}
    assert four.planner(3).plan(upgrade=True).outdated == ()


def test_day_with_a_data_reason_does_not_wait() -> None:
    four = ByLogic()
    four.built.change(Key("action_labels", DAY), is_damaged=True)
    plan = four.plan(3)
    assert {item.day for item in plan.items if item.certainty is Certainty.WILL} == {DAY}
    assert {item.day for item in plan.outdated} == {DAY + ONE, DAY + 2 * ONE, DAY + 3 * ONE}


def test_new_days_do_not_count_toward_the_limit() -> None:
    four = ByLogic()
    new = raw(DAY + 30 * ONE, 1, "f2")
    four.built.partitions[new.key] = new
    plan = four.plan(4)
    assert plan.outdated == ()
    assert DAY in plan.days


def test_undated_tables_do_not_count_toward_the_limit() -> None:
    four = ByLogic()
    in_one_piece = Key("user_agents", None)
    parts = {**four.built.partitions[in_one_piece].parts, "recipe": "other"}
    four.built.change(in_one_piece, fingerprint="other", parts=parts)
    plan = four.plan(4)
    assert described(plan)["user_agents"][:2] == (Certainty.WILL, Kind.LOGIC)
    assert plan.outdated == ()
