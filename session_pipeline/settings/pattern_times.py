"""Computes the time that every match of a pattern takes at least, from the time limits of the pattern."""

from collections.abc import Iterator

from session_pipeline.settings.action_patterns import Action, ActionPattern, Choice, Item, Limit, Repeat, Series


def shortest_time(pattern: ActionPattern) -> Limit:
    """Return the time that every match takes at least: >= or > a number of microseconds."""
    limits = [*pattern.limits, *(limit for part in pattern.parts for limit in _lower_limits(part))]
    lower = [limit for limit in limits if limit.sign in (">", ">=", "==")]
    is_longer = any(limit.sign == ">" for limit in lower)
    return Limit(">" if is_longer else ">=", sum(limit.microseconds for limit in lower))


def _lower_limits(item: Item) -> Iterator[Limit]:
    """Yield the limits of actions that are in every match, each as often as its action is."""
    match item:
        case Action():
            if item.gap is not None:
                yield item.gap
        case Repeat():
            yield from item.least * list(_lower_limits(item.item))
        case Series():
            yield from (limit for each in item.items for limit in _lower_limits(each))
        case Choice():
            pass  # another option may have no limit
