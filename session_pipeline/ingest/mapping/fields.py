"""Produces the parts of read_lines.sql, and the origins of columns that the ledger records as the mapping of a file.

given_lines.py maps the fields of a line to columns; reading/work.py runs the SQL.
"""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from session_pipeline.engines.sql import literal, quote
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.mapping.line_fields import json_pointer
from session_pipeline.ingest.mapping.removed_fields import (
    DROPPED_VALUE,
    patches_of,
    pattern_of_keys,
    pattern_of_nested,
    removed_ways,
    way_to_properties,
    ways_of,
    without,
)
from session_pipeline.ingest.mapping.requests import asked_fields, request_origins
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.tables import table


def parts_of(rules: ReadingRules, format: str) -> dict[str, str]:
    """Return the SQL of the placeholders of read_lines.sql.

    They are not parameters, because DuckDB would then keep all rows in memory before the first is used.
    """
    theirs = {ours: ", ".join(rules.fields_of(ours)) for ours in rules.columns}
    labels = {ours: f"{ours} ({names})" for ours, names in theirs.items() if names not in (ours, "")}
    properties = way_to_properties(rules, format)
    ways = [way for ours in DELIVERED_COLUMNS if ours != "properties" for way in ways_of(rules, ours, format)]
    removed = removed_ways(rules, format)
    dropped_key = pattern_of_keys(rules.drop_properties)
    return {
        **{f"label_of_{ours}": literal(labels.get(ours, ours)) for ours in DELIVERED_COLUMNS},
        "mapped_fields": patches_of("line", [way[0] for way in ways if len(way) == 1], removed),
        "properties_field": literal(without(properties if len(properties) == 1 else [])),
        "dropped_fields": literal(without(rules.drop_properties)),
        "has_dropped_key": f"regexp_matches(_rest, {literal(dropped_key)})" if rules.drop_properties else "false",
        "dropped_value": literal(dropped_key + DROPPED_VALUE),
        "nested_field": literal(pattern_of_nested(rules.drop_properties)),
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
