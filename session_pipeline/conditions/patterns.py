"""Regular expressions in settings, held to what RE2 (DuckDB) and Java (Spark) read alike.

Knows the syntax. Does not know what a pattern is for.
"""

import re

import duckdb

from session_pipeline.conditions.probe import complaint, probe

# Taken by one and not by the other, or by both with another meaning: named groups as Python writes them, (?U),
# a bracket or && within a character class, \C and \v.
_UNSHARED = re.compile(r"\(\?P<|\(\?[a-zA-Z]*U|\[\^?\]|\[[^\]]*(\[|&&)|\\[Cv]")


def pattern_problem(pattern: str, *, is_replaced: bool = False) -> str | None:
    """What keeps a regular expression from being used, and what to write; None when nothing does.

    Args:
        pattern: The regular expression.
        is_replaced: Whether what it matches is replaced, so that it must match some text.
    """
    if _UNSHARED.search(pattern):
        return "engines read it differently: keep to [a-z], \\d, \\w, ( ), | and quantifiers"
    try:
        found = probe().execute("select regexp_matches('', $1)", [pattern]).fetchall()
    except duckdb.Error as error:
        return f"{complaint(error)}: patterns are RE2's, without lookaround and backreferences"
    if is_replaced and found == [(True,)]:
        return "it matches where there is nothing: write one that needs some text"
    return None
