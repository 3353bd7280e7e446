"""Runs the pipeline over one data folder: ingest, plan, build, publish.

The command line, Dagster and the tests all use this module, so they cannot disagree. It defines the order of the work;
the work itself is done in ingest/, build/ and publish/.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from session_pipeline.build.builder import Builder, Built
from session_pipeline.build.plan import Plan, Planner
from session_pipeline.build.wanted import wanted_days
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.errors import SettingsError, WrongUseError
from session_pipeline.ingest.deliveries import Ingest
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.publish import publication
from session_pipeline.publish.publication import Published
from session_pipeline.reference.days import Calendar, zone
from session_pipeline.settings import Settings, load_settings
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.shortage import shortage_said
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import STEP_OF_TABLE

LOCK_WAIT_SECONDS = 3600.0
HAD_SETTINGS = "had_settings"  # number in the catalog: 1 if the store was built with a settings file


@dataclass(frozen=True)
class Watcher:
    """Callbacks for the progress of a run; the command line draws its progress bars with them.

    Attributes:
        on_file: Called before each delivered file, with the number of files done, the number of all, and the name.
        on_build: Called after each step of a day, whether it was built or not.
        on_wait: Called once if another process holds the store, with a sentence that names that process.
    """

    on_file: Callable[[int, int, str], None] = lambda done, total, name: None
    on_build: Callable[[Step, date | None, Built], None] = lambda step, day, built: None
    on_wait: Callable[[str], None] = lambda sentence: None


# Not an argument, because Dagster is between the code that launches a run and the run itself.
watcher: ContextVar[Watcher] = ContextVar("watcher", default=Watcher())  # noqa: B039 (frozen)


def package_version() -> str:
    """Return the version of this package; "source" if it is not installed."""
    try:
        return version("session_pipeline")
    except PackageNotFoundError:
        return "source"


def horizon(settings: Settings, until: date | None) -> date:
    """Return the last day that counts: the given one, otherwise yesterday (today with include_today).

    Yesterday and today are taken from the machine's clock. Without `until` the result may be before start_date; then
    no day counts yet.

    Raises:
        WrongUseError: `until` is in the future or before start_date.
    """
    today = datetime.now(UTC).astimezone(zone(settings.timezone)).date()
    latest = today if settings.include_today else today - timedelta(days=1)
    if until in (None, latest):
        return latest
    if until > today:
        raise WrongUseError(f"--until {until} lies in the future; the last day that can be asked for is {today}")
    if until < settings.start_date:
        raise WrongUseError(
            f"--until {until} lies before start_date {settings.start_date}; move start_date in settings.toml"
        )
    return until


def open_store(folder: DataFolder) -> Store:
    """Open the store of a data folder for reading; use `writing()` before a change.

    Raises:
        SettingsError: The store was built with a settings file that is now missing. With the packaged settings,
            everything would be rebuilt.
    """
    with shortage_said(folder.store):
        store = Store(folder.store, package_version())
    if store.catalog.number(HAD_SETTINGS) and not folder.has_settings:
        store.close()
        hint = f"put it back, or write the packaged settings with `session-pipeline init {folder.path}`"
        raise SettingsError(str(folder.settings), "is gone, and the store was built with it", hint)
    return store


def make_planner(settings: Settings, store: Store, until: date) -> Planner:
    """Return the planner for the present state of a store."""
    calendar = Calendar(settings.timezone)
    raw = (partition for key, partition in store.partitions.items() if key.table == "raw_events")
    wanted = wanted_days(raw, calendar, settings.start_date, until)
    return Planner(store.partitions, store.catalog.recipes(), Frame(settings, calendar, wanted, until))


def current_plan(folder: DataFolder, settings: Settings, until: date, *, upgrade: bool = False) -> Plan:
    """Return what is stale now. Needs no lock."""
    with closing(open_store(folder)) as store:
        return make_planner(settings, store, until).plan(upgrade=upgrade)


@dataclass
class Run:
    """One run: ingests, plans, builds and publishes. The store is open for writing during its whole life.

    Attributes:
        folder: The data folder.
        settings: Its settings.
        store: Its store, open for writing.
        engine: The engine that runs the models.
        run_id: The id that is recorded with everything the run writes.
        until: The last day that counts.
        upgrade: Whether to rebuild days whose settings or models changed without the limit max_rebuild_days.
    """

    folder: DataFolder
    settings: Settings
    store: Store
    engine: DuckDBEngine
    run_id: str
    until: date
    upgrade: bool = False

    @cached_property
    def _ingest(self) -> Ingest:
        return Ingest(self.folder, self.settings, self.store, self.engine, run_id=self.run_id)

    @cached_property
    def planner(self) -> Planner:
        """The planner of this run; created again after an ingest."""
        return make_planner(self.settings, self.store, self.until)

    @cached_property
    def _held_days(self) -> frozenset[date]:
        """The days that wait for an upgrade; computed when the run first needs them."""
        return self.plan(upgrade=self.upgrade).deferred_days

    @cached_property
    def _builder(self) -> Builder:
        return Builder(self.store, self.planner, self.engine, run_id=self.run_id, reread=self._reread)

    def ingest(
        self,
        on_file: Callable[[int, int, str], None] = lambda done, total, name: None,
        *,
        settle_seconds: float = 0,
    ) -> IngestSummary:
        """Read the delivered files that are new, changed, or must be read again because of changed settings.

        Args:
            on_file: Called before each file, like `Watcher.on_file`.
            settle_seconds: A file changed within this time is checked again after it. If it changed meanwhile, it is
                still being written and is left for the next run.
        """

        def told(done: int, total: int, name: str) -> None:
            on_file(done, total, name)
            watcher.get().on_file(done, total, name)

        summary = self._ingest.run(told, settle_seconds=settle_seconds)
        self._forget_plan()
        return summary

    def plan(self, *, upgrade: bool = False) -> Plan:
        """Return what is stale now."""
        return self.planner.plan(upgrade=upgrade)

    def build(self, step: Step, day: date | None, *, force: bool = False) -> Built:
        """Build a step's tables of a day if they are stale or `force` is set.

        Missing inputs are built first; they can be days of another range of the plan. Tables that are stale only
        because settings or models changed wait if the plan defers their day, unless this run is an upgrade.
        """
        self._build_missing(step, day)
        built = self._builder.build(step, day, force=force, is_held=lambda day: day in self._held_days)
        watcher.get().on_build(step, day, built)
        return built

    def recompute(self, step: Step, day: date) -> list[str]:
        """Build a step's tables of a day without committing them; return those whose rows differ from the store's."""
        return self._builder.recompute(step, day)

    def drop_unwanted(self) -> tuple[Key, ...]:
        """Drop partitions that are no longer wanted, after another time zone, a later start or an earlier end."""
        unwanted = self.plan().unwanted
        if unwanted:
            self.store.commit([], run_id=self.run_id, drop=unwanted)
        return unwanted

    def publish(self) -> Published | str:
        """Publish the store's state.

        Returns:
            What was published; or why nothing was: something is stale, or this state is published already.
        """
        plan = self.plan()
        reason = publication.why_not(plan)
        if reason is not None:
            return reason
        if publication.is_current(self.folder, self.store, plan):
            return "readers have this state already"
        return publication.publish(
            self.folder,
            self.store,
            plan,
            package_version=package_version(),
            run_id=self.run_id,
            mend=self._mend,
        )

    def _build_missing(self, step: Step, day: date | None) -> None:
        for found in self.planner.inputs(step, day).values():
            for key in found:
                if isinstance(key, Key) and key not in self.store.partitions:
                    producer = STEP_OF_TABLE[key.table]
                    self._build_missing(producer, key.date)
                    self._builder.build(producer, key.date)

    def _mend(self, partition: Partition) -> None:
        self.store.mark_damaged(partition)
        producer = STEP_OF_TABLE.get(partition.key.table)
        if producer is not None:
            self.build(producer, partition.key.date)
        elif table(partition.key.table).is_log:
            # A log cannot be rebuilt. Without it, the other tables can still be published.
            self.store.commit([], run_id=self.run_id, drop=[partition.key])
        elif partition.key.file_id:
            self._reread(partition.key.file_id)
        else:
            self.ingest()

    def _reread(self, file_id: str) -> None:
        self._ingest.reread(file_id)
        self.planner.forget_raw()

    def _forget_plan(self) -> None:
        self.__dict__.pop("planner", None)
        self.__dict__.pop("_held_days", None)
        self.__dict__.pop("_builder", None)


@contextmanager
def open_run(
    folder: DataFolder,
    *,
    run_id: str,
    until: date | None = None,
    upgrade: bool = False,
    wait_seconds: float = LOCK_WAIT_SECONDS,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Run]:
    """Open a data folder for one run: load the settings, lock the store, start the engine.

    Args:
        folder: The data folder.
        run_id: The id of the run.
        until: The last day that counts; None for the usual one.
        upgrade: Whether to rebuild days whose settings or models changed without the limit max_rebuild_days.
        wait_seconds: How long to wait for another writer of the store.
        on_wait: Called once, with a sentence that names the other writer, if the store is locked.

    Raises:
        SettingsError: The settings are invalid.
        WrongUseError: `until` is in the future or before start_date.
        StoreHeldError: Another process holds the store for longer than `wait_seconds`.
        DiskFullError: The disk is too small for what the run writes.
        MemoryTooSmallError: The memory limit is too low for the run.
    """
    settings = load_settings(folder.path)
    last_day = horizon(settings, until)
    limits = Limits(settings.resources.memory_limit, settings.resources.threads)

    def told(sentence: str) -> None:
        if on_wait is not None:
            on_wait(sentence)
        watcher.get().on_wait(sentence)

    with (
        shortage_said(folder.store),
        closing(open_store(folder)) as store,
        store.writing(wait_seconds=wait_seconds, on_wait=told),
        closing(DuckDBEngine(limits, store.scratch)) as engine,
    ):
        if folder.has_settings and not store.catalog.number(HAD_SETTINGS):
            with store.catalog.transaction(advances=False):
                store.catalog.set_number(HAD_SETTINGS, 1)
        yield Run(folder, settings, store, engine, run_id, last_day, upgrade)
