"""Defines the steps that build the tables of visitors."""

from session_pipeline.tables.graph import Step
from session_pipeline.tables.spans import CLOSED_BLOCKS, HISTORY, TWO_DAYS
from session_pipeline.tables.visitors import from_settings

STEPS: tuple[Step, ...] = (
    Step(
        name="visitor_states",
        tables=("visitor_states",),
        spans={"visitor_states": CLOSED_BLOCKS},
        lists={"block_lengths": from_settings.block_lengths},
    ),
    Step(
        name="visitor_days",
        tables=("visitor_days",),
        spans={"visitor_states": HISTORY},
        lists={"block_lengths": from_settings.block_lengths},
    ),
    Step(name="daily_visitors", tables=("daily_visitors",), spans={"visitor_days": TWO_DAYS}),
    Step(name="visitors", tables=("visitors",), spans={"visitor_states": HISTORY}),
    Step(
        name="retention",
        tables=("retention",),
        lists={
            "cohort_names": from_settings.cohort_names,
            "retention_periods": from_settings.retention_periods,
        },
    ),
)
