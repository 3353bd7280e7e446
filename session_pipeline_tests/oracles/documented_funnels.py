"""Lists funnels with known results from the documentation of analytics products that publish no tests.

They are written as in further_published_funnels.py. docs/other_tools.md says how the funnels of these products are
written, and where they differ.
"""

from collections.abc import Mapping
from datetime import timedelta

from session_pipeline_tests.oracles.funnels import Exclusion, Limits
from session_pipeline_tests.oracles.further_published_funnels import Case, funnel_case
from session_pipeline_tests.oracles.published_cases import FunnelCase


def _within(seconds: int, *steps: int) -> Mapping[str, Mapping[int, Limits]]:
    """Return the option that steps are at most some seconds after the step before."""
    return {"limits": {step: Limits(longest=timedelta(seconds=seconds)) for step in steps}}


def _excluded(*exclusions: tuple[str, int, int]) -> Mapping[str, tuple[Exclusion, ...]]:
    return {"exclusions": tuple(Exclusion(frozenset({name}), after, before) for name, after, before in exclusions)}


# Google Analytics: the reference of its Data API (Funnel and FunnelStep). A limit of time includes its last instant.
_GOOGLE: tuple[Case, ...] = (
    ("closed", "posthog_ordered", "v c p", "30d", {"c p": 0, "v p": 1, "v c x p": 3, "c v p": 1}, {}),
    ("open", "posthog_ordered", "v c p", "30d", {"c p": 3, "p": 3, "v p": 3, "c v": 2, "p v": 3}, {"entry": "any"}),
    ("directly", "posthog_strict", "a b c", "30d", {"a b c": 3, "a x b c": 1, "a b x a b c": 3}, {}),
    (
        "directly, open",
        "posthog_strict",
        "a b c",
        "30d",
        {"b c": 3, "b x c": 3, "a x b c": 3, "a b x": 2},
        {"entry": "any"},
    ),
    (
        "within five seconds",
        "posthog_ordered",
        "a b",
        "30d",
        {"a 4900ms b": 2, "a 5s b": 2, "a 5001ms b": 1},
        _within(5, 2),
    ),
    (
        "within five seconds, tried again",
        "posthog_ordered",
        "a b c",
        "30d",
        {"a 6s b a b c": 3, "a b 6s c": 2, "a b 6s c b c": 2},
        _within(5, 2, 3),
    ),
)

# Amplitude: what it says about events in the same second; its orders of steps.
_AMPLITUDE: tuple[Case, ...] = (
    ("same time", "posthog_ordered", "a b", "1d", {"b 0s a": 2, "a 0s b": 2, "b a": 1}, {}),
    ("exact order, same time", "posthog_strict", "a b", "1d", {"a 0s x b": 2, "a x 0s b": 2, "a x b": 1}, {}),
    ("a day is 24 hours", "posthog_ordered", "a b", "1d", {"23h a 2h b": 2, "a 24h b": 2, "a 24h x 1s b": 1}, {}),
    ("any order, a step twice", "posthog_unordered", "a a b", "1d", {"a b a": 3, "b a": 2, "a b b": 2}, {}),
)

# Adobe: touchpoints of a fallout that follow eventually or with the next hit. Mixpanel: excluded events, re-entry.
_ADOBE_AND_MIXPANEL: tuple[Case, ...] = (
    ("eventual path", "posthog_ordered", "a b c", "1d", {"a x b x c": 3, "a c b": 2}, {"grain": "session"}),
    ("next hit", "posthog_strict", "a b c", "1d", {"a x b c": 1, "a x a b c": 3}, {"grain": "session"}),
    ("within the visit", "posthog_ordered", "a b", "1d", {"a 20m b": 2, "a 2h b": 1}, {"grain": "session"}),
    ("the same touchpoint twice", "posthog_ordered", "v v", "1d", {"v": 1, "v v": 2, "v x v": 2}, {}),
    (
        "optimized re-entry",
        "posthog_ordered",
        "a b c",
        "2h",
        {"a 1h a 90m b 20m c": 3, "a 1h b 61m c": 2, "a 1h b 61m c 1m a b c": 3},
        {},
    ),
    (
        "excluded between all steps",
        "posthog_ordered",
        "a b c",
        "30d",
        {"a b x c": None, "a x a b c": 3, "x a b c x": 3, "a x": None},
        _excluded(("x", 1, 3)),
    ),
    (
        "excluded between two steps each",
        "posthog_ordered",
        "a b c",
        "1h",
        {"a x b y c": None, "a y b x c": 3, "a b y c": None, "a x b 2h a b c": 3},
        _excluded(("x", 1, 2), ("y", 2, 3)),
    ),
    (
        "excluded at the time of a step",
        "posthog_ordered",
        "a b",
        "1h",
        {"a 0s x b": 2, "a x 0s b": 2, "a 1s x 1s b": None, "a 0s x": 1},
        _excluded(("x", 1, 2)),
    ),
)

# The examples of ServiceNow, Visitor Analytics and Tealium, and of FUNNEL_COUNT in Data Lake Analytics. Steps that any
# of several events meet (Heap, Datadog), and a step that comes again.
_FURTHER: tuple[Case, ...] = (
    (
        "thirty days",
        "posthog_ordered",
        "A B C",
        "30d",
        {"A B C": 3, "A B D C": 3, "A B E": 2, "A 30d B": 2, "A 31d B": 1, "A 20d B 11d C": 2},
        {},
    ),
    (
        "levels in order",
        "posthog_ordered",
        "A B C D E",
        "1d",
        {"A B G C I D E": 5, "F A H B A C D E": 5, "A B C E D": 4, "B A C D E": 1},
        {"grain": "session"},
    ),
    (
        "an optional step",
        "posthog_ordered",
        "a b c",
        "1d",
        {"a c": 3, "a b c": 3, "b c": 0},
        {"optional": frozenset({2})},
    ),
    (
        "the longest path",
        "posthog_ordered",
        "e1 e3 e6 e7",
        "10s",
        {"e2 2s e4": 0, "e1 e2 e3": 2, "e1 e3 e6 e7": 4, "e1 5s e3 6s e6": 2},
        {},
    ),
    ("one of two events", "posthog_ordered", "a|b c|d e", "1d", {"b d e": 3, "a x c e": 3, "d a e": 1, "a b e": 1}, {}),
    ("in turn", "posthog_ordered", "a b a b", "1d", {"a b a b": 4, "a a b b": 2, "a b b a b": 4, "b a b a b": 4}, {}),
    ("in turn, directly", "posthog_strict", "a b a b", "1d", {"a b a b": 4, "a a b b": 2, "a b b a b": 2}, {}),
)


def documented_funnel_cases() -> list[FunnelCase]:
    """Return all cases, each with visitors of its own."""
    return [
        funnel_case(f"{product}: {case[0]}", *case[1:])
        for product, cases in (
            ("Google Analytics", _GOOGLE),
            ("Amplitude", _AMPLITUDE),
            ("Adobe and Mixpanel", _ADOBE_AND_MIXPANEL),
            ("documented", _FURTHER),
        )
        for case in cases
    ]
