"""Maps the fields of a delivered line to the columns of an event, and determines which fields remain as properties.

Produces SQL, JSON pointers and JSON merge patches. reading/work.py runs them.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from session_pipeline.engines.sql import literal, quote
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.mapping.line_fields import LineFields, json_pointer
from session_pipeline.ingest.mapping.line_sql import event_name, with_expressions
from session_pipeline.ingest.mapping.requests import (
    asked_fields,
    request_fields,
    request_origins,
    visitor_address,
    with_request,
)
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.shapes import KnownShapes, has_shape_of, known_shapes
from session_pipeline.ingest.mapping.usual_form import usual_form
from session_pipeline.ingest.sql import query
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.tables import table

NEVER_MATCHES = r"\b\B"
_JSON_TEXT = r'"(?:[^"\\]|\\.)*"'
_JSON_SCALAR = rf"(?:{_JSON_TEXT}|-?[0-9][0-9.e+-]*|true|false|null)"
_JSON_MEMBER = f"{_JSON_TEXT}:{_JSON_SCALAR}"
_JSON_LIST = rf"\[(?:{_JSON_SCALAR}(?:,{_JSON_SCALAR})*)?\]"
_JSON_OBJECT = rf"\{{(?:{_JSON_MEMBER}(?:,{_JSON_MEMBER})*)?\}}"
DROPPED_VALUE = f"(?:{_JSON_SCALAR}|{_JSON_LIST}|{_JSON_OBJECT})"
SEPARATORS = r"[ _.$@:/-]"
URL_COLUMNS = ("page_url", "referrer")


@dataclass(frozen=True)
class Sample:
    """What is known of the first lines of a file.

    Attributes:
        shapes: Frequent shapes: the keys of an object, in order.
        lines: Lines as they are written, if they are not changed before their fields are read.
    """

    shapes: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()


NO_SAMPLE = Sample()
# The parts of checked_lines.sql for lines that are not compared with a form.
UNCOMPARED: Mapping[str, str] = {"at_top": "null", "has_usual_form": "false"}


def given_lines(
    checked_lines: Callable[[Mapping[str, str]], str], rules: ReadingRules, format: str, sample: Sample = NO_SAMPLE
) -> str:
    """Return a SELECT from checked lines that gives the fields of each line as text, under our column names.

    Where a line has no value, the constant of the column is used. Each line is parsed once into a struct, for the
    fields at its top level. If there are other fields, it is parsed a second time for those: nested fields, and fields
    whose names differ only in case, which a struct cannot contain.

    Args:
        checked_lines: Returns the SQL of a relation of checked lines: the SELECT of checked_lines.sql in brackets, with
            given parts.
        rules: The rules of the source.
        format: The format of the file.
        sample: What is known of the first lines. It makes reading faster and never changes it.
    """
    fields = LineFields(rules, format)
    found = {ours: fields.first_of(rules.fields_of(ours)) for ours in DELIVERED_COLUMNS}
    is_single = all(len(rules.fields_of(ours)) == 1 for ours in DELIVERED_COLUMNS)
    values = {ours: f"nullif({field}, '')" for ours, field in found.items()}
    if rules.decimal_comma:
        values["value"] = fields.first_number(rules.fields_of("value"))
    values = with_expressions(rules, values, fields.named, fields.number)
    if rules.request:
        values = with_request(rules, format, values, lambda names: fields.first_of(names, is_at_top=False))
    if removed := _removed_in(_way_to_properties(rules, format), _removed_ways(rules, format)):
        kept = f"cast(json_merge_patch(given, {_patches('given', [], removed)}) as varchar)"
        kept = f"case when starts_with(given, '{{') and is_strict_json(given) then {kept} else given end"
        values["properties"] = f"list_transform([{values['properties']}], lambda given: {kept})[1]"
    if format_named(format).has_own_visitors:
        values["visitor_id"] = f"coalesce({values['visitor_id']}, {fields.deep(['visitor_id'])})"
    elif rules.addresses:
        address = visitor_address(rules, [fields.named(name) for name in rules.addresses])
        # A macro repeats the SQL of its arguments, so nested macros grow exponentially. A lambda names a value once.
        visitor = f"list_transform([{address}], lambda written: visitor_of(written, {values['user_agent']}))[1]"
        values["visitor_id"] = f"coalesce({values['visitor_id']}, {visitor})"
    for ours, constant in rules.constants.items():
        values[ours] = f"coalesce({values[ours]}, {literal(constant)})"
    if rules.events or rules.event_names:
        values["event_name"] = event_name(rules, values, fields.named)
    known = _known_shapes(rules, format, sample.shapes, fields.at_top)
    types = {**dict.fromkeys(fields.at_top.values(), "VARCHAR"), **dict.fromkeys(known.others, "JSON")}
    at_top = f"from_json(line, {literal(json.dumps(types, ensure_ascii=False))})"
    pointers = ", ".join(map(literal, fields.pointers))
    # If all fields are at the top level, a line with as many keys as fields found has no other fields.
    found_count = " + ".join(f"cast({field} is not null as utinyint)" for field in found.values())
    is_countable = is_single and not fields.pointers and len(set(found.values())) == len(found)
    is_full = f"len(_keys) = {found_count}" if is_countable else "false"
    has_columns_only = has_shape_of(known.of_columns)
    without_properties = [
        shape for shape in known.of_columns if not {*shape}.intersection(_way_to_properties(rules, format)[:1])
    ]
    checked = UNCOMPARED
    form = usual_form(sample.lines, without_properties, fields.at_top)
    if form is not None:
        checked = {"at_top": at_top, "has_usual_form": form.is_that_of("line", "at_top")}
        at_top = "at_top"
    # Counting takes longer than comparing keys, which says the same where a line has no properties.
    if is_countable and known.of_columns and values["properties"] == f"nullif({found['properties']}, '')":
        is_full = f"case when _has_columns_only and {found['properties']} is null then false else {is_full} end"
    columns = [f"{value} as {ours}" for ours, value in values.items()]
    if rules.events_in:
        columns.append("event_in_line")
    return query(
        "given_lines",
        checked_lines=checked_lines(checked),
        at_top=at_top,
        deeper=f"json_extract_string(line, [{pointers}])" if fields.pointers else "cast(null as varchar[])",
        types=f"json_type(line, [{pointers}])" if fields.has_numbers else "cast(null as varchar[])",
        has_columns_only=f"has_usual_form or {has_columns_only}" if form is not None else has_columns_only,
        has_known_others=has_shape_of(known.with_others),
        others=known.others_as_json("_at_top"),
        is_full=is_full,
        delivered_properties=found["properties"],
        columns=", ".join(columns),
    )


def _known_shapes(
    rules: ReadingRules, format: str, shapes: Sequence[Sequence[str]], at_top: Mapping[str, str]
) -> KnownShapes:
    """Return the shapes that can be read fast.

    If a nested field is not stored, there are none: removing it adds the objects around it.
    """
    removed = _removed_ways(rules, format)
    if any(len(way) > 1 for way in removed):
        return KnownShapes([], [], [])
    ways = [*(way for ours in DELIVERED_COLUMNS for way in _ways(rules, ours, format)), *removed]
    columns = {way[0] for way in ways if len(way) == 1}
    can_have_others = len(_way_to_properties(rules, format)) <= 1
    return known_shapes(shapes, columns, at_top, can_have_others=can_have_others)


def parts_of(rules: ReadingRules, format: str) -> dict[str, str]:
    """Return the SQL of the placeholders of read_lines.sql.

    They are not parameters, because DuckDB would then keep all rows in memory before the first is used.
    """
    labels = {ours: f"{ours} ({', '.join(rules.fields_of(ours))})" for ours in rules.columns}
    labels = {ours: label for ours, label in labels.items() if label not in (f"{ours} ({ours})", f"{ours} ()")}
    properties = _way_to_properties(rules, format)
    ways = [way for ours in DELIVERED_COLUMNS if ours != "properties" for way in _ways(rules, ours, format)]
    removed = _removed_ways(rules, format)
    dropped_key = pattern_of_keys(rules.drop_properties)
    members = (f"{literal(ours)}: {literal(labels.get(ours, ours))}" for ours in DELIVERED_COLUMNS)
    return {
        "labels": f"{{{', '.join(members)}}}",
        "mapped_fields": _patches("line", [way[0] for way in ways if len(way) == 1], removed),
        "properties_field": literal(_without(properties if len(properties) == 1 else [])),
        "dropped_fields": literal(_without(rules.drop_properties)),
        "has_dropped_key": f"regexp_matches(_rest, {literal(dropped_key)})" if rules.drop_properties else "false",
        "dropped_value": literal(dropped_key + DROPPED_VALUE),
        "nested_field": literal(_pattern_of_nested(rules.drop_properties)),
        **_local_clock(rules),
        "utc_time_of_event": _time_of_event(rules, format),
        "why_no_event_name": _why_no_event_name(rules, format),
        "earliest": literal(rules.earliest),
        "latest": literal(rules.latest),
        "event_in_line": "event_in_line" if rules.events_in else "cast(1 as integer)",
        "clock_tolerance": f"to_minutes({rules.clock_tolerance_minutes})",
    }


def _local_clock(rules: ReadingRules) -> dict[str, str]:
    starts, offsets = rules.local_clock
    return {
        "local_starts": f"cast([{', '.join(map(literal, starts))}] as timestamp[])",
        "local_offsets": f"cast([{', '.join(map(literal, offsets))}] as integer[])",
    }


def _time_of_event(rules: ReadingRules, format: str) -> str:
    """Return the SQL of an event's time in UTC, from its text. An access log defines how its times are written."""
    clock = ", ".join(_local_clock(rules).values())
    if rules.time_format is None or format_named(format).has_own_visitors:
        return f"utc_time(event_time, {clock})"
    return f"time_of_format(event_time, {literal(rules.time_format)}, {clock})"


