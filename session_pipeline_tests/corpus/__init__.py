"""Delivered files of all kinds, including hostile ones, each with the expected result.

`python -m session_pipeline_tests.corpus` ingests each file and prints the results as a table. Reading the files is done
in session_pipeline.ingest; the results are checked in test_corpus.py. Each module contains the files of one kind;
inputs.py contains what they are made with, and results.py ingests them.
"""

from collections.abc import Sequence

from session_pipeline_tests.corpus import (
    access_logs,
    compressed,
    file_names,
    json_lines,
    other_kinds,
    parquet_files,
    separated,
)
from session_pipeline_tests.corpus.inputs import Input

CORPUS: Sequence[Input] = (
    *compressed.inputs(),
    *other_kinds.inputs(),
    *json_lines.inputs(),
    *separated.inputs(),
    *access_logs.inputs(),
    *parquet_files.inputs(),
    *file_names.inputs(),
)
