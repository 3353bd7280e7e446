"""Finds and reads the models: .sql files with one SELECT each, over named tables and `$parameters`.

Returns what a model reads and a hash of its meaning. engines/ runs the models.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from session_pipeline.errors import ModelError

PARAMETER = re.compile(r"\$([a-z_]+)")
COMMENT = re.compile(r"--[^\n]*")
TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|\w+|[^\w\s]")
NAME = re.compile(r"[a-z_]\w*")
MACROS = "macros"


@cache
def text(model: str) -> str:
    """Return the SQL of a model.

    Raises:
        ModelError: There is no such model.
    """
    path = _paths().get(model)
    if path is None:
        raise ModelError(f"there is no model {model}.sql in {__package__}")
    return path.read_text(encoding="utf-8")


def names() -> tuple[str, ...]:
    """Return the names of all models, in alphabetical order."""
    return tuple(sorted(_paths()))


@cache
def macros() -> str:
    """Return the SQL that creates the shared macros."""
    return files(__package__).joinpath(f"{MACROS}.sql").read_text(encoding="utf-8")


@cache
def tokens(model: str) -> tuple[str, ...]:
    """Return the words and signs of a model, without comments and layout.

    Commands that build nothing read models only by their tokens, because the SQL parser takes 0.3 seconds for all
    models. A test compares what they find with the parsed SQL.
    """
    return _tokens_of(text(model))


@cache
def meaning(model: str) -> str:
    """Return the hash of a model and of the macros that it calls. Comments and layout do not change it."""
    macros_called: dict[str, tuple[str, ...]] = {}
    new = set(tokens(model)) & _macro_tokens().keys()
    while new:
        macros_called |= {name: _macro_tokens()[name] for name in new}
        called = {token for name in new for token in _macro_tokens()[name]}
        new = called & _macro_tokens().keys() - macros_called.keys()
    parts = [tokens(model), *(macros_called[name] for name in sorted(macros_called))]
    return hashlib.sha256("\0\0".join("\0".join(part) for part in parts).encode()).hexdigest()


@cache
def parameters(model: str) -> frozenset[str]:
    """Return the names of the parameters that a model reads."""
    return frozenset(PARAMETER.findall(COMMENT.sub("", text(model))))


@cache
def tables_read(model: str) -> frozenset[str]:
    """Return the names that a model reads from, without its own CTEs: tables, computations, relations and lists."""
    return frozenset(times_read(model))


@cache
def times_read(model: str) -> Mapping[str, int]:
    """Return how many times a model names each of `tables_read`."""
    found = tokens(model)
    read, own = Counter[str](), set()
    for before, word, after, second in zip(("", *found), found, (*found[1:], ""), (*found[2:], "", ""), strict=False):
        if word in ("from", "join") and before != "distinct" and NAME.fullmatch(after):
            read[after] += 1
        if after == "as" and second == "(":
            own.add(word)
    return {name: count for name, count in read.items() if name not in own}


@cache
def columns_read(model: str) -> frozenset[str]:
    """Return all names that a model mentions; its columns are among them."""
    return frozenset(filter(NAME.fullmatch, tokens(model)))


@cache
def _paths() -> Mapping[str, Traversable]:
    groups = [entry for entry in files(__package__).iterdir() if entry.is_dir()]
    found = [path for group in groups for path in group.iterdir() if path.name.endswith(".sql")]
    return {path.name.removesuffix(".sql"): path for path in found}


def _tokens_of(sql: str) -> tuple[str, ...]:
    return tuple(token for token in TOKEN.findall(sql) if not token.startswith("--"))


@cache
def _macro_tokens() -> Mapping[str, tuple[str, ...]]:
    """Return the tokens of each macro, by its name."""
    found = {}
    for statement in " ".join(_tokens_of(macros())).split(" ; "):
        words = tuple(statement.split(" "))
        if "macro" in words:
            found[words[words.index("macro") + 1]] = words
    return found
