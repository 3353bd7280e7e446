"""Reads the latest materializations from the index of Dagster's event log, with queries that are built once.

Dagster asks for them before each step, to record the versions of the data that the step reads. It builds each query
again, and reads the same events again for each step. `defs.event_log` uses this for assets that were materialized and
never wiped. For others, it asks Dagster's own class.
"""

import json
from collections.abc import Mapping, Sequence

from dagster._core.definitions.events import AssetKey
from dagster._core.event_api import EventLogRecord
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log.base import AssetEntry, AssetRecord
from dagster._core.storage.partition_status_cache import AssetStatusCacheValue
from dagster._serdes import deserialize_value
from sqlalchemy.engine import Connection, RowMapping

from session_pipeline.engines.sql import query_text


class LatestEvents:
    """The latest materializations of assets. An event that was read once is not read again until there is a later."""

    def __init__(self) -> None:
        """Begin without any event."""
        self._records: dict[str, tuple[str, EventLogRecord]] = {}

    def records_of(self, index: Connection, asset_keys: Sequence[AssetKey]) -> list[AssetRecord] | None:
        """Return the records of those assets that have one, in the order of their keys.

        Args:
            index: A connection to the index.
            asset_keys: The assets.

        Returns:
            The records; None if Dagster must find them, because an asset was wiped or never materialized.
        """
        parameters = {"asset_keys": json.dumps([key.to_string() for key in asset_keys])}
        rows = _rows(index, "latest_records", parameters)
        return list(map(self._record, rows)) if all(row["is_plain"] for row in rows) else None

    def tags_of(
        self,
        index: Connection,
        asset_key: AssetKey,
        event_type: DagsterEventType,
        tag_keys: Sequence[str],
        partitions: Sequence[str],
    ) -> dict[str, dict[str, str]] | None:
        """Return the tags of the latest event of each partition, for those that have such a tag.

        Args:
            index: A connection to the index.
            asset_key: The asset.
            event_type: The type of the events.
            tag_keys: The tags.
            partitions: The partitions.

        Returns:
            The tags by partition; None if Dagster must find them, because the asset was wiped.
        """
        key = {"asset_key": asset_key.to_string()}
        [wiped] = _rows(index, "is_wiped", key)
        if wiped["is_wiped"]:
            return None
        lists = {"partitions": json.dumps(list(partitions)), "tag_keys": json.dumps(list(tag_keys))}
        found: dict[str, dict[str, str]] = {}
        for row in _rows(index, "latest_tags", {**key, **lists, "event_type": event_type.value}):
            found.setdefault(row["partition"], {})[row["key"]] = row["value"]
        return found

    def _record(self, row: RowMapping) -> AssetRecord:
        name, text, status = row["asset_key"], row["last_materialization"], row["cached_status_data"]
        asset_key = AssetKey.from_db_string(name)
        assert asset_key is not None
        if self._records.get(name, ("", None))[0] != text:
            self._records[name] = text, deserialize_value(text, EventLogRecord)
        entry = AssetEntry(
            asset_key=asset_key,
            last_materialization_record=self._records[name][1],
            last_run_id=row["last_run_id"],
            cached_status=AssetStatusCacheValue.from_db_string(status) if status else None,
        )
        return AssetRecord(storage_id=row["id"], asset_entry=entry)


def _rows(index: Connection, query: str, parameters: Mapping[str, str]) -> Sequence[RowMapping]:
    return index.exec_driver_sql(query_text(__package__, query), parameters).mappings().all()
