"""Checks that the totals with bots, and the sessions under other definitions, agree with the days' sessions."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, rows_by_stretch, verdict, wrong_figures

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run


def bots_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """The people, bots and page views of daily_bots are those of the day's sessions."""
    problems = wrong_figures(rows_by_stretch(run, days, "wrong_bots", ("daily_bots", "sessions")))
    return verdict(problems, "bots of all reasons and people add up to all sessions")


def definitions_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """Each definition has our sessions and its differences, and these are the sum of their causes."""
    if not run.planner.frame.settings.definitions.also:
        return Verdict(True, "no other definition of a session is counted")
    problems = wrong_figures(rows_by_stretch(run, days, "wrong_definitions", ("daily_definitions", "sessions")))
    return verdict(problems, "the differences of all definitions add up")
