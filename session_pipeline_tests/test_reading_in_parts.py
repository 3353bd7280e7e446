"""Tests that the parts in which a large file is read, and the number of threads, change no row and no byte."""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.admission.admit import admit
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.shapes import MOST_OTHERS, known_shapes
from session_pipeline.ingest.reading import day_files, read_large, small_files, work
from session_pipeline.ingest.reading.result import Reading
from session_pipeline.ingest.reading.stream import one_behind, parts_of_rows
from session_pipeline.tables import table
from session_pipeline_tests.ingesting import read_file

PLAIN_TIMES = ("2026-10-05T10:00:00Z", "2026-10-06 11:00:00", "2026-10-05T10:00:00.25+02:00", "1791194400")
OTHER_TIMES = ("2026-10-05t10:00:60z", "2026-10-05 10:00+02", "2026-10-05", "yesterday", "2019-12-31T00:00:00Z")
VALUES = (None, "", 0, 1e5, 1.10, [None], {}, {"a": None, "b": {"c": None}}, {"language": 1}, "null", "{", "é\\")
BROKEN = ("{", "", " \t", "[]", '{"a": NaN}', '{"a": 1,}', '{"a": 1, "a": 2}', "12", '{"visitor_id": "v"}')


def event(chance: random.Random, number: int) -> str:
    """A line in one of a few shapes, with hostile values."""
    if chance.random() < 0.05:
        return chance.choice(BROKEN)
    fields: dict[str, Any] = {
        "visitor_id": f"v{number % 50}",
        "event_time": chance.choice(PLAIN_TIMES if chance.random() < 0.9 else OTHER_TIMES),
        "event_name": "page_view",
        "page_url": chance.choice((None, "https://u@shop.example/a?utm_source=x&q=b#c", "/rel")),
        "referrer": chance.choice((None, "", "https://t.co/")),
    }
    if number % 3 == 0:
        fields |= {"event_id": f"e{number}", "value": chance.choice((None, "", 1, "x")), "language": "de"}
    if number % 2:
        fields |= {"properties": chance.choice(VALUES), "$browser": chance.choice(VALUES)}
    if number % 17 == 0:
        fields |= {"q'\"é": chance.choice(VALUES), "Visitor_ID": chance.choice(VALUES)}
    line = json.dumps(fields, ensure_ascii=number % 2 == 0)
    return line.replace('"language": 1', '"language": 1, "language": 2') if number % 5 == 0 else line


