"""Defines patterns: series of actions, with repetitions, choices and limits on time. pattern_parser.py parses them.

`search -> [^cart]* -> search` is a pattern of three items; template.toml describes the notation. The tables of paths
turn a parsed pattern into a regular expression over letters, with one letter for each action of a session
(tables/paths/action_letters.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """A limit on the time between two actions: a comparison (<, <=, >, >=, ==) with a number of microseconds."""

    sign: str
    microseconds: int


@dataclass(frozen=True)
class Arrow:
    """An arrow between two actions, with the limit on the time between them, or None."""

    limit: Limit | None


@dataclass(frozen=True)
class Action:
    """One action: one of some names, or none of them.

    Attributes:
        names: The names.
        is_other: Whether the action has none of these names; without names: any action.
        gap: The limit on the time since the action before it, or None.
    """

    names: frozenset[str]
    is_other: bool = False
    gap: Limit | None = None


@dataclass(frozen=True)
class Repeat:
    """An item that occurs several times in a row; `most` is None without a maximum."""

    item: "Item"
    least: int
    most: int | None
    is_lazy: bool


@dataclass(frozen=True)
class Series:
    """Items that follow each other."""

    items: tuple["Item", ...]


@dataclass(frozen=True)
class Choice:
    """One of several items; the first that fits counts."""

    options: tuple["Item", ...]


Item = Action | Repeat | Series | Choice


@dataclass(frozen=True)
class ActionPattern:
    """A parsed pattern.

    Attributes:
        parts: What is separated by time limits: one series of consecutive actions, or several. Between two parts there
            can be any actions.
        limits: The limit on the time from the last action of each part to the first action of the next.
        starts_session: Whether the match starts with the first action of the session.
        ends_session: Whether the match ends with the last action of the session.
    """

    parts: tuple[Series, ...]
    limits: tuple[Limit, ...]
    starts_session: bool
    ends_session: bool

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions of the pattern."""
        return tuple(action for part in self.parts for action in _actions(part))


def _actions(item: Item) -> Iterator[Action]:
    match item:
        case Action():
            yield item
        case Repeat():
            yield from _actions(item.item)
        case Series():
            yield from (action for each in item.items for action in _actions(each))
        case Choice():
            yield from (action for each in item.options for action in _actions(each))


def lengths(item: Item) -> tuple[int, int | None]:
    """Return the smallest and the largest number of actions of an item; None without a maximum."""
    match item:
        case Action():
            return 1, 1
        case Repeat():
            least, most = lengths(item.item)
            return item.least * least, None if most is None or item.most is None else item.most * most
        case Series():
            found = list(map(lengths, item.items))
            longest = [most for _, most in found if most is not None]
            return sum(least for least, _ in found), sum(longest) if len(longest) == len(found) else None
        case Choice():
            found = list(map(lengths, item.options))
            longest = [most for _, most in found if most is not None]
            return min(least for least, _ in found), max(longest) if len(longest) == len(found) else None


def can_begin_with_a_limit(item: Item) -> bool:
    """Return whether the first action can have a time limit, although no action of the item is before it."""
    match item:
        case Action():
            return item.gap is not None
        case Repeat():
            return can_begin_with_a_limit(item.item)
        case Series():
            for each in item.items:
                if can_begin_with_a_limit(each):
                    return True
                if lengths(each)[0] > 0:
                    break
            return False
        case Choice():
            return any(map(can_begin_with_a_limit, item.options))


def size(item: Item) -> int:
    """Return the number of actions of an item with its repetitions written out."""
    match item:
        case Action():
            return 1
        case Repeat():
            return max(item.least, item.most or 0, 1) * size(item.item)
        case Series():
            return sum(map(size, item.items))
        case Choice():
            return sum(map(size, item.options))
