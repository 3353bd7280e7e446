"""Determines the kind of value that an expression gives in DuckDB: text, number, truth or time.

Works on a tree over typed columns. shape.py checks what a tree may contain.
"""

from collections.abc import Mapping

from sqlglot import exp

from session_pipeline.settings.conditions.probe import Complaint, ask
from session_pipeline.settings.conditions.shape import COMPARISONS, Refused, shown

# Every other type is a number.
_KINDS: Mapping[str, str | None] = {
    "VARCHAR": "text",
    "BOOLEAN": "truth",
    "DATE": "time",
    "TIMESTAMP": "time",
    '"NULL"': None,
}
_TRUTHS = (
    *COMPARISONS,
    exp.And,
    exp.Or,
    exp.Not,
    exp.Is,
    exp.In,
    exp.Between,
    exp.Like,
    exp.ILike,
    exp.RegexpLike,
    exp.StartsWith,
    exp.EndsWith,
    exp.Contains,
    exp.Boolean,
)
_TEXTS = (exp.DPipe, exp.Lower, exp.Upper, exp.Trim, exp.Replace, exp.SplitPart, exp.JSONExtractScalar)
_HINTS: Mapping[str, str] = {
    "truth": "write a complete comparison on each side of and, or and not",
    "time": "write a constant time as timestamp '2024-05-01 00:00:00'",
    "number": "compare text with 'text' and numbers with numbers; cast(... as decimal(18, 6)) converts text",
}


def kind_of(root: exp.Paren, columns: Mapping[str, str]) -> str | None:
    """Bind a tree in DuckDB and compute it over one row of nulls; return the kind of its value, None for null.

    DuckDB casts implicitly where kinds differ: `event_name = 5` reads every name as a number, and fails on the first
    that is not a number. Therefore the kinds of operands that must be of the same kind are compared here.

    Raises:
        Refused: DuckDB cannot bind the tree, or operands are of different kinds.
    """
    groups = [(node, operands) for node in root.walk() for operands in _alike(node)]
    converted = [(node, operand) for node in root.find_all(exp.Cast, exp.DPipe) for operand in _converted(node)]
    operands_of_all = [operand for _, operands in groups for operand in operands]
    operands_of_all += [operand for _, operand in converted]
    known = {id(operand): kind for operand in operands_of_all if (kind := _known_type(operand, columns))}
    # DuckDB is asked only for unknown types, because each question repeats its operand, which may be most of the tree.
    typed = [root, *(operand for operand in operands_of_all if id(operand) not in known)]
    # Casts are also computed alone: in a comparison with a null column, DuckDB would not reach an invalid value.
    asked = [f"typeof({_sql(node)})" for node in typed] + [_sql(node) for node in (root, *root.find_all(exp.Cast))]
    # The row is written as text, because building it as a tree took four fifths of the time of a condition.
    row = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in columns.items())
    try:
        found = ask(f"select {', '.join(asked)} from (select {row}) as event")
    except Complaint as complaint:
        raise Refused(f"cannot be computed ({complaint})", _HINTS["number"]) from None
    type_of = known | dict(zip(map(id, typed), found, strict=False))
    for conversion, operand in converted:
        if hint := _conversion_problem(conversion, type_of[id(operand)]):
            raise Refused(f"contains {shown(conversion)}", hint)
    for node, operands in groups:
        kinds = {_kind(type_of[id(operand)]) for operand in operands} - {None}
        if len(kinds) > 1:
            types_found = dict.fromkeys(type_of[id(operand)] for operand in operands)
            hint = next(text for kind, text in _HINTS.items() if kind in kinds)
            raise Refused(f"mixes {' with '.join(types_found)} in {shown(node)}", hint)
    return _kind(type_of[id(root)])


def _alike(node: exp.Expr) -> list[list[exp.Expr]]:
    """Return the operands of a node that must be of the same kind, in groups."""
    match node:
        case exp.And() | exp.Or():
            return [[node.this, node.expression, exp.true()]]
        case exp.Not():
            return [[node.this, exp.true()]]
        case exp.Is() | exp.Nullif():
            return [[node.this, node.expression]]
        case exp.In() | exp.Coalesce():
            return [[node.this, *node.expressions]]
        case exp.Between():
            return [[node.this, node.args["low"], node.args["high"]]]
        case exp.Case():
            branches = node.args["ifs"]
            results = [branch.args["true"] for branch in branches] + [node.args.get("default") or exp.null()]
            return [[node.this or exp.true(), *(branch.this for branch in branches)], results]
    return [[node.this, node.expression]] if isinstance(node, COMPARISONS) else []


def _converted(node: exp.Expr) -> list[exp.Expr]:
    """Return the operands of a node that it turns into text or truth."""
    match node:
        case exp.DPipe():
            return [node.this, node.expression]
        case exp.Cast() if node.to.is_type(exp.DType.BOOLEAN, *exp.DataType.TEXT_TYPES):
            return [node.this]
    return []


def _conversion_problem(node: exp.Expr, type_name: str) -> str | None:
    """Return what to write instead of turning a value of a type into text or truth; None if engines do it equally."""
    if isinstance(node, exp.Cast) and node.to.is_type(exp.DType.BOOLEAN):
        # DuckDB gives null, and Spark true.
        return "a time is not true or false: write is not null" if _kind(type_name) == "time" else None
    if type_name == "DOUBLE":
        # DuckDB writes 12345678.9, and Spark 1.23456789E7.
        return "engines write fractions of a second differently: cast to decimal(18, 6) first"
    return None


def _known_type(node: exp.Expr, columns: Mapping[str, str]) -> str | None:
    """Return the type of a value if it is known without DuckDB; otherwise None."""
    match node.unnest():
        case exp.Column() as column:
            return columns[column.name]
        case exp.Literal(is_string=True):
            return "VARCHAR"
        case value if isinstance(value, _TRUTHS):
            return "BOOLEAN"
        case value if isinstance(value, _TEXTS):
            return "VARCHAR"
    return None


def _sql(node: exp.Expr) -> str:
    return node.sql("duckdb")


def _kind(type_name: str) -> str | None:
    return _KINDS.get(type_name, "number")