@pytest.fixture(autouse=True)
def files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this module are read as those of more than 2 MiB."""
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", 256 << 10)


@pytest.mark.long
def test_wide_lines_that_are_changed_need_little_memory(tmp_path: Path) -> None:
    """Lines of 130 fields, of which six are texts with JSON."""
    fields = {f"field_{number}": "" for number in range(120)}
    context = {
        f"text_{number}": json.dumps({"schema": "iglu:a/b/jsonschema/1-0-0", "data": {"id": 1}}) for number in range(6)
    }
    usual = {"visitor_id": "v", "event_name": "n", "event_time": "2026-10-05T10:00:00Z", **fields, **context}
    lines = [json.dumps({"event_id": f"e{number}", **usual}) for number in range(6_000)]
    found = read(tmp_path, lines, memory_limit="700MB", json_fields=tuple(context))
    [day] = found.days
    assert pq.read_table(day.path).column("event_id").to_pylist() == [f"e{number}" for number in range(6_000)]


@pytest.mark.long
def test_long_lines_need_little_memory(tmp_path: Path) -> None:
    """Lines of 10 kB with 150 fields."""
    fields = {f"field_{number}": f"{number} " + "x" * 50 for number in range(150)}
    usual = {"visitor_id": "v", "event_name": "n", "event_time": "2026-10-05T10:00:00Z", **fields}
    lines = [json.dumps({"event_id": f"e{number}", **usual}) for number in range(5_000)]
    found = read(tmp_path, lines, memory_limit="300MB")
    [day] = found.days
    assert pq.read_table(day.path).column("event_id").to_pylist() == [f"e{number}" for number in range(5_000)]


@pytest.fixture
def lines() -> list[str]:
    chance = random.Random(1)
    found = [event(chance, number) for number in range(2_500)]
    return [*found, *found[:500]]  # events without an id are numbered, also across parts


def read(folder: Path, lines: Sequence[str], *, threads: int = 2, memory_limit: str = "4GB", **rules: Any) -> Reading:
    """Read the lines as one large file."""
    path = folder / "raw" / "web" / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), errors="surrogateescape")
    assert path.stat().st_size > small_files.LARGEST_SMALL_BYTES
    scratch = folder / "scratch"
    scratch.mkdir()
    with duckdb.connect(config={"threads": threads, "memory_limit": memory_limit}) as connection:
        connection.execute("set timezone = 'UTC'")
        admitted = admit(path, root=folder / "raw", source="web", format=None, scratch=scratch)
        found = read_file(admitted, ReadingRules("web", datetime(2020, 1, 1), **rules), connection, scratch)
    expected = {day.path for day in found.days} | ({found.quarantine_path} - {None})
    assert set(scratch.iterdir()) == expected
    return found


def rows(found: Reading) -> tuple[Mapping[date, pa.Table], pa.Table]:
    """The rows of each date, and the quarantined lines."""
    assert found.quarantine_path is not None
    days = {day.utc_date: pq.read_table(day.path) for day in found.days}
    return days, pq.read_table(found.quarantine_path)


def figures(found: Reading) -> list[object]:
    days = [(day.utc_date, day.row_count, day.quarters) for day in found.days]
    return [found.accepted_count, found.reasons, found.mapping, found.first_event_time, found.last_event_time, days]


@pytest.mark.long
@pytest.mark.parametrize("rules", [{}, {"json_fields": ("properties", "$browser")}], ids=["as they are", "changed"])
def test_number_of_threads_changes_no_byte(
    rules: Mapping[str, Any], tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_large, "MOST_ROWS_OF_PART", 700)
    monkeypatch.setattr(work, "CHANGED_LINES_AT_ONCE", 50)
    contents = []
    for threads in (1, 2, 4):
        found = read(tmp_path / str(threads), lines, threads=threads, **rules)
        contents.append([path.read_bytes() for path in sorted(found_paths(found))])
    assert contents[0] == contents[1] == contents[2]


def found_paths(found: Reading) -> list[Path]:
    assert found.quarantine_path is not None
    return [*(day.path for day in found.days), found.quarantine_path]


@pytest.mark.long
@pytest.mark.parametrize("part_rows", [1, 333, 2_999])
def test_parts_change_no_row(tmp_path: Path, lines: list[str], part_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = lines if part_rows > 1 else [*lines[:40], *(" " * 60_000 for _ in range(5))]
    whole = read(tmp_path / "whole", lines)
    monkeypatch.setattr(read_large, "MOST_ROWS_OF_PART", part_rows)
    parts = read(tmp_path / "parts", lines)
    assert rows(parts) == rows(whole)
    assert figures(parts) == figures(whole)


@pytest.mark.long
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"columns": {"properties": "$browser"}},
        {"columns": {"user_id": "language", "page_title": "properties.b"}},
        {"columns": {"properties": "properties.b"}},
        {"constants": {"properties": '{"a":null,"b":1}', "currency": "EUR"}},
        {"drop_properties": ("language", "*a")},
        {"timezone": "Europe/Berlin"},
    ],
    ids=str,
)
def test_known_shapes_change_no_row(
    tmp_path: Path, lines: list[str], rules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = read(tmp_path / "fast", lines, **rules)
    monkeypatch.setattr(read_large, "SAMPLE", {"sampled_lines": 0, "most_shapes": 0})
    slow = read(tmp_path / "slow", lines, **rules)
    assert rows(fast) == rows(slow)
    assert figures(fast) == figures(slow)


@pytest.mark.long
def test_file_of_more_dates_than_open_files(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    starts = [datetime(2026, 1, 1) + timedelta(days=number % 20, seconds=number) for number in range(4_000)]
    many = [
        json.dumps({"visitor_id": "v", "event_name": "n", "event_time": f"{start}", "x": "y" * 20}) for start in starts
    ]
    whole = read(tmp_path / "whole", [*many, "{"])
    monkeypatch.setattr(day_files, "MOST_OPEN_FILES", 3)
    monkeypatch.setattr(read_large, "MOST_ROWS_OF_PART", 999)
    pieces = read(tmp_path / "pieces", [*many, "{"])
    assert len(pieces.days) == 20
    assert rows(pieces) == rows(whole)


@pytest.mark.long
def test_bytes_that_duckdb_cannot_read_after_some_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_large, "SAMPLE", {"sampled_lines": 1, "most_shapes": 1})
    monkeypatch.setattr(read_large, "MOST_ROWS_OF_PART", 20_000)
    good = '{"visitor_id": "v", "event_name": "n", "event_time": "2026-10-05T10:00:00Z"}'
    found = read(tmp_path, [good] * 150_000 + ["\udcff"] + [good] * 5)
    assert (found.accepted_count, found.reasons) == (150_005, {"invalid_utf8": 1})
    _, quarantined = rows(found)
    assert quarantined.column("line_number").to_pylist() == [150_001]
    [day] = found.days
    raw = pq.read_table(day.path)
    assert raw.column("line_number").to_pylist() == [*range(1, 150_001), *range(150_002, 150_007)]
    content_hash = md5(good.encode()).hexdigest()
    expected = [md5(f"{content_hash}|{number}".encode()).hexdigest() for number in range(1, 150_006)]
    assert raw.column("event_id").to_pylist() == expected  # not counted again when the file is read again


@pytest.mark.parametrize(
    ("select", "error"),
    [
        ("select error('no') from range(300000) as numbers (i) where i > 200000", duckdb.InvalidInputException),
        (
            "select repeat('x', 1000) || i as x from range(1000000) as numbers (i) order by hash(i)",
            duckdb.OutOfMemoryException,
        ),
        ("select cast(i || 'x' as integer) as x from range(300000) as numbers (i)", duckdb.Error),
    ],
)
def test_errors_of_a_query_keep_their_class(select: str, error: type[duckdb.Error]) -> None:
    with duckdb.connect(config={"memory_limit": "60MB", "temp_directory": ""}) as connection, pytest.raises(error):
        list(parts_of_rows(connection.sql(select), 1_000))


@pytest.mark.long
@pytest.mark.parametrize(
    ("failing", "error"),
    [("error('no')", duckdb.InvalidInputException), ("repeat('x', 100000000)", duckdb.OutOfMemoryException)],
)
def test_errors_of_the_rows_that_a_query_reads_keep_their_class(failing: str, error: type[duckdb.Error]) -> None:
    select = f"select if(i = 5000, {failing}, 'x') as x from range(300000) as numbers (i)"
    with duckdb.connect(config={"memory_limit": "60MB"}) as connection, connection.cursor() as giver:
        connection.register("given", giver.sql(select).to_arrow_reader(100))
        with pytest.raises(error):
            list(parts_of_rows(connection.sql("select x || 'y' as y from given"), 1_000))


def test_work_behind_is_done_in_the_order_of_the_calls() -> None:
    done: list[int] = []
    with one_behind(done.append) as append:
        for number in range(20):
            append(number)
            assert done[: number - 1] == list(range(number))[: number - 1]  # all but the last are done
    assert done == list(range(20))


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_error_of_work_behind_is_raised_and_ends_it(failing: int) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == failing:
            raise OSError("no space left")
        done.append(number)

    def all_calls() -> None:
        with one_behind(work) as call:
            for number in range(3):
                call(number)

    with pytest.raises(OSError, match="no space left"):
        all_calls()
    assert done == list(range(failing))


def test_rows_have_the_columns_of_the_contract(tmp_path: Path, lines: list[str]) -> None:
    days, quarantined = rows(read(tmp_path, lines))
    assert {each.schema for each in days.values()} == {table("raw_events").schema}
    assert quarantined.schema == table("quarantined_lines").schema


def test_shapes_that_can_be_read_fast() -> None:
    shapes = [["a", "b"], ["a", "x", "y"], ["a", "y", "z"], ["y", "x"], ["a", "a"], ["a", "é"], ["a", "A"]]
    known = known_shapes(shapes, {"a", "b"}, {"a": "a", "b": "b"}, can_have_others=True)
    assert known.of_columns == [["a", "b"]]
    assert known.with_others == [["a", "x", "y"], ["a", "y", "z"]]
    assert known.others == ["x", "y", "z"]
    assert known_shapes(shapes, {"a"}, {"a": "a"}, can_have_others=False).with_others == []


def test_shapes_with_very_many_keys_are_read_key_by_key() -> None:
    """For a file of 5,000 columns, a struct of all keys takes twice the time and three times the memory."""
    most = [f"k{number}" for number in range(MOST_OTHERS)]
    shapes = [[*most, "a"], [*most, "one_more"], ["a", "one_more"]]
    known = known_shapes(shapes, {"a"}, {"a": "a"}, can_have_others=True)
    assert (known.with_others, known.others) == ([[*most, "a"]], most)


def test_lines_of_many_shapes_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB makes a join of a comparison with many constants, such as the shapes, and joins do not keep the order."""
    plans = []

    def recorded(relation: duckdb.DuckDBPyRelation, most_rows: int) -> Any:
        plans.append(relation.explain())
        return parts_of_rows(relation, most_rows)

    monkeypatch.setattr(read_large, "parts_of_rows", recorded)
    fields = [f"field_{number}" for number in range(12)]
    lines = [
        json.dumps(
            {
                "visitor_id": f"v{number % 50}",
                "event_time": PLAIN_TIMES[0],
                "event_name": "page_view",
                "event_id": f"e{number}",
                **dict.fromkeys(fields[: number % 12], "x" * 40),
            }
        )
        for number in range(30_000)
    ]
    names = ", ".join(f"'{name}'" for name in fields)
    found = read(tmp_path, lines, expressions={"element": f"case when event_name not in ({names}) then 'y' end"})
    [day] = found.days
    rows = pq.read_table(day.path, columns=["line_number", "event_id"], partitioning=None).to_pylist()
    assert len(plans) == 1
    assert "projection" in plans[0].lower()
    assert "join" not in plans[0].lower()
    assert [row["event_id"] for row in rows] == [f"e{row['line_number'] - 1}" for row in rows]
