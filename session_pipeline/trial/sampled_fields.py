"""Reads the fields of a file's first lines with their values, from which suggestions.py suggests fields for columns."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from session_pipeline.engines.sql import query_text
from session_pipeline.ingest.admission.admit import Admitted
from session_pipeline.ingest.admission.wrapped_records import Number
from session_pipeline.ingest.formats import AccessLog, JsonLines, format_named
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading.lines import lines_by_duckdb, lines_by_python
from session_pipeline.ingest.sql import macros
from session_pipeline.settings.values import is_label
from session_pipeline.trial.field_values import FieldValues

SAMPLED_LINES = 1_000
LONGEST_SAMPLED_BYTES = 64 << 10
FIRST_WEB_TIME = datetime(1990, 1, 1)  # smaller numbers are not epoch times of web events
MOST_VALUES = 200_000
DEEPEST = 3  # levels of nested objects whose fields are considered


def fields_of(
    admitted: Admitted, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, scratch: Path
) -> list[FieldValues]:
    """Return the fields of a file's first lines, by name; none for access logs, whose format defines the fields."""
    if admitted.format == AccessLog.name:
        return []
    lines = _objects(admitted, connection, scratch)
    return fields_in(lines, rules, connection, admitted.format)


def fields_in(
    lines: Iterable[Mapping[str, Any]],
    rules: ReadingRules,
    connection: duckdb.DuckDBPyConnection,
    format: str = JsonLines.name,
) -> list[FieldValues]:
    """Return the fields of the events in some lines of a file of this format, by name. Numbers are given as Number.

    Fields that cannot be named in the settings are left out, such as those with a line break in their name.
    """
    json_fields = rules.json_fields_of(format)
    is_nested = format_named(format).is_nested
    values: dict[str, list[object]] = {}
    lists: dict[str, str] = {}
    line_count = value_count = 0
    keys = rules.way(rules.events_in, format) if rules.events_in else []
    read = ({name: _read(value) if name in json_fields else value for name, value in line.items()} for line in lines)
    for event in (event for line in read for event in _events_in(line, keys)):
        if not any(value not in (None, "") for value in event.values()):
            continue  # tables can end in many empty rows
        for field, value in event.items():
            depth = DEEPEST if is_nested or field in json_fields else 0
            for name, leaf in _leaves({field: value}, depth):
                values.setdefault(name, []).append(leaf)
                value_count += 1
        for list_name, name, element in _elements(event):
            values.setdefault(name, []).append(element)
            lists[name] = list_name
            value_count += 1
        line_count += 1
        if value_count > MOST_VALUES:
            break
    values = {name: found for name, found in values.items() if is_label(name) and is_label(lists.get(name, name))}
    times = _time_counts(connection, rules, values)
    fields = []
    for name in sorted(values):
        time_count, readable_count = times.get(name, (0, 0))
        fields.append(FieldValues(name, values[name], line_count, time_count, lists.get(name), readable_count))
    return fields


def json_fields_in(fields: Sequence[FieldValues], rules: ReadingRules) -> list[str]:
    """Return the fields whose texts are JSON objects and that the settings do not read as such: of `json_fields`."""
    return [
        field.name
        for field in fields
        if "." not in field.name
        and field.name not in rules.json_fields
        and field.is_mostly(lambda text: text.lstrip().startswith("{") and isinstance(_read(text), dict))
    ]


def _objects(admitted: Admitted, connection: duckdb.DuckDBPyConnection, scratch: Path) -> Iterator[dict[str, Any]]:
    for text in _texts(admitted, connection, scratch):
        with suppress(ValueError, RecursionError):
            line = json.loads(text, parse_int=Number, parse_float=Number)
            if isinstance(line, dict):
                yield line


def _read(value: object) -> object:
    """Return the object or list that a field has as text; the value itself if it is not JSON text."""
    with suppress(ValueError, RecursionError):
        return json.loads(value, parse_int=Number, parse_float=Number) if isinstance(value, str) else value
    return value


