"""Runs models on Spark, over explicit lists of Parquet files that all machines see.

Files are written by DuckDB inside Spark's tasks, so equal rows give the same bytes as on one machine. spark_sql.py
translates the SQL; spark_files.py writes the files.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from session_pipeline.engines.base import TaskRunner
from session_pipeline.engines.spark_files import write_empty, write_files
from session_pipeline.engines.spark_sql import SPARK_TYPES, for_spark, model_for_spark
from session_pipeline.engines.spark_tasks import SparkTasks
from session_pipeline.engines.sql import literal
from session_pipeline.errors import MissingExtraError
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.store import crash_points
from session_pipeline.tables import Table, table
from session_pipeline.tables.parameters import Scalar

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

# Rows depend on the first three.
FIXED_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
}
USUAL_CONF = {
    "spark.app.name": "session_pipeline",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # Days are small files; with the usual cost of opening one, a query would have a task for every 32 of them.
    "spark.sql.files.openCostInBytes": "131072",
    # A job that lists files takes longer than listing a thousand of them.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",
}
LOCAL_PARTITIONS = "4"


class SparkEngine:
    """A Spark session that builds partitions, one job at a time. It starts with the first job."""

    stretch_scale = 20
    keeps_rows = False

    def __init__(self, settings: EngineSettings, scratch: Path) -> None:
        """Check that Spark can start.

        Args:
            settings: Where Spark runs.
            scratch: The folder for temporary files, which all machines see under the same path.

        Raises:
            MissingExtraError: PySpark or Java is missing.
        """
        _check_installed(settings)
        self._settings = settings
        self._scratch = scratch / "spark"
        self._session: SparkSession | None = None
        self.task_runner: TaskRunner | None = SparkTasks(lambda: self.session)

    @property
    def session(self) -> "SparkSession":
        """The session; started when it is first needed."""
        if self._session is None:
            self._session = _start(self._settings)
        return self._session

    def close(self) -> None:
        """Stop the session and delete its temporary files."""
        if self._session is not None:
            self._session.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @contextmanager
    def job(self) -> Iterator["Job"]:
        """Yield a job to add inputs to and run models in; drop all its tables at the end."""
        job = Job(self.session, self._scratch / uuid4().hex)
        try:
            yield job
        finally:
            job.forget()


class Job:
    """The named tables that the models of one build read."""

    def __init__(self, session: "SparkSession", folder: Path) -> None:
        """Start without tables. The rows of computations are files below `folder`."""
        self._session = session
        self._folder = folder
        self._names: set[str] = set()
        self._computed = 0

    def add_input(
        self,
        contract: Table,
        paths: Sequence[Path],
        *,
        name: str | None = None,
        with_date: bool = False,
        kept_days: Collection[date] = (),
        one_of: int = 1,
        select: str | None = None,
    ) -> None:
        """Add a table with the rows of these files; see `engines.base.Job`."""
        assert not kept_days, "Spark keeps no rows"
        types = {column.name: SPARK_TYPES[column.type] for column in contract.columns}
        schema = ", ".join(f"`{column}` {kind}" for column, kind in types.items())
        # A few tables also have the date in their files.
        dated = contract.date_column if with_date and contract.date_column not in types else None
        if not paths:
            rows = self._session.createDataFrame([], schema + (f", `{dated}` date" if dated else ""))
        else:
            rows = self._session.read.schema(schema).parquet(*map(_located, paths))
            if dated:
                day = f"regexp_extract(_metadata.file_path, '.*/{dated}=([0-9-]+)[/.]', 1)"
                rows = rows.selectExpr(*(f"`{column}`" for column in types), f"cast({day} as date) as `{dated}`")
        if one_of > 1 and "visitor_id" in types:
            rows = rows.where(f"pmod(xxhash64(visitor_id), {one_of}) = 0")
        name = name or contract.name
        self._add(f"stored_{name}" if select else name, rows)
        if select:
            self.add_relation(name, select)

    def add_relation(self, name: str, select: str) -> None:
        """Add a table that is a SELECT over the tables added before."""
        self._add(name, self._session.sql(for_spark(select)))

    def add_rows(self, name: str, rows: "SmallTable | pa.Table") -> None:
        """Add a small table that has these rows."""
        self._add(name, self._session.createDataFrame(rows.to_arrow() if isinstance(rows, SmallTable) else rows))

    def compute(self, model: str, parameters: Mapping[str, Scalar], *, name: str | None = None) -> None:
        """Run a model once and keep its rows in files that every machine sees; see `engines.base.Job`.

        They are files and not Spark's cache, because a lost worker would lose its part of a cache, and because a plan
        that contains the plans of all computations before it grows beyond bounds.
        """
        rows = self._session.sql(model_for_spark(model, parameters))
        self._computed += 1
        path = _located(self._folder / f"{self._computed}")
        rows.write.parquet(path)
        self._add(name or model, self._session.read.schema(rows.schema).parquet(path))

    def write(self, contract: Table, sql: str, path: Path) -> int:
        """Write the rows of a SELECT to a file, with the contract's columns, types and order; return their number."""
        return self._write(contract, for_spark(sql), {None: path})[None]

    def write_model(
        self, name: str, parameters: Mapping[str, Scalar], paths: Mapping[date | None, Path], *, keep: bool = False
    ) -> dict[date | None, int]:
        """Run the model of a table and write the rows of each day to a file; see `engines.base.Job`."""
        crash_points.reached("build: before the write")
        counts = self._write(table(name), model_for_spark(name, parameters), paths)
        crash_points.reached("build: after the write")
        return counts

    def _write(self, contract: Table, sql: str, paths: Mapping[date | None, Path]) -> dict[date | None, int]:
        dated = contract.date_column if None not in paths else None
        columns = [f"cast(`{each.name}` as {SPARK_TYPES[each.type]}) as `{each.name}`" for each in contract.columns]
        rows = self._session.sql(sql)
        if dated:
            wanted = ", ".join(literal(day) for day in paths if day is not None)
            rows = rows.where(f"`{dated}` in ({wanted})").selectExpr(*columns, f"cast(`{dated}` as date) as _day")
        else:
            rows = rows.selectExpr(*columns, "cast(null as date) as _day")
        rows = rows.repartition(min(len(paths), 8), "_day") if dated else rows.coalesce(1)
        order = ["_day", *contract.order]
        rows = rows.sortWithinPartitions(*[rows[column].asc_nulls_last() for column in order])
        found = rows.mapInArrow(write_files(contract, paths), "day date, row_count bigint").collect()
        counts = {row.day: int(row.row_count) for row in found}
        for day, path in paths.items():
            if day not in counts:
                write_empty(contract, path)
        return {day: counts.get(day, 0) for day in paths}

    def rows_of_model(self, model: str, parameters: Mapping[str, Scalar]) -> "pa.Table":
        """Run a model and return its rows."""
        return self._session.sql(model_for_spark(model, parameters)).toArrow()

    def rows(self, sql: str) -> "pa.Table":
        """Run a SELECT and return its rows."""
        return self._session.sql(for_spark(sql)).toArrow()

    def forget(self) -> None:
        """Drop all tables of this job."""
        for name in self._names:
            self._session.catalog.dropTempView(name)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, name: str, rows: "DataFrame") -> None:
        rows.createOrReplaceTempView(name)
        self._names.add(name)


