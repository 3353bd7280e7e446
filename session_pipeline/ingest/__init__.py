"""Ingests delivered files into raw_events, quarantined_lines and source_files.

A file is admitted (admission/), read line by line (reading/) as the rules of its source say (mapping/), and recorded
in the ledger. deliveries.py does this in order; ledger.py finds what must be read; taken.py turns a reading into
partitions and a row of the ledger, and recorder.py commits them; source_files.py is the ledger as a table; changes.py
reports new and missing columns; summary.py has the figures of one look at raw/; sql.py finds the SQL of queries/ and
macros/. erasing/ removes the rows of a person.

External file formats are handled only in this package: formats/ has one module for each, presets/ one file for each
tool. Their descriptions are in reference/.
"""
