"""Tests tasks of a real Spark session: ingest has the same rows and ledger as in one process; errors are clear."""

import os
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("pyspark")

from session_pipeline.engines.short_files import MOST_ROWS
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_files import types_of, write_rows
from session_pipeline.errors import DiskFullError
from session_pipeline.ingest.reading import small_files, task_reader
from session_pipeline.run.pipeline import open_store
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.store.shortage import report_shortage
from session_pipeline.tables import table
from session_pipeline_tests.test_tasks import assert_equal, deliver, event, ingest, two_deliveries

# PySpark warns of pandas 3, which its Arrow functions do not use.
pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")]

SETTINGS = EngineSettings(kind="spark", master="local[2,4]", remote="", conf={})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    with closing(SparkEngine(SETTINGS, tmp_path_factory.mktemp("spark"))) as engine:
        yield engine


def end_first_attempt(marks: tuple[str, int]) -> int:
    """Kill the worker process, but not in the second attempt."""
    folder, number = marks
    mark = Path(folder) / str(number)
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_killed_worker_changes_nothing(engine: SparkEngine, tmp_path: Path) -> None:
    assert engine.task_runner is not None
    marks = [(str(tmp_path), number) for number in range(5)]
    assert engine.task_runner.run_tasks(end_first_attempt, marks) == list(range(5))
    assert (tmp_path / "1").exists()


def write_beyond_a_limit(task: tuple[str, int]) -> None:
    """Write rows to a file that may have only 100 bytes, which fails as on a full disk."""
    path, row_count = task
    contract = table("recent_event_ids")
    row = dict.fromkeys(contract.schema.names)
    rows = pa.Table.from_pylist([row | {"event_id": f"{number}"} for number in range(row_count)], contract.schema)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        write_rows(types_of(contract), contract.schema, iter(rows.to_batches()), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("row_count", [1, MOST_ROWS + 1], ids=["by Arrow", "by DuckDB"])
def test_full_disk_in_a_task_is_one_sentence(row_count: int, engine: SparkEngine, tmp_path: Path) -> None:
    assert engine.task_runner is not None
    with pytest.raises(DiskFullError, match=rf"^cannot write {tmp_path}: .* MB are free"), report_shortage(tmp_path):
        engine.task_runner.run_tasks(write_beyond_a_limit, [(str(tmp_path / "rows.parquet"), row_count)])


def test_ingest_in_spark_equals_ingest_in_one_process(
    engine: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_reader, "LEAST_BYTES_FOR_TASKS", 0)
    monkeypatch.setattr(task_reader, "LARGEST_SMALL_BYTES", small_files.LARGEST_SMALL_BYTES)
    monkeypatch.setattr(task_reader, "BYTES_OF_RANGE", 5_000_000)
    one, tasks = two_deliveries(tmp_path)
    chance = random.Random(5)
    found = [event(chance, number) for number in range(60_000)]
    for each in (one, tasks):
        deliver(each.folder.raw, "big/large.jsonl", "\n".join([*found, *found[:30_000]]))
    assert ingest(one) == ingest(tasks, engine.task_runner)
    assert_equal(one, tasks)
    with closing(open_store(tasks.folder)) as store:
        assert max(len(partition.files) for partition in store.partitions.values()) > 1
