"""Conditions and values in settings: SQL expressions, held to a safe subset and handed on as trees.

A tree gives one value a row, the same on DuckDB and on Spark, and no row can make it fail: casts that may fail give
null, X Knows expressions, columns and their types. Does not know what a setting is for.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

import duckdb
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError

from session_pipeline.errors import SettingsError

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_OPERATORS = (exp.Binary, exp.Between, exp.In, exp.Not)

# All that an expression may be made of, each with the arguments it may have.
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
    **dict.fromkeys(_COMPARISONS, "this expression"),
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
_WHAT_CAN_BE_USED = (
    "use columns, 'text', numbers, = <> < > in between like ilike, is null, and, or, not, case, ||, cast, "
    "properties ->> 'key' and lower, upper, length, trim, coalesce, nullif, replace, split_part, regexp_matches, "
    "starts_with, ends_with, contains"
)
_CAST_TYPES = (exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.DECIMAL, exp.DType.BOOLEAN)
_TIME_TYPES = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2}(\.\d{1,6})?)?", re.ASCII)
_JSON_KEY = re.compile(r"[\w@][\w .:/@-]*")
_JSON_PATH = re.compile(r"\$(\.\w+)+")

# Regular expressions that RE2 and Java both take, with another meaning, or that Java refuses: named groups as
# Python writes them, (?U), a bracket or && in a character class, \C and \v.
_UNSHARED_PATTERN = re.compile(r"\(\?P<|\(\?[a-zA-Z]*U|\[\^?\]|\[[^\]]*(\[|&&)|\\[Cv]")

_KINDS: Mapping[str, str | None] = {
    "VARCHAR": "text",
    "BOOLEAN": "truth",
    "DATE": "time",
    "TIMESTAMP": "time",
    '"NULL"': None,
}
_KIND_HINTS: Mapping[str, str] = {
    "truth": "write a whole comparison on each side of and, or and not",
    "time": "write a fixed time as timestamp '2024-05-01 00:00:00'",
    "number": "compare text with 'text' and numbers with numbers; cast(... as decimal(18, 6)) reads a text as a number",
}


class _Refused(Exception):
    def __init__(self, problem: str, hint: str) -> None:
        self.problem = problem
        self.hint = hint


class _Settings(DuckDB):
    """DuckDB's SQL, with JSON keys left as they are written: sqlglot alone takes 'a.b' for the key b within a."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


def parse_condition(text: str, columns: Mapping[str, str], *, key: str) -> exp.Expr:
    """Read a condition: an expression over the columns of one row that is true, false or null.

    Args:
        text: The expression, in DuckDB's SQL.
        columns: The columns it may name, each with its SQL type.
        key: Path of the setting, for the error.

    Returns:
        The tree, in parentheses where it is an operator, so that it can stand anywhere. Copy it before use.

    Raises:
        SettingsError: It does not parse, names no column, holds what is not allowed, or is no condition.
    """
    return _parse(text, columns, key, "truth")


def parse_scalar(text: str, columns: Mapping[str, str], *, key: str) -> exp.Expr:
    """Read an expression that gives any single value; see `parse_condition`."""
    return _parse(text, columns, key, None)


def parse_number(text: str, columns: Mapping[str, str], *, key: str) -> exp.Expr:
    """Read an expression that gives a number; see `parse_condition`."""
    return _parse(text, columns, key, "number")


def check_pattern(pattern: str) -> tuple[str, str] | None:
    """Say what is wrong with a regular expression, and what to do; None when both RE2 and Java take it alike."""
    if _UNSHARED_PATTERN.search(pattern):
        return "is a pattern that engines read differently", r"write [a-z], \d, \w, ( ), | and quantifiers only"
    try:
        _database().execute("select regexp_matches('', $1)", [pattern])
    except duckdb.Error as error:
        return f"is no pattern ({_first_line(error)})", "patterns are RE2's: no lookaround and no backreference"
    return None


