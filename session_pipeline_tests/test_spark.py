"""Tests the Spark engine: every case folder, part files, checks. test_parity.py compares whole builds.

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
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from session_pipeline.checks import CHECKS, Check, Verdict
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.engines.short_files import MOST_ROWS, MOST_ROWS_FOR_SNAPPY
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_files import write_empty, write_files
from session_pipeline.engines.spark_jobs import Job
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.store.part_files import files_at
from session_pipeline.tables import Table, table
from session_pipeline_tests import test_cases as cases
from session_pipeline_tests.checked_stores import DAY, change, opened
from session_pipeline_tests.deployment import Deployment
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
def test_rows_of_one_case_per_table_equal_the_expected_csv(name: str, engine: SparkEngine, tmp_path: Path) -> None:
    check_case(min(folder for folder in cases.FOLDERS if folder.parent.name == name), engine, tmp_path)


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize("folder", cases.FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_rows_of_every_case_equal_the_expected_csv(folder: Path, engine: SparkEngine, tmp_path: Path) -> None:
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
@pytest.mark.parametrize(("part_rows", "rows_of_file"), [(70, "0"), (1_000_000, "0"), (70, "60")])
def test_many_tasks_write_the_bytes_of_one(
    part_rows: int, rows_of_file: str, engine: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.session.conf.set("spark.sql.files.maxRecordsPerFile", rows_of_file)  # a cluster can have this default
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
    engine.session.conf.unset("spark.sql.files.maxRecordsPerFile")
    assert files[0] == files[1]
    assert len(files[0]) == (8 + 4 + 8 if part_rows == 70 else 3)


@pytest.mark.parametrize("count", [0, 7, MOST_ROWS_FOR_SNAPPY + 1, MOST_ROWS, MOST_ROWS + 1])
def test_files_have_the_bytes_of_the_other_engine(count: int, tmp_path: Path) -> None:
    contract = table("recent_event_ids")
    rows = rows_of_days(contract, count).filter(pa.compute.field("_day") == DAYS[0])
    with closing(DuckDBEngine(Limits(threads=1), tmp_path)) as engine, engine.job() as job:
        job.add_rows("given", rows.drop_columns("_day"))
        job.write(contract, "select * from given", tmp_path / "one.parquet")
    for _ in write_files(contract, {DAYS[0]: tmp_path / "other.parquet"})(iter(rows.to_batches(max_chunksize=3000))):
        pass
    if not count:
        write_empty(contract, tmp_path / "other.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()


@quiet
@needs_spark
@pytest.mark.spark
def test_one_large_day_among_small_ones_is_written_by_several_tasks(
    engine: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = table("recent_event_ids")
    rows = rows_of_days(contract, 500)
    paths, calls = in_folder(tmp_path / "files"), []
    write_in_tasks = Job._write_in_tasks
    monkeypatch.setattr(Job, "_write_in_tasks", lambda *given: (calls.append(given), write_in_tasks(*given))[1])
    given = []
    for day, count in zip(DAYS, (1, 500, 2), strict=True):
        given.append(tmp_path / f"event_date={day}" / "data.parquet")
        given[-1].parent.mkdir()
        pq.write_table(rows.slice(0, count).drop_columns("_day"), given[-1])
    monkeypatch.setattr(engine, "large_day_bytes", given[1].stat().st_size)
    with engine.job() as job:
        job.add_input(contract, given, with_date=True)
        counts = job.write_days(contract, "select * from recent_event_ids", paths)
    assert counts == dict(zip(DAYS, (1, 500, 2), strict=True))
    assert len(calls) == 1


@quiet
@needs_spark
@pytest.mark.spark
def test_tables_without_rows_keep_their_types_and_cost_no_task(engine: SparkEngine) -> None:
    contract = table("sessions")
    with engine.job() as job:
        job.add_input(contract, [], with_date=True)
        job.add_rows("none", pa.Table.from_pylist([], contract.schema))
        found = job.rows("select * from sessions")
        plan = engine.session.sql("select s.session_id from sessions as s join none using (session_id)")
    schema = contract.schema
    if contract.date_column not in schema.names:
        schema = schema.append(pa.field(str(contract.date_column), pa.date32()))
    assert found.schema.equals(schema)
    assert len(found) == 0
    assert "LocalRelation <empty>" in plan._jdf.queryExecution().optimizedPlan().toString()


@quiet
@needs_spark
@pytest.mark.spark
def test_older_files_with_a_narrower_type_are_read_and_others_are_an_error(engine: SparkEngine, tmp_path: Path) -> None:
    counts = {"narrower": pa.array([1, None], pa.int32()), "text": pa.array(["1", None])}
    for name, values in counts.items():
        pq.write_table(pa.table({"event_count": values}), tmp_path / f"{name}.parquet")
    query = "select event_count, site from sessions"
    with engine.job() as job:
        job.add_input(table("sessions"), [tmp_path / "narrower.parquet"])
        found = job.rows(query)
        job.add_input(table("sessions"), [tmp_path / "text.parquet"])
        with pytest.raises(Exception, match=r"(?s)DATA_TYPE_MISMATCH.*text\.parquet.*event_count"):
            job.rows(query)
    assert found.schema.field("event_count").type == pa.int64()
    assert found.to_pylist() == [{"event_count": 1, "site": None}, {"event_count": None, "site": None}]


def verdict_of(check: Check, deployment: Deployment, engine: SparkEngine | None = None) -> tuple[Verdict, list[str]]:
    """Return the verdict of a check over all days, and its problems, if Spark or DuckDB runs the models."""
    with opened(deployment) as run:
        if engine is not None:
            run.model_engine = engine
        verdict = check.run(run, run.planner.frame.wanted)
    return verdict, list(verdict.problems)


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_verdict_of_every_check_is_that_of_the_other_engine(
    check: Check, engine: SparkEngine, four_weeks: Deployment
) -> None:
    assert verdict_of(check, four_weeks, engine) == verdict_of(check, four_weeks)


@quiet
@needs_spark
@pytest.mark.spark
def test_audit_on_spark_finds_different_rows(engine: SparkEngine, four_weeks: Deployment, tmp_path: Path) -> None:
    deployment = four_weeks.copied_to(tmp_path / "data")
    change(deployment, "events", "select * replace ('elsewhere' as page_host) from events")
    [audit] = [check for check in CHECKS if check.name == "audit_recompute"]
    verdict, _ = verdict_of(audit, deployment, engine)
    assert verdict.sentence == f"{DAY}: events has different rows when it is recomputed"


IN_A_COMMAND = """
import sys
from contextlib import closing
from pathlib import Path
import pyarrow as pa
from session_pipeline.cli import _WithoutPandas
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.tables import table

sys.meta_path.insert(0, _WithoutPandas())
pa.array([1])
assert "pandas" not in sys.modules
folder, contract = Path(sys.argv[1]), table("recent_event_ids")
settings = EngineSettings(kind="spark", master="local[1]", remote="", conf={})
with closing(SparkEngine(settings, folder)) as engine, engine.job() as job:
    row = dict.fromkeys(contract.schema.names) | {"event_id": "e1"}
    job.add_rows("given", pa.Table.from_pylist([row], contract.schema))
    assert job.write(contract, "select * from given", folder / "one.parquet") == 1
    assert job.rows("select event_id from given").to_pylist() == [{"event_id": "e1"}]
"""


@needs_spark
@pytest.mark.spark
def test_commands_that_hide_pandas_can_use_spark(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", IN_A_COMMAND, tmp_path], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
