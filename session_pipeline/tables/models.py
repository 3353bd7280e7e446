"""The models: one SELECT a file, over named tables and `$parameters`.

Knows how to find a model and what is the same about two texts of it. Does not run anything.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files

import sqlglot

from session_pipeline.errors import ModelError

PARAMETER = re.compile(r"\$([a-z_]+)")


@cache
def text(model: str) -> str:
    """The SQL of a model.

    Raises:
        ModelError: There is no such model.
    """
    path = files(__name__).joinpath(f"{model}.sql")
    if not path.is_file():
        raise ModelError(f"there is no model {model}.sql in {__name__}")
    return path.read_text(encoding="utf-8")


@cache
def meaning(model: str) -> str:
    """Hash of the parsed SQL: comments and layout do not count."""
    parsed = sqlglot.parse_one(text(model), read="duckdb")
    return hashlib.sha256(parsed.sql(dialect="duckdb", comments=False).encode()).hexdigest()


@cache
def parameters(model: str) -> frozenset[str]:
    """Names of the parameters that a model reads."""
    code = re.sub(r"--[^\n]*", "", text(model))
    return frozenset(PARAMETER.findall(code))
