"""Runs a query and gives its rows in parts of equal size, while DuckDB computes the next ones.

The rows of a large file are never in memory together. read.py decides how large a part is.
"""

from collections.abc import Iterator

import duckdb
import pyarrow as pa

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
