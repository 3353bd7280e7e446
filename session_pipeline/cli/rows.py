"""Writes the rows of a query as a table on the screen, CSV, Markdown, JSON or Parquet.

The output is safe to open: no text becomes a formula in a spreadsheet, a terminal control code or markup. The option
`--raw` turns this off for CSV.

This module only formats. The command and its checks are in `cli.query`; `publish.reader` decides what can be read.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import duckdb
from rich.text import Text

from session_pipeline.cli.screen import echo, json_text, nested, plain, ruled, short, stdout
from session_pipeline.errors import WrongUseError
from session_pipeline.reference import markdown

SHOWN_ROWS = 200
LONGEST_LINE = 60  # longer text is wrapped within its column
LONGEST_TEXT = 500
BATCH = 10_000
WHOLE_NUMBERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")}
NUMBER_TYPES = {*WHOLE_NUMBERS, "INTEGER", "UINTEGER", "FLOAT", "DOUBLE", "DECIMAL"}
COLUMN_GAP = 2
# A spreadsheet reads text as a formula if it begins with one of these or with its full-width (East Asian) form.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# A spreadsheet that reads another separator than the comma, or ignores quotes, begins a cell after one of these.
INNER_FORMULA = re.compile(r"(?<=[;\t\n])(?=\"*[=+@＝＋－＠-])")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
STEERING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")  # all except tab, line feed and CRLF

Connection = duckdb.DuckDBPyConnection
Row = tuple[Any, ...]


def write_csv(connection: Connection, sql: str, file: IO[str], *, is_raw: bool) -> None:
    """Write CSV: a header, then one line for each row. NULL is an empty field.

    Text that a spreadsheet would read as a formula gets a leading '. So does what follows a semicolon, a tab or a line
    end within a text, because a spreadsheet can split there. Numbers are not changed, also if their type is text.
    Control characters become spaces, except tabs and line ends. With `is_raw`, text is written unchanged.
    """
    names, rows = _execute(connection, sql)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_field(name, is_raw) for name in names])
    for row in rows:
        writer.writerow([_field(value, is_raw) for value in row])


def write_markdown(connection: Connection, sql: str, file: IO[str]) -> None:
    """Write a Markdown table. Characters that Markdown or HTML would read as markup are escaped. NULL is empty."""
    names, rows = _execute(connection, sql)
    is_right = [_is_number(column[1]) for column in connection.description or ()]
    file.write(f"| {' | '.join(map(_markdown, names))} |\n")
    file.write(f"|{'|'.join('---:' if right else '---' for right in is_right)}|\n")
    for row in rows:
        file.write(f"| {' | '.join(map(_markdown, row))} |\n")


def write_json(connection: Connection, sql: str, file: IO[str]) -> None:
    """Write a JSON list with one object per line. Times and dates are text; NaN and infinite values are null.

    Of columns with equal names, all after the first get a number: a, a_1.
    """
    names, rows = _execute(connection, sql)
    names = different_names(names)
    file.write("[")
    for number, row in enumerate(rows):
        text = json_text(dict(zip(names, row, strict=True)), file)
        file.write(f"{',' if number else ''}\n{text}")
    file.write("\n]\n")


def write_parquet(connection: Connection, sql: str, path: Path) -> None:
    """Write a Parquet file, compressed with zstd. Columns with equal names get numbers, as in JSON.

    Raises:
        WrongUseError: If a column has a type that Parquet cannot store, such as an interval.
    """
    import pyarrow as pa  # slow to load, and only this format needs it
    import pyarrow.parquet as pq

    reader = connection.sql(sql).to_arrow_reader(BATCH)
    names = different_names(reader.schema.names)
    schema = reader.schema.empty_table().rename_columns(names).schema
    for field in schema:
        try:
            pq.write_metadata(pa.schema([field]), pa.BufferOutputStream())
        except pa.ArrowNotImplementedError:
            raise WrongUseError(f"Parquet has no type for {field.name}; cast it to varchar") from None
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.rename_columns(names))


def different_names(names: Sequence[str]) -> list[str]:
    """Return names that differ, also in lower case: a repeated name gets the next free number, as in DuckDB."""
    numbers: dict[str, int] = {}
    found = []
    for name in names:
        unique = name
        while unique.lower() in numbers:
            unique = f"{name}_{numbers[name.lower()]}"
            numbers[name.lower()] += 1
        numbers[unique.lower()] = 1
        found.append(unique)
    return found


def print_table(connection: Connection, sql: str) -> None:
    """Print rows as a table or, if the screen is too narrow for one, each row as a list of fields."""
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    rows = cursor.fetchmany(SHOWN_ROWS + 1)
    columns = list(zip(*rows[:SHOWN_ROWS], strict=True)) or [()] * len(names)
    widths = [max(len(_cell(value)) for value in (name, *column)) for name, column in zip(names, columns, strict=True)]
    if sum(min(width, LONGEST_LINE) + COLUMN_GAP for width in widths) <= stdout.width:
        folds = [width > LONGEST_LINE for width in widths]
        cells = ([_cell(value) for value in row] for row in rows[:SHOWN_ROWS])
        stdout.print(ruled(names, [_is_numeric(column) for column in columns], folds, cells))
    else:
        _print_fields(names, rows[:SHOWN_ROWS])
    if not rows:
        echo("no rows", style="dim")
    if len(rows) > SHOWN_ROWS:
        echo(f"only the first {SHOWN_ROWS} rows are shown; --format csv writes all", style="dim")


def _print_fields(names: Sequence[str], rows: Sequence[Row]) -> None:
    widest = max(map(len, names))
    for number, row in enumerate(rows, start=1):
        stdout.print(f"row {number}", style="bold")
        for name, value in zip(names, row, strict=True):
            stdout.print(Text.assemble((f"  {name:<{widest}}  ", "dim"), _cell(value)), soft_wrap=True)


def _execute(connection: Connection, sql: str) -> tuple[list[str], Iterator[Row]]:
    cursor = connection.execute(sql)
    return [column[0] for column in cursor.description or ()], _batches(cursor)


def _batches(cursor: Connection) -> Iterator[Row]:
    while batch := cursor.fetchmany(BATCH):
        yield from batch


def _field(value: object, is_raw: bool) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_raw or value is None or isinstance(value, int | float | Decimal):
        return value
    text = nested(value) if isinstance(value, list | tuple | dict) else str(value)
    is_formula = text.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text)
    text = INNER_FORMULA.sub("'", text)
    return STEERING.sub(" ", f"'{text}" if is_formula else text)


def _markdown(value: object) -> str:
    return "" if value is None else markdown.escaped(plain(value))


def _is_number(duckdb_type: object) -> bool:
    return str(duckdb_type).partition("(")[0] in NUMBER_TYPES


def _cell(value: object) -> Text:
    return Text(short(value, LONGEST_TEXT), style="dim" if value is None else "")


def _is_numeric(column: Sequence[object]) -> bool:
    kinds = {type(value) for value in column if value is not None}
    return bool(kinds) and kinds <= {int, float, Decimal}
