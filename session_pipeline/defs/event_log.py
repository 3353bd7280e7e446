"""Stores Dagster's events in the same SQLite files as Dagster's own class, with a fraction of the work.

Connections stay open, and a commit does not wait for the disk (event_databases.py): a power failure can lose the last
events. The store has its own catalog and loses nothing.

Dagster makes an event for each partition of an output. Here one event stands for all of them (`materializes`), and
is stored as one for each, in one transaction.

When a run is deleted, the latest materialization of each asset partition and the latest result of each check stay in
the index. Otherwise a day that is built would look as if it was missing. `defs.retention` deletes old runs.

dagster.yaml names the class `EventLog`. Without it, Dagster's own class reads and writes the same files.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sqlalchemy
from dagster._core.definitions.events import AssetKey
from dagster._core.definitions.partitions.subset import PartitionsSubset
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    DagsterEventType,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.migration import ASSET_KEY_INDEX_COLS
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import ConfigurableClassData, serialize_value
from sqlalchemy.engine import Connection

from session_pipeline.defs import home, storages
from session_pipeline.defs.event_databases import EventDatabases
from session_pipeline.defs.event_text import Metadata, PartitionTexts, materialization_event, planned_event
from session_pipeline.defs.latest_events import LatestEvents
from session_pipeline.engines.sql import query_text

BATCH_SIZE = 1000
# With the values apart, so that SQLAlchemy compiles each once.
INSERT = SqlEventLogStorageTable.insert()
UPDATE_ASSET = AssetKeyTable.update().where(AssetKeyTable.c.asset_key == sqlalchemy.bindparam("updated_key"))
NO_METADATA: Metadata = MappingProxyType({})


def hand_over_in_batches() -> None:
    """Let Dagster hand over all partitions of an output at once, unless the environment sets another size."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))


