"""What a check is and what it says.

Knows how a check reads a table of some days. Does not know any check.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from inspect import getdoc
from typing import Any

from session_pipeline.engines.duckdb import Job
from session_pipeline.run.pipeline import Run
from session_pipeline.store.catalog import Key
from session_pipeline.tables import table

SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """Whether a check holds, in a sentence, with the figures, and all that is not well; one of a day begins with it."""

    holds: bool
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = field(default=(), compare=False)


@dataclass(frozen=True)
class Check:
    """A check of a table: whether its failure is an error or a warning, and whether it keeps what is below unbuilt."""

    name: str
    table: str
    run: Callable[[Run, Sequence[date]], Verdict]
    is_error: bool = True
    is_blocking: bool = False

    @property
    def meaning(self) -> str:
        """What is true when it holds."""
        return getdoc(self.run) or ""


def verdict(problems: Sequence[str], good: str, figures: Mapping[str, Any] | None = None) -> Verdict:
    """It holds when there are no problems; else it names the first ones."""
    if not problems:
        return Verdict(True, good, figures or {})
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return Verdict(False, "; ".join(problems[:SHOWN]) + more, figures or {}, tuple(problems))


def add_input(job: Job, run: Run, name: str, days: Iterable[date]) -> None:
    """Give a job a table, as it is stored for some days; days that are not built have no rows."""
    found = [run.store.get(Key(name, day)) for day in days]
    job.add_input(table(name), [run.store.path_of(partition) for partition in found if partition is not None])


def has_events(run: Run, day: date) -> bool:
    """Whether a day is built and has an event."""
    built = run.store.get(Key("events", day))
    return built is not None and built.row_count > 0
