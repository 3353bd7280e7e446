"""Ingests delivered files into raw_events, quarantined_lines and source_files.

A file is admitted (verified, hashed, counted), read line by line, and recorded in the ledger. External file formats are
handled only in this package; their descriptions are in reference/.
"""
