"""How DuckDB writes the long Parquet files of the store and the lake, here and in tasks of Spark.

Both write equal bytes only if they agree on this. Short files are written by short_files.py.
"""

# Level 2 takes a fifth to a quarter less time for a file than level 3, which is DuckDB's default, and the files are as
# small: most of their bytes are hashes, in which level 3 looks for repetitions in vain (measured).
FORMAT = "(format parquet, compression zstd, compression_level 2)"
ROW_GROUP_ROWS = 122_880  # DuckDB's row groups; it reads them in parallel
# This optimizer looks at the rows, so the query that is written could differ from that of other rows.
STATISTICS = "statistics_propagation"
