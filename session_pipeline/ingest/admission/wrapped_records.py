"""Finds the records in a JSON object that wraps them, such as the answer of an API: {"next": null, "results": [...]}.

recognition.py recognizes the preset of the records. `try` and the check of quarantined lines suggest `records_in` for
other records.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from session_pipeline.ingest.formats.json_lines import JsonLines
from session_pipeline.store.file_facts import FileFacts

DEEPEST = 3  # levels of objects around the list
_SPACE = re.compile(r"[ \t\r\n]*")


class Number(str):
    """A JSON number, as its original text."""


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number)


class WrappedRecords(NamedTuple):
    """The records in an object.

    Attributes:
        records_in: The path of keys to their list, as in the settings.
        records: The records; not all of them if the text is cut short.
    """

    records_in: str
    records: Sequence[Mapping[str, Any]]


def wrapped_records(text: str) -> WrappedRecords | None:
    """Return the only list of objects in a JSON object; None if there is none, or if there are several.

    Args:
        text: The object. It may be cut short, as the text of a quarantined line can be.
    """
    wrapped = _lists_of(text, dict)
    if len(wrapped) != 1:
        return None
    [(keys, records)] = wrapped
    # In the settings, a dot separates keys, so it cannot be part of one.
    return None if any("." in key for key in keys) else WrappedRecords(".".join(keys), records)


def list_of_rows(text: str) -> str | None:
    """Return the path of keys to the only list of lists in a JSON object without records, such as a table of an API.

    Rows that are lists of values are not read: their names are elsewhere, or nowhere. Lists of numbers, such as
    coordinates, are fields of an event.

    Args:
        text: The object, which may be cut short.
    """
    rows = [(keys, found) for keys, found in _lists_of(text, list) if all(map(_has_text, found))]
    return ".".join(rows[0][0]) if len(rows) == 1 and not _lists_of(text, dict) else None


def is_one_object(facts: FileFacts) -> bool:
    """Whether a file is one JSON value that was quarantined, by what the ledger has about it."""
    counts = (facts["line_count"], facts["set_aside_count"])
    return facts["status"] == "accepted" and facts["format"] == JsonLines.name and counts == (1, 1)


def _lists_of(text: str, kind: type) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Return the paths of keys to the lists in an object whose elements are all of a kind, with their elements."""
    found: dict[tuple[str, ...], list[Any]] = {}
    with suppress(ValueError, IndexError, RecursionError):  # the end of a text that is cut short, or no JSON
        _look_through(text, _after_space(text, 0), (), found)
    return [
        (keys, elements)
        for keys, elements in found.items()
        if elements and all(isinstance(element, kind) for element in elements)
    ]


def _has_text(row: list[Any]) -> bool:
    return any(isinstance(value, str) and not isinstance(value, Number) for value in row)


def _look_through(text: str, at: int, keys: tuple[str, ...], found: dict[tuple[str, ...], list[Any]]) -> int:
    """Collect the lists in the object that begins at a place, by their keys; return the place after the object."""
    at = _after(text, at, "{")
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _after(text, at, ":")
        inner = (*keys, str(name))
        if text[at] == "{" and len(inner) < DEEPEST:
            at = _look_through(text, at, inner, found)
        elif text[at] == "[":
            at = _take_list(text, at, found.setdefault(inner, []))
        else:
            _, at = _DECODER.raw_decode(text, at)
        at = _after_value(text, at)
    return at + 1


def _take_list(text: str, at: int, elements: list[Any]) -> int:
    """Collect the elements of the list that begins at a place; return the place after the list."""
    at = _after(text, at, "[")
    while text[at] != "]":
        element, at = _DECODER.raw_decode(text, at)
        elements.append(element)
        at = _after_value(text, at)
    return at + 1


def _after(text: str, at: int, sign: str) -> int:
    """Return the place of what follows a character, which must be at a place, maybe after space."""
    at = _after_space(text, at)
    if text[at] != sign:
        raise ValueError(f"{text[at]!r} instead of {sign!r}")
    return _after_space(text, at + 1)


def _after_value(text: str, at: int) -> int:
    """Return the place of what follows the value that ends at a place: the next value, or a closing bracket."""
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == "," else at


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
