"""Suggests the preset for a flat export of a tool: a table with a column for each property, as an own query gives it.

Such files lack the fields by which the preset is recognized. Without it, the events that the tool sends on its own
count as actions of visitors. suggested_reading.py adds the suggestion to those for the fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.suggested_keys import Suggested


@dataclass(frozen=True)
class FlatExport:
    """What a flat export of a tool has.

    Attributes:
        preset: The preset of the tool.
        fields: The fields that all of its exports have.
        prefix: How the name of a further field begins; empty if none is needed.
    """

    preset: str
    fields: frozenset[str]
    prefix: str = ""


FLAT_EXPORTS = (
    FlatExport("ga4", frozenset(("user_pseudo_id", "event_timestamp", "event_name"))),
    FlatExport("posthog", frozenset(("distinct_id", "event", "timestamp")), "properties.$"),
    FlatExport("mixpanel", frozenset(("distinct_id", "event", "time")), "$"),
    FlatExport("mixpanel", frozenset(("Distinct ID", "Event Name", "Time"))),  # of its pages
    FlatExport("amplitude", frozenset(("amplitude_id", "event_type", "event_time"))),
)


def preset_of_flat(fields: Sequence[FieldValues]) -> str | None:
    """Return the preset of the tool whose flat export has these fields; None if they are those of no known one."""
    names = {field.name for field in fields}
    for export in FLAT_EXPORTS:
        if export.fields <= names and any(name.startswith(export.prefix) for name in names):
            return export.preset
    return None


def with_preset(plain: Suggested, preset: str, read: Suggested, rules: ReadingRules, names: set[str]) -> Suggested:
    """Return the suggestions for a flat export: its preset, and the columns that the preset does not find in it.

    Args:
        plain: What is suggested without the preset.
        preset: The preset.
        read: What is suggested with the preset.
        rules: How the lines are read with the preset.
        names: The fields of the file.
    """
    columns = {column: name for column, name in plain.columns.items() if names.isdisjoint(rules.fields_of(column))}
    own_names: Mapping[str, Any] = plain.keys.get("event_names", {})
    event_names = {name: ours for name, ours in own_names.items() if name not in rules.event_names}
    tables = {"columns": columns, "event_names": event_names}
    others = {key: value for key, value in read.keys.items() if key not in tables}
    keys = {"preset": preset, **others, **{key: table for key, table in tables.items() if table}}
    missing = {column: found for column, found in read.missing.items() if column not in columns}
    return replace(read, columns=columns, keys=keys, missing=missing)
