"""The answers in docs/queries.md: what the warehouse of the committed sample says to each query.

Run `python -m session_pipeline_tests.answers` after `session-pipeline run` to write them anew; a test compares.
"""

import re

import duckdb

from session_pipeline import reading
from session_pipeline_tests.documents import ROOT, as_table, blocks

QUERIES = ROOT / "docs" / "queries.md"

_ANSWER = re.compile(r"\A\n*(?:^\|.*\|\n)*\n*", re.MULTILINE)


def with_answers(text: str, warehouse: duckdb.DuckDBPyConnection) -> str:
    """The page with, after each query, its rows as a table."""
    for block in reversed(blocks(text)):
        if block.language == "sql":
            after = _ANSWER.sub("", text[block.end :], count=1)
            text = f"{text[: block.end]}\n\n{answer(warehouse, block.code)}\n{after}"
    return text.rstrip() + "\n"


def answer(warehouse: duckdb.DuckDBPyConnection, sql: str) -> str:
    cursor = warehouse.execute(sql)
    return as_table([column[0] for column in cursor.description or ()], cursor.fetchall())


if __name__ == "__main__":
    with reading.connect(ROOT / "data") as connection:
        QUERIES.write_text(with_answers(QUERIES.read_text(), connection))
