"""An empty DuckDB to ask whether something can be computed; it reaches no file and no network."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import duckdb


class Complaint(Exception):
    """What DuckDB says against it, without the kind of error and the position."""


def ask(sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
    """The first row of a query.

    Raises:
        Complaint: DuckDB cannot bind or compute it.
    """
    try:
        # A cursor of its own, since callers may be threads.
        return _database().cursor().execute(sql, list(parameters)).fetchall()[0]
    except duckdb.Error as error:
        raise Complaint(str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip(".")) from None


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:", config={"threads": 1, "enable_external_access": False, "lock_configuration": True}
    )
