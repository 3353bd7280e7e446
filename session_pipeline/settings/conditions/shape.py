"""Checks the nodes of an expression in the settings against an allow-list, and for forms that engines read differently.

Checks one node at a time. kinds.py checks types.
"""

import re
from collections.abc import Mapping
from typing import TypeGuard

from sqlglot import ErrorLevel, exp

from session_pipeline.settings.conditions.patterns import pattern_problem
from session_pipeline.settings.shortening import excerpt

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
JSON_COLUMNS = ("line", "properties")  # a line of a file, and an event
_VALUES_IN = {  # how to write a value in each
    "line": "line ->> 'field', or 'object.field' for a nested one",
    "properties": "properties ->> 'key', or '$.key.inner' for a nested one",
}
OPERATORS = (exp.Binary, exp.Between, exp.In, exp.Not)

# The allowed nodes, each with the arguments that may contain other nodes.
_ALLOWED: Mapping[type[exp.Expr], str] = {
    exp.Literal: "",
    exp.Boolean: "",
    exp.Null: "",
    exp.Identifier: "",
    exp.Column: "this",
    exp.Paren: "this",
    exp.Neg: "this",
    exp.And: "this expression",
    exp.Or: "this expression",
    exp.Not: "this",
    **dict.fromkeys(COMPARISONS, "this expression"),
    exp.Is: "this expression",
    exp.In: "this expressions",
    exp.Between: "this low high",
    exp.Like: "this expression",
    exp.ILike: "this expression",
    exp.DPipe: "this expression",
    exp.Case: "this ifs default",
    exp.If: "this true false",
    exp.Cast: "this to",
    exp.TryCast: "this to",
    exp.DataType: "expressions",
    exp.DataTypeParam: "this",
    exp.JSONExtractScalar: "this expression",
    exp.Lower: "this",
    exp.Upper: "this",
    exp.Length: "this",
    exp.Trim: "this",
    exp.Coalesce: "this expressions",
    exp.Nullif: "this expression",
    exp.Replace: "this expression replacement",
    exp.SplitPart: "this delimiter part_index",
    exp.RegexpLike: "this expression",
    exp.StartsWith: "this expression",
    exp.EndsWith: "this expression",
    exp.Contains: "this expression",
}
# The allowed arguments that contain no node, for all nodes. Others (between symmetric, ...) are refused.
_FLAGS = {"this", "is_string", "quoted", "negate", "safe", "position"}
_WHAT_CAN_BE_USED = (
    "use columns, 'text', numbers, = <> < > in between like ilike, is null, and, or, not, case, ||, cast, "
    "{json} ->> 'key' and lower, upper, length, trim, coalesce, nullif, replace, split_part, regexp_matches, "
    "starts_with, ends_with, contains"
)

_LIST_HINT = "write a list of values, as in ('a', 'b')"

# Integers are not allowed: DuckDB reads '1.9' as 2, Spark as null. Doubles are not: their sums depend on the order.
_CAST_TYPES = (exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.DECIMAL, exp.DType.BOOLEAN)
_TIME_TYPES = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2}(\.\d{1,6})?)?", re.ASCII)
_MOST_DIGITS = 18  # wider numbers can overflow when engines cast them and a column to a common type
_NUMBER = re.compile(rf"\d{{0,{_MOST_DIGITS}}}(\.\d{{0,{_MOST_DIGITS}}})?", re.ASCII)
_PART_NUMBER = re.compile(r"[1-9]\d{0,8}", re.ASCII)  # Spark's are 32-bit integers
_FIELD = re.compile(r"[^\x00-\x1f]{1,100}")
# A key of properties, such as $browser or Is Member?. Not what other tools read as a path or an index, and without
# characters that engines quote differently.
_JSON_KEY = re.compile(r"(?!\*$|\$[.\[]|.*\w\[(\d+|\*)\])[^\x00-\x1f'\"\\]{1,100}")
JSON_PATH = re.compile(r"\$(\.\w+)+")


