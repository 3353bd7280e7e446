"""Recognizes the preset of a file from its first lines, for sources whose settings do not say how they are read.

A preset is recognized only if it is certain: all of the first lines fit it, and no other preset fits as well. Only the
content counts, so a file has the same preset whenever and after whatever it is delivered.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from session_pipeline.ingest.admission.wrapped_records import wrapped_records
from session_pipeline.ingest.formats import JsonLines, Parquet
from session_pipeline.ingest.formats.content import LOOKED_AT_BYTES
from session_pipeline.ingest.formats.layout import as_asked
from session_pipeline.ingest.formats.records import (
    BYTE_ORDER_MARK,
    LONGEST_EVENT_BYTES,
    delimiter_of,
    is_spaced,
    split_record,
)
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.reference.column_groups import REQUIRED_COLUMNS
from session_pipeline.settings import Preset, Recognition, packaged_preset, packaged_recognitions

if TYPE_CHECKING:
    import pyarrow as pa

MOST_LINES = 20
_BETWEEN_OBJECTS = re.compile(r"[\s,\[]*")
_WHITESPACE = " \t\r\n"


def recognized_preset(file: IO[bytes], path: Path, format: str) -> str | None:
    """Return the name of the preset of a file; None if none is certain.

    Args:
        file: The decompressed content, positioned at its start; the position is restored.
        path: The file with the decompressed content.
        format: The format that its name gives.
    """
    if format == Parquet.name:
        return _preset_of_columns(list(_rows(path)))
    beginning = file.read(LOOKED_AT_BYTES)
    is_cut = len(beginning) == LOOKED_AT_BYTES
    text = _decoded(beginning)
    is_json = text.lstrip(_WHITESPACE).startswith(("{", "["))
    if is_json and next(_objects(text), None) is None:
        text = _decoded(beginning + file.read(LONGEST_EVENT_BYTES))  # a first object may be as long as a line
    file.seek(0)
    if is_json:
        return _preset_of_json(text)
    if found := preset_of_text(beginning):
        return found
    if format in (Csv.name, Tsv.name):
        return _preset_of_columns(list(_records(text, "\t" if format == Tsv.name else None, is_cut)))
    return None


def preset_of_json(beginning: bytes) -> str | None:
    """Return the preset of JSON by its first bytes: of all of its first objects, or else of most of its lines."""
    text = _decoded(beginning)
    return _preset_of_json(text) or likely_preset(text.split("\n", MOST_LINES)[:MOST_LINES])


def _decoded(beginning: bytes) -> str:
    """Return the text without blank lines before it. A tab stays: the first field of a TSV can be empty."""
    return beginning.removeprefix(BYTE_ORDER_MARK).decode(errors="replace").lstrip(" \r\n")


def _preset_of_json(text: str) -> str | None:
    """Return the preset of the first objects, or of the records in all of them if the preset reads their list.

    Responses of an API are such objects: one page, or several after each other, of which some can be empty.
    """
    if found := preset_of(_objects(text)):
        return found
    objects = list(_objects(text))
    if any(map(_is_native, objects)):
        return None
    pages = chain([text], map(json.dumps, objects[1:]))  # the first can be cut short
    wrapped = next(filter(None, map(wrapped_records, pages)), None)
    if wrapped is None:
        return None
    listed = chain.from_iterable(_listed(page, wrapped.records_in) for page in objects)
    found = preset_of(islice(listed if objects else iter(wrapped.records), MOST_LINES))
    return found if found and packaged_preset(found).records_in == wrapped.records_in else None


def _listed(page: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Return the records of a page; for an object without such a list, a record that fits no preset."""
    records = value_at(page, name)
    is_list = isinstance(records, list) and all(isinstance(record, dict) for record in records)
    return cast(Sequence[Mapping[str, Any]], records) if is_list else [{}]


def _is_native(line: Mapping[str, Any]) -> bool:
    """Whether a line has the required columns as fields, so that its file needs no preset."""
    return all(name in line for name in REQUIRED_COLUMNS)


