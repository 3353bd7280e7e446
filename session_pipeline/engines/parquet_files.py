"""How DuckDB writes the long Parquet files of the store and the lake, here and in tasks of Spark.

Both write equal bytes only if they agree on this. Short files are written by short_files.py.
"""

# Writing the files of a big day takes a quarter less time at level 2 than at level 3, DuckDB's default, and they are as
# small (measured). Many of their bytes are hashes, in which there is nothing to find.
FORMAT = "(format parquet, compression zstd, compression_level 2)"
ROW_GROUP_ROWS = 122_880  # DuckDB's row groups; it reads them in parallel
# This optimizer looks at the rows, so the query that is written could differ from that of other rows.
STATISTICS = "statistics_propagation"
