"""Compares or rewrites query results and command output that the documents show for the committed sample.

`python -m session_pipeline_tests.documented_output` rewrites them, after `session-pipeline run`. The comparison is done
in test_docs.py and test_docs_queries.py.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb

from session_pipeline.data_folder import ENVIRONMENT_VARIABLE
from session_pipeline.publish import reader
from session_pipeline_tests.documents import README, ROOT, as_table, blocks

QUERIES = ROOT / "docs" / "queries.md"
OUTPUT_AGAIN = (
    "the document shows other results than this version; if the new ones are right, run session-pipeline run, and then"
    " python -m session_pipeline_tests.documented_output"
)

_ANSWER = re.compile(r"\A\n*(?:^\|.*\|\n)*\n*", re.MULTILINE)


def with_answers(text: str, warehouse: duckdb.DuckDBPyConnection) -> str:
    """Return the text with the result of each query as a table below it."""
    for block in reversed(blocks(text)):
        if block.language == "sql":
            after = _ANSWER.sub("", text[block.end :], count=1)
            text = f"{text[: block.end]}\n\n{answer(warehouse, block.code)}\n{after}"
    return text.rstrip() + "\n"


def answer(warehouse: duckdb.DuckDBPyConnection, sql: str) -> str:
    cursor = warehouse.execute(sql)
    return as_table([column[0] for column in cursor.description or ()], cursor.fetchall())


def with_outputs(text: str, data: Path) -> str:
    """Return the text with, in each block that begins with `$ session-pipeline ...`, the output of that command."""
    for block in reversed(blocks(text)):
        if block.language == "console":
            command = block.code.splitlines()[0]
            text = f"{text[: block.start]}```console\n{command}\n{output(command, data)}```{text[block.end :]}"
    return text


def output(command: str, data: Path) -> str:
    program = Path(sys.executable).with_name("session-pipeline")
    ran = subprocess.run(
        [program, *shlex.split(command)[2:]],
        env={**os.environ, ENVIRONMENT_VARIABLE: str(data)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return "".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines())


if __name__ == "__main__":
    folder = ROOT / "data"
    with reader.connect(folder) as connection:
        QUERIES.write_text(with_answers(QUERIES.read_text(), connection))
    README.write_text(with_outputs(README.read_text(), folder))
