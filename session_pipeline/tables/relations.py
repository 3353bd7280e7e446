"""Lists of the settings as relations that models read: rules, funnel steps, dimensions, folded paths.

A condition is inlined as the parsed tree, never as text. Each relation is one SELECT over the tables that a model has
anyway. Knows SQL trees. Does not run them, and does not read the settings file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from session_pipeline.reference.columns import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.settings import SESSION_BREAKDOWNS, Settings
from session_pipeline.settings.conditions import parse_condition, parse_number, parse_scalar

EVENT_COLUMNS = "session_id, session_date, event_number, event_id, event_time, page_path, currency"
# Events with their position among those of one instant.
PLACED_EVENTS = "(select *, coalesce(sequence, line_number) as position from events) as placed"


def outcome_events(settings: Settings) -> str:
    """Events that meet a rule: (event columns, priority, value), a row for each event and rule."""
    rules = [
        _Rule(
            where=_event_condition(rule.where, f"outcomes[{priority}].where"),
            fields={"priority": _number(priority), "value": _value(rule.value, f"outcomes[{priority}].value")},
        )
        for priority, rule in enumerate(settings.outcomes)
        if rule.where is not None
    ]
    empty = f"select {EVENT_COLUMNS}, cast(null as bigint) as priority, value from events where false"
    return _matches("events", EVENT_COLUMNS, rules, empty)


def outcome_sessions(settings: Settings) -> str:
    """Sessions that meet a rule of their own: (session_id, priority)."""
    rules = [
        _Rule(
            where=parse_condition(
                rule.where_session, SESSION_CONDITION_COLUMNS, key=f"outcomes[{priority}].where_session"
            ).sql("duckdb"),
            fields={"priority": _number(priority)},
        )
        for priority, rule in enumerate(settings.outcomes)
        if rule.where_session is not None
    ]
    empty = "select session_id, cast(null as bigint) as priority from sessions where false"
    return _matches("sessions", "session_id", rules, empty)


def goal_events(settings: Settings) -> str:
    """Events that meet a goal: (event columns, goal, value), a row for each event and goal."""
    rules = [
        _Rule(
            where=_event_condition(goal.where, f"goals[{number}].where"),
            fields={"goal": _literal(goal.name), "value": _value(goal.value, f"goals[{number}].value")},
        )
        for number, goal in enumerate(settings.goals)
    ]
    empty = f"select {EVENT_COLUMNS}, cast(null as varchar) as goal, value from events where false"
    return _matches("events", EVENT_COLUMNS, rules, empty)


def dimension_values(settings: Settings) -> str:
    """Values that events have for the dimensions of the settings: (session, event_number, dimension, value)."""
    columns = "session_id, session_date, site, event_number"
    rules = []
    for name, expression in settings.dimensions.items():
        value = exp.cast(parse_scalar(expression, EVENT_CONDITION_COLUMNS, key=f"dimensions.{name}"), "VARCHAR")
        text = value.sql("duckdb")
        rules.append(_Rule(f"{text} is not null", {"dimension": _literal(name), "dimension_value": text}))
    empty = (
        f"select {columns}, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from events where false"
    )
    return _matches("events", columns, rules, empty)


def breakdown_values(settings: Settings) -> str:
    """What each session is counted under: (session_id, site, dimension, dimension_value), a row for each dimension."""
    own = ", ".join(map(_literal, settings.dimensions))
    selects = [
        _session_values("session_id, site", settings.breakdowns.dimensions),
        "select s.session_id, s.site, n.dimension, d.dimension_value from sessions as s"
        f" cross join (select unnest([{own}]) as dimension) as n"
        " left join session_dimensions as d on s.session_id = d.session_id and n.dimension = d.dimension"
        if own
        else "",
    ]
    empty = (
        "select session_id, site, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from sessions where false"
    )
    return " union all ".join(filter(None, selects)) or empty


def step_events(settings: Settings) -> str:
    """Events that meet a funnel's step (numbered from 1) or exclusion (numbered down from -1)."""
    rules = []
    for position, funnel in enumerate(settings.funnels):
        conditions = [
            (number, step.where, f"funnels[{position}].steps[{number - 1}].where")
            for number, step in enumerate(funnel.steps, start=1)
        ] + [
            (-number, exclusion.where, f"funnels[{position}].exclusions[{number - 1}].where")
            for number, exclusion in enumerate(funnel.exclusions, start=1)
        ]
        rules += [
            _Rule(_event_condition(where, key), {"funnel": _literal(funnel.name), "step_number": _number(number)})
            for number, where, key in conditions
        ]
    empty = (
        f"select {EVENT_COLUMNS}, position, cast(null as varchar) as funnel, cast(null as bigint) as step_number"
        f" from {PLACED_EVENTS} where false"
    )
    return _matches(PLACED_EVENTS, f"{EVENT_COLUMNS}, position", rules, empty)


