"""Writes the files of a table inside Spark's tasks.

The rows come in order of day and of the contract. They are written as the DuckDB engine writes equal rows, so the bytes
are equal: short files by Arrow, the others by DuckDB. A day with more than `part_rows` rows is a folder of part files
(store/part_files.py); only the last part has fewer rows. The cuts follow from the order of the rows, so they do not
depend on the number of tasks. The functions run in other processes, on machines that have this package.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from session_pipeline.engines import short_files
from session_pipeline.engines.parquet_files import FORMAT, ROW_GROUP_ROWS, STATISTICS
from session_pipeline.store.part_files import part_name
from session_pipeline.tables import Table

PART_ROWS = 32 * ROW_GROUP_ROWS  # about 300 MB of events

Writer = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def write_files(contract: Table, paths: Mapping[date | None, Path], part_rows: int = PART_ROWS) -> Writer:
    """Return a function for `mapInArrow` that writes the rows of a task, and gives the number of rows of each day."""
    schema, texts = contract.schema, {day: str(path) for day, path in paths.items()}
    types = types_of(contract)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for day, rows in _by_day(batches):
            count = _write_day(types, schema, rows, texts[day], part_rows)
            yield pa.RecordBatch.from_arrays(
                [pa.array([day], pa.date32()), pa.array([count], pa.int64())], ["day", "row_count"]
            )

    return write


def types_of(contract: Table) -> dict[str, str]:
    """Return DuckDB's type of each column."""
    return {column.name: column.type for column in contract.columns}


def _write_day(
    types: Mapping[str, str], schema: pa.Schema, rows: Iterator[pa.RecordBatch], path: str, part_rows: int
) -> int:
    """Write a file, or a folder of parts if there are more rows than a part has; return the number of rows."""
    group_rows = min(ROW_GROUP_ROWS, part_rows)  # DuckDB's row groups end at batches
    groups = _in_groups(rows, schema, group_rows)
    count, number, following = 0, 0, next(groups, None)
    while following is not None:
        part = chain([following], islice(groups, part_rows // group_rows - 1))
        written = f"{path}.{uuid4().hex}"
        count += write_rows(types, schema, part, written)
        following = next(groups, None)
        if number or following is not None:
            os.makedirs(path, exist_ok=True)
            os.replace(written, f"{path}/{part_name(number)}")
        else:
            os.replace(written, path)
        number += 1
    return count


@dataclass(frozen=True)
class Slice:
    """Some rows of a Parquet file: from row `start`, counted from 0, to before row `stop`."""

    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class PartTask:
    """A part file to write from slices of sorted files, in their order."""

    table: str
    path: str
    slices: Sequence[Slice]

    @property
    def row_count(self) -> int:
        """The number of its rows."""
        return sum(each.stop - each.start for each in self.slices)


def part_tasks(contract: Table, slices: Iterable[Slice], path: Path, part_rows: int) -> list[PartTask]:
    """Return the tasks that write a day: one that writes a file, or one for each part in a folder, which is made."""
    parts = list(_cut(slices, part_rows))
    if len(parts) == 1:
        return [PartTask(contract.name, str(path), parts[0])]
    path.mkdir()
    return [PartTask(contract.name, str(path / part_name(number)), part) for number, part in enumerate(parts)]


def write_part(task: PartTask) -> str:
    """Write a part file; return the hash of its bytes."""
    from session_pipeline.tables import table

    contract = table(task.table)
    batches = _in_groups(_rows_of(task.slices, contract.schema.names), contract.schema, ROW_GROUP_ROWS)
    write_rows(types_of(contract), contract.schema, batches, task.path)
    with open(task.path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows_of(slices: Sequence[Slice], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of slices. Row groups outside a slice are not read."""
    import pyarrow.parquet as pq

    for each in slices:
        with pq.ParquetFile(each.path) as file:
            at = 0
            for number in range(file.num_row_groups):
                count = file.metadata.row_group(number).num_rows
                if at < each.stop and at + count > each.start:
                    start = at
                    for batch in file.iter_batches(row_groups=[number], columns=columns):
                        first, last = max(each.start - start, 0), min(each.stop - start, batch.num_rows)
                        if first < last:
                            yield batch.slice(first, last - first)
                        start += batch.num_rows
                at += count


def _cut(slices: Iterable[Slice], part_rows: int) -> Iterator[list[Slice]]:
    """Yield the slices of each part; each part has `part_rows` rows, only the last one can have fewer."""
    part: list[Slice] = []
    free = part_rows
    for each in slices:
        while each.start < each.stop:
            end = min(each.start + free, each.stop)
            part.append(Slice(each.path, each.start, end))
            free -= end - each.start
            each = Slice(each.path, end, each.stop)
            if not free:
                yield part
                part, free = [], part_rows
    if part:
        yield part


def write_empty(contract: Table, path: Path) -> None:
    """Write a file without rows."""
    write_rows(types_of(contract), contract.schema, iter(()), str(path))


def write_rows(types: Mapping[str, str], schema: pa.Schema, rows: Iterator[pa.RecordBatch], path: str) -> int:
    """Write rows in their order to a file that appears when it is complete; return their number."""
    written = f"{path}.{uuid4().hex}"
    first: list[pa.RecordBatch] = []
    while sum(batch.num_rows for batch in first) <= short_files.MOST_ROWS:
        batch = next(rows, None)
        if batch is None:
            short = short_files.prepared(pa.Table.from_batches(first, schema), schema)
            short_files.write(short, Path(written))
            count = len(short)
            break
        first.append(batch)
    else:
        count = _write_long(types, pa.RecordBatchReader.from_batches(schema, chain(first, rows)), written)
    os.replace(written, path)
    return count


def _write_long(types: Mapping[str, str], rows: pa.RecordBatchReader, path: str) -> int:
    from session_pipeline.engines.connections import private_connection  # slow to load
    from session_pipeline.engines.sql import literal, quote

    columns = ", ".join(f"cast({quote(name)} as {kind}) as {quote(name)}" for name, kind in types.items())
    with private_connection(threads=1, disabled_optimizers=STATISTICS) as connection:
        connection.register("_rows", rows)
        copied = connection.execute(f"copy (select {columns} from _rows) to {literal(path)} {FORMAT}")
        [(count,)] = copied.fetchall()
        return int(count)


def _by_day(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[date | None, Iterator[pa.RecordBatch]]]:
    """Yield each day of rows in order of `_day`, their last column, with its rows. Rows are read one day at a time."""
    for day, pieces in groupby(_pieces(batches), key=itemgetter(0)):
        yield day, map(itemgetter(1), pieces)


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[date | None, pa.RecordBatch]]:
    """Yield batches cut where the day changes, without the day."""
    for batch in batches:
        days = batch.column(batch.num_columns - 1).to_pylist()
        batch = batch.select(range(batch.num_columns - 1))
        start = 0
        for day, same in groupby(days):
            count = len(list(same))
            yield day, batch.slice(start, count)
            start += count


def _in_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema, size: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches of `size` rows; the last one can be smaller."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= size:
            waiting.append(batch.slice(0, size - count))
            batch = batch.slice(size - count)
            yield _joined(waiting, schema)
            waiting, count = [], 0
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
    if waiting:
        yield _joined(waiting, schema)


def _joined(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    [joined] = pa.Table.from_batches(batches).cast(schema).combine_chunks().to_batches()
    return joined