def _parse(text: str, columns: Mapping[str, str], key: str, wanted: str | None) -> exp.Expr:
    try:
        # The root is always a Paren, so that every node below it can be replaced in place.
        root = exp.Paren(this=_read(text).unnest())
        for node in list(root.walk()):
            node.pop_comments()
            _check(node)
        for node in list(root.walk()):
            _settle(node, columns)
        kind = _bind(root, columns)
        if wanted == "truth" and kind != "truth":
            raise _Refused("is no condition", "write one that is true or false, as event_name = 'purchase'")
        if wanted == "number" and kind != "number":
            raise _Refused("is no number", "write value, or cast(properties ->> 'price' as decimal(18, 6))")
        if kind is None:
            raise _Refused("is always null", "name a column")
    except _Refused as refused:
        raise SettingsError(key, refused.problem, refused.hint) from None
    except RecursionError:
        raise SettingsError(key, "is nested too deeply", "write it as several") from None
    return root if isinstance(root.this, _OPERATORS) else root.this.pop()


def _read(text: str) -> exp.Expr:
    try:
        trees = _Settings().parse_into(exp.Condition, text)
    except ParseError as error:
        # The reason is in the cause: the error itself only says which kind of expression was tried.
        cause = error.__cause__ if isinstance(error.__cause__, ParseError) else error
        found = cause.errors[0] if cause.errors else {}
        at = f" at {found['highlight']!r}" if found.get("highlight") else ""
        raise _Refused(f"does not parse{at}", "write one SQL expression, without select, ; or as") from None
    except SqlglotError:
        raise _Refused("does not parse", "close every quote, and write ' within a text as ''") from None
    if len(trees) != 1 or trees[0] is None:
        raise _Refused("is not one expression", "write one SQL expression, without ;")
    return trees[0]


def _check(node: exp.Expr) -> None:
    """Refuse what is not allowed, and what is but means different things to different engines."""
    allowed = _ALLOWED.get(type(node))
    if allowed is None:
        raise _Refused(f"holds {_shown(node)}, which cannot be used here", _WHAT_CAN_BE_USED)
    for child in node.iter_expressions():
        if child.arg_key not in allowed.split():
            raise _Refused(f"holds {_shown(node)} with {_shown(child)}", f"leave out {_shown(child)}")
    match node:
        case exp.Neg() if not _is_literal(node.this, is_string=False):
            raise _Refused(f"calculates {_shown(node)}", "compare columns as they are: arithmetic can overflow")
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE() | exp.In():
            if any(isinstance(operand, exp.Null) for operand in node.iter_expressions()):
                raise _Refused(f"compares with null in {_shown(node)}, which is never true", "write is null")
            if isinstance(node, exp.In) and not node.expressions:
                raise _Refused(f"has nothing to choose from in {_shown(node)}", "write in ('a', 'b')")
        case exp.Is() if not isinstance(node.expression, exp.Null | exp.Boolean):
            raise _Refused(f"holds {_shown(node)}", "write is null, is true or is false")
        case exp.Like() | exp.ILike() if not _is_literal(node.expression) or "\\" in node.expression.name:
            raise _Refused(
                f"holds {_shown(node)}", "write the pattern as 'text' without backslash, or use contains or starts_with"
            )
        case exp.RegexpLike():
            if not _is_literal(node.expression):
                raise _Refused(f"holds {_shown(node)}", "write the pattern as 'text'")
            if complaint := check_pattern(node.expression.name):
                raise _Refused(f"holds {node.expression.name!r}, which {complaint[0]}", complaint[1])
        case exp.SplitPart():
            index = node.args["part_index"]
            number = index.this if isinstance(index, exp.Neg) else index
            if not _is_literal(number, is_string=False) or not re.fullmatch(r"[1-9]\d*", number.name):
                raise _Refused(f"holds {_shown(node)}", "write which part as 1, 2, ... or -1, -2, ... from the end")
        case exp.If() if not isinstance(node.parent, exp.Case):
            raise _Refused(f"holds {_shown(node)}", "write case when ... then ... else ... end")
        case exp.JSONExtractScalar():
            if not isinstance(node.this, exp.Column) or node.this.name.lower() != "properties":
                raise _Refused(f"holds {_shown(node)}", "only properties holds JSON: write properties ->> 'key'")
            if not _is_literal(node.expression) or not (
                _JSON_KEY.fullmatch(node.expression.name) or _JSON_PATH.fullmatch(node.expression.name)
            ):
                raise _Refused(f"holds {_shown(node)}", "write properties ->> 'key', or '$.key.inner'")
        case exp.Cast():
            _check_cast(node)


