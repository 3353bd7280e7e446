"""Parses conditions and values in the settings: SQL expressions in a safe subset, returned as trees.

A tree gives one value per row. The value is the same on DuckDB and on Spark, and no row can make it fail: casts that
may fail give null, text is never compared with numbers, and there is no arithmetic, because one hostile number that
overflows would stop every build of its day. settings/model.py defines which settings are conditions;
tables/settings_sql.py turns the trees into SQL.
"""

from collections.abc import Mapping
from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError

from session_pipeline.errors import SettingsError
from session_pipeline.settings.conditions.column_hints import column_hint
from session_pipeline.settings.conditions.kinds import kind_of
from session_pipeline.settings.conditions.shape import JSON_COLUMNS, JSON_PATH, OPERATORS, Refused, check, is_literal
from session_pipeline.settings.conditions.size import NESTING_HINT, balance, check_depth, check_length, check_nesting
from session_pipeline.settings.shortening import excerpt

__all__ = ["parse_condition", "parse_number", "parse_scalar"]


class _Settings(DuckDB):
    """DuckDB's SQL with JSON keys kept as written. sqlglot itself reads 'a.b' as the key b within a."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        return path


def parse_condition(text: str, columns: Mapping[str, str], *, key: str) -> exp.Expression:
    """Parse a condition: an expression over the columns of one row that is true, false or null.

    Args:
        text: The expression, in DuckDB's SQL.
        columns: The columns that it may name, each with its SQL type.
        key: Path of the setting, for the error.

    Returns:
        The tree. An operator is in parentheses, so that the tree can be used anywhere. Copy it before use.

    Raises:
        SettingsError: It does not parse, names an unknown column, contains something that is not allowed, or is not a
            condition.
    """
    return _parse(text, columns, key, "truth").copy()


def parse_number(text: str, columns: Mapping[str, str], *, key: str) -> exp.Expression:
    """Parse an expression that gives a number, as DECIMAL(18,6); null if it does not fit. See `parse_condition`."""
    number = _parse(text, columns, key, "number").copy()
    return exp.TryCast(this=number, to=exp.DataType.build("DECIMAL(18, 6)"), safe=True)


def parse_scalar(text: str, columns: Mapping[str, str], *, key: str) -> exp.Expression:
    """Parse an expression that gives any single value. See `parse_condition`."""
    return _parse(text, columns, key, None).copy()


def _parse(text: str, columns: Mapping[str, str], key: str, wanted: str | None) -> exp.Expression:
    try:
        return _tree(text, tuple(columns.items()), wanted)
    except Refused as refused:
        raise SettingsError(key, refused.problem, refused.hint) from None
    except RecursionError:
        raise SettingsError(key, "is nested too deeply", NESTING_HINT) from None


@lru_cache(maxsize=16_384)  # a plan parses the same few texts many times, and each takes some milliseconds
def _tree(text: str, columns: tuple[tuple[str, str], ...], wanted: str | None) -> exp.Expression:
    # The root is always a Paren, so that every node below it can be replaced in place.
    root = exp.Paren(this=balance(_read(text).unnest()))
    check_depth(root)
    types = dict(columns)
    json = next((name for name in types if name in JSON_COLUMNS), JSON_COLUMNS[-1])
    for node in list(root.walk()):
        node.pop_comments()
        check(node, json)
    for node in list(root.walk()):
        _settle(node, types, is_condition=wanted == "truth")
    kind = kind_of(root, types)
    if wanted == "truth" and kind != "truth":
        raise Refused("is not a condition", "write one that is true or false, such as event_name = 'purchase'")
    if wanted == "number" and kind != "number":
        raise Refused("is not a number", "write value, or cast(properties ->> 'price' as decimal(18, 6))")
    if kind is None:
        raise Refused("is always null", "use a column")
    return root if isinstance(root.this, OPERATORS) else root.this.pop()


def _read(text: str) -> exp.Expr:
    check_length(text)
    try:
        check_nesting(_Settings().tokenize(text))
        trees = _Settings().parse_into(exp.Condition, text)
    except ParseError as error:
        # The reason is in the cause. The error itself only names the kind of expression that was tried.
        cause = error.__cause__ if isinstance(error.__cause__, ParseError) else error
        near = cause.errors[0].get("highlight") if cause.errors else None
        raise Refused(
            f"does not parse at {excerpt(near)!r}" if near else "does not parse",
            "write one SQL expression, without select, ; or as",
        ) from None
    except SqlglotError:
        raise Refused("does not parse", "close every quote, and write ' within a string as ''") from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise Refused("does not parse", "write one SQL expression") from None  # sqlglot fails on some texts, as {:}
    if len(trees) != 1 or trees[0] is None:
        raise Refused("is not one expression", "write one SQL expression, without ;")
    return trees[0]


def _settle(node: exp.Expr, columns: Mapping[str, str], *, is_condition: bool) -> None:
    """Give a node an unambiguous form: column names in lower case, complete JSON paths, casts that cannot fail."""
    match node:
        case exp.Column():
            name = node.name.lower()
            if name not in columns:
                hint = column_hint(node, columns, is_condition=is_condition)
                raise Refused(f"names an unknown column {excerpt(node.name)!r}", hint)
            node.set("this", exp.to_identifier(name))
        case exp.JSONExtractScalar():
            path = node.expression.name
            is_path = JSON_PATH.fullmatch(path) and node.this.name.lower() != "line"  # a field may be named $.host
            keys = path.split(".")[1:] if is_path else [path]
            steps = [exp.JSONPathRoot(), *(exp.JSONPathKey(this=key) for key in keys)]
            node.set("expression", exp.JSONPath(expressions=steps))
        case exp.Trim():
            node.set("expression", exp.Literal.string(" "))  # without it, DuckDB strips all Unicode spaces
        case exp.Cast() if not is_literal(node.this):
            node.replace(exp.TryCast(this=node.this, to=node.to, safe=True))
    # Engines and sqlglot differ in some precedences. With parentheses everywhere, precedence does not matter.
    if isinstance(node, OPERATORS) and not isinstance(node.parent, exp.Paren):
        parentheses = exp.Paren()
        node.replace(parentheses)
        parentheses.set("this", node)
