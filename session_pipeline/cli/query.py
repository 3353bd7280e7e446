"""The command query: runs one read-only SQL query on the warehouse. `cli.rows` writes the rows."""

import sys
from collections.abc import Collection
from enum import Enum
from pathlib import Path
from typing import IO, Annotated

import duckdb
import typer

from session_pipeline.cli import interruptible, rows
from session_pipeline.cli.app import Data, chosen_folder, ended
from session_pipeline.cli.output import STANDARD_OUTPUT, destination, interrupted_by_sigterm, refuse_own_file
from session_pipeline.cli.screen import stderr
from session_pipeline.engines.sql import fill, literal, query_text, quote
from session_pipeline.errors import WrongUseError
from session_pipeline.publish import reader
from session_pipeline.publish.macros import MACROS, Macro
from session_pipeline.publish.warehouse import tables_of
from session_pipeline.tables import TABLES

EXAMPLE = 'session-pipeline query "select count(*) from sessions"'


class Format(Enum):
    """The output formats of `query`."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "markdown"
    PARQUET = "parquet"


def query(
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help="One SELECT; - reads standard input. With --tables: a table or macro.")
    ] = "",
    tables: Annotated[bool, typer.Option("--tables", help="List the tables and macros, or describe one.")] = False,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the SQL from this file.")] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="Output format.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.")] = None,
    is_raw: Annotated[
        bool,
        typer.Option("--raw", help="In CSV, write text unchanged, including spreadsheet formulas and terminal codes."),
    ] = False,
    data: Data = None,
) -> None:
    """Query the warehouse with SQL, read-only.

    Times are in UTC. Dates are days in the time zone of the settings.
    """
    if sql and file:
        raise WrongUseError("the SQL is given twice; remove --file or the SQL")
    if tables and file:
        raise WrongUseError("--tables lists tables instead of running SQL; remove --file or --tables")
    if not sql and not file and not tables:
        raise WrongUseError(f"there is no SQL; write it in quotes, such as {EXAMPLE}, or use --tables")
    _refuse_other_output(form, output, is_raw=is_raw)
    described = sql if tables and sql and sql not in MACROS else None
    if tables and sql:
        sql = _arguments_of(MACROS[sql]) if sql in MACROS else _columns_of(sql)
    elif file or sql == "-":
        sql = _read(file)
    folder = chosen_folder(data)
    if output is not None:
        refuse_own_file(folder, output)
    with reader.connect(folder.path) as connection:
        try:
            if described and described not in tables_of(connection):
                raise reader.not_built(described)
            if tables and not sql:
                sql = _all_tables(tables_of(connection))
            _refuse_all_but_select(sql)
            with interrupted_by_sigterm():  # here, because `destination` is used in another thread
                interruptible.run(connection, lambda: _write(connection, sql, form, output, is_raw))
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.Error as error:
            raise ended(_sentence(error)) from None


def _refuse_other_output(form: Format, output: Path | None, *, is_raw: bool) -> None:
    """Refuse options of the output that contradict each other."""
    if form is Format.PARQUET and output is None:
        raise WrongUseError("Parquet cannot be printed; name a file with --output")
    if form is Format.TABLE and output is not None:
        raise WrongUseError("a table can only be printed; for a file, use --format csv, json, markdown or parquet")
    if output == STANDARD_OUTPUT:
        raise WrongUseError("--output - names no file; rows are printed without --output")
    if is_raw and form is not Format.CSV:
        raise WrongUseError("--raw applies only to CSV; add --format csv")


def _read(file: Path | None) -> str:
    """Read SQL from a file, or from standard input if no file is given."""
    where = str(file or "standard input")
    if file is None and sys.stdin.isatty():
        stderr.print("Reading SQL from the keyboard; end with Ctrl-D on a new line.")
    try:
        sql = file.read_text(encoding="utf-8-sig") if file else sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUseError(f"{where} is not UTF-8 text; write the SQL as UTF-8") from None
    if not sql.strip():
        raise WrongUseError(f"{where} contains no SQL; write one SELECT there")
    return sql


def _refuse_all_but_select(sql: str) -> None:
    """Reject every other statement: the connection is read-only, but COPY could still write files."""
    if [_is_select(statement) for statement in duckdb.extract_statements(sql)] != [True]:
        raise WrongUseError("query takes one SELECT, VALUES, SHOW, DESCRIBE or SUMMARIZE; for a file, use --output")


def _is_select(statement: duckdb.Statement) -> bool:
    try:
        return statement.type is duckdb.StatementType.SELECT
    except ValueError:  # a kind that duckdb's Python module has no name for, such as UPDATE EXTENSIONS
        return False


def _write(connection: duckdb.DuckDBPyConnection, sql: str, form: Format, output: Path | None, is_raw: bool) -> None:
    """Write the rows. A file is written completely or not at all."""
    if form is Format.TABLE:
        rows.print_table(connection, sql)
    elif output is None:
        _write_text(connection, sql, form, sys.stdout, is_raw)
    else:
        with destination(output) as temporary:
            if form is Format.PARQUET:
                rows.write_parquet(connection, sql, temporary)
            else:
                with temporary.open("w", encoding="utf-8", newline="") as file:
                    _write_text(connection, sql, form, file, is_raw)


def _write_text(connection: duckdb.DuckDBPyConnection, sql: str, form: Format, file: IO[str], is_raw: bool) -> None:
    if form is Format.CSV:
        rows.write_csv(connection, sql, file, is_raw=is_raw)
    elif form is Format.MARKDOWN:
        rows.write_markdown(connection, sql, file)
    else:
        rows.write_json(connection, sql, file)


def _all_tables(found: Collection[str]) -> str:
    """Return SQL that lists the tables of the warehouse in the order of the data flow, and then its macros."""
    names = [name for name, contract in TABLES.items() if contract.is_published and name in found]
    entries = [
        *(f"{literal(name)}, count(*), {literal(_row_of(TABLES[name].grain))} from {quote(name)}" for name in names),
        *(f"{literal(f'{name}()')}, null, {literal(_result_of(macro))}" for name, macro in MACROS.items()),
    ]
    listed = " union all ".join(f"select {position}, {entry}" for position, entry in enumerate(entries))
    columns = '"table", "rows", "one row is"'
    return f"select {columns} from ({listed}) as listed (position, {columns}) order by position"


def _row_of(grain: str) -> str:
    return grain.removeprefix("One row is ").removeprefix("One row describes ").removesuffix(".")


def _result_of(macro: Macro) -> str:
    """Return what a macro returns, in words that fit below the heading of the list of tables."""
    text = _row_of(macro.grain)
    return text if macro.is_table else f"a value: {text[0].lower()}{text[1:]}"


def _arguments_of(macro: Macro) -> str:
    """Return SQL that lists the arguments of a macro with their defaults and meanings."""
    arguments = ", ".join(
        f"({literal(argument.name)}, {literal(argument.default or '')}, {literal(argument.meaning)})"
        for argument in macro.arguments
    )
    return f'from (values {arguments}) as arguments (argument, "default", meaning)'


def _columns_of(name: str) -> str:
    """Return SQL that lists the columns of a table with their types and meanings."""
    contract = reader.published_table(name)
    return fill(query_text(__package__, "columns"), {"table_name": contract.name})


def _sentence(error: duckdb.Error) -> str:
    """Return DuckDB's error message without the excerpt of the SQL line, on one line."""
    text = str(error).partition("\n\nLINE ")[0]
    if "file system operations are disabled" in text:
        return "query reads only the tables of the warehouse, no files; read files with DuckDB itself"
    return "; ".join(line.strip().removesuffix("!") for line in text.splitlines() if line.strip())
