"""Says what was published last, and whether readers see the present state of the store.

The catalog records it; publication.py publishes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import query_text
from session_pipeline.publish.macros import MACROS
from session_pipeline.store.catalog_file import WAREHOUSE_BYTES
from session_pipeline.store.files import digest
from session_pipeline.store.records import Partition, Publication
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, models
from session_pipeline.tables.steps import IDENTITY_STEPS, STEP_OF_TABLE

# Numbers in the catalog, and one text: what was published last.
LAKE_GENERATION = "lake_generation"  # the generation that the lake shows
WAREHOUSE_WRITTEN_AT = "warehouse_written_at"  # the modification time of the warehouse
PUBLISHED_CONTRACTS = "published_contracts"  # the hash of the contracts
PUBLISHED_FOLDER = "published_folder"  # the hash of the store's path, or NO_VIEWS
PUBLISHED_OUTDATED_DAYS = "published_outdated_days"  # how many days were outdated
PUBLISHED_TABLES = "published_tables"  # text: the names of all tables that were ever published, also of other versions
NO_VIEWS = 0  # recorded instead of the folder's number if the warehouse has no views
NOT_PUBLISHED = {"alerts", "history"}  # settings on which nothing that is published depends
# Tables whose days are checked. The ingest builds those of identities before it is known which days are stale.
_CHECKED = frozenset(name for name, step in STEP_OF_TABLE.items() if step not in IDENTITY_STEPS)


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
    """Whether the warehouse is the file that was published last, by its size and modification time."""
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
    """Return the hash of the resolved settings, without those that nothing that is published depends on.

    A `site` written in the settings counts even if it equals the default, because the report warns if none is written.
    """
    settings = plan.frame.settings
    own_sites = sorted(filter(settings.has_own_site, settings.sources))
    resolved = settings.model_dump(mode="json", exclude=NOT_PUBLISHED)
    return digest({**resolved, **({"own_sites": own_sites} if own_sites else {})})


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
    return _number([shapes, meanings, macros, comments])


def _folder_number(folder: DataFolder) -> int:
    """Return a number that identifies the path of the store."""
    return _number(str(folder.store))


def _number(value: object) -> int:
    """Return the hash of a value as a number for the catalog."""
    return int(digest(value)[:12], 16)


@dataclass(frozen=True)
class ShownBefore:
    """What readers see before a publication.

    Attributes:
        has_warehouse: Whether the warehouse is the file that was published last.
        lake_generation: The generation that the lake shows; 0 if that is not certain.
        contracts_changed: Whether contracts changed since the last publication.
    """

    has_warehouse: bool
    lake_generation: int
    contracts_changed: bool


def shown_before(folder: DataFolder, store: Store) -> ShownBefore:
    """Return what readers see now."""
    has_warehouse = _is_as_published(folder, store)
    return ShownBefore(
        has_warehouse=has_warehouse,
        # If another store wrote the warehouse, the lake can have names of files of a later state.
        lake_generation=store.catalog.number(LAKE_GENERATION) if has_warehouse else 0,
        contracts_changed=store.catalog.number(PUBLISHED_CONTRACTS) != _contracts_number(),
    )


def record(
    folder: DataFolder,
    store: Store,
    plan: Plan,
    publication: Publication,
    partitions: Sequence[Partition],
    *,
    has_views: bool,
) -> None:
    """Record in the catalog what was published, in one transaction."""
    written = stamp(folder.warehouse) or Stamp(0, 0)
    tables = {*store.catalog.text(PUBLISHED_TABLES).split(), *(each.key.table for each in partitions)}
    with store.catalog.transaction(advances=False):
        store.catalog.set_state(LAKE_GENERATION, publication.generation)
        store.catalog.set_state(WAREHOUSE_BYTES, written.byte_count)
        store.catalog.set_state(WAREHOUSE_WRITTEN_AT, written.written_at)
        store.catalog.set_state(PUBLISHED_CONTRACTS, _contracts_number())
        store.catalog.set_state(PUBLISHED_TABLES, " ".join(sorted(tables)))
        store.catalog.set_state(PUBLISHED_FOLDER, _folder_number(folder) if has_views else NO_VIEWS)
        store.catalog.set_state(PUBLISHED_OUTDATED_DAYS, len(plan.outdated_days))
        store.catalog.put_publication(publication)


def publish_again(store: Store) -> None:
    """Make the next run write the warehouse and the lake again, without taking them from readers until then."""
    store.catalog.set_state(WAREHOUSE_BYTES, 0)


def published_partitions(store: Store) -> list[Partition]:
    """Return the partitions of all published tables, ordered by table, date and delivered file."""
    published = {name for name, contract in TABLES.items() if contract.is_published}
    keys = [key for key in store.partitions if key.table in published]
    keys.sort(key=lambda key: (key.table, key.date or date.min, key.file_id))
    return [store.partitions[key] for key in keys]
