"""Engines: run models over Parquet files and write partitions.

base.py defines what an engine offers, and chosen.py chooses one by the settings. connections.py opens connections to
DuckDB. duckdb.py opens a database of DuckDB, duckdb_jobs.py runs models on it, and duckdb_files.py writes their files;
constant_columns.py finds what need not be sorted. spark.py starts Spark, and spark_jobs.py runs models on it:
spark_sql.py translates them, spark_macros.py expands macros, spark_numbers.py lets many tasks count numbers of
sessions, spark_functions.py computes with DuckDB what Spark computes differently, spark_files.py writes files in
Spark's tasks, spark_tasks.py runs Python functions as tasks, and spark_connect.py asks whether a server of Spark
Connect answers. parquet_files.py says how long Parquet files are written, and short_files.py writes short ones for
both. sql.py reads SQL files and builds the parts of SQL text that engines share.

build/ decides which files an engine reads; the models are in tables/.
"""
