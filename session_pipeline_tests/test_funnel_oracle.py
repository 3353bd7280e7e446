"""Tests the funnel oracle on published cases and on the statements of docs/definitions.md."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import permutations, product
from random import Random

import pytest

from session_pipeline_tests.deliveries import delivery, read_lines
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.funnels import FAR_AWAY, Attempt, Exclusion, Funnel, attempts
from session_pipeline_tests.oracles.published_cases import (
    FUNNEL_CASES_NOT_EXPRESSIBLE,
    NEEDS_FIXTURES,
    FunnelCase,
    entered_counts,
    funnel_cases,
    funnel_levels,
    read_cases,
)
from session_pipeline_tests.oracles.sessions import Rules

NOON = datetime(2026, 1, 1, 12)


def tried(happened: str, funnel: Funnel, until: date = FAR_AWAY) -> list[Attempt]:
    """Return the attempts of one visitor. `happened` lists event names and seconds after noon, such as "a0 b5"."""
    lines = [
        {
            "event_id": f"{place:02d}",
            "visitor_id": "v",
            "event_time": NOON + timedelta(seconds=int(said[1:])),
            "event_name": said[0],
        }
        for place, said in enumerate(happened.split())
    ]
    events = oracle.sessionize(read_lines([delivery("file", lines)]), Rules())
    return attempts(events, funnel, Rules(), until)


def funnel(steps: str, **rest: object) -> Funnel:
    """Return a funnel. A step is a letter, or several letters joined by a slash, such as "a b/c"."""
    return Funnel(tuple(frozenset(step.split("/")) for step in steps.split()), **rest)  # type: ignore[arg-type]


def taken(attempt: Attempt) -> list[str]:
    return [event.line.event_id for event in attempt.taken]


@NEEDS_FIXTURES
@pytest.mark.parametrize("case", funnel_cases(), ids=lambda case: case.name)
def test_oracle_gives_the_published_funnels(case: FunnelCase) -> None:
    events = oracle.sessionize(read_lines([delivery("file", case.lines)]), Rules())
    found = attempts(events, case.funnel, Rules())

    levels = funnel_levels(
        case.visitors,
        ((attempt.entry.line.visitor_id, attempt.step_reached, attempt.is_excluded) for attempt in found),
    )
    assert {visitor: levels[visitor] for visitor in case.levels} == case.levels
    if case.entered:
        assert entered_counts(levels, len(case.funnel.steps)) == case.entered
    assert case.levels or case.entered


@NEEDS_FIXTURES
def test_lists_name_existing_cases() -> None:
    cases = read_cases("funnel_cases.json")
    assert {case["id"] for case in cases} >= set(FUNNEL_CASES_NOT_EXPRESSIBLE)
    assert len(funnel_cases()) == len(cases) - len(FUNNEL_CASES_NOT_EXPRESSIBLE)


def test_tie_converts_even_if_it_comes_earlier() -> None:
    [attempt] = tried("b0 a0", funnel("a b"))
    assert taken(attempt) == ["01", "00"]


def test_one_event_counts_for_one_step() -> None:
    [attempt] = tried("a0 a0 b1", funnel("a a b/a b"))
    assert taken(attempt) == ["00", "01", "02"]


def test_strict_attempt_goes_on_at_a_repeated_step_that_is_a_later_step_too() -> None:
    """As in PostHog. The d at 2 meets the second step, which was reached, and the fourth."""
    steps = funnel("c d a/b b/d", mode="strict")
    assert [attempt.step_reached for attempt in tried("c0 d1 d2 a3", steps)] == [3]
    assert [attempt.step_reached for attempt in tried("c0 d1 b2 b3", steps)] == [4]
    assert [attempt.step_reached for attempt in tried("c0 b1 d2", steps)] == [1]


@pytest.mark.parametrize(
    ("happened", "strict_order", "with_allow_reentry"),
    [
        ("a0 b1 a2 c3", 1, 4),
        ("a0 b1 b2 a3 c4", 1, 4),
        ("a0 b1 c2", 1, 2),
        ("a0 c1 b2 a3 c4", 1, 4),
        ("a0 b1 x2 a3 c4", 1, 2),
    ],
)
def test_steps_of_clickhouse_26_9(happened: str, strict_order: int, with_allow_reentry: int) -> None:
    """As windowFunnel(100, 'strict_order')(t, e = 'a', e = 'b', e = 'a', e = 'c') of that version."""
    steps = funnel("a b a c", mode="strict", stop_ends="all", one_event_per_step=False, allow_reentry=True)
    assert max(attempt.step_reached for attempt in tried(happened, steps)) == strict_order
    steps = replace(steps, allow_early_steps=True)
    assert max(attempt.step_reached for attempt in tried(happened, steps)) == with_allow_reentry


def test_step_too_early_for_an_attempt_ends_it_whatever_others_reached() -> None:
    """windowFunnel(4, 'strict_order') of version 26.9 gives 4 for the first: its c at 4 is too early for no attempt."""
    strict_order = {"mode": "strict", "stop_ends": "all", "one_event_per_step": False, "allow_reentry": True}
    steps = funnel("a b c d", window=timedelta(seconds=4), **strict_order)
    assert [attempt.step_reached for attempt in tried("a0 b1 c2 a3 c4 b5 c6 d7", steps)] == [3]
    assert [attempt.step_reached for attempt in tried("a0 b1 c2 a3 b5 c6 d7", steps)] == [4]  # as there


@pytest.mark.parametrize(
    ("happened", "steps", "expected"),
    [
        ("a0 b1", "a/b a", ["00", "01"]),
        ("a0 b1 b2", "a/b a b/c", ["00", "01", "02"]),
        ("a0 b1 a2 c3", "a/b/c a/b a", ["00", "01", "02"]),
        ("b0 b1 c2 a3", "a/b b c/b", ["00", "01", "02"]),
        ("b0 c0 a0", "a b c", ["00", "01", "02"]),
        ("a0 a1 x2 b3", "a b", ["00", "03"]),
        ("a0 a1 b9", "a b a", ["00", "01", "02"]),
    ],
)
def test_unordered_attempt_reaches_as_many_steps_as_possible(happened: str, steps: str, expected: list[str]) -> None:
    """Whatever the order of the settings is."""
    for order in permutations(steps.split()):
        [attempt] = tried(happened, funnel(" ".join(order), mode="unordered"))
        assert taken(attempt) == expected, order


@pytest.mark.parametrize("one_event_per_step", [True, False])
def test_unordered_attempts_are_the_best_of_all_assignments(one_event_per_step: bool) -> None:
    """For each number of steps, no assignment of steps to events is done earlier."""
    random = Random(8)
    for _ in range(300):
        steps = " ".join(random.choice(("a", "b", "c", "a/b", "b/c", "a/b/c")) for _ in range(random.randint(1, 4)))
        moments = sorted(random.randint(0, 4) for _ in range(random.randint(1, 6)))
        happened = " ".join(f"{random.choice('aabbcx')}{moment}" for moment in moments)
        seconds = random.choice((0, 2, 9))
        options = {"window": timedelta(seconds=seconds), "one_event_per_step": one_event_per_step}
        for attempt in tried(happened, funnel(steps, grain="attempt", mode="unordered", **options)):
            names = [name[0] for name in happened.split()]
            entry = int(attempt.entry.line.event_id)
            within = [place for place in range(entry, len(names)) if moments[place] - moments[entry] <= seconds]
            assignments = product(*([None, *(one for one in within if names[one] in said)] for said in steps.split()))
            earliest: dict[int, int] = {}
            for assignment in assignments:
                used = [place for place in assignment if place is not None]
                if used and (not one_event_per_step or len(set(used)) == len(used)):
                    earliest[len(used)] = min(earliest.get(len(used), max(used)), max(used))
            found = {number: int(event_id) for number, event_id in enumerate(taken(attempt), start=1)}
            assert found == earliest, (happened, steps, seconds)


def test_window_includes_its_last_instant() -> None:
    steps = funnel("a b", window=timedelta(seconds=5))
    assert tried("a0 b5", steps)[0].step_reached == 2
    assert tried("a0 b6", steps)[0].step_reached == 1


def test_deepest_then_earliest_attempt_decides() -> None:
    steps = funnel("a b c", window=timedelta(seconds=10))
    [attempt] = tried("a0 b1 a20 b21 c22 a40 b41 c42", steps)
    assert taken(attempt) == ["02", "03", "04"]


def no_x_between(first: int, second: int) -> tuple[Exclusion, ...]:
    return (Exclusion(frozenset("x"), after_step=first, before_step=second),)


def test_clean_attempt_decides_before_an_excluded_one() -> None:
    [attempt] = tried("a0 x1 b2 a3 b4", funnel("a b", exclusions=no_x_between(1, 2)))
    assert (taken(attempt), attempt.is_excluded) == (["03", "04"], False)


def test_clean_attempt_can_share_the_last_step() -> None:
    [attempt] = tried("a0 x1 a2 b3", funnel("a b", exclusions=no_x_between(1, 2)))
    assert (taken(attempt), attempt.is_excluded) == (["02", "03"], False)


def test_deeper_excluded_attempt_decides_before_a_clean_one() -> None:
    [attempt] = tried("a0 x1 b2 a3", funnel("a b", exclusions=no_x_between(1, 2)))
    assert (taken(attempt), attempt.is_excluded) == (["00", "02"], True)


def test_attempt_does_not_skip_an_event_to_avoid_an_exclusion() -> None:
    [attempt] = tried("a0 b1 x2 b3 c4", funnel("a b c", exclusions=no_x_between(2, 3)))
    assert (taken(attempt), attempt.is_excluded) == (["00", "01", "04"], True)


def test_excluded_conversion_is_not_final() -> None:
    steps = funnel("a b", grain="visitor", window=timedelta(days=1), exclusions=no_x_between(1, 2))
    assert [attempt.is_window_closed for attempt in tried("a0 x1 b2", steps, until=NOON.date())] == [False]
    assert [attempt.is_window_closed for attempt in tried("a0 b2", steps, until=NOON.date())] == [True]


def test_only_session_funnels_stay_within_a_session() -> None:
    assert [attempt.step_reached for attempt in tried("a0 b7200", funnel("a b"))] == [1]
    assert [attempt.step_reached for attempt in tried("a0 b7200", funnel("a b", grain="visitor"))] == [2]


def test_visitor_has_one_attempt_per_entry_date() -> None:
    found = tried("a0 a10 a86400 b86401", funnel("a b", grain="visitor", window=timedelta(hours=1)))
    assert [attempt.step_reached for attempt in found] == [1, 2]


@pytest.mark.parametrize(
    ("happened", "is_excluded"),
    [
        ("a0 x1 b2", True),
        ("a0 x0 b2", False),
        ("a0 x2 b2", False),
        ("a0 b2 x3", False),
        ("x0 a1 b2", False),
        ("a0 x5", True),
        ("a0 x11", False),
    ],
)
def test_exclusion_is_strictly_between_its_steps(happened: str, is_excluded: bool) -> None:
    steps = funnel(
        "a b c",
        window=timedelta(seconds=10),
        exclusions=(Exclusion(frozenset("x"), after_step=1, before_step=2),),
    )
    [attempt] = tried(happened, steps)
    assert attempt.is_excluded is is_excluded


def test_exclusion_after_an_unreached_step_does_not_count() -> None:
    steps = funnel("a b c", exclusions=(Exclusion(frozenset("x"), after_step=2, before_step=3),))
    assert not tried("a0 x1", steps)[0].is_excluded
    assert tried("a0 b1 x2", steps)[0].is_excluded
