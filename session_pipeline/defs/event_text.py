"""Serializes the events of all partitions of an output as Dagster does, with a part of the work.

Dagster makes an event for each partition, and looks at the type of each value of each event. Here, what the events have
in common is serialized once, and the rest is written as JSON. event_log.py compares the first event of each output with
Dagster's own text, and uses Dagster's if they differ.
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._serdes import serialize_value

Metadata = Mapping[str, Any]

# The name and the field by which Dagster stores a value of metadata.
STORED_AS: Mapping[type, tuple[str, str]] = {
    dg.FloatMetadataValue: ("FloatMetadataEntryData", "value"),
    dg.IntMetadataValue: ("IntMetadataEntryData", "value"),
    dg.MarkdownMetadataValue: ("MarkdownMetadataEntryData", "md_str"),
    dg.PathMetadataValue: ("PathMetadataEntryData", "path"),
    dg.TextMetadataValue: ("TextMetadataEntryData", "text"),
}
# The same for plain values; a bool is another type than int here.
PLAIN: Mapping[type, type] = {float: dg.FloatMetadataValue, int: dg.IntMetadataValue, str: dg.TextMetadataValue}


class PartitionTexts:
    """The texts of the events that one event stands for; only the partition and its metadata differ."""

    def __init__(self, event: EventLogEntry) -> None:
        """Take the event that stands for all: a materialization, or a plan of one."""
        self._event = event
        without_data = event._replace(dagster_event=event.get_dagster_event()._replace(event_specific_data=None))
        self._before, _, self._after = serialize_value(without_data).partition('"event_specific_data": null')

    def planned(self, partition: str) -> str:
        """Return the event that plans a partition, as Dagster serializes it."""
        data = {
            "__class__": "AssetMaterializationPlannedData",
            "asset_key": self._asset_key(),
            "partition": partition,
            "partitions_subset": None,
        }
        return self._text(json.dumps(data))

    def materialized(self, partition: str, metadata: Metadata) -> str:
        """Return the materialization of a partition with its metadata, as Dagster serializes it."""
        of_all = self._event.get_dagster_event().step_materialization_data.materialization
        values = {**of_all.metadata, **metadata}
        if of_all.tags is None or any(
            type(value) not in STORED_AS and type(value) not in PLAIN for value in values.values()
        ):
            return serialize_value(materialization_event(self._event, partition, metadata))
        entries = []
        for label, value in values.items():
            plain = type(value) in PLAIN
            name, field = STORED_AS[PLAIN[type(value)] if plain else type(value)]
            entry = {"__class__": name, field: value if plain else getattr(value, field)}
            entries.append(
                {"__class__": "EventMetadataEntry", "description": None, "entry_data": entry, "label": label}
            )
        data = {
            "__class__": "StepMaterializationData",
            "asset_lineage": [],
            "materialization": {
                "__class__": "AssetMaterialization",
                "asset_key": self._asset_key(),
                "description": of_all.description,
                "metadata_entries": entries,
                "partition": partition,
                "tags": dict(sorted(of_all.tags.items())),
            },
        }
        return self._text(json.dumps(data))

    def _asset_key(self) -> dict[str, Any]:
        asset_key = self._event.get_dagster_event().asset_key
        assert asset_key is not None
        return {"__class__": "AssetKey", "path": list(asset_key.path)}

    def _text(self, data: str) -> str:
        return f'{self._before}"event_specific_data": {data}{self._after}'


def planned_event(event: EventLogEntry, partition: str) -> EventLogEntry:
    """Return the event that plans a partition, from one that plans several."""
    planned = event.get_dagster_event()
    data = AssetMaterializationPlannedData(planned.asset_materialization_planned_data.asset_key, partition)
    return event._replace(dagster_event=planned._replace(event_specific_data=data))


def materialization_event(event: EventLogEntry, partition: str, metadata: Metadata) -> EventLogEntry:
    """Return the materialization of a partition, from one that stands for several."""
    materialized = event.get_dagster_event()
    of_all = materialized.step_materialization_data.materialization
    of_partition = dg.AssetMaterialization(
        asset_key=of_all.asset_key,
        description=of_all.description,
        metadata={**of_all.metadata, **normalize_metadata(metadata)},
        partition=partition,
        tags=of_all.tags,
    )
    data = StepMaterializationData(of_partition, [])
    return event._replace(dagster_event=materialized._replace(event_specific_data=data))
