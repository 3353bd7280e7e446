"""Runs queries on an empty DuckDB to find out whether an expression can be computed; no access to files or network."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import duckdb

from session_pipeline.errors import MemoryTooSmallError
from session_pipeline.settings.shortening import shortened

ALLOW_MORE = "let the process use more memory (`ulimit -v` shows a limit)"


class Complaint(Exception):
    """DuckDB's error message, without the kind of error and the position, shortened to fit into a sentence."""


def ask(sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
    """Return the first row of a query.

    Raises:
        Complaint: DuckDB cannot bind or compute it.
        MemoryTooSmallError: The process may not use enough memory, whatever the query is.
    """
    try:
        # Each call has its own cursor, because callers may be threads.
        return _database().cursor().execute(sql, list(parameters)).fetchall()[0]
    except duckdb.OutOfMemoryException as error:
        raise MemoryTooSmallError(str(error).splitlines()[0], ALLOW_MORE) from None
    except duckdb.Error as error:
        raise Complaint(shortened(str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip("."))) from None


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:", config={"threads": 1, "enable_external_access": False, "lock_configuration": True}
    )
