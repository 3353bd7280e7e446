"""Measures how long each stage of a run takes: ingest, plan, each step, checks, publishing, the report, Dagster.

A stage is measured where its work is done. `run --profile` prints the figures, and Dagster shows them as metadata.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

CHECKS, DAGSTER, INGEST, PLAN, PUBLISH, REPORT = "checks", "Dagster", "ingest", "plan", "publish", "report"


@dataclass
class Spent:
    """The time that a stage took.

    Attributes:
        seconds: Seconds of the clock, without those of stages within this one.
        cpu_seconds: CPU seconds of all threads of the process, without those of stages within this one.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Profile:
    """The time of each stage so far. A stage within another one counts only for itself, so the sum is the whole.

    Attributes:
        stages: The stages in order of their first beginning.
    """

    def __init__(self) -> None:
        """Start without stages."""
        self.stages: dict[str, Spent] = {}
        self._open: list[str] = []
        self._at = (0.0, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block for a stage; a stage can have several blocks."""
        self._count()
        self.stages.setdefault(name, Spent())
        self._open.append(name)
        try:
            yield
        finally:
            self._count()
            self._open.pop()

    def seconds(self, name: str) -> float:
        """Return the seconds of a stage so far; 0 if it was never entered."""
        self._count()
        return round(self.stages[name].seconds, 3) if name in self.stages else 0.0

    def _count(self) -> None:
        """Add the time since the last call to the innermost stage that is open."""
        now = perf_counter(), process_time()
        if self._open:
            spent = self.stages[self._open[-1]]
            spent.seconds += now[0] - self._at[0]
            spent.cpu_seconds += now[1] - self._at[1]
        self._at = now
