"""Lists funnels with known results from Pinot, Doris, StarRocks and Elasticsearch, most of them like windowFunnel.

They are written as in further_published_funnels.py. docs/other_tools.md has a table of the modes.
"""

from collections.abc import Mapping
from typing import Any

from session_pipeline_tests.oracles.further_published_funnels import Case, funnel_case
from session_pipeline_tests.oracles.published_cases import FunnelCase

_LATER = {"ties": "later"}
_AMONG_STEPS = {"allow_other_events": True}
_NO_REPEATS = {"allow_other_events": True, "allow_early_steps": True}
_STARROCKS: Mapping[str, Mapping[str, Any]] = {
    "deduplication": {"one_event_per_step": False, "repeats": "stop"},
    "fixed": {"one_event_per_step": False, "repeats": "ignore", "allow_reentry": True, "allow_other_events": True},
}

# FunnelMaxStep of Pinot: its integration test WindowFunnelTest, whose visitors are these four, a second for each
# millisecond. k and c of the second are at one instant.
_FOUR = ("s 10s c 10s k 5s c 5s f", "s 10s k 0s c", "s 10s c 5s c 5s k 10010s f", "k 9990s c 40s s")


def _of_four(*levels: int) -> dict[str, int | None]:
    return dict(zip(_FOUR, levels, strict=True))


_PINOT: tuple[Case, ...] = (
    ("default", "posthog_ordered", "s c k f", "1000s", _of_four(4, 3, 3, 1), {}),
    ("strict_increase", "posthog_ordered", "s c k f", "1000s", _of_four(4, 2, 3, 1), _LATER),
    ("strict_order", "posthog_strict", "s c k f", "1000s", _of_four(3, 3, 2, 1), _AMONG_STEPS),
    ("strict_order, c is no step", "posthog_strict", "s k f", "1000s", _of_four(3, 2, 2, 1), _AMONG_STEPS),
    # keep_all gives 1 for the second visitor: there, the c at the instant of the k ends the attempt.
    ("strict_order, keep_all", "posthog_strict", "s k f", "1000s", _of_four(1, 2, 1, 1), {}),
    # strict_order gives 1: with all events in the window of the first a, its code does not try the second.
    ("strict_order, a first step again", "posthog_strict", "a b c", "1h", {"a a b": 2}, _AMONG_STEPS),
    # strict_deduplication gives 4 for the first visitor: only the reached step ends an attempt there.
    ("strict_deduplication", "posthog_ordered", "s c k f", "1000s", _of_four(3, 3, 2, 1), {"repeats": "stop"}),
)

# FunnelCompleteCount of Pinot: the same test, and what its code counts. Sequences of two events in Elasticsearch's EQL:
# its specification sequences.series-spec. The conversions of each visitor.
_COMPLETED: tuple[tuple[str, str, str, Mapping[str, int]], ...] = (
    ("Pinot: complete count", "s c k f", "1000s", dict(zip(_FOUR, (1, 0, 0, 0), strict=True))),
    (
        "Pinot: complete count, two steps",
        "a b",
        "1h",
        {"a a b": 1, "a b b": 1, "a b a b": 2, "a b a a b a": 2, "b a": 0},
    ),
    # There 1 for the last.
    ("Pinot: complete count, three steps", "a b c", "1h", {"a b c a b c": 2, "a a b c": 1, "a b a c": 0}),
    (
        "EQL: sequences",
        "a b",
        "1h",
        {
            "a b": 1,
            "a b a": 1,
            "b a b": 1,
            "a b a b": 2,
            "a a b": 1,
            "a b b b": 1,
            "a a b a a a b a a": 2,
            "a b a a": 1,
            "b b a b a a": 1,
            "a a b b": 1,
            "a a b b a": 1,
            "a a b a b b a": 2,
        },
    ),
)

