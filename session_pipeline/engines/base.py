"""Defines what an engine offers: jobs in which named tables are added and models are run and written.

duckdb.py and spark.py implement it. Models, steps and stores do not depend on the engine.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.tables import Table
from session_pipeline.tables.parameters import Scalar

if TYPE_CHECKING:
    import pyarrow as pa

    from session_pipeline.tables.graph import Copied


T = TypeVar("T")
R = TypeVar("R")


class Job(Protocol):
    """The named tables that the models of one build read. All that they read is added to the job first."""

    def add_input(
        self,
        contract: Table,
        paths: Sequence[Path],
        *,
        name: str | None = None,
        with_date: bool = False,
        kept_days: Collection[date] = (),
        compacted: Sequence[Path] = (),
        sample_divisor: int = 1,
        select: str | None = None,
        is_read_often: bool = False,
    ) -> None:
        """Add an input table that has the rows of these files; without files it has no rows.

        Args:
            contract: The table.
            paths: Its files.
            name: The name that models read it by; None uses the table's own name.
            with_date: Whether to add the date in the folder's name as the last column.
            kept_days: Days whose rows are taken from those that `write_model` kept, not from files.
            compacted: More files, which have the date as a column.
            sample_divisor: Only the rows of about one of so many visitors, if the table has visitors.
            select: A SELECT over these rows, which it reads as `stored_<name>`; the table then has its rows.
            is_read_often: Whether models name it more than once. An engine can use it to open its files only once.
        """

    def add_relation(self, name: str, select: str) -> None:
        """Add a table that is a SELECT over the tables added before."""

    def add_rows(self, name: str, rows: "SmallTable | pa.Table") -> None:
        """Add a small table that has these rows."""

    def compute(self, model: str, parameters: Mapping[str, Scalar], *, name: str | None = None) -> None:
        """Run a model once and keep its rows as a table for other models; replaces a table of the same name.

        Args:
            model: The model.
            parameters: The values of its parameters.
            name: The name of the table; None uses the model's own name.
        """

    def write(self, contract: Table, sql: str, path: Path) -> int:
        """Write the rows of a SELECT to a file, with the contract's columns, types and order; return their number."""

    def write_model(
        self,
        name: str,
        parameters: Mapping[str, Scalar],
        paths: Mapping[date | None, Path],
        *,
        keep: bool = False,
        copied: "Copied | None" = None,
    ) -> dict[date | None, int]:
        """Run the model of a table and write the rows of each day to a file of its own.

        The rows of a file are in the contract's order, which is total, so equal rows give equal bytes, whatever the
        number of threads and of days. Several days are computed by one query and then split.

        Args:
            name: The table, and its model.
            parameters: The values of the model's parameters.
            paths: The file of each day; of None for a table without days. An engine may make a folder of this name with
                several part files instead, each sorted; see store/part_files.py.
            keep: Whether to keep the rows of several days for inputs of later jobs, until the table is written again.
            copied: An input of the job whose columns the model copies. An engine can use it to sort less.

        Returns:
            The number of rows of each file.
        """

    def rows_of_model(self, model: str, parameters: Mapping[str, Scalar]) -> "pa.Table":
        """Run a model and return its rows."""

    def rows(self, sql: str) -> "pa.Table":
        """Run a SELECT and return its rows."""


class TaskRunner(Protocol):
    """Runs tasks on the machines of a cluster."""

    def run_tasks(self, function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
        """Call a function with each task, on any machine, and return the results in the order of the tasks.

        A task can run more than once; the result of one attempt is returned. The values can be pickled.
        """


class Jobs(Protocol):
    """Runs one job at a time."""

    def job(self) -> AbstractContextManager[Job]:
        """Yield a job to add inputs to and run models in; free the memory of its tables at the end."""


class Engine(Jobs, Protocol):
    """Runs models over explicit lists of files.

    Attributes:
        stretch_scale: A stretch may have so many times the events of a usual one (build/stretches.py).
        keeps_rows: Whether `write_model` can keep rows for later jobs. If not, `keep` is ignored, and later steps read
            the rows from files.
        reads_compacted: Whether inputs can have compacted files. Only small days have them.
        task_runner: Runs other work on the machines of the engine; None if it has only this one.
    """

    stretch_scale: int
    keeps_rows: bool
    reads_compacted: bool
    task_runner: TaskRunner | None

    def second_jobs(self) -> Jobs | None:
        """Return what runs jobs in another thread at the same time, until `end_second_jobs`.

        It reads the same kept rows. None if the engine runs one job at a time.
        """

    def end_second_jobs(self) -> None:
        """Say that no more jobs run at the same time as those of the engine."""

    def close(self) -> None:
        """End the engine and delete its temporary files."""
