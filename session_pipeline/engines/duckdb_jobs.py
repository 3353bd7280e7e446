"""Runs models on a connection to DuckDB, over explicit lists of Parquet files: views, temporary tables and COPY.

duckdb.py opens the database and says how many jobs run at the same time; duckdb_files.py writes the files. build/
decides which files a stretch of days needs and commits the results.
"""

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from session_pipeline.engines.constant_columns import constant_columns
from session_pipeline.engines.duckdb_files import Statistics, casts, copy_rows, kept_table, write_days
from session_pipeline.engines.sql import file_list, filled_model, literal, quote, rows_of
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.store import crash_points
from session_pipeline.tables import Table, table
from session_pipeline.tables.parameters import Scalar

if TYPE_CHECKING:
    import pyarrow as pa

    from session_pipeline.tables.graph import Copied

# So many files of so few bytes on average take longer to open than to read (0.5 ms a file, measured).
MANY_FILES = 20
SMALL_FILE_BYTES = 50_000
# For so few rows, lists as parameters take half the time of an Arrow table that is registered (measured).
MOST_ROWS_IN_LISTS = 500
# For few rows, `execute` is used instead of `sql`, which plans a query twice: once to describe it. `execute` warns that
# it copies the rows.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
Registered = dict[str, str | SmallTable]  # by name: the SELECT of a view, or the rows of a table


