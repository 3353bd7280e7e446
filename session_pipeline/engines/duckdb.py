"""Runs models on an in-memory DuckDB database, over explicit lists of Parquet files.

This module handles connections, views and COPY. build/builder.py decides which files a day needs and commits the
results.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from session_pipeline.engines.sql import fill, literal, quote, rows_of, schema_of
from session_pipeline.store import crash_points
from session_pipeline.tables import Table, models, table
from session_pipeline.tables.frame import Scalar


@dataclass(frozen=True)
class Limits:
    """The resources that the engine may use. They never change a row.

    Attributes:
        memory: DuckDB's memory limit.
        threads: The number of threads; 0 leaves it to DuckDB.
    """

    memory: str = "4GB"
    threads: int = 0


class DuckDBEngine:
    """One DuckDB connection that builds partitions, one job at a time."""

    def __init__(self, limits: Limits, scratch: Path) -> None:
        """Open an in-memory database that spills into its own folder below `scratch`."""
        self._spill = scratch / "spill"
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": limits.memory,
                "temp_directory": str(self._spill),
                **({"threads": limits.threads} if limits.threads else {}),
            },
        )
        self.connection.execute("set timezone = 'UTC'")
        self.connection.execute("set enable_progress_bar = false")
        self.connection.execute(models.macros())
        self._schemas: dict[str, str] = {}

    def close(self) -> None:
        """Close the connection and delete its spill files."""
        self.connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    @contextmanager
    def job(self) -> Iterator["Job"]:
        """Yield a job to add inputs to and run models in; drop all its tables at the end."""
        job = Job(self.connection, self._schemas)
        try:
            yield job
        finally:
            job.forget()


class Job:
    """The named tables that the models of one build read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schemas: dict[str, str]) -> None:
        """Start without tables.

        Args:
            connection: The engine's connection.
            schemas: SQL that reads the variable with a table's schema, by table. Shared by all jobs of the connection;
                a job adds the schemas that it sets.
        """
        self._connection = connection
        self._schemas = schemas
        self._views: list[str] = []
        self._tables: list[str] = []
        self._arrow: list[str] = []

    def add_input(self, contract: Table, paths: Sequence[Path], *, name: str | None = None) -> None:
        """Add an input table that has the rows of these files; without files it has no rows.

        Args:
            contract: The table.
            paths: Its files.
            name: The name that models read it by; None uses the table's own name.
        """
        self.add_relation(name or contract.name, rows_of(contract, paths, schema=self._schema_of(contract)))

    def _schema_of(self, contract: Table) -> str:
        """Return SQL that reads the contract's schema from a variable.

        If the schema were written into each query, DuckDB would take 2 ms per use of a table to parse it.
        """
        if contract.name not in self._schemas:
            variable = quote(f"schema of {contract.name}")
            self._connection.execute(f"set variable {variable} = {schema_of(contract)}")
            self._schemas[contract.name] = f"getvariable({literal(f'schema of {contract.name}')})"
        return self._schemas[contract.name]

    def add_relation(self, name: str, select: str) -> None:
        """Add a table that is a SELECT over the tables added before."""
        self._connection.execute(f"create or replace temp view {quote(name)} as {select}")
        self._views.append(name)

    def add_rows(self, name: str, rows: pa.Table) -> None:
        """Add a small table that has these rows."""
        self._connection.register(name, rows)
        self._arrow.append(name)

    def compute(self, model: str, parameters: Mapping[str, Scalar], *, name: str | None = None) -> None:
        """Run a model once and keep its rows as a table for other models; replaces a table of the same name.

        Args:
            model: The model.
            parameters: The values of its parameters.
            name: The name of the table; None uses the model's own name.
        """
        name = name or model
        sql = fill(models.text(model), parameters)
        self._connection.execute(f"create temp table _computed as {sql}")
        self._connection.execute(f"drop table if exists {quote(name)}")
        self._connection.execute(f"alter table _computed rename to {quote(name)}")
        if name not in self._tables:
            self._tables.append(name)

    def write(self, contract: Table, sql: str, path: Path) -> int:
        """Write the rows of a SELECT to a file, with the contract's columns, types and order.

        The order is total, so equal rows give equal bytes, whatever the number of threads.

        Returns:
            The number of rows.
        """
        columns = ", ".join(
            f"cast({quote(column.name)} as {column.type}) as {quote(column.name)}" for column in contract.columns
        )
        order = ", ".join(quote(name) for name in contract.order)
        # DuckDB writes a column as required if its statistics say that it has no nulls, and the statistics depend on
        # how the rows were computed. Without this optimizer every column is optional, so that equal rows give equal
        # bytes (measured: 10 % slower).
        crash_points.reached("build: before the write")
        self._connection.execute("set disabled_optimizers = 'statistics_propagation'")
        try:
            count = self._connection.execute(
                f"copy (select {columns} from ({sql}\n) order by {order}) to {literal(str(path))}"
                " (format parquet, compression zstd)"
            ).fetchone()
        finally:
            self._connection.execute("set disabled_optimizers = ''")
        crash_points.reached("build: after the write")
        assert count is not None
        return int(count[0])

    def write_model(self, name: str, parameters: Mapping[str, Scalar], path: Path) -> int:
        """Run the model of a table and write its rows to a file; returns the number of rows."""
        return self.write(table(name), fill(models.text(name), parameters), path)

    def rows_of_model(self, model: str, parameters: Mapping[str, Scalar]) -> pa.Table:
        """Run a model and return its rows."""
        return self.rows(fill(models.text(model), parameters))

    def rows(self, sql: str) -> pa.Table:
        """Run a SELECT and return its rows."""
        return self._connection.sql(sql).to_arrow_table()

    def forget(self) -> None:
        """Drop all tables of this job, which frees their memory."""
        for name in reversed(self._views):
            self._connection.execute(f"drop view if exists {quote(name)}")
        for name in self._tables:
            self._connection.execute(f"drop table if exists {quote(name)}")
        self._connection.execute("drop table if exists _computed")
        for name in self._arrow:
            self._connection.unregister(name)
