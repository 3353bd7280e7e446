"""Ordered funnels in plain Python, written from their meaning (DESIGN 4) and from no SQL.

Knows steps, windows and exclusions on the events that the oracle of sessions placed. Does not know
the pipeline.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from session_pipeline_tests.oracle import Event, local_date

VISITOR_WINDOW_WITHOUT_SETTING = timedelta(days=7)


@dataclass(frozen=True)
class Exclusion:
    """Takes an attempt out when one of the events happens between two steps (numbered from 1)."""

    event_names: frozenset[str]
    after_step: int
    before_step: int


@dataclass(frozen=True)
class Funnel:
    """An ordered funnel; a step is a set of event names. The window holds its last instant too."""

    steps: tuple[frozenset[str], ...]
    grain: Literal["session", "visitor"] = "session"
    window: timedelta | None = None
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """An attempt at a funnel: the events that took its steps, the entry first."""

    taken: tuple[Event, ...]
    is_excluded: bool

    @property
    def entry(self) -> Event:
        return self.taken[0]

    @property
    def step_reached(self) -> int:
        return len(self.taken)


def attempts(events: Iterable[Event], funnel: Funnel, timezone: str) -> list[Attempt]:
    """The deciding attempt of each session, or of each visitor and local date of entry."""
    events = sorted(events, key=lambda event: event.order)
    reachable = defaultdict(list)
    entries = defaultdict(list)
    for event in events:
        room = event.session_id if funnel.grain == "session" else event.line.visitor
        reachable[room].append(event)
        if event.line.event_name in funnel.steps[0]:
            entry_date = (
                event.session_date
                if funnel.grain == "session"
                else local_date(event.event_time, timezone)
            )
            entries[room, entry_date].append(event)
    return [
        max(
            (attempt(entry, reachable[room], funnel) for entry in unit),
            key=lambda tried: tried.step_reached,
        )
        for (room, _), unit in entries.items()
    ]


def attempt(entry: Event, reachable: list[Event], funnel: Funnel) -> Attempt:
    """Go as far as possible from an entry, each step by the first event that can take it.

    Args:
        entry: An event of the first step.
        reachable: Events of the same session or visitor, in order.
        funnel: The funnel.
    """
    window = funnel.window
    if window is None and funnel.grain == "visitor":
        window = VISITOR_WINDOW_WITHOUT_SETTING
    latest = datetime.max if window is None else entry.event_time + window
    within = [event for event in reachable if event.event_time <= latest]
    taken = [entry]
    for step in funnel.steps[1:]:
        following = (
            event
            for event in within
            if event.line.event_name in step
            and event.event_time >= taken[-1].event_time
            and event not in taken
        )
        event = next(following, None)
        if event is None:
            break
        taken.append(event)
    is_excluded = any(excludes(exclusion, taken, within) for exclusion in funnel.exclusions)
    return Attempt(tuple(taken), is_excluded)


def excludes(exclusion: Exclusion, taken: list[Event], within: list[Event]) -> bool:
    """Whether an exclusion event lies strictly between its steps, the second reached or not."""
    if len(taken) < exclusion.after_step:
        return False
    after = taken[exclusion.after_step - 1].event_time
    before = (
        taken[exclusion.before_step - 1].event_time
        if len(taken) >= exclusion.before_step
        else datetime.max
    )
    return any(
        event.line.event_name in exclusion.event_names and after < event.event_time < before
        for event in within
    )
