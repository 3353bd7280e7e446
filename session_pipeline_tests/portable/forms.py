"""Finds forms of SQL in sqlglot's tree that differ silently between DuckDB and Spark, or depend on threads.

Types are known only for casts, literals and operators. Columns and parameters named `_date` are dates.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp


@dataclass(frozen=True)
class Form:
    """A form to avoid.

    Attributes:
        kinds: The types of nodes that may have the form.
        construct: The name of the form, and what the engines do with it.
        instead: What to write.
        differs: Returns whether a node of these types has the form.
    """

    kinds: type[exp.Expr] | tuple[type[exp.Expr], ...]
    construct: str
    instead: str
    differs: Callable[[Any], bool] = lambda node: True


_DOUBLES = (exp.DType.DOUBLE, exp.DType.FLOAT)
_INTEGERS = (exp.DType.BIGINT, exp.DType.INT, exp.DType.SMALLINT, exp.DType.TINYINT)
_TEXTS = tuple(exp.DataType.TEXT_TYPES)
_TIMES = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)
_NESTED = (exp.DType.ARRAY, exp.DType.LIST, exp.DType.STRUCT)
_SHARED_TYPES = (*_INTEGERS[:2], *_TEXTS, exp.DType.DOUBLE, exp.DType.BOOLEAN, exp.DType.DECIMAL, *_TIMES, *_NESTED)
# Nodes whose type is that of their arguments.
_TRANSPARENT = (
    *(exp.Paren, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest),
    *(exp.Least, exp.Distinct, exp.Sum, exp.Min, exp.Max, exp.Filter),
)
_NEED_ORDER = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue)


def _is_double(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(*_DOUBLES))
    if isinstance(node, exp.Div | exp.Sqrt):
        return True
    return isinstance(node, _TRANSPARENT) and any(map(_is_double, node.iter_expressions()))


def _is_decimal(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(exp.DType.DECIMAL))
    if isinstance(node, exp.Literal):
        return not node.is_string and "." in node.name
    return isinstance(node, _TRANSPARENT) and any(map(_is_decimal, node.iter_expressions()))


def _is_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(exp.DType.DATE))
    return isinstance(node, exp.Column | exp.Placeholder) and node.name.endswith("_date")


def _may_be_zero(node: exp.Expr) -> bool:
    """Return whether a divisor can be zero. Parameters are settings, which are checked to be positive."""
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    if isinstance(node, exp.Literal):
        return node.is_string or float(node.name) == 0
    if isinstance(node, exp.Nullif):
        return not (isinstance(node.expression, exp.Literal) and node.expression.name == "0")
    return not isinstance(node, exp.Placeholder)


def _divides_decimals(division: exp.Div) -> bool:
    sides = (division.left, division.right)
    return any(map(_is_decimal, sides)) and not any(map(_is_double, sides))


def _counts_borders(difference: exp.DateDiff) -> bool:
    unit = difference.text("unit").upper()
    is_of_dates = _is_date(difference.this) and _is_date(difference.expression)
    return unit != "MICROSECOND" and not (unit == "DAY" and is_of_dates)


def _lacks_order(window: exp.Window) -> bool:
    if isinstance(window.this, exp.Identifier) or _part(window, "order") is not None:
        return False
    frame = _part(window, "spec")
    counts_rows = frame is not None and frame.text("kind").upper() == "ROWS"
    return counts_rows or window.this.find(*_NEED_ORDER) is not None


def _part(window: exp.Window, part: str) -> exp.Expr | None:
    """Return a part of a window: its own or that of the named window that it refers to."""
    own = window.args.get(part)
    select = window.parent_select
    if own is not None or select is None or not window.alias:
        return own
    named = [other for other in select.args.get("windows") or () if other.name == window.alias]
    return _part(named[0], part) if named else None


def _is_unsorted(listed: exp.ArrayAgg) -> bool:
    holder = listed.parent.parent if isinstance(listed.parent, exp.Filter) else listed.parent
    return isinstance(listed.this, exp.Order) or not isinstance(holder, exp.ArraySort)


def _replaces_differently(function: exp.RegexpReplace) -> bool:
    # Without `g`, DuckDB replaces the first match and Spark all. Groups are \1 in DuckDB and $1 in Spark.
    return function.text("modifiers") != "g" or bool(re.search(r"[\\$]", function.text("replacement")))


FORMS: tuple[Form, ...] = (
    Form(
        (exp.Div, exp.IntDiv, exp.Mod),
        "division by a value that may be zero",
        "x / nullif(y, 0)",
        lambda node: _may_be_zero(node.expression),
    ),
    Form(exp.Div, "division of decimals", "cast(x as double) / nullif(y, 0)", _divides_decimals),
    Form(exp.Sum, "sum of doubles", "sums of integers or decimals; divide last", lambda node: _is_double(node.this)),
    Form(
        exp.Cast,
        "double cast to an integer",
        "cast(floor(x) as bigint)",
        lambda node: node.to.is_type(*_INTEGERS) and _is_double(node.this),
    ),
    Form(
        exp.Cast,
        "double cast to text",
        "the number itself",
        lambda node: node.to.is_type(*_TEXTS) and _is_double(node.this),
    ),
    Form(
        exp.TryCast,
        "try_cast to an integer",
        "case when regexp_matches(x, '^[0-9]{1,18}$') then cast(x as bigint) end",
        lambda node: node.to.is_type(*_INTEGERS),
    ),
    Form(
        exp.DataType,
        "a type that Spark reads as another",
        "bigint, integer, varchar, double, boolean, date, timestamp, decimal(p, s), or lists and structs of them",
        lambda node: not node.is_type(*_SHARED_TYPES),
    ),
    Form(exp.AtTimeZone, "at time zone", "UTC bounds as $parameters"),
    Form(exp.Sub, "date - date", "date_diff('day', a, b)", lambda node: _is_date(node.left) and _is_date(node.right)),
    Form(
        exp.DateDiff,
        "date_diff in other than microseconds, or days of dates",
        "date_diff('microsecond', a, b), or date_diff('day', cast(a as date), cast(b as date))",
        _counts_borders,
    ),
    Form(
        exp.Extract,
        "extract of an uncommon part",
        "extract(year from x), or quarter, month, day, hour, minute",
        lambda node: node.name.upper() not in ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"),
    ),
    Form(exp.Window, "window without order by", "a total order in it", _lacks_order),
    Form(
        exp.ArrayAgg,
        "list without list_sort, or with order by",
        "list_transform(list_sort(list({'t': t, 'id': id, 'x': x})), lambda r: r.x)",
        _is_unsorted,
    ),
    Form(
        exp.GroupConcat,
        "string_agg without order by",
        "string_agg(x, ',' order by y)",
        lambda node: node.find(exp.Order) is None,
    ),
    Form(
        exp.RegexpReplace,
        "regexp_replace other than of all matches by plain text",
        "regexp_replace(x, p, 'text', 'g')",
        _replaces_differently,
    ),
    Form(
        (exp.RegexpLike, exp.RegexpExtract),
        "options of a regular expression",
        "them in the pattern, '(?i)...'",
        lambda node: bool(node.args.get("flag") or node.args.get("parameters")),
    ),
    Form(exp.Trim, "trim without characters", "trim(x, ' ')", lambda node: node.expression is None),
    Form(
        exp.Unnest,
        "unnest with ordinality",
        "the number inside the list's structs",
        lambda node: bool(node.args.get("offset")),
    ),
    Form(
        exp.Distinct,
        "distinct on",
        "qualify row_number() over (...) = 1",
        lambda node: node.args.get("on") is not None,
    ),
    Form(
        exp.Limit,
        "limit without order by",
        "order by ... limit",
        lambda node: node.parent is not None and node.parent.args.get("order") is None,
    ),
)
