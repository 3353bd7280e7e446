"""Tests the settings of funnels: defaults, and options that contradict each other."""

import pytest

from session_pipeline.errors import SettingsFileError
from session_pipeline.settings import FunnelSettings, parse_settings
from session_pipeline.settings.funnels import LONGEST_VISITOR_WINDOW_DAYS
from session_pipeline_tests.deliveries import ALLOWANCES

STEPS = (
    "{ name = 'view', where = 'true' }",
    "{ name = 'cart', where = 'true' }",
    "{ name = 'purchase', where = 'true' }",
)


def funnel(options: str = "", steps: tuple[str, ...] = STEPS) -> FunnelSettings:
    return parse_settings(f"[[funnels]]\nname = 'f'\n{options}\nsteps = [{', '.join(steps)}]").funnels[0]


def step(options: str) -> tuple[str, ...]:
    return (STEPS[0], STEPS[1].replace("'true' }", f"'true', {options} }}"), STEPS[2])


def many_steps(count: int) -> tuple[str, ...]:
    return tuple(f"{{ name = '{number}', where = 'true' }}" for number in range(count))


def problem(options: str, steps: tuple[str, ...]) -> str:
    with pytest.raises(SettingsFileError) as raised:
        funnel(options, steps)
    [error] = raised.value.errors
    return str(error)


def test_funnel_without_options_has_the_defaults() -> None:
    usual = funnel()
    assert (usual.ties, usual.one_event_per_step, usual.repeated, usual.entry) == ("advance", True, "ignore", "first")
    assert usual.stop_ends == "attempt"
    assert [getattr(usual, allowance) for allowance in ALLOWANCES] == [False, False, False]
    assert (usual.breakdown_at, usual.dimensions) == ("first", ())
    assert not any(one.optional or one.min_seconds or one.window_seconds is not None for one in usual.steps)


def test_repeats_stop_in_mode_strict_unless_set() -> None:
    assert funnel("mode = 'strict'").repeated == "stop"
    assert funnel("mode = 'strict'\nrepeats = 'ignore'").repeated == "ignore"


def test_breakdown_has_one_or_several_dimensions() -> None:
    assert funnel("breakdown = 'device'").dimensions == ("device",)
    assert funnel("breakdown = ['device', 'channel']\nbreakdown_at = 'cart'").dimensions == ("device", "channel")


def test_steps_can_be_named_as_a_value_of_breakdown_at() -> None:
    """Without breakdown_at, no step is meant."""
    steps = ("{ name = 'first', where = 'true' }", "{ name = 'last', where = 'true' }")
    assert funnel("breakdown = 'device'", steps).breakdown_at == "first"
    assert funnel("breakdown = 'device'\nbreakdown_at = 'cart'", (*steps, STEPS[1])).breakdown_at == "cart"


def test_steps_of_unordered_funnels_are_named_by_number() -> None:
    assert [funnel().step_name(number) for number in (1, 2, 3)] == ["view", "cart", "purchase"]
    assert [funnel("mode = 'unordered'").step_name(number) for number in (1, 2)] == ["1 of 3", "2 of 3"]


def test_unordered_funnels_have_more_than_ten_steps_only_if_events_count_again() -> None:
    assert len(funnel("mode = 'unordered'", many_steps(10)).steps) == 10
    assert len(funnel("mode = 'unordered'\none_event_per_step = false", many_steps(11)).steps) == 11


def test_a_single_step_and_a_window_of_zero_seconds_are_allowed() -> None:
    assert len(funnel(steps=STEPS[:1]).steps) == 1
    assert funnel("grain = 'visitor'\nwindow_seconds = 0").window_seconds == 0


@pytest.mark.parametrize("grain", ["visitor", "attempt"])
def test_longest_window_is_allowed(grain: str) -> None:
    longest = LONGEST_VISITOR_WINDOW_DAYS * 86_400
    assert funnel(f"grain = '{grain}'\nwindow_seconds = {longest}").window_seconds == longest


@pytest.mark.parametrize(
    ("options", "steps", "expected"),
    [
        ("window_seconds = 5\nmin_seconds = 6", STEPS, "min_seconds 6, longer than window_seconds 5"),
        ("window_seconds = 5", step("min_seconds = 6"), "a longer min_seconds in total than window_seconds 5"),
        ("", step("min_seconds = 6, window_seconds = 5"), "min_seconds 6, longer than its window"),
        ("min_seconds = 5", step("window_seconds = 4")[:2], "longer than the windows of its steps in total (4)"),
        ("", step("optional = true")[1:], "an optional first or last step"),
        ("", step("min_seconds = 6")[1:], "a time limit at the first step"),
        ("breakdown = 'device'\nbreakdown_at = 'crat'", STEPS, "did you mean cart?"),
        ("breakdown_at = 'last'", STEPS, "breakdown_at without breakdown"),
        (
            "breakdown = 'device'\nbreakdown_at = 'last'",
            (STEPS[0], STEPS[1].replace("cart", "last"), STEPS[2]),
            "breakdown_at 'last' and a step of this name; rename the step",
        ),
        ("breakdown = ['device', 'device']", STEPS, "names the dimension 'device' twice"),
        ("breakdown = ['device', 'planet']", STEPS, "'planet', which is not a dimension"),
        ("allow_reentry = true", STEPS, "allow_reentry in mode ordered"),
        ("allow_early_steps = true", STEPS, "allow_early_steps in mode ordered"),
        ("allow_other_events = true", STEPS, "allow_other_events in mode ordered"),
        ("stop_ends = 'all'", STEPS, "nothing that stops an attempt"),
        ("mode = 'strict'\nrepeats = 'restart'", STEPS, "repeats restart in mode strict"),
        ("entry = 'any'\ngrain = 'attempt'", STEPS, "each event of a step would be an attempt"),
        ("entry = 'any'\nrepeats = 'restart'", STEPS, "which needs a first step"),
        ("ties = 'later'", step("window_seconds = 0"), "within 0 seconds, but ties later"),
        ("ties = 'later'\nwindow_seconds = 0", STEPS, "window_seconds 0, but ties later"),
        (
            "exclusions = [{ where = 'true', before_step = 2 }]",
            step("optional = true"),
            "exclusion number 1 at an optional step",
        ),
        ("exclusions = [{ where = 'true' }]", STEPS[:1], "add a second step, because an exclusion is between two"),
        ("mode = 'unordered'\nties = 'later'", STEPS, "ties in mode unordered"),
        ("mode = 'unordered'\nrepeats = 'stop'", STEPS, "repeats in mode unordered"),
        ("mode = 'unordered'\nentry = 'any'", STEPS, "entry in mode unordered"),
        ("mode = 'unordered'", step("optional = true"), "an optional step in mode unordered"),
        ("mode = 'unordered'", step("window_seconds = 9"), "a window of a step in mode unordered"),
        ("mode = 'unordered'\nmin_seconds = 9", STEPS, "min_seconds in mode unordered"),
        ("mode = 'unordered'\nbreakdown = 'os'\nbreakdown_at = 'cart'", STEPS, "breakdown_at a step in mode unordered"),
        (
            "mode = 'unordered'\nexclusions = [{ where = 'true', before_step = 2 }]",
            STEPS,
            "an exclusion between some steps in mode unordered, where steps have no order; leave out its after_step",
        ),
        (
            "mode = 'unordered'",
            many_steps(11),
            "11 steps in mode unordered with one event per step; write at most 10, or one_event_per_step = false",
        ),
    ],
)
def test_contradictions_are_refused(options: str, steps: tuple[str, ...], expected: str) -> None:
    assert expected in problem(options, steps)