def _preset_of_columns(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the preset of rows with the same columns, if it reads tables."""
    found = _preset_of_rows(rows)
    return found if found and packaged_preset(found).format != JsonLines.name else None


def _preset_of_rows(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the preset of rows with the same columns. Names in another case count if no row fits as it is."""
    if not rows:
        return None
    if (found := preset_of(iter(rows))) or set(REQUIRED_COLUMNS) <= set(as_asked(list(rows[0]), REQUIRED_COLUMNS)):
        return found
    fitting = []
    for name, recognition in packaged_recognitions().items():
        asked = [*recognition.fields, *recognition.values]
        renamed = (dict(zip(as_asked(list(row), asked), row.values(), strict=True)) for row in rows)
        if recognition.fields and all(_fits(row, recognition) for row in renamed):
            fitting.append(name)
    return _surest(fitting)


def preset_of(objects: Iterator[Mapping[str, Any]]) -> str | None:
    """Return the preset that all of the first objects fit; None if there is none, or if several fit equally well.

    The first object decides which presets are tried with the others, so most files cost one object.
    """
    first = next(objects, None)
    if first is None or _is_native(first):
        return None
    fitting = [name for name, found in packaged_recognitions().items() if found.fields and _fits(first, found)]
    for line in objects:
        if not fitting:
            return None
        fitting = [name for name in fitting if _fits(line, packaged_recognitions()[name])]
    return _surest(fitting)


def likely_preset(texts: Sequence[str]) -> str | None:
    """Return the preset that most lines of JSON fit, although not all of them do; None if most fit none.

    Args:
        texts: The lines. Those that are cut short or not an object are not counted.
    """
    presets = Counter(preset_of(iter([line])) for text in texts for line in islice(_objects(text), 1))
    return next((preset for preset, count in presets.items() if 2 * count > presets.total()), None)


def fits(line: Mapping[str, Any], preset: Preset) -> bool:
    """Whether a line, as an object, has what the lines of a preset have."""
    return preset.recognized is not None and bool(preset.recognized.fields) and _fits(line, preset.recognized)


def _surest(names: Sequence[str]) -> str | None:
    """Return the preset that asks for the most; None if several ask for as much."""
    ranked = sorted(((_weight(packaged_recognitions()[name]), name) for name in names), reverse=True)
    if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return ranked[0][1]


def _weight(recognition: Recognition) -> int:
    return len(recognition.fields) + len(recognition.values)


def _fits(line: Mapping[str, Any], recognition: Recognition) -> bool:
    missing = object()
    has_fields = any(
        names and all(value_at(line, name, missing) is not missing for name in names)
        for names in (recognition.fields, recognition.or_fields)
    )
    return has_fields and all(
        re.fullmatch(pattern, str(value_at(line, name, ""))) for name, pattern in recognition.values.items()
    )


def value_at(line: Mapping[str, Any], name: str, default: object = None) -> object:
    """Return the value of a field, which may be a path of keys; an object may also be written as text."""
    if name in line:
        return line[name]
    value: object = line
    for key in name.split("."):
        if isinstance(value, str) and value.startswith("{"):
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def preset_of_text(beginning: bytes) -> str | None:
    """Return the preset whose pattern the first line of a text matches, by its first bytes."""
    first = _decoded(beginning).split("\n", 1)[0].rstrip("\r")
    found = [
        name
        for name, recognition in packaged_recognitions().items()
        if recognition.line and re.match(recognition.line, first)
    ]
    return found[0] if len(found) == 1 else None


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Yield the first objects of JSON: one a line, over several lines, or in one list."""
    decoder, place = json.JSONDecoder(), 0
    for _ in range(MOST_LINES):
        between = _BETWEEN_OBJECTS.match(text, place)
        place = between.end() if between else place
        try:
            found, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return  # the end of what is looked at, or an invalid line
        if isinstance(found, dict):
            yield found


def _records(text: str, delimiter: str | None, is_cut: bool) -> Iterator[Mapping[str, Any]]:
    """Yield the first records of separated values, by the names of the header."""
    lines = StringIO(text).readlines()  # not splitlines, which splits values at other characters, such as U+2028
    lines = lines[:-1] if is_cut else lines
    delimiter = delimiter or delimiter_of(line.encode() for line in lines)
    is_quoted = delimiter != "\t"
    header = next((line for line in lines if line.strip()), "")
    if is_spaced(header, delimiter, is_quoted=is_quoted):
        fields = (split_record(line.rstrip("\r\n"), delimiter, is_spaced=True) for line in lines)
        names, *rows = [found for found in fields if found][: MOST_LINES + 1] or [[]]
        yield from (dict(zip(names, row, strict=False)) for row in rows)
        return
    with suppress(csv.Error):
        reader = csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE)
        for row in islice(reader, MOST_LINES):
            yield {name: value for name, value in row.items() if name}


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the first rows of Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with suppress(pa.ArrowException, OSError, ValueError), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(MOST_LINES):
            columns = map(_values, batch.columns)
            yield from (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))
            return


def _values(column: "pa.Array") -> list[Any]:
    """Return the values of a column; only nulls if Python cannot hold one of them, as a time after the year 9999."""
    import pyarrow as pa

    try:
        found: list[Any] = column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, KeyError):  # a KeyError is an unknown time zone
        return [None] * len(column)
    return found