def _check_cast(node: exp.Cast) -> None:
    is_time = node.to.this in _TIME_TYPES
    if is_time and not (_is_literal(node.this) and _ISO_TIME.fullmatch(node.this.name)):
        raise _Refused(f"holds {_shown(node)}", "write a fixed time in UTC, as timestamp '2024-05-01 00:00:00'")
    if not is_time and node.to.this not in _CAST_TYPES:
        raise _Refused(f"casts to {node.to.sql('duckdb')}", "cast to varchar, boolean, or decimal(18, 6)")


def _settle(node: exp.Expr, columns: Mapping[str, str]) -> None:
    """Give a node the one form that leaves nothing to chance: names as ours, whole paths, casts that cannot fail."""
    match node:
        case exp.Column():
            name = node.name.lower()
            if name not in columns:
                raise _Refused(f"names no column with {node.name!r}", _column_hint(node, columns))
            node.set("this", exp.to_identifier(name))
        case exp.JSONExtractScalar():
            path = node.expression.name
            keys = path.split(".")[1:] if path.startswith("$") else [path]
            steps = [exp.JSONPathRoot(), *(exp.JSONPathKey(this=step) for step in keys)]
            node.set("expression", exp.JSONPath(expressions=steps))
        case exp.Cast() if not isinstance(node, exp.TryCast) and not _is_literal(node.this):
            node.replace(exp.TryCast(this=node.this, to=node.to, safe=True))
    # Engines and sqlglot disagree on precedence in places; parentheses everywhere leave them nothing to disagree on.
    if isinstance(node, _OPERATORS) and not isinstance(node.parent, exp.Paren):
        parentheses = exp.Paren()
        node.replace(parentheses)
        parentheses.set("this", node)


def _bind(root: exp.Paren, columns: Mapping[str, str]) -> str | None:
    """Let DuckDB bind the tree and compute it over one row of nulls; returns the kind of its value, None for null.

    DuckDB casts in silence where kinds differ: `event_name = 5` reads every name as a number, and fails on the first
    that is none. So the operands that must be of one kind are compared here.
    """
    groups = [(node, operands) for node in root.walk() for operands in _alike(node)]
    typed = [root, *(operand for _, operands in groups for operand in operands)]
    row = exp.select(*(exp.cast(exp.null(), kind, dialect="duckdb").as_(name) for name, kind in columns.items()))
    types = (exp.func("typeof", node.copy()) for node in typed)
    query = exp.select(*types, root.copy()).from_(row.subquery("event"))
    try:
        found = _database().execute(query.sql("duckdb")).fetchall()
    except duckdb.Error as error:
        raise _Refused(f"cannot be computed ({_first_line(error)})", _KIND_HINTS["number"]) from None
    type_of = dict(zip(map(id, typed), found[0], strict=False))
    for node, operands in groups:
        kinds = {_kind(type_of[id(operand)]) for operand in operands} - {None}
        if len(kinds) > 1:
            types_found = dict.fromkeys(type_of[id(operand)] for operand in operands)
            hint = next(text for kind, text in _KIND_HINTS.items() if kind in kinds)
            raise _Refused(f"mixes {' with '.join(types_found)} in {_shown(node)}", hint)
    return _kind(type_of[id(root)])


def _alike(node: exp.Expr) -> list[list[exp.Expr]]:
    """The operands of a node that must be of one kind, in groups."""
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
    return [[node.this, node.expression]] if isinstance(node, _COMPARISONS) else []


def _kind(type_name: str) -> str | None:
    return _KINDS.get(type_name, "number")


def _is_literal(node: exp.Expr | None, *, is_string: bool = True) -> bool:
    return isinstance(node, exp.Literal) and node.is_string is is_string


def _column_hint(column: exp.Column, columns: Mapping[str, str]) -> str:
    close = get_close_matches(column.name.lower(), columns, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if column.this.quoted:
        return f"a text is written in single quotes: '{column.name}'"
    return f"the columns are {', '.join(columns)}"


def _shown(node: exp.Expr) -> str:
    text = node.sql("duckdb", unsupported_level=ErrorLevel.IGNORE, comments=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip(".")


@cache
def _memory() -> duckdb.DuckDBPyConnection:
    safe: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "enable_external_access": False,
        "lock_configuration": True,
    }
    return duckdb.connect(":memory:", config=safe)


def _database() -> duckdb.DuckDBPyConnection:
    """A connection of the caller's own thread to an empty database that reaches no file."""
    return _memory().cursor()
