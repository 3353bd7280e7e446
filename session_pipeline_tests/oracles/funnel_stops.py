"""Computes what stops an attempt at a funnel, in plain Python, from the definition of the options.

An attempt that is at a step can be stopped by an event between this step and the next one: in mode strict and with
repeats = "stop" or "restart".
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from session_pipeline_tests.oracles.funnels import End, Funnel
from session_pipeline_tests.oracles.sessions import Event

# The place of an event as an event of a step: at equal times, steps come in the order of the funnel. With one event per
# step only the time counts, because an event does not stop an attempt before another event of its time.
Place = tuple[datetime, int, int, str]


def place(event: Event, step: int) -> Place:
    return (event.order[0], step, *event.order[1:])


def stops_at(funnel: Funnel, at: int, met: int) -> bool:
    """Return whether an event of the step `met`, which is not next, stops an attempt at a step."""
    if funnel.mode == "ordered":
        return {"ignore": False, "stop": 2 <= met <= at, "restart": met == 1}[funnel.repeats]
    if met == 0:
        return not funnel.allow_other_events
    if met > at:
        return not funnel.allow_early_steps
    if met == 1 and funnel.allow_reentry:
        return False
    if met == 1 and at > 1:
        return True
    return funnel.repeats == "stop" and not (met == 1 and funnel.stop_ends == "all")


def next_steps(funnel: Funnel, at: int) -> set[int]:
    """Return the next required step and the optional steps before it."""
    following = [number for number in funnel.required if number > at]
    return set(range(at + 1, (following[0] if following else len(funnel.steps)) + 1))


def stopping_events(reached: Event, at: int, reachable: Sequence[Event], funnel: Funnel) -> Iterator[tuple[Event, int]]:
    """Yield the events after a reached step that stop the attempt, with the step that they meet; 0 for none."""
    if funnel.mode == "unordered" or (funnel.mode == "ordered" and funnel.repeats == "ignore"):
        return
    for event in reachable:
        met = [number for number in funnel.numbers if funnel.meets(event, number)]
        if funnel.one_event_per_step:
            if not met and stops_at(funnel, at, 0) and event.event_time > reached.event_time:
                yield event, 0
            stopping = [number for number in met if stops_at(funnel, at, number)]
            can_be_next = next_steps(funnel, at) & set(met)
            may_occur = funnel.mode == "strict" and funnel.repeats == "ignore" and set(met) - set(stopping)
            if stopping and not can_be_next and not may_occur and event.event_time > reached.event_time:
                yield event, min(stopping)
        else:
            pairs = met or ([0] if funnel.mode == "strict" else [])
            for number in pairs:
                is_later = place(event, number) > place(reached, at)
                if is_later and number not in next_steps(funnel, at) and stops_at(funnel, at, number):
                    yield event, number


def is_stopped_before(
    event: Event, number: int, reached: Event, at: int, reachable: Sequence[Event], funnel: Funnel
) -> bool:
    """Return whether the attempt is stopped between a reached step and the event that would take the next one."""
    return any(
        stopping.event_time < event.event_time
        if funnel.one_event_per_step
        else place(stopping, met) < place(event, number)
        for stopping, met in stopping_events(reached, at, reachable, funnel)
    )


def position(event: Event, step: int, funnel: Funnel) -> tuple[object, ...]:
    """Return the position of an event as an event of a step, to be compared with the end of all attempts."""
    return (event.event_time,) if funnel.one_event_per_step else place(event, step)


def end_of_all(paths: Sequence[dict[int, Event]], reachable: Sequence[Event], funnel: Funnel) -> End:
    """Return where all attempts end: at the first stop of the attempt that is deepest at that time; None if nowhere."""

    def end_of(event: Event, step: int) -> tuple[object, ...]:
        return (event.event_time, math.inf) if funnel.one_event_per_step else place(event, step)

    ends = []
    for path in paths:
        at = max(path)
        stops = [end_of(*stop) for stop in stopping_events(path[at], at, reachable, funnel)]
        if at == len(funnel.steps) or not stops:
            continue
        end = min(stops)
        deepest = max(step for other in paths for step, event in other.items() if position(event, step, funnel) < end)
        if deepest <= at:
            ends.append(end)
    return min(ends, default=None)


def until(end: tuple[Any, ...], paths: Sequence[dict[int, Event]], funnel: Funnel) -> list[dict[int, Event]]:
    """Return the attempts without what comes after the end of all."""
    kept = [dict(takewhile(lambda taken: position(taken[1], taken[0], funnel) < end, path.items())) for path in paths]
    return [path for path in kept if path]
