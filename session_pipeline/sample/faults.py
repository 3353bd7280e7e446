"""Defines planted faults: from a day on, fewer visitors of a segment go on from one step of a walk to the next.

They are for tests of how soon a change is detected. ways.py defines the steps and their usual probabilities.
"""

import re
from dataclasses import dataclass
from datetime import date

from session_pipeline.errors import WrongUseError
from session_pipeline.sample.ways import WAYS

SEGMENTS = ("all", "desktop", "phone", "tablet", "a", "b")
STEPS = frozenset(step for way in WAYS.values() for step in way)
TEXT = re.compile(
    r"(?P<segment>\w+):(?P<step>\w+)>(?P<next_step>\w+):(?P<percent>\d{1,3})%:(?P<first_day>\d{4}-\d\d-\d\d)"
)
EXAMPLE = "phone:checkout>payment:50%:2026-10-19"


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        segment: The visitors who meet it: 'all', a device or a variant.
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
    """Return the fault that a text describes, such as phone:checkout>payment:50%:2026-10-19.

    Raises:
        WrongUseError: The text is not valid, or it names an unknown segment or step.
    """
    found = TEXT.fullmatch(text)
    if found is None:
        raise WrongUseError(f"fault {text!r} is not valid: write SEGMENT:STEP>STEP:PERCENT%:DATE, such as {EXAMPLE}")
    segment, step, next_step = found["segment"], found["step"], found["next_step"]
    if segment not in SEGMENTS:
        raise WrongUseError(f"fault {text!r} has the segment {segment}: write one of {', '.join(SEGMENTS)}")
    for name in (step, next_step):
        if name not in STEPS:
            raise WrongUseError(f"fault {text!r} has the step {name}: write one of {', '.join(sorted(STEPS))}")
    try:
        first_day = date.fromisoformat(found["first_day"])
    except ValueError as error:
        raise WrongUseError(f"fault {text!r} has no valid date: write one such as 2026-10-19") from error
    return Fault(segment, step, next_step, min(int(found["percent"]), 100) / 100, first_day)