def session_breakdowns(settings: Settings) -> str:
    """What funnels are broken down by: (session_id, dimension, dimension_value), null or no row where unknown."""
    asked_for = {funnel.breakdown for funnel in settings.funnels}
    selects = [
        _session_values("session_id", [name for name in SESSION_BREAKDOWNS if name in asked_for]),
        "select session_id, dimension, dimension_value from session_dimensions"
        if asked_for & settings.dimensions.keys()
        else "",
    ]
    empty = (
        "select session_id, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from sessions where false"
    )
    return " union all ".join(filter(None, selects)) or empty


def folded_paths(settings: Settings) -> str:
    """Each page path of the day with its action: the fold rules of the settings, in their order."""
    action: exp.Expression = exp.column("page_path")
    for rule in settings.actions.fold:
        action = exp.RegexpReplace(
            this=action,
            expression=exp.Literal.string(rule.pattern),
            replacement=exp.Literal.string(rule.replacement),
            modifiers=exp.Literal.string("g"),
        )
    return (
        f"select page_path, coalesce(nullif({action.sql('duckdb')}, ''), '/') as action from ("
        "select distinct page_path from events where event_name = 'page_view' and page_path is not null) as paths"
    )


@dataclass(frozen=True)
class _Rule:
    """A condition as SQL, and the columns that a row which meets it gets."""

    where: str
    fields: Mapping[str, str]


def _matches(source: str, columns: str, rules: Sequence[_Rule], empty: str) -> str:
    """The rows of a table and the rules that they meet, a row for each pair.

    One scan evaluates all rules, so that the cost is linear in them: a scan for each rule costs about as much to plan
    as to run, and plans of hundreds of scans run out of memory.
    """
    if not rules:
        return empty
    fields = tuple(rules[0].fields)
    met = ", ".join(
        f"case when {rule.where} then {{{', '.join(f'{_literal(name)}: {rule.fields[name]}' for name in fields)}}} end"
        for rule in rules
    )
    return (
        f"select {columns}, {', '.join(f'rule.{name} as {name}' for name in fields)} from ("
        f"select {columns}, unnest([{met}]) as rule from {source} where {_any([rule.where for rule in rules])}"
        ") as matches where rule is not null"
    )


def _session_values(columns: str, names: Sequence[str]) -> str:
    """Columns of sessions as rows of (columns, dimension, dimension_value); empty text without names."""
    if not names:
        return ""
    values = ", ".join(
        f"{{'dimension': {_literal(name)}, 'dimension_value': cast({name} as varchar)}}" for name in names
    )
    return (
        f"select {columns}, v.dimension as dimension, v.dimension_value as dimension_value from ("
        f"select {columns}, unnest([{values}]) as v from sessions) as valued"
    )


def _any(conditions: Sequence[str]) -> str:
    """Whether any condition holds, as a tree of few levels."""
    level = [f"({condition})" for condition in conditions]
    while len(level) > 1:
        level = [f"({' or '.join(level[place : place + 2])})" for place in range(0, len(level), 2)]
    return level[0]


def _event_condition(condition: str, key: str) -> str:
    return parse_condition(condition, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def _value(expression: str | None, key: str) -> str:
    if expression is None:
        return "cast(null as decimal(18, 6))"
    return parse_number(expression, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def _number(value: int) -> str:
    return f"cast({value} as bigint)"


def _literal(value: str) -> str:
    return exp.Literal.string(value).sql("duckdb")
