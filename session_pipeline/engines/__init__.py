"""Engines: run models over Parquet files and write partitions. One module per engine.

duckdb.py runs models on DuckDB. sql.py builds the parts of SQL text that engines share. build/ decides which files an
engine reads; the models are in tables/.
"""
