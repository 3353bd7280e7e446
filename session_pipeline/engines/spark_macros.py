"""Expands the shared macros of tables/macros.sql in a query, because Spark cannot create them."""

from collections.abc import Mapping
from functools import cache

import sqlglot
from sqlglot import exp

from session_pipeline.tables import models


def expand(query: exp.Expr) -> exp.Expr:
    """Return a copy of a query with the shared macros expanded."""
    return query.transform(_expand_call)


@cache
def _macros() -> Mapping[str, tuple[tuple[str, ...], exp.Expression]]:
    """Return the parameters and the body of each macro."""
    found = {}
    for create in sqlglot.parse(models.macros(), read="duckdb"):
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
