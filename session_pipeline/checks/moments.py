"""Checks the counts of moments, from which opportunities and next best actions are summed."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, rows_by_stretch, verdict

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run


def moments_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """At each moment, sessions with and without a signal are those at the moment, and no more than there are."""
    tables = ("sessions", "session_friction", "moment_counts", "seen_counts")
    wrong = rows_by_stretch(run, days, "wrong_moments", tables)
    problems = ["{session_date}, {site}: {problem}".format_map(row) for row in wrong]
    return verdict(problems, "sessions at moments add up")
