"""Mutants of a Python module: of its syntax tree, one node at a time.

A comparison moves its border or turns around; a number is one more or less, a flag the opposite; a condition is turned,
or loses a part; arithmetic, min and max, any and all become their opposite; an order loses a part of its key, or all of
it; a statement is left out. Texts, annotations and the places of crash_points.py stay as they are. Knows syntax trees.
Does not run anything.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from session_pipeline_tests.mutants import Mutant, named_apart

COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
NOT_PART_OF_IT = ("crash_points.reached",)
NO_CODE = {"annotation", "returns", "type_comment", "decorator_list"}


@dataclass(frozen=True)
class Edit:
    """A field of a node, or an item of it, with another value."""

    node: ast.AST
    field: str
    index: int | None
    value: Any
    before: str
    after: str


def python_mutants(file: str, text: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text. The source is written anew, without comments."""
    tree = ast.parse(text)
    return named_apart(
        Mutant(file, place, f"{edit.before} -> {edit.after}", partial(_applied, tree, edit))
        for place, edit in _edits(tree, ())
    )


def _applied(tree: ast.Module, edit: Edit) -> str:
    """The text of the tree with the edit, which is taken back."""
    before = getattr(edit.node, edit.field)
    value = edit.value
    if edit.index is not None:
        value = [*before[: edit.index], edit.value, *before[edit.index + 1 :]]
    setattr(edit.node, edit.field, value)
    try:
        return ast.unparse(tree)
    finally:
        setattr(edit.node, edit.field, before)


def _edits(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[str, Edit]]:
    """What can be changed below a node, with the name of the class and function that it is in."""
    for field, value in ast.iter_fields(node):
        if field in NO_CODE:
            continue
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in items:
            if not isinstance(child, ast.AST) or _is_left(child):
                continue
            inside = (*names, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else names
            for other in _others(child):
                change = ast.unparse(child).splitlines()[0], ast.unparse(other).splitlines()[0]
                yield ".".join(inside) or "module", Edit(node, field, index, other, *change)
            yield from _edits(child, inside)


def _is_left(node: ast.AST) -> bool:
    """Whether it is no code, or no part of what the module does."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    is_text = isinstance(value, ast.Constant)
    return is_text or (isinstance(value, ast.Call) and ast.unparse(value.func) in NOT_PART_OF_IT)


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """What a node can become."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for place, op in enumerate(ops):
                turned = [*ops[:place], COMPARISONS[type(op)](), *ops[place + 1 :]]
                yield ast.Compare(left, turned, comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for place in range(len(values)):
                kept = [*values[:place], *values[place + 1 :]]
                yield ast.BoolOp(op, kept) if len(kept) > 1 else kept[0]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in OPPOSITES:
            yield ast.Call(ast.Name(OPPOSITES[name]), args, keywords)
        case ast.Call(func=ast.Name(id="sorted"), args=[first, *_]):
            yield ast.Call(ast.Name("list"), [first], [])
        case ast.Lambda(args=args, body=ast.Tuple(elts=parts)):
            for place in range(len(parts)):
                yield ast.Lambda(args, ast.Tuple([*parts[:place], *parts[place + 1 :]]))
        case ast.If(test=test, body=body, orelse=orelse) if _is_plain(test):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test=test, body=body, orelse=orelse) if _is_plain(test):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case ast.Return(value=ast.AST()) if not _is_nothing(node.value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign() | ast.Delete() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _is_plain(test: ast.expr) -> bool:
    """Whether nothing else here turns the condition around."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _is_nothing(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)
