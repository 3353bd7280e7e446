"""Suggests the keys of a source for the fields of a file: columns, times, requests of a server's log, addresses.

suggestions.py finds the fields of columns. suggested_times.py, suggested_requests.py and suggested_addresses.py find
the other keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.run.field_values import FieldValues
from session_pipeline.run.suggested_addresses import possible_addresses, suggested_address
from session_pipeline.run.suggested_requests import NO_VALUE, suggested_request, without_dashes
from session_pipeline.run.suggested_times import time_keys
from session_pipeline.run.suggestions import (
    missing_columns,
    needs_decimal_comma,
    suggested_columns,
    suggested_key_values,
)


@dataclass(frozen=True)
class Suggested:
    """What is suggested for a file.

    Attributes:
        columns: The field that is meant for each column without a value.
        keys: All suggested keys of the source, with these columns.
        remarks: Sentences about the fields that the keys do not say.
        missing: The columns that every event needs and that have no field, with the fields that could be meant.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)


def suggested_keys(
    fields: Sequence[FieldValues], rules: ReadingRules, filled: frozenset[str], start_date: date
) -> Suggested:
    """Suggest the keys of a source.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        filled: The columns that have a value in some accepted line.
        start_date: The first day of the settings.
    """
    of_request: dict[str, Any] = {}
    further: dict[str, str] = {}
    if "event_name" not in filled and not rules.request:
        without = without_dashes(fields)
        request, further = suggested_request(without)
        if request:
            has_dashes = any(NO_VALUE in field.values for field in fields) and NO_VALUE not in rules.null_values
            of_request = {"request": request, **({"null_values": [NO_VALUE]} if has_dashes else {})}
            fields, rules = without, replace(rules, request=request)
    columns = {**suggested_columns(fields, rules, filled), **further}
    of_times, remarks = time_keys(fields, rules, columns, start_date)
    if "event_time" in rules.expressions and "event_time" not in filled:
        remarks = _other_times(fields, rules, start_date)
    keys: dict[str, Any] = {**({"columns": columns} if columns else {}), **of_times}
    if needs_decimal_comma(fields, rules, columns):
        keys["decimal_comma"] = True
    if lists := suggested_key_values(columns, fields):
        keys["key_values"] = lists
    keys |= of_request
    missing = missing_columns(fields, rules, filled, keys)
    has_visitors = "visitor_id" in {*columns, *filled, *rules.expressions} or rules.visitor_address is not None
    if not has_visitors and (address := suggested_address(fields)):
        keys["visitor_address"] = address
        missing.pop("visitor_id", None)
    elif not has_visitors and (possible := [field.name for field in possible_addresses(fields)]):
        remarks = [*remarks, f"the visitor's address could be in {' or '.join(possible)}; set visitor_address to it"]
        if rules.request:  # the visitors of a server's log have no other identity
            missing.pop("visitor_id", None)
    return Suggested(columns, keys, remarks, missing)


def _other_times(fields: Sequence[FieldValues], rules: ReadingRules, start_date: date) -> list[str]:
    """Return a sentence about the time of day in lines whose preset computes it from other fields."""
    others = {column: text for column, text in rules.expressions.items() if column != "event_time"}
    found, _ = time_keys(fields, replace(rules, expressions=others), {}, start_date)
    expression = found.get("expressions", {}).get("event_time")
    return [f'the time could be local: add expressions = {{ event_time = "{expression}" }}'] if expression else []
