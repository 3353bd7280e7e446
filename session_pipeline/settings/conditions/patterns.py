"""Regular expressions in settings, held to what RE2 (DuckDB) and Java (Spark) read alike.

Knows the syntax. Does not know what a pattern is for.
"""

import re

from session_pipeline.settings.conditions.probe import Complaint, ask

# Taken by one and not by the other, or by both with another meaning: named groups as Python writes them, (?U),
# a bracket or && within a character class, \C and \v.
_UNSHARED = re.compile(r"\(\?P<|\(\?[a-zA-Z]*U|\[\^?\]|\[[^\]]*(\[|&&)|\\[Cv]")
_OTHER_ESCAPES = re.compile(r"\\[^Cv]")


def pattern_problem(pattern: str, *, is_replaced: bool = False) -> str | None:
    """What keeps a regular expression from being used, and what to write; None when nothing does.

    Args:
        pattern: The regular expression.
        is_replaced: Whether what it matches is replaced, so that it must match some text.
    """
    if _UNSHARED.search(_OTHER_ESCAPES.sub("", pattern)):
        return "engines read it differently: keep to [a-z], \\d, \\w, ( ), | and quantifiers"
    try:
        (matches_nothing,) = ask("select regexp_matches('', $1)", [pattern])
    except Complaint as complaint:
        return f"{complaint}: patterns are RE2's, without lookaround and backreferences"
    if is_replaced and matches_nothing:
        return "it matches where there is nothing: write one that needs some text"
    return None
