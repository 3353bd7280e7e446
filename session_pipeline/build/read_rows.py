"""Finds the rows that a step reads: in memory where the engine still has them, otherwise in files of the store.

inputs.py finds the partitions.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date

from session_pipeline.build.compaction import Compaction
from session_pipeline.build.inputs import Inputs
from session_pipeline.build.runner import Rows
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.store import Store
from session_pipeline.tables.graph import Step


class ReadRows:
    """The rows that steps read, within one run. It knows which rows the engine still has in memory."""

    def __init__(self, store: Store, inputs: Inputs, compaction: Compaction) -> None:
        """Take the store, the inputs of steps and the compaction of the run."""
        self._store = store
        self._compaction = compaction
        self._inputs = inputs
        # The days of each table whose rows the engine still has in memory, with the hashes of their files.
        self._kept: dict[str, Mapping[date, str]] = {}

    @property
    def has_kept(self) -> bool:
        """Whether the engine still has rows in memory."""
        return bool(self._kept)

    def is_any_kept(self, tables: Iterable[str]) -> bool:
        """Whether the engine still has rows of one of these tables in memory."""
        return not self._kept.keys().isdisjoint(tables)

    def keep(self, table: str, hashes: Mapping[date, str]) -> None:
        """Remember that the engine has the rows of some days of a table, whose files have these hashes."""
        self._kept[table] = hashes

    def forget(self, tables: Iterable[str]) -> None:
        """Forget what the engine has of some tables."""
        for name in tables:
            self._kept.pop(name, None)

    def partitions(self, step: Step, days: Sequence[date | None]) -> dict[str, list[Partition]]:
        """Return the partitions that a step reads for a stretch of days, by table, without those that are missing."""
        return {
            name: [each for each in found if isinstance(each, Partition)]
            for name, found in self._inputs.of(step, days).items()
        }

    def missing(self, step: Step, days: Sequence[date | None]) -> list[Key]:
        """Return the keys of what a step reads for a stretch of days and is not built yet."""
        return [key for found in self._inputs.of(step, days).values() for key in found if isinstance(key, Key)]

    def are_intact(self, step: Step, days: Sequence[date | None]) -> bool:
        """Whether everything that a step reads for a stretch of days is built, readable and undamaged."""
        if self.missing(step, days):
            return False
        with suppress(OSError):  # a file that cannot be read is reported by the build
            return all(map(self._store.is_intact, self.opened(step, days)))
        return False

    def opened(self, step: Step, days: Sequence[date | None]) -> list[Partition]:
        """Return the partitions whose files a step opens for a stretch of days: not those in compacted files."""
        found: list[Partition] = []
        for partitions in self.partitions(step, days).values():
            in_files = [each for each in partitions if not self._is_kept(each)]
            found += self._compaction.find(in_files).partitions
        return found

    def of(self, step: Step, days: Sequence[date | None]) -> dict[str, Rows]:
        """Return the rows that a step reads for a stretch of days, by table."""
        rows = {}
        for name, partitions in self.partitions(step, days).items():
            in_memory = [each for each in partitions if self._is_kept(each)]
            found = self._compaction.find([each for each in partitions if not self._is_kept(each)])
            rows[name] = replace(self.of_partitions([*in_memory, *found.partitions]), compacted=found.files)
        if any(each.kept_days for each in rows.values()):
            for partitions in self.partitions(step, days[-1:]).values():
                self._compaction.request(partitions)  # the next run reads about the same days, and from files
        return rows

    def of_partitions(self, partitions: Sequence[Partition]) -> Rows:
        """Return the rows of some partitions of a table, without compacted files."""
        in_memory = [each.key.date for each in partitions if self._is_kept(each)]
        paths = [path for each in partitions if not self._is_kept(each) for path in self._store.paths_of(each)]
        return Rows(paths, tuple(dict.fromkeys(day for day in in_memory if day is not None)))

    def _is_kept(self, partition: Partition) -> bool:
        """Whether the engine still has the rows of a partition in memory."""
        key = partition.key
        return key.date is not None and self._kept.get(key.table, {}).get(key.date) == partition.sha256

    def in_files(self, step: Step, days: Sequence[date | None]) -> dict[str, Rows]:
        """Return the rows that a step reads for a stretch of days, by table, all of them in files."""
        return {
            name: Rows([path for partition in partitions for path in self._store.paths_of(partition)])
            for name, partitions in self.partitions(step, days).items()
        }
