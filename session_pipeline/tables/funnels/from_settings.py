"""Provides what the models of funnels read from the settings: names, exclusions, windows and breakdowns.

The conditions of funnel steps and exclusions are in matches/from_settings.py.
"""

import pyarrow as pa

from session_pipeline.settings import SESSION_BREAKDOWNS, Settings
from session_pipeline.tables.settings_sql import session_values


def session_breakdowns(settings: Settings) -> str:
    """Returns SQL for the breakdowns: (session_id, dimension, dimension_value); null or no row where unknown."""
    asked_for = {funnel.breakdown for funnel in settings.funnels}
    selects = [
        session_values("session_id", [name for name in SESSION_BREAKDOWNS if name in asked_for]),
        "select session_id, dimension, dimension_value from session_dimensions"
        if asked_for & settings.dimensions.keys()
        else "",
    ]
    empty = (
        "select session_id, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from sessions where false"
    )
    return " union all ".join(filter(None, selects)) or empty


def funnels(settings: Settings) -> pa.Table:
    """Returns the funnels: (funnel, grain, window_seconds, step_count)."""
    return pa.table(
        {
            "funnel": pa.array([funnel.name for funnel in settings.funnels], pa.string()),
            "grain": pa.array([funnel.grain for funnel in settings.funnels], pa.string()),
            "window_seconds": pa.array([funnel.window_seconds for funnel in settings.funnels], pa.int64()),
            "step_count": pa.array([len(funnel.steps) for funnel in settings.funnels], pa.int64()),
        }
    )


def funnel_exclusions(settings: Settings) -> pa.Table:
    """Returns the exclusions: (funnel, step_number, after_step, before_step), numbered -1, -2, ..."""
    rows = [
        {
            "funnel": funnel.name,
            "step_number": -number,
            "after_step": exclusion.after_step,
            "before_step": exclusion.before_step,
        }
        for funnel in settings.funnels
        for number, exclusion in enumerate(funnel.exclusions, start=1)
    ]
    whole = [("step_number", pa.int64()), ("after_step", pa.int64()), ("before_step", pa.int64())]
    return pa.Table.from_pylist(rows, schema=pa.schema([("funnel", pa.string()), *whole]))


def funnel_step_names(settings: Settings) -> pa.Table:
    """Returns the funnel steps: (funnel, step_number, step, is_last)."""
    rows = [
        {
            "funnel": funnel.name,
            "step_number": number,
            "step": step.name,
            "is_last": number == len(funnel.steps),
        }
        for funnel in settings.funnels
        for number, step in enumerate(funnel.steps, start=1)
    ]
    columns = [("funnel", pa.string()), ("step_number", pa.int64()), ("step", pa.string()), ("is_last", pa.bool_())]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def funnel_breakdowns(settings: Settings) -> pa.Table:
    """Returns the breakdown of each funnel: (funnel, dimension); null without a breakdown."""
    return pa.table(
        {
            "funnel": pa.array([funnel.name for funnel in settings.funnels], pa.string()),
            "dimension": pa.array([funnel.breakdown for funnel in settings.funnels], pa.string()),
        }
    )