class EventLog(EventDatabases):
    """Dagster's SQLite event log with open connections and batches. The history is equal to that of Dagster's class."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the event log in a folder; create it if it does not exist."""
        self._last_planned: tuple[PartitionsSubset, Sequence[str]] | None = None
        self._materialized: dict[tuple[str, AssetKey | None], Mapping[str, Metadata]] = {}
        self.succeeded: dict[str, DagsterRun] = {}  # runs that were looked up; they never change
        self._last_tagged: tuple[EventLogEntry, Mapping[str, str]] | None = None
        self._latest = LatestEvents()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "EventLog":
        """Create the event log of a Dagster home; `base_dir` is that folder."""
        with storages.opening(config_value["base_dir"], home.INDEX) as folder:
            return cls(folder, inst_data)

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """Whether Dagster plans all partitions of an asset with one event; it is stored as one for each."""
        return True

    def materializes(self, run_id: str, asset_key: AssetKey, partitions: Mapping[str, Metadata]) -> None:
        """Let the next materialization of an asset in a run stand for several partitions.

        Args:
            run_id: The run.
            asset_key: The asset.
            partitions: The metadata of each partition, at least one.
        """
        self._materialized[run_id, asset_key] = partitions

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event; one that stands for several partitions becomes an event for each."""
        if self._stands_for_several(event):
            self.store_event_batch([event])
        elif _is_in_index(event):
            with self.run_connection(event.run_id), self.index_connection():  # one transaction for each database
                super().store_event(event)
        else:
            with self.run_connection(event.run_id) as run:
                run.execute(INSERT, self._event_to_row(event))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run in one transaction. On an error, none of them is stored."""
        if len({event.run_id for event in events}) != 1:
            super().store_event_batch(events)
            return
        with self.run_connection(events[0].run_id) as run, self.index_connection() as index:
            for event in events:
                if self._stands_for_several(event):
                    self._store_each_partition(run, index, event)
                else:
                    self.store_event(event)
        for event in events:
            self._materialized.pop(_materialization(event), None)

    def _stands_for_several(self, event: EventLogEntry) -> bool:
        return _materialization(event) in self._materialized or _planned(event) is not None

    def _store_each_partition(self, run: Connection, index: Connection, event: EventLogEntry) -> None:
        partitions = self._partitions(event)
        if not partitions:  # none of the planned days is a partition; the op says so
            return
        names = list(partitions)
        first, last = names[0], names[-1]
        row = self._event_to_row(_event_of(event, first, partitions[first]))
        texts = _texts(event, partitions, row["event"])
        rows = [{**row, "event": text, "partition": partition} for partition, text in texts.items()]
        run.execute(INSERT, rows)
        # The first insert locks the index, so the ids that follow are free until this transaction ends.
        first_id = _id_of(index.execute(INSERT, rows[0]))
        ids = range(first_id, first_id + len(rows))
        if len(rows) > 1:
            index.execute(INSERT, [{**row, "id": row_id} for row, row_id in zip(rows[1:], ids[1:], strict=True)])
        self._store_asset_event_tags(index, [event] * len(rows), ids)
        # The row of an asset shows its latest event, so the others need no update.
        self._store_asset_event(index, _event_of(event, last, partitions[last]), ids[-1])

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        """Update the row of an asset, which nearly always exists. Dagster first tries to insert one."""
        asset_key = event.get_dagster_event().asset_key
        values = self._get_asset_entry_values(event, event_id, self._has_asset_key_index_cols_on_connection(conn))
        if asset_key is None or not values:
            return
        if not conn.execute(UPDATE_ASSET, {**values, "updated_key": asset_key.to_string()}).rowcount:
            super()._store_asset_event(conn, event, event_id)

    def _tags_for_asset_event(self, event: EventLogEntry) -> Mapping[str, str]:
        """Return the tags of an event. Dagster asks once for each partition that the event stands for."""
        if self._last_tagged is None or self._last_tagged[0] is not event:
            self._last_tagged = event, super()._tags_for_asset_event(event)
        return self._last_tagged[1]

    def _partitions(self, event: EventLogEntry) -> Mapping[str, Metadata]:
        """Return the partitions that an event stands for, each with its metadata; a planned one has none."""
        subset = _planned(event)
        if subset is None:
            return self._materialized[_materialization(event)]
        return dict.fromkeys(self._keys(subset), NO_METADATA)

    def _keys(self, subset: PartitionsSubset) -> Sequence[str]:
        """Return the partitions of a subset. All tables of a run have the same, and Dagster computes them slowly."""
        if self._last_planned is None or self._last_planned[0] != subset:
            self._last_planned = subset, list(subset.get_partition_keys())
        return self._last_planned[1]

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """Return the records of assets, with their latest materializations. Dagster asks before each step."""
        if asset_keys is None or not (
            self.has_secondary_index(ASSET_KEY_INDEX_COLS) and self.can_read_asset_status_cache()
        ):
            return super().get_asset_records(asset_keys)
        with self.index_connection() as index:
            found = self._latest.records_of(index, asset_keys)
        return super().get_asset_records(asset_keys) if found is None else found

    def get_latest_tags_by_partition(
        self,
        asset_key: AssetKey,
        event_type: DagsterEventType,
        tag_keys: Sequence[str],
        asset_partitions: Sequence[str] | None = None,
        before_cursor: int | None = None,
        after_cursor: int | None = None,
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of the latest event of each partition. Dagster asks for each input of a step."""
        is_indexed = bool(tag_keys) and self.get_asset_tags_to_index(set(tag_keys)) == set(tag_keys)
        if is_indexed and asset_partitions is not None and before_cursor is None and after_cursor is None:
            with self.index_connection() as index:
                found = self._latest.tags_of(index, asset_key, event_type, tag_keys, asset_partitions)
            if found is not None:
                return found
        return super().get_latest_tags_by_partition(
            asset_key, event_type, tag_keys, asset_partitions, before_cursor, after_cursor
        )

    def run_ids(self) -> set[str]:
        """Return the ids of all runs that have events, also of runs that are deleted."""
        with self.index_connection() as index:
            found = index.execute(sqlalchemy.select(SqlEventLogStorageTable.c.run_id).distinct())
            in_index = set(found.scalars())
        return in_index.union(self.get_all_run_ids()) - {RUNLESS_RUN_ID, None}

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run, except the latest of each asset partition and of each check."""
        self.delete_events_of([run_id])

    def delete_events_of(self, run_ids: Collection[str]) -> None:
        """Delete the events of several runs in one transaction, except the latest of each asset partition and check."""
        with self.index_connection() as index:
            # First the results of checks, because the events of those that stay are kept.
            _delete(index, AssetCheckExecutionsTable.c.id, _superseded(index, "superseded_check_results", run_ids))
            events = _superseded(index, "superseded_events", run_ids)
            _delete(index, AssetEventTagsTable.c.event_id, events)
            _delete(index, SqlEventLogStorageTable.c.id, events)
        for run_id in run_ids:
            self._delete_shard(run_id)


def _superseded(index: Connection, query: str, run_ids: Collection[str]) -> list[int]:
    parameters = {"run_ids": json.dumps(list(run_ids))}
    return list(index.exec_driver_sql(query_text(__package__, query), parameters).scalars())


def _delete(index: Connection, column: sqlalchemy.Column[int], ids: Sequence[int]) -> None:
    for start in range(0, len(ids), BATCH_SIZE):
        index.execute(sqlalchemy.delete(column.table).where(column.in_(ids[start : start + BATCH_SIZE])))


def _is_in_index(event: EventLogEntry) -> bool:
    """Whether Dagster stores an event also in the index: one of an asset, of a check, or of the status of a run."""
    kind = event.dagster_event_type if event.is_dagster_event else None
    return kind in ASSET_EVENTS or kind in ASSET_CHECK_EVENTS or kind in EVENT_TYPE_TO_PIPELINE_RUN_STATUS


def _materialization(event: EventLogEntry) -> tuple[str, AssetKey | None]:
    """Return the run and the asset that an event materializes; no asset if it is another event."""
    if event.is_dagster_event and event.get_dagster_event().is_step_materialization:
        return event.run_id, event.get_dagster_event().asset_key
    return event.run_id, None


def _planned(event: EventLogEntry) -> PartitionsSubset | None:
    """Return the partitions that an event plans together; None if it is another event."""
    if not event.is_dagster_event or not event.get_dagster_event().is_asset_materialization_planned:
        return None
    return event.get_dagster_event().asset_materialization_planned_data.partitions_subset


def _event_of(event: EventLogEntry, partition: str, metadata: Metadata) -> EventLogEntry:
    """Return the event of a partition, from one that stands for several."""
    return (
        materialization_event(event, partition, metadata)
        if _planned(event) is None
        else planned_event(event, partition)
    )


def _texts(event: EventLogEntry, partitions: Mapping[str, Metadata], first: str) -> dict[str, str]:
    """Return the text of the event of each partition that an event stands for; of the first one, it is given."""
    if len(partitions) == 1:
        return dict.fromkeys(partitions, first)
    texts = PartitionTexts(event)
    write = texts.materialized if _planned(event) is None else lambda partition, _: texts.planned(partition)
    found = {partition: write(partition, metadata) for partition, metadata in partitions.items()}
    if next(iter(found.values())) == first:
        return found
    # A version of Dagster that serializes in another way.
    return {each: serialize_value(_event_of(event, each, metadata)) for each, metadata in partitions.items()}


def _id_of(inserted: sqlalchemy.CursorResult[Any]) -> int:
    key = inserted.inserted_primary_key
    assert key is not None
    return int(key[0])
