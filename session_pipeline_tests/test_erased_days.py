"""Tests which days of delivered files are found to have erased ids, many files in one query."""

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.engines.connections import private_connection
from session_pipeline.ingest.erasing import erased_days
from session_pipeline.ingest.erasing.erased_days import Day, days_with_erased
from session_pipeline.ingest.erasing.erasures import Erasures
from session_pipeline.ingest.mapping.visitors import VisitorKey
from session_pipeline.tables import table

MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
FIRST, SECOND = "a" * 32, "b" * 32
LINKING = "select *, coalesce(properties ->> 'previousId', '') as previous_id from raw_events"
NOBODY = Erasures(key=VisitorKey(b"k" * 32), linking_events=LINKING)
BOB = {"visitor_id": "bob"}


def files(folder: Path, rows: dict[Day, Sequence[dict[str, Any]]]) -> dict[Day, Sequence[Path]]:
    """Write the events of each day, each into a file of its own, and return the paths."""
    paths: dict[Day, Sequence[Path]] = {}
    for (file_id, day), given in rows.items():
        paths[file_id, day] = [folder / f"{file_id}.{day}.{number}.parquet" for number in range(len(given))]
        for path, row in zip(paths[file_id, day], given, strict=True):
            event = {"file_id": file_id, "event_time": datetime.combine(day, time(23, 59)), **row}
            pq.write_table(pa.Table.from_pylist([event], schema=table("raw_events").schema), path)
    return paths


@pytest.fixture
def query_count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with one entry for each set of files that was read together."""
    count: list[int] = []

    def counting(**config: str | int) -> duckdb.DuckDBPyConnection:
        count.append(1)
        return private_connection(**config)

    monkeypatch.setattr(erased_days, "private_connection", counting)
    return count


@pytest.mark.parametrize(
    ("erasures", "row"),
    [
        (NOBODY.with_visitor("main", "ann"), {"visitor_id": "ann"}),
        (NOBODY.with_visitor(None, "ann"), {"visitor_id": "ann"}),
        (NOBODY.with_user("main", "u1"), {"visitor_id": "bob", "user_id": "u1"}),
        (NOBODY.with_visitor("main", "ann"), {"visitor_id": "bob", "properties": '{"previousId": "ann"}'}),
        (NOBODY.with_user("main", "u1"), {"visitor_id": "bob", "properties": '{"previousId": "u1"}'}),
    ],
)
def test_day_of_an_erased_id_is_found(
    tmp_path: Path, query_count: list[int], erasures: Erasures, row: dict[str, str]
) -> None:
    others = [(FIRST, MONDAY), (SECOND, MONDAY), (SECOND, TUESDAY)]
    paths = files(tmp_path, {**{day: [BOB] for day in others}, (FIRST, TUESDAY): [BOB, row]})
    assert days_with_erased(paths, erasures, "main") == {(FIRST, TUESDAY)}
    assert len(query_count) == 1
    assert days_with_erased({day: paths[day] for day in others}, erasures, "main") == set()


def test_id_of_another_kind_or_site_is_not_found(tmp_path: Path) -> None:
    paths = files(tmp_path, {(FIRST, MONDAY): [{"visitor_id": "ann", "user_id": "u1"}]})
    assert days_with_erased(paths, NOBODY.with_visitor("main", "u1").with_user("main", "ann"), "main") == set()
    assert days_with_erased(paths, NOBODY.with_visitor("second", "ann"), "main") == set()


def test_all_files_read_together_with_a_damaged_one_are_returned(
    tmp_path: Path, query_count: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erased_days, "MOST_FILES_TOGETHER", 2)
    days = [date(2026, 10, day) for day in range(1, 6)]
    paths = files(tmp_path, {(FIRST, day): [BOB] for day in days})
    paths[FIRST, days[2]][0].write_bytes(b"damaged")
    paths[FIRST, days[4]][0].unlink()
    found = days_with_erased(paths, NOBODY.with_visitor("main", "ann"), "main")
    assert found == {(FIRST, day) for day in days[2:]}
    assert len(query_count) == 3


def test_files_that_are_large_are_not_read_together(
    tmp_path: Path, query_count: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erased_days, "MOST_BYTES_TOGETHER", 1)
    paths = files(tmp_path, {(FIRST, MONDAY): [BOB], (SECOND, MONDAY): [BOB, {"visitor_id": "ann"}]})
    assert days_with_erased(paths, NOBODY.with_visitor("main", "ann"), "main") == {(SECOND, MONDAY)}
    assert len(query_count) == 3


@pytest.mark.parametrize("other", [{"file_id": "c" * 32}, {"event_time": datetime.combine(TUESDAY, time())}])
def test_erased_id_in_a_row_of_another_file_or_day_is_not_missed(tmp_path: Path, other: dict[str, Any]) -> None:
    paths = files(tmp_path, {(FIRST, MONDAY): [{"visitor_id": "ann", **other}], (SECOND, MONDAY): [BOB]})
    assert days_with_erased(paths, NOBODY.with_visitor("main", "ann"), "main") == set(paths)
