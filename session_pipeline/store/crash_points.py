"""The places where a run is killed by tests, to see that the next one needs no repair by hand.

A place is a step of something that must happen whole: a write, an fsync, a rename, a transaction. Without the variable
SESSION_PIPELINE_CRASH_AT nothing happens here. Knows how to die. Does not know what a step does.
"""

import os
import signal
from itertools import count

CRASH_AT = "SESSION_PIPELINE_CRASH_AT"  # at which place that is come by, from 1, the process is killed; 0: at none
CRASH_LOG = "SESSION_PIPELINE_CRASH_LOG"  # file that each place come by is added to, a line each

_passed = count(1)


def reached(place: str) -> None:
    """Come by a place; kill this process, as nothing could stop it from, when it is the one that was asked for."""
    at = os.environ.get(CRASH_AT)
    if at is None:
        return
    number = next(_passed)
    if log := os.environ.get(CRASH_LOG):
        with open(log, "a") as places:
            places.write(f"{place}\n")
    if number == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
