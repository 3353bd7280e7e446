"""Sums daily counts over windows of days, for each factor at its moments.

A factor is a signal of friction, or an action seen before. A cell is a factor at a moment, with the sessions that have
the factor and those that have not. All sums are exact: they do not depend on the order of rows, or on which days are
built together. matched.py computes rates, intervals and tests from them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

MOST_VALUES = 300_000  # of the days and cells that are summed at once; bounds memory
MOST_CENTS = 1e15  # of a moment and day; bounds a sum

# Fractions are added as multiples of 2^-30, because a sum of doubles depends on the order.
FIXED_POINT = float(2**30)

WITH = ("session_count", "converted_count", "earlier_count", "earlier_converted_count")
ALL = ("session_count", "converted_count", "exit_count", "exit_converted_count", "value")

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Factor:
    """A factor at an action of a site.

    Attributes:
        site: The site.
        action: The action.
        name: The signal, or the action seen before.
        examples: The days and ids of its example sessions, the latest first.
    """

    site: str
    action: str
    name: str
    examples: Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Sums:
    """Sums over the moments of a factor at which there are sessions with and without it; an element for each window.

    Attributes:
        factor: The index of the factor.
        day: The last day of the window, in days since 1970.
        window: The number of days of the window.
        with_count: Sessions with the factor.
        with_converted: Those that converted later.
        without_count: Sessions without the factor.
        without_converted: Those that converted later.
        converted: Conversions of all sessions at these moments.
        cents: The value of these conversions, in hundredths.
        rate_with: Conversions with the factor, each moment weighted by its sessions; in FIXED_POINT, like all below.
        rate_without: Conversions without it, with the same weights.
        weight: The weights.
        expected: Conversions with the factor to expect if it made no difference.
        variance: The variance of this number.
        sato_of_difference: The part of Sato's variance that is multiplied by the difference.
        sato: The other part.
    """

    factor: Numbers
    day: Numbers
    window: Numbers
    with_count: Numbers
    with_converted: Numbers
    without_count: Numbers
    without_converted: Numbers
    converted: Numbers
    cents: Numbers
    rate_with: Numbers
    rate_without: Numbers
    weight: Numbers
    expected: Numbers
    variance: Numbers
    sato_of_difference: Numbers
    sato: Numbers


class DailyCounts:
    """The rows of a model with daily counts, as numbers.

    Attributes:
        days: The days that are built, in days since 1970.
        factors: The factors, in order of site, action and name.
    """

    def __init__(self, rows: pa.Table) -> None:
        """Read the rows. Those without a site say which days are built."""
        is_count = rows["site"].is_valid()
        self.days = np.unique(_numbers(rows.filter(pa.compute.invert(is_count))["session_date"]))
        rows = rows.filter(is_count)
        names = {name: _codes(rows[name]) for name in ("site", "action", "moment", "factor")}
        (site, _), (action, actions), (moment, moments), (factor, factors) = names.values()
        place = site * len(actions) + action
        is_all = _flags(pa.compute.equal(rows["factor"], ""))
        date = _numbers(rows["session_date"])
        self._first_day = int(min(date.min(initial=self.days[0]), self.days[0])) if len(self.days) else 0
        self._day_count = int(self.days[-1]) - self._first_day + 1 if len(self.days) else 0

        self._moments = _Daily(date - self._first_day, place * len(moments) + moment, is_all)
        of_factor = (place * len(factors) + factor) * len(moments) + moment
        self._cells = _Daily(date - self._first_day, of_factor, ~is_all)
        for name in ALL:
            self._moments.add(name, _cents(rows[name]) if name == "value" else _numbers(rows[name]))
        for name in WITH:
            self._cells.add(name, _numbers(rows[name]))
        factor_of_cell, moment_of_cell = np.divmod(self._cells.keys, max(len(moments), 1))
        found, self._starts = np.unique(factor_of_cell, return_index=True)
        place_of_cell = factor_of_cell // max(len(factors), 1)
        self._moment_of_cell = np.searchsorted(self._moments.keys, place_of_cell * len(moments) + moment_of_cell)
        self._needs_next = np.zeros(len(self._cells.keys), np.bool_)
        self._needs_next[self._cells.key_of_row] = _flags(rows["needs_next_action"])[self._cells.rows]
        self.factors = self._named_factors(rows, found, of_factor // max(len(moments), 1), names)

    @staticmethod
    def _named_factors(
        rows: pa.Table, found: Numbers, factor_of_row: Numbers, names: dict[str, tuple[Numbers, list[str]]]
    ) -> list[Factor]:
        """Return the factors with their names and example sessions."""
        examples: dict[int, list[tuple[int, str]]] = {}
        has_example = _flags(rows["example_session_id"].is_valid())
        with_example = rows.filter(has_example)
        for factor, day, session_id in zip(
            factor_of_row[has_example].tolist(),
            _numbers(with_example["session_date"]).tolist(),
            with_example["example_session_id"].to_pylist(),
            strict=True,
        ):
            examples.setdefault(factor, []).append((-day, session_id))
        sites, actions, factors = (names[name][1] for name in ("site", "action", "factor"))
        named = []
        for key in found.tolist():
            place, factor = divmod(key, len(factors))
            site, action = divmod(place, len(actions))
            latest_first = [(-day, session_id) for day, session_id in sorted(examples.get(key, ()))]
            named.append(Factor(sites[site], actions[action], factors[factor], latest_first))
        return named

    def sums(self, windows: Sequence[int], least_sessions: int, least_expected: int) -> Sums:
        """Return the sums of all factors that have enough sessions in a window.

        Args:
            windows: The numbers of days of the windows.
            least_sessions: The least number of sessions with the factor, and without it.
            least_expected: The least number of expected conversions.
        """
        parts = [
            part
            for first, last in self._chunks()
            for part in self._sums_of(first, last, windows, least_sessions, least_expected)
        ]
        empty = np.zeros(0, np.int64)
        return Sums(
            *(np.concatenate([empty, *(getattr(part, field.name) for part in parts)]) for field in fields(Sums))
        )

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of factors that are summed at once."""
        ends = [*self._starts.tolist()[1:], len(self._cells.keys)] if len(self._starts) else []
        first = 0
        for factor in range(len(ends)):
            next_end = ends[factor + 1] if factor + 1 < len(ends) else None
            size = self._day_count * ((next_end or 0) - int(self._starts[first]))
            if next_end is None or size > MOST_VALUES:
                yield first, factor + 1
                first = factor + 1

    def _sums_of(
        self, first: int, last: int, windows: Sequence[int], least_sessions: int, least_expected: int
    ) -> Iterator[Sums]:
        """Yield the sums of the factors from `first` up to, not including, `last`, for each window."""
        bounds = [*self._starts.tolist(), len(self._cells.keys)]
        low, high = bounds[first], bounds[last]
        moments = self._moment_of_cell[low:high]
        low_moment, high_moment = int(moments.min()), int(moments.max()) + 1
        cells = {name: self._cells.running_sums(name, low, high, self._day_count) for name in WITH}
        at_moments = {name: self._moments.running_sums(name, low_moment, high_moment, self._day_count) for name in ALL}
        starts = self._starts[first:last] - low
        for window in windows:
            until = self.days - self._first_day + 1
            since = np.maximum(until - window, 0)
            count = cells["session_count"][until] - cells["session_count"][since]
            is_enough = np.add.reduceat(count, starts, axis=1) >= least_sessions
            at = np.flatnonzero(is_enough.any(axis=1))
            kept = np.flatnonzero(is_enough.any(axis=0))
            if not len(kept):
                continue
            of_kept = np.isin(np.repeat(np.arange(last - first), np.diff([*starts, high - low])), kept)
            until, since = until[at], since[at]

            def summed(running: Numbers, columns: Any, until: Numbers = until, since: Numbers = since) -> Numbers:
                return running[np.ix_(until, columns)] - running[np.ix_(since, columns)]

            columns = np.flatnonzero(of_kept)
            sizes = np.diff([*starts, high - low])[kept]
            compared = _compare(
                {name: summed(cells[name], columns) for name in WITH},
                {name: summed(at_moments[name], moments[columns] - low_moment) for name in ALL},
                self._needs_next[low:high][columns],
                np.concatenate([[0], np.cumsum(sizes)[:-1]]),
            )
            is_tested = (
                (compared["with_count"] >= least_sessions)
                & (compared["without_count"] >= least_sessions)
                & (compared["expected"] >= least_expected * FIXED_POINT)
                & (compared["variance"] > 0)
            )
            day, factor = np.nonzero(is_tested)
            yield Sums(
                factor=kept[factor] + first,
                day=self.days[at][day],
                window=np.full(len(day), window),
                **{name: values[is_tested] for name, values in compared.items()},
            )


