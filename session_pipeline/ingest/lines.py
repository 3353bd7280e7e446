"""Converts an admitted file to lines of JSON: one row per physical line, in the file's order.

DuckDB reads the files that it can read strictly. Other files (stray bytes, mixed line ends, ragged records, records
over several lines) are read line by line in Python, which writes the same rows to a Parquet file. In both cases a CSV
record becomes a JSON object of its fields, in the header's order, so that different quoting gives the same content.

The SQL files of this folder turn the lines into events.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from session_pipeline.engines.sql import literal, quote
from session_pipeline.errors import RefusedFileError
from session_pipeline.ingest.admit import Admitted
from session_pipeline.ingest.file_names import PARQUET, WITH_HEADER
from session_pipeline.ingest.parquet import row_lines
from session_pipeline.ingest.records import (
    LONGEST_EVENT_BYTES,
    MOST_COLUMNS,
    Record,
    decoded,
    delimiter_of,
    physical_lines,
    records,
    unquoted_records,
)

BATCH_CHARACTERS = 8 << 20
LONE_CARRIAGE_RETURN = re.compile(r"\r(?!\n)")
# Why a header cannot be used, by the reason for which another line would be quarantined.
UNUSABLE_HEADERS: Mapping[str, str] = {
    "invalid_utf8": "is not text in UTF-8",
    "nul_byte": "has a NUL byte",
    "line_too_long": f"has more than {LONGEST_EVENT_BYTES:,} bytes",
    "invalid_csv": "has a quote that is not closed",
}
LINES_SCHEMA = pa.schema([("line", pa.string()), ("reason", pa.string()), ("detail", pa.string())])

Row = tuple[str | None, str | None, str | None]
NO_LINE: Row = (None, None, None)


@dataclass(frozen=True)
class Lines:
    """A SELECT of (line, reason, detail), in the file's order.

    Attributes:
        select: The SELECT.
        first_line_number: Line number of its first row.
        row_count: Number of rows that it must return to be trusted; None if no check is needed.
    """

    select: str
    first_line_number: int
    row_count: int | None


def lines_by_duckdb(admitted: Admitted, delimiter: str | None) -> Lines | None:
    """Return the lines as DuckDB reads them; None if DuckDB cannot number them.

    If DuckDB cannot read the file, the SELECT raises an InvalidInputException when it runs.

    Args:
        admitted: The file.
        delimiter: Field separator of a CSV or TSV; None: detected from the header of a CSV, a tab in a TSV.

    Raises:
        RefusedFileError: Its header cannot be used.
    """
    if admitted.format == PARQUET:
        return Lines(row_lines(admitted.plain_path, _escaped(admitted.plain_path)), 1, admitted.line_count)
    if not admitted.has_header:
        return Lines(_line_select(admitted), 1, admitted.line_count + admitted.blank_line_count)
    if not admitted.is_tidy:
        return None
    return Lines(_separated_select(admitted, delimiter), 2, admitted.line_count)


def lines_by_python(admitted: Admitted, delimiter: str | None, path: Path) -> Lines:
    """Return the same rows as lines_by_duckdb, for any admitted file that is not Parquet.

    The rows are read in Python and written to a Parquet file.

    Args:
        admitted: The file.
        delimiter: As for lines_by_duckdb.
        path: The Parquet file to write.

    Raises:
        RefusedFileError: Its header cannot be used.
    """
    with pq.ParquetWriter(path, LINES_SCHEMA, compression="zstd", compression_level=1) as writer:
        for batch in _batches(python_rows(admitted, delimiter)):
            columns = [pa.array(values, pa.string()) for values in zip(*batch, strict=True)]
            writer.write_table(pa.table(columns, schema=LINES_SCHEMA))
    return lines_in(path, admitted.format)


def python_rows(admitted: Admitted, delimiter: str | None) -> Iterator[Row]:
    """Yield a row for every physical line of a file that is not Parquet.

    Raises:
        RefusedFileError: Its header cannot be used.
    """
    return _separated_rows(admitted, delimiter) if admitted.has_header else _line_rows(admitted)


def lines_in(path: Path, format: str) -> Lines:
    """Return the lines of one or more files of a format, from a Parquet file of their rows."""
    # json() escapes control characters as DuckDB's json_object does.
    line = "if(reason is null, cast(json(line) as varchar), line)" if format in WITH_HEADER else "line"
    parquet = f"read_parquet({literal(_escaped(path))})"
    return Lines(f"select {line} as line, reason, detail from {parquet}", 1, None)


def _escaped(path: Path) -> str:
    """Escape a path so that DuckDB does not read it as a glob pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _line_select(admitted: Admitted) -> str:
    return f"""
        select line, cast(null as varchar) as reason, cast(null as varchar) as detail
        from read_csv(
            {literal(_escaped(admitted.plain_path))}, columns = {{'line': 'VARCHAR'}}, header = false,
            delim = '', quote = '', escape = '', comment = '', auto_detect = false, compression = 'none',
            hive_partitioning = false, max_line_size = {LONGEST_EVENT_BYTES}
        )
    """


