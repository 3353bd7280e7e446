"""Defines a check and its verdict, and how a check reads a table for some days.

The checks themselves are in the other modules of this package.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from inspect import getdoc
from typing import TYPE_CHECKING, Any

from session_pipeline.build.stretches import first_stretch
from session_pipeline.engines.base import Job
from session_pipeline.engines.sql import query_text
from session_pipeline.store.records import Key
from session_pipeline.tables import table
from session_pipeline.tables.spans import Span
from session_pipeline.tables.steps import STEP_OF_TABLE

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run

SHOWN = 5
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    Attributes:
        holds: Whether the check holds.
        sentence: The result in one sentence.
        figures: The figures behind it.
        problems: All problems. The problem of a single day begins with the day.
    """

    holds: bool
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = field(default=(), compare=False)


@dataclass(frozen=True)
class Check:
    """A check of a table.

    Attributes:
        name: Its name.
        table: The table that it belongs to.
        run: The function that checks; its docstring is the meaning of the check.
        is_error: Whether a failure is an error; otherwise it is a warning.
        is_blocking: Whether tables downstream are not built after a failure.
        is_about_now: Whether it looks at the latest days, also if a run builds only old ones.
    """

    name: str
    table: str
    run: "Callable[[Run, Sequence[date]], Verdict]"
    is_error: bool = True
    is_blocking: bool = False
    is_about_now: bool = False

    @property
    def meaning(self) -> str:
        """What is true if the check holds."""
        return getdoc(self.run) or ""


def verdict(problems: Sequence[str], good: str, figures: Mapping[str, Any] | None = None) -> Verdict:
    """Return a verdict that holds if there are no problems; otherwise its sentence names the first ones.

    Args:
        problems: Sentences about what is wrong.
        good: The sentence if there are no problems.
        figures: The figures behind the verdict.
    """
    if not problems:
        return Verdict(True, good, figures or {})
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return Verdict(False, "; ".join(problems[:SHOWN]) + more, figures or {}, tuple(problems))


def wrong_figures(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a problem for each row of a query that finds wrong figures of a site and day, with the counts."""
    return ["{session_date}: {figure} of {site}: {counts}".format_map(row) for row in rows]


def add_input(job: Job, run: "Run", name: str, days: Iterable[date]) -> None:
    """Add a stored table to a job, for some days, with its date column. Days that are not built have no rows."""
    found = [run.store.get(Key(name, day)) for day in days]
    rows = run.rows_of([partition for partition in found if partition is not None])
    job.add_input(table(name), rows.paths, with_date=True, kept_days=rows.kept_days)


def rows_of(run: "Run", sql: str, tables: Sequence[str], days: Sequence[date]) -> list[dict[str, Any]]:
    """Return the rows of a query over stored tables, of which it reads these days."""
    with run.engine.job() as job:
        for name in tables:
            add_input(job, run, name, days)
        rows: list[dict[str, Any]] = job.rows(sql).to_pylist()
    return rows


def stale_tables(run: "Run", names: Iterable[str]) -> list[str]:
    """Return the tables without days, of the named ones, that are still stale according to the plan.

    A run builds one range of days, and these tables with it. If there are more ranges, a table that reads the days of
    another range is built again with that one, and until then it can differ from a table that is up to date.

    A daily table needs no such test: `Plan.ranges` puts days that read each other into one range.
    """
    undated = {item.step.name for item in run.plan(upgrade=run.upgrade).items if item.day is None}
    return [name for name in names if STEP_OF_TABLE[name].name in undated]


def stretches(run: "Run", days: Sequence[date]) -> Iterator[tuple[date, ...]]:
    """Yield the days in groups that are small enough for one query."""
    position = 0
    while position < len(days):
        stretch = first_stretch(days[position:], run.planner.inputs.event_count)
        yield stretch
        position += len(stretch)


def rows_by_stretch(
    run: "Run",
    days: Sequence[date],
    query: str,
    tables: Sequence[str],
    *,
    wider: Mapping[str, Span] = NOTHING,
    relations: Mapping[str, str] = NOTHING,
    has_days: bool = False,
) -> list[dict[str, Any]]:
    """Return the rows of a query of this package, which is run for each stretch of days.

    Args:
        run: The run.
        days: The days.
        query: The name of the query.
        tables: The stored tables that it reads of these days.
        wider: The stored tables that it reads of more days, and of which.
        relations: The SELECTs over these tables that it reads, by name.
        has_days: Whether it also reads the days themselves, as the table days.
    """
    rows: list[dict[str, Any]] = []
    for stretch in stretches(run, days):
        with run.engine.job() as job:
            if has_days:
                job.add_rows("days", run.planner.frame.days(stretch))
            for name in tables:
                add_input(job, run, name, stretch)
            for name, span in wider.items():
                add_input(job, run, name, span.all_dates(run.planner.frame, stretch))
            for name, select in relations.items():
                job.add_relation(name, select)
            rows += job.rows(query_text(__package__, query)).to_pylist()
    return rows


def has_events(run: "Run", day: date) -> bool:
    """Whether a day is built and has an event."""
    built = run.store.get(Key("events", day))
    return built is not None and built.row_count > 0
