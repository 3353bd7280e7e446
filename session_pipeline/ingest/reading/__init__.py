"""Reads admitted files into raw_events and quarantined_lines.

readers chooses who reads: local_reader in this process, or task_reader ahead of time with tasks. read_ahead reads the
files of a small day in a second thread. read divides files into small ones (small_files, read_small) and large ones
(read_large, with lines and stream); result is what it gives. work runs the queries, figures counts, raw_rows and
day_files make the rows and files. protected_texts and addresses remove what must not be stored, and nameless numbers
equal lines without an id.
"""