def _why_no_event_name(rules: ReadingRules, format: str) -> str:
    """Return the SQL of the reason for which a line without an event name is quarantined.

    A server's log has a line for a connection that was closed before a request. A line without the fields of a request
    is another case: the settings can name other fields.
    """
    conditions = [
        f"json_exists(line, {literal(json_pointer(way))})"
        for name in asked_fields(rules)
        for way in rules.ways(name, format)
    ]
    if not conditions:
        return "'missing_event_name'"
    return f"if({' or '.join(conditions)}, 'invalid_request', 'missing_event_name')"


def value_counts(rules: ReadingRules, connection: duckdb.DuckDBPyConnection, lines: pa.Table) -> dict[str, list[int]]:
    """Return, by file id, in how many accepted lines each column has a value, and how many are not its constant.

    Args:
        rules: The rules of the source.
        connection: A connection with the view accepted_lines.
        lines: All lines of the view, and maybe others.
    """
    types = {column.name: column.type for column in table("raw_events").columns}
    counts = [_count(ours, lines.column(ours).null_count, len(lines)) for ours in DELIVERED_COLUMNS]
    for ours, value in rules.constants.items():
        constant = f"try_cast({literal(value)} as {types[ours]})"
        counts.append(f"count(*) filter ({quote(ours)} is distinct from {constant})")
    rows = connection.execute(f"select file_id, {', '.join(counts)} from accepted_lines group by file_id").fetchall()
    return {file_id: found for file_id, *found in rows}


