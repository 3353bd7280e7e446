"""Runs Python functions as Spark tasks, one task per partition, with or without Spark Connect.

Only the modules named spark_* and spark.py import PySpark, and only when the settings choose Spark. The machines of the
cluster need the same version of this package. What the tasks do is defined where they are used, such as in
ingest/reading/tasks.py.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from session_pipeline.engines.base import R, T

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

TASKS_OF_A_JOB = 1_000  # bounds what is sent with a job, and what is done again if the driver dies


class SparkTasks:
    """Runs tasks in the Python workers of a Spark session."""

    def __init__(self, session_of: Callable[[], "SparkSession"]) -> None:
        """Take a function that returns the session, which is started when the first task is run."""
        self._session_of = session_of

    def run_tasks(self, function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
        """Call a function with each task, on any machine; see `engines.base.TaskRunner`.

        Spark repeats a failed or lost task. Results are kept in memory: figures and paths, not rows.
        """
        results: list[R] = []
        for start in range(0, len(tasks), TASKS_OF_A_JOB):
            results += _run(self._session_of(), function, tasks[start : start + TASKS_OF_A_JOB])
        return results


def _run(session: "SparkSession", function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    sent = [pickle.dumps((function, task)) for task in tasks]

    def work(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pickle

        import pyarrow as pa

        for batch in batches:
            for number in batch.column(0).to_pylist():
                chosen, task = pickle.loads(sent[number])
                result = pa.array([pickle.dumps(chosen(task))], pa.binary())
                yield pa.RecordBatch.from_arrays([pa.array([number], pa.int64()), result], names=["number", "result"])

    numbers = session.range(0, len(tasks), 1, len(tasks))  # one number in each partition
    rows = numbers.mapInArrow(work, "number bigint, result binary").collect()
    found = {row["number"]: pickle.loads(row["result"]) for row in rows}
    return [found[number] for number in range(len(tasks))]