def _located(path: Path) -> str:
    return f"file://{path.absolute()}"


def _start(settings: EngineSettings) -> "SparkSession":
    from pyspark.sql import SparkSession

    if settings.remote:
        builder: Any = SparkSession.builder.remote(settings.remote)
        conf = {**settings.conf, **FIXED_CONF}
    else:
        builder = SparkSession.builder.master(settings.master)
        # PySpark reads the Python of the tasks from the environment only.
        os.environ["PYSPARK_PYTHON"] = settings.conf.get("spark.pyspark.python", sys.executable)
        conf = dict(USUAL_CONF)
        if settings.master.startswith("local"):
            conf["spark.sql.shuffle.partitions"] = LOCAL_PARTITIONS
        conf |= {**settings.conf, **FIXED_CONF}
    for key, value in conf.items():
        builder = builder.config(key, value)
    session: SparkSession = builder.getOrCreate()
    return session


def _check_installed(settings: EngineSettings) -> None:
    if importlib.util.find_spec("pyspark") is None:
        raise MissingExtraError(
            '[engine] kind is "spark", but PySpark is not installed; run `pip install session_pipeline[spark]`, or set'
            ' kind = "duckdb"'
        )
    home = os.environ.get("JAVA_HOME")
    java = Path(home) / "bin" / "java" if home else None
    if not settings.remote and not (java.exists() if java else shutil.which("java")):
        raise MissingExtraError(
            '[engine] kind is "spark", but there is no Java; install Java 17 and set JAVA_HOME, or use a Spark Connect'
            " server with [engine] remote"
        )
