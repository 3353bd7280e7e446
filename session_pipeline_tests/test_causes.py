"""Tests the recorded causes of a build: delivered files, settings and models, on constructed catalogs without files."""

from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from session_pipeline.build.causes import Causes
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.constructed_catalogs import DAY, ONE, Built, quarter, raw

NEXT = DAY + ONE
SHORTER = "[sessions]\ninactivity_minutes = 20"
SHORTER_CAUSE = "setting inactivity_minutes changed from 30 to 20"


@pytest.fixture
def built() -> Built:
    """Return a catalog with events on two days, in which everything was built in generation 0."""
    return Built(delivered("first.jsonl", DAY, generation=0), delivered("second.jsonl", NEXT, generation=0))


def delivered(name: str, day: date, *, generation: int = 1) -> Partition:
    """Return the rows of a delivered file; by default it was read after everything was built."""
    read = raw(day, quarter(12), name)
    return read._replace(generation=generation, changed_generation=generation, causes=(f"file {name}",))


def deliver(built: Built, *files: Partition) -> None:
    built.partitions.update({file.key: file for file in files})


def rebuild(built: Built, table: str, day: date, *causes: str) -> None:
    """Let a table have other bytes since generation 1, for these causes."""
    built.change(Key(table, day), sha256="other", generation=1, changed_generation=1, causes=causes)


def causes_of(
    built: Built,
    table: str,
    day: date | None,
    settings: str = "",
    changed_by: Mapping[Key, tuple[str, ...]] | None = None,
) -> tuple[str, ...]:
    """Return the causes that a build of a stale table records."""
    planner, step = built.planner(settings), STEP_OF_TABLE[table]
    found, now = planner.staleness(step, day), planner.fingerprints.of(step, day)
    assert found is not None
    assert now is not None
    store: Any = SimpleNamespace(partitions=built.partitions, catalog=SimpleNamespace(recipes=lambda: built.recipes))
    before = [built.partitions.get(Key(name, day)) for name in step.tables]
    return Causes(store, planner).of(step, day, before, now.parts, changed_by or {}, found.reason)


@pytest.mark.parametrize(
    ("table", "day", "cause"), [("sessions", NEXT, "2026-10-06 is a new day"), ("visitors", None, "new table")]
)
def test_first_build_has_no_other_cause(built: Built, table: str, day: date | None, cause: str) -> None:
    deliver(built, delivered("late.jsonl", NEXT))
    del built.partitions[Key(table, day)]
    assert causes_of(built, table, day) == (cause,)


def test_table_that_a_setting_adds_names_the_setting_if_the_day_is_built(built: Built) -> None:
    by_person = '[identity]\nby = "person"'
    assert causes_of(built, "identity_links", DAY, by_person) == ("setting identity.by changed",)
    del built.partitions[Key("events", DAY)]
    assert causes_of(built, "identity_links", DAY, by_person) == ("2026-10-05 is a new day",)


def test_file_that_was_read_before_the_last_build_is_no_cause(built: Built) -> None:
    deliver(built, delivered("late.jsonl", DAY))
    assert causes_of(built, "events", DAY) == ("file late.jsonl",)


def test_tables_that_were_built_at_different_times_count_from_the_earliest(built: Built) -> None:
    deliver(built, delivered("late.jsonl", DAY))
    built.change(Key("open_sessions", DAY), generation=3)
    assert causes_of(built, "events", DAY) == ("file late.jsonl",)


def test_file_without_a_line_on_the_day_is_marked(built: Built) -> None:
    deliver(built, delivered("late.jsonl", DAY))
    rebuild(built, "open_sessions", DAY, "file late.jsonl")
    assert causes_of(built, "events", NEXT) == ("file late.jsonl (lines of other days)",)
    rebuild(built, "events", NEXT, "file late.jsonl (lines of other days)")
    assert causes_of(built, "sessions", DAY) == ("file late.jsonl",)


