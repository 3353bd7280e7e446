"""Opens connections to DuckDB databases in memory, for every part of the package.

What runs on a connection belongs to its callers: duckdb.py runs models, and publish/warehouse.py opens the warehouse.
"""

import duckdb


def private_connection(**config: str | int) -> duckdb.DuckDBPyConnection:
    """Return a connection to a new database in memory, in UTC. It neither installs nor loads extensions.

    Args:
        config: Further settings of DuckDB, such as threads.
    """
    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, **config}
    )
    connection.execute("set timezone = 'UTC'")
    return connection
