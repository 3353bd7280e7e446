"""Tests the Spark engine: every case folder, part files, its errors. test_parity.py compares whole builds.

`pytest -m "spark and not long"` is the short part.
"""

import importlib.util
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_files import write_files
from session_pipeline.engines.spark_sql import for_spark
from session_pipeline.errors import MissingExtraError, SettingsError
from session_pipeline.settings import parse_settings
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.store.part_files import files_at
from session_pipeline.tables import Table, table
from session_pipeline_tests import test_cases as cases
from session_pipeline_tests.parity.builds import CASE_CONF

needs_spark = pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="PySpark is not installed")
# PySpark warns of pandas 3, which the engine does not use.
quiet = pytest.mark.filterwarnings("ignore")
SHORT = ("events", "sessions", "session_outcomes", "funnel_entries", "typical_paths", "visitor_days")


def settings_of(master: str) -> EngineSettings:
    return EngineSettings(kind="spark", master=master, remote="", conf=CASE_CONF)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    with closing(SparkEngine(settings_of("local[2]"), tmp_path_factory.mktemp("spark"))) as engine:
        yield engine


def check_case(folder: Path, engine: SparkEngine, scratch: Path) -> None:
    case = cases.read_case(folder)
    expected = case.expected
    found = cases.run_case(case, engine, cases.write_inputs(case, scratch), expected, scratch)
    cases.compare(found, expected, f"{folder.parent.name}/{folder.name}")


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.parametrize("name", SHORT)
def test_one_case_of_a_table(name: str, engine: SparkEngine, tmp_path: Path) -> None:
    check_case(min(folder for folder in cases.FOLDERS if folder.parent.name == name), engine, tmp_path)


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize("folder", cases.FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_case(folder: Path, engine: SparkEngine, tmp_path: Path) -> None:
    check_case(folder, engine, tmp_path)


DAYS = (date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4))


def rows_of_days(contract: Table, count: int) -> pa.Table:
    """Rows of three days in order; the second day has half as many."""
    schema = pa.schema([*contract.schema, pa.field("_day", pa.date32())])
    counts = {DAYS[0]: count, DAYS[1]: count // 2, DAYS[2]: count}
    rows = [
        dict.fromkeys(contract.schema.names) | {"event_id": f"{number:05}", "_day": day}
        for day in DAYS
        for number in range(counts[day])
    ]
    return pa.Table.from_pylist(rows, schema)


def in_folder(folder: Path) -> dict[date | None, Path]:
    folder.mkdir()
    return {day: folder / f"{day}.parquet" for day in DAYS}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet") if path.is_file()}


def test_writer_cuts_rows_where_the_day_changes(tmp_path: Path) -> None:
    contract = table("recent_event_ids")
    batches = rows_of_days(contract, 6).to_batches(max_chunksize=4)
    write = write_files(contract, in_folder(tmp_path / "files"))
    counts = [row for batch in write(iter(batches)) for row in batch.to_pylist()]
    assert counts == [{"day": day, "row_count": count} for day, count in zip(DAYS, (6, 3, 6), strict=True)]
    assert sorted(contents(tmp_path / "files")) == [f"{day}.parquet" for day in DAYS]


@pytest.mark.parametrize("rows_of_batch", [1, 3, 7, 50])
def test_parts_follow_from_the_rows_and_not_from_batches(rows_of_batch: int, tmp_path: Path) -> None:
    contract = table("recent_event_ids")
    batches = rows_of_days(contract, 10).to_batches(max_chunksize=rows_of_batch)
    write = write_files(contract, in_folder(tmp_path / "files"), part_rows=5)
    for _ in range(2):  # as if the task ran again
        assert [row["row_count"] for batch in write(iter(batches)) for row in batch.to_pylist()] == [10, 5, 10]
    found = contents(tmp_path / "files")
    assert sorted(found) == sorted(
        ["2026-01-02.parquet", *(f"{day}.parquet/0000{number}.parquet" for day in DAYS[::2] for number in (0, 1))]
    )
    last = pq.read_table(tmp_path / "files" / "2026-01-01.parquet" / "00001.parquet")
    assert last.column("event_id").to_pylist() == [f"{number:05}" for number in range(5, 10)]


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.parametrize("part_rows", [70, 1_000_000])
def test_many_tasks_write_the_bytes_of_one(
    part_rows: int, engine: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = table("recent_event_ids")
    rows = rows_of_days(contract, 500)
    files = []
    monkeypatch.setattr(engine, "part_rows", part_rows)
    paths = in_folder(tmp_path / "files")
    for large_day_bytes in (0, 10**9):  # the second writes over the first, as when a run builds a day twice
        monkeypatch.setattr(engine, "large_day_bytes", large_day_bytes)
        with engine.job() as job:
            job.add_rows("given", rows.take(pa.array(random.Random(1).sample(range(len(rows)), len(rows)))))
            names = ", ".join(contract.schema.names)
            counts = job.write_days(contract, f"select {names}, _day as event_date from given", paths)
        assert counts == dict(zip(DAYS, (500, 250, 500), strict=True))
        assert [sum(file.row_count for file in files_at(paths[day], counts[day])) for day in DAYS] == [500, 250, 500]
        files.append(contents(tmp_path / "files"))
    assert files[0] == files[1]
    assert len(files[0]) == (8 + 4 + 8 if part_rows == 70 else 3)


def test_lists_begin_at_one_and_patterns_match_as_a_whole() -> None:
    for index in ("1", "-1", "n", "n + 1", "cast(n as bigint)", "length(x)"):
        found = for_spark(f"select pages[{index}] as page from e").upper().replace(" + 0", "")
        assert f"TRY_ELEMENT_AT(PAGES, {index.upper()})" in found
    assert "', 0)" in for_spark("select regexp_extract(a, '(b)c') as x from events")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('kind = "spark"', "neither master nor remote"),
        ('kind = "spark"\nmaster = "local"\nremote = "sc://a"', "master and remote"),
        ('conf = { "executor.memory" = "1g" }', "begin with 'spark.'"),
        ('conf = { "spark.sql.ansi.enabled" = "false" }', "rows depend on it"),
        ('kind = "flink"', "engine.kind"),
    ],
)
def test_wrong_settings_are_errors(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        parse_settings(f"[engine]\n{text}\n", "settings.toml")


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install session_pipeline\[spark\]"):
        SparkEngine(settings_of("local"), tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingExtraError, match="Java 17"):
        SparkEngine(settings_of("local"), tmp_path)


def test_pyspark_is_imported_only_for_spark() -> None:
    code = "import sys, session_pipeline.run.pipeline; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