class Refused(Exception):
    """An invalid expression: what is wrong, and what to write instead."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


def check(node: exp.Expr, json: str) -> None:
    """Refuse a node that is not allowed, or that engines read differently.

    Args:
        node: The node.
        json: The column with JSON that hints name.

    Raises:
        Refused: The node is not allowed.
    """
    allowed = _ALLOWED.get(type(node))
    if allowed is None:
        instead = _other_notation(node, json) or _WHAT_CAN_BE_USED.format(json=json)
        raise Refused(f"contains {shown(node)}, which cannot be used here", instead)
    for child in node.iter_expressions():
        if isinstance(node, exp.Column) and node.table and node.parts[0].name.lower() == json:
            raise Refused(f"contains {shown(node)}", f"write {json} ->> '{_key_of(node, json)}'")
        if isinstance(node, exp.In) and child.arg_key == "field":
            raise Refused(f"contains {shown(node)}", _LIST_HINT)
        if child.arg_key not in allowed.split():
            raise Refused(f"contains {shown(node)} with {shown(child)}", f"remove {shown(child)}")
    for name, value in node.args.items():
        if value and not isinstance(value, exp.Expr | list) and name not in _FLAGS:
            raise Refused(f"contains {shown(node)}", f"remove {name}")
    if hint := _differing(node, json):
        raise Refused(f"contains {shown(node)}", hint)


def _other_notation(node: exp.Expr, json: str) -> str | None:
    """Return how to write what another language writes like this; None if it is not known."""
    match node:
        case exp.ArrayOverlaps():
            return "write and instead of &&"
        case exp.Array():
            return _LIST_HINT
        case exp.Glob():
            return "write like, where % stands for any text"
        case exp.Mul() | exp.Div():
            return (
                "use columns as they are: arithmetic can overflow. For a value in cents, write "
                "cast((line ->> 'cents') || 'e-2' as decimal(18, 6)) as the expression of value in its source"
            )
        case exp.Add() | exp.Sub() | exp.Mod():
            return "use columns as they are: arithmetic can overflow"
        case exp.JSONExtract() | exp.Bracket() if isinstance(node.this, exp.Column) and node.this.name.lower() == json:
            return f"write {_VALUES_IN[json]}"
    return None


def _differing(node: exp.Expr, json: str) -> str | None:
    """Return what to write instead of a node that is allowed in general, but not in this form; None if it is valid."""
    match node:
        case exp.Literal() if not node.is_string and not _NUMBER.fullmatch(node.name):
            return f"write a number with at most {_MOST_DIGITS} digits before and after the point"
        case exp.Neg() if not is_literal(node.this, is_string=False):
            return "compare columns as they are: arithmetic can overflow"
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE() | exp.In() if _has_null(node):
            return "nothing equals null: write is null"
        case exp.In() if not node.expressions:
            return _LIST_HINT
        case exp.And() | exp.Or() | exp.Not() if text := next(filter(is_literal, node.iter_expressions()), None):
            return f"write a comparison, such as event_name = {shown(text)}"
        case exp.Is() if not isinstance(node.expression, exp.Null | exp.Boolean):
            return "write is null, is true or is false"
        case exp.Like() | exp.ILike() if not is_literal(node.expression) or "\\" in node.expression.name:
            return "write the pattern as 'text' without backslash, or use contains or starts_with"
        case exp.RegexpLike():
            return (
                pattern_problem(node.expression.name) if is_literal(node.expression) else "write the pattern as 'text'"
            )
        case exp.SplitPart() if not is_literal(node.args.get("delimiter")) or not node.args["delimiter"].name:
            return "write the separator as 'text': engines split at an empty one differently"
        case exp.SplitPart():
            index = node.args.get("part_index")
            number = index.this if isinstance(index, exp.Neg) else index
            if not is_literal(number, is_string=False) or not _PART_NUMBER.fullmatch(number.name):
                return "write the part number: 1, 2, ... or -1, -2, ... from the end"
        case exp.If() if not isinstance(node.parent, exp.Case):
            return "write case when ... then ... else ... end"
        case exp.JSONExtractScalar():
            return _differing_value(node, json)
        case exp.Cast() if node.to.this in _TIME_TYPES:
            if not is_literal(node.this) or not _ISO_TIME.fullmatch(node.this.name):
                return "write a constant time in UTC, such as timestamp '2024-05-01 00:00:00'"
        case exp.Cast() if node.to.this not in _CAST_TYPES:
            return "cast to varchar, boolean or decimal(18, 6)"
        case exp.Cast() if any(int(parameter.name) > _MOST_DIGITS for parameter in node.to.expressions):
            return f"{_MOST_DIGITS} digits are enough: cast to decimal(18, 6)"
    return None


def _differing_value(node: exp.JSONExtractScalar, json: str) -> str | None:
    """Return what to write instead of a value that is taken from JSON; None if it is valid."""
    if not isinstance(node.this, exp.Column):
        if column := _last_json(node.this):
            value = f"{column} ->> {shown(node.expression)}"
            return f"put {value} in parentheses: ({value})"
        return f"only {json} contains JSON: write {_VALUES_IN[json]}"
    key = node.expression.name if is_literal(node.expression) else ""
    match node.this.name.lower():
        case "line":
            return None if _FIELD.fullmatch(key) else f"write {_VALUES_IN['line']}"
        case "properties" if _JSON_KEY.fullmatch(key) or JSON_PATH.fullmatch(key):
            return None
        case "properties":
            return f"write {_VALUES_IN['properties']}; a key has no quote, backslash or index"
    return f"only {json} contains JSON: write {_VALUES_IN[json]}"


def _key_of(column: exp.Column, json: str) -> str:
    """Return the key of a value in JSON that is written as properties.key or properties.key.inner, shortened."""
    keys = ".".join(part.name for part in column.parts[1:])
    return excerpt(f"$.{keys}" if "." in keys and json == "properties" else keys)


def _last_json(node: exp.Expr) -> str | None:
    """Return the column with JSON that an operator ends in; None if it ends in something else."""
    while isinstance(node, exp.Binary):
        node = node.expression
    return node.name.lower() if isinstance(node, exp.Column) and node.name.lower() in JSON_COLUMNS else None


def _has_null(node: exp.Expr) -> bool:
    return any(isinstance(operand.unnest(), exp.Null) for operand in node.iter_expressions())


def is_literal(node: exp.Expr | None, *, is_string: bool = True) -> TypeGuard[exp.Literal]:
    """Whether a node is a string literal, or with `is_string=False` a number."""
    return isinstance(node, exp.Literal) and node.is_string is is_string


def shown(node: exp.Expr) -> str:
    """Return a node as SQL, shortened to fit into a sentence."""
    return excerpt(node.sql("duckdb", unsupported_level=ErrorLevel.IGNORE, comments=False))
