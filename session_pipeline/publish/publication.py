"""Publishes one generation of all tables to the warehouse and the lake, only when nothing is stale.

This module decides in which order. new_warehouse.py decides what the warehouse shows, published_state.py says what is
published; warehouse_file.py and lake.py write and replace the files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.publish.new_warehouse import NewWarehouse
from session_pipeline.publish.published_state import LAKE_GENERATION, record
from session_pipeline.store import crash_points
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.store.stored_partitions import DamagedError

if TYPE_CHECKING:  # slow to load
    from session_pipeline.publish.native_rows import Kept


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
    """Publish the store's state: first the warehouse, then the lake. Damaged files that it reads are repaired first.

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
        StoreError: Something is stale, a damaged partition cannot be rebuilt, or another process can be the writer.
    """
    reason = why_not(plan)
    if reason is not None:
        raise StoreError(reason)
    while True:
        new = NewWarehouse(folder, store, plan, package_version=package_version, run_id=run_id)
        try:
            return _publish(folder, store, plan, new, kept, written)
        except DamagedError as damaged:  # in a file that nothing has read since it was damaged
            repair(damaged.partition)


def _publish(
    folder: DataFolder, store: Store, plan: Plan, new: NewWarehouse, kept: "Kept", written: NewWarehouse | None
) -> Published:
    """Publish a new warehouse, or the equal one that was written before, and then the lake.

    Raises:
        DamagedError: A file that the warehouse or the lake needs is damaged.
    """
    from session_pipeline.publish import lake  # slow to load

    # The engine can have the rows in memory, but readers of the lake get the files.
    shown = store.catalog.number(LAKE_GENERATION)
    store.check_intact(partition for partition in new.partitions if partition.generation > shown)
    crash_points.reached("publish: begun")
    if written is not None and written.is_equal(new):
        new = written
    else:
        new.write(kept)
    new.file.put_in_place(store.check_lock)
    crash_points.reached("publish: warehouse in place")
    change = lake.publish(
        store,
        folder.lake,
        new.partitions,
        new.shown_before.lake_generation,
        contracts_changed=new.shown_before.contracts_changed,
    )
    crash_points.reached("publish: lake in place")
    record(folder, store, plan, new.publication, new.partitions, has_views=new.has_views)
    crash_points.reached("publish: recorded")
    store.sweep()
    crash_points.reached("publish: swept")
    return Published(new.publication.generation, new.file.replaced_count, change.linked_count, change.removed_count)
