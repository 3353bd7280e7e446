"""Opens a data folder to look at it: its settings, its store, and what is stale.

Nothing here writes or takes a lock. `run.pipeline` adds the lock, the engine and the work of a run.
"""

import shlex
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from session_pipeline.build.expiry import NOTHING, Expiry, find_expiry, has_expiry
from session_pipeline.build.known import known_of
from session_pipeline.build.plan import Item, Plan
from session_pipeline.build.planner import Planner
from session_pipeline.build.wanted import wanted_days
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import SettingsError, WrongUseError
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.publish import published_state
from session_pipeline.reference.days import Calendar, zone
from session_pipeline.run import delivered_files
from session_pipeline.run.profile import PLAN, Profile
from session_pipeline.settings import Settings, load_settings
from session_pipeline.store.catalog_file import CATALOG_FILE, FROZEN_TIMEZONE, RUN_IS_OPEN, number_in
from session_pipeline.store.records import Key
from session_pipeline.store.shortage import report_shortage
from session_pipeline.store.store import Store
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.steps import STEP_OF_TABLE

HAD_SETTINGS = "had_settings"  # number in the catalog: 1 if the store was built with a settings file
KNOWN = "known"  # text in the catalog: the latest state for which the plan was empty


@cache  # reading the metadata of a package takes some milliseconds
def package_version() -> str:
    """Return the version of this package; "source" if it is not installed."""
    try:
        return version("session_pipeline")
    except PackageNotFoundError:
        return "source"


def today_in(timezone: str) -> date:
    """Return the present day in a time zone, by the machine's clock."""
    return datetime.now(UTC).astimezone(zone(timezone)).date()


def horizon(settings: Settings, until: date | None) -> date:
    """Return the last day that counts: the given one, otherwise yesterday (today with include_today).

    Yesterday and today are taken from the machine's clock. Without `until` the result may be before start_date; then
    no day counts yet. So a caller, such as the sensor, can also give that day.

    Raises:
        WrongUseError: `until` is in the future, or before start_date and not the day that counts without it.
    """
    today = today_in(settings.timezone)
    latest = today if settings.include_today else today - timedelta(days=1)
    if until in (None, latest):
        return latest
    if until > today:
        raise WrongUseError(f"--until {until} is in the future; the latest allowed day is {today}")
    if until < settings.start_date:
        raise WrongUseError(
            f"--until {until} is before start_date {settings.start_date}; change start_date in settings.toml"
        )
    return until


def open_store(folder: DataFolder) -> Store:
    """Open the store of a data folder for reading; use `writing()` before a change.

    Raises:
        SettingsError: The store was built with a settings file that is now missing. With the packaged settings,
            everything would be rebuilt.
    """
    with report_shortage(folder.store):
        store = Store(folder.store, package_version())
    if store.catalog.number(HAD_SETTINGS) and not folder.has_settings:
        store.close()
        raise lost_settings(folder)
    return store


def lost_settings(folder: DataFolder) -> SettingsError:
    """Return the error of a store that was built with a settings file that is now missing."""
    hint = f"restore it, or write the packaged settings with `session-pipeline init {shlex.quote(str(folder.path))}`"
    return SettingsError(str(folder.settings), "is missing, but the store was built with it", hint)


def has_lost_settings(folder: DataFolder) -> bool:
    """Whether the store was built with a settings file that is now missing. False if its catalog cannot be read.

    Reads one number and not the partitions, of which a long history has very many.
    """
    path = folder.store / CATALOG_FILE
    if folder.has_settings or not path.is_file():
        return False
    try:
        return bool(number_in(path, HAD_SETTINGS))
    except (sqlite3.Error, ValueError):
        return False  # the command says what is wrong with the store


def make_planner(settings: Settings, store: Store, until: date) -> Planner:
    """Return the planner for the present state of a store."""
    calendar = Calendar(settings.timezone)
    raw = (partition for key, partition in store.partitions.items() if key.table == "raw_events")
    frozen_before = store.catalog.frozen_before()
    wanted = wanted_days(raw, calendar, max(settings.start_date, frozen_before or date.min), until)
    if frozen_before is not None:
        wanted = _with_frozen_days(wanted, store, calendar, settings.start_date, until, frozen_before)
    frame = Frame(settings, calendar, wanted, until, frozen_before)
    known = known_of(store.catalog.text(KNOWN))
    return Planner(store.partitions, store.catalog.recipes(), frame, known=known, version=package_version())


