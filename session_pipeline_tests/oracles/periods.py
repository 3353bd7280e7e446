"""Finds the days of a change in plain Python: an oracle for the columns since and over_since.

Written from docs/changes.md (Since, and over), not from the models.
"""

import math
from collections.abc import Collection, Sequence
from fractions import Fraction

from session_pipeline_tests.oracles.progress import root

Day = tuple[int, int, int]  # its position in the calendar, its cases and its trials


def period(calendar: Sequence[tuple[int, int]], window: int, spread: float, sign: int) -> tuple[int, int | None]:
    """Return the first day of a change and the first day after it, as positions; None while it lasts.

    Args:
        calendar: For each day up to the last one of the window, its cases and its trials.
        window: The position of the first day of the window.
        spread: How much more the days differ than by chance.
        sign: 1 for a drop, -1 for a rise.
    """
    days = [(place, k, n) for place, (k, n) in enumerate(calendar) if n]
    found = _over(days, [end for end in range(1, len(days) - 2) if days[end - 1][0] >= window], spread, sign)
    if found and not _was_over_a_week_before(days, days[found[1] - 1][0], len(calendar) - 1, spread, sign):
        return days[found[0]][0], days[found[1]][0]
    return _since(days, spread, sign), None


def older(calendar: Sequence[tuple[int, int]], sign: int) -> list[int]:
    """Return the positions of the days of an older change that was over, of the days before a change."""
    days = [(place, k, n) for place, (k, n) in enumerate(calendar) if n]
    found = _over(days, range(8, len(days) - 2), 1, sign)
    if found is None:
        return []
    others = [*days[: found[0]], *days[found[1] :]]
    k0, n0 = _sums(others)
    chi = sum((k - n * k0 / n0) ** 2 / (n * k0 / n0 * (1 - k0 / n0)) for _, k, n in others) if 0 < k0 < n0 else 0
    spread = max(1, chi / (len(others) - 1))
    if round(_score(days[slice(*found)], others, spread, sign), 6) > -4:
        return []
    return list(range(days[found[0]][0], days[found[1]][0]))


def _was_over_a_week_before(days: Sequence[Day], last_of_change: int, last: int, spread: float, sign: int) -> bool:
    if last - last_of_change >= 7:
        return False
    until = [day for day in days if day[0] <= last - 7]
    end = sum(1 for day in days if day[0] <= last_of_change - 7)
    return len(until) - end >= 3 and _over(until, [end], spread, sign) is not None


def _since(days: Sequence[Day], spread: float, sign: int) -> int:
    earliest = min(7, len(days) - 1)
    scores = {first: _score(days[first:], days[:first], spread, sign) for first in range(earliest, len(days))}
    since = min(scores, key=lambda first: (scores[first], first))
    for until in reversed(range(len(days))):
        older = _over(days[:until], range(since + 1, until - 2), spread, sign)
        if older and until - older[1] >= 7:
            return _since(days[older[1] :], spread, sign)
    return days[since][0]


def _over(days: Sequence[Day], ends: Collection[int], spread: float, sign: int) -> tuple[int, int] | None:
    """Return the first day of a change that is over, and the first day after it: one of `ends`."""
    scores = {
        (first, end): _score(days[first:end], [*days[:first], *days[end:]], spread, sign)
        for end in ends
        for first in range(7, end)
    }
    if not scores:
        return None
    first, end = min(scores, key=lambda pair: (scores[pair], pair))
    usual = Fraction(*_sums(days[:first]))

    def is_alike(start: int) -> bool:
        share = Fraction(*_sums(days[start:]))
        return 10 * share >= 9 * usual if sign > 0 else 9 * share <= 10 * usual

    is_usual = is_alike(end) or _score(days[end:], days[:first], spread, sign) > -2
    is_back = any(
        not is_alike(start) and _score(days[start:], days[:first], spread, sign) <= -3
        for start in range(end, len(days))
    )
    is_clear = _score(days[first:end], days[end:], spread, sign) <= -3
    return (first, end) if is_clear and is_usual and not is_back else None


def _score(part: Sequence[Day], others: Sequence[Day], spread: float, sign: int) -> float:
    return sign * root(*_sums(part), *_sums(others)) / math.sqrt(spread)


def _sums(part: Sequence[Day]) -> tuple[int, int]:
    return sum(k for _, k, _ in part), sum(n for _, _, n in part)