def test_table_without_days_names_the_files_of_all_days(built: Built) -> None:
    rebuild(built, "visitor_states", DAY, "file late.jsonl", "file other.jsonl (lines of other days)")
    assert causes_of(built, "visitors", None) == ("file late.jsonl", "file other.jsonl")


def test_causes_of_the_day_before_in_the_same_build_are_known(built: Built) -> None:
    deliver(built, delivered("one.jsonl", DAY), delivered("two.jsonl", NEXT))
    changed_by = {Key("open_sessions", DAY): ("file one.jsonl",)}
    found = causes_of(built, "events", NEXT, changed_by=changed_by)
    assert found == ("file one.jsonl (lines of other days)", "file two.jsonl")


def test_withdrawn_file_is_not_named_so_the_changed_table_is_the_cause() -> None:
    built = Built(*(delivered(name, DAY, generation=0) for name in ("stays.jsonl", "withdrawn.jsonl")))
    del built.partitions[Key("raw_events", DAY, "withdrawn.jsonl")]
    assert causes_of(built, "events", DAY) == ("raw_events changed",)


def test_changed_settings_come_before_files(built: Built) -> None:
    deliver(built, delivered("late.jsonl", DAY))
    assert causes_of(built, "events", DAY, SHORTER) == (SHORTER_CAUSE, "file late.jsonl")
    rebuild(built, "events", DAY, "file late.jsonl", SHORTER_CAUSE)
    assert causes_of(built, "action_labels", DAY) == (SHORTER_CAUSE, "file late.jsonl")


def test_changed_bounds_of_the_day_come_first(built: Built) -> None:
    deliver(built, delivered("late.jsonl", DAY))
    found = causes_of(built, "events", DAY, 'timezone = "Europe/Berlin"')
    assert found == ("the bounds of the day changed (time zone)", "file late.jsonl")


def test_setting_that_changes_all_days_carries_over_only_files_that_can_reach_the_day(built: Built) -> None:
    deliver(built, delivered("far.jsonl", DAY - 9 * ONE), delivered("near.jsonl", DAY))
    rebuild(built, "open_sessions", DAY, SHORTER_CAUSE, "file far.jsonl (lines of other days)", "file near.jsonl")
    assert causes_of(built, "events", NEXT, SHORTER) == (SHORTER_CAUSE, "file near.jsonl (lines of other days)")
    # Without a change of its own, the day changes only because of what is carried over.
    found = causes_of(built, "events", NEXT)
    assert found == (SHORTER_CAUSE, *(f"file {name}.jsonl (lines of other days)" for name in ("far", "near")))


def test_setting_of_a_window_leaves_out_no_file_of_its_days(built: Built) -> None:
    rebuild(built, "path_counts", DAY, "file late.jsonl")
    found = causes_of(built, "typical_paths", NEXT + ONE, "[paths]\nmin_session_count = 7")
    assert found == ("setting min_session_count changed from 1 to 7", "file late.jsonl (lines of other days)")


def test_of_many_causes_eight_are_named_besides_own_settings(built: Built) -> None:
    names = [f"late-{number}.jsonl" for number in range(1, 10)]
    deliver(built, *(delivered(name, DAY) for name in names[:8]))
    eight = tuple(f"file {name}" for name in names[:8])
    assert causes_of(built, "events", DAY) == eight
    deliver(built, delivered(names[8], DAY))
    assert causes_of(built, "events", DAY) == (*eight, "and more")
    assert causes_of(built, "events", DAY, SHORTER) == (SHORTER_CAUSE, *eight, "and more")


def test_readers_of_a_table_with_further_causes_say_so_too(built: Built) -> None:
    deliver(built, delivered("late.jsonl", DAY))
    rebuild(built, "events", DAY, "file late.jsonl", "and more")
    assert causes_of(built, "action_labels", DAY) == ("file late.jsonl", "and more")
