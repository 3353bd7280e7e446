"""Turns the expressions and event rules of a source into SQL over the fields of a line.

settings/conditions parses them; line_fields.py says how a field of a line is read.
"""

from collections.abc import Callable, Mapping
from typing import cast

from sqlglot import exp

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.column_groups import LINE_COLUMNS
from session_pipeline.settings.conditions import parse_condition, parse_scalar

# A field with more than a number, such as 12,50 EUR, keeps its comma until the expression has cut the number out of it.
_WITH_DECIMAL_POINT = "lambda cut: case when contains(cut, ',') then with_decimal_point(cut) else cut end"


def with_expressions(
    rules: ReadingRules, values: Mapping[str, str], field: Callable[[str], str], number: Callable[[str], str]
) -> dict[str, str]:
    """Return the SQL of each column, with the value of its expression first.

    Args:
        rules: The rules of the source.
        values: The SQL of each column's value without an expression, by column. Expressions read these.
        field: Returns the SQL of a field's text, from its name as it is in the settings.
        number: Returns the SQL of a field's text with a decimal point, which the expression of `value` reads if numbers
            have a decimal comma.
    """
    changed = dict(values)
    for ours, text in rules.expressions.items():
        tree = parse_scalar(text, LINE_COLUMNS, key=f"expressions.{ours}")
        has_comma = ours == "value" and rules.decimal_comma
        expression = f"nullif(cast({_sql(tree, values, number if has_comma else field)} as varchar), '')"
        if has_comma:
            expression = f"list_transform([{expression}], {_WITH_DECIMAL_POINT})[1]"
        changed[ours] = f"coalesce({expression}, {values[ours]})"
    return changed


def event_name(rules: ReadingRules, values: Mapping[str, str], field: Callable[[str], str]) -> str:
    """Return the SQL of the event's name, by the first rule that holds, or by the source's name for it.

    Args:
        rules: The rules of the source.
        values: The SQL of each column, with expressions. Conditions read these.
        field: Returns the SQL of a field's text, from its name as it is in the settings.
    """
    given = values["event_name"]
    named = given
    if rules.event_names:
        whens = " ".join(f"when {literal(theirs)} then {literal(ours)}" for theirs, ours in rules.event_names.items())
        named = f"case {given} {whens} else {given} end"
    if not rules.events:
        return named
    whens = " ".join(
        f"when {_sql(parse_condition(where, LINE_COLUMNS, key='events'), values, field)} then {literal(name)}"
        for name, where in rules.events
    )
    return f"case {whens} else {named} end"


def _sql(tree: exp.Expression, values: Mapping[str, str], field: Callable[[str], str]) -> str:
    """Return a tree as SQL, with the SQL of columns and fields in the place of their names."""
    root = exp.Paren(this=tree)
    for node in list(root.find_all(exp.JSONExtractScalar)):
        path = cast(exp.JSONPath, node.expression)
        node.replace(exp.Var(this=f"({field(path.expressions[-1].this)})"))
    for column in list(root.find_all(exp.Column)):
        column.replace(exp.Var(this=f"({values.get(column.name, column.name)})"))
    return root.sql("duckdb")
