"""Limits the size of an expression in the settings before it is parsed: parsing deep expressions takes gigabytes.

Checks the text, the tokens and the depth of the tree. shape.py checks what an expression may contain.
"""

from collections.abc import Sequence

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from session_pipeline.settings.conditions.shape import Refused

MOST_CHARACTERS = 10_000
DEEPEST_NESTING = 30  # of parentheses, brackets, case, not and signs
DEEPEST_TREE = 100
SHORT_CHAIN = 8
NESTING_HINT = f"nest at most {DEEPEST_NESTING} parentheses, case or not in one another"

_OPENING = frozenset((TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE))
_CLOSING = frozenset((TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END))
_PREFIXES = frozenset((TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE))


def check_length(text: str) -> None:
    """Refuse a text that is too long.

    Raises:
        Refused: The text is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise Refused(
            f"has {len(text):,} characters",
            f"write at most {MOST_CHARACTERS:,}; use in ('a', 'b', ...) to compare one column with many values",
        )


def check_nesting(tokens: Sequence[Token]) -> None:
    """Refuse tokens that nest too deeply, counted in one pass.

    Raises:
        Refused: The tokens nest too deeply.
    """
    depth = prefixes = 0
    for token in tokens:
        kind = token.token_type
        prefixes = prefixes + 1 if kind in _PREFIXES else 0
        depth += (kind in _OPENING) - (kind in _CLOSING)
        if depth + prefixes > DEEPEST_NESTING:
            raise _too_deep()


def check_depth(root: exp.Expr) -> None:
    """Refuse a tree that is too deep for recursive functions.

    Raises:
        Refused: The tree is too deep.
    """
    level: list[exp.Expr] = [root]
    for _ in range(DEEPEST_TREE):
        level = [child for node in level for child in node.iter_expressions()]
        if not level:
            return
    raise _too_deep()


def balance(root: exp.Expr) -> exp.Expr:
    """Return the tree with each long chain of `and` or `or` as a balanced tree of few levels, with the same value."""
    # Chains are found from the top. The operands of a chain are visited after it is replaced.
    waiting = [root]
    while waiting:
        node = waiting.pop()
        operands = _chain(node)
        if len(operands) > SHORT_CHAIN:
            balanced = _balanced(type(node), operands)
            if node is root:
                root = balanced
            else:
                node.replace(balanced)
            waiting += operands
        else:
            waiting += node.iter_expressions()
    return root


def _chain(node: exp.Expr) -> list[exp.Expr]:
    """Return the operands of `a or b or c`, in order; an empty list if the node is not such a chain."""
    if not isinstance(node, exp.And | exp.Or):
        return []
    operands = []
    while type(node.this) is type(node):
        operands.append(node.expression)
        node = node.this
    operands += [node.expression, node.this]
    return operands[::-1]


def _balanced(kind: type[exp.Expr], operands: Sequence[exp.Expr]) -> exp.Expr:
    level = list(operands)
    while len(level) > 1:
        pairs = [kind(this=left, expression=right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return level[0]


def _too_deep() -> Refused:
    return Refused("is nested too deeply", NESTING_HINT)
