"""One run over a data folder, from delivered files to published tables; also erasures and alerts.

opened.py opens a data folder to look at it. pipeline.py begins a run, and run.py is the run: ingest, plan, build and
publish. work.py holds what a run makes once for that, written_ahead.py what a second thread does of the publication and
the report, outcome.py is what a run reports, and profile.py measures its stages. delivered_files.py finds what commands
say about delivered files. person.py defines which rows are about a person, held.py finds what is stored about it, and
erasure.py erases it. alerts.py passes problems of runs and checks to the user's command.

trial/ tries one file as a run would read it. cli/ and defs/ call this package; the work itself is in ingest/, build/
and publish/.
"""
