"""Runs models on Spark: starts a session as the settings say, and stops it.

The jobs are in spark_jobs.py.
"""

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from session_pipeline.engines.base import TaskRunner
from session_pipeline.engines.spark_connect import check_answers
from session_pipeline.engines.spark_files import PART_ROWS
from session_pipeline.engines.spark_functions import register
from session_pipeline.engines.spark_jobs import Job
from session_pipeline.engines.spark_tasks import SparkTasks
from session_pipeline.errors import EngineError, MissingExtraError
from session_pipeline.settings.engine import FIXED_CONF, EngineSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Rows are handed to PySpark as Arrow, never as pandas; it warns of pandas 3 with each query all the same.
warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")

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
LARGE_DAY_BYTES = 64 * 1024**2  # of the input files of a day, about a million events: several tasks write it


class SparkEngine:
    """A Spark session that builds partitions, one job at a time. It starts with the first job.

    Attributes:
        part_rows: A day with more rows is written as several part files of so many rows.
        large_day_bytes: Input of the largest day, in bytes, from which on several tasks write a day. It changes no row
            and no byte.
    """

    stretch_scale = 20
    keeps_rows = False
    reads_compacted = False
    part_rows = PART_ROWS
    large_day_bytes = LARGE_DAY_BYTES

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

    def second_jobs(self) -> None:
        """Return None: a job uses the whole cluster."""

    def end_second_jobs(self) -> None:
        """Do nothing, because one job runs at a time."""

    def close(self) -> None:
        """Stop the session and delete its temporary files."""
        if self._session is not None:
            self._session.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @contextmanager
    def job(self) -> Iterator[Job]:
        """Yield a job to add inputs to and run models in; drop all its tables at the end."""
        folder = self._scratch / uuid4().hex
        job = Job(self.session, folder, part_rows=self.part_rows, large_day_bytes=self.large_day_bytes)
        try:
            yield job
        finally:
            job.forget()


def _start(settings: EngineSettings) -> "SparkSession":
    from pyspark.sql import SparkSession

    if settings.remote:
        check_answers(settings.remote)
        builder: Any = SparkSession.builder.remote(settings.remote)
        conf = {**settings.conf, **FIXED_CONF}
    else:
        builder = SparkSession.builder.master(settings.master)
        # PySpark reads the Python of the tasks from the environment only.
        os.environ["PYSPARK_PYTHON"] = settings.conf.get("spark.pyspark.python", sys.executable)
        conf = dict(USUAL_CONF)
        if settings.master.startswith("local") and "://" not in settings.master:  # otherwise a cluster manager
            conf["spark.sql.shuffle.partitions"] = LOCAL_PARTITIONS
        conf |= {**settings.conf, **FIXED_CONF}
    for key, value in conf.items():
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        # Spark Connect warns of a key that is deprecated, and a cluster can still have it.
        warnings.filterwarnings("ignore", message=".*escapedStringLiterals")
        try:
            session: SparkSession = builder.getOrCreate()
        except Exception as error:
            if settings.remote:
                raise
            raise EngineError(
                f"Spark does not start with master = {settings.master!r} ({_reason(error)}); Spark's messages above say"
                " more; start the cluster, or correct [engine] of settings.toml, and run again"
            ) from error
    register(session)
    return session


def _reason(error: Exception) -> str:
    """Return the first line of an error of PySpark, without the name of the call and the trace of Java."""
    call, _, of_java = str(error).partition("\n: ")
    return (of_java or call).partition("\n")[0]


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
