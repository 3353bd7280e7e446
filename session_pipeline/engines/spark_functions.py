"""Computes with DuckDB, within Spark's tasks, what Spark's own functions compute differently or very slowly.

- `properties ->> 'key'`: Spark writes 12345678.9 as 1.23456789E7, and reads nothing in an object that has a key of
  50,000 characters or a number of 1,000 digits.
- Casts to a number, or to true or false: engines read ' true ', '1_000' and digits of other scripts differently.
- Casts to text of decimals without a digit before the point, such as DECIMAL(3, 3): DuckDB writes .500, Spark 0.500.
- `lower`, `upper` and `ilike`, for letters such as \u0130 and ligatures.
- Regular expressions that Java reads differently, for which its stack is too small, or whose time grows faster than the
  text. spark_sql.py knows which.

The function runs in Python workers, on machines that have this package. Parts of a query that Spark cannot compute with
Python, such as the body of a lambda, must not call it.
"""

from functools import cache
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from session_pipeline.engines.connections import private_connection

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

IN_DUCKDB = "in_duckdb"
_MEMORY = "1GB"  # that of a task of ingest, so that a worker needs no more than before
# DuckDB keeps what it parsed of all values that it reads at once, which is several times their size.
_BYTES_AT_ONCE = 4 * 1024**2


def register(session: "SparkSession") -> None:
    """Add the function `in_duckdb(expression, x)` to a session, also to one of Spark Connect.

    The expression is a constant text in DuckDB's SQL, over the column `x`. The value is a text.
    """
    from pyspark.sql.functions import arrow_udf

    session.udf.register(IN_DUCKDB, arrow_udf(computed, "string"))


def computed(expression: pa.Array, x: pa.Array) -> pa.Array:
    """Return the values of an expression, which is the same in all rows, as texts."""
    if not len(x):
        return pa.array([], pa.string())
    [sql] = expression.unique().to_pylist()
    connection = _connection().cursor()
    rows_at_once = max(1, _BYTES_AT_ONCE * len(x) // max(x.nbytes, 1))
    rows = pa.Table.from_batches(pa.table({"x": x}).to_batches(max_chunksize=rows_at_once))
    found = connection.from_arrow(rows).project(f"cast({sql} as varchar) as y").to_arrow_table()["y"]
    return pa.concat_arrays(found.chunks).cast(pa.string())


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """Return the connection of this process. One thread keeps the order of the rows, and is what a task may use."""
    return private_connection(threads=1, memory_limit=_MEMORY, enable_external_access=False)
