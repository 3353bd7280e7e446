"""The command query: SQL on the warehouse, read-only."""

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from session_pipeline import reading
from session_pipeline.cli import rows
from session_pipeline.cli.app import Data, ended
from session_pipeline.cli.screen import err, size
from session_pipeline.contracts import TABLES
from session_pipeline.engines.duckdb import literal, quote
from session_pipeline.errors import WrongUseError

EXAMPLE = 'session-pipeline query "select count(*) from sessions"'


class Format(Enum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; with --tables, a table's name.")] = "",
    tables: Annotated[bool, typer.Option("--tables", help="List the tables, or the columns of one.")] = False,
    form: Annotated[Format, typer.Option("--format", "-f", help="How rows are written.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there.")] = None,
    for_spreadsheet: Annotated[
        bool, typer.Option("--for-spreadsheet", help="In CSV, put ' before text that would be a formula.")
    ] = False,
    data: Data = None,
) -> None:
    """Answer SQL from the warehouse, read-only.

    Times are UTC, dates are days of the time zone of the settings.
    """
    if not sql and not tables:
        raise WrongUseError(f"there is no SQL; write it in quotes, as {EXAMPLE}, or ask for --tables")
    if form is Format.PARQUET and output is None:
        raise WrongUseError("Parquet is not for the screen; name a file with --output")
    if form is Format.TABLE and output is not None:
        raise WrongUseError("a table is for the screen; for a file choose --format csv, json or parquet")
    if tables:
        sql = _columns_of(sql) if sql else _all_tables()
    with reading.connect(data) as connection:
        try:
            _refuse_all_but_select(sql)
            _write(connection, sql, form, output, for_spreadsheet)
        except duckdb.Error as error:
            raise ended(_sentence(error)) from None


def _refuse_all_but_select(sql: str) -> None:
    """The connection is read-only, but COPY could still write beside the files of the store."""
    if [statement.type for statement in duckdb.extract_statements(sql)] != [duckdb.StatementType.SELECT]:
        raise WrongUseError("query takes one SELECT, DESCRIBE or SUMMARIZE; for a file, use --output")


def _write(
    connection: duckdb.DuckDBPyConnection, sql: str, form: Format, output: Path | None, for_spreadsheet: bool
) -> None:
    """Write the rows: a file whole, or not at all."""
    if form is Format.TABLE:
        rows.print_table(connection, sql)
    elif output is None and form is Format.CSV:
        rows.write_csv(connection, sql, sys.stdout, for_spreadsheet=for_spreadsheet)
    elif output is None:
        rows.write_json(connection, sql, sys.stdout)
    else:
        temporary = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            if form is Format.PARQUET:
                rows.write_parquet(connection, sql, temporary)
            else:
                with temporary.open("w", encoding="utf-8", newline="") as file:
                    if form is Format.CSV:
                        rows.write_csv(connection, sql, file, for_spreadsheet=for_spreadsheet)
                    else:
                        rows.write_json(connection, sql, file)
            os.replace(temporary, output)
        finally:
            temporary.unlink(missing_ok=True)
        err.print(f"{output}, {size(output.stat().st_size)}", soft_wrap=True)


def _all_tables() -> str:
    """SQL that lists the tables in the order that the data takes."""
    grains = {
        name: contract.grain.removeprefix("One row is ").removeprefix("One row says ").removesuffix(".")
        for name, contract in TABLES.items()
        if contract.is_published
    }
    listed = " union all ".join(
        f"select {position} as position, {literal(name)} as name, count(*) as row_count, {literal(grain)} as grain"
        f" from {quote(name)}"
        for position, (name, grain) in enumerate(grains.items())
    )
    return f'select name as "table", row_count as "rows", grain as "one row is" from ({listed}) order by position'


def _columns_of(name: str) -> str:
    """SQL that lists a table's columns, with what they mean."""
    contract = reading.published_table(name)
    return (
        'select column_name as "column", data_type as type, comment as meaning from duckdb_columns()'
        f" where table_name = {literal(contract.name)} and not internal order by column_index"
    )


def _sentence(error: duckdb.Error) -> str:
    """What DuckDB says, without the picture of the line."""
    text = str(error).partition("\n\nLINE ")[0]
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
