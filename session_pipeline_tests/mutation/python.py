"""Makes mutants of a Python module: each changes one node of its syntax tree.

Comparisons, arithmetic, numbers and flags change to their neighbours, conditions are negated or lose a part, sort keys
lose a part, statements are removed. Text, annotations and crash points stay as they are.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import partial

from session_pipeline_tests.mutation.mutants import Mutant

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
CRASH_POINTS = ("crash_points.reached",)
NO_CODE = {"annotation", "returns", "type_comment", "decorator_list"}


def python_mutants(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text. Their source is formatted by ast, without comments."""
    tree = ast.parse(text)
    return list(_mutants(file, tree, tree, ()))


def _mutants(file: str, tree: ast.Module, node: ast.AST, names: tuple[str, ...]) -> Iterator[Mutant]:
    """Yield the mutants of all nodes below a node, which is inside classes and functions of these names."""
    for name, value in ast.iter_fields(node):
        if name in NO_CODE:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_kept(child):
                continue
            inside = (*names, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else names
            for other in _others(child):
                write = partial(_with, tree, node, name, index, other)
                yield Mutant(file, ".".join(inside) or "module", ast.unparse(child), ast.unparse(other), write)
            yield from _mutants(file, tree, child, inside)


def _with(tree: ast.Module, node: ast.AST, name: str, index: int | None, other: ast.AST) -> str:
    """Format the tree with another node in one field of a node. The tree itself stays as it is."""
    before = getattr(node, name)
    setattr(node, name, other if index is None else [*before[:index], other, *before[index + 1 :]])
    try:
        return ast.unparse(tree)
    finally:
        setattr(node, name, before)


def _is_kept(node: ast.AST) -> bool:
    """Return whether a statement has no effect on the behavior of the module."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    is_text = isinstance(value, ast.Constant)
    return is_text or (isinstance(value, ast.Call) and ast.unparse(value.func) in CRASH_POINTS)


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that can replace a node."""
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
    """Return whether no other rule of this module negates the condition."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _is_nothing(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)
