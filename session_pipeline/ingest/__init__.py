"""Delivered files into raw_events, quarantined_lines and source_files: admit, read, keep the ledger.

Foreign file formats are known here and nowhere else.
"""
