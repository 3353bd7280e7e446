"""What a tree shows of its values: floating point, decimal, a date, never zero.

Knows casts, literals and operators, and that our dates are named `_date`. Does not know tables, so most columns show
nothing.
"""

import re

from sqlglot import exp

_DOUBLES = (exp.DType.DOUBLE, exp.DType.FLOAT)

# The type of these is that of what stands in them.
_TRANSPARENT = (
    exp.Paren,
    exp.Neg,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Nullif,
    exp.Greatest,
    exp.Least,
    exp.Distinct,
    exp.Sum,
    exp.Min,
    exp.Max,
    exp.Filter,
)


def is_double(node: exp.Expr) -> bool:
    """Whether it is seen to be floating point: a cast, a division, a root, or what holds one."""
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(*_DOUBLES))
    if isinstance(node, exp.Div | exp.Sqrt):
        return True
    return isinstance(node, _TRANSPARENT) and any(map(is_double, node.iter_expressions()))


def is_decimal(node: exp.Expr) -> bool:
    """Whether it is seen to be a decimal: a cast, a number with a point, or what holds one."""
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(exp.DType.DECIMAL))
    if isinstance(node, exp.Literal):
        return not node.is_string and bool(re.fullmatch(r"\d*\.\d*", node.name))
    return isinstance(node, _TRANSPARENT) and any(map(is_decimal, node.iter_expressions()))


def is_date(node: exp.Expr) -> bool:
    """Whether it is seen to be a date; by our names, columns and parameters in `_date` are."""
    if isinstance(node, exp.Cast):
        return bool(node.to.is_type(exp.DType.DATE))
    return isinstance(node, exp.Column | exp.Placeholder) and node.name.endswith("_date")


def may_be_zero(node: exp.Expr) -> bool:
    """Whether a divisor can be zero. Parameters are settings, which are checked to be above it."""
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    if isinstance(node, exp.Literal):
        return node.is_string or float(node.name) == 0
    if isinstance(node, exp.Nullif):
        return not (isinstance(node.expression, exp.Literal) and node.expression.name == "0")
    return not isinstance(node, exp.Placeholder)
