"""Sums daily counts over windows of days, for each factor at its moments.

A factor is a signal of friction at an action, or an action seen before another. A cell is a factor at a moment. All
sums are exact: they do not depend on the order of rows, or on which days are built together. matched_sums.py adds up
the moments of a factor.

A day counts only its most visited actions. On a day on which the action of a factor is not one of them, it is unknown
which sessions have the factor, so the day is left out for the factor: otherwise all its sessions would be without it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute

from session_pipeline.tables.opportunities.matched_sums import FIXED_POINT, Flags, Numbers, Sums, sums_of_matched

MOST_VALUES = 300_000  # of the days and cells that are summed at once; bounds memory
MOST_CENTS = 1e15  # of a moment and day; bounds a sum

OF_FACTOR = ("session_count", "converted_count", "excluded_count", "excluded_converted_count")
OF_MOMENT = ("session_count", "converted_count", "value", "has_value")


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


class DailyCounts:
    """The counts of days, of factors at moments and of all sessions at moments.

    Attributes:
        days: The days that are built, in days since 1970.
        factors: The factors, in order of site, action and name.
    """

    def __init__(self, rows: pa.Table, factor_of: Literal["action", "name"]) -> None:
        """Read the rows of opportunity_counts or next_best_counts.

        Args:
            rows: The rows.
            factor_of: The attribute of a factor that must be a counted action: without it, the factor is not known.
        """
        self.days = np.unique(_numbers(rows.filter(rows["site"].is_null())["session_date"]))
        self._first_day = int(np.min(_numbers(rows["session_date"]), initial=self.days[0]))
        self._day_count = int(self.days[-1]) - self._first_day + 1

        counted_actions = rows.filter(rows["counted_action"].is_valid())
        rows = rows.filter(rows["moment"].is_valid())
        day = _numbers(rows["session_date"])
        (site, sites), (moment, moments) = _codes(rows["site"]), _codes(rows["moment"])
        moment = site * len(moments) + moment
        self._moment_count = len(sites) * len(moments)
        is_of_factor = _flags(rows["factor"].is_valid())
        factor_rows, moment_rows = rows.filter(is_of_factor), rows.filter(~is_of_factor)
        (action, actions), (name, names) = _codes(factor_rows["factor_action"]), _codes(factor_rows["factor"])
        key = (site[is_of_factor] * len(actions) + action) * len(names) + name
        found, factor = np.unique(key, return_inverse=True)

        cell = factor * self._moment_count + moment[is_of_factor]
        day -= self._first_day
        self._of_factors = _Daily(day[is_of_factor], cell, factor_rows, OF_FACTOR)
        self._of_moments = _Daily(day[~is_of_factor], moment[~is_of_factor], moment_rows, OF_MOMENT)
        self._cells = np.unique(cell)
        self._starts = np.searchsorted(self._cells, np.arange(len(found) + 1) * self._moment_count)
        examples = _examples(factor_rows, factor)
        self.factors = []
        for index, number in enumerate(found.tolist()):
            place, name_index = divmod(number, len(names))
            site_index, action_index = divmod(place, len(actions))
            self.factors.append(
                Factor(sites[site_index], actions[action_index], names[name_index], examples.get(index, ()))
            )
        self._read_counted_actions(counted_actions, factor_of)

    def _read_counted_actions(self, rows: pa.Table, factor_of: Literal["action", "name"]) -> None:
        """Read on which days the action of each factor is counted, and on which it is a milestone."""
        names = [(factor.site, getattr(factor, factor_of)) for factor in self.factors]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self._action_of_factor = np.array([places[name] for name in names], np.int64)
        self._is_counted = np.zeros((self._day_count, len(places)), np.bool_)
        is_milestone = np.zeros((self._day_count + 1, len(places)), np.int64)
        columns = (rows[name].to_pylist() for name in ("site", "counted_action", "is_milestone"))
        for day, site, action, milestone in zip(_numbers(rows["session_date"]).tolist(), *columns, strict=True):
            place = places[site, action]
            self._is_counted[day - self._first_day, place] = True
            is_milestone[day - self._first_day + 1, place] = milestone
        self._milestone_days = np.cumsum(is_milestone, axis=0)

    def sums(self, windows: Sequence[int], least_sessions: int, least_expected: int) -> Sums:
        """Return the sums of all factors that have enough sessions in a window.

        Args:
            windows: The numbers of days of the windows.
            least_sessions: The least number of sessions with the factor, and without it.
            least_expected: The least number of expected conversions.
        """
        parts = [
            part
            for first, last in self._parts()
            for part in self._sums_of(first, last, windows, least_sessions, least_expected)
        ]
        none = np.zeros(0, np.int64)
        return Sums(
            **{
                each.name: np.concatenate([none, *(getattr(part, each.name) for part in parts)])
                for each in fields(Sums)
            }
        )

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Yield the factors in parts that are small enough: the first, and the one after the last."""
        first = 0
        for factor in range(1, len(self.factors) + 1):
            is_last = factor == len(self.factors)
            if is_last or self._day_count * (self._starts[factor + 1] - self._starts[first]) > MOST_VALUES:
                yield first, factor
                first = factor

    def _sums_of(
        self, first: int, last: int, windows: Sequence[int], least_sessions: int, least_expected: int
    ) -> Iterator[Sums]:
        """Yield the sums of the factors from `first` up to, not including, `last`, for each window."""
        starts = self._starts[first : last + 1] - self._starts[first]
        cells = self._cells[self._starts[first] : self._starts[last]]
        moments, moment_of_cell = np.unique(cells % self._moment_count, return_inverse=True)
        of_factors = self._of_factors.running_sums(cells, self._day_count)
        action_of_factor = self._action_of_factor[first:last]
        is_counted = self._is_counted[:, np.repeat(action_of_factor, np.diff(starts))]
        of_moments = self._of_moments.running_sums(moments, self._day_count, moment_of_cell, is_counted)
        for window in windows:
            until = self.days - self._first_day + 1
            since = np.maximum(until - window, 0)
            with_count = of_factors["session_count"][until] - of_factors["session_count"][since]
            is_enough = np.add.reduceat(with_count, starts[:-1], axis=1) >= least_sessions
            days, factors = np.flatnonzero(is_enough.any(axis=1)), np.flatnonzero(is_enough.any(axis=0))
            if not len(factors):
                continue
            columns = np.flatnonzero(np.isin(np.repeat(np.arange(last - first), np.diff(starts)), factors))
            at, before = until[days], since[days]
            compared = sums_of_matched(
                {name: _difference(sums, at, before, columns) for name, sums in of_factors.items()},
                {name: _difference(sums, at, before, columns) for name, sums in of_moments.items()},
                np.cumsum([0, *np.diff(starts)[factors][:-1]]),
            )
            milestone_days = _difference(self._milestone_days, at, before, action_of_factor[factors])
            is_tested = (
                (milestone_days == 0)
                & (compared["with_count"] >= least_sessions)
                & (compared["without_count"] >= least_sessions)
                & (compared["expected"] >= least_expected * FIXED_POINT)
                & (compared["variance"] > 0)
            )
            day, factor = np.nonzero(is_tested)
            yield Sums(
                factor=factors[factor] + first,
                day=self.days[days][day],
                window=np.full(len(day), window),
                **{name: values[is_tested] for name, values in compared.items()},
            )


