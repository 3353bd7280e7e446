"""Builds stale partitions: runs a step's models on the engine for each stretch of days, and commits the result.

stale_days.py says which days are built together, runner.py runs the models, ahead.py has some of them run in a second
thread, causes.py finds what caused a build. run/ calls the builder, for the command line and for Dagster.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from time import perf_counter

from session_pipeline.build.ahead import Ahead
from session_pipeline.build.causes import Causes
from session_pipeline.build.compaction import Compaction
from session_pipeline.build.logs import Logs
from session_pipeline.build.planner import Planner
from session_pipeline.build.read_rows import ReadRows
from session_pipeline.build.runner import Computed, StepRunner
from session_pipeline.build.second_thread import SecondThread
from session_pipeline.build.stale_days import StaleDays, Stretch
from session_pipeline.engines.base import Engine
from session_pipeline.store.part_files import content_hash, files_at, paths_at, remove_at
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.store.store import Store
from session_pipeline.store.stored_partitions import DamagedError
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
    """Builds steps in one store, within one run.

    Attributes:
        store: The store, open for writing.
        planner: The planner of the run.
        rows: The rows that steps read, and which of them the engine still has in memory.
        ahead: The steps that the second thread computes.
    """

    def __init__(
        self,
        store: Store,
        planner: Planner,
        engine: Engine,
        second: SecondThread,
        *,
        run_id: str,
        repair: Callable[[Partition], None],
        is_outdated: Callable[[date], bool],
    ) -> None:
        """Create a builder.

        Args:
            store: The store, open for writing.
            planner: The planner of the run.
            engine: The engine.
            second: A second thread of the engine; it has no tasks.
            run_id: The run that builds.
            repair: Rebuilds a damaged partition; called before a step reads it.
            is_outdated: Whether a day waits for an upgrade; see `StaleDays`.
        """
        self.store = store
        self.planner = planner
        self._engine = engine
        self._runner = StepRunner(engine, planner.frame, store.scratch)
        self._causes = Causes(store, planner)
        self._logs = Logs(store, planner, self._runner, run_id)
        self._run_id = run_id
        self._repair = repair
        self._is_outdated = is_outdated
        self._compaction = Compaction(store, engine)
        self.rows = ReadRows(store, planner.inputs, self._compaction)
        self.ahead = Ahead(store, planner, self.rows, second)

    def begin_ahead(self, days: Sequence[date]) -> None:
        """Let the second thread begin with days for which all steps are built next; see `Ahead.begin`."""
        self.ahead.begin(days, self._stale())

    def build(self, step: Step, days: Sequence[date | None], *, force: bool = False) -> Iterator[Built]:
        """Build a step's tables of those days that are stale, in stretches, and yield the result of each day.

        Whether a day is stale is asked again after the stretch before it was committed, because what is carried over
        midnight may have changed. Missing and damaged inputs are built first.

        Args:
            step: The step.
            days: The days, in order; (None,) for a step without days.
            force: Whether to build the tables even if they are fresh.
        """
        return self._build_stale(step, days, self._stale(are_all=force))

    def build_all(self, step: Step, days: Sequence[date | None]) -> None:
        """Build as `build` does, without looking at the results. No day waits for an upgrade."""
        for _ in self._build_stale(step, days, StaleDays(self.planner, self._engine.stretch_scale)):
            pass

    def _build_stale(self, step: Step, days: Sequence[date | None], stale: StaleDays) -> Iterator[Built]:
        position = 0
        while position < len(days):
            day = days[position]
            self._build_missing_inputs(step, (day,))
            found = self.planner.staleness(step, day)
            why_not = stale.why_not(day, found)
            if why_not is not None:
                partitions = {name: self.store.partitions[Key(name, day)] for name in step.tables}
                yield Built(day, partitions, False, False, why_not, 0.0)
                position += 1
                continue
            stretch = stale.first_stretch(step, days[position:], found)
            yield from self._build(step, stretch)
            position += len(stretch)
        self.ahead.mark_built(step, self._stale())

    def compact(self) -> None:
        """Write compacted files of the days that the steps read one by one or in memory."""
        self._compaction.write(self.rows.of_partitions)

    def recompute(self, step: Step, day: date) -> list[str]:
        """Build a step's tables of a day without committing them, and compare them with those in the store.

        Of a big day, only the rows of some visitors are computed, about AUDITED_EVENTS, unless a series of sessions is
        that of a person or of a client session. If the bytes differ, the rows are compared, because another version of
        DuckDB can write equal rows as other bytes.

        Returns:
            The tables whose rows differ.
        """
        self._prepare_inputs(step, (day,))
        sample_divisor = -(-self.planner.inputs.event_count(day) // AUDITED_EVENTS) or 1
        settings = self.planner.frame.settings
        if settings.identity.is_by_person or settings.sessions.client_sessions != "ignore":
            sample_divisor = 1  # some tables have the visitor's id and some that of a series, so no sample fits both
        files = self._runner.run(step, (day,), self.rows.in_files(step, (day,)), sample_divisor=sample_divisor)
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

    def _stale(self, *, are_all: bool = False) -> StaleDays:
        return StaleDays(self.planner, self._engine.stretch_scale, self._is_outdated, are_all)

    def _build_missing_inputs(self, step: Step, days: Sequence[date | None]) -> None:
        """Build inputs that are not built yet; they can be days of another range of the plan."""
        missing: dict[str, tuple[Step, set[date | None]]] = {}
        for key in self.rows.missing(step, days):
            producer = STEP_OF_TABLE[key.table]
            missing.setdefault(producer.name, (producer, set()))[1].add(key.date)
        for producer, its_days in missing.values():
            # A step that reads its own day before needs all days before that.
            before = its_days
            while before and producer is step:
                keys = self.rows.missing(step, sorted(day for day in before if day is not None))
                before = {key.date for key in keys if key.table in step.tables} - its_days
                its_days |= before
            self.build_all(producer, sorted(its_days, key=str))

    # Building

    def _build(self, step: Step, stretch: Stretch) -> Iterator[Built]:
        """Build a stretch of days in one query for each model, and commit it in one transaction."""
        days = tuple(stretch)
        self._prepare_inputs(step, days)
        keys = [Key(name, day) for name in step.tables for day in days]
        before = {key: self.store.get(key) for key in keys}
        computed = self._computed(step, days)
        hashes, started = computed.hashes, perf_counter() - computed.seconds
        changed = {key for key, old in before.items() if old is None or old.sha256 != hashes[key]}
        written, causes = self._to_commit(step, stretch, before, computed, changed)
        dates = tuple(day for day in days if day is not None)
        try:
            for log in step.logs:
                logged = {day: before[Key(log.of, day)] for day in dates}
                written += self._logs.write(log, logged, computed.files[log.of], hashes, causes)
        except DamagedError as damaged:
            self.ahead.stop()
            self._repair(damaged.partition)
            yield from self._build(step, stretch)
            return
        committed = self.store.commit(written, run_id=self._run_id, recipe=self.planner.fingerprints.recipe(step))
        if len(days) > 1 and self._engine.keeps_rows:
            for name in step.tables:
                self.rows.keep(name, {day: hashes[Key(name, day)] for day in dates})
        partitions = {partition.key: partition for partition in committed}
        seconds = (perf_counter() - started) / len(days)
        for day, found in stretch.items():
            of_day = {name: partitions[Key(name, day)] for name in step.tables}
            is_changed = any(partition.key in changed for partition in of_day.values())
            yield Built(day, of_day, True, is_changed, found.reason if found else FORCED, seconds)

    def _to_commit(
        self,
        step: Step,
        stretch: Stretch,
        before: Mapping[Key, Partition | None],
        computed: Computed,
        changed: Collection[Key],
    ) -> tuple[list[Written], dict[date | None, tuple[str, ...]]]:
        """Return the files of a stretch of days with what the catalog records of them, and the causes of each day.

        Args:
            step: The step.
            stretch: The days, each with the reason.
            before: The partitions before the build.
            computed: The new files.
            changed: The partitions whose bytes the build changes.
        """
        written: list[Written] = []
        causes_of_day: dict[date | None, tuple[str, ...]] = {}
        changed_by: dict[Key, tuple[str, ...]] = {}
        for day, found in stretch.items():
            keys = [Key(name, day) for name in step.tables]
            fingerprint = self.planner.fingerprints.of(step, day, computed.hashes)
            assert fingerprint is not None, f"an input of {step.name}[{day}] is missing after it was built"
            causes: tuple[str, ...] = (FORCED,)
            if found:
                old = [before[key] for key in keys]
                causes = self._causes.of(step, day, old, fingerprint.parts, changed_by, found.reason)
            causes_of_day[day] = causes
            changed_by |= {key: causes for key in keys if key in changed}
            for key in keys:
                file = computed.files[key.table][day]
                written.append(
                    Written(
                        key=key,
                        path=file.path,
                        row_count=file.row_count,
                        fingerprint=fingerprint.value,
                        parts=dict(fingerprint.parts),
                        counts={"seconds": round(computed.seconds / len(stretch), 3), **file.figures},
                        reason=found.reason if found else FORCED,
                        causes=causes,
                        files=computed.parts[key],
                    )
                )
        return written, causes_of_day

    def _computed(self, step: Step, days: Sequence[date | None]) -> Computed:
        """Return the files of a stretch of days: from the second thread, or computed here."""
        ahead = self.ahead.fetch(step, days)
        if ahead is not None:
            return ahead
        # The engine replaces the rows that it has of these tables, and can fail before the new ones are committed.
        if self.rows.is_any_kept(step.tables):
            self.ahead.stop()  # a task of the second thread can be reading them
            self.rows.forget(step.tables)
        try:
            return self._runner.compute(step, days, self.rows.of(step, days))
        except Exception:
            if not self.ahead.end():
                raise
        # The memory limit is that of both threads, so what did not fit may fit now.
        return self._runner.compute(step, days, self.rows.of(step, days))

    def _prepare_inputs(self, step: Step, days: Sequence[date | None]) -> None:
        """Build the inputs that are missing, and rebuild those that are damaged."""
        self._build_missing_inputs(step, days)
        for partition in self.rows.opened(step, days):
            if not self.store.is_intact(partition):
                self.ahead.stop()
                self._repair(partition)
