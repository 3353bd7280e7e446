"""Computes the rows of opportunities and next_best_actions in plain Python, from sessions and docs/definitions.md.

For each signal or action seen before, goes through all sessions and puts them on one side or the other; no daily
counts of the pipeline are used. opportunities.py defines sessions and moments, and strata.py compares matched ones.
test_opportunity_rows.py compares the rows with those of the pipeline.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from session_pipeline_tests.oracles.opportunities import (
    OF_A_VISIT,
    WAYS,
    Moment,
    Session,
    first_in_buckets,
    milestones_of,
    most_visited,
)
from session_pipeline_tests.oracles.strata import Stratum, mantel_haenszel, two_sided, yekutieli

WINDOWS = (28, 84)
LEAST_SESSIONS = 30
LEAST_EXPECTED = 5
LARGEST_Q = 0.05
LEAST_SCORE = 2.5
MOST_ROWS = 20
MOST_EXAMPLES = 3

PHRASES = {
    "rage_click": "clicked again and again at",
    "u_turn": "went back at once from",
    "back_track": "went back from",
    "repeated_search": "searched again for something else at",
    "repeated_submit": "sent the same thing twice at",
    "error": "had an error at",
    "error_loop": "had several errors at",
    "repeat": "repeated an action at",
}

Factor = tuple[str, str, str]  # site, action, and the signal at it or the action seen before it
Row = dict[str, Any]


Strata = dict[date, dict[Moment, Stratum]]


@dataclass
class Comparison:
    """A factor on a day and in a window: sums over the moments with both sides, and figures that are not rounded."""

    factor: Factor
    strata: Sequence[Stratum]
    examples: Sequence[str]
    figures: Mapping[str, float]
    q_value: float = 1.0
    n1: int = field(init=False)

    def __post_init__(self) -> None:
        self.n1 = sum(each.n1 for each in self.strata)

    def can_be_chance(self) -> bool:
        return self.q_value > LARGEST_Q or abs(self.figures["score"]) < LEAST_SCORE

    def lost(self, name: str) -> float:
        return -self.figures[name] * self.n1

    def lost_value(self) -> float | None:
        values = [each.value for each in self.strata if each.value is not None]
        return self.lost("difference") * float(sum(values)) / max(self._converted(), 1) if values else None

    def _converted(self) -> int:
        return sum(each.converted for each in self.strata)

    def common(self, day: date, window: int, rank: int, is_significant: bool) -> Row:
        sums = {name: sum(getattr(each, name) for each in self.strata) for name in ("n1", "a", "n0", "c")}
        return {
            **sums, **self.figures, "session_date": day, "site": self.factor[0], "window_days": window, "rank": rank,
            "q_value": self.q_value, "is_significant": is_significant,
            "segment": "(all)", "session_count": sums["n1"] + sums["n0"],
            "example_session_ids": " ".join(self.examples) or None,
        }  # fmt: skip


def opportunity_rows(sessions: Sequence[Session], days: Iterable[date], most: int) -> list[Row]:
    """Return the rows of opportunities of some days; numbers are not rounded.

    Args:
        sessions: All sessions.
        days: The days.
        most: The number of actions of a day that are counted.
    """
    counted = most_visited(sessions, most)
    people = [each for each in sessions if not each.is_bot]
    arrivals = {
        each.session_id: [(number, each.moment(number), each.value) for number in first_in_buckets(each)]
        for each in people
    }

    def strata_of(factor: Factor) -> Strata:
        site, action, signal = factor
        found: Strata = defaultdict(lambda: defaultdict(Stratum))
        for session in people:
            kept = counted[session.day, site] if session.site == site else []
            if action not in kept:
                continue
            moments = found[session.day]
            since, moment = _occurrence(session, action, signal)
            if moment and moment[1] in kept:
                moments[moment].add_with(session, is_example=not session.is_converted)
            for number, at, value in arrivals[session.session_id]:
                if at[1] not in kept:
                    continue
                stratum = moments[at]
                stratum.converted += session.is_converted
                if value is not None:
                    stratum.value = value + (stratum.value or 0)
                if since is None or number < since:
                    stratum.add_without(session)
        for moments in found.values():
            for stratum in moments.values():
                stratum.value = None if stratum.value is None else round(stratum.value, 2)
        return found

    factors = Counter(
        (session.site, action, signal)
        for session in people
        for action, signal, _ in session.signals
        if signal in OF_A_VISIT | WAYS
    )

    def rank(found: Comparison) -> tuple[Any, ...]:
        return -(found.lost_value() or 0), -found.lost("difference")

    rows = []
    for day, window, place, found, is_significant in _compared(factors, strata_of, days, -1, rank):
        common = found.common(day, window, place, is_significant)
        lost, low, high = (found.lost(name) for name in ("difference", "difference_high", "difference_low"))
        _, action, signal = found.factor
        rows.append(
            {
                **_named(common, "with", "without", "with", "without"),
                "action": action,
                "signal": signal,
                "associated_lost_conversions": lost,
                "low": low,
                "high": high,
                "associated_lost_value": found.lost_value(),
                "sentence": f"Sessions that {PHRASES[signal]} {'' if action.startswith('/') else 'the event '}{action}"
                f" ({found.n1:,}) {_rates(found)} without it. "
                + lost_sentence(lost, low, high)
                + " This can be chance." * found.can_be_chance(),
            }
        )
    return rows


def next_best_action_rows(sessions: Sequence[Session], days: Iterable[date], most: int) -> list[Row]:
    """Return the rows of next_best_actions of some days; numbers are not rounded.

    Args:
        sessions: All sessions.
        days: The days.
        most: The number of actions of a day that are counted.
    """
    counted, milestones = most_visited(sessions, most), milestones_of(sessions)
    people = [each for each in sessions if not each.is_bot]
    firsts: dict[str, dict[str, int]] = defaultdict(dict)
    by_action: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in people:
        for number, _, action in session.open_actions:
            firsts[session.session_id].setdefault(action, number)
        for action in firsts[session.session_id]:
            by_action[session.site, action].append(session)

    def strata_of(factor: Factor) -> Strata:
        site, action, seen = factor
        found: Strata = defaultdict(lambda: defaultdict(Stratum))
        for session in by_action[site, action]:
            kept, first = counted[session.day, site], firsts[session.session_id]
            if seen not in kept or action not in kept:
                continue
            stratum = found[session.day][session.moment(first[action])]
            if first.get(seen, first[action]) < first[action]:
                stratum.add_with(session, is_example=session.is_converted)
            else:
                stratum.add_without(session)
        return found

    def is_possible(factor: Factor, window: Sequence[date]) -> bool:
        site, _, seen = factor
        return not any((on, site, seen) in milestones and seen in counted.get((on, site), []) for on in window)

    factors = Counter(
        (session.site, action, seen)
        for session in people
        for action, number in firsts[session.session_id].items()
        for seen, before in firsts[session.session_id].items()
        if before < number
    )
    rows = []
    for day, window, place, found, is_significant in _compared(
        factors, strata_of, days, 1, lambda each: (-each.figures["score"],), is_possible
    ):
        common = _named(found.common(day, window, place, is_significant), "seen", "unseen", "seen", "unseen")
        action, seen = found.factor[1:]
        did = f"looked at {seen}" if seen.startswith("/") else f"had the event {seen}"
        rows.append(
            {
                **common,
                "at_action": action,
                "seen_action": seen,
                **_lift(
                    common["rate_seen"], common["rate_unseen"], common["difference_low"], common["difference_high"]
                ),
                "sentence": f"Sessions that also {did} before {'' if action.startswith('/') else 'the event '}{action} "
                f"({found.n1:,}) {_rates(found)} that had not."
                + " They may have meant to convert anyway." * ("more often" in _rates(found))
                + " This can be chance." * found.can_be_chance(),
            }
        )
    return rows


def _lift(seen: float, unseen: float, low: float, high: float) -> dict[str, float | None]:
    """Return the lift and its interval: that of the difference, as if the rate of the others was known exactly."""
    if not unseen:
        return dict.fromkeys(("lift", "low", "high"))
    return {"lift": seen / unseen, "low": max(unseen + low, 0) / unseen, "high": min(unseen + high, 1) / unseen}


def _occurrence(session: Session, action: str, signal: str) -> tuple[int | None, Moment | None]:
    """Return the action number from which a session has a signal, and the moment to which the signal belongs."""
    for at_action, name, complete_at in session.signals:
        if (at_action, name) != (action, signal):
            continue
        numbers = {number: label for number, _, label in session.open_actions}
        if complete_at not in numbers:
            continue
        if signal in WAYS:
            return complete_at, session.moment(complete_at)
        opened = [number for number, label in numbers.items() if label == action and number <= complete_at]
        return (max(opened), session.moment(max(opened))) if opened else (complete_at, None)
    return None, None


def _compared(
    factors: Mapping[Factor, int],
    strata_of: Callable[[Factor], Strata],
    days: Iterable[date],
    sign: int,
    rank: Callable[[Comparison], tuple[Any, ...]],
    is_possible: Callable[[Factor, Sequence[date]], bool] = lambda *_: True,
) -> list[tuple[date, int, int, Comparison, bool]]:
    """Return the day, window, rank and significance of the comparisons that are kept, and the comparisons."""
    strata = {factor: strata_of(factor) for factor, most in sorted(factors.items()) if most >= LEAST_SESSIONS}
    rows = []
    for day in days:
        for window in WINDOWS:
            known = [day - timedelta(days=number) for number in range(window)]
            groups: dict[str, list[Comparison]] = defaultdict(list)
            for factor, by_day in strata.items():
                found = _comparison(factor, [(on, by_day[on]) for on in known if on in by_day])
                if found and is_possible(factor, known):
                    groups[factor[0]].append(found)
            for group in groups.values():
                q_values = yekutieli([two_sided(each.figures["score"]) for each in group])
                for each, q_value in zip(group, q_values, strict=True):
                    each.q_value = q_value

                def is_significant(each: Comparison) -> bool:
                    return not each.can_be_chance() and sign * each.figures["score"] > 0

                ordered = sorted(group, key=lambda each: (not is_significant(each), *rank(each), each.factor))
                for place, each in enumerate(ordered[:MOST_ROWS], start=1):
                    rows.append((day, window, place, each, is_significant(each)))
    return rows


def _comparison(factor: Factor, days: Sequence[tuple[date, Mapping[Moment, Stratum]]]) -> Comparison | None:
    """Return the comparison of the days, the latest first; None without enough sessions."""
    sums: dict[Moment, Stratum] = defaultdict(Stratum)
    examples: list[str] = []
    for _, moments in days:
        examples += sorted(each.example for each in moments.values() if each.example)
        for moment, each in moments.items():
            total = sums[moment]
            for name in ("n1", "a", "n0", "c", "converted"):
                setattr(total, name, getattr(total, name) + getattr(each, name))
            if each.value is not None:
                total.value = each.value + (total.value or 0)
    matched = [each for each in sums.values() if each.n1 and each.n0]
    if min(sum(each.n1 for each in matched), sum(each.n0 for each in matched)) < LEAST_SESSIONS:
        return None
    figures = mantel_haenszel(matched)
    if figures["expected"] < LEAST_EXPECTED or not figures["variance"]:
        return None
    return Comparison(factor, matched, examples[:MOST_EXAMPLES], figures)


# Words


def lost_sentence(lost: float, low: float, high: float) -> str:
    """Return the sentence about conversions: whole numbers, in the direction of the first one."""
    numbers = [round(lost), round(low), round(high)]
    if numbers[0] < 0:
        numbers = [-numbers[0], -numbers[2], -numbers[1]]
    first, second = ("fewer", "more") if round(lost) >= 0 else ("more", "fewer")
    count, least, most = numbers
    both = f" {first}" if not count and most else ""
    between = f"{least:,} to {most:,}{both}" if least >= 0 else f"{abs(least):,} {second} to {most:,} {first}"
    what = f"about {count:,} {first} conversions" if count else "about as many conversions as without it"
    return f"This goes with {what.replace('conversions', 'conversion') if count == 1 else what} ({between})."


def percent(rate: float) -> str:
    """Return a rate as a percentage, with one decimal below 10 unless it is a whole number."""
    with_decimal = f"{100 * rate:.1f}"
    if rate == 0:
        return "0 %"
    if float(with_decimal) >= 10:
        return f"{100 * rate:.0f} %"
    return f"{with_decimal if with_decimal == '0.0' else with_decimal.removesuffix('.0')} %"


def _rates(found: Comparison) -> str:
    with_it, without_it = percent(found.figures["rate_with"]), percent(found.figures["rate_without"])
    if with_it == without_it:
        return f"converted about as often afterwards: {with_it}, and {without_it} of comparable ones"
    often = "more often" if found.figures["rate_with"] > found.figures["rate_without"] else "less often"
    return f"converted {often} afterwards: {with_it}, and {without_it} of comparable ones"


def _named(common: Row, with_count: str, without_count: str, rate_with: str, rate_without: str) -> Row:
    """Return the common columns of a row with the names of its table."""
    names = {
        "n1": f"{with_count}_count",
        "a": f"{with_count}_converted_count",
        "n0": f"{without_count}_count",
        "c": f"{without_count}_converted_count",
        "rate_with": f"rate_{rate_with}",
        "rate_without": f"rate_{rate_without}",
    }
    return {names.get(name, name): value for name, value in common.items() if name not in ("expected", "variance")}