def _count(ours: str, null_count: int, row_count: int) -> str:
    """Return the SQL of the number of values of a column. Columns with a value in all or no rows are not read."""
    if null_count == row_count:
        return "cast(0 as bigint)"
    return f"count({quote(ours)})" if null_count else "count(*)"


def mappings_of(rules: ReadingRules, format: str, counts: Mapping[str, Sequence[int]]) -> dict[str, dict[str, str]]:
    """Return, by file id, the origin of each column in which some accepted line has a value.

    Args:
        rules: The rules of the source.
        format: The format of the files.
        counts: What value_counts returned, by file id.
    """
    origins = _origins(rules, format)
    return {file_id: _mapping(rules, origins, found) for file_id, found in counts.items()}


def _mapping(rules: ReadingRules, origins: Mapping[str, str], found: Sequence[int]) -> dict[str, str]:
    own_values = dict(zip(rules.constants, found[len(DELIVERED_COLUMNS) :], strict=True))
    mapping = {}
    for ours, count in zip(DELIVERED_COLUMNS, found, strict=False):
        if count and ours in rules.constants:
            constant = f"constant {rules.constants[ours]!r}"
            mapping[ours] = f"{origins.get(ours, ours)}, else {constant}" if own_values[ours] else constant
        elif count:
            mapping[ours] = origins.get(ours, ours)
    return mapping


