"""The SQL that DuckDB and Spark share: what breaks it in a model, and the model's text for Spark.

sqlglot translates without a word where the engines differ, so models are held to what both do alike. Knows SQL text
and sqlglot's trees; no model by name, and no column's type. So it cannot see: floating point columns that are summed,
compared, or cast to integers or text; decimal columns that are divided; arguments that are NULL; a select's alias used
in its own `where`; subscripts beyond a list's end; whether an order is total, or the keys of min_by unique.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.tokenizer_core import Token

from session_pipeline.errors import ModelError
from session_pipeline.portable.names import DIFFERENT, SHARED
from session_pipeline.portable.rules import RULES

__all__ = ["Violation", "find_violations", "to_spark"]


@dataclass(frozen=True)
class Violation:
    """A place in a model that Spark would refuse, or answer with other rows.

    Attributes:
        line: From 1; None where sqlglot keeps no position.
        construct: What stands there.
        why: What the engines do with it.
        instead: What to write.
    """

    line: int | None
    construct: str
    why: str
    instead: str

    def __str__(self) -> str:
        """As one line of a report."""
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.construct}: {self.why}. Write {self.instead}."


def find_violations(sql: str) -> list[Violation]:
    """What keeps a model from giving the same rows on DuckDB and Spark, by line; empty if nothing is seen.

    Text that is not one SELECT gives that as its only violation.

    Args:
        sql: One SELECT in DuckDB's words, with `$name` parameters.
    """
    try:
        tokens = DuckDB().tokenize(sql)
        parsed = sqlglot.parse(sql, read="duckdb")
    except SqlglotError as error:
        line = error.errors[0].get("line") if isinstance(error, ParseError) and error.errors else None
        return [Violation(line, "syntax", f"sqlglot cannot read it ({error})", "SQL of DuckDB")]
    statements = [statement for statement in parsed if statement and not isinstance(statement, exp.Semicolon)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation):
        return [Violation(None, "not one select", "a model is one query and no DDL", "exactly one SELECT")]
    query = statements[0]
    found = {
        *_names_in(tokens, {cte.alias for cte in query.find_all(exp.CTE)}),
        *_punctuation_in(tokens),
        *_bare_aliases_in(query, tokens),
        *(
            Violation(_line(node), rule.construct, rule.why, rule.instead)
            for node in query.walk()
            for rule in RULES
            if isinstance(node, rule.kinds) and rule.breaks(node)
        ),
    }
    return sorted(found, key=lambda violation: (violation.line or 0, violation.construct))


def to_spark(sql: str) -> str:
    """A model in Spark's words; its `$name` parameters become `:name`, as `SparkSession.sql(text, args)` takes them.

    What was replaced before (booleans, as for DuckDB) stays. Says nothing of equal rows: that is find_violations.

    Raises:
        ModelError: sqlglot cannot read the text, or knows that Spark has no word for a part of it.
    """
    try:
        query = sqlglot.parse_one(sql, read="duckdb")
        return query.sql("spark", pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise ModelError(f"the model cannot be put into Spark's SQL: {error}") from error


def _names_in(tokens: Sequence[Token], tables: set[str]) -> Iterator[Violation]:
    """Functions, and operators that are one, as they are written: the tree forgets whether it was len or length.

    A function must be known; but names that are keywords as well (left, replace) cannot be told from keywords.
    """
    for before, token, after in zip((None, *tokens), tokens, (*tokens[1:], None), strict=False):
        name = token.text.lower()
        is_table = name in tables or (before is not None and before.token_type is TokenType.ALIAS)
        is_called = after is not None and after.token_type is TokenType.L_PAREN and not is_table
        if name in DIFFERENT and (is_called or token.token_type in _WITHOUT_PARENTHESES):
            yield Violation(token.line, name, DIFFERENT[name].why, DIFFERENT[name].instead)
        elif is_called and token.token_type is TokenType.VAR and name not in SHARED:
            why = "nobody has compared it on both engines"
            yield Violation(token.line, name, why, "another function, or compare it and add it to names.py")


_WITHOUT_PARENTHESES = {
    TokenType.CURRENT_DATE,
    TokenType.CURRENT_TIME,
    TokenType.CURRENT_TIMESTAMP,
    TokenType.LOCALTIME,
    TokenType.LOCALTIMESTAMP,
    TokenType.ARROW,
    TokenType.CARET,
    TokenType.DSTAR,
}


def _punctuation_in(tokens: Sequence[Token]) -> Iterator[Violation]:
    for token, after in pairwise(tokens):
        if token.token_type is TokenType.COMMA and after.token_type in _ENDS_A_LIST:
            yield Violation(token.line, "trailing comma", "fails on Spark", "no comma after the last item")
        is_key = after.token_type is TokenType.STRING and re.fullmatch(r"\w+|\$.*", after.text, re.ASCII)
        if token.token_type is TokenType.DARROW and not is_key:
            why = "DuckDB takes it for a key, Spark for a path"
            yield Violation(token.line, "->> without a plain key", why, "a word in quotes, or a path '$.…'")


_ENDS_A_LIST = {
    TokenType.SELECT,
    TokenType.FROM,
    TokenType.WHERE,
    TokenType.GROUP_BY,
    TokenType.HAVING,
    TokenType.WINDOW,
    TokenType.QUALIFY,
    TokenType.ORDER_BY,
    TokenType.LIMIT,
    TokenType.UNION,
    TokenType.EXCEPT,
    TokenType.INTERSECT,
    TokenType.R_PAREN,
    TokenType.R_BRACKET,
    TokenType.R_BRACE,
}


def _bare_aliases_in(query: exp.Expr, tokens: Sequence[Token]) -> Iterator[Violation]:
    before = {after.start: token for token, after in pairwise(tokens)}
    for alias in query.find_all(exp.Alias, exp.TableAlias):
        name = alias.args.get("alias") if isinstance(alias, exp.Alias) else alias.this
        if name is None or isinstance(alias.parent, exp.CTE) or "start" not in name.meta:
            continue
        if before[name.meta["start"]].token_type is not TokenType.ALIAS:
            yield Violation(_line(name), f"alias {name.name}", "stands without `as`", f"as {name.name}")


def _line(node: exp.Expr | None) -> int | None:
    """Where a node begins; where it keeps no position, where what it stands in begins."""
    while node is not None:
        lines = [part.meta["line"] for part in node.walk() if "line" in part.meta]
        if lines:
            return int(min(lines))
        node = node.parent
    return None
