"""Builds the same data sets with DuckDB and with Spark, and compares every table row by row."""
