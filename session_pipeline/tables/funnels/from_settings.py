"""Provides what the models of funnels read from the settings: names, rules of steps, exclusions and breakdowns.

The conditions of funnel steps and exclusions are in matches/from_settings.py; what stops an attempt is in stops.py.
"""

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import SESSION_BREAKDOWNS, FunnelSettings, Settings
from session_pipeline.tables.settings_sql import text_sql

BREAKDOWN_STEPS = {"first": 0, "last": -1}

# The models multiply intervals by 32-bit numbers. No attempt takes this long (68 years), so a longer time is the same.
MOST_SECONDS = 2**31 - 1


def session_breakdowns(settings: Settings) -> str:
    """Return SQL for the breakdowns of sessions: (session_id, funnel, breakdown), for funnels with a breakdown."""
    asked_for = [funnel for funnel in settings.funnels if funnel.dimensions]
    own = sorted({name for funnel in asked_for for name in funnel.dimensions} - set(SESSION_BREAKDOWNS))
    if not asked_for:
        return (
            "select session_id, cast(null as varchar) as funnel, cast(null as varchar) as breakdown"
            " from sessions where false"
        )
    aliases = {name: f"d{number}" for number, name in enumerate(own)}
    joins = "".join(
        f" left join session_dimensions as {alias}"
        f" on s.session_id = {alias}.session_id and {alias}.dimension = {text_sql(name)}"
        for name, alias in aliases.items()
    )
    values = ", ".join(
        f"{{'funnel': {text_sql(funnel.name)}, 'breakdown': {_joined(funnel, aliases)}}}" for funnel in asked_for
    )
    return (
        "select session_id, v.funnel as funnel, v.breakdown as breakdown from ("
        f"select s.session_id as session_id, unnest([{values}]) as v from sessions as s{joins}) as valued"
    )


def _joined(funnel: FunnelSettings, aliases: dict[str, str]) -> str:
    """Return SQL for the values of a funnel's dimensions, joined so that different values stay different."""
    values = [
        f"coalesce(cast({f'{aliases[name]}.dimension_value' if name in aliases else f's.{name}'} as varchar), '(none)')"
        for name in funnel.dimensions
    ]
    if len(values) == 1:
        return values[0]
    return f"concat_ws(' | ', {', '.join(_escaped(value) for value in values)})"


def _escaped(value: str) -> str:
    return f"regexp_replace({value}, '[|]', '||', 'g')"


def funnels(settings: Settings) -> SmallTable:
    """Return the funnels, with the options that concern whole attempts.

    breakdown_step is 0 for the step of the entry, -1 for the last reached step, otherwise the number of a step.
    """
    rows = [
        {
            "funnel": funnel.name,
            "is_within_session": funnel.is_within_a_session,
            "is_each_attempt": funnel.grain == "attempt",
            "is_unordered": funnel.mode == "unordered",
            "is_one_event_per_step": funnel.one_event_per_step,
            "does_stop_all": funnel.stop_ends == "all",
            "window_seconds": _capped(funnel.window_seconds),
            "step_count": len(funnel.steps),
            "breakdown_step": _breakdown_step(funnel),
        }
        for funnel in settings.funnels
    ]
    types = {
        "funnel": "VARCHAR",
        "is_within_session": "BOOLEAN",
        "is_each_attempt": "BOOLEAN",
        "is_unordered": "BOOLEAN",
        "is_one_event_per_step": "BOOLEAN",
        "does_stop_all": "BOOLEAN",
        "window_seconds": "BIGINT",
        "step_count": "BIGINT",
        "breakdown_step": "BIGINT",
    }
    return SmallTable(types, rows)


def _breakdown_step(funnel: FunnelSettings) -> int:
    if funnel.breakdown_at in BREAKDOWN_STEPS:
        return BREAKDOWN_STEPS[funnel.breakdown_at]
    return [step.name for step in funnel.steps].index(funnel.breakdown_at) + 1


def _capped(seconds: int | None) -> int | None:
    return None if seconds is None else min(seconds, MOST_SECONDS)


def funnel_step_rules(settings: Settings) -> SmallTable:
    """Return the funnel steps, with where an attempt comes from and how long it can take.

    from_step is the step that an attempt must have reached: the required step before this one. entry_step is null if no
    attempt can enter at the step. Both are null in mode unordered, where unordered_attempts.sql finds the entries.
    """
    rows = [row for funnel in settings.funnels for row in _step_rules(funnel)]
    types = {
        "funnel": "VARCHAR",
        "step_number": "BIGINT",
        "from_step": "BIGINT",
        "next_required_step": "BIGINT",
        "entry_step": "BIGINT",
        "is_optional": "BOOLEAN",
        "is_unordered": "BOOLEAN",
        "is_one_event_per_step": "BOOLEAN",
        "takes_ties": "BOOLEAN",
        "window_seconds": "BIGINT",
        "min_seconds": "BIGINT",
        "min_seconds_in_total": "BIGINT",
    }
    return SmallTable(types, rows)


def _step_rules(funnel: FunnelSettings) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    is_unordered = funnel.mode == "unordered"
    required = [number for number, step in enumerate(funnel.steps, start=1) if not step.optional]
    for number, step in enumerate(funnel.steps, start=1):
        before = max((one for one in required if one < number), default=None)
        is_entry = not is_unordered and not step.optional and (number == 1 or funnel.entry == "any")
        rows.append(
            {
                "funnel": funnel.name,
                "step_number": number,
                "from_step": None if is_unordered else before,
                "next_required_step": min((one for one in required if one > number), default=None),
                "entry_step": number if is_entry else None,
                "is_optional": step.optional,
                "is_unordered": is_unordered,
                "is_one_event_per_step": funnel.one_event_per_step,
                "takes_ties": funnel.ties == "advance",
                "window_seconds": _capped(step.window_seconds),
                "min_seconds": _capped(step.min_seconds),
                "min_seconds_in_total": _capped(funnel.min_seconds) if number == len(funnel.steps) else 0,
            }
        )
    return rows


def exclusion_rules(settings: Settings) -> SmallTable:
    """Return the exclusions: (funnel, step_number, after_step, before_step), numbered -1, -2, ..."""
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
    """Return the funnel steps: (funnel, step_number, step, is_optional, is_last)."""
    rows = [
        {
            "funnel": funnel.name,
            "step_number": number,
            "step": funnel.step_name(number),
            "is_optional": step.optional,
            "is_last": number == len(funnel.steps),
        }
        for funnel in settings.funnels
        for number, step in enumerate(funnel.steps, start=1)
    ]
    types = {
        "funnel": "VARCHAR",
        "step_number": "BIGINT",
        "step": "VARCHAR",
        "is_optional": "BOOLEAN",
        "is_last": "BOOLEAN",
    }
    return SmallTable(types, rows)
