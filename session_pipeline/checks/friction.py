"""Checks the tables of friction against each other and against sessions."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, add_input, stretches, verdict
from session_pipeline.engines.sql import query_text
from session_pipeline.reference.signals import SIGNALS

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run


def friction_adds_up(run: "Run", days: Sequence[date]) -> Verdict:
    """No signal has more sessions than there are, and the counts by action and by day are those of session_friction."""
    problems = []
    for stretch in stretches(run, days):
        with run.engine.job() as job:
            for name in ("sessions", "session_friction", "action_friction", "daily_friction"):
                add_input(job, run, name, stretch)
            job.add_relation("signals_by_action", _with_signals("action_friction"))
            job.add_relation("signals_by_day", _with_signals("daily_friction"))
            problems += [
                f"{row['session_date']}, {row['site']}: {row['problem']}"
                for row in job.rows(query_text(__package__, "wrong_friction")).to_pylist()
            ]
    return verdict(problems, "sessions with friction add up")


def _with_signals(name: str) -> str:
    """Return SQL for a table with a row for each of its rows and each signal; met is the signal and its count."""
    counts = ", ".join(f"{{'signal': '{signal}', 'session_count': {signal}_count}}" for signal in SIGNALS)
    return f"select *, unnest([{counts}]) as met from {name}"
