"""Provides what the models of outcomes read from the settings: outcome rules, dimensions and breakdowns.

Rules on events are in matches/from_settings.py.
"""

from collections.abc import Mapping

from sqlglot import exp

from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.settings.conditions import parse_condition, parse_scalar
from session_pipeline.tables.settings_sql import Rule, matches, number_sql, session_values, text_sql

DIMENSIONS_PER_SCAN = 5


def outcome_sessions(settings: Settings) -> str:
    """Return SQL for the sessions that meet a rule with where_session: (session_id, priority)."""
    rules = [
        Rule(
            where=parse_condition(
                rule.where_session, SESSION_CONDITION_COLUMNS, key=f"outcomes[{priority}].where_session"
            ).sql("duckdb"),
            fields={"priority": number_sql(priority)},
        )
        for priority, rule in enumerate(settings.outcomes)
        if rule.where_session is not None
    ]
    empty = "select session_id, cast(null as bigint) as priority from sessions where false"
    return matches("sessions", "session_id", rules, empty)


def dimension_values(settings: Settings) -> str:
    """Return SQL for each session's first known value of dimensions from the settings.

    Its columns are (session_id, session_date, site, dimension, dimension_value). An empty text is not a known value,
    as in the columns of events. Each value is computed once for each event, and one scan computes only some dimensions:
    while DuckDB reads a value from `properties`, it holds the parsed properties of 2,048 events, separately for each
    value.
    """
    values = []
    for name, expression in settings.dimensions.items():
        value = exp.cast(parse_scalar(expression, EVENT_CONDITION_COLUMNS, key=f"dimensions.{name}"), "VARCHAR")
        values.append((name, f"nullif({value.sql('duckdb')}, '')"))
    starts = range(0, len(values), DIMENSIONS_PER_SCAN)
    scans = [_first_values(dict(values[start : start + DIMENSIONS_PER_SCAN])) for start in starts]
    empty = (
        "select session_id, session_date, site, cast(null as varchar) as dimension,"
        " cast(null as varchar) as dimension_value from events where false"
    )
    return " union all ".join(scans) or empty


def _first_values(values: Mapping[str, str]) -> str:
    """Return SQL for the first value of each session that is not null, of SQL expressions by dimension."""
    session = "session_id, session_date, site"
    names = {dimension: f"_value_{number}" for number, dimension in enumerate(values)}
    computed = ", ".join(f"{value} as {names[dimension]}" for dimension, value in values.items())
    first = ", ".join(
        f"arg_min({name}, event_number) filter (where {name} is not null) as {name}" for name in names.values()
    )
    rows = ", ".join(
        f"{{'dimension': {text_sql(dimension)}, 'dimension_value': {name}}}" for dimension, name in names.items()
    )
    return (
        f"select {session}, v.dimension as dimension, v.dimension_value as dimension_value from ("
        f"select {session}, unnest([{rows}]) as v from ("
        f"select {session}, {first} from ("
        f"select {session}, event_number, {computed} from events"
        f") as computed group by {session}) as firsts) as valued where v.dimension_value is not null"
    )


def breakdown_values(settings: Settings) -> str:
    """Return SQL for the breakdowns of each session, with what they count: (..., dimension, dimension_value).

    What they count is joined before a session becomes a row for each dimension. lifecycle is null for bots.
    """
    columns = "session_date, site, is_bot, outcome, is_converted, value, lifecycle"
    counted = (
        "select s.*, o.outcome, o.is_converted, o.value, v.lifecycle from sessions as s"
        " inner join session_outcomes as o on s.session_id = o.session_id"
        " left join visitor_days as v on s.session_date = v.session_date and s.site = v.site"
        " and s.visitor_id = v.visitor_id and not s.is_bot"
    )
    own = ", ".join(map(text_sql, settings.dimensions))
    of_session = ", ".join(f"s.{name}" for name in columns.split(", "))
    selects = [
        session_values(columns, settings.breakdowns.dimensions, "counted_sessions"),
        f"select {of_session}, n.dimension, d.dimension_value from counted_sessions as s"
        f" cross join (select unnest([{own}]) as dimension) as n"
        " left join session_dimensions as d on s.session_id = d.session_id and n.dimension = d.dimension"
        if own
        else "",
    ]
    empty = (
        f"select {columns}, cast(null as varchar) as dimension, cast(null as varchar) as dimension_value"
        " from counted_sessions where false"
    )
    return f"with counted_sessions as ({counted}) {' union all '.join(filter(None, selects)) or empty}"


def outcome_rules(settings: Settings) -> SmallTable:
    """Return the outcome rules: (priority, outcome, is_conversion)."""
    rows = [
        {"priority": priority, "outcome": rule.name, "is_conversion": rule.is_conversion}
        for priority, rule in enumerate(settings.outcomes)
    ]
    return SmallTable({"priority": "BIGINT", "outcome": "VARCHAR", "is_conversion": "BOOLEAN"}, rows)
