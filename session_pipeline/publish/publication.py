"""Publishes one generation of all tables to the warehouse and the lake, only when nothing is stale.

This module decides what is published, and in which order. warehouse.py and lake.py write and replace the files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import query_text
from session_pipeline.errors import StoreError
from session_pipeline.publish.macros import MACROS
from session_pipeline.store import crash_points
from session_pipeline.store.catalog import WAREHOUSE_BYTES
from session_pipeline.store.files import digest
from session_pipeline.store.records import Partition, Publication, utc_now
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, models, table
from session_pipeline.tables.steps import IDENTITY_STEPS, STEP_OF_TABLE, is_built

if TYPE_CHECKING:  # slow to load
    import pyarrow as pa

    from session_pipeline.publish.native_rows import Kept

GIGABYTE = 1_000_000_000
# Numbers in the catalog: what was published last.
LAKE_GENERATION = "lake_generation"  # the generation that the lake shows
WAREHOUSE_WRITTEN_AT = "warehouse_written_at"  # the modification time of the warehouse
PUBLISHED_CONTRACTS = "published_contracts"  # the hash of the contracts
PUBLISHED_FOLDER = "published_folder"  # the hash of the store's path, or NO_VIEWS
PUBLISHED_OUTDATED_DAYS = "published_outdated_days"  # how many days were outdated
NO_VIEWS = 0  # recorded instead of the folder's number if the warehouse has no views
# Tables whose days are checked. The ingest builds those of identities before it is known which days are stale.
_CHECKED = frozenset(name for name, step in STEP_OF_TABLE.items() if step not in IDENTITY_STEPS)


@dataclass(frozen=True)
class Published:
    """The result of a publication.

    Attributes:
        generation: The generation that readers see now.
        replaced_count: Partitions inserted, replaced or deleted in the warehouse; a view counts once.
        linked_count: Files linked or copied into the lake.
        removed_count: Files removed from the lake.
    """

    generation: int
    replaced_count: int
    linked_count: int
    removed_count: int


def why_not(plan: Plan) -> str | None:
    """Return why nothing can be published yet: something within the horizon is stale. None if nothing is."""
    if not plan.items:
        return None
    first = plan.items[0]
    more = f" and {len(plan.items) - 1} more" if len(plan.items) > 1 else ""
    return f"{first} is stale ({first.reason}){more}; the previous publication stays in place"


def is_current(folder: DataFolder, store: Store, plan: Plan) -> bool:
    """Whether this state, with this last day, is published already."""
    latest = store.catalog.latest_publication()
    return latest is not None and latest.data_until == plan.frame.until and shows_what_is_built(folder, store, plan)


def shows_what_is_built(folder: DataFolder, store: Store, plan: Plan) -> bool:
    """Whether the present tables, settings, contracts and outdated days are published, whatever the last day.

    This is false, too, if the warehouse or the lake was removed, the warehouse was changed by another program, or the
    data folder was moved and the warehouse has views, which contain the path of the store.
    """
    latest = store.catalog.latest_publication()
    return (
        latest is not None
        and is_of_present_store(folder, store)
        and latest.settings_hash == settings_hash(plan)
        and store.catalog.number(PUBLISHED_OUTDATED_DAYS) == len(plan.outdated_days)
        and _is_as_published(folder, store)
        and folder.lake.is_dir()
    )


def is_of_present_store(folder: DataFolder, store: Store) -> bool:
    """Whether the last publication has the rows of the present store, whatever the settings and the last day are now.

    The warehouse and the lake can then be compared with the store: they have the present contracts, and views have the
    present path of the store.
    """
    latest = store.catalog.latest_publication()
    return (
        latest is not None
        and latest.generation == store.catalog.generation()
        and store.catalog.number(PUBLISHED_CONTRACTS) == _contracts_number()
        and store.catalog.number(PUBLISHED_FOLDER) in (NO_VIEWS, _folder_number(folder))
    )


def is_changed(folder: DataFolder, store: Store) -> bool:
    """Whether the warehouse is another file than the one that was published last.

    This is false if it is only marked to be written again.
    """
    return store.catalog.number(WAREHOUSE_BYTES) != 0 and not _is_as_published(folder, store)


def unpublished_days(store: Store) -> tuple[date, ...]:
    """Return the days of which a table was built since the last publication.

    Usually there are none before a run begins. A run that was killed before it published may not have checked them.
    """
    latest = store.catalog.latest_publication()
    since = latest.generation if latest else 0
    if since == store.catalog.generation():
        return ()
    built = (key for key, partition in store.partitions.items() if partition.generation > since)
    return tuple(sorted({key.date for key in built if key.date is not None and key.table in _CHECKED}))


def _is_as_published(folder: DataFolder, store: Store) -> bool:
    """Whether the warehouse is the file that was published last, judged by its size and modification time."""
    recorded = Stamp(store.catalog.number(WAREHOUSE_BYTES), store.catalog.number(WAREHOUSE_WRITTEN_AT))
    return stamp(folder.warehouse) == recorded


class Stamp(NamedTuple):
    """The size and the modification time of a warehouse, in nanoseconds."""

    byte_count: int
    written_at: int


def stamp(warehouse: Path) -> Stamp | None:
    """Return the size and the modification time of a warehouse; None if there is none. A rename keeps both."""
    if not warehouse.is_file():
        return None
    state = warehouse.stat()
    return Stamp(state.st_size, state.st_mtime_ns)


def settings_hash(plan: Plan) -> str:
    """Return the hash of the resolved settings.

    A `site` written in the settings counts even if it equals the default, because the report warns if none is written.
    """
    settings = plan.frame.settings
    own_sites = sorted(filter(settings.has_own_site, settings.sources))
    return digest({**settings.model_dump(mode="json"), **({"own_sites": own_sites} if own_sites else {})})


def _contracts_number() -> int:
    """Return a number that identifies the published tables and macros, so that a newer package publishes again."""
    published = {name: contract for name, contract in TABLES.items() if contract.is_published}
    shapes = {name: contract.shape for name, contract in published.items()}
    meanings = [
        [contract.grain, contract.date_meaning, *(column.meaning for column in contract.columns)]
        for contract in published.values()
    ]
    comments = [macro.comment(name) for name, macro in MACROS.items()]
    macros = models.macros() + query_text(__package__, "macros")
    return int(digest([shapes, meanings, macros, comments])[:12], 16)


def _folder_number(folder: DataFolder) -> int:
    """Return a number that identifies the path of the store."""
    return int(digest(str(folder.store))[:12], 16)


class NewWarehouse:
    """The warehouse that shows the present state of a store. It can be written before it is published.

    Attributes:
        publication: What is recorded when it is published.
        partitions: What it shows.
        shown_before: What readers see now.
        stamp: The stamp of its file; None if it is not written.
    """

    def __init__(self, folder: DataFolder, store: Store, plan: Plan, *, package_version: str, run_id: str) -> None:
        """Decide what it shows. Nothing is written yet.

        Args:
            folder: The data folder.
            store: Its store, open for writing.
            plan: The present plan.
            package_version: The version to record in warehouse_info.
            run_id: The run that publishes.
        """
        from session_pipeline.publish import warehouse  # slow to load

        settings = plan.frame.settings
        self._store = store
        self._package_version = package_version
        self._file = warehouse.NewFile(folder.warehouse)
        self._plan = plan
        self.publication = Publication(
            store.catalog.generation(), plan.frame.until, settings_hash(plan), utc_now(), run_id
        )
        self.partitions = published_partitions(store)
        self.shown_before = _shown_before(folder, store)
        self._native_limit_bytes = settings.publish.native_limit_gb * GIGABYTE
        self._left_out = [name for name in TABLES if not is_built(name, settings)]
        self.stamp: Stamp | None = None

    @cached_property
    def has_views(self) -> bool:
        """Whether some of its tables are views on files of the store. To know this takes a pass over the history."""
        from session_pipeline.publish import warehouse  # slow to load

        return warehouse.has_views(self.partitions, self._native_limit_bytes, self._left_out)

    @property
    def place(self) -> Path:
        """Where its file is now, once it is written."""
        return self._file.place

    @property
    def is_in_place(self) -> bool:
        """Whether it has replaced the warehouse that readers saw before."""
        return self._file.is_in_place

    @property
    def replaced_count(self) -> int:
        """The number of partitions that were written or deleted; see `warehouse.NewFile`."""
        return self._file.replaced_count

    def write(self, kept: "Kept") -> None:
        """Write its file. It can be called in another thread than the one that uses the store.

        Args:
            kept: The rows that the engine still has in memory.
        """
        before = self.shown_before
        self._file.write(
            self._store,
            self.partitions,
            _warehouse_info(self.publication, self._plan, self._package_version),
            native_limit_bytes=self._native_limit_bytes,
            # Tables that stay would keep their old comments.
            starts_empty=before.contracts_changed or not before.has_warehouse,
            kept=kept,
            left_out=self._left_out,
        )
        self.stamp = stamp(self.place)

    def is_equal(self, other: "NewWarehouse") -> bool:
        """Whether the other one shows the same, only at another time."""
        return (self._at(""), self.shown_before, self._plan.outdated_days) == (
            other._at(""),
            other.shown_before,
            other._plan.outdated_days,
        )

    def _at(self, time: str) -> Publication:
        return replace(self.publication, published_at=time)

    def put_in_place(self) -> None:
        """Replace the present warehouse with it."""
        self._file.put_in_place()

    def discard(self) -> None:
        """Remove its file, if it was written and is not in place."""
        self._file.discard()


def publish(
    folder: DataFolder,
    store: Store,
    plan: Plan,
    *,
    package_version: str,
    run_id: str,
    repair: Callable[[Partition], None],
    kept: "Kept",
    written: NewWarehouse | None = None,
) -> Published:
    """Publish the store's state: first the warehouse, then the lake.

    Args:
        folder: The data folder.
        store: Its store, open for writing.
        plan: The present plan.
        package_version: The version to record in warehouse_info.
        run_id: The run that publishes.
        repair: Rebuilds a damaged partition.
        kept: The rows that the engine still has in memory.
        written: A warehouse that was written before; it is used if it shows the present state.

    Raises:
        StoreError: Something is stale, or a damaged partition cannot be rebuilt.
    """
    from session_pipeline.publish import lake  # slow to load

    reason = why_not(plan)
    if reason is not None:
        raise StoreError(reason)
    _repair_damaged(store, repair)
    new = NewWarehouse(folder, store, plan, package_version=package_version, run_id=run_id)
    crash_points.reached("publish: begun")
    if written is not None and written.is_equal(new):
        new = written
    else:
        new.write(kept)
    new.put_in_place()
    crash_points.reached("publish: warehouse in place")
    change = lake.publish(
        store,
        folder.lake,
        new.partitions,
        new.shown_before.lake_generation,
        contracts_changed=new.shown_before.contracts_changed,
    )
    crash_points.reached("publish: lake in place")
    _record(folder, store, plan, new.publication, new.partitions, has_views=new.has_views)
    crash_points.reached("publish: recorded")
    store.sweep()
    crash_points.reached("publish: swept")
    return Published(new.publication.generation, new.replaced_count, change.linked_count, change.removed_count)


def _repair_damaged(store: Store, repair: Callable[[Partition], None]) -> None:
    """Hash the partitions that the lake does not show yet, and repair those that are damaged."""
    shown = store.catalog.number(LAKE_GENERATION)
    for partition in published_partitions(store):
        if shown < partition.generation and not store.is_intact(partition):
            repair(partition)


@dataclass(frozen=True)
class _ShownBefore:
    """What readers see before a publication.

    Attributes:
        has_warehouse: Whether the warehouse is the file that was published last.
        lake_generation: The generation that the lake shows; 0 if that is not certain.
        contracts_changed: Whether contracts changed since the last publication.
    """

    has_warehouse: bool
    lake_generation: int
    contracts_changed: bool


def _shown_before(folder: DataFolder, store: Store) -> _ShownBefore:
    has_warehouse = _is_as_published(folder, store)
    # If another store wrote the warehouse, the lake can have names of files of a later state.
    is_certain = has_warehouse and store.catalog.latest_publication() is not None
    return _ShownBefore(
        has_warehouse=has_warehouse,
        lake_generation=store.catalog.number(LAKE_GENERATION) if is_certain else 0,
        contracts_changed=store.catalog.number(PUBLISHED_CONTRACTS) != _contracts_number(),
    )


def _warehouse_info(publication: Publication, plan: Plan, package_version: str) -> "pa.Table":
    """Return the row of warehouse_info."""
    import pyarrow as pa

    return pa.table(
        {
            "built_at": [datetime.fromisoformat(publication.published_at)],
            "data_until": [publication.data_until],
            "generation": [publication.generation],
            "package_version": [package_version],
            "settings_hash": [publication.settings_hash],
            "timezone": [plan.frame.settings.timezone],
            "outdated_day_count": [len(plan.outdated_days)],
        },
        schema=table("warehouse_info").schema,
    )


def _record(
    folder: DataFolder,
    store: Store,
    plan: Plan,
    publication: Publication,
    partitions: Sequence[Partition],
    *,
    has_views: bool,
) -> None:
    """Record in the catalog what was published, in one transaction."""
    from session_pipeline.publish.lake import PUBLISHED_TABLES

    written = stamp(folder.warehouse) or Stamp(0, 0)
    tables = {*store.catalog.text(PUBLISHED_TABLES).split(), *(each.key.table for each in partitions)}
    with store.catalog.transaction(advances=False):
        store.catalog.set_number(LAKE_GENERATION, publication.generation)
        store.catalog.set_number(WAREHOUSE_BYTES, written.byte_count)
        store.catalog.set_number(WAREHOUSE_WRITTEN_AT, written.written_at)
        store.catalog.set_number(PUBLISHED_CONTRACTS, _contracts_number())
        store.catalog.set_text(PUBLISHED_TABLES, " ".join(sorted(tables)))
        store.catalog.set_number(PUBLISHED_FOLDER, _folder_number(folder) if has_views else NO_VIEWS)
        store.catalog.set_number(PUBLISHED_OUTDATED_DAYS, len(plan.outdated_days))
        store.catalog.put_publication(publication)


def publish_again(store: Store) -> None:
    """Make the next run write the warehouse and the lake again, without taking them from readers until then."""
    store.catalog.set_number(WAREHOUSE_BYTES, 0)


def published_partitions(store: Store) -> list[Partition]:
    """Return the partitions of all published tables, ordered by table, date and delivered file."""
    published = {name for name, contract in TABLES.items() if contract.is_published}
    keys = [key for key in store.partitions if key.table in published]
    keys.sort(key=lambda key: (key.table, key.date or date.min, key.file_id))
    return [store.partitions[key] for key in keys]
