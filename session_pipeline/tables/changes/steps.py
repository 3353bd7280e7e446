"""Defines the steps that count actions and progress by day, and that find what changed."""

from typing import TYPE_CHECKING

from session_pipeline.reference.changes import DAYS_READ
from session_pipeline.tables.changes import from_settings
from session_pipeline.tables.graph import Computation, PythonTable, Relation, Step
from session_pipeline.tables.outcomes.from_settings import outcome_rules
from session_pipeline.tables.spans import days_back

if TYPE_CHECKING:
    import pyarrow as pa


def _found_progress(rows: "pa.Table") -> "pa.Table":
    from session_pipeline.tables.changes.found_progress import progress_changes  # numpy is slow to load

    return progress_changes(rows)


def _found_outcomes(rows: "pa.Table") -> "pa.Table":
    from session_pipeline.tables.changes.found_outcomes import outcome_changes

    return outcome_changes(rows)


# Stands for the Python code that finds changes; a test pins the source.
LOGIC_VERSION = "35"

COLUMN_VALUES = Relation(from_settings.column_values, reads=("sessions",))

STEPS: tuple[Step, ...] = (
    Step(
        name="action_visits",
        tables=("action_visits", "action_progress"),
        relations={"column_values": COLUMN_VALUES},
        lists={"own_dimensions": from_settings.own_dimensions},
        computed=(
            Computation("numbered_actions", "numbered_actions"),
            Computation("numbered_sessions", "numbered_sessions"),
            Computation("first_actions", "first_actions"),
            Computation("session_segments", "session_segments"),
        ),
    ),
    Step(
        name="progress_changes",
        tables=("progress_changes",),
        spans=dict.fromkeys(("action_visits", "action_progress", "daily_outcomes"), days_back(DAYS_READ)),
        lists={"outcome_rules": outcome_rules},
        python_table=PythonTable("found_progress", "progress_counts", _found_progress),
        logic_version=LOGIC_VERSION,
    ),
    Step(
        name="outcome_changes",
        tables=("outcome_changes",),
        spans={"daily_outcomes": days_back(DAYS_READ), "daily_breakdowns": days_back(DAYS_READ)},
        relations={"column_values": COLUMN_VALUES},
        lists={
            "compared_dimensions": from_settings.compared_dimensions,
            "own_dimensions": from_settings.own_dimensions,
        },
        python_table=PythonTable("found_outcomes", "outcome_counts", _found_outcomes),
        logic_version=LOGIC_VERSION,
    ),
)
