"""Tests that a short file has the same bytes however its rows were computed, and that its rows can be read."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from session_pipeline.engines import short_files
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.engines.duckdb_files import Statistics, write_days
from session_pipeline.tables import table

SESSIONS = table("session_outcomes")
FIRST = date(2026, 5, 1)
COUNTS = (0, 1, short_files.MOST_ROWS_FOR_SNAPPY, short_files.MOST_ROWS_FOR_SNAPPY + 1, short_files.MOST_ROWS + 1)
DAYS = [FIRST + timedelta(days=number) for number in range(len(COUNTS))]


def value_of(name: str, sql_type: str) -> str:
    """Return SQL of a value of a column for the row with the number i; every fifth value of other columns is null."""
    if name in SESSIONS.key:
        return "printf('%032d', i)"
    value = {
        "VARCHAR": "'some text ' || i % 7",
        "BIGINT": "i",
        "DOUBLE": "i / 8",
        "BOOLEAN": "i % 2 = 0",
        "TIMESTAMP": "timestamp '2026-05-01 10:00:00.000001' + i * interval 1 second",
        "DECIMAL(18,6)": "i * 1.000001",
        "DECIMAL(38,6)": "i * 1.000001",
    }[sql_type]
    return f"case when i % 5 <> 0 then {value} end"


def rows_of(days: list[date]) -> str:
    columns = ", ".join(f"{value_of(column.name, column.type)} as {column.name}" for column in SESSIONS.columns)
    counted = dict(zip(DAYS, COUNTS, strict=True))
    selects = [f"select date '{day}' as session_date, {columns} from range({counted[day]}) as n (i)" for day in days]
    return " union all ".join(selects)


def written(folder: Path, days: list[date], threads: int) -> dict[date, bytes]:
    folder.mkdir()
    engine = DuckDBEngine(Limits(threads=threads), folder)
    paths = {day: folder / f"{day}.parquet" for day in days}
    if len(days) == 1:
        with engine.job() as job:
            job.write(SESSIONS, f"select * exclude session_date from ({rows_of(days)})", paths[days[0]])
    else:
        counts = write_days(engine.connection, Statistics(), SESSIONS, rows_of(days), paths)
        assert counts == {day: dict(zip(DAYS, COUNTS, strict=True))[day] for day in days}
    engine.close()
    return {day: path.read_bytes() for day, path in paths.items()}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[date, bytes]:
    return written(tmp_path_factory.mktemp("days") / "together", DAYS, 2)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("threads", [1, 2])
def test_day_alone_has_the_same_bytes(day: date, threads: int, together: dict[date, bytes], tmp_path: Path) -> None:
    assert written(tmp_path / "alone", [day], threads)[day] == together[day]


def test_days_of_another_stretch_have_the_same_bytes(together: dict[date, bytes], tmp_path: Path) -> None:
    assert written(tmp_path / "other", DAYS[1:4], 1) == {day: together[day] for day in DAYS[1:4]}


@pytest.mark.parametrize(("day", "count"), [*zip(DAYS, COUNTS, strict=True)])
def test_rows_can_be_read(day: date, count: int, together: dict[date, bytes], tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(together[day])
    schema = pq.read_schema(path)
    assert (schema.names, schema.types) == (SESSIONS.schema.names, SESSIONS.schema.types)
    with duckdb.connect() as connection:
        ordered = f"select * exclude session_date from ({rows_of([day])}) order by {', '.join(SESSIONS.order)}"
        names = ", ".join(SESSIONS.schema.names)
        expected = connection.execute(f"select {names} from ({ordered})").fetchall()
        assert connection.execute(f"from read_parquet('{path}')").fetchall() == expected
    assert len(expected) == count


def test_compression_depends_on_the_rows_alone(together: dict[date, bytes], tmp_path: Path) -> None:
    used = []
    for day in DAYS[1:4]:
        path = tmp_path / f"{day}.parquet"
        path.write_bytes(together[day])
        used.append(pq.read_metadata(path).row_group(0).column(0).compression)
    assert used == ["SNAPPY", "SNAPPY", "ZSTD"]
