"""Finds SQL in a model that gives different rows on DuckDB and Spark, or other rows each time, without an error.

sqlglot translates without an error where the engines differ, so the models use only what both compute alike. What Spark
rejects with an error is not checked here; running the cases on Spark finds it. Properties that the text does not show
are not checked either: the types of columns, whether an order is total, whether the keys of min_by are unique.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel
from sqlglot.tokenizer_core import Token

from session_pipeline_tests.portable.forms import FORMS
from session_pipeline_tests.portable.functions import COMPARED, DIFFERENT

__all__ = ["Violation", "find_violations", "to_spark"]


@dataclass(frozen=True)
class Violation:
    """A place in a model where the engines differ.

    Attributes:
        line: From 1; None where sqlglot keeps no position.
        construct: The construct at this place.
        instead: What to write.
    """

    line: int | None
    construct: str
    instead: str

    def __str__(self) -> str:
        """One line of a report."""
        return f"{f'line {self.line}: ' if self.line else ''}{self.construct}. Write {self.instead}."


def find_violations(sql: str) -> list[Violation]:
    """Return the violations of a query, by line; empty if nothing is found.

    Args:
        sql: One SELECT in DuckDB's dialect, with `$name` parameters.
    """
    query = sqlglot.parse_one(sql, read="duckdb")
    found = {
        *_functions(DuckDB().tokenize(sql), {cte.alias for cte in query.find_all(exp.CTE)}),
        *(
            Violation(_line(node), form.construct, form.instead)
            for node in query.walk()
            for form in FORMS
            if isinstance(node, form.kinds) and form.differs(node)
        ),
    }
    return sorted(found, key=lambda violation: (violation.line or 0, violation.construct))


def to_spark(sql: str) -> str:
    """Translate a model to Spark's dialect; `$name` parameters become `:name`.

    Raises:
        sqlglot.errors.SqlglotError: sqlglot cannot read the text, or knows that Spark has no such construct.
    """
    query = sqlglot.parse_one(sql, read="duckdb")
    return query.sql("spark", pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE)


def _functions(tokens: Sequence[Token], tables: set[str]) -> Iterator[Violation]:
    """Check functions and JSON operators by their tokens, because the tree does not keep the name as written.

    Every function must be a known one. Names that are also keywords (left, replace) are read as keywords.
    """
    for before, token, after in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False):
        name = token.text.lower()
        is_table = name in tables or (before is not None and before.token_type is TokenType.ALIAS)
        is_called = after is not None and after.token_type is TokenType.L_PAREN and not is_table
        if name in DIFFERENT and (is_called or token.token_type in _WITHOUT_PARENTHESES):
            yield Violation(token.line, name, DIFFERENT[name])
        elif is_called and token.token_type is TokenType.VAR and name not in COMPARED:
            yield Violation(token.line, name, "a compared function, or compare it and add it to functions.py")
        is_key = after is not None and after.token_type is TokenType.STRING and re.fullmatch(r"\w+|\$.*", after.text)
        if token.token_type is TokenType.DARROW and not is_key:
            yield Violation(token.line, "->> without a plain key", "a word in quotes, or a path '$.…'")


_WITHOUT_PARENTHESES = {TokenType.CURRENT_DATE, TokenType.CURRENT_TIME, TokenType.CURRENT_TIMESTAMP, TokenType.ARROW}


def _line(node: exp.Expr | None) -> int | None:
    """Return the line where a node begins, or that of its parent if the node has no position."""
    while node is not None:
        lines = [part.meta["line"] for part in node.walk() if "line" in part.meta]
        if lines:
            return int(min(lines))
        node = node.parent
    return None
