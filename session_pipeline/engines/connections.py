"""Opens connections to DuckDB databases in memory, for every part of the package.

What runs on a connection belongs to its callers: duckdb_jobs.py runs models, and publish/warehouse.py opens the
warehouse.
"""

import duckdb

UTC = "set timezone = 'UTC'"


def private_connection(**config: str | int) -> duckdb.DuckDBPyConnection:
    """Return a connection to a new database in memory, in UTC. It neither installs nor loads extensions.

    Args:
        config: Further settings of DuckDB, such as threads.
    """
    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, **config}
    )
    connection.execute(UTC)
    return connection


def second_connection(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a second connection to the database of a connection, in UTC, for another thread.

    It has the tables, the macros and the limits of the first, but no temporary tables and no variables of it.
    """
    second = connection.cursor()
    second.execute(UTC)
    return second
