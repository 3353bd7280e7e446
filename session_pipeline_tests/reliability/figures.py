"""Collects the figures and messages of the reliability tests, and tells them how much to do.

Each test adds its figures to a file, from which docs/reliability.md is written.
"""

import fcntl
import json
import operator
import os
from collections.abc import Callable
from pathlib import Path

EFFORT = "SESSION_PIPELINE_EFFORT"  # how many times as much as in a usual run of the tests
FIGURES = "SESSION_PIPELINE_FIGURES"  # file that the figures are added to; without it they are not kept


def effort() -> int:
    """1 in a usual run of the tests; more where somebody has the time."""
    return int(os.environ.get(EFFORT, "1"))


def record(**figures: int | float) -> None:
    """Add to the figures; what several tests or processes record under one name is summed up."""
    _record(figures, operator.add)


def record_most(**figures: int | float) -> None:
    """Keep the figures where they are the largest under their names."""
    _record(figures, max)


def tell(text: str) -> None:
    """Say something at the end of all tests; pytest keeps what one prints that passes, and xdist the rest."""
    path = os.environ.get(FIGURES)
    if path is None:
        print(text)
        return
    with open(told_beside(Path(path)), "a") as file:
        file.write(f"{text}\n")


def told_beside(figures: Path) -> Path:
    """The file that has what was told, beside that of the figures."""
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
