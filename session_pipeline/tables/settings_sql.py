"""Generates SQL from the settings: one scan for all conditions of a kind, values and literals.

A condition is inlined as a parsed tree, never as text. <group>/from_settings.py generates the SQL of each group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from session_pipeline.reference.columns import EVENT_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_condition, parse_number

EVENT_COLUMNS = "session_id, session_date, event_number, event_id, event_time, page_path, currency"


@dataclass(frozen=True)
class Rule:
    """A condition as SQL, and the columns that are added to each row that meets it."""

    where: str
    fields: Mapping[str, str]


def matches(source: str, columns: str, rules: Sequence[Rule], empty: str) -> str:
    """Returns SQL that gives the rows of a table and the rules that they meet, one row per pair.

    One scan evaluates all rules, so the cost is linear in their number. With one scan per rule, planning would take
    about as long as running, and plans with hundreds of scans run out of memory.
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
    """Returns SQL that gives columns of sessions as rows of (columns, dimension, dimension_value); '' without names."""
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
    """Joins conditions with `or` as a balanced tree, which has few levels."""
    level = [f"({condition})" for condition in conditions]
    while len(level) > 1:
        level = [f"({' or '.join(level[place : place + 2])})" for place in range(0, len(level), 2)]
    return level[0]


def event_condition(condition: str, key: str) -> str:
    """Returns a condition on events as SQL; `key` is its path in the settings."""
    return parse_condition(condition, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def value_sql(expression: str | None, key: str) -> str:
    """Returns a numeric expression on events as SQL; without one, a null of the same type."""
    if expression is None:
        return "cast(null as decimal(18, 6))"
    return parse_number(expression, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def number_sql(value: int) -> str:
    """Returns a whole number as SQL."""
    return f"cast({value} as bigint)"


def text_sql(value: str) -> str:
    """Returns a string as an SQL literal."""
    return exp.Literal.string(value).sql("duckdb")
