"""Maps the fields of a delivered line to the columns of an event.

Produces the SQL that gives the fields of each line as text; reading/work.py runs it. line_fields.py says how a field of
a line is read, and removed_fields.py which fields do not stay in properties.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.formats import format_named
from session_pipeline.ingest.mapping.line_fields import LineFields
from session_pipeline.ingest.mapping.line_sql import event_name, with_expressions
from session_pipeline.ingest.mapping.removed_fields import (
    patches_of,
    removed_in,
    removed_ways,
    way_to_properties,
    ways_of,
)
from session_pipeline.ingest.mapping.requests import visitor_address, with_request
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.shapes import KnownShapes, has_shape_of, known_shapes
from session_pipeline.ingest.mapping.usual_form import usual_form
from session_pipeline.ingest.sql import query
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS


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
    values = _values(rules, format, fields, found)
    known = _known_shapes(rules, format, sample.shapes, fields.at_top)
    types = {**dict.fromkeys(fields.at_top.values(), "VARCHAR"), **dict.fromkeys(known.others, "JSON")}
    at_top = f"from_json(line, {literal(json.dumps(types, ensure_ascii=False))})"
    pointers = ", ".join(map(literal, fields.pointers))
    has_columns_only = has_shape_of(known.of_columns)
    without_properties = [
        shape for shape in known.of_columns if not {*shape}.intersection(way_to_properties(rules, format)[:1])
    ]
    checked = UNCOMPARED
    form = usual_form(sample.lines, without_properties, fields.at_top)
    if form is not None:
        checked = {"at_top": at_top, "has_usual_form": form.is_that_of("line", "at_top")}
        at_top = "at_top"
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
        is_full=_is_full(rules, fields, found, known, values["properties"]),
        delivered_properties=found["properties"],
        columns=", ".join(columns),
    )


def _values(rules: ReadingRules, format: str, fields: LineFields, found: Mapping[str, str]) -> dict[str, str]:
    """Return the SQL of the text of each of our columns, by the SQL of the field that was found for it."""
    values = {ours: f"nullif({field}, '')" for ours, field in found.items()}
    if rules.decimal_comma:
        values["value"] = fields.first_number(rules.fields_of("value"))
    values = with_expressions(rules, values, fields.named, fields.number)
    if rules.request:
        values = with_request(rules, format, values, lambda names: fields.first_of(names, is_at_top=False))
    if removed := removed_in(way_to_properties(rules, format), removed_ways(rules, format)):
        kept = f"cast(json_merge_patch(given, {patches_of('given', [], removed)}) as varchar)"
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
    return values


def _is_full(
    rules: ReadingRules, fields: LineFields, found: Mapping[str, str], known: KnownShapes, properties: str
) -> str:
    """Return the SQL of whether a line has no other fields than those that were found; false if it is not known.

    If all fields are at the top level, a line with as many keys as fields found has no other fields.

    Args:
        rules: The rules of the source.
        fields: The fields that are read, after all of them were asked for.
        found: The SQL of the field that was found for each column.
        known: The shapes that can be read fast.
        properties: The SQL of the text of properties.
    """
    has_one_each = all(len(rules.fields_of(ours)) == 1 for ours in DELIVERED_COLUMNS)
    if not has_one_each or fields.pointers or len(set(found.values())) < len(found):
        return "false"
    found_count = " + ".join(f"cast({field} is not null as utinyint)" for field in found.values())
    is_full = f"len(_keys) = {found_count}"
    # Counting takes longer than comparing keys, which says the same where a line has no properties.
    if known.of_columns and properties == f"nullif({found['properties']}, '')":
        return f"case when _has_columns_only and {found['properties']} is null then false else {is_full} end"
    return is_full


def _known_shapes(
    rules: ReadingRules, format: str, shapes: Sequence[Sequence[str]], at_top: Mapping[str, str]
) -> KnownShapes:
    """Return the shapes that can be read fast.

    If a nested field is not stored, there are none: removing it adds the objects around it.
    """
    removed = removed_ways(rules, format)
    if any(len(way) > 1 for way in removed):
        return KnownShapes([], [], [])
    ways = [*(way for ours in DELIVERED_COLUMNS for way in ways_of(rules, ours, format)), *removed]
    columns = {way[0] for way in ways if len(way) == 1}
    can_have_others = len(way_to_properties(rules, format)) <= 1
    return known_shapes(shapes, columns, at_top, can_have_others=can_have_others)
