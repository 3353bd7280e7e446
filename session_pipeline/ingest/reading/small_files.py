"""Reads small files of one source and format together, because planning the queries takes longer than reading one.

Collects the lines of several files in one Parquet file, and writes the rows of each file separately. A small file is
always read this way, even alone, so that its bytes in the store do not depend on what was delivered with it. work.py
runs the queries that interpret the lines; read_small.py does one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.errors import CorruptFileError, RefusedFileError
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.formats.format import Row
from session_pipeline.ingest.reading.lines import LINES_SCHEMA, decoded_parquet, lines_by_duckdb, python_rows, table_of
from session_pipeline.store import crash_points
from session_pipeline.tables import Table

LARGEST_SMALL_BYTES = 2 << 20  # of content; a larger file is read by DuckDB itself
MOST_FILES_TOGETHER = 500
MOST_BYTES_TOGETHER = 16 << 20
BYTES_OF_ROW_GROUP = 256 << 10
# Without the Arrow schema and dictionaries, files of few rows take half the time and space.
WRITTEN = {"compression": "zstd", "compression_level": 1, "store_decimal_as_integer": True, "store_schema": False,
           "use_dictionary": False}  # fmt: skip
PLACES = pa.schema(
    [("row_number", pa.int64()), ("file_number", pa.int64()), ("file_id", pa.string()), ("line_number", pa.int64())]
)


def is_small(admitted: Admitted) -> bool:
    """Whether a file is small enough to be read together with others."""
    return admitted.byte_count <= LARGEST_SMALL_BYTES


@dataclass(frozen=True)
class Collected:
    """The lines of several files.

    Attributes:
        row_counts: Number of physical lines of each file, by file id, in the order of the Parquet file.
        errors: Why files cannot be read, by file id.
    """

    row_counts: dict[str, int]
    errors: dict[str, CorruptFileError | RefusedFileError]

    def places(self, events: pa.ChunkedArray | None = None) -> pa.Table:
        """Return the file and the line number of each row, in the order of the rows.

        Args:
            events: The number of each row's event in its line, if lines have several events. The events of a file are
                then numbered like lines.
        """
        row_counts = self.row_counts if events is None else self._event_counts(events)
        file_ids: list[str] = []
        file_numbers: list[int] = []
        line_numbers: list[int] = []
        for number, (file_id, count) in enumerate(row_counts.items()):
            file_ids += [file_id] * count
            file_numbers += [number] * count
            line_numbers += range(1, count + 1)
        columns = [list(range(len(file_ids))), file_numbers, file_ids, line_numbers]
        return pa.table(columns, schema=PLACES)

    def _event_counts(self, events: pa.ChunkedArray) -> dict[str, int]:
        """Return the number of events of each file, by file id."""
        lines = pc.cumulative_sum(pc.cast(pc.equal(events, 1), pa.int64()))
        counts: dict[str, int] = {}
        line_count = event_count = 0
        for file_id, count in self.row_counts.items():
            line_count += count
            before, event_count = event_count, pc.sum(pc.less_equal(lines, line_count)).as_py() or 0
            counts[file_id] = event_count - before
        return counts


def collect(files: Sequence[Admitted], path: Path, connection: duckdb.DuckDBPyConnection) -> Collected:
    """Write the lines of several files of one format to one Parquet file, one file after the other."""
    collected = Collected({}, {})
    with pq.ParquetWriter(path, LINES_SCHEMA, compression="zstd", compression_level=1) as writer:
        # Rows of short files are written together: a row group of few rows takes longer to write and read than they do.
        waiting: list[Row] = []
        byte_count = 0
        for admitted in files:
            try:
                rows = _rows(admitted, connection)
            except (CorruptFileError, RefusedFileError) as error:
                collected.errors[admitted.file_id] = error
                continue
            collected.row_counts[admitted.file_id] = len(rows)
            waiting += rows
            byte_count += admitted.byte_count
            if waiting and byte_count >= BYTES_OF_ROW_GROUP:
                writer.write_table(table_of(waiting))
                waiting, byte_count = [], 0
        if waiting:
            writer.write_table(table_of(waiting))
    return collected


def _rows(admitted: Admitted, connection: duckdb.DuckDBPyConnection) -> list[Row]:
    if not format_named(admitted.format).is_decoded_by_pyarrow:
        return list(python_rows(admitted))
    lines = lines_by_duckdb(admitted)
    assert lines is not None, "DuckDB reads all Parquet"
    with decoded_parquet(connection):
        return connection.execute(lines.select).fetchall()


def write_parts(rows: pa.Table, contract: Table, parts: Sequence[tuple[Path, int]]) -> None:
    """Write rows to several files, in order.

    Args:
        rows: The rows, in the order of the parts.
        contract: The table whose columns are written.
        parts: The path and number of rows of each file.
    """
    table = rows.select(contract.schema.names).cast(contract.schema).combine_chunks()
    start = 0
    for path, row_count in parts:
        pq.write_table(table.slice(start, row_count), path, **WRITTEN)
        crash_points.reached("ingest: rows written")
        start += row_count
    assert start == table.num_rows, "the counts of the parts are those of the rows"


def part_path(scratch: Path, file_id: str, table: str, utc_date: date | None) -> Path:
    """Return the path of the scratch file for a file's rows of a table."""
    return scratch / f"{file_id}.{table}.{utc_date}.parquet" if utc_date else scratch / f"{file_id}.{table}.parquet"
