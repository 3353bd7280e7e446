"""Collects the figures and messages of the reliability tests, and sets how much they do.

Each test adds its figures to a file, from which docs/reliability.md is written.
"""

import fcntl
import json
import operator
import os
from collections.abc import Callable
from pathlib import Path

EFFORT = "PIPELINE_TESTS_EFFORT"  # factor on the amount of work of a usual test run
FIGURES = "PIPELINE_TESTS_FIGURES"  # the file that figures are added to; without it they are discarded


def effort() -> int:
    """Return 1 in a usual test run, more in a longer one."""
    return int(os.environ.get(EFFORT, "1"))


def amount(usual: int, more: int) -> int:
    """Return how much a test does: `usual` in a usual test run, `more` times the effort in a longer one."""
    return usual if effort() == 1 else more * effort()


def record(**figures: int | float) -> None:
    """Add to the figures; values that several tests or processes record under one name are summed."""
    _record(figures, operator.add)


def record_most(**figures: int | float) -> None:
    """Record figures; under each name the largest value is kept."""
    _record(figures, max)


def tell(text: str) -> None:
    """Print a message after all tests. Directly printed output would be captured by pytest or xdist."""
    path = os.environ.get(FIGURES)
    if path is None:
        print(text)
        return
    with open(messages_beside(Path(path)), "a") as file:
        file.write(f"{text}\n")


def messages_beside(figures: Path) -> Path:
    """Return the path of the message file next to the file of figures."""
    return figures.with_suffix(".txt")


def _record(figures: dict[str, int | float], with_known: Callable[[float, float], float]) -> None:
    path = os.environ.get(FIGURES)
    if path is None:
        return
    with open(Path(path), "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        for name, figure in figures.items():
            known[name] = with_known(known.get(name, 0), figure)
        file.truncate(0)
        json.dump(known, file, indent=2, sort_keys=True)
