"""Where the columns of an event come from in a delivered line, and what is left over.

Knows both names of a field, as JSON pointers and as patches. Does not read anything.
"""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import duckdb

from session_pipeline.contracts import DELIVERED_COLUMNS, table
from session_pipeline.engines.duckdb import literal, quote
from session_pipeline.ingest.rules import ReadingRules

NEVER_MATCHES = r"\b\B"
JSON_TEXT_OR_NUMBER = r'(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.e+-]*)'


def parameters_of(rules: ReadingRules, format: str) -> dict[str, Any]:
    """The parameters of read_lines.sql; its lists are in the order of DELIVERED_COLUMNS."""
    theirs = [rules.columns.get(ours, ours) for ours in DELIVERED_COLUMNS]
    ways = [name.split(".") if format == "jsonl" else [name] for name in theirs]
    labels = [
        ours if ours == name else f"{ours} ({name})" for ours, name in zip(DELIVERED_COLUMNS, theirs, strict=True)
    ]
    properties = ways[DELIVERED_COLUMNS.index("properties")]
    keys = [way[0] for way in ways if len(way) == 1]
    local_starts, local_offsets = rules.local_clock
    return {
        "paths": [_pointer(way) for way in ways],
        "labels": labels,
        "constants": [rules.constants.get(ours) for ours in DELIVERED_COLUMNS],
        # Then a line with as many keys as fields found has no other keys, and need not be searched for them.
        "fields_are_keys": len(set(keys)) == len(ways),
        "mapped_fields": _without([key for key in keys if [key] != properties]),
        "properties_field": _without(properties if len(properties) == 1 else []),
        "dropped_fields": _without(rules.drop_properties),
        "dropped_key": _dropped_key(rules.drop_properties),
        "dropped_value": _dropped_key(rules.drop_properties) + JSON_TEXT_OR_NUMBER,
        "local_starts": local_starts,
        "local_offsets": local_offsets,
        "earliest": rules.earliest,
        "latest": rules.latest,
        "clock_tolerance": timedelta(minutes=rules.clock_tolerance_minutes),
    }


def mapping_of(rules: ReadingRules, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Where the columns of the accepted lines came from, for those that any line has a value in."""
    types = {column.name: column.type for column in table("raw_events").columns}
    counts = [f"count({quote(ours)})" for ours in DELIVERED_COLUMNS]
    for ours, value in rules.constants.items():
        constant = f"try_cast({literal(value)} as {types[ours]})"
        counts.append(f"count(*) filter ({quote(ours)} is distinct from {constant})")
    found = connection.execute(f"select {', '.join(counts)} from accepted_lines").fetchone() or ()
    own_values = dict(zip(rules.constants, found[len(DELIVERED_COLUMNS) :], strict=True))
    mapping = {}
    for ours, count in zip(DELIVERED_COLUMNS, found, strict=False):
        if count and ours in rules.constants:
            constant = f"constant {rules.constants[ours]!r}"
            mapping[ours] = f"{ours}, else {constant}" if own_values[ours] else constant
        elif count:
            mapping[ours] = rules.columns.get(ours, ours)
    return mapping


def _pointer(way: Sequence[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in way)


def _without(keys: Sequence[str]) -> str:
    """A JSON merge patch (RFC 7396) that takes keys away."""
    return json.dumps(dict.fromkeys(keys), ensure_ascii=False)


def _dropped_key(keys: Sequence[str]) -> str:
    """A pattern for keys, in any case, anywhere in JSON without spaces."""
    if not keys:
        return NEVER_MATCHES
    written = "|".join(re.escape(json.dumps(key, ensure_ascii=False)[1:-1]) for key in keys)
    return f'(?i)"({written})":'
