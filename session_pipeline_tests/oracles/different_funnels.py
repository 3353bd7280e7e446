"""Lists funnels that other products count differently, with what is counted here; docs/other_tools.md says why.

They are written as in further_published_funnels.py.
"""

from datetime import timedelta

from session_pipeline_tests.oracles.funnels import Exclusion, Limits
from session_pipeline_tests.oracles.further_published_funnels import Case, funnel_case
from session_pipeline_tests.oracles.published_cases import FunnelCase

_NOT_X = {"exclusions": (Exclusion(frozenset({"x"}), 1, 2),)}

_DIFFERENT: tuple[Case, ...] = (
    ("ClickHouse 26.9 counts 3, strict_once", "strict_once", "a b|c c", "9s", {"a 2s c 0s b": 2, "a 2s b 0s c": 3}, {}),
    (
        "ClickHouse 26.9 counts 3 for the first, strict_order",
        "strict_order",
        "a b c",
        "3s",
        {"a b 2s a c b c": 2, "a b 2s a b c": 3, "a b a c b c": 3},
        {"repeats": "ignore", "allow_reentry": True},
    ),
    # On the first day, an event ends all attempts of the visitor: there, also those of the next day.
    (
        "ClickHouse counts 2 for the first, repeats",
        "strict_deduplication",
        "a b c",
        "9s",
        {"a b b 1d a b c": 3, "a b b a b c": 2},
        {},
    ),
    (
        "ClickHouse counts 1 for the first, strict_order",
        "strict_order",
        "a b",
        "9s",
        {"a x 1d a b": 2, "a x a b": 1},
        {"repeats": "ignore", "allow_reentry": True},
    ),
    (
        "Umami counts 3",
        "posthog_ordered",
        "a b c",
        "1h",
        {"a b 8s b 6s c": 2, "a b 8s b 2s c": 3, "a 10s b 10s c": 3, "a 11s b": 1},
        {"limits": {2: Limits(longest=timedelta(seconds=10)), 3: Limits(longest=timedelta(seconds=10))}},
    ),
    ("PostHog counts 2, excluded", "posthog_ordered", "a b c", "1d", {"a x b c a b": None}, _NOT_X),
    ("PostHog excludes, strict", "posthog_strict", "a b", "1d", {"a x b": 1, "a b x": 2}, _NOT_X),
    ("PostHog counts 2, strict", "posthog_strict", "a b c", "1d", {"a c 0s x b": 1}, {"repeats": "ignore"}),
    ("PostHog counts 3, optional", "posthog_ordered", "b a b c", "3s", {"b a b b c": 4}, {"optional": frozenset({2})}),
    ("Amplitude counts 2, in one second", "posthog_ordered", "a b", "1d", {"b 700ms a": 1, "b 0s a": 2}, {}),
    ("Amplitude counts 2, exact order", "posthog_strict", "a b", "1d", {"a 300ms x 300ms b": 1, "a 0s x 0s b": 2}, {}),
    ("Amplitude counts 1, the same event", "posthog_ordered", "a a", "1d", {"a 0s a": 2, "a 700ms a": 2}, {}),
    # An exclusion counts in mode strict if its events may occur.
    (
        "excluded, other events allowed",
        "posthog_strict",
        "a b c",
        "1h",
        {"a x b c": None, "a y b c": 3, "a x c": None, "a c x": 1, "a b x": 2},
        {**_NOT_X, "allow_other_events": True},
    ),
)


def different_funnel_cases() -> list[FunnelCase]:
    """Return all cases, each with visitors of its own."""
    return [funnel_case(f"different: {case[0]}", *case[1:]) for case in _DIFFERENT]
