"""How DuckDB writes the long Parquet files of the store and the lake, here and in tasks of Spark.

Both write equal bytes only if they agree on this. Short files are written by short_files.py.
"""

FORMAT = "(format parquet, compression zstd)"
ROW_GROUP_ROWS = 122_880  # DuckDB's row groups; it reads them in parallel
# This optimizer looks at the rows, so the query that is written could differ from that of other rows.
STATISTICS = "statistics_propagation"