def _origins(rules: ReadingRules, format: str) -> dict[str, str]:
    """Return the origin of each column whose name in the source differs from our column name."""
    if format_named(format).has_own_visitors:
        made = format_named(format).origins(rules)
    elif rules.addresses:
        made = {"visitor_id": f"keyed hash of {', else '.join(rules.addresses)}"}
        if "visitor_id" not in rules.columns:
            made["visitor_id"] = f"visitor_id, else {made['visitor_id']}"
    else:
        made = {}
    given = {ours: ", else ".join(rules.fields_of(ours)) for ours in rules.columns if rules.fields_of(ours)}
    for ours in rules.expressions:
        given[ours] = f"expression, else {given[ours]}" if ours in given else "expression"
    if "visitor_id" in given and "visitor_id" in made:
        given["visitor_id"] += f", else {made['visitor_id']}"
    return {**made, **request_origins(rules), **given}


def _way_to_properties(rules: ReadingRules, format: str) -> list[str]:
    """Return the path of keys to the first field of properties; empty if it has no field."""
    names = rules.fields_of("properties")
    return rules.way(names[0], format) if names else []


def _ways(rules: ReadingRules, ours: str, format: str) -> list[list[str]]:
    """Return the paths of keys at which the first field of a column can be; empty if it has no field."""
    names = rules.fields_of(ours)
    return rules.ways(names[0], format) if names else []


def _removed_ways(rules: ReadingRules, format: str) -> list[list[str]]:
    """Return the paths of keys to fields that are not stored: addresses, URLs, parts of requests, and of the settings.

    All fields of page_url and referrer are removed, also nested ones, because they contain URLs with all of their query
    parameters. Of a log of requests, so are all other fields that become columns. A preset whose expressions read URLs
    names their fields in drop_fields. If a user id or user agent is not stored as it is delivered, none of the fields
    that can hold it stays.
    """
    if format_named(format).has_own_visitors:
        return [["visitor_id"]]
    names = [*rules.addresses, *rules.drop_fields]
    names += [name for ours in URL_COLUMNS for name in rules.fields_of(ours)]
    names += [name for ours in rules.protected_columns for name in rules.all_fields_of(ours)]
    if rules.request:
        names += [name for ours in rules.columns for name in rules.fields_of(ours)]
        names += request_fields(rules)
    ways = [way for name in dict.fromkeys(names) for way in rules.ways(name, format)]
    for way in ways:
        while len(way) > 1 and way[-1].isdecimal():  # an element of a list is removed with its list
            way.pop()
    return ways


