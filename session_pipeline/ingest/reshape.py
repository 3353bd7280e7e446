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
    for name in rules.key_values:
        keys = name.split(".") if format_named(format).is_nested else [name]
        checked_lines = _changed(checked_lines, _with_object(keys))
    return checked_lines


def _changed(checked_lines: str, line: str) -> str:
    return f"select * replace (case when is_object then {line} else line end as line) from ({checked_lines})"


def _with_object(keys: list[str]) -> str:
    """Return the SQL of a line in which the list at a path of keys is an object. A line without it stays as it is."""
    pointer = literal("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))
    before = literal("".join("{" + json.dumps(key, ensure_ascii=False) + ":" for key in keys))
    patch = f"{before} || object_of(json_extract(line, {pointer})) || {literal('}' * len(keys))}"
    has_list = f"json_type(line, {pointer}) = 'ARRAY' and json_type(line, {pointer} || '/0') = 'OBJECT'"
    return f"case when {has_list} then cast(json_merge_patch(line, {patch}) as varchar) else line end"
