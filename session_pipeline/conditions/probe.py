"""An empty DuckDB that says whether it can bind or compile something; it reaches no file and no network."""

from functools import cache

import duckdb


def probe() -> duckdb.DuckDBPyConnection:
    """A connection for the caller's own thread."""
    return _database().cursor()


def complaint(error: duckdb.Error) -> str:
    """What DuckDB says, without the kind of error and the position."""
    return str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip(".")


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:", config={"threads": 1, "enable_external_access": False, "lock_configuration": True}
    )
