"""Writes rows of raw_events to one Parquet file for each UTC date, while a large file is read in parts.

The bytes depend only on the rows and on the parts, not on threads. raw_rows.py makes the rows; small_files.py writes
those of small files.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.ingest.reading.raw_rows import compact, taken, utc_dates
from session_pipeline.store import crash_points
from session_pipeline.tables import table

MOST_OPEN_FILES = 64
FEWEST_ROWS_PER_VALUE = 2  # a column with more distinct values is written without a dictionary
# Level 1 is faster, and the files are no larger. DuckDB and pyarrow read dictionaries as texts.
WRITTEN = {"compression": "zstd", "compression_level": 1, "store_decimal_as_integer": True, "store_schema": False}


class DayFiles:
    """The files that are being written. Rows of a date are added in the order of their lines.

    If a file has events of very many dates, its rows are written in pieces, which are joined at the end.
    """

    def __init__(self, path_of: Callable[[date], Path]) -> None:
        """Start without files.

        Args:
            path_of: Gives the path of a date's file.
        """
        self._path_of = path_of
        self._open: dict[date, pq.ParquetWriter] = {}
        self._pieces: dict[date, list[Path]] = {}
        self._schema: pa.Schema | None = None

    @property
    def paths(self) -> list[Path]:
        """The files that are there, complete or not."""
        return [path for pieces in self._pieces.values() for path in pieces] + list(map(self._path_of, self._pieces))

    def add(self, rows: pa.Table) -> None:
        """Write rows, each to the file of its date."""
        if self._schema is None:
            self._schema = pa.schema([(name, _type(rows.column(name))) for name in rows.column_names])
        dates = utc_dates(rows)
        counts = _counts(dates)
        if len(counts) > 1 and not _is_sorted(dates):
            rows = taken(rows, pc.sort_indices(dates))  # stable: rows of a date stay in the order of their lines
        start = 0
        for day, count in counts:
            self._write(day, rows.slice(start, count))
            start += count

    def finish(self) -> None:
        """Complete the files. Pieces of a date are joined."""
        self._close()
        for day, pieces in self._pieces.items():
            path = self._path_of(day)
            if len(pieces) == 1:
                pieces[0].rename(path)
            else:
                self._join(pieces, path)
            crash_points.reached("ingest: rows written")

    def discard(self) -> None:
        """Remove all files."""
        for writer in self._open.values():
            _give_up(writer)
        self._open.clear()
        for path in self.paths:
            path.unlink(missing_ok=True)

    def _write(self, day: date, rows: pa.Table) -> None:
        assert self._schema is not None
        if day not in self._open:
            if len(self._open) == MOST_OPEN_FILES:
                self._close()
            pieces = self._pieces.setdefault(day, [])
            pieces.append(self._path_of(day).with_suffix(f".{len(pieces)}.piece"))
            self._open[day] = self._writer(pieces[-1])
        columns = [_as(column, field.type) for column, field in zip(rows.columns, self._schema, strict=True)]
        self._open[day].write_table(pa.table(columns, schema=self._schema), row_group_size=ROW_GROUP_ROWS)

    def _writer(self, path: Path) -> pq.ParquetWriter:
        assert self._schema is not None
        coded = [field.name for field in self._schema if pa.types.is_dictionary(field.type)]
        counted = [field.name for field in self._schema if field.name not in coded and field.type != pa.string()]
        return pq.ParquetWriter(path, self._schema, use_dictionary=coded, write_statistics=counted, **WRITTEN)

    def _close(self) -> None:
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def _join(self, pieces: list[Path], path: Path) -> None:
        schema = table("raw_events").schema
        with pq.ParquetWriter(path, schema, **WRITTEN) as writer:
            for piece in pieces:
                with pq.ParquetFile(piece) as file:
                    for batch in file.iter_batches(ROW_GROUP_ROWS, use_threads=False):
                        writer.write_table(pa.table(batch.columns, names=batch.schema.names).cast(schema))
                piece.unlink()


class QuarantineFile:
    """The file of the quarantined lines of a large file. There is none if no line is added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        """Write rows of quarantined_lines."""
        schema = table("quarantined_lines").schema
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, schema, **WRITTEN)
        if len(rows):
            self._writer.write_table(rows.select(schema.names).cast(schema))

    def finish(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            crash_points.reached("ingest: rows written")

    def discard(self) -> None:
        """Remove the file."""
        if self._writer is not None:
            _give_up(self._writer)
            self._writer = None
        self._path.unlink(missing_ok=True)


def _give_up(writer: pq.ParquetWriter) -> None:
    """Close a file that is not kept. On a full disk, closing fails."""
    with suppress(OSError, pa.ArrowException):
        writer.close()


def _is_sorted(dates: pa.Array) -> bool:
    """Whether dates are in order, as those of a log are."""
    return bool(pc.all(pc.less_equal(dates.slice(0, len(dates) - 1), dates.slice(1))).as_py())


def _counts(dates: pa.Array) -> list[tuple[date, int]]:
    """Return the number of rows of each date, by date."""
    counts = {each["values"].as_py(): each["counts"].as_py() for each in dates.value_counts()}
    return sorted(counts.items())


def _type(column: pa.ChunkedArray) -> pa.DataType:
    """Return the type that a column is written as."""
    if not pa.types.is_dictionary(column.type):
        return column.type
    value_count = sum(len(chunk.dictionary) for chunk in column.chunks)
    return column.type if value_count * FEWEST_ROWS_PER_VALUE <= len(column) else pa.string()


def _as(column: pa.ChunkedArray, type: pa.DataType) -> pa.Array:
    """Return a column in the type that it is written as."""
    array = column.combine_chunks()
    if pa.types.is_dictionary(type):
        return compact(array)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
