"""Admits delivered files: finds them, verifies, hashes and counts all of a file before any line is accepted.

raw_folder lists what is under raw/, file_names says what a name means, and admit decides whether a file can be read.
recognition finds its preset, unknown_names its format if the name has none, wrapped_records its records in an API's
answer, and tabbed_logs logs that are tables without a header. line_ranges divides a large file for several tasks.
"""
