"""Turns compared sessions into the rows of opportunities and next_best_actions: ranks, sentences and example sessions.

windows.py sums the counts, matched.py computes the figures. All wording says what goes together, not what causes what.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from session_pipeline.reference.column import arrow_schema
from session_pipeline.reference.column import date as date_column
from session_pipeline.reference.signals import COMPARISONS
from session_pipeline.tables import table
from session_pipeline.tables.opportunities.matched import Estimates, Floats, estimates, ranks
from session_pipeline.tables.opportunities.matched_sums import Numbers, Sums
from session_pipeline.tables.opportunities.steps import LONGEST_WINDOW
from session_pipeline.tables.opportunities.windows import DailyCounts, Factor
from session_pipeline.tables.parameters import LEAST_COMPARED_SESSIONS, Z_95
from session_pipeline.tables.statistics import percent

WINDOWS = (28, LONGEST_WINDOW)  # days
LEAST_EXPECTED = 5  # conversions with the factor, if it made no difference
MOST_ROWS = 20  # of a site, day and window
MOST_EXAMPLES = 3
ALL_SESSIONS = "(all)"  # the segment
EPOCH = date(1970, 1, 1)


def opportunities(rows: pa.Table) -> pa.Table:
    """Return the rows of opportunities, with their date.

    Args:
        rows: The rows of the model opportunity_counts.
    """
    counts, sums, groups = _summed(rows, "action")
    found = estimates(sums, groups, sign=-1, z=Z_95)
    lost, low, high = (-each * sums.with_count for each in (found.difference, found.high, found.low))
    value = lost * sums.cents / np.maximum(sums.converted, 1) / 100
    rank = ranks(groups, ~found.is_significant, -value, -lost, sums.factor)
    kept = np.flatnonzero(rank <= MOST_ROWS).tolist()
    factors = [counts.factors[sums.factor[index]] for index in kept]
    columns = {
        **_common_columns(sums, found, rank, kept, factors),
        "action": [factor.action for factor in factors],
        "signal": [factor.name for factor in factors],
        "with_count": sums.with_count[kept],
        "with_converted_count": sums.with_converted[kept],
        "without_count": sums.without_count[kept],
        "without_converted_count": sums.without_converted[kept],
        "rate_with": _rounded(found.rate_with[kept], 6),
        "rate_without": _rounded(found.rate_without[kept], 6),
        "associated_lost_conversions": _rounded(lost[kept], 3),
        "low": _rounded(low[kept], 3),
        "high": _rounded(high[kept], 3),
        "associated_lost_value": [
            each if values else None for each, values in zip(_rounded(value[kept], 2), sums.values[kept], strict=True)
        ],
        "sentence": [
            f"Sessions that {COMPARISONS[factor.name].did.format(named(factor.action))} ({sums.with_count[index]:,})"
            f" {_rates(found, index)} without it. {lost_text(lost[index], low[index], high[index])}"
            f"{_if_by_chance(found, index)}"
            for index, factor in zip(kept, factors, strict=True)
        ],
    }
    return _table("opportunities", columns)


def next_best_actions(rows: pa.Table) -> pa.Table:
    """Return the rows of next_best_actions, with their date.

    Args:
        rows: The rows of the model next_best_counts.
    """
    counts, sums, groups = _summed(rows, "name")
    found = estimates(sums, groups, sign=1, z=Z_95)
    rank = ranks(groups, ~found.is_significant, -found.score, sums.factor)
    kept = np.flatnonzero(rank <= MOST_ROWS).tolist()
    factors = [counts.factors[sums.factor[index]] for index in kept]
    columns = {
        **_common_columns(sums, found, rank, kept, factors),
        "at_action": [factor.action for factor in factors],
        "seen_action": [factor.name for factor in factors],
        "seen_count": sums.with_count[kept],
        "seen_converted_count": sums.with_converted[kept],
        "unseen_count": sums.without_count[kept],
        "unseen_converted_count": sums.without_converted[kept],
        "rate_seen": _rounded(found.rate_with[kept], 6),
        "rate_unseen": _rounded(found.rate_without[kept], 6),
        "lift": _lifts(found.rate_with, found, kept),
        "low": _lifts(np.maximum(found.rate_without + found.low, 0), found, kept),
        "high": _lifts(np.minimum(found.rate_without + found.high, 1), found, kept),
        "sentence": [
            f"Sessions that also {_did(factor.name)} before {named(factor.action)} ({sums.with_count[index]:,})"
            f" {_rates(found, index)} that had not."
            f"{' They may have meant to convert anyway.' if _often(found, index) == 'more often' else ''}"
            f"{_if_by_chance(found, index)}"
            for index, factor in zip(kept, factors, strict=True)
        ],
    }
    return _table("next_best_actions", columns)


def _summed(rows: pa.Table, factor_of: Literal["action", "name"]) -> tuple[DailyCounts, Sums, Numbers]:
    """Return the counts, their sums, and the group of each comparison: its site, window and day."""
    counts = DailyCounts(rows, factor_of)
    sums = counts.sums(WINDOWS, LEAST_COMPARED_SESSIONS, LEAST_EXPECTED)
    sites = {site: number for number, site in enumerate(sorted({factor.site for factor in counts.factors}))}
    site_of_factor = np.array([sites[factor.site] for factor in counts.factors], np.int64)
    site = site_of_factor[sums.factor] if len(sums.factor) else sums.factor
    keys = np.stack([site, sums.window, sums.day])
    return counts, sums, np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1)


def _common_columns(
    sums: Sums, found: Estimates, rank: Numbers, kept: Sequence[int], factors: Sequence[Factor]
) -> dict[str, Any]:
    days, windows = sums.day[kept].tolist(), sums.window[kept].tolist()
    return {
        "session_date": [EPOCH + timedelta(days=day) for day in days],
        "site": [factor.site for factor in factors],
        "window_days": windows,
        "rank": rank[kept],
        "segment": [ALL_SESSIONS] * len(kept),
        "session_count": sums.with_count[kept] + sums.without_count[kept],
        "difference": _rounded(found.difference[kept], 6),
        "difference_low": _rounded(found.low[kept], 6),
        "difference_high": _rounded(found.high[kept], 6),
        "score": _rounded(found.score[kept], 4),
        "q_value": _rounded(found.q_value[kept], 6),
        "is_significant": found.is_significant[kept],
        "example_session_ids": [
            _examples(factor.examples, day, window) for factor, day, window in zip(factors, days, windows, strict=True)
        ],
    }


def _lifts(rates: Floats, found: Estimates, kept: Sequence[int]) -> list[float | None]:
    """Return rates in multiples of those without the factor; None where that is 0."""
    pairs = zip(rates[kept].tolist(), found.rate_without[kept].tolist(), strict=True)
    return [round(rate / without, 6) if without else None for rate, without in pairs]


def _table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    schema = arrow_schema((*table(name).columns, date_column("session_date", "")))
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema=schema)


def _examples(examples: Sequence[tuple[int, str]], day: int, window: int) -> str | None:
    """Return the latest example sessions up to the day, separated by spaces; None without one in the window."""
    first = bisect_left(examples, -day, key=lambda example: -example[0])
    ids = [session_id for on, session_id in examples[first : first + MOST_EXAMPLES] if on > day - window]
    return " ".join(ids) or None


def _rounded(values: Floats, digits: int) -> Floats:
    rounded: Floats = values.round(digits) + 0.0  # never minus zero
    return rounded


def lost_text(lost: float, low: float, high: float) -> str:
    """Return the conversions that go with a signal in words."""
    count, fewest, most = (round(each) for each in (lost, low, high))
    less, other = "fewer", "more"
    if count < 0:
        count, fewest, most = -count, -most, -fewest
        less, other = other, less
    between = f"{fewest:,} to {most:,}" if fewest >= 0 else f"{-fewest:,} {other} to {most:,} {less}"
    if not (count or fewest or most):
        between = "a difference of less than 1"
    if not count:
        unit = f" {less}" if fewest >= 0 and most else ""  # no direction was named before
        return f"This goes with about as many conversions as without it ({between}{unit})."
    return f"This goes with about {count:,} {less} conversion{'' if count == 1 else 's'} ({between})."


def _rates(found: Estimates, index: int) -> str:
    """Return the two rates in words. They are averages over moments, not shares of the counts."""
    with_it, without_it = percent(found.rate_with[index]), percent(found.rate_without[index])
    return f"converted {_often(found, index)} afterwards: {with_it}, and {without_it} of comparable ones"


def _often(found: Estimates, index: int) -> str:
    """Return how often sessions with the factor converted, in words that agree with the rates as they are shown."""
    if percent(found.rate_with[index]) == percent(found.rate_without[index]):
        return "about as often"
    return "less often" if found.difference[index] < 0 else "more often"


def _did(action: str) -> str:
    """Return what sessions did with an action: they looked at a page, or had an event."""
    return f"looked at {action}" if action.startswith("/") else f"had {named(action)}"


def named(action: str) -> str:
    """Return an action as a part of a sentence: a page, or the event with its name."""
    return action if action.startswith("/") else f"the event {action}"


def _if_by_chance(found: Estimates, index: int) -> str:
    return " This can be chance." if found.can_be_chance[index] else ""