def _with_frozen_days(
    wanted: Iterable[date], store: Store, calendar: Calendar, start: date, until: date, frozen_before: date
) -> tuple[date, ...]:
    """Return the days to build and the frozen days, which are those that have tables.

    The first day that is not frozen is wanted, too, if it closes the sessions of the last frozen day. The events of
    that day show this: its raw events have expired, and those that are stored can have come too late to be built.
    """
    there = {day for day in _frozen_days(store) if start <= day <= until}
    last_frozen = calendar.previous(frozen_before)
    first_open = calendar.next(last_frozen)
    if start <= last_frozen and first_open <= until and _has_events(store, last_frozen):
        there.add(first_open)
    return tuple(sorted(there.union(wanted)))


def _has_events(store: Store, day: date) -> bool:
    """Return whether a day that was built has events; duplicates count, as they do for days that are not frozen."""
    of_day = (store.partitions.get(Key(name, day)) for name in ("events", "duplicate_events"))
    return any(partition.row_count for partition in of_day if partition is not None)


def _refuse_later_start(store: Store, start: date) -> None:
    """Refuse a start_date after frozen days that have tables: without these days, later ones would lose their history.

    Raises:
        SettingsError: There are such days.
    """
    lost = [day for day in _frozen_days(store) if day < start]
    if lost:
        raise SettingsError(
            "start_date",
            f"is {start}, after frozen days from {lost[0]} to {lost[-1]}, which cannot be built again",
            f"set it to {lost[0]} or earlier; privacy.keep_days says how long the tables of frozen days stay",
        )


def _refuse_other_timezone(store: Store, timezone: str) -> None:
    """Refuse a time zone with other bounds of the frozen days that have tables, or of the last frozen day.

    These days stay as they were built, so an event near their end could be counted twice or never. A zone with the
    same days, such as one that was only renamed, is accepted.

    Raises:
        SettingsError: There are such days.
    """
    recorded = store.catalog.text(FROZEN_TIMEZONE)
    if recorded in ("", timezone):
        return
    before, now = Calendar(recorded), Calendar(timezone)
    days, frozen_before = _frozen_days(store), store.catalog.frozen_before()
    if days and frozen_before is not None:
        days = sorted({*days, before.previous(frozen_before)})  # its end is where the first open day begins
    moved = [day for day in days if (before.start(day), before.end(day)) != (now.start(day), now.end(day))]
    if moved:
        raise SettingsError(
            "timezone",
            f"is {timezone}, but frozen days from {moved[0]} to {moved[-1]} are days of {recorded}, and they cannot be"
            " built again",
            f"set it to {recorded}; for another time zone, build a new data folder from the delivered files",
        )


def _frozen_days(store: Store) -> list[date]:
    """Return the frozen days that have tables, in order."""
    frozen_before = store.catalog.frozen_before()
    if frozen_before is None:
        return []
    there = {key.date for key in store.partitions if key.table in STEP_OF_TABLE and key.date}
    return sorted(day for day in there if day < frozen_before)


def record_known(store: Store, planner: Planner, outdated: Iterable[Item]) -> None:
    """Record that the plan of the present state is empty except for what is outdated, for later planners."""
    text = planner.state(outdated).text()
    if text != store.catalog.text(KNOWN):
        store.catalog.set_state(KNOWN, text)


def current_plan(folder: DataFolder, settings: Settings, until: date, *, upgrade: bool) -> Plan:
    """Return what is stale now. Needs no lock."""
    with closing(open_store(folder)) as store:
        return make_planner(settings, store, until).plan(upgrade=upgrade)


