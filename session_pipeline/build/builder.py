"""Builds stale partitions: gathers a step's inputs, runs its models on the engine, commits the result.

plan.py decides what is stale. run/pipeline.py calls the builder, for the command line and for Dagster.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from session_pipeline.build.plan import Kind, Planner
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import StoreError
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.store.store import Store, sha256_of
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame, Scalar
from session_pipeline.tables.graph import Log, Step
from session_pipeline.tables.steps import STEP_OF_TABLE

MOST_CAUSES = 8  # recorded per partition; thousands of small files can cause one build


@dataclass(frozen=True)
class Built:
    """The result of building a step's tables of a day.

    Attributes:
        partitions: The partitions of the day, by table.
        was_built: False if all were fresh, or if they wait for an upgrade.
        changed: Whether the bytes of any partition changed.
        reason: Why they were built, or wait; empty if they were fresh.
        seconds: How long it took.
    """

    partitions: dict[str, Partition]
    was_built: bool
    changed: bool
    reason: str
    seconds: float


class StepRunner:
    """Runs steps on an engine, for one frame. Lists and relations from the settings are made once and reused."""

    def __init__(self, engine: DuckDBEngine, frame: Frame, scratch: Path) -> None:
        """Create a runner that writes the files of all steps to `scratch`."""
        self._engine = engine
        self._frame = frame
        self._scratch = scratch
        self._relations: dict[str, str] = {}
        self._lists: dict[str, pa.Table] = {}

    def run(self, step: Step, day: date | None, inputs: Mapping[str, Sequence[Path]]) -> dict[str, tuple[Path, int]]:
        """Write a step's tables of a day.

        Args:
            step: The step.
            day: The day; None for tables without days.
            inputs: The files of each input, by table.

        Returns:
            The file and row count of each table.
        """
        settings = self._frame.settings
        parameters = self._frame.scalars(day) if day is not None else {}
        with self._engine.job() as job:
            for name, paths in inputs.items():
                job.add_input(table(name), paths)
            for name, make in step.lists.items():
                if name not in self._lists:
                    self._lists[name] = make(settings)
                job.add_rows(name, self._lists[name])
            for name, relation in step.relations.items():
                if name not in self._relations:
                    self._relations[name] = relation.make(settings)
                job.add_relation(name, self._relations[name])
            if step.python_table is not None:
                rows = job.rows_of_model(step.python_table.model, parameters)
                job.add_rows(step.python_table.name, step.python_table.make(rows))
            for computation, varying in step.runs(settings):
                job.compute(computation.model, {**parameters, **varying}, name=computation.name)
            written: dict[str, tuple[Path, int]] = {}
            for name in step.tables:
                path = self._scratch / f"{name}-{day}.parquet"
                written[name] = path, job.write_model(name, parameters, path)
            return written

    def run_log(
        self,
        log: Log,
        day: date,
        inputs: Mapping[str, tuple[str, Sequence[Path]]],
        new_files: Sequence[str],
        told: Mapping[str, Scalar],
    ) -> tuple[Path, int]:
        """Write a log of a day.

        Args:
            log: The log.
            day: The day.
            inputs: The table and the files of each input, by the name that the model reads it by.
            new_files: Ids of the delivered files that are new to the build.
            told: The parameters of the model.

        Returns:
            The file and its row count.
        """
        with self._engine.job() as job:
            for name, (table_name, paths) in inputs.items():
                job.add_input(table(table_name), paths, name=name)
            job.add_rows("new_files", pa.table({"file_id": pa.array(new_files, pa.string())}))
            path = self._scratch / f"{log.table}-{day}.parquet"
            return path, job.write_model(log.table, told, path)

    def have_equal_rows(self, table_name: str, one: Path, other: Path) -> bool:
        """Whether two files of a table have the same rows."""
        with self._engine.job() as job:
            job.add_input(table(table_name), [one], name="one")
            job.add_input(table(table_name), [other], name="other")
            differing = job.rows(
                "(select * from one except all select * from other)"
                " union all (select * from other except all select * from one) limit 1"
            )
            return len(differing) == 0


class Builder:
    """Builds steps in one store, within one run."""

    def __init__(
        self, store: Store, planner: Planner, engine: DuckDBEngine, *, run_id: str, reread: Callable[[str], None]
    ) -> None:
        """Create a builder.

        Args:
            store: The store, open for writing.
            planner: The planner of the run.
            engine: The engine.
            run_id: The run that builds.
            reread: Reads a delivered file again, given its id; used if its raw events are damaged.
        """
        self.store = store
        self.planner = planner
        self._runner = StepRunner(engine, planner.frame, store.scratch)
        self._run_id = run_id
        self._reread = reread

    def build(
        self,
        step: Step,
        day: date | None,
        *,
        force: bool = False,
        is_held: Callable[[date], bool] = lambda day: False,
    ) -> Built:
        """Build a step's tables of a day if they are stale. The fingerprint is computed just before.

        A damaged input is not used; it is rebuilt first.

        Args:
            step: The step.
            day: The day; None for tables without days.
            force: Whether to build the tables even if they are fresh.
            is_held: Whether a day waits for an upgrade. On such a day, tables that are stale only because settings or
                models changed are not built. Called only for such tables.

        Raises:
            StoreError: An input is not built yet.
        """
        started = perf_counter()
        found = self.planner.staleness(step, day)
        if found is None and not force:
            partitions = {name: self.store.partitions[Key(name, day)] for name in step.tables}
            return Built(partitions, False, False, "", perf_counter() - started)
        reason = found[1] if found else "asked for by hand"
        if found is not None and found[0] is Kind.LOGIC and not force and day is not None and is_held(day):
            partitions = {name: self.store.partitions[Key(name, day)] for name in step.tables}
            return Built(partitions, False, False, f"waits for `run --upgrade`: {reason}", perf_counter() - started)
        self._mend_inputs(step, day)
        fingerprint = self.planner.fingerprint(step, day)
        if fingerprint is None:
            missing = next(
                key for keys in self.planner.inputs(step, day).values() for key in keys if isinstance(key, Key)
            )
            raise StoreError(f"{step.name}[{day}] reads {missing}, which is not built; build that first")
        before = {name: self.store.get(Key(name, day)) for name in step.tables}
        causes = self._causes(step, day, before, found)
        written = self._run(step, day)
        seconds = perf_counter() - started
        committed = self.store.commit(
            [
                Written(
                    key=Key(name, day),
                    path=path,
                    row_count=rows,
                    fingerprint=fingerprint.value,
                    parts=dict(fingerprint.parts),
                    counts={"seconds": round(seconds, 3)},
                    reason=reason,
                    causes=causes,
                )
                for name, (path, rows) in written.items()
            ]
            + self._logged(step, day, before, written, causes),
            run_id=self._run_id,
            recipe=self.planner.recipe(step),
        )
        partitions = {partition.key.table: partition for partition in committed if partition.key.table in step.tables}
        changed = any(
            (old := before[name]) is None or old.sha256 != partition.sha256 for name, partition in partitions.items()
        )
        return Built(partitions, True, changed, reason, perf_counter() - started)

    def recompute(self, step: Step, day: date) -> list[str]:
        """Build a step's tables of a day without committing them, and compare them with those in the store.

        If the bytes differ, the rows are compared, because another version of DuckDB can write equal rows as other
        bytes.

        Returns:
            The tables whose rows differ.
        """
        self._mend_inputs(step, day)
        differing = []
        for name, (path, _) in self._run(step, day).items():
            partition = self.store.partitions[Key(name, day)]
            is_equal = sha256_of(path) == partition.sha256
            if not is_equal and not self._runner.have_equal_rows(name, self.store.path_of(partition), path):
                differing.append(name)
            path.unlink()
        return differing

    def _causes(
        self,
        step: Step,
        day: date | None,
        before: Mapping[str, Partition | None],
        found: tuple[Kind, str] | None,
    ) -> tuple[str, ...]:
        """Return the origins of a build as text: delivered files, settings or models; not the tables in between."""
        if found is None:
            return ("asked for by hand",)
        kind, reason = found
        if kind is Kind.LOGIC:
            return (reason,)
        there = [partition for partition in before.values() if partition is not None]
        if len(there) < len(before):
            return (f"{day} is a {reason}" if day else reason,)
        since = min(partition.generation for partition in there)
        causes = {
            cause
            for partition in self._inputs(step, day)
            if partition.changed_generation > since
            for cause in partition.causes
        }
        first = sorted(causes)[:MOST_CAUSES]
        return (*first, "and more") if len(causes) > len(first) else tuple(first) or (reason,)

    def _logged(
        self,
        step: Step,
        day: date | None,
        before: Mapping[str, Partition | None],
        written: Mapping[str, tuple[Path, int]],
        causes: tuple[str, ...],
    ) -> list[Written]:
        """Write the step's logs with the changes of this build, to be committed with it; none if nothing changed."""
        logs = []
        for log in step.logs if day is not None else ():
            assert day is not None
            old, (path, _) = before[log.of], written[log.of]
            is_first = old is None
            if (is_first and not log.records_first_build) or (old is not None and old.sha256 == sha256_of(path)):
                continue
            if old is not None and self.store.checked_path(old) is None:
                continue  # damaged: the rows before the build are unknown
            so_far = self.store.get(Key(log.table, day))
            if so_far is not None and self.store.checked_path(so_far) is None:
                so_far = None  # damaged: a log cannot be rebuilt, so a new one starts here
            inputs = {
                f"{log.table}_before": (log.table, self._files([so_far])),
                f"{log.of}_before": (log.of, self._files([old])),
                log.of: (log.of, [path]),
            }
            for name, what in log.inputs.items():
                there = [self.store.get(Key(what.table, other)) for other in what.span.dates(self.planner.frame, day)]
                inputs[name] = what.table, self._files(there)
            told: dict[str, Scalar] = {
                "changed_at": datetime.now(UTC).replace(tzinfo=None),
                "run_id": self._run_id,
                "reason": ", ".join(causes),
            }
            log_path, row_count = self._runner.run_log(log, day, inputs, self._new_files(step, day, old), told)
            if row_count > (so_far.row_count if so_far else 0):
                logs.append(Written(Key(log.table, day), log_path, row_count, fingerprint="", reason="a change"))
        return logs

    def _new_files(self, step: Step, day: date, old: Partition | None) -> list[str]:
        """Return the ids of delivered files read after a day was built that have events of it or of the day before."""
        days = [day, self.planner.frame.calendar.previous(day)]
        raw = [partition for other in days for partition in self._inputs(step, other) if partition.key.file_id]
        return sorted({item.key.file_id for item in raw if old is not None and item.generation > old.generation})

    def _inputs(self, step: Step, day: date | None) -> list[Partition]:
        inputs = self.planner.inputs(step, day).values()
        return [partition for found in inputs for partition in found if isinstance(partition, Partition)]

    def _files(self, partitions: Sequence[Partition | None]) -> list[Path]:
        return [self.store.path_of(partition) for partition in partitions if partition is not None]

    def _run(self, step: Step, day: date | None) -> dict[str, tuple[Path, int]]:
        inputs = {
            name: [self.store.path_of(item) for item in partitions if isinstance(item, Partition)]
            for name, partitions in self.planner.inputs(step, day).items()
        }
        return self._runner.run(step, day, inputs)

    def _mend_inputs(self, step: Step, day: date | None) -> None:
        for partitions in self.planner.inputs(step, day).values():
            for partition in partitions:
                if isinstance(partition, Partition) and self.store.checked_path(partition) is None:
                    self.store.mark_damaged(partition)
                    self._mend(partition)

    def _mend(self, partition: Partition) -> None:
        producer = STEP_OF_TABLE.get(partition.key.table)
        if producer is not None:
            self.build(producer, partition.key.date)
        else:
            self._reread(partition.key.file_id)
