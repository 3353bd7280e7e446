"""Counts and compares moments in plain Python, from the meanings in docs/definitions.md.

Works one session at a time, with exact fractions. test_opportunities.py compares the pipeline with it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import erfc, inf, sqrt
from typing import Any

OF_A_VISIT = {"rage_click", "repeated_submit", "error", "error_loop"}
WAYS = {"u_turn", "back_track", "repeated_search", "repeat"}

Moment = tuple[str, str, int, int, str]  # site, action, position, stage, device
Factor = tuple[str, str, str]  # site, action, and the signal at it or the action seen before it


@dataclass(frozen=True)
class Session:
    """A session. Actions are (action_number, event_number, action), in order; signals are (action, signal, number).

    conversions are the numbers of the events that are its outcome's conversion, and values those of these events;
    `as_a_whole` says that it converted without such an event. steps are (event_number, funnel, step_number).
    """

    session_id: str
    day: date
    site: str
    device: str | None
    is_bot: bool
    actions: Sequence[tuple[int, int, str]]
    conversions: Sequence[int]
    as_a_whole: bool
    values: Sequence[Decimal | None]
    steps: Sequence[tuple[int, str, int]]
    signals: Sequence[tuple[str, str, int | None]]

    @property
    def is_converted(self) -> bool:
        return bool(self.conversions) or self.as_a_whole

    @property
    def open_actions(self) -> list[tuple[int, int, str]]:
        end = max(self.conversions, default=inf)
        return [each for each in self.actions if each[1] < end]

    def value_after(self, event_number: int) -> Decimal | None:
        pairs = zip(self.conversions, self.values, strict=True)
        known = [value for at, value in pairs if at > event_number and value is not None]
        return sum(known, Decimal()) if known else None

    def stage(self, event_number: int) -> int:
        deepest: dict[str, int] = {}
        for at, funnel, step in self.steps:
            if at < event_number and step > 0:
                deepest[funnel] = max(step, deepest.get(funnel, 0))
        return sum(deepest.values())

    def event_number(self, number: int) -> int:
        return next(each[1] for each in self.actions if each[0] == number)

    def moment(self, number: int) -> Moment:
        event_number, action = next((each[1], each[2]) for each in self.actions if each[0] == number)
        return self.site, action, bucket(number), self.stage(event_number), self.device or "(none)"


def bucket(position: int) -> int:
    return max(first for first in (1, 2, 3, 4, 6, 9, 14) if first <= position)


def most_visited(sessions: Iterable[Session], most: int) -> dict[tuple[date, str], list[str]]:
    """Return the actions that are counted on each day of a site."""
    visits: dict[tuple[date, str], Counter[str]] = defaultdict(Counter)
    for session in sessions:
        if not session.is_bot:
            visits[session.day, session.site].update({action for _, _, action in session.open_actions})
    return {
        place: sorted(counts, key=lambda action: (-counts[action], action))[:most] for place, counts in visits.items()
    }


def first_in_buckets(session: Session) -> list[int]:
    """Return the numbers of the actions that are the first of their action within their bucket."""
    first: dict[tuple[str, int], int] = {}
    for number, _, action in session.open_actions:
        first.setdefault((action, bucket(number)), number)
    return sorted(first.values())


def moment_counts(sessions: Sequence[Session], most: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return (sessions, converted, excluded, excluded converted, value, example), by day, moment, signal and action."""
    counted = most_visited(sessions, most)
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, None, None])

    def add(session: Session, number: int, signal: str, action: str, first_column: int) -> None:
        row = found[session.day, *session.moment(number), signal, action]
        row[first_column] += 1
        row[first_column + 1] += session.is_converted
        if signal and first_column == 0 and not session.is_converted:
            row[5] = min(row[5] or session.session_id, session.session_id)
        value = session.value_after(session.event_number(number))
        if not signal and value is not None:
            row[4] = (row[4] or 0) + value

    for session in sessions:
        if session.is_bot:
            continue
        kept = counted.get((session.day, session.site), [])
        actions = {number: action for number, _, action in session.open_actions}
        firsts = [number for number in first_in_buckets(session) if actions[number] in kept]
        for number in firsts:
            add(session, number, "", "", 0)
        for action, signal, complete_at in session.signals:
            if signal not in OF_A_VISIT | WAYS or complete_at not in actions or action not in kept:
                continue
            visits = [
                number
                for number in actions
                if number <= complete_at
                and (actions[number] == action if signal in OF_A_VISIT else number == complete_at)
            ]
            at = max(visits, default=complete_at)
            if visits and actions[at] in kept:
                add(session, at, signal, action, 0)
            for number in firsts:
                if number >= at and (signal in WAYS or actions[number] == action):
                    add(session, number, signal, action, 2)
    return {key: tuple(row) for key, row in found.items()}


