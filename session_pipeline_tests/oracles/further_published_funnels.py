"""Lists further funnels with known results, from the tests and the documentation of other products.

These cases need no fixtures. Each has a mode of published_cases.py, steps, a window, and the step that each visitor
reaches. A visitor is described by what happened: `a 2h b` is an event a and two hours later an event b; without a
pause, events are one second apart. A step `a|b` is met by both events. None: the visitor is excluded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from session_pipeline_tests.oracles.funnels import Exclusion, Funnel, Limits
from session_pipeline_tests.oracles.published_cases import FIRST_MOMENT, FunnelCase, mode_options

Levels = Mapping[str, int | None]
Case = tuple[str, str, str, str, Levels, Mapping[str, Any]]

_PAUSE = re.compile(r"(\d+)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
MANY_AT_ONCE = " 0s ".join(["a"] * 30)


def _between(name: str, after: int, before: int) -> Exclusion:
    return Exclusion(frozenset({name}), after, before)


# ClickHouse: the functional test 00632 with allow_reentry, pull requests 6548, 9773 and 99003, issues 21835, 23057,
# 36256, 37177, 40263 and 52844; windowFunnel of the DuckDB extension behavioral, Hologres, StarRocks and Doris.
_CLICKHOUSE: tuple[Case, ...] = (
    (
        "a step again, four steps",
        "strict_order",
        "a b c d",
        "1d",
        {"a b a c": 2, "a b a b c": 2, "a b c b d": 4, "a c b": 1, "a b c a b c d": 3},
        {},
    ),
    (
        "a step again, all options",  # for a b a b c, versions before the fix of issue 37177 say 1
        "strict_order+allow_reentry+strict_deduplication",
        "a b c",
        "1d",
        {"a b a c": 3, "a b a b c": 2, "a b c b d": 3, "a c b": 1, "a b c a b c d": 3},
        {},
    ),
    *(
        (
            f"the first step twice, {mode}",
            mode,
            "b v b p",
            "10m",
            {"b 100s v 100s b 100s p": 1, "b 100s v 100s p": 1},
            {},
        )
        for mode in ("strict_order", "strict_order+allow_reentry")
    ),
    ("repeated steps", "ordered", "a b c", "1d", {"a d b c": 3, "a a b b c c": 3, "b b c c a a": 1}, {}),
    (
        "repeated steps, strict",
        "strict_order",
        "a b c",
        "1d",
        {"a b c": 3, "a d b c": 1, "a a b b c c": 3, "a a b b d c c": 2, "b b c c a a": 1},
        {},
    ),
    ("a repeated step", "strict_deduplication", "a b c", "1d", {"a 10s b 1s b 9s c": 2}, {}),
    (
        "the deepest step before a repeat",
        "strict_deduplication",
        "a b c d",
        "1m",
        {"a 5s b 5s c 5s a 5s b 5s a 5s b 5s c 5s d": 3},
        {},
    ),
    ("a step too few", "ordered", "a b c d", "30m", {"a 10m b 20m d 10m b": 2}, {}),
    ("in two goes", "ordered", "s a f", "1d", {"s 2h a 2h x s a f": 3, "s 2h a 2h x s f": 3}, {}),
    *(
        (f"view to purchase, {mode} {window}", mode, "v c p", window, {"v 5m c 5m p": 3, "v 5m c": 2, "v 5h c": 1}, {})
        for mode, window in (("ordered", "1h"), ("ordered", "30m"), ("strict_increase", "1h"))
    ),
    ("no first step", "ordered", "n c", "1h", {"v 5m c": 0}, {}),
    ("fifty seconds", "ordered", "a b", "50s", {"b 1s a": 1, "b": 0, "a 10s a 20s b 10s b": 2, "a 0s b": 2}, {}),
    ("fifty seconds, later", "strict_increase", "a b", "50s", {"a 0s b": 1, "a 10s a 20s b 10s b": 2}, {}),
    ("one event for two steps", "ordered", "a a", "50s", {"a": 2, "a a": 2}, {}),
    ("one event for two steps, later", "strict_increase", "a a", "50s", {"a": 1, "a a": 2, "a 0s a": 1}, {}),
    # windowFunnel of ClickHouse says 2 for the first, which its issue calls wrong.
    ("a chain again", "strict_increase", "p q r s", "1d", {"p" + 3 * " q 0s r 0s s": 4, "p q r 0s s": 3}, {}),
    ("the last step too late", "strict_increase", "a b c", "10s", {"a b b 0s c": 3, "a b 0s c": 2}, {}),
    *(
        (f"a step is missing, {mode}", mode, "a b c d", "30m", {"a 10m b 20m d 10m b": 2}, {})
        for mode in ("strict_deduplication", "strict_order")
    ),
    (
        "repeats end the search",
        "strict_deduplication",
        "a b c d",
        "1m",
        {"a 5s b 5s c 5s a": 3, "a 5s b 5s b 5s c": 2, "a a b c d": 4, "b a b c": 3},
        {},
    ),
    ("nothing between", "strict_order", "a b c d", "1h", {"a b d c": 2, "a b x c d": 2}, {}),
    ("four in thirty minutes", "ordered", "v c o p", "30m", {"v 10m c 10m o 10m p": 4, "o 10m p": 0, "v c p": 2}, {}),
    ("no time", "ordered", "a b", "0s", {"a 0s b": 2, "a b": 1, "b 0s a": 2}, {}),
    ("a later start", "ordered", "a b c", "10s", {"a 5s b 5s c": 3, "a 5s b 6s c": 2, "a 8s a b 8s c": 3}, {}),
    ("two stops", "strict_order+strict_deduplication", "a b c", "1d", {"a b b c": 2, "a a b c": 3, "a d b c": 1}, {}),
    ("later, repeats", "strict_increase+strict_deduplication", "a b c", "1d", {"a b 0s b c": 2, "a 0s b b c": 3}, {}),
    ("later, in order", "strict_increase+strict_order", "a b c", "1d", {"a 0s b c": 1, "a b b c": 3}, {}),
    ("once, in order", "strict_once+strict_order", "a a b", "1d", {"a b": 1, "a a b": 3, "a a a b": 3}, {}),
)

_ADVANCED = "s p i t q"
_X_THREE_TIMES = {
    "s 1h p 1h x 1h i 30m x 30m t 30m x 30m q": (5, None, None, None, None),
    "s 1h p 2h i 30m x 30m t 30m x 30m q": (5, 5, None, None, None),
    "s 30m x 30m p 2h i 1h t 30m x 30m q": (None, 5, 5, None, 5),
}
_X_AND_Y: Levels = {
    "s 1h x 1h p 1h i 30m y 30m t 1h q": None,
    "s 30m y 30m p 2h i 30m y 30m t 30m x 30m q": None,
    "s 30m x 30m p 2h i 1h t 30m x 30m q": None,
    "s 1h p 2h i 1h t 1h q": 5,
}
_EXCLUDED = {"exclusions": (_between("x", 1, 2),)}

# PostHog: its tests of funnels, of conversion times, and of strict and unordered funnels.
_POSTHOG: tuple[Case, ...] = (
    ("wrong order", "posthog_ordered", "s m", "14d", {"s": 1, "m s m": 2, "m": 0, "m s": 1}, {}),
    ("any event", "posthog_ordered", "s|m s|m s|m", "14d", {"s": 1, "s m": 2, "m": 1, "m s m": 3}, {}),
    ("skipped step", "posthog_ordered", "s p m", "14d", {"s m": 1, "s s p": 2, "s p m": 3, "p s m": 1}, {}),
    ("the same step twice", "posthog_ordered", "s s", "14d", {"s s": 2, "s": 1, "s 0s s": 2}, {}),
    (
        "the same step four times",
        "posthog_ordered",
        "s p p p p",
        "14d",
        {"p s": 1, "s p": 2, "p s x p": 2, "x p x p s p": 2, "s p x p p p": 5, "p x p p p": 0},
        {},
    ),
    ("same instant", "posthog_ordered", "s p", "14d", {"s 0s p": 2, "p 0s s": 2}, {}),
    (
        "a step within another",
        "posthog_ordered",
        "s p r r p|r",
        "14d",
        {"s p": 2, "s p x r": 3, "s p r r x": 4, "s p x r p r": 4},
        {},
    ),
    ("seconds", "posthog_ordered", "a b c", "15s", {"a 10s b": 2, "a 15s b": 2, "a 20s b": 1}, {}),
    ("five minutes", "posthog_ordered", "s p", "5m", {"s 5m p": 2, "s 15m p": 1}, {}),
    (
        "times",  # whose events occur in no other case; PostHog's medians are 2 hours and 1.5 hours
        "posthog_ordered",
        "join watch buy",
        "7d",
        {"join 1h watch 2h buy": 3, "2h join 2h watch": 2, "2h join 2h watch 1h buy": 3},
        {},
    ),
    ("incomplete tries", "posthog_ordered", "s p e", "1d", {"s 1h p 1h e 49h s 1h p 26h s 3h p": 3}, {}),
    (
        "thirty at once",
        "posthog_ordered",
        "a b c",
        "14d",
        {f"{MANY_AT_ONCE} 0s b 0s c": 3, f"{MANY_AT_ONCE} 1d b": 2},
        {},
    ),
    (
        "ten steps at once",
        "posthog_ordered",
        "o t t f f i t f i o",
        "14d",
        {"o 0s t 0s t 0s f 0s f 0s i 0s t 0s f 0s i 0s o": 10},
        {},
    ),
    (
        "excluded without an end",
        "posthog_ordered",
        "s p",
        "1d",
        {"s 1h p": 2, "s 30m x 30m p": None, "s 1h x": None, "s 25h x": 1},
        _EXCLUDED,
    ),
    (
        "excluded tries",
        "posthog_ordered",
        "a b",
        "10s",
        {"a x 30s a": 1, "a a x": None, "a 11s x b": 1, "a 11s x a x b": None, "a 1s x 30s b 1h a 9s b": 2},
        _EXCLUDED,
    ),
    *(
        (
            f"excluded at the instant of a step, between {after} and {before}",
            "posthog_ordered",
            "z a b c",
            "14d",
            {f"z 1m {MANY_AT_ONCE} 0s x 0s b 1m c": 4},
            {"exclusions": (_between("x", after, before),)},
        )
        for after, before in ((1, 2), (2, 3))
    ),
    *(
        (
            f"excluded between {after} and {before}",
            "posthog_ordered",
            _ADVANCED,
            "14d",
            {happened: levels[number] for happened, levels in _X_THREE_TIMES.items()},
            {"exclusions": (_between("x", after, before),)},
        )
        for number, (after, before) in enumerate(((1, 2), (2, 3), (3, 4), (4, 5), (2, 4)))
    ),
    *(
        (
            f"excluded by two, {number}",
            "posthog_ordered",
            _ADVANCED,
            "14d",
            _X_AND_Y,
            {"exclusions": tuple(_between(*each) for each in exclusions)},
        )
        for number, exclusions in enumerate(
            ((("x", 1, 2), ("y", 3, 4)), (("x", 1, 2), ("y", 1, 2)), (("x", 1, 5), ("y", 1, 5)))
        )
    ),
    (
        "two optional steps",
        "posthog_ordered",
        "a b c d e",
        "14d",
        {"x": 0, "a": 1, "a b c": 3, "a c": 3, "a b c d e": 5, "a b c e": 5, "a c d": 4, "a c d e": 5, "a c e": 5},
        {"optional": frozenset({2, 4})},
    ),
    (
        "an optional step with the event of others",
        "posthog_ordered",
        "a|u a|u u a|u",
        "14d",
        {"a": 1, "a 1m a": 2, "a 1m a 1m a": 2, "a 1m u 1m a": 4},
        {"optional": frozenset({2})},
    ),
    *(
        (
            f"nothing between, {repeats} repeats",
            "posthog_strict",
            "s u p v",
            "14d",
            {"s": 1, "s p": 1, "s u w p x": 2, "x s u p x": 3, "x s u p s v": 3, "x s s u p v": 4},
            {"repeats": repeats},
        )
        for repeats in ("stop", "ignore")
    ),
    (
        "four steps in any order",
        "posthog_unordered",
        "s p i c",
        "14d",
        {"s": 1, "p c": 2, "s p x i": 3, "i c s": 3, "p s c i": 4, "x i": 1, "i p": 2},
        {},
    ),
    ("any order, twice", "posthog_unordered", "s p i", "1d", {"p 1h s": 2, "i 2h s 2h p 20h p 3h i 3h s": 3}, {}),
    ("any order, excluded", "posthog_unordered", "s p", "14d", {"s 1h p": 2, "s 30m x 30m p": 1}, _EXCLUDED),
    (
        "any order, excluded by two",
        "posthog_unordered",
        _ADVANCED,
        "14d",
        {
            **dict(zip(_X_AND_Y, (2, 1, 1, 5), strict=True)),
            "s 30m x 30m p 30m x 90m i 30m y 30m t 30m x 30m q": 1,
        },
        {"exclusions": (_between("x", 1, 5), _between("y", 1, 5))},
    ),
)

# The documented funnels of Amplitude (this, exact and any order), Mixpanel, Bloomreach, Google Analytics and Plausible.
_OTHERS: tuple[Case, ...] = (
    ("this order", "posthog_ordered", "a b c", "1d", {"a x b x c": 3, "b a c": 1, "a b 25h c": 2}, {}),
    ("exact order", "posthog_strict", "a b c", "1d", {"a x b c": 1, "x a b c x": 3, "a b x c": 2}, {}),
    ("any order", "posthog_unordered", "a b c", "1d", {"c a b": 3, "b c": 2, "a 25h b c": 2}, {}),
    ("window of an hour", "posthog_ordered", "a b", "1h", {"a 1h b": 2, "a 3601s b": 1, "a 59m a 30m b": 2}, {}),
    ("re-entry", "posthog_ordered", "a b c", "1h", {"a 30m a 15m b 30m c": 3, "a 30m x 15m b 30m c": 2}, {}),
    ("loose order", "posthog_ordered", "a b c d e", "1d", {"a b x c d e": 5, "a b c e": 3, "a b c e d e": 5}, {}),
    ("excluded step", "posthog_ordered", "a b c", "1d", {"a x b c": None, "a b x c": 3, "a b c x": 3}, _EXCLUDED),
    ("open", "posthog_ordered", "a b c", "1d", {"b c": 3, "a c": 3, "c": 3, "a b": 2, "c b a": 3}, {"entry": "any"}),
    ("closed", "posthog_ordered", "a b c", "1d", {"b c": 0, "a c": 1, "a x b y c": 3}, {}),
    (
        "within five minutes of the step before",
        "posthog_ordered",
        "a b c",
        "30d",
        {"a 5m b 6m c": 2, "a 5m b 5m c": 3, "a 6m b": 1},
        {"limits": {2: Limits(longest=timedelta(minutes=5)), 3: Limits(longest=timedelta(minutes=5))}},
    ),
    (
        "at least a minute, at most two",  # Google Analytics: within a time of the step before
        "posthog_ordered",
        "a b",
        "1h",
        {"a 59s b": 1, "a 60s b": 2, "a 2m b": 2, "a 121s b": 1, "a 59s b 62s b": 1, "a 59s b 60s a 61s b": 2},
        {"limits": {2: Limits(shortest=timedelta(minutes=1), longest=timedelta(minutes=2))}},
    ),
    ("any order, at the border", "posthog_unordered", "a b", "10s", {"b 10s a": 2, "b 11s a": 1, "a a": 1}, {}),
    ("any order, no time", "posthog_unordered", "a b", "0s", {"b 0s a": 2, "b a": 1}, {}),
    ("the same step", "posthog_ordered", "a a a", "1h", {"a": 1, "a a": 2, "a 0s a 0s a": 3, "a x a y a": 3}, {}),
    ("the same step directly", "posthog_strict", "a a b", "1h", {"a a b": 3, "a a a b": 3, "a x a b": 1}, {}),
    ("open and direct", "posthog_strict", "a b c", "1h", {"b c": 3, "c": 3, "b x c": 3}, {"entry": "any"}),
    ("goals of a day", "posthog_ordered", "g h k", "1d", {"g g h k": 3, "h g k": 1, "g k h": 2}, {}),
)

# PostHog's trends of funnels: visitors who entered on each day after the first moment, and those of them who converted.
_SAMPLE = (
    "a 2d b 2d c",
    "1m a 2d b 2d c",
    "1d a 2d b",
    "25h a 2d b",
    "5d a",
    "5d x",
    "1h a 1h b 1h c",
)
_DAILY: tuple[tuple[str, str, str, str, tuple[str, ...], Mapping[int, tuple[int, int]]], ...] = (
    ("seven days", "posthog_ordered", "a b c", "7d", _SAMPLE, {0: (3, 3), 1: (2, 0), 5: (1, 0)}),
    ("one day", "posthog_ordered", "a b c", "1d", _SAMPLE, {0: (3, 1), 1: (2, 0), 5: (1, 0)}),
    ("two runs on a day", "posthog_ordered", "a b c", "1d", ("a 1h b 1h c 11h a 1h b 1h c",), {0: (1, 1)}),
    (
        "runs on several days",
        "posthog_ordered",
        "a b c",
        "1d",
        ("1h a 1h b 1h c 46h a 1h b 33h a 1h b 1h c", "90h a"),
        {0: (1, 1), 2: (1, 0), 3: (2, 1)},
    ),
    (
        "the third step on several days before, in any order",
        "posthog_unordered",
        "a b c",
        "8d",
        (
            "10h " + "c 1d " * 7 + "c 1h a 1h b",
            "10h " + "c 2d " * 3 + "c 25h a 1h b",
            "10h c 4d c 73h a 1h b",
            "10h c 169h a 1h b",
            "179h a 1h b",
        ),
        {0: (4, 4), 1: (1, 1), 2: (2, 2), 3: (1, 1), 4: (3, 3), 5: (1, 1), 6: (2, 2), 7: (5, 1)},
    ),
)


def daily_funnel_cases() -> list[tuple[FunnelCase, Mapping[int, tuple[int, int]]]]:
    """Return cases with the visitors who entered and converted, by the number of days after the first moment."""
    return [
        (funnel_case(f"daily: {name}", mode, steps, window, dict.fromkeys(visitors), {}), counts)
        for name, mode, steps, window, visitors, counts in _DAILY
    ]


def further_funnel_cases() -> list[FunnelCase]:
    """Return all cases, each with visitors of its own."""
    return [
        funnel_case(f"{product}: {case[0]}", *case[1:])
        for product, cases in (
            ("ClickHouse", _CLICKHOUSE),
            ("PostHog", _POSTHOG),
            ("others", _OTHERS),
        )
        for case in cases
    ]


def funnel_case(
    name: str, mode: str, steps: str, window: str, levels: Levels, options: Mapping[str, Any]
) -> FunnelCase:
    """Return a case with visitors of its own."""
    funnel = Funnel(
        tuple(frozenset(step.split("|")) for step in steps.split()),
        "visitor",
        timedelta(seconds=seconds_of(window) or 0),
        **mode_options(mode),
    )
    lines = tuple(line for happened in levels for line in lines_of(f"{name} / {happened}", happened))
    visitors = {f"{name} / {happened}": level for happened, level in levels.items()}
    return FunnelCase(name, replace(funnel, **options), lines, visitors)


def lines_of(visitor: str, happened: str) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a visitor, from what happened."""
    moment, pause = FIRST_MOMENT, None
    for place, word in enumerate(happened.split()):
        if (seconds := seconds_of(word)) is not None:
            pause = seconds
            continue
        if place:
            moment += timedelta(seconds=1 if pause is None else pause)
        pause = None
        yield {"event_id": f"{place:03d}", "visitor_id": visitor, "event_time": moment, "event_name": word}


def seconds_of(word: str) -> float | None:
    """Return the seconds of a pause such as 2h, or None for another word."""
    pause = _PAUSE.fullmatch(word)
    return int(pause[1]) * _SECONDS[pause[2]] if pause else None
