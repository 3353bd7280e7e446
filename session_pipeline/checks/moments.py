"""Checks the counts of moments, from which opportunities and next best actions are summed."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, add_input, stretches, verdict
from session_pipeline.engines.sql import query_text

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run


def moments_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """At each moment, sessions with and without a signal are those at the moment, and no more than there are."""
    problems = []
    for stretch in stretches(run, days):
        with run.engine.job() as job:
            for name in ("sessions", "session_friction", "moment_counts", "seen_counts"):
                add_input(job, run, name, stretch)
            problems += [
                f"{row['session_date']}, {row['site']}: {row['problem']}"
                for row in job.rows(query_text(__package__, "wrong_moments")).to_pylist()
            ]
    return verdict(problems, "sessions at moments add up")
