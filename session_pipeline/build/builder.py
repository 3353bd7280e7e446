"""Builds stale partitions: cuts days into stretches, runs a step's models on the engine, commits the result.

plan.py decides what is stale, stretches.py which days are built together, runner.py runs the models, causes.py finds
what caused a build. run/ calls the builder, for the command line and for Dagster.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from time import perf_counter

from session_pipeline.build.causes import Causes
from session_pipeline.build.logs import Logs
from session_pipeline.build.plan import Kind, Planner, Staleness
from session_pipeline.build.runner import Rows, StepRunner
from session_pipeline.build.stretches import first_stretch
from session_pipeline.engines.base import Engine
from session_pipeline.store.part_files import content_hash, files_at, paths_at, remove_at
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.store.store import Store
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE

AUDITED_EVENTS = 100_000  # of a big day, so that the cost of an audit is bounded
FORCED = "asked for by hand"


@dataclass(frozen=True)
class Built:
    """The result of building a step's tables of a day.

    Attributes:
        day: The day; None for tables without days.
        partitions: The partitions of the day, by table.
        was_built: False if all were fresh, or if they wait for an upgrade.
        changed: Whether the bytes of any partition changed.
        reason: Why they were built, or wait; empty if they were fresh.
        seconds: How long it took; for each day of a stretch, an equal share.
    """

    day: date | None
    partitions: dict[str, Partition]
    was_built: bool
    changed: bool
    reason: str
    seconds: float


class Builder:
    """Builds steps in one store, within one run."""

    def __init__(
        self, store: Store, planner: Planner, engine: Engine, *, run_id: str, repair: Callable[[Partition], None]
    ) -> None:
        """Create a builder.

        Args:
            store: The store, open for writing.
            planner: The planner of the run.
            engine: The engine.
            run_id: The run that builds.
            repair: Rebuilds a damaged partition; called before a step reads it.
        """
        self.store = store
        self.planner = planner
        self._engine = engine
        self._runner = StepRunner(engine, planner.frame, store.scratch)
        self._causes = Causes(store, planner)
        self._logs = Logs(store, planner, self._runner, run_id)
        self._run_id = run_id
        self._repair = repair
        # The days of each table whose rows the engine still has in memory, with the hashes of their files.
        self._kept: dict[str, dict[date, str]] = {}

    @property
    def has_kept(self) -> bool:
        """Whether the engine still has rows in memory."""
        return bool(self._kept)

    def build(
        self,
        step: Step,
        days: Sequence[date | None],
        *,
        force: bool = False,
        is_outdated: Callable[[date], bool] = lambda day: False,
    ) -> Iterator[Built]:
        """Build a step's tables of those days that are stale, in stretches, and yield the result of each day.

        Whether a day is stale is asked again after the stretch before it was committed, because what is carried over
        midnight may have changed. Missing and damaged inputs are built first.

        Args:
            step: The step.
            days: The days, in order; (None,) for a step without days.
            force: Whether to build the tables even if they are fresh.
            is_outdated: Whether a day waits for an upgrade. On such a day, tables that are stale only because settings
                or models changed are not built. Called only for such tables.
        """
        position = 0
        while position < len(days):
            day = days[position]
            self._build_missing_inputs(step, (day,))
            found = self.planner.staleness(step, day)
            why_not = self._why_not(day, found, force=force, is_outdated=is_outdated)
            if why_not is not None:
                partitions = {name: self.store.partitions[Key(name, day)] for name in step.tables}
                yield Built(day, partitions, False, False, why_not, 0.0)
                position += 1
                continue
            stretch: dict[date | None, Staleness | None] = {day: found}
            if day is not None:
                later = self._stale_neighbours(step, days[position:], force=force, is_outdated=is_outdated)
                stretch = {
                    other: self.planner.staleness(step, other)
                    for other in first_stretch(later, self.planner.event_count, self._engine.stretch_scale)
                }
            yield from self._build(step, stretch)
            position += len(stretch)

    def recompute(self, step: Step, day: date) -> list[str]:
        """Build a step's tables of a day without committing them, and compare them with those in the store.

        Of a big day, only the rows of some visitors are computed, about AUDITED_EVENTS, unless a series of sessions is
        that of a person or of a client session. If the bytes differ, the rows are compared, because another version of
        DuckDB can write equal rows as other bytes.

        Returns:
            The tables whose rows differ.
        """
        self._prepare_inputs(step, (day,))
        sample_divisor = -(-self.planner.event_count(day) // AUDITED_EVENTS) or 1
        settings = self.planner.frame.settings
        if settings.identity.is_by_person or settings.sessions.client_sessions != "ignore":
            sample_divisor = 1  # some tables have the visitor's id and some that of a series, so no sample fits both
        files = self._runner.run(step, (day,), self._inputs_from_files(step, (day,)), sample_divisor=sample_divisor)
        differing = []
        for name, of_days in files.items():
            path, partition = of_days[day].path, self.store.partitions[Key(name, day)]
            is_equal = sample_divisor == 1 and content_hash(files_at(path, of_days[day].row_count)) == partition.sha256
            stored = self.store.paths_of(partition)
            if not is_equal and not self._runner.have_equal_rows(
                name, stored, paths_at(path), sample_divisor=sample_divisor
            ):
                differing.append(name)
            remove_at(path)
        return differing

    # What is built

    @staticmethod
    def _why_not(
        day: date | None, found: Staleness | None, *, force: bool, is_outdated: Callable[[date], bool]
    ) -> str | None:
        """Return why a day is not built ("" if it is fresh); None if it is built."""
        if force:
            return None
        if found is None:
            return ""
        waits = found.kind is Kind.LOGIC and day is not None and is_outdated(day)
        return f"waits for `run --upgrade`: {found.reason}" if waits else None

    def _stale_neighbours(
        self, step: Step, days: Sequence[date | None], *, force: bool, is_outdated: Callable[[date], bool]
    ) -> Iterator[date]:
        """Yield the first of the days, which is known to be stale, and the stale days that follow it without a gap."""
        last: date | None = None
        for day in days:
            assert day is not None
            if last is not None:
                found = self.planner.staleness(step, day)
                is_stale = self._why_not(day, found, force=force, is_outdated=is_outdated) is None
                if not is_stale or self.planner.frame.next_wanted(last) != day:
                    return
            yield day
            last = day

    def _build_missing_inputs(self, step: Step, days: Sequence[date | None]) -> None:
        """Build inputs that are not built yet; they can be days of another range of the plan."""
        missing: dict[str, tuple[Step, set[date | None]]] = {}
        for key in self._missing_inputs(step, days):
            producer = STEP_OF_TABLE[key.table]
            missing.setdefault(producer.name, (producer, set()))[1].add(key.date)
        for producer, its_days in missing.values():
            # A step that reads its own day before needs all days before that.
            before = its_days
            while before and producer is step:
                keys = self._missing_inputs(step, sorted(day for day in before if day is not None))
                before = {key.date for key in keys if key.table in step.tables} - its_days
                its_days |= before
            self.build_all(producer, sorted(its_days, key=str))

    def build_all(self, step: Step, days: Sequence[date | None]) -> None:
        """Build as `build` does, without looking at the results."""
        for _ in self.build(step, days):
            pass

    # Building

    def _build(self, step: Step, stretch: Mapping[date | None, Staleness | None]) -> Iterator[Built]:
        """Build a stretch of days in one query for each model, and commit it in one transaction."""
        started = perf_counter()
        days = tuple(stretch)
        self._prepare_inputs(step, days)
        before = {(name, day): self.store.get(Key(name, day)) for name in step.tables for day in days}
        dates = tuple(day for day in days if day is not None)
        # The engine replaces the rows that it has of these tables, and can fail before the new ones are committed.
        for name in step.tables:
            self._kept.pop(name, None)
        files = self._runner.run(step, dates, self._inputs(step, days), keep=True)
        parts = {
            Key(name, day): files_at(new.path, new.row_count)
            for name, of_days in files.items()
            for day, new in of_days.items()
        }
        hashes = {key: content_hash(found) for key, found in parts.items()}

        def is_changed(name: str, day: date | None) -> bool:
            old = before[name, day]
            return old is None or old.sha256 != hashes[Key(name, day)]

        seconds = (perf_counter() - started) / len(days)
        written: list[Written] = []
        causes_of_day: dict[date | None, tuple[str, ...]] = {}
        changed_by: dict[Key, tuple[str, ...]] = {}
        for day, found in stretch.items():
            fingerprint = self.planner.fingerprint(step, day, hashes)
            assert fingerprint is not None, f"an input of {step.name}[{day}] is missing after it was built"
            causes: tuple[str, ...] = (FORCED,)
            if found:
                old = [before[name, day] for name in step.tables]
                causes = self._causes.of(step, day, old, fingerprint.parts, changed_by, found.reason)
            causes_of_day[day] = causes
            changed_by |= {Key(name, day): causes for name in step.tables if is_changed(name, day)}
            written += [
                Written(
                    key=Key(name, day),
                    path=files[name][day].path,
                    row_count=files[name][day].row_count,
                    fingerprint=fingerprint.value,
                    parts=dict(fingerprint.parts),
                    counts={"seconds": round(seconds, 3), **files[name][day].figures},
                    reason=found.reason if found else FORCED,
                    causes=causes,
                    sha256=hashes[Key(name, day)],
                    files=parts[Key(name, day)],
                )
                for name in step.tables
            ]
        for log in step.logs:
            written += self._logs.write(
                log, {day: before[log.of, day] for day in dates}, files[log.of], hashes, causes_of_day
            )
        committed = self.store.commit(written, run_id=self._run_id, recipe=self.planner.recipe(step))
        if len(days) > 1 and self._engine.keeps_rows:
            for name in step.tables:
                self._kept[name] = {day: hashes[Key(name, day)] for day in dates}
        partitions = {partition.key: partition for partition in committed}
        seconds = (perf_counter() - started) / len(days)
        for day, found in stretch.items():
            of_day = {name: partitions[Key(name, day)] for name in step.tables}
            changed = any(is_changed(name, day) for name in step.tables)
            yield Built(day, of_day, True, changed, found.reason if found else FORCED, seconds)

    def _inputs(self, step: Step, days: Sequence[date | None]) -> dict[str, Rows]:
        """Return the rows of each input: from memory where the engine still has them, otherwise from files."""
        return {name: self.rows_of(name, partitions) for name, partitions in self._partitions_read(step, days).items()}

    def rows_of(self, name: str, partitions: Sequence[Partition]) -> Rows:
        """Return where the rows of some partitions of a table are: in memory where the engine still has them."""
        kept = self._kept.get(name, {})
        in_memory = {
            partition.key: partition.key.date
            for partition in partitions
            if partition.key.date is not None and kept.get(partition.key.date) == partition.sha256
        }
        paths = [
            path
            for partition in partitions
            if partition.key not in in_memory
            for path in self.store.paths_of(partition)
        ]
        return Rows(paths, tuple(day for day in in_memory.values() if day is not None))

    def _inputs_from_files(self, step: Step, days: Sequence[date | None]) -> dict[str, Rows]:
        return {
            name: Rows([path for partition in partitions for path in self.store.paths_of(partition)])
            for name, partitions in self._partitions_read(step, days).items()
        }

    def _partitions_read(self, step: Step, days: Sequence[date | None]) -> dict[str, list[Partition]]:
        return {
            name: [each for each in found if isinstance(each, Partition)]
            for name, found in self.planner.inputs(step, days).items()
        }

    def _missing_inputs(self, step: Step, days: Sequence[date | None]) -> list[Key]:
        return [key for found in self.planner.inputs(step, days).values() for key in found if isinstance(key, Key)]

    def _prepare_inputs(self, step: Step, days: Sequence[date | None]) -> None:
        """Build the inputs that are missing, and rebuild those that are damaged."""
        self._build_missing_inputs(step, days)
        for partitions in self._partitions_read(step, days).values():
            for partition in partitions:
                if not self.store.is_intact(partition):
                    self._repair(partition)
