"""Lets tests kill a run at a chosen place, to check that the next run needs no manual repair.

A place is between two operations of an atomic change: a write, an fsync, a rename, a transaction. Without the
environment variable SESSION_PIPELINE_CRASH_AT this module does nothing.
"""

import os
import signal
from itertools import count

CRASH_AT = "SESSION_PIPELINE_CRASH_AT"  # number of the place to kill the process at, counted from 1; 0 kills nothing
CRASH_LOG = "SESSION_PIPELINE_CRASH_LOG"  # file to which each reached place is appended as a line

_passed = count(1)


def reached(place: str) -> None:
    """Mark a place in the code; kill this process with SIGKILL if the test chose this place."""
    at = os.environ.get(CRASH_AT)
    if at is None:
        return
    number = next(_passed)
    if log := os.environ.get(CRASH_LOG):
        with open(log, "a") as places:
            places.write(f"{place}\n")
    if number == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
