"""Computes funnels in plain Python, written from their definition (docs/definitions.md), not from the SQL.

The input is the events of the session oracle (sessions.py). What stops an attempt is in funnel_stops.py.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from session_pipeline_tests.oracles.sessions import Event, Rules, day_end, local_date, summarize

VISITOR_WINDOW_WITHOUT_SETTING = timedelta(days=7)
FAR_AWAY = date(2100, 1, 1)
NO_TIME = timedelta(0)
ANY_EVENT = "*"

End = tuple[Any, ...] | None  # where all attempts end: a time, and what orders events of this time


@dataclass(frozen=True)
class Exclusion:
    """Excludes an attempt if one of the events happens between two steps (numbered from 1)."""

    event_names: frozenset[str]
    after_step: int
    before_step: int


@dataclass(frozen=True)
class Limits:
    """The shortest and the longest time from the required step before."""

    shortest: timedelta = NO_TIME
    longest: timedelta | None = None


@dataclass(frozen=True)
class Funnel:
    """A funnel. A step is a set of event names, or {"*"} for any event. A window includes its last instant.

    `optional` has the numbers of optional steps, `limits` the limits of steps by number.
    """

    steps: tuple[frozenset[str], ...]
    grain: Literal["session", "visitor", "attempt"] = "session"
    window: timedelta | None = None
    exclusions: tuple[Exclusion, ...] = ()
    mode: Literal["ordered", "strict", "unordered"] = "ordered"
    ties: Literal["advance", "later"] = "advance"
    one_event_per_step: bool = True
    repeats: Literal["ignore", "stop", "restart"] = "ignore"
    allow_reentry: bool = False
    allow_early_steps: bool = False
    allow_other_events: bool = False
    stop_ends: Literal["attempt", "all"] = "attempt"
    entry: Literal["first", "any"] = "first"
    shortest: timedelta = NO_TIME
    optional: frozenset[int] = frozenset()
    limits: dict[int, Limits] = field(default_factory=dict, hash=False)

    def meets(self, event: Event, step: int) -> bool:
        """Whether an event meets a step; step 0 is met by an event that meets no other step."""
        if step == 0:
            return not any(self.meets(event, number) for number in self.numbers)
        return bool(self.steps[step - 1] & {event.line.event_name, ANY_EVENT})

    @property
    def numbers(self) -> range:
        return range(1, len(self.steps) + 1)

    @property
    def required(self) -> list[int]:
        return [number for number in self.numbers if number not in self.optional]


@dataclass(frozen=True)
class Attempt:
    """An attempt at a funnel: the events that took its steps, the entry first, and the numbers of these steps.

    `is_window_closed`: no day that is built later can change or replace the attempt.
    """

    taken: tuple[Event, ...]
    steps: tuple[int, ...]
    is_converted: bool
    excluded_by: int | None = None
    is_window_closed: bool = False
    number: int = 1
    count: int = 1

    @property
    def entry(self) -> Event:
        return self.taken[0]

    @property
    def step_reached(self) -> int:
        return self.steps[-1]

    @property
    def is_excluded(self) -> bool:
        return self.excluded_by is not None

    @property
    def order(self) -> tuple[object, ...]:
        return (*self.entry.order, self.entry.event_number, self.steps[0])


def attempts(events: Sequence[Event], funnel: Funnel, rules: Rules, until: date = FAR_AWAY) -> list[Attempt]:
    """Return the attempts that count: the deciding one of each session, or of each visitor and local date of entry.

    The deepest decides, then a clean one before an excluded one, then the earliest. With grain attempt, all count.

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
        entry_date = event.session_date
        if funnel.grain != "session":
            entry_date = local_date(event.event_time, rules.timezone)
        entries[room, entry_date] += [(event, step) for step in entry_steps(event, funnel)]

    complete = {session.session_id for session in summarize(events, rules, until) if session.is_complete}
    known_until = day_end(until, rules.timezone)
    decided = []
    for (room, _), unit in entries.items():
        tried = sorted(tried_attempts(unit, reachable[room], funnel), key=lambda one: one.order)
        tried = [replace(one, number=number) for number, one in enumerate(tried, start=1)]
        if not tried:
            continue
        groups = [[one] for one in tried] if funnel.grain == "attempt" else [tried]
        for group in groups:
            deciding = min(group, key=lambda one: (-one.step_reached, one.is_excluded, one.order))
            # A later clean attempt replaces an excluded one, even an excluded conversion.
            is_final = deciding.is_converted and not deciding.is_excluded
            open_attempts = can_replace(deciding, group) if is_final else group
            nothing_to_come = all(event.session_id in complete for event in deciding.taken) and (
                funnel.grain == "session" or all(latest(one.entry, funnel) < known_until for one in open_attempts)
            )
            counted = [one for one in group if not is_final or one.entry.event_time <= deciding.taken[-1].event_time]
            decided.append(replace(deciding, is_window_closed=nothing_to_come, count=len(counted)))
    return decided


