"""Writes short Parquet files with Arrow, which takes less than half the time of DuckDB's COPY.

Most files of the store are short: a table has a file for each day. How a file is written depends only on its rows, so
equal rows give equal bytes. Long files are written by the engine.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Arrow is slow to load, and commands that write nothing load this module
    import pyarrow as pa

MOST_ROWS = 10_000  # of a short file; above, an engine writes with several threads and dictionaries
MOST_ROWS_FOR_SNAPPY = 200  # zstd takes half of the time of so few rows, and saves less than a block of the disk


def prepared(rows: "pa.Table", schema: "pa.Schema") -> "pa.Table":
    """Return rows with the types of a contract's schema, in one chunk: chunks are not part of the rows."""
    return rows.cast(schema).combine_chunks()


def write(rows: "pa.Table", path: Path) -> None:
    """Write a short file. Dictionaries, statistics and the Arrow schema would only take time and space.

    Args:
        rows: The rows, in order: `prepared` rows or a slice of them.
        path: The file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert len(rows) <= MOST_ROWS, "a long file is written by the engine"
    file = pa.BufferOutputStream()  # through Arrow's files and `write_table`, it takes a fifth longer
    with pq.ParquetWriter(
        file,
        rows.schema,
        compression="snappy" if len(rows) <= MOST_ROWS_FOR_SNAPPY else "zstd",
        store_decimal_as_integer=True,
        store_schema=False,
        use_dictionary=False,
        write_statistics=False,
    ) as writer:
        writer.write_table(rows)
    path.write_bytes(file.getvalue())


def write_again(schema: "pa.Schema", path: Path) -> None:
    """Write a short file again that an engine wrote."""
    import pyarrow.parquet as pq

    write(prepared(pq.read_table(path, partitioning=None), schema), path)
