"""Runs the models of a build on Spark, over explicit lists of Parquet files that all machines see.

Files are written inside Spark's tasks as on one machine, so equal rows give the same bytes. spark_sql.py translates the
SQL; spark_files.py writes the files.
"""

import re
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline.engines.spark_files import Slice, part_tasks, write_empty, write_files, write_part
from session_pipeline.engines.spark_sql import SPARK_TYPES, for_spark, model_for_spark
from session_pipeline.engines.spark_tasks import SparkTasks
from session_pipeline.engines.sql import literal
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.store import crash_points
from session_pipeline.store.part_files import remove_at, write_manifest
from session_pipeline.store.records import WrittenFile
from session_pipeline.tables import Table, table
from session_pipeline.tables.parameters import Scalar

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from session_pipeline.tables.graph import Copied

PATHS_ARE_PATTERNS = "__globPaths__"  # an option that Spark does not document; there is no other
DATE_OF_FOLDER = re.compile(r"=(\d{4}-\d\d-\d\d)")


class Job:
    """The named tables that the models of one build read."""

    def __init__(self, session: "SparkSession", folder: Path, *, part_rows: int, large_day_bytes: int) -> None:
        """Start without tables.

        Args:
            session: The session.
            folder: The folder for the rows of computations, which all machines see under the same path.
            part_rows: A day with more rows is written as several part files of so many rows.
            large_day_bytes: Input of the largest day, in bytes, from which on several tasks write a day.
        """
        self._session = session
        self._folder = folder
        self._part_rows = part_rows
        self._large_day_bytes = large_day_bytes
        self._names: set[str] = set()
        self._computed = 0
        self._input_bytes = 0
        self._bytes_of_days: Counter[str] = Counter()

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
        """Add a table with the rows of these files; see `engines.base.Job`."""
        assert not kept_days, "Spark keeps no rows"
        assert not compacted, "Spark reads no compacted files"
        types = {column.name: SPARK_TYPES[column.type] for column in contract.columns}
        schema = ", ".join(f"`{column}` {kind}" for column, kind in types.items())
        # A few tables also have the date in their files.
        dated = contract.date_column if with_date and contract.date_column not in types else None
        if not paths:
            # Spark drops joins and unions with a relation that it knows to be empty. It does not know that of an RDD.
            nulls = {**types, dated: "date"} if dated else types
            columns = ", ".join(f"cast(null as {kind}) as `{column}`" for column, kind in nulls.items())
            rows = self._session.sql(f"select {columns} where false")
        else:
            self._count_bytes(paths)
            rows = self._read(schema, *paths)
            if dated:
                day = f"regexp_extract(_metadata.file_path, '.*/{dated}=([0-9-]+)[/.]', 1)"
                rows = rows.selectExpr(*(f"`{column}`" for column in types), f"cast({day} as date) as `{dated}`")
        if sample_divisor > 1 and "visitor_id" in types:
            rows = rows.where(f"pmod(xxhash64(visitor_id), {sample_divisor}) = 0")
        name = name or contract.name
        self._add(f"stored_{name}" if select else name, rows)
        if select:
            self.add_relation(name, select)

    def add_relation(self, name: str, select: str) -> None:
        """Add a table that is a SELECT over the tables added before."""
        self._add(name, self._session.sql(for_spark(select)))

    def add_rows(self, name: str, rows: "SmallTable | pa.Table") -> None:
        """Add a small table that has these rows."""
        from pyspark.sql.pandas.types import from_arrow_schema

        given = rows.to_arrow() if isinstance(rows, SmallTable) else rows
        # With a schema, because Spark Connect finds none for a table without rows.
        self._add(name, self._session.createDataFrame(given, from_arrow_schema(given.schema)))

    def compute(self, model: str, parameters: Mapping[str, Scalar], *, name: str | None = None) -> None:
        """Run a model once and keep its rows in files that every machine sees; see `engines.base.Job`.

        They are files and not Spark's cache, because a lost worker would lose its part of a cache, and because a plan
        that contains the plans of all computations before it grows beyond bounds.
        """
        rows = self._session.sql(model_for_spark(model, parameters))
        self._computed += 1
        path = self._folder / str(self._computed)
        rows.write.parquet(_located(path))
        self._add(name or model, self._read(rows.schema, path))

    def write(self, contract: Table, sql: str, path: Path) -> int:
        """Write the rows of a SELECT to a file, with the contract's columns, types and order; return their number."""
        return self.write_days(contract, for_spark(sql), {None: path})[None]

    def write_model(
        self,
        name: str,
        parameters: Mapping[str, Scalar],
        paths: Mapping[date | None, Path],
        *,
        keep: bool = False,
        copied: "Copied | None" = None,
    ) -> dict[date | None, int]:
        """Run the model of a table and write the rows of each day to a file; see `engines.base.Job`."""
        crash_points.reached("build: before the write")
        counts = self.write_days(table(name), model_for_spark(name, parameters), paths)
        crash_points.reached("build: after the write")
        return counts

    def write_days(self, contract: Table, sql: str, paths: Mapping[date | None, Path]) -> dict[date | None, int]:
        """Write the rows of a SELECT in Spark's SQL, those of each day to a file or to a folder of part files."""
        for path in paths.values():
            if path.is_dir():  # the parts of a day that this run has already built once; its files are in the store
                remove_at(path)
        dated = contract.date_column if None not in paths else None
        columns = [f"cast(`{each.name}` as {SPARK_TYPES[each.type]}) as `{each.name}`" for each in contract.columns]
        rows = self._session.sql(sql)
        if dated:
            wanted = ", ".join(literal(day) for day in paths if day is not None)
            rows = rows.where(f"`{dated}` in ({wanted})").selectExpr(*columns, f"cast(`{dated}` as date) as _day")
        else:
            rows = rows.selectExpr(*columns, "cast(null as date) as _day")
        order = [rows[column].asc_nulls_last() for column in ("_day", *contract.order)]
        of_day = max([self._input_bytes // len(paths), *self._bytes_of_days.values()])
        if of_day >= self._large_day_bytes:
            counts = self._write_in_tasks(contract, rows.orderBy(*order), paths)
        else:
            rows = rows.repartition(min(len(paths), 8), "_day") if dated else rows.coalesce(1)
            write = write_files(contract, paths, self._part_rows)
            found = rows.sortWithinPartitions(*order).mapInArrow(write, "day date, row_count bigint").collect()
            counts = {row.day: int(row.row_count) for row in found}
        for day, path in paths.items():
            if day not in counts:
                write_empty(contract, path)
        return {day: counts.get(day, 0) for day in paths}

    def _write_in_tasks(
        self, contract: Table, rows: "DataFrame", paths: Mapping[date | None, Path]
    ) -> dict[date | None, int]:
        """Write large days, each with several tasks: Spark sorts into files, then a task writes each part from slices.

        Where the sorted files end depends on Spark. The parts do not: they are cut by the number of a row in its day.
        """
        folder = self._folder / "sorted"
        # With one file for each task, whatever the cluster's default: the numbers of the files are those of the tasks.
        rows.write.option("maxRecordsPerFile", 0).parquet(_located(folder))
        parts = {
            day: part_tasks(contract, slices, paths[day], self._part_rows)
            for day, slices in self._days_of_sorted_files(folder).items()
        }
        runner = SparkTasks(lambda: self._session)
        hashes = iter(runner.run_tasks(write_part, [part for of_day in parts.values() for part in of_day]))
        for day, of_day in parts.items():
            written = [WrittenFile(Path(part.path), part.row_count, next(hashes)) for part in of_day]
            if len(written) > 1:
                write_manifest(paths[day], written)
        shutil.rmtree(folder)
        return {day: sum(part.row_count for part in of_day) for day, of_day in parts.items()}

    def _days_of_sorted_files(self, folder: Path) -> dict[date | None, list[Slice]]:
        """Return where the rows of each day are in the files of a folder, in order."""
        found = (
            self._read("_day date", folder)
            .selectExpr("_metadata.file_name as file_name", "_day")
            .groupBy("file_name", "_day")
            .count()
            .collect()
        )
        # Spark numbers the files in the order of the rows.
        found.sort(key=lambda row: (int(row["file_name"].split("-")[1]), row["_day"] or date.min))
        slices: dict[date | None, list[Slice]] = {}
        ends: dict[str, int] = {}
        for row in found:
            start = ends.get(row["file_name"], 0)
            ends[row["file_name"]] = start + row["count"]
            path = str(folder / row["file_name"])
            slices.setdefault(row["_day"], []).append(Slice(path, start, start + row["count"]))
        return slices

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

    def _read(self, schema: "str | StructType", *paths: Path) -> "DataFrame":
        """Return the rows of files. Their paths are not patterns: Spark would read {a,b} as a choice of two folders."""
        reader = self._session.read.schema(schema).option(PATHS_ARE_PATTERNS, "false")
        return reader.parquet(*map(_located, paths))

    def _count_bytes(self, paths: Sequence[Path]) -> None:
        for path in paths:
            size = path.stat().st_size
            self._input_bytes += size
            days = DATE_OF_FOLDER.findall(str(path))
            if days:
                self._bytes_of_days[days[-1]] += size

    def _add(self, name: str, rows: "DataFrame") -> None:
        rows.createOrReplaceTempView(name)
        self._names.add(name)


def _located(path: Path) -> str:
    return f"file://{path.absolute()}"