def _events_in(value: Any, keys: Sequence[str]) -> Iterator[Any]:
    """Yield the events of a line, as ingest reads `events_in`: each takes the place of the list that it is in.

    A line without the list is itself the only event.
    """
    if not keys:
        yield from value if isinstance(value, list) else [value]
    elif isinstance(value, dict) and keys[0] in value:
        yield from ({**value, keys[0]: event} for event in _events_in(value[keys[0]], keys[1:]))
    else:
        yield value


def _texts(admitted: Admitted, connection: duckdb.DuckDBPyConnection, scratch: Path) -> list[str]:
    """Return the first lines of a file, as JSON text."""
    connection.execute("set timezone = 'UTC'")  # for times within lists and structs of Parquet files
    sampled = (
        f"select line from ({{}}) where reason is null and strlen(line) <= {LONGEST_SAMPLED_BYTES}"
        f" limit {SAMPLED_LINES}"
    )
    if (lines := lines_by_duckdb(admitted)) is not None:
        with suppress(duckdb.InvalidInputException):  # bytes that DuckDB cannot split into lines
            return [text for (text,) in connection.execute(sampled.format(lines.select)).fetchall()]
    lines = lines_by_python(admitted, scratch / "sampled_lines.parquet")
    return [text for (text,) in connection.execute(sampled.format(lines.select)).fetchall()]


def _leaves(line: Mapping[str, Any], depth: int) -> Iterator[tuple[str, object]]:
    """Yield the fields that have a value; fields of nested objects have dotted names.

    Fields that cannot be named in the settings are left out.
    """
    for name, value in line.items():
        if isinstance(value, dict) and depth:
            if "." not in name:
                yield from ((f"{name}.{inner}", each) for inner, each in _leaves(value, depth - 1))
        elif value not in (None, "") and ("." not in name or not depth):
            yield name, value


def _elements(line: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """Yield the values in lists of keys and values: the list, the name that each value has as a field, and the value.

    key_values.sql reads the same lists.
    """
    for list_name, elements in line.items():
        if "." in list_name or not isinstance(elements, list) or not all(isinstance(each, dict) for each in elements):
            continue
        for element in elements:
            key, value = element.get("key", element.get("name")), element.get("value")
            if isinstance(value, dict):
                value = next(
                    (each for name, each in value.items() if each is not None and name.endswith("_value")), None
                )
            if isinstance(key, str) and "." not in key and value not in (None, "") and not isinstance(value, list):
                yield list_name, f"{list_name}.{key}", value


def _time_counts(
    connection: duckdb.DuckDBPyConnection, rules: ReadingRules, values: Mapping[str, Sequence[object]]
) -> dict[str, tuple[int, int]]:
    """Count the values of each field that are valid event times, by the same rule that ingest reads times with.

    The second count is that of times that would be valid with an earlier start_date, from FIRST_WEB_TIME on.
    """
    names = list(values)
    pairs = [(place, value) for place, name in enumerate(names) for value in values[name] if isinstance(value, str)]
    # JSON can contain half of a surrogate pair, which an Arrow string cannot.
    texts = [value.encode(errors="replace").decode() for _, value in pairs]
    sampled_values = pa.table(
        {"place": pa.array([place for place, _ in pairs], pa.int64()), "value": pa.array(texts, pa.string())}
    )
    connection.execute(macros("lines"))
    connection.register("sampled_values", sampled_values)
    starts, offsets = rules.local_clock
    rows = connection.execute(
        query_text(__package__, "time_counts"),
        {
            "starts": starts,
            "offsets": offsets,
            "earliest": rules.earliest,
            "readable": min(rules.earliest, FIRST_WEB_TIME),
            "latest": rules.latest,
        },
    ).fetchall()
    connection.unregister("sampled_values")
    return {names[place]: (time_count, readable_count) for place, time_count, readable_count in rows}
