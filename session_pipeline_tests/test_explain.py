"""Tests the words for changed settings: names and units of settings.toml, not of the models' parameters."""

import pytest

from session_pipeline.build.explain import what_changed


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("setting start_date", "2024-01-01", "2024-02-01", "setting start_date changed from 2024-01-01 to 2024-02-01"),
        ("setting engaged_microseconds", "10000000", "5000000", "setting engaged_seconds changed from 10 to 5"),
        ("setting max_microseconds", "86400000000", "43200000000", "setting max_hours changed from 24 to 12"),
        ("list passive_events", "a", "b", "setting passive_events changed"),
        ("setting folded_paths", "a", "b", "setting actions.fold changed"),
        ("setting rare_one_in", "5", "4", "constant rare_one_in changed from 5 to 4"),
        ("setting capital_letters", "a" * 40, "b", "constant capital_letters changed"),
        ("setting long_text", "a" * 40, "b", "setting long_text changed"),
        ("model sessions", "a", "b", "model sessions changed"),
    ],
)
def test_change_is_worded_as_in_the_settings(name: str, before: str, after: str, expected: str) -> None:
    assert what_changed({name: before}, {name: after}) == expected


def test_the_fewest_settings_that_can_be_the_cause_are_named() -> None:
    before = {"list compared_dimensions": "a", "list own_dimensions": "a", "model sessions": "a"}
    after = {"list compared_dimensions": "b", "list own_dimensions": "b", "model sessions": "b"}
    assert what_changed(before, after) == "setting changes or dimensions changed, model sessions changed"


def test_a_setting_of_several_parts_is_named_once() -> None:
    before = {"list outcome_rules": "a", "setting outcome_sessions": "a"}
    after = {"list outcome_rules": "b", "setting outcome_sessions": "b"}
    assert what_changed(before, after) == "setting outcomes changed"
