"""Determines which fields of a delivered line do not stay in its properties.

Those are fields that become columns, fields that are not stored, and properties that the settings drop by name.
Produces JSON merge patches and patterns for the SQL of given_lines.py and fields.py.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.mapping.line_fields import json_pointer
from session_pipeline.ingest.mapping.requests import request_fields
from session_pipeline.ingest.mapping.rules import ReadingRules

NEVER_MATCHES = r"\b\B"
_JSON_TEXT = r'"(?:[^"\\]|\\.)*"'
_JSON_SCALAR = rf"(?:{_JSON_TEXT}|-?[0-9][0-9.e+-]*|true|false|null)"
_JSON_MEMBER = f"{_JSON_TEXT}:{_JSON_SCALAR}"
_JSON_LIST = rf"\[(?:{_JSON_SCALAR}(?:,{_JSON_SCALAR})*)?\]"
_JSON_OBJECT = rf"\{{(?:{_JSON_MEMBER}(?:,{_JSON_MEMBER})*)?\}}"
DROPPED_VALUE = f"(?:{_JSON_SCALAR}|{_JSON_LIST}|{_JSON_OBJECT})"
SEPARATORS = r"[ _.$@:/-]"
URL_COLUMNS = ("page_url", "referrer")


def way_to_properties(rules: ReadingRules, format: str) -> list[str]:
    """Return the path of keys to the first field of properties; empty if it has no field."""
    names = rules.fields_of("properties")
    return rules.way(names[0], format) if names else []


def ways_of(rules: ReadingRules, ours: str, format: str) -> list[list[str]]:
    """Return the paths of keys at which the first field of a column can be; empty if it has no field."""
    names = rules.fields_of(ours)
    return rules.ways(names[0], format) if names else []


def removed_ways(rules: ReadingRules, format: str) -> list[list[str]]:
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


def removed_in(outer: Sequence[str], ways: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Return the rest of those paths of keys that lead into an object, which is at a path of keys."""
    return [way[len(outer) :] for way in ways if outer and len(way) > len(outer) and [*way[: len(outer)]] == [*outer]]


def patches_of(text: str, keys: Sequence[str], ways: Iterable[Sequence[str]]) -> str:
    """Return the SQL of JSON merge patches that remove keys, and the fields at the ends of paths of keys.

    A patch makes an object of what a path leads through, so a nested field is removed only where there is an object.
    """
    removed = {(key,) for key in keys} | {tuple(way) for way in ways}
    patches = [literal(without([way[0] for way in sorted(removed) if len(way) == 1]))]
    nested: dict[tuple[str, ...], list[str]] = {}
    for way in sorted(removed):
        outer = way[:-1]
        if outer and not any(outer[:length] in removed for length in range(1, len(way))):
            nested.setdefault(outer, []).append(way[-1])
    for outer, names in nested.items():
        patch = literal(without([], [[*outer, name] for name in names]))
        is_there = f"json_type({text}, {literal(json_pointer(outer))}) = 'OBJECT'"
        patches.append(f"case when {is_there} then {patch} else '{{}}' end")
    return ", ".join(patches)


def without(keys: Sequence[str], ways: Iterable[Sequence[str]] = ()) -> str:
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


def pattern_of_nested(names: Sequence[str]) -> str:
    """Return a pattern that matches the keys with exactly some names whose value is an object or a list."""
    keys = "|".join(re.escape(json.dumps(name, ensure_ascii=False)) for name in names)
    return rf"(?:{keys}):[\[{{]" if names else NEVER_MATCHES


def pattern_of_keys(names: Sequence[str]) -> str:
    """Return a pattern that matches keys with some names, with their colon, at any depth of JSON without spaces.

    It matches all spellings of a key; see _spellings. Python and RE2 read it in the same way.
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
