"""Checks the tables of paths against sessions and their actions."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, rows_by_stretch, verdict

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run

TABLES = ("sessions", "session_actions", "action_transitions", "session_paths", "path_counts", "action_steps")


def paths_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """Each session has one path, a start, an end, and one more transition than actions; no step has more sessions."""
    problems = []
    for row in rows_by_stretch(run, days, "path_sums", TABLES, has_days=True):
        day = row.pop("session_date")
        problems.append(f"{day}: " + ", ".join(f"{int(count)} {name}" for name, count in row.items()))
    return verdict(problems, "transitions, steps and paths add up to the sessions and their actions")
