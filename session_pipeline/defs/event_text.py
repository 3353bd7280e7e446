"""Serializes Dagster's events as Dagster does, with a part of the work.

Dagster looks at the type of each value of each event. Here, what the events of all partitions of an output have in
common is serialized once, and the rest is written as JSON. event_log.py compares the first event of each output with
Dagster's own text, and uses Dagster's if they differ.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

import dagster as dg
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._serdes import serialize_value

# The name and the field by which Dagster stores a value of metadata.
STORED_AS: Mapping[type, tuple[str, str]] = {
    dg.FloatMetadataValue: ("FloatMetadataEntryData", "value"),
    dg.IntMetadataValue: ("IntMetadataEntryData", "value"),
    dg.MarkdownMetadataValue: ("MarkdownMetadataEntryData", "md_str"),
    dg.PathMetadataValue: ("PathMetadataEntryData", "path"),
    dg.TextMetadataValue: ("TextMetadataEntryData", "text"),
}


class EventFrame:
    """An event without its time and its data, as JSON; the events of all partitions of an output have it in common."""

    def __init__(self, event: EventLogEntry) -> None:
        """Take the event whose time and data are left out."""
        self._event = self._without_data(event)
        self._asset_key = event.get_dagster_event().asset_key
        before, _, after = serialize_value(self._event).partition('"event_specific_data": null')
        self._before, (self._between, _, self._after) = before, after.partition('"timestamp": 0.0')

    def fits(self, event: EventLogEntry) -> bool:
        """Whether only the time and the data of the event differ."""
        return self._asset_key == event.get_dagster_event().asset_key and self._event == self._without_data(event)

    def text(self, event: EventLogEntry) -> str:
        """Return the event as Dagster serializes it."""
        data = event.get_dagster_event().event_specific_data
        assert data is not None
        of_data = json.dumps(_packed(data)) if _is_simple(data) else serialize_value(data)
        return (
            f'{self._before}"event_specific_data": {of_data}'
            f'{self._between}"timestamp": {json.dumps(event.timestamp)}{self._after}'
        )

    @staticmethod
    def _without_data(event: EventLogEntry) -> EventLogEntry:
        return event._replace(timestamp=0.0, dagster_event=event.get_dagster_event()._replace(event_specific_data=None))


def _is_simple(data: object) -> TypeGuard[StepMaterializationData]:
    """Whether the data are a materialization whose values are all of the types that are written here."""
    if not isinstance(data, StepMaterializationData) or data.asset_lineage:
        return False
    return all(type(value) in STORED_AS for value in data.materialization.metadata.values())


def _packed(data: StepMaterializationData) -> dict[str, Any]:
    """Return a materialization as JSON values, with keys in the order that Dagster writes them in."""
    materialization = data.materialization
    entries = []
    for label, value in materialization.metadata.items():
        name, field = STORED_AS[type(value)]
        entry = {"__class__": name, field: getattr(value, field)}
        entries.append({"__class__": "EventMetadataEntry", "description": None, "entry_data": entry, "label": label})
    return {
        "__class__": "StepMaterializationData",
        "asset_lineage": [],
        "materialization": {
            "__class__": "AssetMaterialization",
            "asset_key": {"__class__": "AssetKey", "path": materialization.asset_key.path},
            "description": materialization.description,
            "metadata_entries": entries,
            "partition": materialization.partition,
            "tags": dict(sorted((materialization.tags or {}).items())),
        },
    }
