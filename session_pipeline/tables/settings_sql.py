"""Generates SQL from the settings: one scan for all conditions of a kind, values and literals.

A condition is inlined as a parsed tree, never as text. <group>/from_settings.py generates the SQL of each group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp, parse_one

from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_condition, parse_number

FEW_READS = 5  # conditions and values of rules that read properties; if there are more, one function reads all values


@dataclass(frozen=True)
class Rule:
    """A condition as SQL, and the columns that are added to each row that meets it."""

    where: str
    fields: Mapping[str, str]


def matches(source: str, columns: str, rules: Sequence[Rule], empty: str) -> str:
    """Return SQL that gives the rows of a table and the rules that they meet, one row per pair.

    One scan evaluates all rules, so the cost is linear in their number. With one scan per rule, planning would take
    about as long as running, and plans with hundreds of scans run out of memory.
    """
    if not rules:
        return empty
    return (
        f"select {columns}, {', '.join(f'rule.{name} as {name}' for name in rules[0].fields)} from ("
        f"select {columns}, unnest([{_met(rules)}]) as rule from {source} where {_any([rule.where for rule in rules])}"
        ") as matches where rule is not null"
    )


def with_rules_met(source: str, rules: Sequence[Rule], flag: str, met: str, types: Mapping[str, str]) -> str:
    """Return SQL that adds two columns to the rows of a relation: whether a rule is met, and the list of rules met.

    The list is null if none is met. Otherwise DuckDB would make one for each event, also where a later filter reads
    only the flag: few events meet a rule.

    Args:
        source: The relation.
        rules: The rules.
        flag: The name of the column that says whether a rule is met; it is cheaper than the list.
        met: The name of the column with the fields of the rules that are met.
        types: The types of the fields, which an empty list of rules has too.
    """
    if not rules:
        fields = ", ".join(f"{name} {type_name}" for name, type_name in types.items())
        return f"select *, false as {flag}, cast([] as struct({fields})[]) as {met} from {source}"
    source, rules = _with_values_read_once(source, rules, f"values_of_{met}")
    return (
        f"select *, {_any([rule.where for rule in rules])} as {flag},"
        f" case when {flag} then list_filter([{_met(rules)}], lambda rule: rule is not null) end as {met} from {source}"
    )


def _with_values_read_once(source: str, rules: Sequence[Rule], values: str) -> tuple[str, Sequence[Rule]]:
    """Return the source with a list of all values of `properties` that rules name, and the rules that read this list.

    In DuckDB, each function that reads a value holds the parsed properties of 2,048 events, so many rules would need
    more memory than there is. One function reads all values of the list. A filter is not moved below unnest, where it
    would have a function for each rule again.
    """
    texts = [sql for rule in rules for sql in (rule.where, *rule.fields.values())]
    if sum("->>" in sql for sql in texts) <= FEW_READS:
        return source, rules
    paths: dict[str, int] = {}

    def from_list(node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.JSONExtractScalar) and node.this.name == "properties"):
            return node
        number = paths.setdefault(node.expression.sql("duckdb"), len(paths) + 1)
        return parse_one(f"{values}[{number}]", dialect="duckdb")

    def changed(sql: str) -> str:
        return parse_one(sql, dialect="duckdb").transform(from_list).sql("duckdb") if "->>" in sql else sql

    rules = [Rule(changed(rule.where), {name: changed(sql) for name, sql in rule.fields.items()}) for rule in rules]
    listed = f"json_extract_string(properties, [{', '.join(paths)}])"
    return f"(select *, unnest([{listed}]) as {values} from {source})", rules


def session_values(columns: str, names: Sequence[str], sessions: str = "sessions") -> str:
    """Return SQL that gives columns of sessions as rows of (columns, dimension, dimension_value); '' without names."""
    if not names:
        return ""
    values = ", ".join(
        f"{{'dimension': {text_sql(name)}, 'dimension_value': cast({name} as varchar)}}" for name in names
    )
    return (
        f"select {columns}, v.dimension as dimension, v.dimension_value as dimension_value from ("
        f"select {columns}, unnest([{values}]) as v from {sessions}) as valued"
    )


def _met(rules: Sequence[Rule]) -> str:
    """Return a struct for each rule: its fields where it is met, otherwise null."""
    structs = [", ".join(f"{text_sql(name)}: {sql}" for name, sql in rule.fields.items()) for rule in rules]
    return ", ".join(
        f"case when {rule.where} then {{{fields}}} end" for rule, fields in zip(rules, structs, strict=True)
    )


def _any(conditions: Sequence[str]) -> str:
    """Join conditions with `or` as a balanced tree, which has few levels."""
    level = [f"({condition})" for condition in conditions]
    while len(level) > 1:
        level = [f"({' or '.join(level[place : place + 2])})" for place in range(0, len(level), 2)]
    return level[0]


def event_condition(condition: str, key: str) -> str:
    """Return a condition on events as SQL; `key` is its path in the settings."""
    return parse_condition(condition, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def value_sql(expression: str | None, key: str) -> str:
    """Return a numeric expression on events as SQL; without one, a null of the same type."""
    if expression is None:
        return "cast(null as decimal(18, 6))"
    return parse_number(expression, EVENT_CONDITION_COLUMNS, key=key).sql("duckdb")


def number_sql(value: int) -> str:
    """Return a whole number as SQL."""
    return f"cast({value} as bigint)"


def text_sql(value: str) -> str:
    """Return a string as an SQL literal."""
    return exp.Literal.string(value).sql("duckdb")
