"""Checks regular expressions in settings: RE2 (DuckDB) and Java (Spark) must read them in the same way.

The patterns are used in conditions and in the fold rules of actions.
"""

import re

from session_pipeline.settings.conditions.probe import Complaint, ask

# Syntax that only one of them accepts, or that has different meanings: Python's named groups, (?U), a bracket or &&
# within a character class, \C and \v.
_UNSHARED = re.compile(r"\(\?P<|\(\?[a-zA-Z]*U|\[\^?\]|\[[^\]]*(\[|&&)|\\[Cv]")
_OTHER_ESCAPES = re.compile(r"\\[^Cv]")


def pattern_problem(pattern: str, *, is_replaced: bool = False) -> str | None:
    """Return why a regular expression is invalid and what to write instead; None if it is valid.

    Args:
        pattern: The regular expression.
        is_replaced: Whether its matches are replaced, so that it must not match empty text.
    """
    # An escape becomes a letter, because without one `[\.]` would be the empty class `[]`.
    if _UNSHARED.search(_OTHER_ESCAPES.sub("a", pattern)):
        return "engines interpret it differently: use only [a-z], \\d, \\w, ( ), | and quantifiers"
    try:
        (matches_nothing,) = ask("select regexp_matches('', $1)", [pattern])
    except Complaint as complaint:
        return f"{complaint}: patterns use RE2 syntax, without lookaround and backreferences"
    if is_replaced and matches_nothing:
        return "it matches the empty string: write a pattern that needs at least one character"
    return None
