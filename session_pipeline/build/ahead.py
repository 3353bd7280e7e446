"""Lets a second thread compute steps before the run comes to them, except those of very big days.

A run builds one step after another, and much of its time for a small day is Python's and Dagster's, while DuckDB waits.
Queries of bigger days do not use all cores all the time either, for example where they write a file.
This decides which steps are computed meanwhile: those whose inputs are built. second_thread.py computes them, and
builder.py commits each when the run comes to it. So what is committed, and in which order, stays the same.
"""

from collections.abc import Hashable, Sequence
from datetime import date

from session_pipeline.build.planner import Planner
from session_pipeline.build.read_rows import ReadRows
from session_pipeline.build.runner import Computed, StepRunner
from session_pipeline.build.second_thread import SecondThread, Task
from session_pipeline.build.stale_days import StaleDays
from session_pipeline.engines.base import Jobs
from session_pipeline.store.store import Store
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE, steps_of

# Of a day with more events, two queries at the same time are no faster than one after the other, and they share the
# memory limit.
MOST_EVENTS = 1_000_000


class Ahead:
    """The steps that a second thread computes, within a run that builds all steps for the same days."""

    def __init__(self, store: Store, planner: Planner, rows: ReadRows, second: SecondThread) -> None:
        """Create it without steps.

        Args:
            store: The store.
            planner: The planner of the run.
            rows: The rows that steps read.
            second: The second thread; it has no tasks.
        """
        self._planner = planner
        self._rows = rows
        self._second = second
        self._scratch = store.scratch / "ahead"  # apart, because what is not used stays there until the run ends
        self._runner: StepRunner | None = None
        self._has_begun = False
        self._days: Sequence[date] = ()  # of which steps are computed
        self._built: set[str] = set()
        self._considered: set[str] = set()
        self._first_kept: dict[str, date | None] = {}  # of the stretches of several days that were given, by step

    @property
    def is_done(self) -> bool:
        """Whether all steps are built for the days that the run began with."""
        steps = steps_of(self._planner.frame.settings)
        return self._has_begun and all(step.name in self._built for step in steps)

    @property
    def is_computing(self) -> bool:
        """Whether steps are computed: no day has more than MOST_EVENTS, and no step has failed."""
        return bool(self._days)

    def begin(self, days: Sequence[date], stale: StaleDays) -> None:
        """Begin with the steps that read no other step's tables.

        No step is computed if a day has more than MOST_EVENTS.

        Args:
            days: The days for which all daily steps are built.
            stale: Which of them are built.
        """
        self._has_begun = True
        self._days = () if any(self._planner.inputs.event_count(day) > MOST_EVENTS for day in days) else days
        self._give(stale)

    def mark_built(self, step: Step, stale: StaleDays) -> None:
        """Record that a step is built for the days, and go on with the steps that read its tables."""
        self._built.add(step.name)
        self._give(stale)

    def fetch(self, step: Step, days: Sequence[date | None]) -> Computed | None:
        """Return what was computed for a stretch of days; None if the caller must compute it."""
        if self._first_kept.get(step.name, days[0]) != days[0]:
            self.stop()  # the rows that both threads keep would be in one table
        found = self._second.fetch((step.name, days[0]), self._read(step, days))
        assert found is None or isinstance(found, Computed)
        return found

    def end(self) -> bool:
        """Compute nothing more; return whether anything was computed until now."""
        was_used, self._days = self.is_computing, ()
        self.stop()
        return was_used

    def stop(self) -> None:
        """Forget what is not committed yet."""
        self._second.stop()
        self._first_kept.clear()

    def _give(self, stale: StaleDays) -> None:
        tasks: dict[Hashable, Task] = {}
        for step in steps_of(self._planner.frame.settings) if self._days else ():
            if step.name in self._built or step.name in self._considered or not self._has_inputs(step):
                continue
            self._considered.add(step.name)
            if self._rows.is_any_kept(step.tables):  # a task can be reading them
                continue
            for days in self._stretches(step, stale):
                if self._rows.are_intact(step, days):
                    tasks[step.name, days[0]] = self._task(step, days)
                    if len(days) > 1:
                        self._first_kept[step.name] = days[0]
        self._second.give(tasks)

    def _stretches(self, step: Step, stale: StaleDays) -> list[tuple[date | None, ...]]:
        """Return the stretches of a step that can be computed now, in any order."""
        found = [tuple(stretch) for stretch in stale.stretches(step, self._days if step.is_daily else (None,))]
        if len(found) == 1:
            return found
        # Of several days, the engine keeps the rows, and only those of one stretch of a table.
        if any(what.table in step.tables for what in step.inputs):
            found = found[:1]  # the others read what the first one carries over
        return [days for days in found if len(days) == 1]

    def _has_inputs(self, step: Step) -> bool:
        """Whether the inputs of a step are those that it has when the run comes to it."""
        producers = {STEP_OF_TABLE[what.table].name for what in step.inputs if what.table in STEP_OF_TABLE}
        return producers - {step.name} <= self._built

    def _task(self, step: Step, days: Sequence[date | None]) -> Task:
        rows = self._rows.of(step, days)

        def compute(jobs: Jobs) -> Computed:
            if self._runner is None:
                self._runner = StepRunner(jobs, self._planner.frame, self._scratch)
            return self._runner.compute(step, days, rows)

        return Task(self._read(step, days), compute)

    def _read(self, step: Step, days: Sequence[date | None]) -> object:
        return tuple(days), self._rows.partitions(step, days)
