"""One run over a data folder, from delivered files to published tables; also trials and alerts.

pipeline.py runs ingest, plan, build and publish. trial.py reads one file in a temporary folder, for `try FILE`, and
suggestions.py finds the fields that are probably meant for its empty columns. alerts.py passes problems of runs and
checks to the user's command. cli/ and defs/ call this package; the work itself is in ingest/, build/ and publish/.
"""
