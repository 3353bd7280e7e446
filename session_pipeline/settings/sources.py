"""Defines the settings of a source: how the files of one folder under raw/ are read.

presets.py finds presets, which are files with the same keys; ingest/mapping/rules.py is what these settings become.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from session_pipeline.reference.local_times import problem_of
from session_pipeline.settings.section import Section
from session_pipeline.settings.values import (
    AccessLogFormat,
    Character,
    ClockTime,
    Constant,
    DeliveredColumn,
    FieldPath,
    Label,
    LineCondition,
    LineScalar,
    LineText,
    Listed,
    MappedColumn,
    NullValue,
    Site,
    TimeZone,
    at_most,
    checked_label,
    closest,
    distinct,
    refusal,
    shown,
)

# Keys that do not say how files are read, so the files of a source with only these are recognized.
KEYS_OF_ANY_FORMAT = frozenset({"site", "timezone", "clock_tolerance_minutes", "expected_by"})
MOST_EVENT_NAMES = 2_000
MOST_EVENT_RULES = 200
MOST_FIELDS = 20
MOST_HEADER_NAMES = 5_000
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,19}(\.0*)?", re.ASCII)
# How constants of columns with numbers are written, as in numbers.sql, and an example.
NUMBERS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "value": (re.compile(r"[+-]?(\d{1,12}\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII), "12.5"),
    "sequence": (WHOLE_NUMBER, "1"),
    "status_code": (WHOLE_NUMBER, "200"),
}
# Parts of the request that a line of a web server's log describes.
REQUEST_PARTS = ("line", "method", "target", "path", "query", "host", "scheme")


def _fields(value: Any) -> str | tuple[str, ...]:
    """Accept one field or a list of fields; an empty list: the column has no field."""
    if isinstance(value, str):
        return checked_label(value)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise refusal(f"is {shown(value)}", "write a string in quotes, or a list of strings")
    if len(value) > MOST_FIELDS:
        raise refusal(f"has {len(value)} fields", f"write at most {MOST_FIELDS}")
    if repeated := next((name for name in value if value.count(name) > 1), None):
        raise refusal(f"has the field {shown(repeated)} twice", "remove one of them")
    return value[0] if len(value) == 1 else tuple(map(checked_label, value))


def _request_part(name: str) -> str:
    if name not in REQUEST_PARTS:
        raise refusal("is not a part of a request", closest(name, REQUEST_PARTS))
    return name


def _time_format(text: str) -> str:
    if found := problem_of(text):
        problem, hint = found
        raise refusal(f"is {shown(text)}, which {problem}", hint)
    return text


Fields = Annotated[str | tuple[str, ...], BeforeValidator(_fields)]
TimeFormat = Annotated[Label, AfterValidator(_time_format)]
RequestPart = Annotated[str, AfterValidator(_request_part)]


def _without_mark(name: str) -> str:
    return name.removesuffix("?")


class EventRule(Section):
    """A rule that gives an event our name for it if a condition on its line holds."""

    name: Label
    where: LineCondition


class Recognition(Section):
    """What all first lines of a file have in common, so that its preset is certain.

    Attributes:
        fields: Fields that every line has, also if they are null.
        or_fields: Fields that every other line has, if a tool writes two kinds of lines.
        values: A regular expression that the whole value of a field matches in every line, by field.
        line: A regular expression that the beginning of the first line of a text file matches.
    """

    fields: Annotated[tuple[Label, ...], Listed] = ()
    or_fields: Annotated[tuple[Label, ...], Listed] = ()
    values: Mapping[Label, LineText] = Field(default_factory=dict)
    line: LineText | None = None


class SourceSettings(Section):
    """How the files of a folder under raw/ are read."""

    preset: Label | None = None
    format: Literal["jsonl", "csv", "tsv", "parquet", "access_log", "w3c"] | None = None
    site: Site = "main"
    columns: Mapping[DeliveredColumn, Fields] = Field(default_factory=dict)
    constants: Mapping[DeliveredColumn, Constant] = Field(default_factory=dict)
    expressions: Mapping[MappedColumn, LineScalar] = Field(default_factory=dict)
    events: Annotated[tuple[EventRule, ...], Listed, at_most(MOST_EVENT_RULES, "rules")] = ()
    event_names: Annotated[Mapping[Label, Label], at_most(MOST_EVENT_NAMES, "names")] = Field(default_factory=dict)
    key_values: Annotated[tuple[Label, ...], Listed, distinct("key_values")] = ()
    time_format: TimeFormat | None = None
    timezone: TimeZone = "UTC"
    clock_tolerance_minutes: int = Field(default=60, ge=0, le=525_600)
    expected_by: ClockTime | None = None
    delimiter: Character | None = None
    escape: Literal["\\"] | None = None
    header: Annotated[
        tuple[Label, ...], Listed, at_most(MOST_HEADER_NAMES, "names"), distinct("fields", _without_mark)
    ] = ()
    records_in: FieldPath | None = None
    events_in: Label | None = None
    json_fields: Annotated[tuple[Label, ...], Listed, distinct("json_fields")] = ()
    json_columns: Annotated[tuple[Label, ...], Listed, distinct("json_columns")] = ()
    null_values: Annotated[tuple[NullValue, ...], Listed, distinct("null_values")] = ()
    drop_fields: Annotated[tuple[Label, ...], Listed, distinct("drop_fields")] = ()
    decimal_comma: bool = False
    request: Mapping[RequestPart, Fields] = Field(default_factory=dict)
    log_format: AccessLogFormat = "combined"
    visitor_address: Fields | None = None
    host: Site | None = None

    @field_validator("constants")
    @classmethod
    def _are_numbers_where_needed(cls, constants: Mapping[str, str]) -> Mapping[str, str]:
        for column, (pattern, example) in NUMBERS.items():
            if column in constants and not pattern.fullmatch(constants[column]):
                raise refusal(f"has {column} = {shown(constants[column])}, which is not a number", f"write {example}")
        return constants

    @field_validator("header")
    @classmethod
    def _ends_in_the_optional_names(cls, header: tuple[str, ...]) -> tuple[str, ...]:
        if "?" in header:
            raise refusal("has a mark without a name", "write the name of the field before the ?")
        if "..." in header[:-1] or header == ("...",):
            raise refusal("has ... at another place than after all names", "write it as the last element of the list")
        marks = [name.endswith("?") for name in header if name != "..."]
        if marks != sorted(marks):
            raise refusal("has an optional name before others", "move names that end in ? to the end of the list")
        return header

    @field_validator("request")
    @classmethod
    def _check_has_a_page(cls, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request and not any(request.get(part) for part in ("line", "target", "path")):
            raise refusal("has no page", "write line ('GET /a HTTP/1.1'), target ('/a?b=c') or path ('/a')")
        return request


class Preset(SourceSettings):
    """A file of settings for one kind of source.

    Attributes:
        about: What the preset reads, in one sentence.
        recognized: How its files are recognized; None if only the settings can name it.
    """

    about: str
    recognized: Recognition | None = None
