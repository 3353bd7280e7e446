"""Finds and parses the models: .sql files with one SELECT each, over named tables and `$parameters`.

Returns what a model reads and a hash of its parsed SQL. engines/ runs the models.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import sqlglot
from sqlglot import exp

from session_pipeline.errors import ModelError

PARAMETER = re.compile(r"\$([a-z_]+)")
COMMENT = re.compile(r"--[^\n]*")
MACROS = "macros"


@cache
def text(model: str) -> str:
    """Returns the SQL of a model.

    Raises:
        ModelError: There is no such model.
    """
    path = _paths().get(model)
    if path is None:
        raise ModelError(f"there is no model {model}.sql in {__package__}")
    return path.read_text(encoding="utf-8")


def names() -> tuple[str, ...]:
    """Returns the names of all models, in alphabetical order."""
    return tuple(sorted(_paths()))


@cache
def macros() -> str:
    """Returns the SQL that creates the shared macros."""
    return files(__package__).joinpath(f"{MACROS}.sql").read_text(encoding="utf-8")


@cache
def expanded(model: str) -> exp.Expr:
    """Returns the parsed SQL of a model, with its macros expanded."""
    return expand(_parsed(model))


def expand(query: exp.Expr) -> exp.Expr:
    """Returns a copy of a query with the shared macros expanded."""
    return query.transform(_expand_call)


@cache
def meaning(model: str) -> str:
    """Returns the hash of the parsed SQL with its macros expanded. Comments and layout do not change it."""
    return hashlib.sha256(expanded(model).sql(dialect="duckdb", comments=False).encode()).hexdigest()


@cache
def parameters(model: str) -> frozenset[str]:
    """Returns the names of the parameters that a model reads."""
    return frozenset(PARAMETER.findall(COMMENT.sub("", text(model))))


@cache
def tables_read(model: str) -> frozenset[str]:
    """Returns the names that a model reads from, without its own CTEs: tables, computations, relations and lists."""
    query = _parsed(model)
    own = {cte.alias for cte in query.find_all(exp.CTE)}
    return frozenset(found.name for found in query.find_all(exp.Table)) - own


@cache
def columns_read(model: str) -> frozenset[str]:
    """Returns the names of all columns that a model mentions."""
    return frozenset(found.name for found in expanded(model).find_all(exp.Column))


@cache
def _parsed(model: str) -> exp.Expr:
    return sqlglot.parse_one(text(model), read="duckdb")


@cache
def _paths() -> Mapping[str, Traversable]:
    groups = [entry for entry in files(__package__).iterdir() if entry.is_dir()]
    found = [path for group in groups for path in group.iterdir() if path.name.endswith(".sql")]
    return {path.name.removesuffix(".sql"): path for path in found}


@cache
def _macros() -> Mapping[str, tuple[tuple[str, ...], exp.Expression]]:
    """Returns the parameters and the body of each macro."""
    found = {}
    for create in sqlglot.parse(macros(), read="duckdb"):
        assert isinstance(create, exp.Create)
        signature, body = create.this, create.expression
        found[signature.this.name] = (tuple(each.name for each in signature.expressions), body)
    return found


def _expand_call(node: exp.Expression) -> exp.Expression:
    if not isinstance(node, exp.Anonymous) or node.name.lower() not in _macros():
        return node
    names, body = _macros()[node.name.lower()]
    values = dict(zip(names, node.expressions, strict=True))

    def fill(inner: exp.Expression) -> exp.Expression:
        if isinstance(inner, exp.Column) and not inner.table and inner.name in values:
            return exp.paren(values[inner.name].copy(), copy=False)
        return inner

    return exp.paren(body.transform(fill).transform(_expand_call, copy=False), copy=False)
