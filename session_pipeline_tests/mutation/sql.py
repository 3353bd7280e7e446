"""Makes mutants of a model: each changes one expression of its parsed SQL.

Comparisons and arithmetic operators are replaced by similar ones, and constants and parameters get one more or one
less. A condition, branch, filter, clause or key is removed. Joins and unions change their kind. Mutants are run and
tested in model_tests.py.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

import sqlglot
from sqlglot import exp

from session_pipeline.reference.days import Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.tables.frame import Frame
from session_pipeline_tests.mutation.mutants import Mutant

# The type that replaces each type of node, with the same arguments.
NEIGHBOURS: Mapping[type[exp.Expression], type[exp.Expression]] = {
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.NullSafeEQ: exp.NullSafeNEQ,
    exp.NullSafeNEQ: exp.NullSafeEQ,
    exp.Add: exp.Sub,
    exp.Sub: exp.Add,
    exp.Mul: exp.Div,
    exp.Div: exp.Mul,
    exp.IntDiv: exp.Mod,
    exp.Min: exp.Max,
    exp.Max: exp.Min,
    exp.ArgMin: exp.ArgMax,
    exp.ArgMax: exp.ArgMin,
    exp.Lag: exp.Lead,
    exp.Lead: exp.Lag,
    exp.FirstValue: exp.LastValue,
    exp.LastValue: exp.FirstValue,
    exp.Least: exp.Greatest,
    exp.Greatest: exp.Least,
    exp.LogicalOr: exp.LogicalAnd,
    exp.LogicalAnd: exp.LogicalOr,
}
# An outer join keeps fewer sides. Inner joins stay: by design, nearly every row of the models has a matching row.
OTHER_SIDES: Mapping[str, tuple[str | None, ...]] = {"LEFT": (None,), "FULL": ("LEFT", "RIGHT")}


def sql_mutants(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a model, in the order of its text. Their SQL is formatted by sqlglot, without comments."""
    tree = parsed(text)
    return [
        Mutant(file, _place_of(node), written(node), written(other), partial(_with, tree, node, other))
        for node in list(tree.walk(bfs=False))
        for other in _replacements(node)
    ]


def parsed(text: str) -> exp.Expression:
    """Parse a model."""
    return sqlglot.parse_one(text, read="duckdb")


def written(node: exp.Expression) -> str:
    """Format a tree as SQL of DuckDB."""
    return node.sql("duckdb", comments=False)


def _with(tree: exp.Expression, node: exp.Expression, other: exp.Expression) -> str:
    """Format the tree with one node replaced. The tree itself does not change."""
    if node is tree:
        return written(other)
    node.replace(other)
    try:
        return written(tree)
    finally:
        other.replace(node)


def _place_of(node: exp.Expression) -> str:
    cte = node if isinstance(node, exp.CTE) else node.find_ancestor(exp.CTE)
    return cte.alias if cte else "last select"


def _replacements(node: exp.Expression) -> Iterator[exp.Expression]:
    """Yield new trees that can replace a node."""
    if neighbour := NEIGHBOURS.get(type(node)):
        yield neighbour(**node.copy().args)
    match node:
        case exp.Not() | exp.Nullif() | exp.IgnoreNulls() | exp.Filter():
            yield node.this.copy()
        case exp.Literal() | exp.Placeholder() if node.arg_key not in ("modifiers", "unit"):
            yield from _other_values(node)
        case exp.Is() if not isinstance(node.parent, exp.Not):
            yield exp.Not(this=node.copy())
        case exp.And() | exp.Or() if not isinstance(node.parent, type(node)):
            combine = exp.and_ if isinstance(node, exp.And) else exp.or_
            for operands in _without_one(list(node.flatten(unnest=False))):
                yield combine(*operands)
        case exp.Case():
            yield from (_changed(node, ifs=kept) for kept in _without_one(node.args["ifs"]) if kept)
            yield node.args["ifs"][0].args["true"].copy()
            yield node.args["default"].copy() if node.args.get("default") else exp.null()
        case exp.Coalesce():
            first, second, *others = [node.this, *node.expressions]
            yield _changed(node, this=second, expressions=[first, *others])
            for kept in _without_one([first, second, *others]):
                yield _changed(node, this=kept[0], expressions=kept[1:]) if len(kept) > 1 else kept[0].copy()
        case exp.SetOperation():
            yield _changed(node, distinct=not node.args.get("distinct"))
        case exp.Join():
            yield from (_changed(node, side=side) for side in OTHER_SIDES.get(node.side, ()))
        case exp.Ordered():
            yield _changed(node, desc=not node.args.get("desc"))
        case exp.Order() | exp.Group():
            yield from (_changed(node, expressions=kept) for kept in _without_one(node.expressions) if kept)
        case exp.Window():
            yield from (_changed(node, partition_by=kept) for kept in _without_one(node.args.get("partition_by") or []))
        case exp.WindowSpec() if node.args.get("end") == "CURRENT ROW":
            yield _changed(node, end=exp.Literal.number(1), end_side="PRECEDING")
        case exp.Where() | exp.Having() | exp.Qualify() if not isinstance(node.this, exp.And):
            yield _changed(node, this=exp.true())
        case exp.Select() if node.args.get("distinct"):
            yield _changed(node, distinct=None)
        case exp.Distinct() if isinstance(node.parent, exp.AggFunc):
            yield node.expressions[0].copy()


def _other_values(node: exp.Expression) -> Iterator[exp.Expression]:
    """Yield one more and one less (one microsecond for times), another text, or the opposite flag."""
    if isinstance(node, exp.Placeholder):
        kind = _parameter_types().get(node.name)
        if kind is bool:
            yield exp.Not(this=node.copy())
        elif kind in (int, float, date, datetime):
            one = exp.Literal.number(1)
            if kind is datetime:
                one = exp.Interval(this=exp.Literal.string("1"), unit=exp.var("MICROSECOND"))
            yield exp.Paren(this=exp.Add(this=node.copy(), expression=one))
            yield exp.Paren(this=exp.Sub(this=node.copy(), expression=one.copy()))
    elif isinstance(node.parent, exp.Interval):
        yield from (exp.Literal.string(str(int(node.name) + by)) for by in (1, -1))
    elif node.is_string:
        yield exp.Literal.string("another" if node.name != "another" else "")
    elif node.find_ancestor(exp.DataType) is None:
        yield from (exp.Literal.number(Decimal(node.name) + by) for by in (1, -1))


def _changed(node: exp.Expression, **arguments: Any) -> exp.Expression:
    changed = node.copy()
    for name, value in arguments.items():
        copies = [item.copy() for item in value] if isinstance(value, list) else value
        changed.set(name, copies.copy() if isinstance(copies, exp.Expression) else copies)
    return changed


def _without_one(items: list[Any]) -> Iterator[list[Any]]:
    return (items[:place] + items[place + 1 :] for place in range(len(items)))


@cache
def _parameter_types() -> Mapping[str, type]:
    day = date(2026, 10, 5)
    frame = Frame(parse_settings("", "settings"), Calendar("UTC"), (day,), day)
    return {
        "step_number": int,
        **{name: type(value) for name, value in frame.parameters.items()},
    }