def _separated_select(admitted: Admitted, delimiter: str | None) -> str:
    delimiter, names = _header(admitted, delimiter)
    fields = [f"field_{number}" for number in range(len(names))]
    types = ", ".join(f"{literal(field)}: 'VARCHAR'" for field in fields)
    pairs = ", ".join(f"{literal(name)}, nullif({quote(field)}, '')" for name, field in zip(names, fields, strict=True))
    quoting = '"' if admitted.format == "csv" else ""
    return f"""
        select
            cast(json_object({pairs}) as varchar) as line,
            cast(null as varchar) as reason,
            cast(null as varchar) as detail
        from read_csv(
            {literal(_escaped(admitted.plain_path))}, columns = {{{types}}}, header = true,
            delim = {literal(delimiter)}, quote = '{quoting}', escape = '{quoting}', comment = '',
            auto_detect = false, compression = 'none', hive_partitioning = false, max_line_size = {LONGEST_EVENT_BYTES}
        )
    """


def _header(admitted: Admitted, delimiter: str | None) -> tuple[str, list[str]]:
    """Return the delimiter and the column names. A column without a name gets its position as name: column_3."""
    with admitted.plain_path.open("rb") as file:
        if admitted.format == "tsv":
            delimiter = delimiter or "\t"
            header = next(unquoted_records(physical_lines(file), delimiter), None)
        else:
            delimiter = delimiter or delimiter_of(physical_lines(file))
            file.seek(0)
            header = next(records(physical_lines(file), delimiter), None)
    if header is not None and header.reason is not None:
        raise RefusedFileError(f"its header {UNUSABLE_HEADERS[header.reason]}")
    fields = header.fields if header is not None and header.fields is not None else [""]
    if any(LONE_CARRIAGE_RETURN.search(field) for field in fields):
        raise RefusedFileError("its lines end in a carriage return alone; deliver them with line feeds")
    if len(fields) > MOST_COLUMNS:
        raise RefusedFileError(f"its header names {len(fields):,} columns, more than {MOST_COLUMNS:,}")
    names = [field.strip() or f"column_{number}" for number, field in enumerate(fields, start=1)]
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise RefusedFileError(f"its header names {repeated[0]!r} more than once")
    return delimiter, names


def _line_rows(admitted: Admitted) -> Iterator[Row]:
    with admitted.plain_path.open("rb") as file:
        for line in physical_lines(file):
            text, reason = decoded(line)
            yield text or None, reason, None


def _separated_rows(admitted: Admitted, delimiter: str | None) -> Iterator[Row]:
    """Yield a row for every physical line. Rows of the header, blank lines and continuation lines are empty."""
    delimiter, names = _header(admitted, delimiter)
    with admitted.plain_path.open("rb") as file:
        if admitted.format == "csv":
            found = records(physical_lines(file), delimiter)
        else:
            found = unquoted_records(physical_lines(file), delimiter)
        header = next(found, None)
        if header is None:
            return
        covered = header.line_number + header.line_count - 1
        yield from repeat(NO_LINE, covered)
        for record in found:
            yield from repeat(NO_LINE, record.line_number - 1 - covered)
            yield _row(record, names)
            yield from repeat(NO_LINE, record.line_count - 1)
            covered = record.line_number + record.line_count - 1


def _row(record: Record, names: list[str]) -> Row:
    if record.fields is None:
        return record.text, record.reason, None
    fields = record.fields
    if not any(fields[len(names) :]):
        fields = fields[: len(names)]  # surplus delimiters at the end of the line, which DuckDB also accepts
    if len(fields) != len(names):
        return record.text, "ragged_row", f"{len(fields)} fields instead of {len(names)}"
    values = (field or None for field in fields)
    return json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False), None, None


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
