"""An admitted file into raw_events, a Parquet file for each UTC date, and quarantined_lines.

Every line is accepted or set aside with a reason. Knows the queries of this folder. Does not know where files belong,
nor what was delivered before.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from session_pipeline import crash_points
from session_pipeline.errors import CorruptFileError, SessionPipelineError
from session_pipeline.ingest.access_log import parsed_lines
from session_pipeline.ingest.admit import PARQUET, Admitted
from session_pipeline.ingest.fields import given_lines, mapping_of, parameters_of
from session_pipeline.ingest.lines import Lines, lines_by_duckdb, lines_by_python
from session_pipeline.ingest.rules import ACCESS_LOG, ReadingRules
from session_pipeline.ingest.visitors import VisitorKey

__all__ = ["RawDay", "Reading", "ReadingRules", "read"]

MOST_DATES_TO_SCAN = 32  # beyond it, making all rows once is cheaper than a query for each date
# Level 1 is faster, and here no larger. A scratch file needs no temporary name.
WRITTEN = "format parquet, compression zstd, compression_level 1, use_tmp_file false"
ROWS_OF_DATE = """
    select * from rows_by_date
    where event_time >= $first_date and event_time < $last_date + interval 1 day
    order by line_number
"""


@dataclass(frozen=True)
class RawDay:
    """The accepted lines of a UTC date, in a file of their own.

    Attributes:
        utc_date: The date, UTC.
        path: Parquet file in the columns of raw_events, by line number.
        row_count: Its rows.
        quarters: Quarter hours of the date, from 0 to 95, that have events.
    """

    utc_date: date
    path: Path
    row_count: int
    quarters: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """What a file held.

    Attributes:
        accepted_count: Lines that became raw events.
        set_aside_count: Lines that did not.
        reasons: How many lines were set aside for which reason.
        first_event_time: Earliest accepted event, naive UTC; None without any.
        last_event_time: Latest accepted event.
        mapping: Ours = where it came from, for every column that some accepted line has.
        days: Files of raw_events.
        quarantine_path: File of quarantined_lines; None when nothing was set aside.
    """

    accepted_count: int
    set_aside_count: int
    reasons: dict[str, int]
    first_event_time: datetime | None
    last_event_time: datetime | None
    mapping: dict[str, str]
    days: tuple[RawDay, ...]
    quarantine_path: Path | None


def read(admitted: Admitted, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path) -> Reading:
    """Read an admitted file by the rules of its source; the files that it writes are the caller's.

    Raises:
        CorruptFileError: It is Parquet that only one of its two readers takes.
        RefusedFileError: Its header cannot be used, or it was written to while it was read.
        SessionPipelineError: Not every line was accepted or set aside; nothing is kept.
    """
    written: list[Path] = []
    try:
        first_line_number = _read_lines(admitted, rules, connection, scratch)
        days = _accepted_days(connection, first_line_number)
        reasons = _reasons(connection)
        _check_ledger(admitted, sum(day.row_count for day in days), sum(reasons.values()))
        origin = {"file_id": admitted.file_id, "source": rules.source, "site": rules.site}
        paths = [scratch / f"{admitted.file_id}.raw_events.{day.utc_date}.parquet" for day in days]
        written += paths
        kept = list(rules.keep_query_parameters)
        _write_days(connection, days, paths, {**origin, "keep_query_parameters": kept})
        quarantine_path = None
        if reasons:
            quarantine_path = scratch / f"{admitted.file_id}.quarantined_lines.parquet"
            written.append(quarantine_path)
            numbered = {**origin, "first_line_number": first_line_number}
            _write(connection, _query("quarantined_lines"), numbered, quarantine_path)
        mapping = mapping_of(rules, admitted.format, connection) if days else {}
        admitted.check_unchanged()
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    finally:
        _forget(connection)
        if rules.makes_visitors(admitted.format):
            VisitorKey.take_from(connection)
        admitted.discard()
    return Reading(
        accepted_count=sum(day.row_count for day in days),
        set_aside_count=sum(reasons.values()),
        reasons=reasons,
        first_event_time=min((day.first_event_time for day in days), default=None),
        last_event_time=max((day.last_event_time for day in days), default=None),
        mapping=mapping,
        days=tuple(
            RawDay(day.utc_date, path, day.row_count, tuple(day.quarters))
            for day, path in zip(days, paths, strict=True)
        ),
        quarantine_path=quarantine_path,
    )


class _Day(NamedTuple):
    """A row of days.sql."""

    utc_date: date
    row_count: int
    quarters: list[int]
    first_event_time: datetime
    last_event_time: datetime


def _read_lines(admitted: Admitted, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path) -> int:
    """Make the table read_lines; returns the number of the line that its first row stands for."""
    [(keeps_order,)] = connection.execute("select current_setting('preserve_insertion_order')").fetchall()
    if not keeps_order:
        raise SessionPipelineError("lines are numbered by their order; set preserve_insertion_order = true")
    _define(connection, "macros")
    if rules.makes_visitors(admitted.format):
        assert rules.visitor_key is not None, "visitors of this file need a key"
        _define(connection, "log_macros")
        rules.visitor_key.give_to(connection)
    parameters = parameters_of(rules, admitted.format)

    def create(lines: Lines) -> None:
        for view, select in {
            "delivered_lines": parsed_lines(lines.select, rules) if admitted.format == ACCESS_LOG else lines.select,
            "checked_lines": _query("checked_lines"),
            "given_lines": given_lines(rules, admitted.format),
        }.items():
            connection.execute(f"create or replace temp view {view} as {select}")
        connection.execute(f"create or replace temp table read_lines as {_query('read_lines')}", parameters)

    lines = lines_by_duckdb(admitted, rules.delimiter)
    if lines is not None and admitted.format == PARQUET:
        _read_parquet(connection, partial(create, lines))
        return lines.first_line_number
    if lines is not None:
        with suppress(duckdb.InvalidInputException):  # bytes that DuckDB does not take as lines
            create(lines)
            if _row_count(connection, "read_lines") == lines.row_count:
                return lines.first_line_number
    path = scratch / f"{admitted.file_id}.lines.parquet"
    try:
        lines = lines_by_python(admitted, rules.delimiter, path)
        create(lines)
    finally:
        path.unlink(missing_ok=True)
    return lines.first_line_number


def _read_parquet(connection: duckdb.DuckDBPyConnection, create: Callable[[], None]) -> None:
    """Read a file that pyarrow could decode; times with a zone within lists and objects are written in UTC."""
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


def _accepted_days(connection: duckdb.DuckDBPyConnection, first_line_number: int) -> list[_Day]:
    """Make the view accepted_lines, and find the dates in it."""
    accepted = _query("accepted_lines").replace("$first_line_number", str(first_line_number))
    connection.execute(f"create or replace temp view accepted_lines as {accepted}")
    return [_Day(*row) for row in connection.execute(_query("days")).fetchall()]


def _write_days(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[_Day],
    paths: Sequence[Path],
    parameters: Mapping[str, Any],
) -> None:
    """Write the rows of each date, by line number: a total order, so that equal rows are equal bytes."""
    select = _query("raw_events")
    if len(days) > MOST_DATES_TO_SCAN:
        first_and_last = {"first_date": days[0].utc_date, "last_date": days[-1].utc_date}
        connection.execute(
            f"create or replace temp table rows_by_date as"
            f" select * from ({select}) order by cast(event_time as date), line_number",
            {**parameters, **first_and_last},
        )
        parameters = {}
        select = ROWS_OF_DATE
    for day, path in zip(days, paths, strict=True):
        _write(connection, select, {**parameters, "first_date": day.utc_date, "last_date": day.utc_date}, path)


def _reasons(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many lines were set aside, by reason."""
    rows = connection.execute(
        "select reason, count(*) from read_lines where reason is not null group by reason order by reason"
    )
    return dict(rows.fetchall())