class DuckDBJobs:
    """Runs jobs on one connection, one at a time.

    Attributes:
        connection: The connection.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, statistics: Statistics) -> None:
        """Take a connection, and the optimizer that all connections of its database share."""
        self.connection = connection
        self._statistics = statistics
        self._schemas: dict[str, str] = {}
        self._registered: Registered = {}

    @contextmanager
    def job(self) -> Iterator["Job"]:
        """Yield a job to add inputs to and run models in; free the memory of its tables at the end."""
        job = Job(self.connection, self._schemas, self._registered, self._statistics)
        try:
            yield job
        finally:
            job.forget()


class Job:
    """The named tables that the models of one build read."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        schemas: dict[str, str],
        registered: Registered,
        statistics: Statistics,
    ) -> None:
        """Start without tables.

        Args:
            connection: The connection.
            schemas: SQL that reads the variable with a table's schema, by table. Shared by all jobs of the connection;
                a job adds the schemas that it sets.
            registered: The inputs and small tables of earlier jobs, which stay. Most steps of a run have the
                same, so a job makes only those that differ.
            statistics: The optimizer that is off while a file is written.
        """
        self._connection = connection
        self._statistics = statistics
        self._schemas = schemas
        self._registered = registered
        self._views: set[str] = set()
        self._tables: set[str] = set()

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
        """Add a view of the rows of these files, or a table; see `engines.base.Job`."""
        schema = self._schema_of(contract) if paths else None
        found = [rows_of_days(contract, kept_days)] if kept_days else []
        found += [_rows_of_compacted(contract, compacted)] if compacted else []
        if paths or not found:
            found.append(rows_of(contract, paths, with_date=with_date, schema=schema))
        rows = " union all ".join(found)
        if sample_divisor > 1 and any(column.name == "visitor_id" for column in contract.columns):
            rows = f"select * from ({rows}) where hash(visitor_id) % {sample_divisor} = 0"
        name = name or contract.name
        if select:
            rows = f"with stored_{name} as ({rows}) {select}"
        if is_read_often and (compacted or _are_many_and_small(paths)):
            self._make_room(name)
            # Sorted, because DuckDB otherwise keeps the rows of each file apart until it has read all: 4,000 files
            # of three rows took 1 GB, and three times as long.
            self._connection.execute(f"create temp table {quote(name)} as select * from ({rows}) order by 1")
            self._tables.add(name)
        elif select:
            self.add_relation(name, rows)
        elif self._registered.get(name) != rows:
            self._make_view(name, rows)
            self._registered[name] = rows

    def _schema_of(self, contract: Table) -> str:
        """Return SQL that reads the contract's schema from a variable.

        If the schema were written into each query, DuckDB would take 2 ms per use of a table to parse it. It does not
        parse parameters.
        """
        if contract.name not in self._schemas:
            variable = quote(f"schema of {contract.name}")
            names = [column.name for column in contract.columns]
            described = [{"name": each.name, "type": each.type, "default_value": None} for each in contract.columns]
            self._connection.execute(f"set variable {variable} = map($1, $2)", [names, described])
            self._schemas[contract.name] = f"getvariable({literal(f'schema of {contract.name}')})"
        return self._schemas[contract.name]

    def add_relation(self, name: str, select: str) -> None:
        """Add a table that is a SELECT over the tables added before."""
        self._make_view(name, select)
        self._views.add(name)  # not registered, because the columns of the tables that it reads can change

    def add_rows(self, name: str, rows: "SmallTable | pa.Table") -> None:
        """Add a small table that has these rows."""
        if isinstance(rows, SmallTable) and self._registered.get(name) == rows:
            return
        if not self._is_table(name):
            self._make_room(name)
        # A table, because DuckDB does not know how many rows an Arrow table has when it orders joins.
        if isinstance(rows, SmallTable) and len(rows.rows) <= MOST_ROWS_IN_LISTS:
            columns = ", ".join(
                f"unnest(${number}::{kind}[]) as {quote(column)}"
                for number, (column, kind) in enumerate(rows.types.items(), start=1)
            )
            lists = [[row[column] for row in rows.rows] for column in rows.types]
            self._connection.execute(f"create or replace temp table {quote(name)} as select {columns}", lists)
        else:
            self._connection.register("_rows", rows.to_arrow() if isinstance(rows, SmallTable) else rows)
            self._connection.execute(f"create or replace temp table {quote(name)} as select * from _rows")
            self._connection.unregister("_rows")
        self._forget_name(name)
        if isinstance(rows, SmallTable):
            self._registered[name] = rows
        else:
            self._tables.add(name)

    def _make_view(self, name: str, select: str) -> None:
        if not self._is_view(name):
            self._make_room(name)
        self._connection.execute(f"create or replace temp view {quote(name)} as {select}")
        self._forget_name(name)

    def _make_room(self, name: str) -> None:
        """Drop what has this name."""
        if self._is_view(name):
            self._connection.execute(f"drop view {quote(name)}")
        elif self._is_table(name):
            self._connection.execute(f"drop table {quote(name)}")
        self._forget_name(name)

    def _is_view(self, name: str) -> bool:
        return name in self._views or isinstance(self._registered.get(name), str)

    def _is_table(self, name: str) -> bool:
        return name in self._tables or isinstance(self._registered.get(name), SmallTable)

    def _forget_name(self, name: str) -> None:
        self._registered.pop(name, None)
        self._views.discard(name)
        self._tables.discard(name)

    def compute(self, model: str, parameters: Mapping[str, Scalar], *, name: str | None = None) -> None:
        """Run a model once and keep its rows as a temporary table; see `engines.base.Job`."""
        name = name or model
        sql = filled_model(model, parameters)
        # The model can read the table that it replaces.
        if self._is_view(name):
            self._connection.execute(f"create temp table _computed as {sql}")
            self._tables.add("_computed")
            self._make_room(name)
            self._connection.execute(f"alter table _computed rename to {quote(name)}")
            self._tables.remove("_computed")
        else:
            self._connection.execute(f"create or replace temp table {quote(name)} as {sql}")
            self._forget_name(name)
        self._tables.add(name)

    def write(self, contract: Table, sql: str, path: Path) -> int:
        """Write the rows of a SELECT to a file, with the contract's columns, types and order; return their number."""
        with self._statistics.off(self._connection):
            return copy_rows(self._connection, contract, f"({sql}\n)", None, path)

    def write_model(
        self,
        name: str,
        parameters: Mapping[str, Scalar],
        paths: Mapping[date | None, Path],
        *,
        keep: bool = False,
        copied: "Copied | None" = None,
    ) -> dict[date | None, int]:
        """Run the model of a table and write the rows of each day to a file; see `engines.base.Job`.

        One day is written straight from the model, several days from a table.
        """
        contract, sql = table(name), filled_model(name, parameters)
        crash_points.reached("build: before the write")
        if len(paths) == 1:
            ((day, path),) = paths.items()
            constants = self._constants(contract, copied)
            with self._statistics.off(self._connection):
                counts = {day: copy_rows(self._connection, contract, f"({sql}\n)", day, path, constants)}
        else:
            days = {day: path for day, path in paths.items() if day is not None}
            counts = write_days(self._connection, self._statistics, contract, sql, days)
            if not keep:
                self._connection.execute(f"drop table {kept_table(name)}")
        crash_points.reached("build: after the write")
        return counts

    def _constants(self, contract: Table, copied: "Copied | None") -> dict[str, str]:
        """Return, as SQL, the values of the columns of a table that are copied from constant columns of an input."""
        if copied is None:
            return {}
        names = {column.name for column in contract.columns} - copied.computed
        columns = [column for column in table(copied.table).columns if column.name in names]
        return constant_columns(self._connection, copied.table, columns)

    def rows_of_model(self, model: str, parameters: Mapping[str, Scalar]) -> "pa.Table":
        """Run a model and return its rows, which can be many, such as all ids of persons."""
        return self._connection.sql(filled_model(model, parameters)).to_arrow_table()

    def rows(self, sql: str) -> "pa.Table":
        """Run a SELECT and return its rows, which are few."""
        return self._connection.execute(sql).to_arrow_table()

    def forget(self) -> None:
        """Drop the tables and views that are not registered, which frees their memory."""
        for name in sorted(self._views | self._tables):
            self._make_room(name)


def _are_many_and_small(paths: Sequence[Path]) -> bool:
    """Whether files take longer to open than to read, as those of many small days do."""
    return len(paths) >= MANY_FILES and sum(path.stat().st_size for path in paths) <= len(paths) * SMALL_FILE_BYTES


def rows_of_days(contract: Table, days: Collection[date]) -> str:
    """Return a SELECT of the rows that the engine kept of some days of a table, with the date as the last column."""
    columns = ", ".join(quote(column.name) for column in contract.dated_columns)
    dates = ", ".join(literal(day) for day in sorted(days))
    return f"select {columns} from {kept_table(contract.name)} where {contract.date_column} in ({dates})"


def _rows_of_compacted(contract: Table, paths: Sequence[Path]) -> str:
    """Return a SELECT of the rows of compacted files, with the date as the last column."""
    dated = quote(str(contract.date_column))
    return f"select {casts(contract)}, {dated} from read_parquet({file_list(paths)}, hive_partitioning = false)"
