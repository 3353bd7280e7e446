"""Translates sequences, next actions and routes of other products into patterns of actions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def quoted(name: str) -> str:
    """Return the name of an action as a pattern has it. The ends of a path are those of the session."""
    ends = {"path_start": "^", "path_end": "$"}
    return ends.get(name) or (name if re.fullmatch(r"\w+", name) else f'"{name}"')


def pattern_of(text: str, conditions: Mapping[str, str]) -> tuple[str, list[str]]:
    """Translate a pattern of ClickHouse. It skips events that meet no condition; `among` does so here.

    An empty pattern and `.*` match at each event there. Here a pattern has at least one action, which is the same.

    Args:
        text: The pattern.
        conditions: The name of the action that meets each condition, by its number.
    """
    if text in ("", ".*"):
        return ".", [*conditions.values()]
    tokens = re.findall(r"\(\?t[^)]+\)|\(\?\d+\)|\.\*|\.", text)
    said = [conditions.get(token[2:-1], token) if token[:2] == "(?" else token.replace(".*", ".*?") for token in tokens]
    return " -> ".join(said), [*conditions.values()]


def next_action_pattern(direction: str, base: str, chain: Sequence[str]) -> tuple[str, str]:
    """Translate sequenceNextNode of ClickHouse: its pattern, and the column of the answer's place in the match.

    Backward, the chain is that of the actions before, and its first action is the last of the match. The chain begins
    at the base: the first or the last action, or the first or the last that is the chain's first action.
    """
    is_forward = direction == "forward"
    if not chain:
        return ("^." if is_forward else ".$"), "first_action_number"
    first, *others = chain
    series = " -> ".join(chain if is_forward else reversed(chain))
    if base == ("tail" if is_forward else "head") or (first in others and base == _other_match(is_forward)):
        return "none", "first_action_number"  # nothing comes after the last action, or before the first
    if is_forward:
        if base == "last_match":
            return f"{series} -> [^{first}]+$", f"first_action_number + {len(chain)}"
        begin = {"head": "^", "first_match": f"^[^{first}]* -> "}[base]
        return f"{begin}{series} -> .", "last_action_number"
    if base == "first_match":
        return f"^[^{first}]* -> [^{first}] -> {series}", f"last_action_number - {len(chain)}"
    end = {"tail": "$", "last_match": f" -> [^{first}]*$"}[base]
    return f". -> {series}{end}", "first_action_number"


def _other_match(is_forward: bool) -> str:
    """Return the base that a chain with its first action twice cannot begin at."""
    return "last_match" if is_forward else "first_match"


def places_of_route(actions: Iterable[Mapping[str, Any]], route: Sequence[str]) -> list[list[Mapping[str, Any]]]:
    """Return the rows of session_actions at each place of a route, also of those that overlap.

    This is what docs/definitions.md recommends for counting all places of a series of actions.

    Args:
        actions: The rows of session_actions of one session.
        route: The actions; it can begin with path_start and end with path_end.
    """
    rows = sorted(actions, key=lambda row: row["action_number"])
    names = ["path_start", *(row["action"] for row in rows), "path_end"]
    found = [place for place in range(len(names)) if names[place : place + len(route)] == list(route)]
    return [rows[max(place - 1, 0) : place + len(route) - 1] for place in found]
