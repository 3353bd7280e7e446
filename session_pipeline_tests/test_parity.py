"""Tests that builds with Spark equal those with DuckDB: by day, with late files, in turn, on a cluster that fails.

Each build takes minutes. `python -m session_pipeline_tests.parity` compares more data and prints a table.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_jobs import Job
from session_pipeline.errors import MemoryTooSmallError
from session_pipeline.run.pipeline import open_store
from session_pipeline.store.crash_points import CRASH_AT
from session_pipeline.store.shortage import MEMORY_IN_SPARK
from session_pipeline_tests.compare_builds import DataSet
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.parity.builds import (
    DUCKDB,
    SMALL_CONF,
    by_day_with_late_files,
    compare,
    deliver,
    run,
    spark_settings,
)
from session_pipeline_tests.parity.cluster import CLUSTER_CONF, Cluster
from session_pipeline_tests.parity.data import random_events

pytest.importorskip("pyspark")

pytestmark = [
    pytest.mark.spark,
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]
LOCAL = spark_settings("local[2]", SMALL_CONF)
IN_THE_MIDDLE = 100  # of about 600 places
TABLES_BEFORE_THE_END = 5


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return random_events(tmp_path_factory.mktemp("random"), day_count=6)


@pytest.fixture(scope="module")
def duckdb(events: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build that all others equal."""
    folder = tmp_path_factory.mktemp("duckdb")
    at_once(events, folder, DUCKDB, key_of=folder)
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster.running(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def at_once(events: DataSet, folder: Path, engine: str, *, key_of: Path) -> None:
    deliver(events, folder)
    run(events, folder, engine, date.fromisoformat(events.until), key_of=key_of, publishes=False)


def differences(one: Path, other: Path) -> dict[str, int]:
    return {found.table: found.differing for found in compare(one, other) if found.differing}


def hashes(folder: Path) -> dict[str, str]:
    return Deployment.at(folder).hashes()


def test_days_with_late_files_are_equal(events: DataSet, duckdb: Path, tmp_path: Path) -> None:
    by_day_with_late_files(events, tmp_path, [LOCAL] * 3, key_of=duckdb)
    assert differences(duckdb, tmp_path) == {}


def test_late_files_with_the_other_engine_and_part_files(
    events: DataSet, duckdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SparkEngine, "large_day_bytes", 0)
    monkeypatch.setattr(SparkEngine, "part_rows", 20)
    by_day_with_late_files(events, tmp_path, [DUCKDB, LOCAL], key_of=duckdb)
    assert differences(duckdb, tmp_path) == {}
    with closing(open_store(DataFolder(tmp_path))) as store:
        assert max(len(each.files) for each in store.partitions.values()) > 1


def test_cluster_with_a_killed_worker_gives_the_same_bytes(
    cluster: Cluster, events: DataSet, duckdb: Path, tmp_path: Path
) -> None:
    killed = []

    def lose_a_worker() -> None:
        cluster.kill_worker(0)
        killed.append(0)
        cluster.start_worker()

    timer = Timer(60, lose_a_worker)
    timer.start()
    try:
        at_once(events, tmp_path, spark_settings(cluster.master, CLUSTER_CONF), key_of=duckdb)
    finally:
        timer.cancel()
        timer.join()
    assert killed, "the build ended before the worker was killed"
    assert differences(duckdb, tmp_path) == {}
    assert hashes(duckdb) == hashes(tmp_path)


def in_a_process(events: DataSet, folder: Path, engine: str, *, key_of: Path, **environment: str) -> int:
    """Build at once in a process of its own; returns its exit code."""
    deliver(events, folder)
    code = (
        "import sys, datetime, pathlib; from session_pipeline_tests.parity.builds import run;"
        "from session_pipeline_tests.compare_builds import DataSet;"
        "folder, until, settings, engine, key_of = sys.argv[1:];"
        "run(DataSet('random', until, settings, {}), pathlib.Path(folder), engine, datetime.date.fromisoformat(until),"
        " key_of=pathlib.Path(key_of), publishes=False)"
    )
    command = [sys.executable, "-c", code, str(folder), events.until, events.settings, engine, str(key_of)]
    return subprocess.run(command, env={**os.environ, **environment}, check=False, timeout=3000).returncode


def test_spark_connect_gives_the_same_bytes(cluster: Cluster, events: DataSet, duckdb: Path, tmp_path: Path) -> None:
    # In a process of its own, because a process with a usual session cannot have one of Spark Connect.
    with cluster.connect(CLUSTER_CONF) as remote:
        engine = f'\n[engine]\nkind = "spark"\nremote = "{remote}"\n'
        assert in_a_process(events, tmp_path, engine, key_of=duckdb) == 0
    assert differences(duckdb, tmp_path) == {}
    assert hashes(duckdb) == hashes(tmp_path)


def test_killed_driver_changes_no_row(cluster: Cluster, events: DataSet, duckdb: Path, tmp_path: Path) -> None:
    engine = spark_settings(cluster.master, CLUSTER_CONF)
    code = in_a_process(events, tmp_path, engine, key_of=duckdb, **{CRASH_AT: str(IN_THE_MIDDLE)})
    assert code == -signal.SIGKILL
    before = hashes(tmp_path)
    assert 0 < len(before) < len(hashes(duckdb))
    at_once(events, tmp_path, engine, key_of=duckdb)
    assert differences(duckdb, tmp_path) == {}
    assert before.items() <= hashes(tmp_path).items(), "what was committed is not built again"


def test_executors_out_of_memory_change_no_row(
    cluster: Cluster, events: DataSet, duckdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little memory is a clear error; with more, executors that still end for want of it are replaced."""
    # Both are given, because a JVM keeps the settings of its first session.
    little, enough = (
        spark_settings(cluster.master, {**CLUSTER_CONF, "spark.memory.fraction": share}) for share in ("0.0001", "0.6")
    )
    with pytest.raises(MemoryTooSmallError, match=r'UNABLE_TO_ACQUIRE_MEMORY.*raise "spark.executor.memory"'):
        at_once(events, tmp_path, little, key_of=duckdb)
    before = hashes(tmp_path)

    errors: list[str] = []
    written: list[str] = []
    write_model = Job.write_model

    def fill_executors(job: Job) -> None:
        # Each attempt of this task needs a gigabyte, ends its executor, and so loses what the executor has computed.
        text = "length(repeat('x', 1000000000 + cast(id as int)))"
        try:
            job._session.range(0, 1, 1, 1).selectExpr(text).collect()
        except Exception as error:
            errors.append(str(error))

    def write_while_executors_end(self: Job, name: str, *arguments: Any, **more: Any) -> Any:
        written.append(name)
        if len(written) == TABLES_BEFORE_THE_END:
            threads.append(Thread(target=fill_executors, args=(self,)))
            threads[0].start()
        return write_model(self, name, *arguments, **more)

    threads: list[Thread] = []
    monkeypatch.setattr(Job, "write_model", write_while_executors_end)
    at_once(events, tmp_path, enough, key_of=duckdb)
    threads[0].join()
    assert MEMORY_IN_SPARK.search(errors[0])
    assert differences(duckdb, tmp_path) == {}
    assert before.items() <= hashes(tmp_path).items() == hashes(duckdb).items()
