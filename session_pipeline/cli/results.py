"""Reads and prints the sessions, outcomes and funnels in the summary of `run`, from the daily tables of the warehouse.

Changes nothing. `cli.summary` has the rest of the summary.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import duckdb
from rich.text import Text

from session_pipeline.cli.screen import Right, counted, echo, grid, number, plain, share, stdout
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import query_text
from session_pipeline.publish import reader
from session_pipeline.reference.days import day_ranges
from session_pipeline.settings import Settings

MOST_FUNNELS = 8  # printed
MOST_ACTIONS = 5  # named if no session converted


@dataclass(frozen=True)
class Results:
    """What the warehouse has of some days.

    Attributes:
        sessions: Number of sessions of people and of bots.
        outcomes: Number of sessions without bots by outcome, largest first.
        funnels: For each funnel its steps in order, with the number of attempts that reached them. Excluded attempts
            are not counted. No steps if no day has the funnel yet, because days wait.
        grains: For each funnel its grain.
        bases: For each funnel and each of its steps, the number of attempts that entered up to the step.
        optional: For each funnel the names of its optional steps.
        excluded: For each funnel the number of excluded attempts.
        unconverted: If the days are all days and no session converted, the most frequent actions that are not pages,
            with their sessions: one of them can be a conversion under another name. Otherwise None, also if no outcome
            is a conversion, or days wait for an upgrade, which can change what converts.
    """

    sessions: dict[str, int]
    outcomes: dict[str, int]
    funnels: dict[str, list[tuple[str, int]]]
    grains: dict[str, str]
    bases: dict[str, list[int]]
    optional: dict[str, list[str]]
    excluded: dict[str, int]
    unconverted: dict[str, int] | None


class StepCounts(NamedTuple):
    """The attempts at a funnel that reached a step, those that were excluded there, and those that entered up to it."""

    reached: int = 0
    excluded: int = 0
    base: int = 0


def read_results(
    folder: DataFolder,
    settings: Settings,
    days: Sequence[date],
    outdated_days: Collection[date],
    *,
    is_all_days: bool = False,
) -> Results:
    """Read the results of some days from the warehouse.

    Args:
        folder: The data folder.
        settings: Its settings.
        days: The days.
        outdated_days: The days that wait for an upgrade; if one of the days does, a funnel can be missing.
        is_all_days: Whether the days are all days that have sessions.
    """
    parameters: dict[str, Any] = {"days": days}
    is_outdated = not set(days).isdisjoint(outdated_days)
    with reader.connect(folder.path) as warehouse:
        outcomes = warehouse.execute(query_text(__package__, "outcome_counts"), parameters).fetchall()
        steps = warehouse.execute(query_text(__package__, "funnel_counts"), parameters).fetchall()
        sessions = {"people": sum(int(row[1]) for row in outcomes), "bots": sum(int(row[2]) for row in outcomes)}
        unconverted = None
        if is_all_days and sessions["people"] and settings.conversions and not is_outdated:
            unconverted = _unconverted(warehouse, days)
    counts = {(funnel, number): StepCounts(*map(int, figures)) for funnel, number, *figures in steps}
    built = {name for name, _ in counts}
    of_steps = {
        funnel.name: [
            (funnel.step_name(number), counts.get((funnel.name, number), StepCounts()))
            for number in range(1, len(funnel.steps) + 1)
            if funnel.name in built or not is_outdated
        ]
        for funnel in settings.funnels
    }
    return Results(
        sessions=sessions,
        outcomes={row[0]: int(row[1]) for row in outcomes if row[1]},
        funnels={funnel: [(step, found.reached) for step, found in steps] for funnel, steps in of_steps.items()},
        grains={funnel.name: funnel.grain for funnel in settings.funnels},
        bases={funnel: [found.base for _, found in steps] for funnel, steps in of_steps.items()},
        optional={funnel.name: [step.name for step in funnel.steps if step.optional] for funnel in settings.funnels},
        excluded={
            funnel: sum(found.excluded for (name, _), found in counts.items() if name == funnel) for funnel in of_steps
        },
        unconverted=unconverted,
    )


def _unconverted(warehouse: duckdb.DuckDBPyConnection, days: Sequence[date]) -> dict[str, int] | None:
    """Return the most frequent actions that are not pages, with their sessions; None if a session converted."""
    counted_days: dict[str, Any] = {"days": days}
    [[converted_count]] = warehouse.execute(query_text(__package__, "conversion_counts"), counted_days).fetchall()
    if converted_count:
        return None
    asked = {**counted_days, "most": MOST_ACTIONS}
    others = warehouse.execute(query_text(__package__, "other_actions"), asked).fetchall()
    return {action: int(count) for action, count in others}


def show_results(results: Results, days: Sequence[date], outdated_days: Collection[date], *, is_all_days: bool) -> None:
    """Print the results of some days for a person.

    Args:
        results: The results.
        days: The days.
        outdated_days: The days that wait for an upgrade.
        is_all_days: Whether the days are all days that have sessions.
    """
    people, bots = results.sessions["people"], results.sessions["bots"]
    which = "all days" if is_all_days else "the days built in this run"
    echo()
    echo(
        Text.assemble(
            ("Sessions", "bold"),
            f"  {counted(people, 'human session')} ({counted(bots, 'bot session')} excluded); {which},",
            f" {day_ranges(days)}",
        )
    )
    rows = [(plain(outcome), number(count), share(count, people)) for outcome, count in results.outcomes.items()]
    if rows:
        stdout.print(grid("outcome", Right("sessions"), Right("share"), rows=rows, indent=2))
    if results.unconverted is not None:
        _show_unconverted(results.unconverted)
    for funnel in islice(results.funnels, MOST_FUNNELS):
        _show_funnel(results, funnel, outdated_count=len({*days} & {*outdated_days}))
    if len(results.funnels) > MOST_FUNNELS:
        more = counted(len(results.funnels) - MOST_FUNNELS, "more funnel")
        echo(f'and {more}: `session-pipeline query "from funnel_steps"`', style="dim")


def _show_unconverted(actions: Mapping[str, int]) -> None:
    """Say that no session converted, and which actions could be conversions under another name."""
    if actions:
        named = ", ".join(f"{plain(action)} ({counted(count, 'session')})" for action, count in actions.items())
        echo(
            f"  No session converted. Actions that are not pages: {named}. If one of them is a purchase, a contact or a"
            " lead, map it with event_names of its source in settings.toml."
        )
    else:
        echo(
            "  No session converted, and no action but pages is frequent. A page can be a conversion: name it in"
            " [[outcomes]] of settings.toml."
        )


def _show_funnel(results: Results, funnel: str, outdated_count: int) -> None:
    steps, excluded = results.funnels[funnel], results.excluded[funnel]
    if not steps:
        outdated = f"{counted(outdated_count, 'day')} of older settings"
        _name_funnel(funnel, f": no attempts yet; {outdated} to be rebuilt by `session-pipeline run --upgrade`")
        return
    if not excluded and not any(count for _, count in steps):
        _name_funnel(funnel, ": no attempts")
        return
    # A visitor has an attempt on each day, and one purchase can convert several of them.
    unit = ", by visitor and day" if results.grains[funnel] == "visitor" else ""
    _name_funnel(funnel, unit + (f" ({counted(excluded, 'excluded attempt')} not counted)" if excluded else ""))
    rows = [
        (f"{plain(step)}{' (optional)' if step in results.optional[funnel] else ''}", number(count), share(count, base))
        for (step, count), base in zip(steps, results.bases[funnel], strict=True)
    ]
    stdout.print(grid("step", Right("reached"), Right("share"), rows=rows, indent=2))


def _name_funnel(funnel: str, note: str) -> None:
    echo(Text.assemble(("Funnel", "bold"), f"  {plain(funnel)}{note}"))
