"""Tests the Spark engine: every case folder, equal files, a cluster with a killed worker, and its errors.

`pytest -m spark -k 'not cluster and not every_case'` is the short part.
"""

import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from threading import Timer
from typing import Any

import pyarrow as pa
import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_files import write_files
from session_pipeline.engines.spark_sql import for_spark
from session_pipeline.errors import MissingExtraError, SettingsError
from session_pipeline.run.pipeline import open_store
from session_pipeline.settings import parse_settings
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.tables import table
from session_pipeline_tests import test_cases as cases
from session_pipeline_tests.compare_builds import DataSet, data_sets
from session_pipeline_tests.parity.builds import DUCKDB, SMALL_CONF, compare, deliver, run, spark_settings

needs_spark = pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="PySpark is not installed")
# PySpark warns of pandas 3, which the engine does not use.
quiet = pytest.mark.filterwarnings("ignore")
SHORT = ("events", "sessions", "session_outcomes", "funnel_entries", "typical_paths", "visitor_days")


def settings_of(master: str) -> EngineSettings:
    return EngineSettings(kind="spark", master=master, remote="", conf=SMALL_CONF)


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


def test_writer_cuts_rows_where_the_day_changes(tmp_path: Path) -> None:
    contract = table("recent_event_ids")
    days = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4)]
    schema = pa.schema([*contract.schema, pa.field("_day", pa.date32())])
    rows = [dict.fromkeys(contract.schema.names) | {"_day": day} for day in days for _ in range(3)]
    batches = [pa.RecordBatch.from_pylist(rows[start : start + 4], schema) for start in range(0, 9, 4)]
    paths: dict[date | None, Path] = {day: tmp_path / f"{day}.parquet" for day in days}
    counts = [row for batch in write_files(contract, paths)(iter(batches)) for row in batch.to_pylist()]
    assert counts == [{"day": day, "row_count": 3} for day in days]
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"{day}.parquet" for day in days]


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


# A cluster


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Cluster:
    """A master and two workers from the pip package on this machine."""

    def __init__(self, folder: Path) -> None:
        import pyspark

        self._home = Path(pyspark.__file__).parent
        self._folder = folder
        port, ui = free_port(), free_port()
        self.master = f"spark://127.0.0.1:{port}"
        self._start("master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(ui))
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the master does not start"
                time.sleep(0.2)
        self.workers = [self.start_worker(number) for number in range(2)]

    def start_worker(self, number: int) -> "subprocess.Popen[bytes]":
        work = self._folder / f"work{number}"
        return self._start(
            "worker.Worker",
            *("--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--work-dir", str(work)),
            *("--webui-port", str(free_port()), self.master),
        )

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def _processes(self) -> "list[subprocess.Popen[bytes]]":
        return self.__dict__.setdefault("processes", [])

    def _start(self, what: str, *arguments: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        command = [str(self._home / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}", *arguments]
        log = (self._folder / f"{what}{len(self._processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        self._processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    yield started
    started.stop()


def sample() -> tuple[DataSet, date]:
    [found] = [each for each in data_sets() if each.name == "sample"]
    return found, date.fromisoformat(found.until)


def built(folder: Path, engine: str, *, key_of: Path) -> Path:
    data_set, until = sample()
    deliver(data_set, folder)
    run(data_set, folder, engine, until, key_of=key_of)
    return folder


def hashes(folder: Path) -> dict[Any, str]:
    with closing(open_store(DataFolder(folder))) as store:
        return {key: each.sha256 for key, each in store.partitions.items() if key.table != "_day_history"}


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.long
def test_killed_worker_of_a_cluster_changes_no_byte(cluster: Cluster, tmp_path: Path) -> None:
    one = built(tmp_path / "duckdb", DUCKDB, key_of=tmp_path)
    conf = {**SMALL_CONF, "spark.executor.memory": "512m", "spark.driver.host": "127.0.0.1"}

    def lose_a_worker() -> None:
        os.killpg(cluster.workers[0].pid, signal.SIGKILL)
        cluster.start_worker(2)

    timer = Timer(random.uniform(40, 80), lose_a_worker)
    timer.start()
    try:
        other = built(tmp_path / "spark", spark_settings(cluster.master, conf), key_of=one)
    finally:
        timer.cancel()
        timer.join()
    assert [found for found in compare(one, other) if found.differing] == []
    assert hashes(one) == hashes(other)