class _Daily:
    """Counts by key and day."""

    def __init__(self, day: Numbers, key: Numbers, rows: pa.Table, names: Sequence[str]) -> None:
        """Take the day, counted from 0, the key, and the counts in the columns `names`, of each row."""
        self._day = day
        self._key = key
        self._counts = {name: _counts(rows, name) for name in names}

    def running_sums(
        self, keys: Numbers, day_count: int, columns: Numbers | None = None, is_counted: Flags | None = None
    ) -> dict[str, Numbers]:
        """Return the sum before each day and after the last one.

        Args:
            keys: The keys, in ascending order.
            day_count: The number of days.
            columns: The place of the key of each column; by default, each key has a column.
            is_counted: The days that are added up, for each column; by default, all.
        """
        place = np.minimum(np.searchsorted(keys, self._key), len(keys) - 1)
        is_wanted = keys[place] == self._key
        day, place = self._day[is_wanted], place[is_wanted]
        sums = {}
        for name, counts in self._counts.items():
            daily = np.zeros((day_count, len(keys)), np.int64)
            daily[day, place] = counts[is_wanted]
            if columns is not None:
                daily = daily[:, columns]
            if is_counted is not None:
                daily *= is_counted
            sums[name] = np.zeros((day_count + 1, daily.shape[1]), np.int64)
            np.cumsum(daily, axis=0, out=sums[name][1:])
        return sums


def _difference(sums: Numbers, until: Numbers, since: Numbers, columns: Numbers) -> Numbers:
    found: Numbers = sums[np.ix_(until, columns)] - sums[np.ix_(since, columns)]
    return found


def _examples(rows: pa.Table, factor: Numbers) -> dict[int, list[tuple[int, str]]]:
    """Return the days and ids of the example sessions of each factor, the latest first."""
    has_example = _flags(rows["example_session_id"].is_valid())
    rows, factor = rows.filter(has_example), factor[has_example]
    days, ids = _numbers(rows["session_date"]).tolist(), rows["example_session_id"].to_pylist()
    examples: dict[int, list[tuple[int, str]]] = {}
    for negative_day, session_id, index in sorted(zip((-day for day in days), ids, factor.tolist(), strict=True)):
        examples.setdefault(index, []).append((-negative_day, session_id))
    return examples


def _numbers(column: pa.ChunkedArray) -> Numbers:
    """Return whole numbers, or dates as days since 1970."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    numbers: Numbers = column.to_numpy().astype(np.int64)
    return numbers


def _counts(rows: pa.Table, name: str) -> Numbers:
    """Return a column of counts: values in hundredths, and for `has_value` 1 where the value is not null."""
    if name == "value":
        return _cents(rows["value"])
    return _numbers(rows["value"].is_valid() if name == "has_value" else rows[name])


def _cents(column: pa.ChunkedArray) -> Numbers:
    """Return values in hundredths; null as 0."""
    values = pa.compute.fill_null(column, 0.0).to_numpy()
    cents: Numbers = np.rint(np.clip(values * 100, -MOST_CENTS, MOST_CENTS)).astype(np.int64)
    return cents


def _flags(column: pa.ChunkedArray) -> Flags:
    flags: Flags = column.to_numpy().astype(np.bool_)
    return flags


def _codes(column: pa.ChunkedArray) -> tuple[Numbers, list[str]]:
    """Return texts as indices into their distinct values, which are in alphabetical order."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    distinct = sorted(values)
    place = {value: index for index, value in enumerate(distinct)}
    codes = np.array([place[value] for value in values], np.int64)
    return codes[encoded.indices.to_numpy()] if values else np.zeros(0, np.int64), distinct
