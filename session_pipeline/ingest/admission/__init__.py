"""Admits delivered files: finds them, verifies, hashes and counts all of a file before any line is accepted.

raw_folder lists what is under raw/, file_names says what a name means, and admit decides whether a file can be read.
recognition finds its preset, unknown_names its format if the name has none, wrapped_records its records in an API's
answer, tabbed_logs logs that are tables without a header, and unsplit_rows tables whose rows are one field. line_ranges
divides a large file for several tasks.
"""