# window_funnel of Doris: the tests of its version 2, window_funnel_v2.groovy and vec_window_funnel_v2_test.cpp, issue
# 20451 and pull request 62043. A number is the value of a row, to which the conditions of several steps apply.
_UP_TO_3 = "n0|n1|n2|n3 n1|n2|n3 n2|n3"
_OF_DORIS: tuple[tuple[str, str, Mapping[str, Any], tuple[tuple[str, str, Mapping[str, int]], ...]], ...] = (
    (
        "default",
        "posthog_ordered",
        {},
        (
            ("a b", "1s", {"a 10022s b 10019s c": 1}),
            ("a b", "20000s", {"a 10022s b 10019s c": 2}),
            ("a b c d", "2s", {"a b c d": 3}),
            ("a b c d", "0s", {"a b c d": 1}),
            ("l l|v|o|p o p", "1d", {"l 1m v 2m o 6m p": 4, "l 1m v 1m o": 3, "l 1m v": 2}),
            ("n1 n1|n3|n4 n3", "1d", {"n1 1h n2 1h n3 1h n4": 2}),
            ("a a a a", "1d", {"a": 1}),
        ),
    ),
    (
        "increase",
        "posthog_ordered",
        _LATER,
        (
            ("a b c d", "20000s", {"a 10022s b 0s c 5822s d": 2}),
            ("a b c", "100s", {"a 50s a 0s b 10s c": 3, "a 10s b 40s a": 2, "a 10s b 40s a 0s c": 3}),
            ("a b c", "5s", {"a 50s a b c": 3}),
        ),
    ),
    (
        "deduplication",
        "posthog_strict",
        _NO_REPEATS,
        (
            ("n1 n1|n3 n3", "1d", {"n1 1h n1 1h n3": 3}),
            ("a b c", "1d", {"a 1h b 1h a 1h c": 2}),
            ("a b c d", "10s", {"a b a c d": 2, "a b c b d": 3, "a x b d c": 3}),
            # There 3: the v at the instant of the o ends the attempt.
            ("l v o p", "1h", {"l 1m v 2m o 0s x 0s v 6m p": 4}),
        ),
    ),
    (
        "fixed",
        "posthog_strict",
        _AMONG_STEPS,
        (
            ("a b c d", "1h", {"a 1m b 1m x 1m c 6m d": 4, "a b d c": 2, "a b d c d": 2}),
            ("a b d c", "20000s", {"a b c d": 2}),
            ("n3 n1|n3 n1|n3", "2d", {"n3 1d n1": 2}),
            ("n1|n3 n3 m", "10d", {"n1 1d n3 1d m": 3}),
            (_UP_TO_3, "10d", {"n3": 1, "n0 1d n3": 2}),
            (f"{_UP_TO_3} n3", "10d", {"n0 1d n2 1d n3": 3, "n0 1d n1 1d n2 1d n3": 4}),
            (_UP_TO_3, "1s", {"n0 2s n2": 1}),
            ("n1 n2|n3 n3", "10d", {"n1 1d n3 1d n2": 2}),
            ("n1 n2 n5", "10d", {"n1 1d n5": 1}),
            ("n1|n2|n5 n2", "10d", {"n1 1d n5 1d n1 1d n2": 2}),
            ("n1|n2|n3 n2|n3 n3", "10d", {"n1 1d n2 1d n2 1d n3": 3, "n1 1d n1 1d n1 1d n2 1d n3": 3}),
            ("n1 n2 n3", "10d", {"n1 1d n0 1d n2 1d n3": 3, "n1 1d n2 1d n2 1d n3": 2}),
            ("n10|n20 n5 n20", "10d", {"n10 1d n5 1d n5 1d n20": 2}),
        ),
    ),
    # Up to version 4.0, an event of no step ends an attempt.
    ("fixed before 4.1", "posthog_strict", {}, (("a b c d", "1h", {"a b x c d": 2, "a b c d": 4}),)),
)

# window_funnel of StarRocks: what its code counts, and issues 6811 and 24348.
_OF_STARROCKS: tuple[Case, ...] = (
    ("one event", "ordered", "a a a", "30m", {"a": 3}, {}),
    ("increase", "strict_increase", "a a a", "30m", {"a 1m a 1m a": 3, "a 0s a": 1}, {}),
    (
        "deduplication",
        "posthog_ordered",
        "a b c d",
        "1h",
        {"a b c b d": 3, "a x b a c d": 4, "a b d c": 3, "a b b a b c": 3},
        _STARROCKS["deduplication"],
    ),
    (
        "fixed",
        "posthog_strict",
        "a b c d",
        "1h",
        {"a b d c": 2, "a x b b a c d": 4, "b a b c": 3, "a c b": 1, "a c a b c d": 4},
        _STARROCKS["fixed"],
    ),
    # There 1: the newest a is at the instant of the b.
    ("increase, the newest first step", "strict_increase", "a b", "1h", {"a 1s a 0s b": 2}, {}),
    # There 2: the second b ends the newer attempt, too.
    ("a newer attempt", "posthog_ordered", "a b c", "1h", {"a b a b c": 3}, _STARROCKS["deduplication"]),
)


def window_funnel_cases() -> list[FunnelCase]:
    """Return all cases, each with visitors of its own."""
    doris = [
        (f"{mode}, {number}", how, steps, window, levels, options)
        for mode, how, options, cases in _OF_DORIS
        for number, (steps, window, levels) in enumerate(cases, start=1)
    ]
    return [
        funnel_case(f"{product}: {case[0]}", *case[1:])
        for product, cases in (("Pinot", _PINOT), ("Doris", doris), ("StarRocks", _OF_STARROCKS))
        for case in cases
    ]


def completed_funnel_cases() -> list[tuple[FunnelCase, Mapping[str, int]]]:
    """Return cases with the number of conversions of each visitor."""
    options = {"grain": "attempt", "repeats": "restart"}
    found = []
    for name, steps, window, conversions in _COMPLETED:
        case = funnel_case(name, "posthog_ordered", steps, window, dict.fromkeys(conversions), options)
        found.append((case, dict(zip(case.levels, conversions.values(), strict=True))))
    return found
