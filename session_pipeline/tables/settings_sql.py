"""SQL that is made from the settings: all conditions of a kind in one scan, values, literals.

A condition is inlined as the parsed tree, never as text. What each group makes is in <group>/from_settings.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from session_pipeline.reference.columns import EVENT_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_condition, parse_number

EVENT_COLUMNS = "session_id, session_date, event_number, event_id, event_time, page_path, currency"


@dataclass(frozen=True)
class Rule:
    """A condition as SQL, and the columns that a row which meets it gets."""

    where: str
    fields: Mapping[str, str]


def matches(source: str, columns: str, rules: Sequence[Rule], empty: str) -> str:
    """The rows of a table and the rules that they meet, a row for each pair.

    One scan evaluates all rules, so that the cost is linear in them: a scan for each rule costs about as much to plan
    as to run, and plans of hundreds of scans run out of memory.
    """
    if not rules:
        return empty
    fields = tuple(rules[0].fields)
    met = ", ".join(
        f"case when {rule.where} then {{{', '.join(f'{text_sql(name)}: {rule.fields[name]}' for name in fields)}}} end"
        for rule in rules
    )
    return (
        f"select {columns}, {', '.join(f'rule.{name} as {name}' for name in fields)} from ("
        f"select {columns}, unnest([{met}]) as rule from {source} where {_any([rule.where for rule in rules])}"
        ") as matches where rule is not null"
    )


def session_values(columns: str, names: Sequence[str]) -> str:
    """Columns of sessions as rows of (columns, dimension, dimension_value); empty text without names."""
    if not names:
        return ""
    values = ", ".join(
        f"{{'dimension': {text_sql(name)}, 'dimension_value': cast({name} as varchar)}}" for name in names
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


def event_condition(condition: str, key: str) -> str:
    """A condition on events as SQL; `key` is its place in the settings."""
    return parse_condition(condition, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def value_sql(expression: str | None, key: str) -> str:
    """A numeric expression on events as SQL; without one, a null of its type."""
    if expression is None:
        return "cast(null as decimal(18, 6))"
    return parse_number(expression, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def number_sql(value: int) -> str:
    """A whole number as SQL."""
    return f"cast({value} as bigint)"


def text_sql(value: str) -> str:
    """A text as SQL."""
    return exp.Literal.string(value).sql("duckdb")
