"""Publishes the store's tables to readers, only when nothing is stale, and reads what is published.

publication.py publishes one generation of all tables. warehouse.py writes the DuckDB file, native_rows.py its tables,
and shown_files.py which files they show; lake.py writes the Parquet folders. Both are replaced by rename.
comparison.py compares both with the store. macros.py describes the macros. reader.py has the functions for Python
users. build/ decides what is stale.
"""
