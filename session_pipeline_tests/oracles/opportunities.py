"""Counts moments in plain Python, from the meanings in docs/definitions.md.

Works one session at a time. test_moments.py compares the daily counts of the pipeline with it; opportunity_rows.py
makes the final rows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import inf
from typing import Any

OF_A_VISIT = {"rage_click", "repeated_submit", "error", "error_loop"}
WAYS = {"u_turn", "back_track", "repeated_search", "repeat"}

OTHER_CONVERSIONS = {"contact", "lead"}  # of the packaged settings, beside purchase

Moment = tuple[str, str, int, int, str]  # site, action, position, stage, device


@dataclass(frozen=True)
class Session:
    """A session. Actions are (action_number, event_number, action), in order; signals are (action, signal, number).

    conversions are the numbers of the events that are its outcome's conversion, and values those of these events;
    `as_a_whole` says that it converted without such an event. steps are (event_number, funnel, step_number).
    other_matches are (event_number, rule, value) of events that meet other rules of outcomes.
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
    other_matches: Sequence[tuple[int, str, Decimal | None]] = ()

    @property
    def is_converted(self) -> bool:
        return bool(self.conversions) or self.as_a_whole

    @property
    def open_actions(self) -> list[tuple[int, int, str]]:
        other_conversions = (at for at, rule, _ in self.other_matches if rule in OTHER_CONVERSIONS)
        end = min((*self.conversions, *other_conversions), default=inf)
        return [each for each in self.actions if each[1] < end]

    @property
    def value(self) -> Decimal | None:
        known = [value for value in self.values if value is not None]
        return sum(known, Decimal()) if known else None

    def stage(self, event_number: int) -> int:
        deepest: dict[str, int] = {}
        for at, funnel, step in self.steps:
            if at < event_number and step > 0:
                deepest[funnel] = max(step, deepest.get(funnel, 0))
        return sum(deepest.values())

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
        if not signal and session.value is not None:
            row[4] = (row[4] or 0) + session.value

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