@dataclass
class OpenFolder:
    """A data folder with its settings loaded and its store open.

    It cannot be made if start_date is after frozen days that have tables, or timezone is not theirs (SettingsError).

    Attributes:
        folder: The data folder.
        settings: Its settings.
        store: Its store.
        until: The last day that counts.
        upgrade: Whether to rebuild days whose settings or models changed without the limit max_rebuild_days.
        given_until: The last day that the caller gave instead of the usual one.
        profile: How long each stage took so far.
        plans: The latest plan without and with upgrade, each with the state of the store that it is for.
        to_read: What `files_to_read` returned last.
    """

    folder: DataFolder
    settings: Settings
    store: Store
    until: date
    upgrade: bool = False
    given_until: date | None = field(default=None, repr=False, kw_only=True)
    profile: Profile = field(default_factory=Profile, repr=False, kw_only=True)
    plans: dict[bool, tuple[int, Plan]] = field(default_factory=dict, repr=False, kw_only=True)
    to_read: dict[str, str] = field(default_factory=dict, repr=False, kw_only=True)
    _planner: Planner | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings against what the store has, before anything is read or removed."""
        _refuse_later_start(self.store, self.settings.start_date)
        _refuse_other_timezone(self.store, self.settings.timezone)

    def renewed(self) -> "OpenFolder":
        """Return the folder with the current settings and, if the caller gave no last day, the current one.

        Raises:
            SettingsError: The settings are invalid.
            WrongUseError: The given last day is before the current start_date.
        """
        settings = load_settings(self.folder.path)
        return replace(self, settings=settings, until=horizon(settings, self.given_until), plans={}, to_read={})

    @property
    def planner(self) -> Planner:
        """The planner for the days of this folder. It is made when it is first needed."""
        if self._planner is None:
            self._planner = make_planner(self.settings, self.store, self.until)
        return self._planner

    def plan(self, *, upgrade: bool = False) -> Plan:
        """Return what is stale now. It is computed once for each state of the store."""
        known = self.plans.get(upgrade)
        if known is None or known[0] != self.store.change_count:
            with self.profile.stage(PLAN):
                known = self.plans[upgrade] = self.store.change_count, self.planner.plan(upgrade=upgrade)
        return known[1]

    def latest_plan(self) -> Plan:
        """Return the plan that was computed last, even if the store has changed since; compute one if there is none."""
        known = self.plans.get(self.upgrade)
        return known[1] if known else self.plan(upgrade=self.upgrade)

    def expiry(self) -> Expiry:
        """Return what expires at the last day that counts. It is removed when nothing is stale."""
        if not has_expiry(self.settings):
            return NOTHING
        catalog = self.store.catalog
        return find_expiry(
            self.store.partitions,
            catalog.source_files(),
            catalog.publications(),
            catalog.frozen_before(),
            self.settings,
            self.until,
        )

    def files_to_read(self) -> dict[str, str]:
        """Return the delivered files that the next ingest will read or forget, each with the reason."""
        self.to_read = delivered_files.files_to_read(self.folder, self.settings, self.store)
        return self.to_read

    def is_done(self) -> bool:
        """Return whether there is nothing to do, and no run or erasure was killed midway."""
        is_broken_off = bool(self.store.catalog.number(RUN_IS_OPEN)) or self.has_unfinished_erasure()
        return not is_broken_off and not self.has_work()

    def has_work(self) -> bool:
        """Return whether something needs to be read, built, repaired, removed or published."""
        return (
            any(partition.is_damaged for partition in self.store.partitions.values())
            or bool(self.files_to_read())
            or not self.plan(upgrade=self.upgrade).is_empty
            or not self.expiry().is_empty
            or not published_state.is_current(self.folder, self.store, self.plan(upgrade=self.upgrade))
        )

    def has_unfinished_erasure(self) -> bool:
        """Return whether an erasure was begun and not finished."""
        return unfinished_in(self.folder) is not None


@contextmanager
def open_folder(folder: DataFolder, *, until: date | None = None, upgrade: bool = False) -> Iterator[OpenFolder]:
    """Open a data folder to look at it. Needs no lock.

    Args:
        folder: The data folder.
        until: The last day that counts; None for the usual one.
        upgrade: Whether to plan without the limit max_rebuild_days.

    Raises:
        SettingsError: The settings are invalid.
        WrongUseError: `until` is in the future or before start_date.
    """
    settings = load_settings(folder.path)
    last_day = horizon(settings, until)
    with closing(open_store(folder)) as store:
        yield OpenFolder(folder, settings, store, last_day, upgrade, given_until=until)
