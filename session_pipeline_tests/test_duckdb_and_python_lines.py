"""Tests that DuckDB and Python divide a file into the same lines."""

from collections.abc import Sequence

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from session_pipeline.ingest.admission import admit as admission
from session_pipeline.ingest.formats.separated import MOST_COLUMNS_OF_DUCKDB
from session_pipeline.ingest.reading import lines as line_reading
from session_pipeline_tests.ingesting import Ingest, as_csv
from session_pipeline_tests.reliability.figures import effort

Line = tuple[str | None, str | None, str | None]


def both_ways(ingest: Ingest, content: bytes, name: str) -> tuple[list[Line], list[Line]] | None:
    """Return the lines as read by DuckDB and by Python; None if the pipeline would not read the file with DuckDB."""
    admitted = ingest.admit(ingest.deliver(content, name))
    lines = line_reading.lines_by_duckdb(admitted)
    if lines is None:
        return None
    try:
        by_duckdb = ingest.connection.sql(lines.select).fetchall()
    except duckdb.InvalidInputException:
        return None
    if len(by_duckdb) != lines.row_count:
        return None
    select = line_reading.lines_by_python(admitted, ingest.scratch / "lines.parquet").select
    return by_duckdb, ingest.connection.sql(select).fetchall()[lines.first_line_number - 1 :]


FIELD = st.text(st.sampled_from('ab "\\;\x01é😀'), max_size=4)
ROWS = st.lists(st.tuples(FIELD, FIELD), max_size=4)
LOOSE = st.text(st.sampled_from('ab ,"\n\r\t;'), max_size=20)
CONTENT = {
    "a.csv": (
        ROWS.map(lambda rows: as_csv(("x", "y"), *rows))
        | ROWS.map(lambda rows: joined(",", ("x", "y"), *rows))
        | LOOSE.map(lambda text: "x,y\n" + text)
    ),
    "spaced.csv": ROWS.map(lambda rows: joined(", ", ("x", "y"), *rows)) | LOOSE.map(lambda text: "x, y\n" + text),
    "spaced.tsv": ROWS.map(lambda rows: joined("\t ", ("x", "y"), *rows)) | LOOSE.map(lambda text: "x\t y\n" + text),
    "a.tsv": ROWS.map(lambda rows: joined("\t", ("x", "y"), *rows)) | LOOSE.map(lambda text: "x\ty\n" + text),
    "a.jsonl": LOOSE | st.lists(st.sampled_from(['{"a":1}', "", " ", "\t", '"', "é"])).map("\n".join),
}


def joined(delimiter: str, *rows: Sequence[str]) -> str:
    return "\n".join(delimiter.join(row) for row in rows)


@pytest.mark.parametrize(
    "name", [name if name in ("a.csv", "a.jsonl") else pytest.param(name, marks=pytest.mark.long) for name in CONTENT]
)
def test_duckdb_and_python_read_the_same_lines(
    module_ingest: Ingest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared_count = 0
    monkeypatch.setattr(admission, "other_kind", lambda file, format: None)  # also compare files of other kinds

    @hypothesis_settings(max_examples=60 * effort(), deadline=None)
    @given(text=CONTENT[name])
    def compare(text: str) -> None:
        nonlocal compared_count
        lines = both_ways(module_ingest, text.encode(), name)
        if lines is not None:
            compared_count += 1
            assert lines[0] == lines[1]

    compare()
    assert compared_count > 20


@pytest.mark.parametrize(
    ("column_count", "is_read"), [(MOST_COLUMNS_OF_DUCKDB, True), (MOST_COLUMNS_OF_DUCKDB + 1, False)]
)
def test_file_with_very_many_columns_is_read_by_python(module_ingest: Ingest, column_count: int, is_read: bool) -> None:
    names = [f"c{number}" for number in range(column_count)]
    found = both_ways(module_ingest, as_csv(names, names).encode(), "wide.csv")
    assert (found is not None) == is_read
    assert found is None or found[0] == found[1]
