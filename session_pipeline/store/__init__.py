"""The store: immutable Parquet files, and the catalog that records which of them are valid.

stored_partitions.py opens the store, and finds and verifies partitions; store.py writes and deletes them. catalog.py is
the SQLite catalog, catalog_file.py has its file, its transactions and the store's own state, and catalog_rows.py
converts its rows to what records.py defines: partitions, delivered files and publications. sqlite.py has what SQLite
files share, and read_only.py opens those that this user cannot write. file_facts.py describes what is known about a
delivered file. damage.py finds rows of the catalog that are not as they were written. store_files.py accesses the files
of partitions, part_files.py handles several files of one partition, and paths.py says where they are. compacted.py
keeps copies of the small files of neighbouring days in one file. locks.py lets one process write at a time. files.py
has atomic writes, fsync and hashes. shortage.py turns errors of full disks, of memory and of open files into clear
errors. crash_points.py lets tests kill a run at a chosen place.

build/ decides what is stale; tables/ defines what the rows mean.
"""
