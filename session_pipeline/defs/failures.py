"""Finds the reason why a Dagster run failed, from its events."""

import re
from collections.abc import Sequence
from typing import Any

import dagster as dg

# Of the code server: "[DagsterApiServer] Run execution process for <run> was terminated by signal 9 (SIGKILL). ..."
DEATH = re.compile(r"Run execution process for \S+ ((?:was terminated|unexpectedly exited) [^.]+)")


def was_interrupted(events: Sequence[dg.DagsterEvent]) -> bool:
    """Return whether the run was interrupted by Ctrl-C, which Dagster reports as a failure of the current op."""
    error = _first_error(events)
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


def why(events: Sequence[dg.DagsterEvent]) -> str:
    """Return the reason for a failure: the first error of this package in the chain of causes, else the innermost one.

    A run that was marked as failed from outside has no error. If its code server saw how its process ended, that is the
    reason. If its process could not load the definitions, the error of that counts; otherwise the message of the event
    is returned.
    """
    error = _first_error(events)
    if error is None and (end := _end_of_process(events)):
        return f"The process of this run {end}. What it built is kept, and the next run builds the rest."
    error = error or _last_error_of_engine(events)
    sentence = next((event.message for event in events if event.is_failure and event.message), "")
    while error is not None:
        kind, _, sentence = error.message.strip().partition(": ")
        if kind.startswith("session_pipeline.") or error.cls_name == "Failure":
            break
        if error.cause is None:
            sentence = f"{error.cls_name}: {sentence}"
        error = error.cause
    return str(sentence) or "Dagster reports no reason"


def _end_of_process(events: Sequence[dg.DagsterEvent]) -> str | None:
    """Return how the code server saw the process of a run end, such as "was terminated by signal 9 (SIGKILL)"."""
    ends = (DEATH.search(event.message or "") for event in events if event.is_engine_event)
    return next((end[1] for end in ends if end), None)


def _last_error_of_engine(events: Sequence[dg.DagsterEvent]) -> Any:
    errors = [event.engine_event_data.error for event in events if event.is_engine_event]
    return next((error for error in reversed(errors) if error is not None), None)


def _first_error(events: Sequence[dg.DagsterEvent]) -> Any:
    data: Any = next((event.event_specific_data for event in events if event.is_failure), None)
    return data.error if data is not None else None
