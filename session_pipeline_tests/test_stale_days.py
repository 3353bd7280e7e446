"""Tests which days of a step are built and in which stretches, on constructed catalogs without files."""

from collections.abc import Sequence
from datetime import date

import pytest

from session_pipeline.build.plan import Kind, Staleness
from session_pipeline.build.stale_days import StaleDays
from session_pipeline.build.stretches import BIG_DAY_EVENTS
from session_pipeline.store.records import Key
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.constructed_catalogs import DAY, ONE, Built, quarter, raw

SESSIONIZE = STEP_OF_TABLE["events"]
LATE = Staleness(Kind.DATA, "raw_events changed")
SETTING = Staleness(Kind.LOGIC, "setting inactivity_minutes changed from 30 to 20")
SHORTER = "[sessions]\ninactivity_minutes = 20"
FIRST, SECOND, THIRD, FOURTH, FIFTH = (DAY + number * ONE for number in range(5))


def five_days(*late: date, events_a_day: int = 1) -> Built:
    """Return a catalog with events on four days, of which some got a late file after everything was built."""
    days = (FIRST, SECOND, THIRD, FOURTH)
    built = Built(*(raw(day, quarter(12), "f")._replace(row_count=events_a_day) for day in days))
    for day in late:
        file = raw(day, quarter(12), "late")
        built.partitions[file.key] = file
    return built


def stretches(
    built: Built, days: Sequence[date], settings: str = "", *, scale: int = 1, outdated: Sequence[date] = ()
) -> list[list[date | None]]:
    stale = StaleDays(built.planner(settings), scale, is_outdated=lambda day: day in outdated)
    return [list(stretch) for stretch in stale.stretches(SESSIONIZE, days)]


# Whether a day is built


def test_fresh_day_is_not_built_and_stale_day_is() -> None:
    stale = StaleDays(five_days().planner(), 1)
    assert stale.why_not(FIRST, None) == ""
    assert stale.why_not(FIRST, LATE) is None
    assert stale.why_not(FIRST, SETTING) is None, "by default no day waits"


def test_outdated_day_waits_only_if_nothing_but_logic_changed() -> None:
    stale = StaleDays(five_days().planner(), 1, is_outdated=lambda day: day == FIRST)
    waits = "waits for `run --upgrade`: setting inactivity_minutes changed from 30 to 20"
    assert stale.why_not(FIRST, SETTING) == waits
    assert stale.why_not(FIRST, LATE) is None
    assert stale.why_not(SECOND, SETTING) is None
    assert stale.why_not(None, SETTING) is None, "tables without days do not wait"


@pytest.mark.parametrize("found", [None, LATE, SETTING])
def test_forced_days_are_built_whatever_they_are(found: Staleness | None) -> None:
    stale = StaleDays(five_days().planner(), 1, is_outdated=lambda day: True, are_all=True)
    assert stale.why_not(FIRST, found) is None


# Which days are built together


def test_fresh_day_ends_a_stretch() -> None:
    built = five_days(FIRST, SECOND, FOURTH)
    assert stretches(built, [FIRST, SECOND, THIRD, FOURTH]) == [[FIRST, SECOND], [FOURTH]]
    assert stretches(five_days(), [FIRST, SECOND, THIRD, FOURTH]) == []


def test_stretch_has_the_reason_of_each_day() -> None:
    stale = StaleDays(five_days(SECOND).planner(SHORTER), 1)
    [found] = stale.stretches(SESSIONIZE, [FIRST, SECOND])
    assert found == {FIRST: SETTING, SECOND: LATE}


def test_day_that_is_not_asked_for_ends_a_stretch() -> None:
    built = five_days(FIRST, SECOND, THIRD)
    assert stretches(built, [FIRST, THIRD]) == [[FIRST], [THIRD]]


def test_days_without_events_between_are_no_gap() -> None:
    """They are not built. The next day with events continues with the sessions that are open then."""
    late, later = FIRST, FIRST + 9 * ONE
    built = Built(*(raw(day, quarter(12), "f") for day in (late, later)))
    assert built.planner().frame.wanted == (late, late + ONE, later, later + ONE)
    assert stretches(built, built.planner().frame.wanted, SHORTER) == [[late, late + ONE, later, later + ONE]]


def test_outdated_day_ends_a_stretch() -> None:
    days = [FIRST, SECOND, THIRD, FOURTH, FIFTH]
    assert stretches(five_days(), days, SHORTER, outdated=[THIRD]) == [[FIRST, SECOND], [FOURTH, FIFTH]]
    assert stretches(five_days(THIRD), days, SHORTER, outdated=[THIRD]) == [days]


def test_engine_that_builds_more_events_at_once_builds_big_days_together() -> None:
    built = five_days(events_a_day=BIG_DAY_EVENTS + 1)
    days = [FIRST, SECOND, THIRD]
    assert stretches(built, days, SHORTER) == [[FIRST], [SECOND], [THIRD]]
    assert stretches(built, days, SHORTER, scale=2) == [days]


def test_step_without_days_is_one_stretch() -> None:
    built = five_days()
    del built.partitions[Key("visitors", None)]
    stale = StaleDays(built.planner(), 1)
    assert list(stale.stretches(STEP_OF_TABLE["visitors"], (None,))) == [{None: Staleness(Kind.DATA, "new table")}]
