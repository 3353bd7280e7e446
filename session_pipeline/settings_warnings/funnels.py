"""Finds options of funnels that have no effect, or exclude every attempt, whatever the events are. Needs no data.

An exclusion excludes every attempt, or none, if it repeats the condition of a step.
"""

from collections.abc import Iterator

from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS
from session_pipeline.settings import FunnelSettings, Settings
from session_pipeline.settings.conditions import parse_condition
from session_pipeline.settings.values import shown
from session_pipeline.settings_warnings.model import SettingsWarning

CHANGE = "change its condition, after_step or before_step"


def pointless_breakdowns(settings: Settings) -> Iterator[SettingsWarning]:
    """Yield a warning for each breakdown by the last step of attempts within one session, which has one value."""
    for funnel in settings.funnels:
        if funnel.breakdown_at == "last" and funnel.is_within_a_session:
            yield SettingsWarning(
                f"funnels[{funnel.name}].breakdown_at",
                "has no effect in grain session, because a value is that of the whole session;",
                "remove it; for a value of a step's own event, write a dimension that only this event has",
            )


def pointless_exclusions(settings: Settings) -> Iterator[SettingsWarning]:
    """Yield a warning for each exclusion that excludes all attempts, or none, whatever the events are."""
    for funnel in settings.funnels:
        if funnel.mode != "unordered":
            yield from _of_funnel(funnel)


def _of_funnel(funnel: FunnelSettings) -> Iterator[SettingsWarning]:
    for number, exclusion in enumerate(funnel.exclusions):
        key = f"funnels[{funnel.name}].exclusions[{number}].where"
        excluded = _as_sql(exclusion.where)
        between = [step for step in funnel.steps[exclusion.after_step : exclusion.before_step - 1] if not step.optional]
        if repeated := [step for step in between if _as_sql(step.where) == excluded]:
            name = shown(repeated[0].name)
            problem = f"is the condition of the step {name}, which is between its steps, so every attempt that reaches"
            yield SettingsWarning(key, f"{problem} {name} after step {exclusion.after_step} is excluded;", CHANGE)
            continue
        before = funnel.steps[exclusion.before_step - 1]
        waits = before.min_seconds or (funnel.min_seconds and exclusion.before_step == len(funnel.steps))
        if not between and not waits and _as_sql(before.where) == excluded:
            problem = f"is the condition of its before_step, {shown(before.name)}, so it never applies;"
            yield SettingsWarning(key, problem, CHANGE)


def _as_sql(condition: str) -> str:
    """Return a condition in one form, whatever its spaces and capital letters of words of SQL are."""
    return parse_condition(condition, EVENT_CONDITION_COLUMNS, key="funnels").sql("duckdb")
