"""Decides whether chance alone can cause the difference of two shares; it holds for small counts, too.

It also says of how many visits or visitors a share is too uncertain to be compared or shown alone.
"""

from math import sqrt

from session_pipeline.tables.parameters import Z_95

FEWEST = 30  # visits or visitors


def is_significant(count: int, total: int, other_count: int, other_total: int) -> bool:
    """Whether two shares differ by more than chance causes in 95 of 100 cases; False if a total is 0.

    That is, whether 0 is outside the 95 % interval of their difference, which is made of the Wilson intervals of the
    shares: R. G. Newcombe, Interval estimation for the difference between independent proportions (1998), method 10.
    """
    if not total or not other_total:
        return False
    (share, low, high), (other, other_low, other_high) = _wilson(count, total), _wilson(other_count, other_total)
    if share < other:
        return other - share > sqrt((other - other_low) ** 2 + (high - share) ** 2)
    return share - other > sqrt((share - low) ** 2 + (other_high - other) ** 2)


def _wilson(count: int, total: int) -> tuple[float, float, float]:
    """Return a share and the bounds of its 95 % interval."""
    share = count / total
    centre = share + Z_95**2 / (2 * total)
    reach = Z_95 * sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    scale = 1 + Z_95**2 / total
    return share, max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)
