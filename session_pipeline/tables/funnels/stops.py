"""Provides which events stop an attempt at a funnel, for mode strict and for repeats = "stop" or "restart".

The model stopped_events.sql finds the events.
"""

from collections.abc import Iterator

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import FunnelSettings, Settings


def has_stops(funnel: FunnelSettings) -> bool:
    """Whether an event can stop an attempt at a funnel."""
    return funnel.mode == "strict" or (funnel.mode == "ordered" and funnel.repeated != "ignore")


def stopping_steps(settings: Settings) -> SmallTable:
    """Return what stops an attempt: (funnel, step_number, met_step, is_stop).

    An attempt at step_number is stopped by an event that meets met_step. With one event per step, an event that also
    meets a step that the attempt can take next, or one that may occur, does not stop it: for such a step, is_stop is
    false.
    """
    rows = [
        {
            "funnel": funnel.name,
            "step_number": step,
            "met_step": met,
            "is_stop": is_stop,
        }
        for funnel in settings.funnels
        if has_stops(funnel)
        for step, met, is_stop in _effects(funnel)
    ]
    types = {
        "funnel": "VARCHAR",
        "step_number": "BIGINT",
        "met_step": "BIGINT",
        "is_stop": "BOOLEAN",
    }
    return SmallTable(types, rows)


def _effects(funnel: FunnelSettings) -> Iterator[tuple[int, int, bool]]:
    """Yield the step of an attempt, a step that an event meets, and whether the event stops the attempt."""
    count = len(funnel.steps)
    required = [number for number, step in enumerate(funnel.steps, start=1) if not step.optional]
    for step in required:
        next_required = min((number for number in required if number > step), default=count + 1)
        for met in range(count + 1):
            if step < met <= next_required or _may_occur(funnel, step, met):
                if funnel.one_event_per_step:
                    yield step, met, False
            elif _stops(funnel, step, met):
                yield step, met, True


def _may_occur(funnel: FunnelSettings, step: int, met: int) -> bool:
    """Return whether an event of a step that is not next may occur in mode strict, because its settings allow it."""
    return funnel.mode == "strict" and funnel.repeated == "ignore" and met > 0 and not _stops(funnel, step, met)


def _stops(funnel: FunnelSettings, step: int, met: int) -> bool:
    """Return whether an event of a step that is not next stops an attempt; 0 is an event of no step."""
    repeated = funnel.repeated
    if funnel.mode == "ordered":
        return met == 1 if repeated == "restart" else 1 < met <= step
    if met == 0:
        return not funnel.one_event_per_step
    if met > step:
        return not funnel.allow_early_steps
    if met > 1:
        return repeated == "stop"
    if funnel.allow_reentry:
        return False
    if step > 1:
        return True
    # The first step again is another entry. It stops the attempt unless a stop would also end the new one.
    return repeated == "stop" and funnel.stop_ends == "attempt"
