"""Reads admitted files into Parquet files: raw_events, one for each file and UTC date, and quarantined_lines.

Every line is accepted, or quarantined with a reason. This module runs the queries of this folder. deliveries.py decides
what is read, and commits the files to the store.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from session_pipeline.engines.sql import literal
from session_pipeline.errors import CorruptFileError, RefusedFileError, SessionPipelineError
from session_pipeline.ingest import small_files
from session_pipeline.ingest.admit import Admitted
from session_pipeline.ingest.day_files import DayFiles, QuarantineFile
from session_pipeline.ingest.fields import given_lines, mappings_of, parts_of
from session_pipeline.ingest.figures import Figures, check_counts
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.formats.format import Lines, Row
from session_pipeline.ingest.lines import decoded_parquet, lines_by_duckdb, lines_by_python, lines_in
from session_pipeline.ingest.queries import define, forget, query
from session_pipeline.ingest.raw_rows import by_file_and_date, constant, rows_of, with_columns
from session_pipeline.ingest.reading import RangeReading, RawDay, Reading, if_unchanged, reading_of
from session_pipeline.ingest.reshape import reshaped
from session_pipeline.ingest.rules import ReadingRules
from session_pipeline.ingest.small_files import write_parts
from session_pipeline.ingest.stream import one_behind, parts_of_rows
from session_pipeline.ingest.visitors import VisitorKey
from session_pipeline.tables import table

__all__ = ["RawDay", "ReadResult", "Reading", "ReadingRules", "read", "read_range", "read_together"]

# The reading of a file, or the error that says why it cannot be read.
ReadResult = Reading | CorruptFileError | RefusedFileError

# A large file is read in parts of about this size. The parts follow from the content, because bytes depend on them.
BYTES_OF_PART = 128 << 20
MOST_ROWS_OF_PART = 500_000
SAMPLE = {"sampled_lines": 2_000, "most_shapes": 16}


def read(admitted: Admitted, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path) -> Reading:
    """Read an admitted file with the rules of its source. The caller owns the files that are written.

    Raises:
        CorruptFileError: It is Parquet that pyarrow can read and DuckDB cannot.
        RefusedFileError: Its header cannot be used, or it was written to while it was read.
        SessionPipelineError: Not every line was accepted or quarantined; nothing is kept.
    """
    [reading] = read_together([admitted], rules, connection, scratch)
    if isinstance(reading, Exception):
        raise reading
    return reading


def read_together(
    files: Sequence[Admitted], rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path
) -> list[ReadResult]:
    """Read small files of one source and format together, or one file of any size.

    The caller owns the files that are written.

    Returns:
        For each file, its reading, or the error that says why it cannot be read.

    Raises:
        SessionPipelineError: Not every line was accepted or quarantined; nothing is kept.
    """
    work = _Work(files, rules, connection, scratch)
    try:
        return work.read()
    except BaseException as error:
        work.discard()
        if len(files) == 1 and isinstance(error, CorruptFileError | RefusedFileError):
            return [error]
        raise
    finally:
        work.close()
        if rules.makes_visitors(files[0].format):
            VisitorKey.take_from(connection)
        for admitted in files:
            admitted.discard()


def read_range(
    admitted: Admitted,
    rules: ReadingRules,
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    *,
    lines_before: int,
) -> RangeReading:
    """Read a range of lines of a large file. The caller owns the files that are written.

    Args:
        admitted: The file with the lines of the range as its content and with their counts.
        rules: The rules of its source.
        connection: A connection without other work.
        scratch: Folder for the files.
        lines_before: How many lines of the delivered file come before the first line of that content.

    Raises:
        RefusedFileError: Its header cannot be used.
        SessionPipelineError: Not every line was accepted or quarantined; nothing is kept.
    """
    work = _Work([admitted], rules, connection, scratch, lines_before=lines_before)
    try:
        return work.read_range()
    except BaseException:
        work.discard()
        raise
    finally:
        work.close()
        if rules.makes_visitors(admitted.format):
            VisitorKey.take_from(connection)


class _Work:
    """Reads some files: runs the queries part by part, counts, and writes the files.

    A large file is read in parts, so that memory is bounded. Small files are read together, as one part.
    """

    def __init__(
        self,
        files: Sequence[Admitted],
        rules: ReadingRules,
        connection: duckdb.DuckDBPyConnection,
        scratch: Path,
        *,
        lines_before: int | None = None,  # a range of lines of a large file, after so many lines
    ) -> None:
        self._files = files
        self._format = files[0].format
        self._rules = rules
        self._connection = connection
        self._scratch = scratch
        self._is_small = lines_before is None and all(map(small_files.is_small, files))
        self._lines_before = lines_before or 0
        # A second connection to the same database runs queries while the lines arrive from the first.
        self._desk = connection if self._is_small else connection.cursor()
        self._figures = Figures()
        self._day_files = DayFiles(partial(self._path, files[0].file_id, "raw_events"))
        self._quarantine = QuarantineFile(self._path(files[0].file_id, "quarantined_lines"))
        self._part_paths: list[Path] = []

    def read(self) -> list[ReadResult]:
        errors = self._read_all()
        mappings = mappings_of(self._rules, self._format, self._figures.values)
        return [
            errors.get(admitted.file_id)
            or if_unchanged(
                admitted,
                reading_of(
                    self._figures,
                    admitted.file_id,
                    mappings.get(admitted.file_id, {}),
                    partial(self._path, admitted.file_id),
                ),
            )
            for admitted in self._files
        ]

    def read_range(self) -> RangeReading:
        self._read_all()
        file_id = self._files[0].file_id
        nameless = self._path(file_id, "nameless_lines")
        [(count,)] = self._desk.execute("select count(*) from earlier_lines").fetchall()
        if count:
            self._desk.execute(f"copy ({query('nameless_lines')}) to {literal(str(nameless))} (format parquet)")
        return RangeReading(
            self._figures,
            {day.utc_date: self._path(file_id, "raw_events", day.utc_date) for day in self._figures.days(file_id)},
            self._path(file_id, "quarantined_lines") if self._figures.reasons else None,
            nameless if count else None,
        )

    def _read_all(self) -> dict[str, CorruptFileError | RefusedFileError]:
        """Read all files, write their rows and check their numbers; return the errors of files by file id."""
        self._prepare()
        errors = self._read_small_files() if self._is_small else self._read_one_file(*self._files)
        for admitted in self._files:
            if admitted.file_id not in errors:
                check_counts(admitted, self._figures)
        if not self._is_small:
            self._day_files.finish()
            self._quarantine.finish()
        return errors

    def discard(self) -> None:
        """Remove everything that was written."""
        self._day_files.discard()
        self._quarantine.discard()
        for path in self._part_paths:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Drop the views and tables."""
        forget(self._desk)
        if self._desk is not self._connection:
            self._desk.close()
            forget(self._connection)

    def _prepare(self) -> None:
        [(keeps_order,)] = self._connection.execute("select current_setting('preserve_insertion_order')").fetchall()
        if not keeps_order:
            raise SessionPipelineError("lines are numbered by their order; set preserve_insertion_order = true")
        define(self._connection, "macros")
        if self._rules.key_values:
            define(self._connection, "key_values")
        if self._rules.request:
            define(self._connection, "log_macros")
        if self._rules.makes_visitors(self._format):
            assert self._rules.visitor_key is not None, "visitors of this file need a key"
            define(self._connection, "log_macros")
            self._rules.visitor_key.give_to(self._connection)
        if self._desk is not self._connection:
            self._desk.execute("set enable_progress_bar = false")
            self._desk.execute(query("macros"))

    def _rows(self, lines: Lines) -> duckdb.DuckDBPyRelation:
        """Return the query of read_lines.sql."""
        self._desk.execute("create or replace temp table earlier_lines (content_id uuid, line_count bigint)")
        selects = {
            "delivered_lines": format_named(self._format).as_json(lines.select, self._rules),
            "checked_lines": reshaped(query("checked_lines"), self._rules, self._format),
        }
        for view, select in selects.items():
            self._connection.execute(f"create or replace temp view {view} as {select}")
        shapes: Sequence[Sequence[str]] = ()
        if not self._is_small:
            shapes = [keys for (keys,) in self._connection.execute(query("shapes"), SAMPLE).fetchall()]
        select = given_lines(self._rules, self._format, shapes)
        self._connection.execute(f"create or replace temp view given_lines as {select}")
        return self._connection.sql(query("read_lines", **parts_of(self._rules, self._format)))

    def _read_small_files(self) -> dict[str, CorruptFileError | RefusedFileError]:
        """Read all files as one part.

        Returns:
            The errors of files that cannot be read, by file id.
        """

        def rows_of(select: str) -> Sequence[Row]:
            found: list[Row] = []
            with decoded_parquet(self._connection):
                found.extend(self._connection.execute(select).fetchall())
            return found

        path = self._scratch / f"{self._files[0].file_id}.lines.parquet"
        try:
            collected = small_files.collect(self._files, path, rows_of)
            rows = self._rows(lines_in(path, self._format)).to_arrow_table()
        finally:
            path.unlink(missing_ok=True)
        events = rows.column("event_in_line") if self._rules.events_in else None
        raw = self._take(with_columns(rows, collected.places(events)))
        self._write_small(raw, [admitted.file_id for admitted in self._files])
        return collected.errors

    def _write_small(self, raw: pa.Table | None, file_ids: Sequence[str]) -> None:
        """Write the rows of each small file and date, and its quarantined lines."""
        days = [day for file_id in file_ids for day in self._figures.days(file_id)]
        parts = [(self._path(day.file_id, "raw_events", day.utc_date), day.row_count) for day in days]
        aside = [
            (self._path(file_id, "quarantined_lines"), self._figures.set_aside_count(file_id))
            for file_id in sorted(self._figures.reasons)
        ]
        self._part_paths = [path for path, _ in [*parts, *aside]]
        if raw is not None:
            write_parts(by_file_and_date(raw), table("raw_events"), parts)
        if aside:
            write_parts(self._quarantined(), table("quarantined_lines"), aside)

    def _read_one_file(self, admitted: Admitted) -> dict[str, CorruptFileError | RefusedFileError]:
        """Read a large file in parts. DuckDB reads it if it can. Errors are raised."""
        lines = lines_by_duckdb(admitted)
        if lines is not None and format_named(self._format).is_decoded_by_pyarrow:
            with decoded_parquet(self._connection):
                self._read_parts(admitted, lines)
            return {}
        if lines is not None:
            with suppress(duckdb.InvalidInputException):  # bytes that DuckDB cannot read as lines
                if self._read_parts(admitted, lines) == lines.row_count:
                    return {}
            self.discard()
            self._figures = Figures()
            self._day_files = DayFiles(partial(self._path, admitted.file_id, "raw_events"))
            self._quarantine = QuarantineFile(self._path(admitted.file_id, "quarantined_lines"))
        path = self._scratch / f"{admitted.file_id}.lines.parquet"
        try:
            self._read_parts(admitted, lines_by_python(admitted, path))
        finally:
            path.unlink(missing_ok=True)
        return {}

    def _read_parts(self, admitted: Admitted, lines: Lines) -> int:
        """Read all lines of a large file, part by part, and return their number.

        A line with several events counts once here, and its events are numbered like lines.
        """
        line_number = first_line_number = self._lines_before + lines.first_line_number
        part_rows = _rows_of_part(admitted)
        with one_behind(partial(self._take_part, admitted.file_id)) as take_part:
            for part in parts_of_rows(self._rows(lines), part_rows):
                take_part(line_number, part)
                line_number += len(part)
        return line_number - first_line_number - self._figures.further.get(admitted.file_id, 0)

    def _take_part(self, file_id: str, line_number: int, part: pa.Table) -> None:
        """Count the lines of a part of a large file, which begins at a line, and write their rows."""
        numbers = pa.array(range(line_number, line_number + len(part)), pa.int64())
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

    def _take(self, lines: pa.Table) -> pa.Table | None:
        """Count the lines of a part, and return the rows of its accepted lines; None if it has none."""
        is_accepted = pc.and_not(pc.is_null(lines.column("reason")), lines.column("is_blank"))
        self._desk.register("numbered_lines", lines)
        self._desk.execute(f"create or replace temp view accepted_lines as {query('accepted_lines')}")
        self._figures.add(self._rules, self._desk)
        accepted = lines if pc.all(is_accepted).as_py() else lines.filter(is_accepted)
        if not accepted.num_rows:
            return None
        event_ids = None
        if accepted.column("event_id").null_count:
            found = self._desk.sql(query("nameless_events")).to_arrow_table()
            event_ids = found.column("event_id").combine_chunks()
            if not self._is_small:
                self._desk.execute(f"insert into earlier_lines {query('earlier_lines')}")
        rows, keyed = rows_of(accepted, self._rules, self._desk, event_ids)
        self._figures.keyed |= keyed
        return rows

    def _quarantined(self) -> pa.Table:
        """Return the rows of quarantined_lines of a part."""
        origin = {"its_source": self._rules.source, "its_site": self._rules.site}
        return self._desk.sql(query("quarantined_lines"), params=origin).to_arrow_table()

    def _path(self, file_id: str, name: str, utc_date: date | None = None) -> Path:
        return small_files.part_path(self._scratch, file_id, name, utc_date)


def _rows_of_part(admitted: Admitted) -> int:
    """Return the number of lines of which a part of a large file consists."""
    row_count = max(admitted.line_count + admitted.blank_line_count, 1)
    return min(max(BYTES_OF_PART * row_count // max(admitted.byte_count, 1), 1), MOST_ROWS_OF_PART)
