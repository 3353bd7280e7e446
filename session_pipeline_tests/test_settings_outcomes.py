"""Tests which outcomes are found to be without sessions: only those of which an earlier outcome always wins."""

from collections.abc import Sequence
from time import process_time

import pytest

from session_pipeline.settings import parse_settings
from session_pipeline.settings_warnings.outcomes import without_sessions
from session_pipeline_tests.deployment import to_toml


def named(conditions: Sequence[str], key: str = "where") -> dict[str, str]:
    """Return the warnings about outcomes o1, o2, ... with these conditions."""
    outcomes = [{"name": f"o{number}", key: each} for number, each in enumerate(conditions, start=1)]
    return {each.key: each.sentence for each in without_sessions(parse_settings(to_toml({"outcomes": outcomes})))}


A, B, C = "event_name = 'a'", "event_name = 'b'", "page_path like '/c%'"


def test_equal_condition_of_an_earlier_outcome_is_named() -> None:
    assert named([A, A]) == {
        "outcomes[o2]": "no session can have this outcome: wherever it applies, 'o1' applies too and comes first;"
        " move it up, change its condition or remove it"
    }


@pytest.mark.parametrize(
    "conditions",
    [
        ["event_name in ('a', 'b')", B],
        ["event_name in ('a', 'b', 'c')", "event_name in ('c', 'a')"],
        [f"{A} or {C}", C],
        [A, f"{C} and {A}"],
        [f"{A} and {C}", f"{C} and value > 3 and {A}"],
        ["event_name in ('a', 'b')", f"{B} and {C}"],
        [C, f"({A} or {B}) and {C}"],
        ["EVENT_NAME='a'", "(event_name = 'a')"],
    ],
)
def test_condition_that_follows_from_its_form_is_named(conditions: list[str]) -> None:
    assert named(conditions).keys() == {"outcomes[o2]"}


def test_all_outcomes_that_win_are_named() -> None:
    [sentence] = named([A, B, f"{B} or {A}"]).values()
    assert "'o2' or 'o1' applies too" in sentence
    assert named([A, f"{A} or {B}", f"{A} or {B} or {C}", B]).keys() == {"outcomes[o4]"}


@pytest.mark.parametrize(
    "conditions",
    [
        [A, B],
        [B, "event_name in ('a', 'b')"],
        [A, f"{A} or {C}"],
        [f"{A} and {C}", A],
        [A, "event_name <> 'a'"],
        [A, "not event_name = 'a'"],
        [A, "page_path = 'a'"],
        ["value = 1", "value > 0"],
        ["event_name in ('a', 'b')", "event_name not in ('a', 'b')"],
    ],
)
def test_outcome_that_a_session_can_have_is_not_named(conditions: list[str]) -> None:
    assert named(conditions) == {}


def test_conditions_on_events_and_on_sessions_are_not_compared() -> None:
    outcomes = [{"name": "one", "where": "site = 'a'"}, {"name": "two", "where_session": "site = 'a'"}]
    assert not list(without_sessions(parse_settings(to_toml({"outcomes": outcomes}))))
    assert named(["event_count > 3", "event_count > 3"], "where_session").keys() == {"outcomes[o2]"}


def test_packaged_outcomes_can_all_happen() -> None:
    assert not list(without_sessions(parse_settings("")))


@pytest.mark.long
def test_two_thousand_outcomes_take_no_longer_than_reading_them() -> None:
    outcomes = [{"name": f"o{number}", "where": f"{A} and page_path = '/{number}'"} for number in range(2000)]
    begun = process_time()
    settings = parse_settings(to_toml({"outcomes": outcomes}))
    read = process_time() - begun
    begun = process_time()
    assert not list(without_sessions(settings))
    assert process_time() - begun <= read
