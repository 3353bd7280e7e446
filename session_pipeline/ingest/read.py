"""Reads admitted files into Parquet files: raw_events, one for each file and UTC date, and quarantined_lines.

Every line is accepted, or quarantined with a reason. This module runs the queries of this folder. deliveries.py decides
what is read, and commits the files to the store.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from session_pipeline.engines.sql import literal
from session_pipeline.errors import CorruptFileError, RefusedFileError, SessionPipelineError, StillWrittenError
from session_pipeline.ingest import small_files
from session_pipeline.ingest.admit import Admitted
from session_pipeline.ingest.fields import given_lines, mappings_of, parameters_of
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.formats.format import Lines, Row
from session_pipeline.ingest.lines import lines_by_duckdb, lines_by_python, lines_in
from session_pipeline.ingest.queries import define, forget, query
from session_pipeline.ingest.reading import RawDay, Reading
from session_pipeline.ingest.rules import ReadingRules
from session_pipeline.ingest.small_files import write_parts
from session_pipeline.ingest.visitors import VisitorKey
from session_pipeline.store import crash_points
from session_pipeline.tables import table

__all__ = ["RawDay", "Reading", "ReadingRules", "read", "read_together"]

MOST_DATES_TO_SCAN = 32  # for more dates, computing all rows once is cheaper than one query per date
# Level 1 is faster, and the files are no larger. A scratch file needs no temporary name.
WRITTEN = "format parquet, compression zstd, compression_level 1, use_tmp_file false"


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
) -> list[Reading | CorruptFileError | RefusedFileError]:
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
        for path in work.written:
            path.unlink(missing_ok=True)
        if len(files) == 1 and isinstance(error, CorruptFileError | RefusedFileError):
            return [error]
        raise
    finally:
        forget(connection)
        if rules.makes_visitors(files[0].format):
            VisitorKey.take_from(connection)
        for admitted in files:
            admitted.discard()


class _Day(NamedTuple):
    """A row of days.sql."""

    file_id: str
    utc_date: date
    row_count: int
    quarters: list[int]
    first_event_time: datetime
    last_event_time: datetime


def _if_unchanged(admitted: Admitted, reading: Reading) -> Reading | StillWrittenError:
    """Return the reading. If the file was written to meanwhile, discard the reading and return the error."""
    try:
        admitted.check_unchanged()
    except StillWrittenError as error:
        reading.discard()
        return error
    return reading


class _Work:
    """Reads some files: creates the tables in the connection and writes the files.

    Attributes:
        written: Paths of the files that are written, so that they can be removed after an error.
    """

    def __init__(
        self, files: Sequence[Admitted], rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path
    ) -> None:
        self.written: list[Path] = []
        self._files = files
        self._format = files[0].format
        self._rules = rules
        self._connection = connection
        self._scratch = scratch

    def read(self) -> list[Reading | CorruptFileError | RefusedFileError]:
        self._prepare()
        is_small = all(map(small_files.is_small, self._files))
        errors = self._read_small_files() if is_small else self._read_one_file(*self._files)
        self._connection.execute(f"create or replace temp view accepted_lines as {query('accepted_lines')}")
        days: dict[str, list[_Day]] = {}
        for row in self._connection.execute(query("days")).fetchall():
            days.setdefault(row[0], []).append(_Day(*row))
        reasons = _reasons(self._connection)
        for admitted in self._files:
            if admitted.file_id not in errors:
                accepted_count = sum(day.row_count for day in days.get(admitted.file_id, ()))
                _check_ledger(admitted, accepted_count, sum(reasons.get(admitted.file_id, {}).values()))
        self._write([day for found in days.values() for day in found], reasons, is_small=is_small)
        mappings = mappings_of(self._rules, self._format, self._connection) if days else {}
        found: list[Reading | CorruptFileError | RefusedFileError] = []
        for admitted in self._files:
            file_id = admitted.file_id
            reading = self._reading(file_id, days.get(file_id, []), reasons.get(file_id, {}), mappings.get(file_id, {}))
            found.append(errors.get(file_id) or _if_unchanged(admitted, reading))
        return found

    def _reading(self, file_id: str, days: Sequence[_Day], reasons: dict[str, int], mapping: dict[str, str]) -> Reading:
        return Reading(
            accepted_count=sum(day.row_count for day in days),
            set_aside_count=sum(reasons.values()),
            reasons=reasons,
            first_event_time=min((day.first_event_time for day in days), default=None),
            last_event_time=max((day.last_event_time for day in days), default=None),
            mapping=mapping,
            days=tuple(
                RawDay(
                    day.utc_date, self._path(file_id, "raw_events", day.utc_date), day.row_count, tuple(day.quarters)
                )
                for day in days
            ),
            quarantine_path=self._path(file_id, "quarantined_lines") if reasons else None,
        )

    def _prepare(self) -> None:
        [(keeps_order,)] = self._connection.execute("select current_setting('preserve_insertion_order')").fetchall()
        if not keeps_order:
            raise SessionPipelineError("lines are numbered by their order; set preserve_insertion_order = true")
        define(self._connection, "macros")
        if self._rules.makes_visitors(self._format):
            assert self._rules.visitor_key is not None, "visitors of this file need a key"
            define(self._connection, "log_macros")
            self._rules.visitor_key.give_to(self._connection)

    def _create(self, lines: Lines) -> None:
        """Create the table read_lines."""
        for view, select in {
            "delivered_lines": format_named(self._format).as_json(lines.select, self._rules),
            "checked_lines": query("checked_lines"),
            "given_lines": given_lines(self._rules, self._format),
        }.items():
            self._connection.execute(f"create or replace temp view {view} as {select}")
        self._connection.execute(
            f"create or replace temp table read_lines as {query('read_lines')}",
            parameters_of(self._rules, self._format),
        )

    def _read_small_files(self) -> dict[str, CorruptFileError | RefusedFileError]:
        """Create read_lines from all files, and the view numbered_lines.

        Returns:
            The errors of files that cannot be read, by file id.
        """

        def rows_of(select: str) -> Sequence[Row]:
            found: list[Row] = []
            _read_parquet(self._connection, lambda: found.extend(self._connection.execute(select).fetchall()))
            return found

        path = self._scratch / f"{self._files[0].file_id}.lines.parquet"
        try:
            collected = small_files.collect(self._files, self._rules.delimiter, path, rows_of)
            self._create(lines_in(path, self._format))
        finally:
            path.unlink(missing_ok=True)
        self._connection.register("line_places", collected.places())
        self._connection.execute(f"create or replace temp view numbered_lines as {query('numbered_lines')}")
        return collected.errors

    def _read_one_file(self, admitted: Admitted) -> dict[str, CorruptFileError | RefusedFileError]:
        """Create read_lines and numbered_lines from one file. DuckDB reads it if it can. Errors are raised."""
        first_line_number = self._read_lines(admitted)
        select = query("numbered_file", its_file_id=literal(admitted.file_id), first_line_number=first_line_number)
        self._connection.execute(f"create or replace temp view numbered_lines as {select}")
        return {}

    def _read_lines(self, admitted: Admitted) -> int:
        """Create the table read_lines; return the line number of its first row."""
        lines = lines_by_duckdb(admitted, self._rules.delimiter)
        if lines is not None and format_named(admitted.format).is_decoded_by_pyarrow:
            _read_parquet(self._connection, partial(self._create, lines))
            return lines.first_line_number
        if lines is not None:
            with suppress(duckdb.InvalidInputException):  # bytes that DuckDB cannot read as lines
                self._create(lines)
                if _row_count(self._connection, "read_lines") == lines.row_count:
                    return lines.first_line_number
        path = self._scratch / f"{admitted.file_id}.lines.parquet"
        try:
            lines = lines_by_python(admitted, self._rules.delimiter, path)
            self._create(lines)
        finally:
            path.unlink(missing_ok=True)
        return lines.first_line_number

    def _write(self, days: Sequence[_Day], reasons: Mapping[str, Mapping[str, int]], *, is_small: bool) -> None:
        """Write the rows of each file and date. Sorting by line number, a total order, makes equal rows equal bytes."""
        origin: dict[str, Any] = {"its_source": self._rules.source, "its_site": self._rules.site}
        parameters = {**origin, "keep_query_parameters": list(self._rules.keep_query_parameters)}
        parts = [(self._path(day.file_id, "raw_events", day.utc_date), day.row_count) for day in days]
        aside = {file_id: sum(counts.values()) for file_id, counts in sorted(reasons.items())}
        aside_parts = [(self._path(file_id, "quarantined_lines"), count) for file_id, count in aside.items()]
        self.written += [path for path, _ in [*parts, *aside_parts]]
        if not is_small:
            _write_days(self._connection, days, [path for path, _ in parts], parameters)
            for path, _ in aside_parts:
                _write(self._connection, query("quarantined_lines"), origin, path)
            return
        if days:
            dates = [day.utc_date for day in days]
            write_parts(
                self._connection,
                f"select * from ({query('raw_events')}) order by file_id, cast(event_time as date), line_number",
                {**parameters, "first_date": min(dates), "last_date": max(dates)},
                table("raw_events"),
                parts,
            )
        write_parts(self._connection, query("quarantined_lines"), origin, table("quarantined_lines"), aside_parts)

    def _path(self, file_id: str, name: str, utc_date: date | None = None) -> Path:
        return small_files.part_path(self._scratch, file_id, name, utc_date)


def _read_parquet(connection: duckdb.DuckDBPyConnection, create: Callable[[], None]) -> None:
    """Read a Parquet file that pyarrow could decode.

    The time zone is set to UTC, because DuckDB writes times with a zone within lists and objects in the session's zone.
    """
    [(timezone,)] = connection.execute("select current_setting('TimeZone')").fetchall()
    connection.execute("set timezone = 'UTC'")
    try:
        create()
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except duckdb.Error as error:
        raise CorruptFileError(f"Parquet: {str(error).splitlines()[0][:200]}") from error
    finally:
        connection.execute("set timezone = $1", [timezone])


def _write_days(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[_Day],
    paths: Sequence[Path],
    parameters: Mapping[str, Any],
) -> None:
    """Write the rows of each date. Sorting by line number, a total order, makes equal rows equal bytes."""
    select = query("raw_events")
    if len(days) > MOST_DATES_TO_SCAN:
        first_and_last = {"first_date": days[0].utc_date, "last_date": days[-1].utc_date}
        connection.execute(
            f"create or replace temp table rows_by_date as"
            f" select * from ({select}) order by cast(event_time as date), line_number",
            {**parameters, **first_and_last},
        )
        parameters = {}
        select = query("rows_of_date")
    for day, path in zip(days, paths, strict=True):
        _write(connection, select, {**parameters, "first_date": day.utc_date, "last_date": day.utc_date}, path)


def _reasons(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Return the number of quarantined lines, by file id and reason."""
    found: dict[str, dict[str, int]] = {}
    for file_id, reason, count in connection.execute(query("reasons")).fetchall():
        found.setdefault(file_id, {})[reason] = count
    return found


def _check_ledger(admitted: Admitted, accepted_count: int, set_aside_count: int) -> None:
    if accepted_count + set_aside_count != admitted.line_count:
        raise SessionPipelineError(
            f"{admitted.path}: {admitted.line_count:,} lines were counted, but {accepted_count:,} were accepted"
            f" and {set_aside_count:,} quarantined, so no line is stored; this is a bug in session_pipeline,"
            " please report it with the file"
        )


def _write(connection: duckdb.DuckDBPyConnection, select: str, parameters: Mapping[str, Any], path: Path) -> None:
    connection.execute(f"copy ({select}) to $path ({WRITTEN})", {**parameters, "path": str(path)})
    crash_points.reached("ingest: rows written")


def _row_count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    [(count,)] = connection.execute(f"select count(*) from {name}").fetchall()
    return int(count)
