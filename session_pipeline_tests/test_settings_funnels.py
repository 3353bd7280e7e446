"""Tests which options of funnels are found to have no effect, or to exclude every attempt."""

from pathlib import Path

import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.settings import Settings, parse_settings
from session_pipeline.settings_warnings import find_for_folder
from session_pipeline.settings_warnings.funnels import pointless_breakdowns, pointless_exclusions
from session_pipeline_tests.settings_texts import STEPS

OPTIONAL = STEPS.replace("'begin_checkout'\" }", "'begin_checkout'\", optional = true }")
LATER = STEPS.replace("'purchase'\" }", "'purchase'\", min_seconds = 5 }")


def settings(where: str, options: str = "", steps: str = STEPS, mode: str = "ordered") -> Settings:
    exclusion = f'exclusions = [{{ where = "event_name = {where}"{options} }}]'
    return parse_settings(f"[[funnels]]\nname = 'f'\nmode = '{mode}'{steps}{exclusion}")


@pytest.mark.parametrize(
    ("where", "options", "sentence"),
    [
        ("'begin_checkout'", "", "so every attempt that reaches 'checkout' after step 1 is excluded; change its cond"),
        ("    'begin_checkout'", "", "is the condition of the step 'checkout', which is between its steps"),
        ("'purchase'", ", after_step = 2", "is the condition of its before_step, 'purchase', so it never applies;"),
    ],
)
def test_exclusion_with_the_condition_of_a_step_is_named(where: str, options: str, sentence: str) -> None:
    [warning] = pointless_exclusions(settings(where, options))
    assert warning.key == "funnels[f].exclusions[0].where"
    assert sentence in warning.sentence


def test_optional_step_between_does_not_let_an_exclusion_apply() -> None:
    [warning] = pointless_exclusions(settings("'purchase'", steps=OPTIONAL))
    assert "so it never applies" in warning.sentence


@pytest.mark.parametrize(
    ("where", "options", "steps", "mode"),
    [
        ("'log_out'", "", STEPS, "ordered"),
        ("'add_to_cart'", "", STEPS, "ordered"),  # the first step again
        ("'purchase'", "", STEPS, "ordered"),  # a purchase before the checkout
        ("'purchase'", ", after_step = 2", LATER, "ordered"),  # a purchase that is too early
        ("'begin_checkout'", ", after_step = 2", STEPS, "strict"),  # the reached step again
        ("'begin_checkout'", "", OPTIONAL, "ordered"),  # an attempt can go on without the step
        ("'begin_checkout'", "", STEPS, "unordered"),  # the step can be the first or the last
    ],
)
def test_exclusion_that_can_apply_is_not_named(where: str, options: str, steps: str, mode: str) -> None:
    assert list(pointless_exclusions(settings(where, options, steps, mode))) == []


def test_exclusion_is_named_before_the_first_run(tmp_path: Path) -> None:
    [warning] = find_for_folder(DataFolder(tmp_path), settings("'begin_checkout'")).warnings
    assert "which is between its steps" in warning.sentence


@pytest.mark.parametrize(
    ("breakdown_at", "grain", "is_named"),
    [("last", "session", True), ("last", "visitor", False), ("first", "session", False), ("cart", "session", False)],
)
def test_breakdown_by_the_last_step_of_one_session_is_named(breakdown_at: str, grain: str, is_named: bool) -> None:
    options = f"grain = '{grain}'\nbreakdown = 'device'\nbreakdown_at = '{breakdown_at}'"
    found = list(pointless_breakdowns(parse_settings(f"[[funnels]]\nname = 'f'\n{options}{STEPS}")))
    assert [warning.key for warning in found] == (["funnels[f].breakdown_at"] if is_named else [])