def can_replace(conversion: Attempt, tried: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts before a conversion, if one of them can convert later; those of the same step cannot."""
    before = [one for one in tried if one.order < conversion.order and not one.is_excluded]
    return before if any(one.steps[0] < conversion.steps[0] for one in before) else []


def entry_steps(event: Event, funnel: Funnel) -> list[int]:
    """Return the steps at which an event enters a funnel."""
    if funnel.mode == "unordered":
        return [0] if any(funnel.meets(event, number) for number in funnel.numbers) else []
    possible = funnel.required if funnel.entry == "any" else [1]
    return [number for number in possible if funnel.meets(event, number)]


def tried_attempts(entries: Sequence[tuple[Event, int]], reachable: Sequence[Event], funnel: Funnel) -> list[Attempt]:
    """Return all attempts of a session, or of a visitor and date."""
    from session_pipeline_tests.oracles.funnel_stops import end_of_all, until

    if funnel.mode == "unordered":
        return [unordered_attempt(entry, reachable, funnel) for entry, _ in entries]
    paths = [path(entry, step, reachable, funnel) for entry, step in entries]
    end = end_of_all(paths, reachable, funnel) if funnel.stop_ends == "all" else None
    if end is not None:
        paths = until(end, paths, funnel)
    return [finished(found, reachable, funnel, end) for found in paths]


def latest(entry: Event, funnel: Funnel) -> datetime:
    """Return the last instant that an attempt can use."""
    if funnel.window is not None:
        return entry.event_time + funnel.window
    if funnel.grain != "session":
        return entry.event_time + VISITOR_WINDOW_WITHOUT_SETTING
    return datetime.max


def in_time(entry: Event, reachable: Sequence[Event], funnel: Funnel) -> list[Event]:
    return [event for event in reachable if event.event_time <= latest(entry, funnel)]


def path(entry: Event, step: int, reachable: Sequence[Event], funnel: Funnel) -> dict[int, Event]:
    """Take as many required steps as possible, each with the first event that can take it. By step number.

    Args:
        entry: The event of the first of the steps.
        step: The number of this step.
        reachable: Events of the same session or visitor, in order.
        funnel: The funnel.
    """
    from session_pipeline_tests.oracles.funnel_stops import is_stopped_before

    taken = {step: entry}
    at = step
    for number in funnel.required:
        if number <= step:
            continue
        event = next(following(number, taken, at, reachable, funnel), None)
        if event is None or event.event_time > latest(entry, funnel):
            break
        longest = funnel.limits.get(number, Limits()).longest
        if longest is not None and event.event_time > taken[at].event_time + longest:
            break
        if is_stopped_before(event, number, taken[at], at, reachable, funnel):
            break
        taken[number] = event
        at = number
    return taken


def following(
    number: int, taken: dict[int, Event], at: int, reachable: Sequence[Event], funnel: Funnel
) -> Iterator[Event]:
    """Yield the events that can take a step after the step `at`, in order, whatever stops the attempt."""
    before = taken[at].event_time
    shortest = funnel.limits.get(number, Limits()).shortest
    earliest = before + shortest
    if number == len(funnel.steps):
        earliest = max(earliest, min(taken.values(), key=lambda event: event.order).event_time + funnel.shortest)
    for event in reachable:
        is_used = funnel.one_event_per_step and event in taken.values()
        is_late_enough = event.event_time > before if funnel.ties == "later" else event.event_time >= before
        if funnel.meets(event, number) and event.event_time >= earliest and is_late_enough and not is_used:
            yield event


def finished(required: dict[int, Event], reachable: Sequence[Event], funnel: Funnel, end: End) -> Attempt:
    """Return an attempt with the optional steps between its required steps, and with the exclusion that applies.

    Args:
        required: The required steps that it takes.
        reachable: Events of the same session or visitor, in order.
        funnel: The funnel.
        end: Where all attempts end; None if each ends on its own.
    """
    taken = with_optional_steps(required, reachable, funnel, end)
    steps = tuple(sorted(taken))
    return Attempt(
        taken=tuple(taken[step] for step in steps),
        steps=steps,
        is_converted=steps[-1] == len(funnel.steps),
        excluded_by=excluded_by(taken, before_its_end(required, reachable, funnel, end), funnel),
    )


def before_its_end(required: dict[int, Event], reachable: Sequence[Event], funnel: Funnel, end: End) -> list[Event]:
    """Return the events until an attempt ends: by what stops it, by the end of all attempts, or by a limit of time."""
    from session_pipeline_tests.oracles.funnel_stops import stopping_events

    at = max(required)
    reached = required[at].event_time
    within = in_time(required[min(required)], reachable, funnel)
    if at == len(funnel.steps):
        return within
    next_step = min(number for number in funnel.required if number > at)
    longest = funnel.limits.get(next_step, Limits()).longest
    stops = [event.event_time for event, _ in stopping_events(required[at], at, reachable, funnel)]
    stopped = min(stops if end is None else [*stops, end[0]], default=None)
    return [
        event
        for event in within
        if (longest is None or event.event_time <= reached + longest)
        and (stopped is None or event.event_time < stopped)
    ]


def with_optional_steps(
    required: dict[int, Event], reachable: Sequence[Event], funnel: Funnel, end: End
) -> dict[int, Event]:
    """Add the optional steps, each with the first event that meets it between the required steps around it."""
    from session_pipeline_tests.oracles.funnel_stops import is_stopped_before, position

    taken = dict(required)
    first = min(required)
    for number in sorted(funnel.optional):
        before = max(step for step in funnel.required if step < number)
        after = min(step for step in funnel.required if step > number)
        bound = required.get(after)
        longest_to_next = funnel.limits.get(after, Limits()).longest
        longest = funnel.limits.get(number, Limits()).longest
        if before not in required:
            continue
        found = next(following(number, taken, before, reachable, funnel), None)
        if found is None or found.event_time > latest(taken[first], funnel):
            continue
        if longest is not None and found.event_time > taken[before].event_time + longest:
            continue
        if bound is None:
            is_after_its_time = (
                longest_to_next is not None and found.event_time > taken[before].event_time + longest_to_next
            )
            is_stopped = is_stopped_before(found, number, required[before], before, reachable, funnel)
            is_after_the_end = end is not None and position(found, number, funnel) >= end
            is_too_late = is_after_its_time or is_stopped or is_after_the_end
        elif funnel.ties == "later":
            is_too_late = found.event_time >= bound.event_time
        else:
            is_too_late = found.event_time > bound.event_time
        if not is_too_late:
            taken[number] = found
    return taken


def unordered_attempt(entry: Event, reachable: Sequence[Event], funnel: Funnel) -> Attempt:
    """Take as many steps as possible, each number of steps as early as possible.

    With one event per step, an event counts if each of the events that count can take a step of its own.
    """
    within = [event for event in in_time(entry, reachable, funnel) if event.order >= entry.order]
    found: list[Event] = []
    if funnel.one_event_per_step:
        for event in within:
            if can_take_steps([*found, event], set(funnel.numbers), funnel):
                found.append(event)
    else:
        first = (next((event for event in within if funnel.meets(event, number)), None) for number in funnel.numbers)
        found = sorted((event for event in first if event is not None), key=within.index)
    taken = dict(enumerate(found, start=1))
    exclusion = excluded_by(taken, within, funnel)
    if exclusion is not None:
        taken = {1: taken[1]}
    steps = tuple(taken)
    return Attempt(tuple(taken.values()), steps, len(found) == len(funnel.steps) == len(steps), exclusion)


def can_take_steps(events: Sequence[Event], free: set[int], funnel: Funnel) -> bool:
    """Return whether each of the events can take one of the free steps, no two of them the same."""
    if not events:
        return True
    return any(
        funnel.meets(events[0], number) and can_take_steps(events[1:], free - {number}, funnel) for number in free
    )


def excluded_by(taken: dict[int, Event], within: Sequence[Event], funnel: Funnel) -> int | None:
    """Return the number of the exclusion that applies first; of several at the same time, the first in the settings."""
    applied = []
    for number, exclusion in enumerate(funnel.exclusions, start=1):
        if exclusion.after_step not in taken:
            continue
        after = taken[exclusion.after_step].event_time
        end = taken[exclusion.before_step].event_time if exclusion.before_step in taken else datetime.max
        applied += [
            (event.event_time, number)
            for event in within
            if event.line.event_name in exclusion.event_names and after < event.event_time < end
        ]
    return min(applied)[1] if applied else None
