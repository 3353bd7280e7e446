"""Computes ordered funnels in plain Python, written from their definition (DESIGN 4), not from the SQL.

The input is the events of the session oracle (sessions.py).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from session_pipeline_tests.oracles.sessions import Event, Rules, day_end, local_date, summarize

VISITOR_WINDOW_WITHOUT_SETTING = timedelta(days=7)
FAR_AWAY = date(2100, 1, 1)


@dataclass(frozen=True)
class Exclusion:
    """Excludes an attempt if one of the events happens between two steps (numbered from 1)."""

    event_names: frozenset[str]
    after_step: int
    before_step: int


@dataclass(frozen=True)
class Funnel:
    """An ordered funnel. A step is a set of event names. The window includes its last instant."""

    steps: tuple[frozenset[str], ...]
    grain: Literal["session", "visitor"] = "session"
    window: timedelta | None = None
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """An attempt at a funnel: the events that took its steps, the entry first.

    `is_window_closed`: no day that is built later can change or replace the attempt.
    """

    taken: tuple[Event, ...]
    is_converted: bool
    is_excluded: bool
    is_window_closed: bool = False

    @property
    def entry(self) -> Event:
        return self.taken[0]

    @property
    def step_reached(self) -> int:
        return len(self.taken)


def attempts(events: Sequence[Event], funnel: Funnel, rules: Rules, until: date = FAR_AWAY) -> list[Attempt]:
    """Return the deciding attempt of each session, or of each visitor and local date of entry.

    Each event of the first step starts one attempt. The deepest decides, then a clean one before an excluded one,
    then the earliest.

    Args:
        events: The events that `sessionize` returns.
        funnel: The funnel.
        rules: The settings of the sessions.
        until: The last day that is built.
    """
    reachable = defaultdict(list)
    entries = defaultdict(list)
    for event in sorted(events, key=lambda event: event.order):
        room = event.session_id if funnel.grain == "session" else event.line.visitor
        reachable[room].append(event)
        if event.line.event_name in funnel.steps[0]:
            entry_date = event.session_date
            if funnel.grain == "visitor":
                entry_date = local_date(event.event_time, rules.timezone)
            entries[room, entry_date].append(event)

    complete = {session.session_id for session in summarize(events, rules, until) if session.is_complete}
    known_until = day_end(until, rules.timezone)
    decided = []
    for (room, _), unit in entries.items():
        tried = [attempt(entry, reachable[room], funnel) for entry in unit]
        deciding = min(tried, key=lambda one: (-one.step_reached, one.is_excluded, one.entry.order))
        nothing_to_come = (
            room in complete
            if funnel.grain == "session"
            else all(latest(entry, funnel) < known_until for entry in unit)
        )
        # A later clean attempt replaces an excluded one, even an excluded conversion.
        is_final = deciding.is_converted and not deciding.is_excluded
        is_closed = is_final or nothing_to_come
        decided.append(replace(deciding, is_window_closed=is_closed))
    return decided


def latest(entry: Event, funnel: Funnel) -> datetime:
    """Return the last instant that an attempt can use."""
    if funnel.window is not None:
        return entry.event_time + funnel.window
    if funnel.grain == "visitor":
        return entry.event_time + VISITOR_WINDOW_WITHOUT_SETTING
    return datetime.max


def attempt(entry: Event, reachable: Sequence[Event], funnel: Funnel) -> Attempt:
    """Take as many steps as possible from an entry, each with the first event that can take it.

    Args:
        entry: An event of the first step.
        reachable: Events of the same session or visitor, in order.
        funnel: The funnel.
    """
    within = [event for event in reachable if event.event_time <= latest(entry, funnel)]
    taken = [entry]
    for step in funnel.steps[1:]:
        following = (
            event
            for event in within
            if event.line.event_name in step and event.event_time >= taken[-1].event_time and event not in taken
        )
        event = next(following, None)
        if event is None:
            break
        taken.append(event)
    return Attempt(
        taken=tuple(taken),
        is_converted=len(taken) == len(funnel.steps),
        is_excluded=any(excludes(exclusion, taken, within) for exclusion in funnel.exclusions),
    )


def excludes(exclusion: Exclusion, taken: Sequence[Event], within: Sequence[Event]) -> bool:
    """Return whether an exclusion event is strictly between its steps. The second step need not be reached."""
    if len(taken) < exclusion.after_step:
        return False
    after = taken[exclusion.after_step - 1].event_time
    before = taken[exclusion.before_step - 1].event_time if len(taken) >= exclusion.before_step else datetime.max
    return any(event.line.event_name in exclusion.event_names and after < event.event_time < before for event in within)
