"""Writes the files of a table inside Spark's tasks.

The rows come in order of day and of the contract. DuckDB writes them, so the bytes are those that the DuckDB engine
writes from equal rows. The functions run in other processes, on machines that have this package.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from session_pipeline.tables import Table

ROW_GROUP = 122_880  # rows; DuckDB's row groups end at batches, so batches have the size of a row group

Writer = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def write_files(contract: Table, paths: Mapping[date | None, Path]) -> Writer:
    """Returns a function for `mapInArrow` that writes the rows of a task, and gives the number of rows of each file."""
    schema, texts = contract.schema, {day: str(path) for day, path in paths.items()}
    types = {column.name: column.type for column in contract.columns}

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for day, rows in _by_day(batches):
            counted = _Counted(rows)
            write_rows(types, pa.RecordBatchReader.from_batches(schema, _in_groups(counted, schema)), texts[day])
            yield pa.RecordBatch.from_arrays(
                [pa.array([day], pa.date32()), pa.array([counted.count], pa.int64())], ["day", "row_count"]
            )

    return write


def write_empty(contract: Table, path: Path) -> None:
    """Writes a file without rows."""
    types = {column.name: column.type for column in contract.columns}
    write_rows(types, pa.RecordBatchReader.from_batches(contract.schema, iter(())), str(path))


def write_rows(types: Mapping[str, str], rows: pa.RecordBatchReader, path: str) -> None:
    """Writes rows in their order to a file that appears when it is complete."""
    import duckdb

    part = f"{path}.{uuid4().hex}"
    columns = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in types.items())
    with duckdb.connect(":memory:", config={"threads": 1, "disabled_optimizers": "statistics_propagation"}) as con:
        con.register("_rows", rows)
        con.execute(f"copy (select {columns} from _rows) to '{part}' (format parquet, compression zstd)")
    os.replace(part, path)


class _Counted:
    """Counts the rows of batches that pass through it."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.count = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.count += batch.num_rows
            yield batch


def _by_day(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[date | None, Iterator[pa.RecordBatch]]]:
    """Yields each day of rows in order of `_day`, their last column, with its rows, which are read one day at a time."""
    pieces = _pieces(batches)
    first = next(pieces, None)
    while first is not None:
        day = first[0]
        after: list[tuple[date | None, pa.RecordBatch]] = []

        def rows(
            piece: tuple[date | None, pa.RecordBatch] | None = first,
            after: list[tuple[date | None, pa.RecordBatch]] = after,
        ) -> Iterator[pa.RecordBatch]:
            day = piece[0] if piece else None
            while piece is not None and piece[0] == day:
                yield piece[1]
                piece = next(pieces, None)
            if piece is not None:
                after.append(piece)

        yield day, rows()
        first = after[0] if after else None


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[date | None, pa.RecordBatch]]:
    """Yields batches cut where the day changes, without the day."""
    for batch in batches:
        days = batch.column(batch.num_columns - 1).to_pylist()
        batch = batch.select(range(batch.num_columns - 1))
        start = 0
        while start < len(days):
            end = start + 1
            while end < len(days) and days[end] == days[start]:
                end += 1
            yield days[start], batch.slice(start, end - start)
            start = end


def _in_groups(batches: _Counted, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yields the rows in batches of the size of a row group."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= ROW_GROUP:
            waiting.append(batch.slice(0, ROW_GROUP - count))
            batch = batch.slice(ROW_GROUP - count)
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