def milestones_of(sessions: Sequence[Session]) -> set[tuple[date, str, str]]:
    """Return the milestones of each day and site: actions with a funnel step or the conversion of their session."""
    return {
        (session.day, session.site, action)
        for session in sessions
        for _, event_number, action in session.actions
        if event_number in session.conversions or any(at == event_number and step > 0 for at, _, step in session.steps)
    }


def seen_counts(sessions: Sequence[Session], most: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return (sessions, converted, example, at a milestone), by day, moment and the action seen before."""
    counted, milestones = most_visited(sessions, most), milestones_of(sessions)
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, 0, None, False])
    for session in sessions:
        if session.is_bot:
            continue
        kept = counted.get((session.day, session.site), [])
        first: dict[str, int] = {}
        for number, _, action in session.open_actions:
            first.setdefault(action, number)
        for action, number in first.items():
            before = {
                other
                for other, at in first.items()
                if at < number and other in kept and (session.day, session.site, other) not in milestones
            }
            for seen in {"", *before} if action in kept else ():
                row = found[session.day, *session.moment(number), seen]
                row[0] += 1
                row[1] += session.is_converted
                row[3] = (session.day, session.site, action) in milestones
                if seen and session.is_converted:
                    row[2] = min(row[2] or session.session_id, session.session_id)
    return {key: tuple(row) for key, row in found.items()}


# Comparisons


@dataclass
class Stratum:
    """Sessions with and without a factor at one moment: n1 and n0, of which a and c converted."""

    n1: int
    a: int
    n0: int
    c: int


def mantel_haenszel(strata: Iterable[Stratum]) -> dict[str, float]:
    """Return the difference with its interval (Sato 1989) and the score (Mantel and Haenszel 1959), exactly."""
    matched = [each for each in strata if each.n1 and each.n0]
    total = {name: Fraction(0) for name in ("with", "without", "weight", "p", "q", "expected", "variance")}
    for s in matched:
        n = s.n1 + s.n0
        total["with"] += Fraction(s.a * s.n0, n)
        total["without"] += Fraction(s.c * s.n1, n)
        total["weight"] += Fraction(s.n1 * s.n0, n)
        total["p"] += Fraction(2 * (s.n1**2 * s.c - s.n0**2 * s.a) + s.n1 * s.n0 * (s.n0 - s.n1), 2 * n**2)
        total["q"] += Fraction(s.a * (s.n0 - s.c) + s.c * (s.n1 - s.a), 2 * n)
        total["expected"] += Fraction(s.n1 * (s.a + s.c), n)
        total["variance"] += Fraction(s.n1 * s.n0 * (s.a + s.c) * (n - s.a - s.c), n**2 * (n - 1))
    with_rate, without_rate = total["with"] / total["weight"], total["without"] / total["weight"]
    difference = with_rate - without_rate
    margin = 1.959963984540054 * sqrt(difference * total["p"] + total["q"]) / total["weight"]
    surplus = sum(s.a for s in matched) - total["expected"]
    return {
        "rate_with": float(with_rate),
        "rate_without": float(without_rate),
        "difference": float(difference),
        "low": float(difference) - margin,
        "high": float(difference) + margin,
        "expected": float(total["expected"]),
        "variance": float(total["variance"]),
        "score": float(surplus) / sqrt(total["variance"]) if total["variance"] else 0.0,
    }


def yekutieli(p_values: Sequence[float]) -> list[float]:
    """Return the q-value of each test (Benjamini and Yekutieli 2001)."""
    count = len(p_values)
    harmonic = sum(1 / number for number in range(1, count + 1))
    ordered = sorted(p_values)
    return [
        min(1.0, *(ordered[place] * count * harmonic / (place + 1) for place in range(count) if ordered[place] >= p))
        for p in p_values
    ]


def two_sided(score: float) -> float:
    return erfc(abs(score) / sqrt(2))


def comparisons_of_signals(
    counts: Mapping[tuple[Any, ...], tuple[Any, ...]], day: date, window: int
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return the comparisons of signals, by site, action and signal, from what `moment_counts` returns."""
    everyone = {key[:-2]: (row[0], row[1]) for key, row in counts.items() if not key[-2]}
    of_factor = {
        ((site, action, signal), (on, site, *moment)): row[:4]
        for (on, site, *moment, signal, action), row in counts.items()
        if signal
    }
    return comparisons(everyone, of_factor, lambda factor: factor[1], set(), day, window)


def comparisons_of_seen_actions(
    counts: Mapping[tuple[Any, ...], tuple[Any, ...]], milestones: set[tuple[date, str, str]], day: date, window: int
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return the comparisons of actions seen before, by site, action and seen action.

    Args:
        counts: What `seen_counts` returns.
        milestones: What `milestones_of` returns.
        day: The last day of the window.
        window: The number of days.
    """
    everyone = {key[:-1]: (row[0], row[1]) for key, row in counts.items() if not key[-1]}
    of_factor = {
        ((site, action, seen), (on, site, action, *moment)): (row[0], row[1], row[0], row[1])
        for (on, site, action, *moment, seen), row in counts.items()
        if seen
    }
    return comparisons(everyone, of_factor, lambda factor: factor[2], milestones, day, window)


def comparisons(
    everyone: Mapping[tuple[Any, ...], tuple[int, int]],
    of_factor: Mapping[tuple[Factor, tuple[Any, ...]], tuple[int, ...]],
    action_of: Callable[[Factor], str],
    milestones: set[tuple[date, str, str]],
    day: date,
    window: int,
) -> dict[Factor, dict[str, float]]:
    """Return the comparisons of a day and window that have enough sessions, by factor.

    Args:
        everyone: (sessions, converted) of each day and moment.
        of_factor: (sessions, converted, excluded, excluded converted) of each factor, day and moment.
        action_of: Returns the action of a factor. Only days on which it is counted say who has the factor.
        milestones: Actions that are no factor in a window with such a day, if they are counted on it.
        day: The last day of the window.
        window: The number of days.
    """
    days = [day - timedelta(days=number) for number in range(window)]
    counted = {(on, site, action) for on, site, action, *_ in everyone}
    found = {}
    for factor in {factor for factor, _ in of_factor}:
        site, action = factor[0], action_of(factor)
        known = [on for on in days if (on, site, action) in counted]
        if any((on, site, action) in milestones for on in known):
            continue
        strata: dict[Any, Stratum] = defaultdict(lambda: Stratum(0, 0, 0, 0))
        for (on, *moment), (sessions, converted) in everyone.items():
            if on in known and moment[0] == site:
                n1, a, excluded, excluded_converted = of_factor.get((factor, (on, *moment)), (0, 0, 0, 0))
                stratum = strata[tuple(moment)]
                stratum.n1 += n1
                stratum.a += a
                stratum.n0 += sessions - excluded
                stratum.c += converted - excluded_converted
        matched = [each for each in strata.values() if each.n1 and each.n0]
        n1, n0 = sum(each.n1 for each in matched), sum(each.n0 for each in matched)
        if n1 < 30 or n0 < 30:
            continue
        figures = mantel_haenszel(matched)
        if figures["expected"] >= 5 and figures["variance"]:
            sums = {"with_count": n1, "without_count": n0, "with_converted_count": sum(s.a for s in matched)}
            found[factor] = figures | sums
    for site in {factor[0] for factor in found}:
        keys = [factor for factor in found if factor[0] == site]
        for key, q in zip(keys, yekutieli([two_sided(found[key]["score"]) for key in keys]), strict=True):
            found[key]["q_value"] = q
    return found
