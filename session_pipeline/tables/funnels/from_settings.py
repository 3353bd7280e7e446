"""Provides what the models of funnels read from the settings: names, exclusions, windows and breakdowns.

The conditions of funnel steps and exclusions are in matches/from_settings.py.
"""

from session_pipeline.reference.small_table import SmallTable
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


def funnels(settings: Settings) -> SmallTable:
    """Returns the funnels: (funnel, grain, window_seconds, step_count)."""
    rows = [
        {
            "funnel": funnel.name,
            "grain": funnel.grain,
            "window_seconds": funnel.window_seconds,
            "step_count": len(funnel.steps),
        }
        for funnel in settings.funnels
    ]
    types = {"funnel": "VARCHAR", "grain": "VARCHAR", "window_seconds": "BIGINT", "step_count": "BIGINT"}
    return SmallTable(types, rows)


def funnel_exclusions(settings: Settings) -> SmallTable:
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
    types = {"funnel": "VARCHAR", "step_number": "BIGINT", "after_step": "BIGINT", "before_step": "BIGINT"}
    return SmallTable(types, rows)


def funnel_step_names(settings: Settings) -> SmallTable:
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
    types = {"funnel": "VARCHAR", "step_number": "BIGINT", "step": "VARCHAR", "is_last": "BOOLEAN"}
    return SmallTable(types, rows)


def funnel_breakdowns(settings: Settings) -> SmallTable:
    """Returns the breakdown of each funnel: (funnel, dimension); null without a breakdown."""
    rows = [{"funnel": funnel.name, "dimension": funnel.breakdown} for funnel in settings.funnels]
    return SmallTable({"funnel": "VARCHAR", "dimension": "VARCHAR"}, rows)
