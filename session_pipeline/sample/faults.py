"""Defines planted faults: from a day on, fewer visitors of a segment go on from one step of a walk to the next.

They are for tests of how soon a change is detected. ways.py defines the steps and their usual probabilities.
"""

import re
from dataclasses import dataclass
from datetime import date

from session_pipeline.errors import WrongUseError
from session_pipeline.sample.ways import DETOURS, LEAVE, WAYS

SEGMENTS = {"all": "all", "desktop": "desktop", "mobile": "phone", "tablet": "tablet", "a": "a", "b": "b"}
"""The segment that a visitor has, by the name that the report uses. `phone` is accepted, too."""
STEPS = frozenset(step for way in WAYS.values() for step in way)
TEXT = re.compile(
    r"(?P<segment>\w+):(?P<step>\w+)>(?P<next_step>\w+):(?P<percent>\d{1,3})%:(?P<first_day>\d{4}-\d\d-\d\d)"
)
EXAMPLE = "mobile:checkout>payment:50%:2026-10-08"


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        segment: The visitors who meet it: 'all', a device or a variant, as visitors have them.
        step: The step after which it happens.
        next_step: The step that fewer visitors reach; they leave instead.
        drop: The share of those who would go on and leave.
        first_day: The first day on which it happens.
    """

    segment: str
    step: str
    next_step: str
    drop: float
    first_day: date


def fault_of(text: str) -> Fault:
    """Return the fault that a text describes, such as mobile:checkout>payment:50%:2026-10-08.

    Raises:
        WrongUseError: The text is not valid, or no visitor of the segment goes on from the first step to the second.
    """
    found = TEXT.fullmatch(text)
    if found is None:
        raise WrongUseError(f"fault {text!r} is not valid; write SEGMENT:STEP>STEP:PERCENT%:DATE, such as {EXAMPLE}")
    segment, step, next_step = found["segment"], found["step"], found["next_step"]
    if segment not in {*SEGMENTS, *SEGMENTS.values()}:
        raise WrongUseError(f"fault {text!r} has the segment {segment}; write one of {', '.join(SEGMENTS)}")
    for name in (step, next_step):
        if name not in STEPS:
            raise WrongUseError(f"fault {text!r} has the step {name}; write one of {', '.join(sorted(STEPS))}")
    possible = _next_steps(SEGMENTS.get(segment, segment), step)
    if next_step not in possible:
        fix = (
            f"after {step}, write one of {', '.join(possible)}"
            if possible
            else f"write another step, because {step} is a last one"
        )
        raise WrongUseError(f"fault {text!r} has no effect, because no visitor goes from {step} to {next_step}; {fix}")
    percent = int(found["percent"])
    if not 0 < percent <= 100:
        raise WrongUseError(f"fault {text!r} has {percent}%; write more than 0% and at most 100%")
    try:
        first_day = date.fromisoformat(found["first_day"])
    except ValueError as error:
        raise WrongUseError(f"fault {text!r} has no valid date; write a day as YYYY-MM-DD") from error
    return Fault(SEGMENTS.get(segment, segment), step, next_step, percent / 100, first_day)


def _next_steps(segment: str, step: str) -> list[str]:
    """Return the steps that visitors of a segment can take after a step."""
    odds = (
        [DETOURS[segment, step]] if (segment, step) in DETOURS else [way[step] for way in WAYS.values() if step in way]
    )
    return sorted({next_step for each in odds for next_step in each.things} - {LEAVE})
