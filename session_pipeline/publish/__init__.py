"""Publishes the store's tables to readers, only when nothing is stale, and reads what is published.

publication.py publishes one generation of all tables, and published_state.py says whether it is the present one.
new_warehouse.py decides what the warehouse shows, and native_limit.py which of its tables are views. warehouse_file.py
writes its file, native_rows.py the tables, and shown_files.py which files they show; warehouse.py opens it. lake.py
writes the Parquet folders. Both are replaced by rename. comparison.py compares both with the store. macros.py describes
the macros. reader.py has the functions for Python users. build/ decides what is stale.
"""
