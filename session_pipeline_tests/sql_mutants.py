"""Mutants of a model: of its parsed SQL, one expression at a time.

A comparison moves its border or turns around; a constant or parameter is one more or less; a column is dropped from an
order, a partition or a group; a direction is turned; a condition, a filter, a branch, a distinct is dropped; a coalesce
loses or swaps its branches; unions and joins change their kind; a function becomes its opposite. Knows SQL trees. Does
not know which mutants can run, nor what a model means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

import sqlglot
from sqlglot import exp

from session_pipeline.days import Calendar
from session_pipeline.settings import parse_settings
from session_pipeline.steps import Frame
from session_pipeline_tests.mutants import Mutant, named_apart

# What a node of one type becomes, with its arguments as they are.
BECOMES: Mapping[type[exp.Expression], tuple[type[exp.Expression], ...]] = {
    exp.LT: (exp.LTE,),
    exp.LTE: (exp.LT,),
    exp.GT: (exp.GTE,),
    exp.GTE: (exp.GT,),
    exp.EQ: (exp.NEQ,),
    exp.NEQ: (exp.EQ,),
    exp.NullSafeEQ: (exp.NullSafeNEQ,),
    exp.NullSafeNEQ: (exp.NullSafeEQ,),
    exp.Add: (exp.Sub,),
    exp.Sub: (exp.Add,),
    exp.Mul: (exp.Div,),
    exp.Div: (exp.Mul,),
    exp.IntDiv: (exp.Mod,),
    exp.Min: (exp.Max,),
    exp.Max: (exp.Min,),
    exp.ArgMin: (exp.ArgMax,),
    exp.ArgMax: (exp.ArgMin,),
    exp.Lag: (exp.Lead,),
    exp.Lead: (exp.Lag,),
    exp.FirstValue: (exp.LastValue,),
    exp.LastValue: (exp.FirstValue,),
    exp.Least: (exp.Greatest,),
    exp.Greatest: (exp.Least,),
    exp.LogicalOr: (exp.LogicalAnd,),
    exp.LogicalAnd: (exp.LogicalOr,),
}
# What is left of a node when what it does is dropped: its first argument.
DROPPED = (exp.Not, exp.Nullif, exp.IgnoreNulls, exp.Filter, exp.Distinct)

NO_VALUES = frozenset(("modifiers", "unit"))  # arguments that are words of the language
LISTS = {"partition_by": "partition by", "expressions": "by"}


@dataclass(frozen=True)
class Edit:
    """One argument of a node with another value; without a node, the value is the whole tree."""

    node: exp.Expression | None
    argument: str
    value: Any
    before: str
    after: str


def sql_mutants(file: str, text: str) -> list[Mutant]:
    """All mutants of a model, in the order of its text. The SQL is written anew, without comments."""
    tree = parsed(text)
    return named_apart(
        Mutant(file, place_of(node), f"{edit.before} -> {edit.after}", partial(applied, tree, edit))
        for node in list(tree.walk(bfs=False))
        for edit in edits(node)
    )


def parsed(text: str) -> exp.Expression:
    return sqlglot.parse_one(text, read="duckdb")


def written(node: exp.Expression) -> str:
    return node.sql("duckdb", comments=False)


def place_of(node: exp.Expression) -> str:
    """The CTE that the node is in."""
    cte = node if isinstance(node, exp.CTE) else node.find_ancestor(exp.CTE)
    return cte.alias if cte else "select"


def applied(tree: exp.Expression, edit: Edit) -> str:
    """The text of the tree with the edit, which is taken back."""
    if edit.node is None:
        return written(edit.value)
    before = edit.node.args.get(edit.argument)
    edit.node.args[edit.argument] = edit.value
    try:
        return written(tree)
    finally:
        edit.node.args[edit.argument] = before


def edits(node: exp.Expression) -> Iterator[Edit]:
    """What can be changed about a node itself."""
    yield from (replaced(node, other(**node.copy().args)) for other in BECOMES.get(type(node), ()))
    if isinstance(node, DROPPED) and isinstance(node.this, exp.Expression):
        yield replaced(node, node.this.copy())
    if isinstance(node, exp.Literal | exp.Placeholder) and node.arg_key not in NO_VALUES:
        yield from (replaced(node, value) for value in _other_values(node))
    if isinstance(node, exp.Is) and not isinstance(node.parent, exp.Not):
        yield replaced(node, exp.Not(this=node.copy()))
    if isinstance(node, exp.And | exp.Or) and not isinstance(node.parent, type(node)):
        yield from _without_operands(node)
    if isinstance(node, exp.Case):
        yield from _without_branches(node)
    if isinstance(node, exp.Coalesce):
        yield from _other_coalesces(node)
    if isinstance(node, exp.SetOperation):
        yield from _other_unions(node)
    if isinstance(node, exp.Join):
        yield from _other_joins(node)
    if isinstance(node, exp.Ordered):
        turned = node.copy()
        turned.set("desc", not node.args.get("desc"))
        yield replaced(node, turned)
    if isinstance(node, exp.Order) and len(node.expressions) > 1:
        yield from _without_items(node, "expressions")
    if isinstance(node, exp.Group):
        yield from _without_items(node, "expressions")
    if isinstance(node, exp.Window):
        yield from _other_windows(node)
    if isinstance(node, exp.Select):
        yield from _without_clauses(node)


def replaced(node: exp.Expression, other: exp.Expression) -> Edit:
    """The node with another in its place."""
    before, after = written(node), written(other)
    if node.parent is None:
        return Edit(None, "", other, before, after)
    assert node.arg_key is not None
    if node.index is None:
        return Edit(node.parent, node.arg_key, other, before, after)
    items = list(node.parent.args[node.arg_key])
    items[node.index] = other
    return Edit(node.parent, node.arg_key, items, before, after)


def _other_values(node: exp.Expression) -> Iterator[exp.Expression]:
    """One more and one less; of a moment a microsecond, of a date a day. Texts become another, flags the opposite."""
    if isinstance(node, exp.Placeholder):
        kind = PARAMETER_TYPES.get(node.name)
        if kind is bool:
            yield exp.Not(this=node.copy())
        elif kind in (int, float, date, datetime):
            by = exp.Interval(this=exp.Literal.string("1"), unit=exp.var("MICROSECOND"))
            step = by if kind is datetime else exp.Literal.number(1)
            yield exp.Paren(this=exp.Add(this=node.copy(), expression=step))
            yield exp.Paren(this=exp.Sub(this=node.copy(), expression=step.copy()))
    elif isinstance(node.parent, exp.Interval):
        yield from (exp.Literal.string(str(int(node.name) + by)) for by in (1, -1))
    elif isinstance(node, exp.Literal) and node.is_string:
        yield exp.Literal.string("another" if node.name != "another" else "")
    elif node.find_ancestor(exp.DataType) is None:
        yield from (exp.Literal.number(int(node.name) + by) for by in (1, -1))


def _without_operands(node: exp.Expression) -> Iterator[Edit]:
    operands = list(node.flatten(unnest=False))
    for place, operand in enumerate(operands):
        rest = [other.copy() for other in operands[:place] + operands[place + 1 :]]
        left = rest[0] if len(rest) == 1 else (exp.and_ if isinstance(node, exp.And) else exp.or_)(*rest)
        edit = replaced(node, left)
        word = "and" if isinstance(node, exp.And) else "or"
        yield Edit(edit.node, edit.argument, edit.value, f"{word} {written(operand)}", "")


def _without_branches(node: exp.Case) -> Iterator[Edit]:
    branches = node.args["ifs"]
    if len(branches) > 1:
        for place, branch in enumerate(branches):
            kept = branches[:place] + branches[place + 1 :]
            yield Edit(node, "ifs", kept, f"when {written(branch.this)} then {written(branch.args['true'])}", "")
    else:
        yield replaced(node, branches[0].args["true"].copy())
        yield replaced(node, node.args["default"].copy() if node.args.get("default") else exp.null())
    if node.args.get("default") is not None and len(branches) > 1:
        yield Edit(node, "default", None, f"else {written(node.args['default'])}", "")


def _other_coalesces(node: exp.Coalesce) -> Iterator[Edit]:
    branches = [node.this, *node.expressions]
    others = [branches[:place] + branches[place + 1 :] for place in range(len(branches))]
    others += [[branches[1], branches[0], *branches[2:]]]
    for first, *rest in others:
        copies = [branch.copy() for branch in rest]
        other = exp.Coalesce(this=first.copy(), expressions=copies) if copies else first.copy()
        yield replaced(node, other)


def _other_unions(node: exp.SetOperation) -> Iterator[Edit]:
    name = "union" if node.args.get("distinct") else "union all"
    yield Edit(node, "distinct", not node.args.get("distinct"), name, "union all" if name == "union" else "union")
    for side, kept in (("left", node.args["expression"]), ("right", node.this)):
        other = kept.copy()
        if node.args.get("with_"):
            other.set("with_", node.args["with_"].copy())
        edit = replaced(node, other)
        yield Edit(edit.node, edit.argument, edit.value, f"{side} side of {name}", "")


def _other_joins(node: exp.Join) -> Iterator[Edit]:
    """An outer join keeps fewer sides. An inner one stays: nearly each row of the models has its partner by design."""
    for side in {"LEFT": ("",), "FULL": ("LEFT", "RIGHT")}.get(node.side, ()):
        other = node.copy()
        other.set("side", side or None)
        other.set("kind", None if side else "INNER")
        yield replaced(node, other)
    if node.args.get("on") is not None and not isinstance(node.args["on"], exp.And):
        yield Edit(node, "on", exp.true(), f"on {written(node.args['on'])}", "on true")


def _other_windows(node: exp.Window) -> Iterator[Edit]:
    yield from _without_items(node, "partition_by")
    spec = node.args.get("spec")
    if spec is not None and spec.args.get("end") == "CURRENT ROW":
        other = spec.copy()
        other.set("end", exp.Literal.number(1))
        other.set("end_side", "PRECEDING")
        yield Edit(node, "spec", other, "current row", "1 preceding")


def _without_clauses(node: exp.Select) -> Iterator[Edit]:
    for clause in ("where", "having", "qualify"):
        found = node.args.get(clause)
        if found is not None and not isinstance(found.this, exp.And):
            yield Edit(node, clause, None, f"{clause} {written(found.this)}", "")
    if node.args.get("distinct") is not None:
        yield Edit(node, "distinct", None, "distinct", "")


def _without_items(node: exp.Expression, argument: str) -> Iterator[Edit]:
    items = node.args.get(argument) or []
    before = ", ".join(map(written, items))
    for place in range(len(items)):
        kept = items[:place] + items[place + 1 :]
        after = ", ".join(map(written, kept))
        yield Edit(node, argument, kept or None, f"{LISTS[argument]} {before}", after)


def _parameter_types() -> Mapping[str, type]:
    settings, calendar, day = parse_settings("", "settings"), Calendar("UTC"), date(2026, 10, 5)
    scalars = Frame(settings, calendar, (day,), day).scalars(day)
    return {"step_number": int, **{name: type(value) for name, value in scalars.items()}}


PARAMETER_TYPES = _parameter_types()