def _removed_in(outer: Sequence[str], ways: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Return the rest of those paths of keys that lead into an object, which is at a path of keys."""
    return [way[len(outer) :] for way in ways if outer and len(way) > len(outer) and [*way[: len(outer)]] == [*outer]]


def _patches(text: str, keys: Sequence[str], ways: Iterable[Sequence[str]]) -> str:
    """Return the SQL of JSON merge patches that remove keys, and the fields at the ends of paths of keys.

    A patch makes an object of what a path leads through, so a nested field is removed only where there is an object.
    """
    removed = {(key,) for key in keys} | {tuple(way) for way in ways}
    patches = [literal(_without([way[0] for way in sorted(removed) if len(way) == 1]))]
    nested: dict[tuple[str, ...], list[str]] = {}
    for way in sorted(removed):
        outer = way[:-1]
        if outer and not any(outer[:length] in removed for length in range(1, len(way))):
            nested.setdefault(outer, []).append(way[-1])
    for outer, names in nested.items():
        patch = literal(_without([], [[*outer, name] for name in names]))
        is_there = f"json_type({text}, {literal(json_pointer(outer))}) = 'OBJECT'"
        patches.append(f"case when {is_there} then {patch} else '{{}}' end")
    return ", ".join(patches)


def _without(keys: Sequence[str], ways: Iterable[Sequence[str]] = ()) -> str:
    """Return a JSON merge patch (RFC 7396) that removes keys, and the fields at the ends of paths of keys."""
    patch: dict[str, Any] = dict.fromkeys(keys)
    for *outer, last in ways:
        inner: Any = patch
        for key in outer:
            inner = inner.setdefault(key, {})
            if inner is None:
                break  # removing a key also removes everything below it
        if inner is not None:
            inner[last] = None
    return json.dumps(patch, ensure_ascii=False)


def _pattern_of_nested(names: Sequence[str]) -> str:
    """Return a pattern that matches the keys with exactly some names whose value is an object or a list."""
    keys = "|".join(re.escape(json.dumps(name, ensure_ascii=False)) for name in names)
    return rf"(?:{keys}):[\[{{]" if names else NEVER_MATCHES


def pattern_of_keys(names: Sequence[str]) -> str:
    """Return a pattern that matches keys with some names, with their colon, at any depth of JSON without spaces.

    It matches all spellings of a key; see _spellings. Python and RE2 read it alike.
    """
    if not names:
        return NEVER_MATCHES
    return f'"({"|".join(_spellings(names))})":'


def _spellings(names: Sequence[str]) -> Iterator[str]:
    """Yield patterns that match the spellings of some names in JSON.

    They ignore case, and separators between letters are optional. A name that begins with * also matches longer names
    that end in these words. What such names have in common is in the pattern once, because RE2 needs time in proportion
    to the length of a pattern for each match whose group is used.
    """
    whole, ends, ends_of_camel_case = [], [], []
    for name in names:
        is_end = len(name) > 1 and name.startswith("*")
        letters = re.sub(SEPARATORS, "", name.removeprefix("*") if is_end else name)
        if not letters:
            yield re.escape(json.dumps(name, ensure_ascii=False)[1:-1])
            continue
        first, *others = (re.escape(json.dumps(letter, ensure_ascii=False)[1:-1]) for letter in letters)
        rest = "".join(f"{SEPARATORS}*{other}" for other in others)
        if is_end:
            ends.append(first + rest)
            ends_of_camel_case.append(f"{first.upper()}(?i:{rest})")
        else:
            whole.append(first + rest)
    if whole:
        yield f"{SEPARATORS}*(?i:{'|'.join(whole)}){SEPARATORS}*"
    if ends:
        yield rf'(?:[^"\\]*[^"\\A-Za-z])?(?i:{"|".join(ends)}){SEPARATORS}*'
        yield rf'[^"\\]*[a-z0-9](?:{"|".join(ends_of_camel_case)}){SEPARATORS}*'