def _check_ledger(admitted: Admitted, accepted_count: int, set_aside_count: int) -> None:
    if accepted_count + set_aside_count != admitted.line_count:
        raise SessionPipelineError(
            f"{admitted.path}: {admitted.line_count:,} lines were counted, but {accepted_count:,} were accepted"
            f" and {set_aside_count:,} set aside, so nothing of it is kept; this is a fault of session_pipeline,"
            " please report it with the file"
        )


def _write(connection: duckdb.DuckDBPyConnection, select: str, parameters: Mapping[str, Any], path: Path) -> None:
    connection.execute(f"copy ({select}) to $path ({WRITTEN})", {**parameters, "path": str(path)})
    crash_points.reached("ingest: rows written")


def _row_count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    [(count,)] = connection.execute(f"select count(*) from {name}").fetchall()
    return int(count)


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what reading made, and free its memory."""
    for name in ("accepted_lines", "given_lines", "checked_lines", "delivered_lines"):
        connection.execute(f"drop view if exists {name}")
    for name in ("rows_by_date", "read_lines"):
        connection.execute(f"drop table if exists {name}")


def _define(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make macros, once a connection: that takes longer than to read a small file."""
    [(is_made,)] = connection.execute(f"select getvariable('has_{name}')").fetchall()
    if not is_made:
        connection.execute(_query(name))
        connection.execute(f"set variable has_{name} = true")


@cache
def _query(name: str) -> str:
    return files("session_pipeline.ingest").joinpath(f"{name}.sql").read_text(encoding="utf-8")
