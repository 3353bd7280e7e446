"""Checks the tables of paths against sessions and their actions."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, add_input, stretches, verdict
from session_pipeline.engines.sql import query_text

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run

TABLES = ("sessions", "session_actions", "action_transitions", "session_paths", "path_counts", "action_steps")


def paths_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """Each session has one path, a start, an end, and one more transition than actions; no step has more sessions."""
    problems = []
    for stretch in stretches(run, days):
        with run.engine.job() as job:
            job.add_rows("days", run.planner.frame.days(stretch))
            for name in TABLES:
                add_input(job, run, name, stretch)
            for row in job.rows(query_text(__package__, "path_sums")).to_pylist():
                day = row.pop("session_date")
                problems.append(f"{day}: " + ", ".join(f"{int(count)} {name}" for name, count in row.items()))
    return verdict(problems, "transitions, steps and paths add up to the sessions and their actions")
