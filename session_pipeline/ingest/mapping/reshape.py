"""Changes lines before their fields are read, as the settings of a source say.

In this order: texts that mean no value become null, texts that are JSON become objects and lists, a line with a list of
events becomes a line for each of them, and lists of keys and values become objects.

Produces SQL; reading/work.py runs it. Only lines that are JSON objects are changed, so a line that is quarantined
because it is no JSON keeps its text. No query has a join or a grouping, because the order of the lines gives their
numbers.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats import Parquet
from session_pipeline.ingest.mapping.line_fields import json_pointer
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.sql import query

# What the events of a line may repeat of it: a visit of 1,000 actions has far less. Beyond it, a line of 256 KiB could
# need gigabytes.
MOST_REPEATED_BYTES = 8 << 20


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
        without = _without_null_values(rules.null_values)
        checked_lines = (
            f"select * replace (case when is_object then {without} else line end as line) from ({checked_lines})"
        )
    for ways in _at_once([rules.way(name, format) for name in rules.json_fields]):
        checked_lines = _merged(checked_lines, ways, "json_extract_string", _as_json)
    for ways in _at_once([rules.way(name, format) for name in rules.json_columns_of(format)]):
        checked_lines = _merged(checked_lines, ways, "json_extract", _text_as_json)
    if rules.events_in:
        keys = rules.way(rules.events_in, format)
        checked_lines = query(
            "events_of_lines",
            checked_lines=f"({checked_lines})",
            pointer=literal(json_pointer(keys)),
            without_events=literal(_before(keys) + "null" + "}" * len(keys)),
            before_event=literal(_before(keys)),
            after_event=literal("}" * len(keys)),
            most_repeated_bytes=MOST_REPEATED_BYTES,
        )
    as_object = "object_of_wrapped" if format == Parquet.name else "object_of"
    for ways in _at_once([rules.way(name, format) for name in rules.key_values]):
        checked_lines = _merged(checked_lines, ways, "json_extract", lambda value: f"{as_object}({value})")
    return checked_lines


def _at_once(ways: Sequence[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    """Yield the paths of keys in parts that can be changed at once, in order: those that begin with different keys."""
    part: list[Sequence[str]] = []
    for way in ways:
        if way[0] in {other[0] for other in part}:
            yield part
            part = []
        part.append(way)
    if part:
        yield part


def _merged(checked_lines: str, ways: Sequence[Sequence[str]], extract: str, changed: Callable[[str], str]) -> str:
    """Return a SELECT of checked lines in which the values at some paths of keys are changed.

    A line is parsed once to extract the values, and once to merge the changed ones into it, because DuckDB keeps what
    it parses of 2,048 lines in memory for each call.

    Args:
        checked_lines: A SELECT of checked lines.
        ways: Paths that begin with different keys.
        extract: The function that gives a value: as JSON, or as text.
        changed: Returns the SQL of a changed value, as JSON in text; null if the value stays.
    """
    pointers = ", ".join(literal(json_pointer(keys)) for keys in ways)
    values = f"case when is_object and {_may_have_one(ways)} then {extract}(line, [{pointers}]) end"
    members = ", ".join(_member(keys, changed(f"_values[{place}]")) for place, keys in enumerate(ways, start=1))
    return query("merged_lines", checked_lines=f"({checked_lines})", values=values, members=members)


def _member(keys: Sequence[str], value: str) -> str:
    """Return the SQL of the member of a JSON object in which a value is at a path of keys; null without a value."""
    return f"{literal(_before(keys).removeprefix('{'))} || {value} || {literal('}' * len(keys[1:]))}"


def _without_null_values(texts: Sequence[str]) -> str:
    """Return the SQL of a line in which values that are one of some texts are null.

    A quote within a text is escaped, so the pattern matches whole values only.
    """
    values = "|".join(re.escape(json.dumps(text, ensure_ascii=False)[1:-1]) for text in texts)
    pattern = rf'"(\s*:\s*)"(?:{values})"'
    return f"regexp_replace(line, {literal(pattern)}, '\"\\1null', 'g')"


def _as_json(text: str) -> str:
    """Return the SQL of a text that is a JSON object or list; null for other texts."""
    return f"case when regexp_matches({text}, '^\\s*[{{\\[]') and is_strict_json({text}) then {text} end"


def _text_as_json(value: str) -> str:
    """Return the SQL of the JSON object or list in a JSON string; null for other values.

    Objects and lists of Parquet stay as they are: merged, they would lose their nulls, and with them the line its hash.
    """
    text = f"json_extract_string({value}, '$')"
    return f"case when starts_with(cast({value} as varchar), '\"') then {_as_json(text)} end"


def _may_have_one(ways: Sequence[Sequence[str]]) -> str:
    """Return the SQL of whether a line may have one of some keys at its top level, because parsing a line is slow.

    Letters, digits and underscores can be escaped as code points only, so a line without both has no such key.
    """
    keys = [way[0] for way in ways]
    if not all(re.fullmatch(r"\w+", key, re.ASCII) for key in keys):
        return "true"
    conditions = [f"contains(line, {literal(json.dumps(key))})" for key in keys]
    return f"({' or '.join(conditions)} or contains(line, '\\u'))"


def _before(keys: Sequence[str]) -> str:
    """Return the beginning of a JSON object, up to the value at a path of keys."""
    return "".join("{" + json.dumps(key, ensure_ascii=False) + ":" for key in keys)