class _Daily:
    """Counts by key and day, and their running sums over days.

    Attributes:
        rows: The rows of the model that have the counts.
        keys: The keys, in order.
        key_of_row: The index of the key of each row.
    """

    def __init__(self, day: Numbers, key: Numbers, where: Flags) -> None:
        """Keep the rows that meet `where`, in order of their key."""
        rows = np.flatnonzero(where)
        self.rows = rows[np.argsort(key[rows], kind="stable")]
        self.keys, self.key_of_row = np.unique(key[self.rows], return_inverse=True)
        self._day = day[self.rows]
        self._counts: dict[str, Numbers] = {}

    def add(self, name: str, values: Numbers) -> None:
        """Add a count, with a value for each row of the model."""
        self._counts[name] = values[self.rows]

    def running_sums(self, name: str, low: int, high: int, day_count: int) -> Numbers:
        """Return the sum up to each day, with a row of zeros before the first day, of the keys from `low` to `high`."""
        first, last = np.searchsorted(self.key_of_row, (low, high))
        daily = np.zeros((day_count + 1, high - low), np.int64)
        daily[self._day[first:last] + 1, self.key_of_row[first:last] - low] = self._counts[name][first:last]
        return np.cumsum(daily, axis=0, out=daily)


def _compare(
    cells: dict[str, Numbers], moments: dict[str, Numbers], needs_next: Flags, starts: Numbers
) -> dict[str, Numbers]:
    """Return the sums of each factor over the moments that have sessions with and without it.

    N. Mantel and W. Haenszel, Statistical aspects of the analysis of data from retrospective studies of disease (1959).
    T. Sato, On the variance estimator for the Mantel-Haenszel risk difference, Biometrics 45 (1989).
    """
    exits, exits_converted = moments["exit_count"] * needs_next, moments["exit_converted_count"] * needs_next
    with_count, with_converted = cells["session_count"], cells["converted_count"]
    without_count = moments["session_count"] - exits - with_count - cells["earlier_count"]
    without_converted = moments["converted_count"] - exits_converted - with_converted - cells["earlier_converted_count"]
    is_matched = (with_count > 0) & (without_count > 0)

    def added(values: Numbers) -> Numbers:
        return np.add.reduceat(values * is_matched, starts, axis=1)

    n1, n0 = with_count.astype(np.float64), without_count.astype(np.float64)
    a, c = with_converted.astype(np.float64), without_converted.astype(np.float64)
    n = np.where(is_matched, n1 + n0, 2.0)  # 2 instead of numbers that it would not be possible to divide by
    fractions = {
        "rate_with": a * n0 / n,
        "rate_without": c * n1 / n,
        "weight": n1 * n0 / n,
        "expected": n1 * (a + c) / n,
        "variance": n1 * n0 * (a + c) * (n - a - c) / (n * n * (n - 1)),
        "sato_of_difference": (n1 * n1 * c - n0 * n0 * a + n1 * n0 * (n0 - n1) / 2) / (n * n),
        "sato": (a * (n0 - c) + c * (n1 - a)) / (2 * n),
    }
    return {
        "with_count": added(with_count),
        "with_converted": added(with_converted),
        "without_count": added(without_count),
        "without_converted": added(without_converted),
        "converted": added(moments["converted_count"]),
        "cents": added(moments["value"]),
        **{name: added(np.rint(values * FIXED_POINT).astype(np.int64)) for name, values in fractions.items()},
    }


def _numbers(column: pa.ChunkedArray) -> Numbers:
    """Return whole numbers, or dates as days since 1970."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return column.to_numpy().astype(np.int64)


def _cents(column: pa.ChunkedArray) -> Numbers:
    """Return values in hundredths; null as 0."""
    values = pa.compute.fill_null(column, 0.0).to_numpy()
    return np.rint(np.clip(values * 100, -MOST_CENTS, MOST_CENTS)).astype(np.int64)


def _flags(column: pa.ChunkedArray) -> Flags:
    return column.to_numpy(zero_copy_only=False).astype(np.bool_)


def _codes(column: pa.ChunkedArray) -> tuple[Numbers, list[str]]:
    """Return texts as indices into their distinct values, which are in alphabetical order."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    distinct = sorted(values)
    place = {value: index for index, value in enumerate(distinct)}
    codes = np.array([place[value] for value in values], np.int64)
    return codes[encoded.indices.to_numpy()] if values else np.zeros(0, np.int64), distinct
