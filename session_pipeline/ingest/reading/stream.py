"""Gives the rows of a query in parts of equal size, and works on a part while the next one is computed.

The rows of a large file are never in memory together. read_large.py decides how large a part is.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec

import duckdb
import pyarrow as pa

P = ParamSpec("P")
ROWS_OF_BATCH = 20_000  # few, because Ctrl-C is noticed between batches
# DuckDB's errors arrive through Arrow without their class.
ERRORS: dict[str, type[duckdb.Error]] = {
    "Invalid Input Error": duckdb.InvalidInputException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "INTERRUPT Error": duckdb.InterruptException,
    "IO Error": duckdb.IOException,
}


def parts_of_rows(relation: duckdb.DuckDBPyRelation, row_count: int) -> Iterator[pa.Table]:
    """Yield tables of `row_count` rows, in the query's order; the last one may have fewer.

    Raises:
        duckdb.Error: The query failed, maybe after some parts.
    """
    reader = relation.to_arrow_reader(ROWS_OF_BATCH)
    batches: list[pa.RecordBatch] = []
    waiting = 0
    for batch in _batches(reader):
        while waiting + len(batch) >= row_count:
            needed = row_count - waiting
            yield pa.Table.from_batches([*batches, batch.slice(0, needed)], reader.schema)
            batches, waiting, batch = [], 0, batch.slice(needed)
        batches.append(batch)
        waiting += len(batch)
    if waiting:
        yield pa.Table.from_batches(batches, reader.schema)


@contextmanager
def one_behind(work: Callable[P, None]) -> Iterator[Callable[P, None]]:
    """Yield a function that does the work of its calls in another thread, one after the other.

    A call waits until the work of the call before is done, so at most two parts are in memory. An error of the work is
    raised by the next call or at the end.
    """
    with ThreadPoolExecutor(1) as thread:
        last: Future[None] | None = None

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            nonlocal last
            if last is not None:
                last.result()
            last = thread.submit(work, *args, **kwargs)

        yield call
        if last is not None:
            last.result()


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as error:
            kind = next((each for start, each in ERRORS.items() if str(error).startswith(start)), duckdb.Error)
            raise kind(str(error)) from error
        yield batch
