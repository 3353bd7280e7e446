"""Finds the partitions that a step reads for a day or for a stretch of days.

The dates of each input are defined in tables/spans.py. Of raw events, only the files that have events of these days are
read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from session_pipeline.build.wanted import quarters_of
from session_pipeline.reference.quarters import mask_of
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Input, Step
from session_pipeline.tables.steps import is_built


class Inputs:
    """Finds inputs in a catalog, for one frame. Dates and quarter hours are computed once."""

    def __init__(self, partitions: Mapping[Key, Partition], frame: Frame) -> None:
        """Take the partitions of the catalog, which are read again at each call, and the frame."""
        self._partitions = partitions
        self._frame = frame
        self._dates_of: dict[tuple[str, date | None], tuple[date, ...]] = {}
        self._keys_of: dict[tuple[str, str, date | None], tuple[Key, ...]] = {}
        self._quarters_of: dict[tuple[date, date], int] = {}
        self._raw_partitions: Mapping[date, list[tuple[int, Partition]]] | None = None  # by UTC date

    def of(self, step: Step, days: Sequence[date | None]) -> dict[str, list[Partition | Key]]:
        """Return the partitions that a step reads for a stretch of days, by table.

        A key stands for a partition that is not built yet. Of its own tables, a step reads only days before the
        stretch.

        Args:
            step: The step.
            days: The days of the stretch; (None,) for a step without days.
        """
        return {
            what.table: self._input(step, what, days)
            for what in step.inputs
            if is_built(what.table, self._frame.settings)
        }

    def dates(self, what: Input, day: date | None) -> tuple[date | None, ...]:
        """Return the dates of an input that are read for a day; (None,) for a table without days."""
        if table(what.table).date_column is None:
            return (None,)
        key = what.span.name, day
        if key not in self._dates_of:
            self._dates_of[key] = what.span.dates(self._frame, day)
        return self._dates_of[key]

    def event_count(self, day: date) -> int:
        """Return the approximate number of raw events of a day, from the catalog.

        A delivered file's events of a UTC date are distributed evenly over the quarter hours that have events.
        """
        count = 0.0
        for utc_date in self._frame.calendar.utc_dates(day):
            quarters = self._quarters(day, utc_date)
            for mask, partition in self._raw_by_date.get(utc_date, []):
                count += partition.row_count * (mask & quarters).bit_count() / max(mask.bit_count(), 1)
        return round(count)

    def forget_raw(self) -> None:
        """Drop the cached partitions of raw_events, after a delivered file was read again."""
        self._raw_partitions = None

    @property
    def _raw_by_date(self) -> Mapping[date, list[tuple[int, Partition]]]:
        """The partitions of raw_events of each UTC date, each with its quarter hours that have events, as bits."""
        if self._raw_partitions is None:
            self._raw_partitions = self._read_raw_partitions()
        return self._raw_partitions

    def _read_raw_partitions(self) -> Mapping[date, list[tuple[int, Partition]]]:
        by_date: dict[date, list[tuple[int, Partition]]] = {}
        for key in sorted((key for key in self._partitions if key.table == "raw_events"), key=lambda key: key.file_id):
            assert key.date is not None
            partition = self._partitions[key]
            by_date.setdefault(key.date, []).append((mask_of(partition.counts), partition))
        return by_date

    def _input(self, step: Step, what: Input, days: Sequence[date | None]) -> list[Partition | Key]:
        if what.table == "raw_events":
            return list(self._raw(days))
        found = [self._partitions.get(key, key) for key in self._keys(step, what, days)]
        if self._frame.frozen_before is None:
            return found
        # What a frozen day does not have any more, or never had, is not there to be read.
        return [each for each in found if isinstance(each, Partition) or not self._frame.is_frozen(each.date)]

    def _keys(self, step: Step, what: Input, days: Sequence[date | None]) -> Iterable[Key]:
        """Return the keys of the partitions of an input in the order of their dates, without those of the stretch."""
        of_each = [self._keys_of_day(what, day) for day in days]
        keys = of_each[0] if len(of_each) == 1 else sorted(set().union(*of_each), key=lambda key: key.date or date.min)
        return [key for key in keys if key.date not in days] if what.table in step.tables else keys

    def _keys_of_day(self, what: Input, day: date | None) -> tuple[Key, ...]:
        known = what.table, what.span.name, day
        if known not in self._keys_of:
            dates = self.dates(what, day)
            in_order: Iterable[date | None] = sorted(set(filter(None, dates))) or dates  # a table without days: None
            self._keys_of[known] = tuple(Key(what.table, each) for each in in_order)
        return self._keys_of[known]

    def _raw(self, days: Sequence[date | None]) -> Iterator[Partition]:
        """Yield the partitions of raw_events that have events of some days.

        A UTC date overlaps two local days. Files that have events only of other days are not read.
        """
        quarters: dict[date, int] = {}
        for day in days:
            assert day is not None
            for utc_date in self._frame.calendar.utc_dates(day):
                quarters[utc_date] = quarters.get(utc_date, 0) | self._quarters(day, utc_date)
        for utc_date in sorted(quarters):
            for mask, partition in self._raw_by_date.get(utc_date, []):
                if mask & quarters[utc_date]:
                    yield partition

    def _quarters(self, day: date, utc_date: date) -> int:
        key = day, utc_date
        if key not in self._quarters_of:
            self._quarters_of[key] = quarters_of(day, utc_date, self._frame.calendar)
        return self._quarters_of[key]
