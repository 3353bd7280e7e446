"""Changes lines before their fields are read, as the settings of a source say.

In this order: texts that mean no value become null, texts that are JSON become objects and lists, a line with a list of
events becomes a line for each of them, and lists of keys and values become objects.

Produces SQL; work.py runs it. Only lines that are JSON objects are changed, so a line that is quarantined because it is
no JSON keeps its text. No query has a join or a grouping, because the order of the lines gives their numbers.
"""

import json
import re
from collections.abc import Sequence

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.fields import json_pointer
from session_pipeline.ingest.queries import query
from session_pipeline.ingest.rules import ReadingRules


def reshaped(checked_lines: str, rules: ReadingRules, format: str) -> str:
    """Return a SELECT of checked lines, with the lines as they are mapped to columns.

    Without rules that change lines, it is the same SELECT. With `events_in`, it also has the column event_in_line: the
    number of the event in its line, from 1.

    Args:
        checked_lines: A SELECT of checked_lines.sql.
        rules: The rules of the source.
        format: The format of the file.
    """
    if rules.null_values:
        checked_lines = _changed(checked_lines, _without_null_values(rules.null_values))
    for name in rules.json_fields:
        checked_lines = _changed(checked_lines, _with_json(rules.way(name, format)))
    if rules.events_in:
        keys = rules.way(rules.events_in, format)
        checked_lines = query(
            "events_of_lines",
            checked_lines=f"({checked_lines})",
            pointer=literal(json_pointer(keys)),
            without_events=literal(_before(keys) + "null" + "}" * len(keys)),
            before_event=literal(_before(keys)),
            after_event=literal("}" * len(keys)),
        )
    for name in rules.key_values:
        checked_lines = _changed(checked_lines, _with_object(rules.way(name, format)))
    return checked_lines


def _changed(checked_lines: str, line: str) -> str:
    return f"select * replace (case when is_object then {line} else line end as line) from ({checked_lines})"


def _without_null_values(texts: Sequence[str]) -> str:
    """Return the SQL of a line in which values that are one of some texts are null.

    A quote within a text is escaped, so the pattern matches whole values only.
    """
    values = "|".join(re.escape(json.dumps(text, ensure_ascii=False)[1:-1]) for text in texts)
    pattern = rf'"(\s*:\s*)"(?:{values})"'
    return f"regexp_replace(line, {literal(pattern)}, '\"\\1null', 'g')"


def _with_json(keys: Sequence[str]) -> str:
    """Return the SQL of a line in which the text at a path of keys is what it is as JSON; other texts stay."""
    text = f"json_extract_string(line, {literal(json_pointer(keys))})"
    is_json = f"regexp_matches({text}, '^\\s*[{{\\[]') and json_valid({text}) and not is_lax({text})"
    patch = f"{literal(_before(keys))} || {text} || {literal('}' * len(keys))}"
    return _if_present(keys, f"case when {is_json} then cast(json_merge_patch(line, {patch}) as varchar) else line end")


def _with_object(keys: Sequence[str]) -> str:
    """Return the SQL of a line in which the list at a path of keys is an object. A line without it stays as it is."""
    pointer = literal(json_pointer(keys))
    elements = f"list_transform([json_extract(line, {pointer})], lambda elements: object_of(elements))"
    patch = f"{literal(_before(keys))} || found || {literal('}' * len(keys))}"
    changed = f"lambda found: cast(json_merge_patch(line, {patch}) as varchar)"
    found = f"list_filter({elements}, lambda found: found is not null)"
    return _if_present(keys, f"coalesce(list_transform({found}, {changed})[1], line)")


def _if_present(keys: Sequence[str], changed: str) -> str:
    """Return the SQL of a line that is changed only if it may have the first key, because parsing a line is slow.

    Letters, digits and underscores can be escaped as code points only, so a line without both has no such key.
    """
    if not re.fullmatch(r"\w+", keys[0], re.ASCII):
        return changed
    may_have_key = f"(contains(line, {literal(json.dumps(keys[0]))}) or contains(line, '\\u'))"
    return f"case when {may_have_key} then {changed} else line end"


def _before(keys: Sequence[str]) -> str:
    """Return the beginning of a JSON object, up to the value at a path of keys."""
    return "".join("{" + json.dumps(key, ensure_ascii=False) + ":" for key in keys)
