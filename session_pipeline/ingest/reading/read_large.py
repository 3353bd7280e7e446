"""Reads a large file in parts, so that memory is bounded: the whole file, or a range of its lines.

stream.py gives the parts, day_files.py writes their rows; work.py runs the queries in between.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.formats.format import Lines
from session_pipeline.ingest.mapping.given_lines import Sample
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading.day_files import DayFiles, QuarantineFile
from session_pipeline.ingest.reading.figures import Figures
from session_pipeline.ingest.reading.lines import decoded_parquet, lines_by_duckdb, lines_by_python
from session_pipeline.ingest.reading.raw_rows import constant, with_columns
from session_pipeline.ingest.reading.result import RangeReading, reading_of
from session_pipeline.ingest.reading.stream import one_behind, parts_of_rows
from session_pipeline.ingest.reading.work import Errors, Work
from session_pipeline.ingest.sql import forget, macros, query

# A large file is read in parts of about this size. The parts follow from the content, because bytes depend on them.
BYTES_OF_PART = 128 << 20
MOST_ROWS_OF_PART = 500_000
SAMPLE = {"sampled_lines": 2_000, "most_shapes": 16}
# Longer lines are given in batches of about this size, for the same reason as those that are changed (work.py).
LONG_LINE_BYTES = 1_000
BYTES_AT_ONCE = 512 << 10
FEWEST_AT_ONCE = 64  # with fewer, starting the functions takes longer than they do
MEASURED_LINES = 100


class LargeFile(Work):
    """Reads one file in parts, or a range of its lines."""

    def __init__(
        self,
        admitted: Admitted,
        rules: ReadingRules,
        connection: duckdb.DuckDBPyConnection,
        scratch: Path,
        *,
        lines_before: int = 0,
    ) -> None:
        """Create the work.

        Args:
            admitted: The file.
            rules: The rules of its source.
            connection: A connection.
            scratch: The folder for the files to write.
            lines_before: How many lines of the file come before a range of them.
        """
        # A second connection to the same database runs queries while the lines arrive from the first.
        super().__init__([admitted], rules, connection, connection.cursor(), scratch)
        self._admitted = admitted
        self._lines_before = lines_before
        self._start()

    def read_range(self) -> RangeReading:
        """Read the file as a range of lines of a larger one."""
        self._read_all()
        file_id = self._admitted.file_id
        nameless = self._path(file_id, "nameless_lines")
        [(count,)] = self._writer.execute("select count(*) from earlier_lines").fetchall()
        if count:
            self._writer.execute(f"copy ({query('nameless_lines')}) to {literal(str(nameless))} (format parquet)")
        found = reading_of(self._figures, file_id, {}, partial(self._path, file_id))
        return RangeReading(self._figures, found.days, found.quarantine_path, nameless if count else None)

    def discard(self) -> None:
        """Remove everything that was written."""
        self._day_files.discard()
        self._quarantine.discard()

    def close(self) -> None:
        """Drop the views and tables, and close the second connection."""
        super().close()
        self._writer.close()
        forget(self._connection)

    def _start(self) -> None:
        """Start without rows."""
        self._figures = Figures()
        self._day_files = DayFiles(partial(self._path, self._admitted.file_id, "raw_events"))
        self._quarantine = QuarantineFile(self._path(self._admitted.file_id, "quarantined_lines"))

    def _prepare(self) -> None:
        super()._prepare()
        self._writer.execute("set enable_progress_bar = false")
        self._writer.execute(macros("lines"))

    def _read_all(self) -> Errors:
        errors = super()._read_all()
        self._day_files.finish()
        self._quarantine.finish()
        return errors

    def _sample(self, checked_lines: str) -> Sample:
        frequent = query("shapes", checked_lines=checked_lines)
        shapes = [keys for (keys,) in self._connection.execute(frequent, SAMPLE).fetchall()]
        if self._rules.changes_lines(self._format) or self._rules.null_values:
            return Sample(shapes)
        first = f"select line from {checked_lines} where is_object limit {MEASURED_LINES}"
        return Sample(shapes, [line for (line,) in self._connection.execute(first).fetchall()])

    def _lines_at_once(self, delivered_lines: str) -> int | None:
        first = f"(select line from {delivered_lines} limit {MEASURED_LINES})"
        [(length,)] = self._connection.execute(f"select avg(strlen(line)) from {first}").fetchall()
        at_once = max(int(BYTES_AT_ONCE / length), FEWEST_AT_ONCE) if length and length > LONG_LINE_BYTES else None
        return super()._lines_at_once(delivered_lines) or at_once

    def _nameless_ids(self) -> pa.Array:
        event_ids = super()._nameless_ids()
        self._writer.execute(f"insert into earlier_lines {query('earlier_lines')}")
        return event_ids

    def _read_lines(self) -> Errors:
        """Read the file in parts. DuckDB reads it if it can. Errors are raised."""
        lines = lines_by_duckdb(self._admitted)
        if lines is not None and format_named(self._format).is_decoded_by_pyarrow:
            with decoded_parquet(self._connection):
                self._read_parts(lines)
            return {}
        if lines is not None:
            with suppress(duckdb.InvalidInputException):  # bytes that DuckDB cannot read as lines
                if self._read_parts(lines) == lines.row_count:
                    return {}
            self.discard()
            self._start()
        path = self._scratch / f"{self._admitted.file_id}.lines.parquet"
        try:
            self._read_parts(lines_by_python(self._admitted, path))
        finally:
            path.unlink(missing_ok=True)
        return {}

    def _read_parts(self, lines: Lines) -> int:
        """Read all lines of the file, part by part, and return their number.

        A line with several events counts once here, and its events are numbered like lines.
        """
        line_number = first_line_number = self._lines_before + lines.first_line_number
        part_rows = _rows_of_part(self._admitted)
        with one_behind(self._take_part) as take_part:
            for part in parts_of_rows(self._connection.sql(self._rows(lines)), part_rows):
                take_part(line_number, part)
                line_number += len(part)
        return line_number - first_line_number - self._figures.further[self._admitted.file_id]

    def _take_part(self, line_number: int, part: pa.Table) -> None:
        """Count the lines of a part, which begins at a line, and write their rows."""
        file_id = self._admitted.file_id
        numbers = pa.arange(line_number, line_number + len(part))
        places = {
            "file_id": constant(file_id, len(part)),
            "file_number": pa.repeat(pa.scalar(0, pa.int64()), len(part)),
            "line_number": numbers,
            "row_number": numbers,
        }
        raw = self._take(with_columns(part, pa.table(places)))
        if raw is not None:
            self._day_files.add(raw)
        if file_id in self._figures.reasons:
            self._quarantine.add(self._quarantined())


def _rows_of_part(admitted: Admitted) -> int:
    """Return the number of lines of which a part of a large file consists."""
    row_count = max(admitted.line_count + admitted.blank_line_count, 1)
    return min(max(BYTES_OF_PART * row_count // max(admitted.byte_count, 1), 1), MOST_ROWS_OF_PART)
