"""One run over one data folder: ingest, plan, build, publish, as calls.

The command line, Dagster and the tests all go through here, so they cannot disagree. Knows the order of things. Does
not know who asks, and leaves the work to ingest/, build.py and publish/.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from session_pipeline.build import Builder, Built
from session_pipeline.catalog import Key, Partition
from session_pipeline.data_folder import DataFolder
from session_pipeline.days import Calendar, zone
from session_pipeline.engines.duckdb import DuckDBEngine, Limits
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.deliveries import Ingest, IngestSummary
from session_pipeline.plan import Plan, Planner, wanted_days
from session_pipeline.publish import publication
from session_pipeline.publish.publication import Published
from session_pipeline.settings import Settings, load_settings
from session_pipeline.steps import STEP_OF_TABLE, Frame, Step
from session_pipeline.store import Store

LOCK_WAIT_SECONDS = 3600.0


def package_version() -> str:
    """Version of this package; "source" when it is not installed."""
    try:
        return version("session_pipeline")
    except PackageNotFoundError:
        return "source"


def horizon(settings: Settings, until: date | None) -> date:
    """The last day that counts: the given one, else yesterday (or today with include_today) by the machine's clock.

    Raises:
        WrongUseError: The day is not over yet, or lies before start_date.
    """
    today = datetime.now(UTC).astimezone(zone(settings.timezone)).date()
    if until is None:
        return today if settings.include_today else today - timedelta(days=1)
    if until > today:
        raise WrongUseError(f"--until {until} lies in the future; the last day that can be asked for is {today}")
    if until < settings.start_date:
        raise WrongUseError(
            f"--until {until} lies before start_date {settings.start_date}; move start_date in settings.toml"
        )
    return until


def open_store(folder: DataFolder) -> Store:
    """The store of a data folder, for reading; hold it with `writing()` before a change."""
    return Store(folder.store, package_version())


def make_planner(settings: Settings, store: Store, until: date) -> Planner:
    """The planner for a store as its catalog stands."""
    calendar = Calendar(settings.timezone)
    raw = (partition for key, partition in store.partitions.items() if key.table == "raw_events")
    wanted, _ = wanted_days(raw, calendar, settings.start_date, until)
    return Planner(store.partitions, store.catalog.recipes(), Frame(settings, calendar, wanted, until))


@dataclass
class Run:
    """What one run works with; the store is held for writing as long as it lives."""

    folder: DataFolder
    settings: Settings
    store: Store
    engine: DuckDBEngine
    run_id: str
    until: date

    @cached_property
    def _ingest(self) -> Ingest:
        return Ingest(self.folder, self.settings, self.store, self.engine, run_id=self.run_id)

    @cached_property
    def planner(self) -> Planner:
        """The planner of this run; made anew after an ingest."""
        return make_planner(self.settings, self.store, self.until)

    @cached_property
    def _builder(self) -> Builder:
        return Builder(self.store, self.planner, self.engine, run_id=self.run_id, reread=self._reread)

    def ingest(self, on_file: Callable[[int, int, str], None] = lambda done, total, name: None) -> IngestSummary:
        """Take in what was delivered."""
        summary = self._ingest.run(on_file)
        self._forget_plan()
        return summary

    def plan(self, *, upgrade: bool = False) -> Plan:
        """What is stale now."""
        return self.planner.plan(upgrade=upgrade)

    def build(self, step: Step, day: date | None, *, force: bool = False) -> Built:
        """Build a step's tables of a day, if they are stale or it is asked for by hand."""
        return self._builder.build(step, day, force=force)

    def recompute(self, step: Step, day: date) -> dict[str, str]:
        """Build a step's tables of a day without taking them in; returns the SHA-256 of each."""
        return self._builder.recompute(step, day)

    def drop_unwanted(self) -> tuple[Key, ...]:
        """Take out partitions of days that are no longer wanted: another time zone, a later start, an earlier end."""
        unwanted = self.plan().unwanted
        if unwanted:
            self.store.commit([], run_id=self.run_id, drop=unwanted)
        return unwanted

    def publish(self) -> Published | str:
        """Give readers the store's state; or say why not: something is stale, or they have it already."""
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

    def _mend(self, partition: Partition) -> None:
        self.store.mark_damaged(partition)
        producer = STEP_OF_TABLE.get(partition.key.table)
        if producer is not None:
            self.build(producer, partition.key.date)
        elif partition.key.file_id:
            self._reread(partition.key.file_id)
        else:
            self.ingest()

    def _reread(self, file_id: str) -> None:
        self._ingest.reread(file_id)
        self.planner.forget_raw()

    def _forget_plan(self) -> None:
        self.__dict__.pop("planner", None)
        self.__dict__.pop("_builder", None)


@contextmanager
def open_run(
    folder: DataFolder,
    *,
    run_id: str,
    until: date | None = None,
    wait_seconds: float = LOCK_WAIT_SECONDS,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[Run]:
    """Hold a data folder's store for one run.

    Raises:
        SettingsError: The settings cannot be used.
        StoreHeldError: Another process writes the store for longer than `wait_seconds`.
    """
    settings = load_settings(folder.path)
    last_day = horizon(settings, until)
    store = open_store(folder)
    try:
        with store.writing(wait_seconds=wait_seconds, on_wait=on_wait):
            engine = DuckDBEngine(Limits(settings.resources.memory_limit, settings.resources.threads), store.scratch)
            try:
                yield Run(folder, settings, store, engine, run_id, last_day)
            finally:
                engine.close()
    finally:
        store.close()
