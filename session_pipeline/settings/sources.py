"""Defines the settings of a source: how the files of one folder under raw/ are read.

presets.py finds presets, which are files with the same keys; ingest/rules.py is what these settings become.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from session_pipeline.settings.section import Section
from session_pipeline.settings.values import (
    AccessLogFormat,
    Character,
    ClockTime,
    Constant,
    DeliveredColumn,
    Label,
    LineCondition,
    LineScalar,
    LineText,
    Listed,
    MappedColumn,
    Site,
    TimeZone,
    at_most,
    checked_label,
    distinct,
    refusal,
    shown,
)

# Keys that do not say how files are read, so the files of a source with only these are recognised.
KEYS_OF_ANY_FORMAT = frozenset({"site", "timezone", "clock_tolerance_minutes", "expected_by"})
MOST_EVENT_NAMES = 2_000
MOST_EVENT_RULES = 200
MOST_FIELDS = 20


def _fields(value: Any) -> str | tuple[str, ...]:
    """Accepts one field or a list of fields; an empty list: the column has no field."""
    if isinstance(value, str):
        return checked_label(value)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise refusal(f"is {shown(value)}", "write a string in quotes, or a list of strings")
    if len(value) > MOST_FIELDS:
        raise refusal(f"has {len(value)} fields", f"write at most {MOST_FIELDS}")
    if len(set(value)) < len(value):
        raise refusal("has a field twice", "remove one of them")
    return value[0] if len(value) == 1 else tuple(map(checked_label, value))


class EventRule(Section):
    """A rule that gives an event our name for it if a condition on its line holds."""

    name: Label
    where: LineCondition


class Recognition(Section):
    """What all first lines of a file have in common, so that its preset is certain.

    Attributes:
        fields: Fields that every line has, also if they are null.
        values: A regular expression that the whole value of a field matches in every line, by field.
        line: A regular expression that the beginning of the first line of a text file matches.
    """

    fields: Annotated[tuple[Label, ...], Listed] = ()
    values: Mapping[Label, LineText] = Field(default_factory=dict)
    line: LineText | None = None


class SourceSettings(Section):
    """How the files of a folder under raw/ are read."""

    preset: Label | None = None
    format: Literal["jsonl", "csv", "tsv", "parquet", "access_log"] | None = None
    site: Site = "main"
    columns: Mapping[DeliveredColumn, Annotated[str | tuple[str, ...], PlainValidator(_fields)]] = Field(
        default_factory=dict
    )
    constants: Mapping[DeliveredColumn, Constant] = Field(default_factory=dict)
    expressions: Mapping[MappedColumn, LineScalar] = Field(default_factory=dict)
    events: Annotated[tuple[EventRule, ...], Listed, at_most(MOST_EVENT_RULES, "rules")] = ()
    event_names: Annotated[Mapping[Label, Label], at_most(MOST_EVENT_NAMES, "names")] = Field(default_factory=dict)
    key_values: Annotated[tuple[Label, ...], Listed, distinct("key_values")] = ()
    timezone: TimeZone = "UTC"
    clock_tolerance_minutes: int = Field(default=60, ge=0, le=525_600)
    expected_by: ClockTime | None = None
    delimiter: Character | None = None
    log_format: AccessLogFormat = "combined"
    visitor_address: Label | None = None
    host: Site | None = None


class Preset(SourceSettings):
    """A file of settings for one kind of source.

    Attributes:
        about: What the preset reads, in one sentence.
        recognised: How its files are recognised; None if only the settings can name it.
    """

    about: str
    recognised: Recognition | None = None
