"""The trial of one file, for `try FILE` and `init --from FILE`: what a run would make of it, and which keys fit better.

try_file.py tries the file as it is and with suggested keys. attempt.py reads it each time in a temporary folder, with
the code of a run, and result.py is what came out. suggested_reading.py suggests how the file is read, suggested_logs.py
how a log is, and header_beside.py finds a header in a file next to it. sampled_fields.py reads the fields of the first
lines as field_values.py describes them. suggested_keys.py suggests the keys for them: suggestions.py finds the fields
of empty columns, also with the names in field_names.py and translated_names.py, suggested_times.py how times are read,
suggested_values.py which texts mean no value and which events have other names, suggested_requests.py the requests in
tables of logs, and suggested_addresses.py the visitor's address. flat_exports.py suggests the preset for tables of
tools. suggested_remarks.py says what no key does.

cli/ calls this package. It changes nothing in the data folder: cli/folders.py writes the settings of a new one.
"""
