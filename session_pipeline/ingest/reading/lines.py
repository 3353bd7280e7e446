"""Gives the lines of an admitted file as DuckDB reads them, or as Python reads and stores them.

The formats know how (formats/). The SQL files of queries/ turn the lines into events.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from session_pipeline.errors import CorruptFileError, UnreadableFileError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.formats.format import Lines, Row

BATCH_CHARACTERS = 8 << 20
LINES_SCHEMA = pa.schema([("line", pa.string()), ("reason", pa.string()), ("detail", pa.string())])


def lines_by_duckdb(admitted: Admitted) -> Lines | None:
    """Return the lines as DuckDB reads them; None if DuckDB cannot number them. See Format.lines_by_duckdb.

    Raises:
        RefusedFileError: Its header cannot be used.
    """
    return format_named(admitted.format).lines_by_duckdb(admitted)


def lines_by_python(admitted: Admitted, path: Path) -> Lines:
    """Return the same rows as lines_by_duckdb, for any admitted file that is not Parquet.

    The rows are read in Python and written to a Parquet file.

    Args:
        admitted: The file.
        path: The Parquet file to write.

    Raises:
        RefusedFileError: Its header cannot be used.
    """
    with pq.ParquetWriter(path, LINES_SCHEMA, compression="zstd", compression_level=1) as writer:
        for batch in _batches(python_rows(admitted)):
            writer.write_table(table_of(batch))
    return lines_in(path, admitted.format)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Return rows, at least one, as a table with LINES_SCHEMA."""
    return pa.table([pa.array(values, pa.string()) for values in zip(*rows, strict=True)], schema=LINES_SCHEMA)


def python_rows(admitted: Admitted) -> Iterator[Row]:
    """Yield a row for every physical line of a file that is not Parquet.

    Raises:
        RefusedFileError: Its header cannot be used.
    """
    return format_named(admitted.format).python_rows(admitted)


@contextmanager
def decoded_parquet(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Prepare a connection, within the block, to read a Parquet file that pyarrow could decode.

    The time zone is UTC there, because DuckDB writes times with a zone within lists and objects in the session's zone.

    Raises:
        CorruptFileError: DuckDB cannot read the file.
        UnreadableFileError: The disk cannot read it.
    """
    [(timezone,)] = connection.execute("select current_setting('TimeZone')").fetchall()
    connection.execute("set timezone = 'UTC'")
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        if os.strerror(errno.EIO) in str(error):
            raise UnreadableFileError from error
        raise CorruptFileError(f"Parquet: {str(error).splitlines()[0][:200]}") from error
    finally:
        connection.execute("set timezone = $1", [timezone])


def lines_in(path: Path, format: str) -> Lines:
    """Return the lines of one or more files of a format, from a Parquet file of their rows."""
    return Lines(format_named(format).stored_lines(path), 1, None)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield rows in lists whose size in memory is limited, however long the lines are."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[0] or "") + 1
        if size > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
