"""Changes lines before their fields are read: lists of keys and values become objects.

Produces SQL; read.py runs it. Only lines that are JSON objects are changed, so a line that is quarantined because it is
no JSON keeps its text.
"""

import json

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.rules import ReadingRules


def reshaped(checked_lines: str, rules: ReadingRules, format: str) -> str:
    """Return a SELECT of checked lines, with the lines as they are mapped to columns.

    Without rules that change lines, it is the same SELECT.

    Args:
        checked_lines: A SELECT of checked_lines.sql.
        rules: The rules of the source.
        format: The format of the file.
    """
    if not rules.key_values:
        return checked_lines
    line = "line"
    for name in rules.key_values:
        keys = name.split(".") if format_named(format).is_nested else [name]
        line = _with_object(line, keys)
    return f"select * replace (case when is_object then {line} else line end as line) from ({checked_lines})"


def _with_object(line: str, keys: list[str]) -> str:
    """Return the SQL of a line in which the list at a path of keys is an object."""
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    before = "".join("{" + json.dumps(key, ensure_ascii=False) + ":" for key in keys)
    found = f"object_of(json_extract(line, {literal(pointer)}))"
    return f"json_merge_patch({line}, coalesce({literal(before)} || {found} || {literal('}' * len(keys))}, '{{}}'))"
