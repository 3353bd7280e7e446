"""Reads SQL files, and builds the parts of SQL text that engines share: literals, identifiers, file lists, schemas.

tables/models.py reads the models.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline.errors import ModelError
from session_pipeline.tables import Table

if TYPE_CHECKING:
    from session_pipeline.tables.parameters import Scalar


def literal(value: "Scalar") -> str:
    """Return a value as an SQL literal."""
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
    """Return an identifier as SQL text, in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def file_list(paths: Sequence[Path]) -> str:
    """Return paths as a list literal for read_parquet. The store's file names contain no glob characters."""
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"


def schema_of(contract: Table) -> str:
    """Return the contract's columns as the `schema` argument of read_parquet."""
    types = ", ".join(
        f"{literal(column.name)}: {{name: {literal(column.name)}, type: {literal(column.type)}, default_value: null}}"
        for column in contract.columns
    )
    return f"map {{{types}}}"


def rows_of(contract: Table, paths: Sequence[Path], *, with_date: bool = False, schema: str | None = None) -> str:
    """Return a SELECT of a table's rows from its files, with the contract's columns; without files it has no rows.

    Files of older versions are read by today's contract, not by the schema of the first file: a column that a file
    lacks is null, a column that the contract no longer has is left out, and a different type is cast.

    Args:
        contract: The table.
        paths: Its files, in the store's folders, or named like these folders.
        with_date: Whether to add the date in the name of the folder or file as the last column.
        schema: SQL that gives the contract's schema; None writes the schema out.
    """
    columns = [quote(column.name) for column in contract.columns]
    if not paths:
        wanted = contract.dated_columns if with_date else contract.columns
        nulls = [f"cast(null as {column.type}) as {quote(column.name)}" for column in wanted]
        return f"select {', '.join(nulls)} where false"
    options = f"schema = {schema or schema_of(contract)}, hive_partitioning = false"
    if with_date and contract.date_column:
        # Not hive_partitioning: files that are not committed yet have the date in their own name, or in
        # the name of the folder of their parts.
        pattern = literal(f"/{contract.date_column}=([0-9-]+)(/[^/]*|[.]parquet(/[^/]*)?)$")
        columns.append(f"cast(regexp_extract(filename, {pattern}, 1) as date) as {quote(contract.date_column)}")
        options += ", filename = true"
    return f"select {', '.join(columns)} from read_parquet({file_list(paths)}, {options})"


@cache
def query_text(package: str, name: str) -> str:
    """Return the SQL of a file in the folder `queries` of a package.

    Args:
        package: The package, such as session_pipeline.checks.
        name: The file, without its ending.
    """
    return files(package).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")


def fill(sql: str, parameters: Mapping[str, "Scalar"]) -> str:
    """Replace $parameters by constants, so that the optimizer can drop the code of rules that are switched off."""
    from session_pipeline.tables import models  # the SQL parser is slow to load, and readers only need literals

    return models.PARAMETER.sub(lambda match: literal(parameters[match.group(1)]), sql)


def filled_model(model: str, parameters: Mapping[str, "Scalar"]) -> str:
    """Return the SQL of a model, with its $parameters replaced by constants.

    Raises:
        ModelError: It names a parameter that does not exist.
    """
    from session_pipeline.tables import models

    try:
        return fill(models.text(model), parameters)
    except KeyError as error:
        raise ModelError(
            f"model {model}: there is no parameter ${error.args[0]}; correct it, or add it in tables/parameters.py"
        ) from None
