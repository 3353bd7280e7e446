"""Translates models and relations from DuckDB's SQL to Spark's, and the types of columns.

sqlglot does most of it. This module corrects where its translation gives other rows; spark_numbers.py rewrites windows
that Spark would run in one task. spark_jobs.py runs the result.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.expressions.builders import apply_index_offset

from session_pipeline.engines.spark_functions import IN_DUCKDB
from session_pipeline.engines.spark_macros import expand
from session_pipeline.engines.spark_numbers import count_in_many_tasks
from session_pipeline.engines.sql import filled_model
from session_pipeline.tables.parameters import Scalar

SPARK_TYPES: Mapping[str, str] = {
    "VARCHAR": "string",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp_ntz",
    "DECIMAL(18,6)": "decimal(18,6)",
    "DECIMAL(38,6)": "decimal(38,6)",
}

_TRUTHS = (exp.RegexpLike, exp.Like, exp.ILike)
_PATTERNS = (exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace)
_BLANKS = r"\t\n\f\r "  # what \s is in RE2; Java's \s has \v, too
_IN_JAVA = {
    "$": r"\z",
    r"\s": f"[{_BLANKS}]",
    r"\S": f"[^{_BLANKS}]",
    r"\b": r"(?:(?<=\w)(?!\w)|(?<!\w)(?=\w))",
    r"\B": r"(?:(?<=\w)(?=\w)|(?<!\w)(?!\w))",
}
_PATTERN_PARTS = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\$", re.DOTALL)
# Patterns that DuckDB matches, because Java reads them differently or not at all, or needs too deep a stack.
_ONLY_RE2 = re.compile(
    r"\)[*+{]"  # a repeated group: Java's stack grows with the text
    r"|\(\?[a-z]*[im]"  # (?i): in Java, i is also the small letter of \u0130; (?m): other line ends
    r"|\\[QpP0-7]"  # texts between \Q and \E, classes such as \p{Greek}, octal numbers
    r"|\{(?!\d+(?:,\d*)?\})"  # a brace that is no quantifier
    r"|\[(?:\\.|[^\]\\])*\\S",  # \S in a class
    re.DOTALL,
)
_QUANTIFIERS = re.compile(r"[*+]|\{\d+,")
_X = "x"  # the column in an expression for DuckDB


def model_for_spark(model: str, parameters: Mapping[str, Scalar]) -> str:
    """Return the SQL of a model for Spark, with macros expanded and parameters filled in."""
    return for_spark(filled_model(model, parameters))


@lru_cache(maxsize=1024)
def for_spark(sql: str) -> str:
    """Return a SELECT in DuckDB's SQL as Spark's SQL, with macros expanded."""
    query = expand(sqlglot.parse_one(sql, read="duckdb"))
    query = count_in_many_tasks(query.transform(_corrected, copy=False))
    return query.sql("spark", comments=False)


def java_pattern(pattern: str) -> str:
    r"""Return a regular expression in RE2's syntax as one of Java that matches the same texts.

    In Java, `$` also matches before a line break at the end, `.` no line break of any kind, and for `\b` all letters
    are parts of words, but for `\w` only those of ASCII. Patterns that `_ONLY_RE2` finds cannot be written for Java.
    """

    def written(found: re.Match[str]) -> str:
        part = found[0]
        if part.startswith("["):
            return part.replace(r"\s", _BLANKS)
        return _IN_JAVA.get(part, part)

    return "(?d)" + _PATTERN_PARTS.sub(written, pattern)


def _is_slow_in_java(pattern: str) -> bool:
    """Whether Java can need a time that grows faster than the text; RE2 never does.

    At each place of the text, or each end of a repetition, Java tries all ends of the next repetition, so `/+$` takes
    minutes for 250,000 slashes. Only one repetition after a `^` is tried once.
    """
    parts = _PATTERN_PARTS.sub("x", pattern)
    repetition_count = len(_QUANTIFIERS.findall(parts))
    return repetition_count > 1 or (repetition_count == 1 and (not pattern.startswith("^") or "|" in parts))


def _is_slow_like(pattern: str) -> bool:
    """The same for a pattern of LIKE; Spark reads `a%b` and `%a%` without a regular expression."""
    return pattern.count("%") > 1 and not re.fullmatch("%[^%_]+%", pattern)


def _corrected(node: exp.Expression) -> exp.Expr:
    if _needs_duckdb(node):
        return _in_duckdb(node)
    if isinstance(node, _PATTERNS) and isinstance(node.expression, exp.Literal):
        node.set("expression", exp.Literal.string(java_pattern(node.expression.name)))
    if isinstance(node, exp.DPipe):
        for side in ("this", "expression"):
            if _is_fraction(node.args[side]):
                node.set(side, exp.cast(node.args[side].copy(), "text"))
    if isinstance(node, exp.JSONExtractScalar) and isinstance(node.expression, exp.Array):
        return exp.Array(expressions=[_value_at(node.this, path) for path in node.expression.expressions])
    if isinstance(node, exp.Anonymous) and node.name.lower() == "list_reduce":
        values, merged, first = node.expressions
        return exp.Anonymous(this="reduce", expressions=[values, first, merged])
    if isinstance(node, exp.RegexpExtract) and node.args.get("group") is None:
        node.set("group", exp.Literal.number(0))  # Spark's default is the first group
    if isinstance(node, exp.Bracket) and not node.expressions[0].is_string:
        # Counts from 1 and is null beyond the end, as on DuckDB. The parser made those indexes count from 0
        # whose type it knows, so the same function must undo it.
        [index] = apply_index_offset(node.this, node.expressions, 1, dialect="duckdb")
        return exp.func("try_element_at", node.this, index)
    return node


def _value_at(values: exp.Expr, path: exp.Expr) -> exp.Expr:
    """Return the value at one path; Spark reads no list of paths at once."""
    value = sqlglot.parse_one(f"x ->> {path.sql('duckdb')}", read="duckdb")
    value.set("this", values.copy())
    return _in_duckdb(value)


def _needs_duckdb(node: exp.Expression) -> bool:
    """Whether Spark would give another value for some texts, fail, or take very long; see spark_functions.py."""
    match node:
        case exp.JSONExtractScalar():
            return isinstance(node.expression, exp.JSONPath | exp.Literal)
        case exp.Cast() if node.to.is_type(exp.DType.BOOLEAN, exp.DType.DECIMAL):
            return isinstance(node, exp.TryCast) or node.this.is_string
        case exp.Cast() if node.to.is_type(*exp.DataType.TEXT_TYPES):
            return _is_fraction(node.this)
        case exp.RegexpReplace() if r"\b" in node.expression.name:
            return True  # a match of empty text right after another match is one only in Java
        case exp.RegexpLike() | exp.RegexpExtract() | exp.RegexpReplace():
            pattern = node.expression.name if isinstance(node.expression, exp.Literal) else ""
            return _ONLY_RE2.search(pattern) is not None or _is_slow_in_java(pattern)
        case exp.Like():
            return isinstance(node.expression, exp.Literal) and _is_slow_like(node.expression.name)
        case exp.ILike():
            return isinstance(node.expression, exp.Literal)
    return isinstance(node, exp.Lower | exp.Upper)


def _is_fraction(node: exp.Expr) -> bool:
    """Whether a number can have no digit before the point: DuckDB writes it as .5, Spark as 0.5."""
    types = [cast.to for cast in node.find_all(exp.Cast) if cast.to.is_type(exp.DType.DECIMAL)]
    return any(len(each.expressions) == 2 and each.expressions[0] == each.expressions[1] for each in types)


def _in_duckdb(node: exp.Expr) -> exp.Expr:
    """Return a call that computes a node with DuckDB within Spark's tasks; its other arguments are constants.

    If DuckDB computes its first argument, too, one call computes both.
    """
    value = node.this.transform(_corrected)
    inner = value.unnest()
    expression = node.copy()
    if isinstance(inner, exp.Anonymous) and inner.name == IN_DUCKDB:
        expression.set("this", sqlglot.parse_one(inner.expressions[0].name, read="duckdb"))
        value = inner.expressions[1]
    else:
        expression.set("this", exp.column(_X))
    text = exp.Literal.string(exp.Paren(this=expression).sql("duckdb"))
    call = exp.Anonymous(this=IN_DUCKDB, expressions=[text, value])
    kind = node.to.sql("duckdb") if isinstance(node, exp.Cast) else "boolean" if isinstance(node, _TRUTHS) else None
    return exp.cast(call, kind, dialect="duckdb") if kind else call
