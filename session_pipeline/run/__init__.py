"""One run over a data folder, from delivered files to published tables; also trials, erasures and alerts.

opened.py opens a data folder to look at it. pipeline.py begins a run, and run.py is the run: ingest, plan, build and
publish. work.py holds what a run makes once for that, written_ahead.py what a second thread does of the publication and
the report, outcome.py is what a run reports, and profile.py measures its stages. delivered_files.py words what commands
say about delivered files.
try_file.py tries one file as it is and with suggested keys, for `try FILE`. trial.py reads it each time in a temporary
folder, and trial_result.py is what came out. suggested_reading.py suggests how to read the file, and header_beside.py
finds a header in a file beside it; sampled_fields.py reads its fields as field_values.py describes them, and
suggested_keys.py suggests the keys: suggestions.py finds the fields of empty columns, suggested_times.py how times are
read, suggested_values.py which values are none and which events have other names, suggested_requests.py the requests in
logs, and suggested_addresses.py the visitor's address. suggested_remarks.py says what no key does.
person.py tells which rows are about a person, held.py finds what is stored about it, and erasure.py erases it.
alerts.py passes problems of runs and checks to the user's command.

cli/ and defs/ call this package; the work itself is in ingest/, build/ and publish/.
"""
