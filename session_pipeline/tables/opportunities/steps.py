"""Defines the steps that build opportunities and next best actions, from daily counts of moments."""

from typing import TYPE_CHECKING

from session_pipeline.reference.signals import COMPARISONS
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.graph import Computation, PythonTable, Step
from session_pipeline.tables.outcomes.from_settings import outcome_rules
from session_pipeline.tables.spans import days_back

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_WINDOW = 84  # days
# Of findings.py, matched.py, matched_sums.py, windows.py, statistics.py and sentences of signals.py; a test says when
# it must change.
LOGIC_VERSION = "8"


def _compared_signals(settings: Settings) -> SmallTable:
    """Return the signals that are compared: (signal, is_of_a_visit)."""
    rows = [{"signal": signal, "is_of_a_visit": compared.is_of_a_visit} for signal, compared in COMPARISONS.items()]
    return SmallTable({"signal": "VARCHAR", "is_of_a_visit": "BOOLEAN"}, rows)


def _opportunities(rows: "pa.Table") -> "pa.Table":
    from session_pipeline.tables.opportunities import findings  # numpy is slow to load

    return findings.opportunities(rows)


def _next_best_actions(rows: "pa.Table") -> "pa.Table":
    from session_pipeline.tables.opportunities import findings

    return findings.next_best_actions(rows)


STEPS: tuple[Step, ...] = (
    Step(
        name="moments",
        tables=("moment_counts", "seen_counts"),
        lists={"compared_signals": _compared_signals, "outcome_rules": outcome_rules},
        computed=(
            Computation("numbered_actions", "numbered_actions"),
            Computation("numbered_sessions", "numbered_sessions"),
            Computation("moments", "moments"),
            Computation("counted_actions", "counted_actions"),
        ),
    ),
    Step(
        name="opportunities",
        tables=("opportunities",),
        spans={"moment_counts": days_back(LONGEST_WINDOW)},
        python_table=PythonTable("compared_opportunities", "opportunity_counts", _opportunities),
        logic_version=LOGIC_VERSION,
    ),
    Step(
        name="next_best_actions",
        tables=("next_best_actions",),
        spans={"seen_counts": days_back(LONGEST_WINDOW)},
        python_table=PythonTable("compared_next_best_actions", "next_best_counts", _next_best_actions),
        logic_version=LOGIC_VERSION,
    ),
)
