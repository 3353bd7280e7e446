"""Runs the models of a step, or of a log, on the engine, and writes a file for each table and day.

builder.py decides what is built from which files, and commits the results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

from session_pipeline.build.fingerprints import PART_HASHES
from session_pipeline.engines.base import Job, Jobs
from session_pipeline.engines.sql import quote
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.store.part_files import content_hash, files_at, paths_at
from session_pipeline.store.paths import folder_name
from session_pipeline.store.records import Key, WrittenFile
from session_pipeline.tables import table
from session_pipeline.tables.frame import DAYS, Frame
from session_pipeline.tables.graph import Log, Relation, Step
from session_pipeline.tables.parameters import Scalar

NEW_FILES = {"event_date": "DATE", "file_id": "VARCHAR"}
LOGGED_DAYS = {**DAYS, "reason": "VARCHAR"}


@dataclass(frozen=True)
class NewFile:
    """A file or folder of part files that a step wrote, not yet in the store.

    Attributes:
        path: Below the scratch folder, named like a folder of the store, so that engines find the date in it. A file,
            or a folder of part files.
        row_count: The number of its rows.
        figures: More figures of it, for the catalog.
    """

    path: Path
    row_count: int
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> list[Path]:
        """The files, in the order of their rows."""
        return paths_at(self.path)


@dataclass(frozen=True)
class Computed:
    """What a step computed for a stretch of days, not yet in the store.

    Attributes:
        files: The new files of each table, by day.
        parts: The files that each partition consists of.
        hashes: The SHA-256 of each partition.
        seconds: How long it took.
    """

    files: Mapping[str, Mapping[date | None, NewFile]]
    parts: Mapping[Key, tuple[WrittenFile, ...]]
    hashes: Mapping[Key, str]
    seconds: float


@dataclass(frozen=True)
class Rows:
    """The rows of an input table.

    Attributes:
        paths: Its files.
        kept_days: Days whose rows the engine still has in memory.
        compacted: Compacted files with the rows of more days.
    """

    paths: Sequence[Path] = ()
    kept_days: tuple[date, ...] = ()
    compacted: Sequence[Path] = ()


@dataclass(frozen=True)
class LoggedDay:
    """A day for which a log records a change.

    Attributes:
        reason: Why the day was built.
        new_files: Ids of the delivered files that are new to the build.
    """

    day: date
    reason: str
    new_files: Sequence[str]


class StepRunner:
    """Runs steps on an engine, for one frame. Lists and relations from the settings are made once and reused."""

    def __init__(self, engine: Jobs, frame: Frame, scratch: Path) -> None:
        """Create a runner that writes the files of all steps below `scratch`."""
        self._engine = engine
        self._frame = frame
        self._scratch = scratch
        self._relations: dict[str, str] = {}
        self._lists: dict[str, SmallTable] = {}

    def compute(self, step: Step, days: Sequence[date | None], inputs: Mapping[str, Rows]) -> Computed:
        """Write and hash a step's tables of a stretch of days, and let the engine keep the rows of several days."""
        started = perf_counter()
        files = self.run(step, [day for day in days if day is not None], inputs, keep=True)
        parts = {
            Key(name, day): files_at(new.path, new.row_count)
            for name, of_days in files.items()
            for day, new in of_days.items()
        }
        hashes = {key: content_hash(found) for key, found in parts.items()}
        return Computed(files, parts, hashes, perf_counter() - started)

    def run(
        self,
        step: Step,
        days: Sequence[date],
        inputs: Mapping[str, Rows],
        *,
        keep: bool = False,
        sample_divisor: int = 1,
    ) -> dict[str, dict[date | None, NewFile]]:
        """Write a step's tables of a stretch of days.

        Args:
            step: The step.
            days: Neighbouring days, in order; none for a step without days.
            inputs: The rows of each input, by table.
            keep: Whether the engine keeps the rows of several days, for inputs with `kept_days` of later steps.
            sample_divisor: Read only about one of so many visitors.

        Returns:
            The new files of each table, by day; the day of a table without days is None.
        """
        parameters = self._frame.parameters
        with self._engine.job() as job:
            if days:
                job.add_rows("days", self._frame.days(days))
                job.add_rows("day_parts", self._frame.day_parts(days))
            self._add_inputs(job, step, inputs, sample_divisor)
            for name, make in step.lists.items():
                if name not in self._lists:
                    self._lists[name] = make(self._frame.settings)
                job.add_rows(name, self._lists[name])
            if step.python_table is not None:
                found = job.rows_of_model(step.python_table.model, parameters)
                job.add_rows(step.python_table.name, step.python_table.make(found))
            for name, relation in step.relations.items():
                job.add_relation(name, self._relation(name, relation))
            for computation, varying in step.runs(self._frame.settings):
                job.compute(computation.model, {**parameters, **varying}, name=computation.name)
            written = {}
            for name in step.tables:
                paths = self._new_paths(name, days or (None,))
                counts = job.write_model(name, parameters, paths, keep=keep, copied=step.copied.get(name))
                written[name] = {day: NewFile(path, counts[day]) for day, path in paths.items()}
            if step.parts_model is not None:
                (name,) = step.tables
                new = written[name][None]
                job.add_input(table(name), new.paths)
                hashes = job.rows_of_model(step.parts_model, parameters).to_pylist()
                parts = {str(row["event_date"]): row["part_hash"] for row in hashes}
                written[name][None] = replace(new, figures={PART_HASHES: parts})
            return written

    def _add_inputs(self, job: Job, step: Step, inputs: Mapping[str, Rows], sample_divisor: int) -> None:
        """Add the inputs of a step to a job. Those that are wrapped come last, because they read the others."""
        for name in sorted(inputs, key=lambda name: name in step.wrapped):
            wrapped, rows = step.wrapped.get(name), inputs[name]
            job.add_input(
                table(name),
                rows.paths,
                with_date=True,
                kept_days=rows.kept_days,
                compacted=rows.compacted,
                sample_divisor=sample_divisor,
                select=None if wrapped is None else self._relation(f"stored_{name}", wrapped),
                is_read_often=name in step.read_often,
            )

    def _relation(self, name: str, relation: Relation) -> str:
        """Return the SELECT of a relation, which is made once for each name."""
        if name not in self._relations:
            self._relations[name] = relation.make(self._frame.settings)
        return self._relations[name]

    def run_log(
        self,
        log: Log,
        days: Sequence[LoggedDay],
        inputs: Mapping[str, tuple[str, Sequence[Path]]],
        parameters: Mapping[str, Scalar],
    ) -> dict[date | None, NewFile]:
        """Write a log of some days.

        Args:
            log: The log.
            days: The days, in order.
            inputs: The table and the files of each input, by the name that the model reads it by.
            parameters: The parameters of the model.

        Returns:
            The new file of each day.
        """
        with self._engine.job() as job:
            rows = [
                {**row, "reason": logged.reason}
                for row, logged in zip(self._frame.days([logged.day for logged in days]).rows, days, strict=True)
            ]
            job.add_rows("days", SmallTable(LOGGED_DAYS, rows))
            files = [{"event_date": logged.day, "file_id": file_id} for logged in days for file_id in logged.new_files]
            job.add_rows("new_files", SmallTable(NEW_FILES, files))
            for name, (table_name, paths) in inputs.items():
                job.add_input(table(table_name), paths, name=name, with_date=True)
            paths_of_days = self._new_paths(log.table, [logged.day for logged in days])
            counts = job.write_model(log.table, {**self._frame.parameters, **parameters}, paths_of_days)
            return {day: NewFile(path, counts[day]) for day, path in paths_of_days.items()}

    def have_equal_rows(
        self, table_name: str, one: Sequence[Path], other: Sequence[Path], *, sample_divisor: int
    ) -> bool:
        """Whether some files of a table and some others have the same rows, or the same rows of a sample."""
        contract = table(table_name)
        columns = ", ".join(quote(column.name) for column in contract.columns)
        with self._engine.job() as job:
            job.add_input(contract, one, name="one", sample_divisor=sample_divisor)
            job.add_input(contract, other, name="other", sample_divisor=sample_divisor)
            # One grouping of all rows takes a third of the time of two `except all`.
            both = "select *, 1 as surplus from one union all select *, -1 as surplus from other"
            surplus = f"select 1 from ({both}) group by {columns} having sum(surplus) <> 0 limit 1"
            return len(job.rows(surplus)) == 0

    def _new_paths(self, name: str, days: Sequence[date | None]) -> dict[date | None, Path]:
        folder = self._scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        return {day: folder / f"{folder_name(table(name), day)}.parquet" for day in days}
