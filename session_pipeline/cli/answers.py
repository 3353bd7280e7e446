"""Commands that give answers: query, report, export."""

import csv
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Annotated, Any

import duckdb
import typer
from rich.text import Text

from session_pipeline import data_folder, reading
from session_pipeline.cli.app import Data, ended
from session_pipeline.cli.screen import as_json, counted, err, number, out, plain, ruled, say, size
from session_pipeline.contracts import TABLES
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.pipeline import open_store
from session_pipeline.publish import publication, warehouse

SHOWN_ROWS = 200
LONGEST_CELL = 60
BATCH = 10_000
READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
# What a spreadsheet would take for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Format(Enum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def query(
    sql: Annotated[str, typer.Argument(metavar="[SQL]", help="One SELECT; with --tables, a table's name.")] = "",
    format: Annotated[Format, typer.Option("--format", "-f", help="How rows are written.")] = Format.table,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="List the tables, or the columns of one.")] = False,
    for_spreadsheet: Annotated[
        bool, typer.Option("--for-spreadsheet", help="In CSV, put ' before text that would be a formula.")
    ] = False,
    data: Data = None,
) -> None:
    """Answer SQL from the warehouse, read-only. Times are UTC, dates are local days."""
    if tables:
        sql = _columns_sql(sql) if sql else _tables_sql()
    if not sql:
        raise WrongUseError('there is no SQL; write it in quotes: session-pipeline query "select count(*) from sessions"')
    if format is Format.parquet and output is None:
        raise WrongUseError("Parquet is not for the terminal; name a file with --output")
    with reading.connect(data) as connection:
        try:
            _only_reads(sql)
            relation = connection.sql(sql)
            if relation is None:
                raise WrongUseError("this SQL gives no rows; write one SELECT")
            _write(relation, format, output, for_spreadsheet)
        except duckdb.Error as error:
            raise ended(_sentence(error)) from None


def report(data: Data = None) -> None:
    """Write the HTML report from the warehouse, and print where it is."""
    from session_pipeline.report import write  # charts take their time to load

    say(str(write(data_folder.find(data))))


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The DuckDB file to write.")], data: Data = None
) -> None:
    """Write the warehouse as one file that needs nothing beside it, whatever its size."""
    folder = data_folder.find(data)
    target = file.absolute()
    if target.exists():
        raise WrongUseError(f"{file} exists already; name another file, or remove it first")
    with reading.connect(folder.path) as connection:
        info = connection.sql("select * from warehouse_info").to_arrow_table()
    with closing(open_store(folder)) as store:
        latest = next(iter(store.catalog.publications()), None)
        if latest is None or latest.generation != store.catalog.generation():
            raise StoreError("the store is newer than what is published; run `session-pipeline run`, then export again")
        partitions = publication.published_partitions(store)
        warehouse.publish(store, target, partitions, info, native_limit_bytes=math.inf)
    say(f"{file}, {size(target.stat().st_size)}")


def _only_reads(sql: str) -> None:
    """Refuse what is no question. The connection is read-only, but COPY could still write beside the store's files."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in READS:
        raise WrongUseError("query takes one SELECT (or DESCRIBE, SUMMARIZE, EXPLAIN); for a file use --output")


def _write(relation: duckdb.DuckDBPyRelation, format: Format, output: Path | None, for_spreadsheet: bool) -> None:
    if output is None:
        if format is Format.table:
            _print_table(relation)
        else:
            _WRITERS[format](relation, sys.stdout, for_spreadsheet)
        return
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        if format is Format.parquet:
            _write_parquet(relation, temporary)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                _WRITERS[format](relation, file, for_spreadsheet)
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    err.print(f"{output}, {size(output.stat().st_size)}", soft_wrap=True)
