"""Defines a run over one data folder: ingest, plan, build, publish, report.

It defines the order of the work; the work itself is done in ingest/, build/, publish/ and report/.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline.build.builder import Built
from session_pipeline.build.expiry import Expiry
from session_pipeline.build.runner import Rows
from session_pipeline.build.second_thread import SecondThread, Task
from session_pipeline.engines.base import Engine
from session_pipeline.engines.connections import second_connection
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.errors import StoreError
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.ingest.erasing.expired_text import expired_text
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish import publication, published_state
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.publish.publication import Published
from session_pipeline.reference.days import dates
from session_pipeline.run import delivered_files
from session_pipeline.run.opened import OpenFolder, horizon, package_version, record_known
from session_pipeline.run.outcome import Outcome, Progress
from session_pipeline.run.profile import INGEST, PLAN, PUBLISH, REPORT
from session_pipeline.run.work import Work
from session_pipeline.run.written_ahead import WrittenAhead
from session_pipeline.store.catalog_file import FROZEN_BEFORE, FROZEN_TIMEZONE
from session_pipeline.store.records import Key, Partition
from session_pipeline.tables import table
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import IDENTITY_STEPS, STEP_OF_TABLE

if TYPE_CHECKING:
    from session_pipeline.ingest.reading.read_ahead import FilesAhead
    from session_pipeline.report.ahead import ReadAhead

FILES = "files"  # the task of the second thread that reads delivered files


@dataclass
class Run(OpenFolder):
    """One run: ingests, plans, builds, publishes and reports. The store is open for writing during its whole life.

    Attributes:
        engine: The local engine, for ingest, checks and figures.
        model_engine: The engine that runs the models: the local one or a cluster.
        second_thread: Reads delivered files, computes steps, writes the warehouse and reads from it what the report
            needs, before the run comes to them.
        run_id: The id that is recorded with everything the run writes.
        progress: Is called while the run works.
        outcome: What the run did so far.
        files_ahead: Delivered files that the second thread reads before the ingest.
    """

    engine: DuckDBEngine = field(kw_only=True)
    model_engine: Engine = field(kw_only=True)
    second_thread: SecondThread = field(kw_only=True)
    run_id: str = field(kw_only=True)
    progress: Progress = field(default_factory=Progress, kw_only=True)
    outcome: Outcome = field(default_factory=Outcome, init=False)
    files_ahead: "FilesAhead | None" = field(default=None, init=False, repr=False)
    _expected: tuple[date, ...] = field(default=(), init=False, repr=False)
    _work: Work = field(init=False, repr=False)
    _written_ahead: WrittenAhead = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings, and begin with the id that was given."""
        super().__post_init__()
        self._written_ahead = WrittenAhead(self.second_thread)
        self.begin(self.run_id)

    def begin(self, run_id: str) -> None:
        """Record what follows under this id. The command line does the work of several Dagster runs in one Run."""
        if run_id in self.outcome.run_ids:  # it has begun already, and its steps can be computed ahead
            return
        self.run_id = run_id
        self.outcome.run_ids.add(run_id)
        self.renew_work()

    def renew_work(self) -> None:
        """Let what is done next begin with what is recorded now: the run id, the erasures, the present state."""
        self.second_thread.stop()
        self._work = Work(self)

    def _forget_state(self) -> None:
        """Forget what was made from raw events and frozen days that have changed."""
        self.plans.clear()
        self._planner = None
        self.renew_work()

    def read_ahead(self) -> None:
        """Let a second thread read the files that the ingest takes next, if they are few and small.

        Nothing is committed before the ingest. The first thread must not use the engine until it begins a job.
        """
        is_usual = self.model_engine is self.engine and not self.has_unfinished_erasure()
        if not self.to_read or not is_usual:
            return
        # Here and not in the second thread, because it takes long and another thread must not import modules meanwhile.
        from session_pipeline.ingest.reading.read_ahead import FilesAhead  # loads Arrow

        connection = second_connection(self.engine.connection)
        files = FilesAhead(self.folder, self.settings, self.to_read, connection, self.store.scratch)
        self.files_ahead = files
        self.second_thread.give({FILES: Task(None, lambda _jobs: files.read())})

    def ingest(
        self,
        on_file: Callable[[int, int, str], None] = lambda done, total, name: None,
        *,
        settle_seconds: float = 0,
    ) -> IngestSummary:
        """Read the delivered files that are new, changed, or must be read again because of changed settings.

        Args:
            on_file: Called before each file, like `Progress.on_file`.
            settle_seconds: A file changed within this time is checked again after it. If it changed meanwhile, it is
                still being written and is left for the next run.
        """

        def at_file(done: int, total: int, name: str) -> None:
            on_file(done, total, name)
            self.progress.on_file(done, total, name)

        before = self.store.change_count
        with self.profile.stage(INGEST):
            self.second_thread.stop()
            # Counted first: the ingest makes a key if there is none, and reads these files again.
            others = delivered_files.other_key_count(self.folder, self.store)
            self.outcome.other_key_count = max(others, self.outcome.other_key_count)
            self.outcome.files = self._work.ingest.run(at_file, settle_seconds=settle_seconds)
        if self.files_ahead is not None:
            self.files_ahead.discard()
            self.files_ahead = None
        if self.store.change_count != before:
            self._forget_state()
        self._find_persons()
        return self.outcome.files

    def _find_persons(self) -> None:
        """Build the tables that say which ids belong to one person, if the settings ask for persons.

        A link that is found on one day can change every other day. After this, the plan contains exactly the days that
        it does change, so that a run does not look at all of them.
        """
        for step in IDENTITY_STEPS if self.settings.identity.is_by_person and self.planner.frame.wanted else ():
            self.build(step, self.planner.frame.open_days if step.is_daily else (None,))

    def build(
        self,
        step: Step,
        days: Sequence[date | None],
        *,
        force: bool = False,
        on_built: Callable[[Built], None] = lambda built: None,
    ) -> list[Built]:
        """Build a step's tables of those days that are stale, or of all if `force` is set; return each day's result.

        Neighbouring days are built together. Tables that are stale only because settings or models changed wait if the
        plan defers their day, unless this run is an upgrade.

        Args:
            step: The step.
            days: The days, in order; (None,) for a step without days. Frozen days are left out, and steps without days
                if there is no day with events.
            force: Whether to build the tables even if they are fresh.
            on_built: Called for each day once it is committed. An error that it raises ends the build.
        """
        results = []
        frame = self.planner.frame
        days = [day for day in days if (frame.wanted if day is None else not frame.is_frozen(day))]
        self._expect(tuple(day for day in days if day is not None))
        with self.profile.stage(step.name):
            for built in self._work.builder.build(step, days, force=force):
                self.progress.on_build(step, built.day, built)
                on_built(built)
                results.append(built)
        if self._work.builder.ahead.is_done:
            self._write_ahead()
        return results

    def begin_ahead(self, first: date, last: date) -> None:
        """Let a second thread begin with the days of a range, if all steps are built for them next."""
        frame = self.planner.frame
        days = tuple(day for day in frame.only_wanted(dates(first, last)) if not frame.is_frozen(day))
        self._expect(days)
        with self.profile.stage(PLAN):
            self._work.builder.begin_ahead(days)

    def _write_ahead(self) -> None:
        """Let the second thread write the warehouse that is published next, and read what its report needs."""
        if self._written_ahead.has_begun:
            return
        plan = self.plan()
        if publication.why_not(plan) is not None or plan.unwanted or not self.expiry().is_empty:
            return
        new = NewWarehouse(self.folder, self.store, plan, package_version=package_version(), run_id=self.run_id)
        connection = self.engine.connection.cursor()
        kept = self._work.kept(lambda: connection)
        reads = self._work.builder.ahead.is_computing  # otherwise the checks may need the memory
        self._written_ahead.begin(new, kept, self.folder, self.settings, reads=reads)

    def discard_unpublished(self) -> None:
        """Remove a warehouse that was written and is not published."""
        self._written_ahead.end()

    def _expect(self, days: tuple[date, ...]) -> None:
        """Let the engine know how many events the days have. All daily steps of a run have the same days."""
        if days and days != self._expected:
            self._expected = days
            self.second_thread.stop()  # the number of threads must not change while it works
            self.engine.expect(sum(map(self.planner.inputs.event_count, days)))

    def rows_of(self, partitions: Sequence[Partition]) -> Rows:
        """Return where the rows of some partitions of a table are: in memory where the engine still has them."""
        return self._work.builder.rows.of_partitions(partitions)

    def recompute(self, step: Step, day: date) -> list[str]:
        """Build a step's tables of a day without committing them; return those whose rows differ from the store's."""
        return self._work.builder.recompute(step, day)

    def drop_unwanted(self) -> tuple[Key, ...]:
        """Drop partitions that are no longer wanted, after another time zone, a later start or an earlier end."""
        unwanted = self.plan().unwanted
        if unwanted:
            self.store.commit([], run_id=self.run_id, drop=unwanted)
        return unwanted

    def keep_published_days(self) -> None:
        """Move the last day to that of the latest publication if that is later, so that no published day is dropped.

        A build has the last day of its plan. It may have waited while another run published the next day, or be an old
        one that a user executes again. Days after the usual last day are not kept.
        """
        latest = self.store.catalog.latest_publication()
        if latest is None:
            return
        until = min(latest.data_until, horizon(self.settings, None))
        if self.until < until:
            self.until = until
            self._forget_state()

    def expire(self) -> Expiry | None:
        """Remove what has expired, in one transaction, and record which days are frozen; return it, or None if nothing.

        Called when nothing is stale, so that no day is frozen before what was delivered for it is built.
        """
        found = self.expiry()
        if found.is_empty:
            return None
        written = [expired_text(self.store, self.engine, key) for key in found.texts]
        frozen: dict[str, int | str] = {}
        if found.frozen_before:
            frozen = {FROZEN_BEFORE: found.frozen_before.toordinal(), FROZEN_TIMEZONE: self.settings.timezone}
        self.store.commit(
            written,
            run_id=self.run_id,
            drop=found.drop,
            source_files=found.files,
            state=frozen,
        )
        self.outcome.expired_count += len(found.drop) + len(found.texts)
        self._forget_state()
        return found

    def publish(self) -> Published | str:
        """Publish the store's state.

        Returns:
            What was published; or why nothing was: something is stale, or this state is published already.
        """
        with self.profile.stage(PUBLISH):
            written = self._written_ahead.warehouse()
            self.outcome.findings = None
            try:
                self.outcome.published = self._published(written)
            finally:
                self.discard_unpublished()
            if isinstance(self.outcome.published, Published):
                self._work.builder.compact()
        return self.outcome.published

    def read_of_published(self) -> "ReadAhead | None":
        """Return what the second thread read from the published warehouse; None if the caller must read it."""
        return self._written_ahead.found(self.folder)

    def write_report(self) -> Path:
        """Write the HTML report from the warehouse; returns its path."""
        with self.profile.stage(REPORT):
            from session_pipeline import report  # slow to load, and only this method needs it

            ahead = self.read_of_published()
            self.store.check_lock()
            self.outcome.report = report.write(self.folder, self.settings, self.outcome.findings, ahead)
        return self.outcome.report.path

    def _published(self, written: NewWarehouse | None) -> Published | str:
        plan = self.plan()
        reason = publication.why_not(plan)
        if reason is not None:
            return reason
        # After an earlier last day than that of the run before: tables without days do not have the later days either.
        if self.drop_unwanted():
            plan = self.plan()
        if (left := unfinished_in(self.folder)) is not None:
            from session_pipeline.run import erasure  # loads Arrow, and hardly any run finishes an erasure

            erasure.remove_from_logs(self, left)
        if self.expire():
            plan = self.plan()
        if plan.is_empty:
            record_known(self.store, self.planner, plan.outdated)
        if published_state.is_current(self.folder, self.store, plan):
            return "this state is already published"
        return publication.publish(
            self.folder,
            self.store,
            plan,
            package_version=package_version(),
            run_id=self.run_id,
            repair=self.repair,
            kept=self._work.kept(self.engine.connection.cursor),
            written=written,
        )

    def repair(self, partition: Partition) -> None:
        """Build a damaged partition again, or read its delivered file again."""
        self.refuse_unreadable(partition)
        self.store.mark_damaged(partition)
        producer = STEP_OF_TABLE.get(partition.key.table)
        if producer is not None and self.planner.frame.is_frozen(partition.key.date):
            raise StoreError(
                f"{partition.key} is damaged, and its day is frozen: its raw events have expired, so it cannot be built"
                " again; restore store/ from a backup"
            )
        if producer is not None:
            self._work.builder.build_all(producer, (partition.key.date,))
        elif table(partition.key.table).is_log:
            # A log cannot be rebuilt. Without it, the other tables can still be published.
            self.store.commit([], run_id=self.run_id, drop=[partition.key])
        elif partition.key.file_id:
            self._work.ingest.reread(partition.key.file_id)
            self.planner.inputs.forget_raw()
        else:
            self.ingest()

    def refuse_unreadable(self, partition: Partition) -> None:
        """Check, before a partition is marked as damaged, that a delivered file can replace what the disk cannot read.

        Raises:
            StoreError: The disk cannot read rows of a delivered file that is gone or cannot be read either.
        """
        if partition.key.file_id:
            from session_pipeline.ingest.deliveries import refuse_unreadable  # loads Arrow

            refuse_unreadable(self.folder, self.store, partition)
