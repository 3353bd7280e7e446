"""Builds what is stale: gathers a step's inputs, lets the engine run its models, commits the result.

Knows the plan, the store and the engine. Does not know Dagster, and decides nothing that the plan can decide.
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
from session_pipeline.store.catalog import Key, Partition
from session_pipeline.store.store import Store, Written, sha256_of
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame, Scalar
from session_pipeline.tables.graph import Log, Step
from session_pipeline.tables.steps import STEP_OF_TABLE

MOST_CAUSES = 8  # that a partition names; a build can be set off by thousands of small files


@dataclass(frozen=True)
class Built:
    """What became of a step's tables of a day.

    Attributes:
        partitions: The tables, by name.
        was_built: False when all were fresh, or wait for an upgrade.
        changed: Whether any of them has other rows than before.
        reason: Why it was built, or waits; empty when it is fresh.
    """

    partitions: dict[str, Partition]
    was_built: bool
    changed: bool
    reason: str
    seconds: float


class StepRunner:
    """Runs steps on an engine for one frame; what the settings give is made once."""

    def __init__(self, engine: DuckDBEngine, frame: Frame, scratch: Path) -> None:
        """Take what a step needs but its inputs; what it gives is written into `scratch`."""
        self._engine = engine
        self._frame = frame
        self._scratch = scratch
        self._relations: dict[str, str] = {}
        self._lists: dict[str, pa.Table] = {}

    def run(self, step: Step, day: date | None, inputs: Mapping[str, Sequence[Path]]) -> dict[str, tuple[Path, int]]:
        """Write a step's tables of a day from the files of its inputs; returns the file and row count of each."""
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
        """Write a log of a day from its inputs, each a table's name and files; returns its file and row count."""
        with self._engine.job() as job:
            for name, (table_name, paths) in inputs.items():
                job.add_input(table(table_name), paths, name=name)
            job.add_rows("new_files", pa.table({"file_id": pa.array(new_files, pa.string())}))
            path = self._scratch / f"{log.table}-{day}.parquet"
            return path, job.write_model(log.table, told, path)

    def have_equal_rows(self, table_name: str, one: Path, other: Path) -> bool:
        """Whether two files of a table hold the same rows."""
        with self._engine.job() as job:
            job.add_input(table(table_name), [one], name="one")
            job.add_input(table(table_name), [other], name="other")
            differing = job.rows(
                "(select * from one except all select * from other)"
                " union all (select * from other except all select * from one) limit 1"
            )
            return len(differing) == 0


class Builder:
    """Builds steps into one store, within one run."""

    def __init__(
        self, store: Store, planner: Planner, engine: DuckDBEngine, *, run_id: str, reread: Callable[[str], None]
    ) -> None:
        """Take what a build needs; `reread` reads a delivered file again when its raw events are damaged."""
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
        """Build a step's tables of a day if they are stale, looking at the fingerprint just now.

        On a day that is held back, what only rules changed for waits; `is_held` is asked when there is such a thing.

        An input whose bytes are not those that were written is not built upon: it is built again first.
        """
        started = perf_counter()
        found = self.planner.staleness(step, day)
        if found is None and not force:
            partitions = {name: self.store.partitions[Key(name, day)] for name in step.tables}
            return Built(partitions, False, False, "", perf_counter() - started)
        reason = found[1] if found else "asked for by hand"
        if found is not None and found[0] is Kind.LOGIC and not force and day is not None and is_held(day):
            partitions = {name: self.store.partitions[Key(name, day)] for name in step.tables}
            return Built(partitions, False, False, f"waits for an upgrade: {reason}", perf_counter() - started)
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
        """Build a step's tables of a day without taking them in; returns those that have other rows than there are.

        Another version of DuckDB can write equal rows as other bytes, so where these differ, rows are compared.
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
        """What sets a build off, in words that name files and rules and not the tables in between."""
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
        """The step's logs with what this build changes, to be committed with it; none where nothing changed."""
        logs = []
        for log in step.logs if day is not None else ():
            assert day is not None
            old, (path, _) = before[log.of], written[log.of]
            is_first = old is None
            if (is_first and not log.records_first_build) or (old is not None and old.sha256 == sha256_of(path)):
                continue
            if old is not None and self.store.checked_path(old) is None:
                continue  # damaged: nobody knows any more what it was
            so_far = self.store.get(Key(log.table, day))
            if so_far is not None and self.store.checked_path(so_far) is None:
                so_far = None  # damaged: nothing makes a log again, so it goes on from here
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
        """Delivered files that came after a day was built: with events of the day, or of the day before."""
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
