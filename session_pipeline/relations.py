"""Lists of the settings as relations that models read: rules, funnel steps, dimensions, folded paths.

A condition is inlined as the parsed tree, never as text. Each relation is one SELECT over the tables that a model has
anyway. Knows SQL trees. Does not run them, and does not read the settings file.
"""

from collections.abc import Iterable, Sequence

from sqlglot import exp, parse_one

from session_pipeline.conditions import parse_condition, parse_number, parse_scalar
from session_pipeline.contracts import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.settings import SESSION_BREAKDOWNS, FunnelSettings, Settings

EVENT_COLUMNS = "session_id, session_date, event_number, event_id, event_time, page_path, currency"
POSITION = "coalesce(sequence, line_number) as position"  # among events of one instant


def outcome_events(settings: Settings) -> str:
    """Events that meet a rule: (priority, event columns, value), a row for each event and rule."""
    return _union(
        (
            _select(
                "events",
                f"cast({priority} as bigint) as priority, {EVENT_COLUMNS}",
                where=_event_condition(rule.where, f"outcomes[{priority}].where"),
                value=_value(rule.value, f"outcomes[{priority}].value"),
            )
            for priority, rule in enumerate(settings.outcomes)
            if rule.where is not None
        ),
        f"select cast(null as bigint) as priority, {EVENT_COLUMNS}, value from events where false",
    )


def outcome_sessions(settings: Settings) -> str:
    """Sessions that meet a rule of their own: (priority, session_id)."""
    return _union(
        (
            _select(
                "sessions",
                f"cast({priority} as bigint) as priority, session_id",
                where=parse_condition(
                    rule.where_session, SESSION_CONDITION_COLUMNS, key=f"outcomes[{priority}].where_session"
                ),
            )
            for priority, rule in enumerate(settings.outcomes)
            if rule.where_session is not None
        ),
        "select cast(null as bigint) as priority, session_id from sessions where false",
    )


def goal_events(settings: Settings) -> str:
    """Events that meet a goal: (goal, event columns, value)."""
    return _union(
        (
            _select(
                "events",
                f"{_literal(goal.name)} as goal, {EVENT_COLUMNS}",
                where=_event_condition(goal.where, f"goals[{number}].where"),
                value=_value(goal.value, f"goals[{number}].value"),
            )
            for number, goal in enumerate(settings.goals)
        ),
        f"select cast(null as varchar) as goal, {EVENT_COLUMNS}, value from events where false",
    )


def dimension_values(settings: Settings) -> str:
    """Values that events have for the dimensions of the settings: (session, event_number, dimension, value)."""
    columns = "session_id, session_date, site, event_number"
    selects = []
    for name, expression in settings.dimensions.items():
        value = exp.cast(parse_scalar(expression, EVENT_CONDITION_COLUMNS, key=f"dimensions.{name}"), "VARCHAR")
        selects.append(
            _select(
                "events",
                f"{columns}, {_literal(name)} as dimension, {value.sql('duckdb')} as dimension_value",
                where=exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null())),
            )
        )
    empty = (
        f"select {columns}, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from events where false"
    )
    return _union(selects, empty)


def breakdown_values(settings: Settings) -> str:
    """What each session is counted under: (session_id, site, dimension, dimension_value), a row for each dimension."""
    packaged = [
        f"select session_id, site, {_literal(name)} as dimension, cast({name} as varchar) as dimension_value"
        " from sessions"
        for name in settings.breakdowns.dimensions
    ]
    own = [
        f"select s.session_id, s.site, {_literal(name)} as dimension, d.dimension_value from sessions as s"
        f" left join session_dimensions as d on s.session_id = d.session_id and d.dimension = {_literal(name)}"
        for name in settings.dimensions
    ]
    empty = (
        "select session_id, site, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from sessions where false"
    )
    return _union([*packaged, *own], empty)


def step_events(settings: Settings) -> str:
    """Events that meet a funnel's step (numbered from 1) or exclusion (numbered down from -1)."""
    selects = []
    for position, funnel in enumerate(settings.funnels):
        conditions = [
            (number, step.where, f"funnels[{position}].steps[{number - 1}].where")
            for number, step in enumerate(funnel.steps, start=1)
        ] + [
            (-number, exclusion.where, f"funnels[{position}].exclusions[{number - 1}].where")
            for number, exclusion in enumerate(funnel.exclusions, start=1)
        ]
        selects += [
            _select(
                "events",
                f"{_literal(funnel.name)} as funnel, cast({number} as bigint) as step_number,"
                f" {EVENT_COLUMNS}, {POSITION}",
                where=_event_condition(where, key),
            )
            for number, where, key in conditions
        ]
    empty = (
        "select cast(null as varchar) as funnel, cast(null as bigint) as step_number, "
        f"{EVENT_COLUMNS}, {POSITION} from events where false"
    )
    return _union(selects, empty)


def funnel_breakdowns(settings: Settings) -> str:
    """What a funnel's attempts are broken down by: (funnel, session_id, breakdown)."""
    return _union(
        [_funnel_breakdown(funnel) for funnel in settings.funnels],
        "select cast(null as varchar) as funnel, session_id, cast(null as varchar) as breakdown"
        " from sessions where false",
    )


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


def _funnel_breakdown(funnel: FunnelSettings) -> str:
    name = _literal(funnel.name)
    if funnel.breakdown is None:
        return f"select {name} as funnel, session_id, '(all)' as breakdown from sessions"
    if funnel.breakdown in SESSION_BREAKDOWNS:
        value = f"coalesce(cast({funnel.breakdown} as varchar), '(none)')"
        return f"select {name} as funnel, session_id, {value} as breakdown from sessions"
    return (
        f"select {name} as funnel, s.session_id, coalesce(d.dimension_value, '(none)') as breakdown"
        " from sessions as s left join session_dimensions as d"
        f" on s.session_id = d.session_id and d.dimension = {_literal(funnel.breakdown)}"
    )


def _event_condition(condition: str, key: str) -> exp.Expression:
    return parse_condition(condition, EVENT_CONDITION_COLUMNS, key=key)


def _value(expression: str | None, key: str) -> exp.Expression:
    if expression is None:
        return exp.cast(exp.Null(), "DECIMAL(18, 6)")
    return parse_number(expression, EVENT_CONDITION_COLUMNS, key=key)


def _select(source: str, columns: str, *, where: exp.Expression, value: exp.Expression | None = None) -> str:
    select = parse_one(f"select {columns} from {source}", read="duckdb")
    assert isinstance(select, exp.Select)
    if value is not None:
        select = select.select(exp.alias_(value, "value"))
    return select.where(where).sql("duckdb")


def _literal(value: str) -> str:
    return exp.Literal.string(value).sql("duckdb")


def _union(selects: Iterable[str] | Sequence[str], empty: str) -> str:
    return " union all ".join(selects) or empty
