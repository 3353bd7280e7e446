"""Writes compacted files of the days that steps read one by one or in memory, so that later runs open fewer files.

store/compacted.py keeps the files, and says which fit the present partitions.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from session_pipeline.engines import short_files
from session_pipeline.engines.base import Engine
from session_pipeline.engines.sql import quote
from session_pipeline.errors import DiskFullError, MemoryTooSmallError
from session_pipeline.reference.column import arrow_schema
from session_pipeline.store.compacted import Block, Found
from session_pipeline.store.records import Partition
from session_pipeline.store.shortage import report_shortage
from session_pipeline.store.store import Store
from session_pipeline.tables import table

if TYPE_CHECKING:
    from session_pipeline.build.runner import Rows

MOST_FILES = 400  # that one run writes: about a second; the next runs write the others


class Compaction:
    """Finds the compacted files that steps of a run can read, and writes those that they lacked."""

    def __init__(self, store: Store, engine: Engine) -> None:
        """Take the store and the engine that reads the rows."""
        self._store = store
        self._engine = engine
        self._missing: dict[Block, Sequence[Partition]] = {}

    def find(self, partitions: Sequence[Partition]) -> Found:
        """Find the rows of the partitions of a table; see `CompactedFiles.find`."""
        if not self._engine.reads_compacted:
            return Found((), partitions, {})
        found = self._store.compacted.find(partitions, self._store.partitions)
        self._missing |= found.missing
        return found

    def request(self, partitions: Sequence[Partition]) -> None:
        """Have `write` write the compacted files that the partitions of a table lack, although no step reads them."""
        self.find(partitions)

    def write(self, rows_of: "Callable[[Sequence[Partition]], Rows]") -> None:
        """Write the files that the steps of this run lacked. Without the disk or memory for it, none are written.

        Args:
            rows_of: Returns where the rows of some partitions of a table are.
        """
        of_table: dict[str, dict[Block, Sequence[Partition]]] = {}
        for block, partitions in list(self._missing.items())[:MOST_FILES]:
            if all(self._store.get(partition.key) == partition for partition in partitions):
                of_table.setdefault(block.table, {})[block] = partitions
        self._missing.clear()
        with suppress(DiskFullError, MemoryTooSmallError), report_shortage(self._store.folder):
            for name, blocks in of_table.items():
                self._write(name, blocks, rows_of)

    def _write(
        self,
        name: str,
        blocks: Mapping[Block, Sequence[Partition]],
        rows_of: "Callable[[Sequence[Partition]], Rows]",
    ) -> None:
        contract, dated = table(name), quote(str(table(name).date_column))
        read = sorted(
            (each for partitions in blocks.values() for each in partitions), key=lambda each: str(each.key.date)
        )
        with self._engine.job() as job:
            found = rows_of(read)
            job.add_input(contract, found.paths, with_date=True, kept_days=found.kept_days)
            columns = ", ".join(quote(column.name) for column in contract.dated_columns)
            order = ", ".join([dated, *map(quote, contract.order)])
            rows = job.rows(f"select {columns} from {quote(name)} order by {order}")
        assert len(rows) == sum(each.row_count for each in read), f"all rows of {name} are read"
        rows = short_files.prepared(rows, arrow_schema(contract.dated_columns))
        start = 0
        for block, partitions in sorted(blocks.items()):
            path = self._store.scratch / f"{block.table}-{block.number}.parquet"
            count = sum(each.row_count for each in partitions)
            short_files.write(rows.slice(start, count), path)
            self._store.compacted.add(block, partitions, path)
            start += count
