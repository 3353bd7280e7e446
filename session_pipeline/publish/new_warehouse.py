"""Decides what a new warehouse shows, and writes it before or when it is published."""

from dataclasses import replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from session_pipeline.build.plan import Plan
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import native_limit
from session_pipeline.publish.published_state import (
    ShownBefore,
    Stamp,
    published_partitions,
    settings_hash,
    shown_before,
    stamp,
)
from session_pipeline.store.records import Publication, utc_now
from session_pipeline.store.store import Store
from session_pipeline.tables import TABLES, table
from session_pipeline.tables.steps import is_built

if TYPE_CHECKING:  # slow to load
    import pyarrow as pa

    from session_pipeline.publish.native_rows import Kept

GIGABYTE = 1_000_000_000


class NewWarehouse:
    """The warehouse that shows the present state of a store. It can be written before it is published.

    Attributes:
        file: Its file.
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
        from session_pipeline.publish import warehouse_file  # slow to load

        settings = plan.frame.settings
        self._store = store
        self._package_version = package_version
        self.file = warehouse_file.NewFile(folder.warehouse, is_only_writer=True)
        self._plan = plan
        self.publication = Publication(
            store.catalog.generation(), plan.frame.until, settings_hash(plan), utc_now(), run_id
        )
        self.partitions = published_partitions(store)
        self.shown_before = shown_before(folder, store)
        self._native_limit_bytes = settings.publish.native_limit_gb * GIGABYTE
        # Tables that the settings do not build can have frozen days.
        there = {partition.key.table for partition in self.partitions}
        self._left_out = [name for name in TABLES if not is_built(name, settings) and name not in there]
        self.stamp: Stamp | None = None

    @cached_property
    def has_views(self) -> bool:
        """Whether some of its tables are views on files of the store. To know this takes a pass over the history."""
        return native_limit.has_views(self.partitions, self._native_limit_bytes, self._left_out)

    def write(self, kept: "Kept") -> None:
        """Write its file. It can be called in another thread than the one that uses the store.

        Args:
            kept: The rows that the engine still has in memory.
        """
        before = self.shown_before
        self.file.write(
            self._store,
            self.partitions,
            _warehouse_info(self.publication, self._plan, self._package_version),
            native_limit_bytes=self._native_limit_bytes,
            # Tables that stay would keep their old comments.
            starts_empty=before.contracts_changed or not before.has_warehouse,
            kept=kept,
            left_out=self._left_out,
        )
        self.stamp = stamp(self.file.place)

    def is_equal(self, other: "NewWarehouse") -> bool:
        """Whether the other one shows the same, only at another time."""
        return self._shown() == other._shown()

    def _shown(self) -> tuple[Publication, ShownBefore, frozenset[date]]:
        """Return what decides what it shows, without the time."""
        return replace(self.publication, published_at=""), self.shown_before, self._plan.outdated_days


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
