"""Parts of SQL text that engines share: literals, names, lists of files, parameters."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from session_pipeline.tables import Table, models
from session_pipeline.tables.frame import Scalar


def literal(value: Scalar) -> str:
    """A value as SQL text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ', timespec='microseconds')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def quote(identifier: str) -> str:
    """An identifier as SQL text."""
    return '"' + identifier.replace('"', '""') + '"'


def file_list(paths: Sequence[Path]) -> str:
    """Paths as a list literal for read_parquet. Names are those of the store, so they hold no glob characters."""
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"


def schema_of(contract: Table) -> str:
    """The contract as read_parquet takes it."""
    types = ", ".join(
        f"{literal(column.name)}: {{name: {literal(column.name)}, type: {literal(column.type)}, default_value: null}}"
        for column in contract.columns
    )
    return f"map {{{types}}}"


def rows_of(contract: Table, paths: Sequence[Path], *, with_date: bool = False, schema: str | None = None) -> str:
    """A SELECT of a table's rows from its files, in the columns of the contract; no files, no rows.

    What an older version wrote is read by today's contract, and not by what the first file has: a column that a file
    lacks is null there, one that the contract no longer has is left out, another type is cast.

    Args:
        contract: The table.
        paths: Its files, in the store's folders.
        with_date: Whether the date that is the folder's name is a column, too, as the last.
        schema: SQL that has the contract's schema; None: it is written out.
    """
    columns = [quote(column.name) for column in contract.columns]
    if not paths:
        nulls = [f"cast(null as {column.type}) as {quote(column.name)}" for column in contract.columns]
        nulls += [f"cast(null as date) as {quote(contract.date_column)}"] if with_date and contract.date_column else []
        return f"select {', '.join(nulls)} where false"
    options = f"schema = {schema or schema_of(contract)}, hive_partitioning = false"
    if with_date and contract.date_column:
        # Not by hive_partitioning, which DuckDB 1.5 does not take together with a schema. Files are left out as well.
        pattern = literal(f"/{contract.date_column}=([0-9-]+)/[^/]*$")
        columns.append(f"cast(regexp_extract(filename, {pattern}, 1) as date) as {quote(contract.date_column)}")
        options += ", filename = true"
    return f"select {', '.join(columns)} from read_parquet({file_list(paths)}, {options})"


def fill(sql: str, parameters: Mapping[str, Scalar]) -> str:
    """Inline parameters as constants, so that the optimizer drops what a switched-off rule does not need."""
    return models.PARAMETER.sub(lambda match: literal(parameters[match.group(1)]), sql)
