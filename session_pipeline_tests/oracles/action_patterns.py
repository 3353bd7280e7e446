"""Finds the matches of a pattern in the actions of a session, from the meanings in docs/definitions.md."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from session_pipeline.settings.action_patterns import (
    Action,
    ActionPattern,
    Choice,
    Item,
    Limit,
    Repeat,
    Series,
)

MICROSECOND = timedelta(microseconds=1)


def pattern_matches(
    actions: Sequence[tuple[str, datetime]],
    pattern: ActionPattern,
    within: timedelta | None = None,
    among: Sequence[str] | None = None,
) -> list[tuple[int, int]]:
    """Return the matches that do not overlap, as numbers of the first and the last action, from 1."""
    numbered = [(number, *one) for number, one in enumerate(actions, start=1) if among is None or one[0] in among]
    kept = [(label, moment) for _, label, moment in numbered]
    is_timed = bool(pattern.limits) or within is not None
    found, start = [], 0
    while start < len(kept):
        ends = [] if start and pattern.starts_session else _ends(kept, pattern, start)
        possible = (end for end in ends if not pattern.ends_session or end == len(kept))
        if is_timed:
            limit = within if within is not None else timedelta.max
            end = min((end for end in possible if kept[end - 1][1] - kept[start][1] <= limit), default=None)
        else:
            end = next(possible, None)
        if end is None:
            start += 1
        else:
            found.append((numbered[start][0], numbered[end - 1][0]))
            start = end
    return found


def _ends(kept: Sequence[tuple[str, datetime]], pattern: ActionPattern, start: int) -> Iterator[int]:
    """Yield where a match from a place can end, the preferred end first."""

    def parts(number: int, place: int) -> Iterator[int]:
        for end in _item_ends(kept, pattern.parts[number], place):
            if number + 1 == len(pattern.parts):
                yield end
                continue
            for later in range(end, len(kept)):
                if _meets(kept[later][1] - kept[end - 1][1], pattern.limits[number]):
                    yield from parts(number + 1, later)

    return parts(0, start)


def _item_ends(kept: Sequence[tuple[str, datetime]], item: Item, place: int) -> Iterator[int]:
    match item:
        case Action():
            if place < len(kept) and (kept[place][0] in item.names) != item.is_other:
                gap = item.gap is None or _meets(kept[place][1] - kept[place - 1][1], item.gap)
                if gap:
                    yield place + 1
        case Choice():
            for option in item.options:
                yield from _item_ends(kept, option, place)
        case Series():
            yield from _series_ends(kept, item.items, place)
        case Repeat():
            yield from _repeat_ends(kept, item, place, 0)


def _series_ends(kept: Sequence[tuple[str, datetime]], items: Sequence[Item], place: int) -> Iterator[int]:
    if not items:
        yield place
        return
    for end in _item_ends(kept, items[0], place):
        yield from _series_ends(kept, items[1:], end)


def _repeat_ends(kept: Sequence[tuple[str, datetime]], item: Repeat, place: int, count: int) -> Iterator[int]:
    may_stop = count >= item.least
    may_go_on = item.most is None or count < item.most
    if may_stop and item.is_lazy:
        yield place
    if may_go_on:
        for end in _item_ends(kept, item.item, place):
            # An item that can be absent counts as often as it must occur, and under ?.
            if end > place or count < item.least or item.most == 1:
                yield from _repeat_ends(kept, item, end, count + 1)
    if may_stop and not item.is_lazy:
        yield place


def _meets(gap: timedelta, limit: Limit) -> bool:
    number = gap // MICROSECOND
    return {
        "<": number < limit.microseconds,
        "<=": number <= limit.microseconds,
        "==": number == limit.microseconds,
        ">=": number >= limit.microseconds,
        ">": number > limit.microseconds,
    }[limit.sign]
