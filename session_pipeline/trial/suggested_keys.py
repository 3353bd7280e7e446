"""Suggests the keys of a source for the fields of a file: columns, times, requests of a server's log, addresses.

suggestions.py finds the fields of columns. suggested_times.py, suggested_requests.py, suggested_addresses.py and
suggested_values.py find the other keys. suggested_remarks.py says what the keys do not.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.suggested_addresses import possible_addresses, suggested_address
from session_pipeline.trial.suggested_remarks import (
    log_in_field,
    numbered_events,
    remarks_about,
    remarks_about_pages,
    settings_in_docs,
)
from session_pipeline.trial.suggested_requests import NO_VALUE, suggested_request
from session_pipeline.trial.suggested_times import about_local_times, time_keys
from session_pipeline.trial.suggested_values import amounts_in, decoded_in, event_names_in, nulls_in, without
from session_pipeline.trial.suggestions import (
    are_counts,
    missing_columns,
    needs_decimal_comma,
    suggested_columns,
    suggested_key_values,
)

ONLY_COUNTS = (
    "the file has counts, as a report has, and no events: export the raw events of the tool, with a visitor and a time"
    " in each line"
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
    fields: Sequence[FieldValues],
    rules: ReadingRules,
    filled: frozenset[str],
    start_date: date,
    *,
    has_preset: bool = False,
    has_timezone: bool = False,
) -> Suggested:
    """Suggest the keys of a source.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        filled: The columns that have a value in some accepted line.
        start_date: The first day of the settings.
        has_preset: Whether the file is recognized as that of a preset, which knows its values.
        has_timezone: Whether the settings say in which time zone times without an offset are.
    """
    nulls = [] if has_preset else nulls_in(fields, rules)
    fields = without(fields, nulls)
    request: dict[str, str] = {}
    columns_of_request: dict[str, str] = {}
    if "event_name" not in filled and not rules.request:
        filled_fields = without(fields, [NO_VALUE])
        request, columns_of_request = suggested_request(filled_fields)
        if request:
            if any(NO_VALUE in field.values for field in fields) and NO_VALUE not in rules.null_values:
                nulls = [NO_VALUE, *nulls]
            fields, rules = filled_fields, replace(rules, request=request)
    columns = {**suggested_columns(fields, rules, filled), **columns_of_request}
    of_times, remarks = time_keys(fields, rules, columns, start_date)
    if "event_time" in rules.expressions and "event_time" not in filled:
        remarks = _other_times(fields, rules, start_date)
    possible_keys = {
        "columns": columns,
        **of_times,
        # The fields of these expressions stay in columns, so that properties do not have them.
        "expressions": {**of_times.get("expressions", {}), **decoded_in(fields, columns)},
        "decimal_comma": needs_decimal_comma(fields, rules, columns),
        "key_values": suggested_key_values(columns, fields),
        "request": request,
        "event_names": {} if has_preset else event_names_in(fields, rules, columns),
        "null_values": nulls,
    }
    keys: dict[str, Any] = {key: value for key, value in possible_keys.items() if value}
    missing = missing_columns(fields, rules, filled, keys)
    has_visitors = "visitor_id" in {*columns, *filled, *rules.expressions} or rules.visitor_address is not None
    if not has_visitors and (address := suggested_address(fields)):
        keys["visitor_address"] = address
        if request:  # the host of the visitor is not that of the page
            keys["request"] = suggested_request(fields, address)[0]
        missing.pop("visitor_id", None)
    elif not has_visitors and (possible := [field.name for field in possible_addresses(fields)]):
        remarks = [*remarks, f"the visitor's address could be in {' or '.join(possible)}; set visitor_address to it"]
        if rules.request:  # the visitors of a server's log have no other identity
            missing.pop("visitor_id", None)
    in_docs = None if has_preset else settings_in_docs(fields)
    if other_content := _other_content(fields, columns, missing) or (in_docs if missing else None):
        return Suggested(remarks=[other_content])
    remarks = [
        *([in_docs] if in_docs else []),
        *remarks,
        *remarks_about(fields, replace(rules, null_values=(*rules.null_values, *nulls)), columns, missing),
        *amounts_in(fields, rules, columns, keys.get("expressions", {})),
        *([] if has_preset or missing else remarks_about_pages(fields, rules, columns, keys.get("event_names", {}))),
        *([] if has_preset or missing or has_timezone else about_local_times(fields, rules, columns, of_times)),
    ]
    if _has_object(fields, "value") and "value" not in columns and rules.fields_of("value") == ("value",):
        keys["columns"] = {**columns, "value": []}  # an object, as the value of a message of Kafka, is not a number
    return Suggested(columns, keys, remarks, missing)


def with_json_fields(found: Suggested, rules: ReadingRules, json_fields: Sequence[str]) -> Suggested | None:
    """Return a suggestion with the `json_fields` that it needs; None if it names no field within them.

    Args:
        found: What is suggested if the texts of these fields are read as JSON.
        rules: How the lines are read at present.
        json_fields: Fields whose texts are JSON.
    """
    named = str((found.keys, found.missing, found.remarks))
    needed = [name for name in json_fields if re.search(rf"(?<![\w.]){re.escape(name)}\.\S", named)]
    return replace(found, keys={"json_fields": [*rules.json_fields, *needed], **found.keys}) if needed else None


def _other_content(fields: Sequence[FieldValues], columns: Mapping[str, str], missing: Collection[str]) -> str | None:
    """Return what to do with a file whose lines are not events, so that no keys help; None if they can be events."""
    if "visitor_id" in missing and are_counts(field.name for field in fields):
        return ONLY_COUNTS
    if "visitor_id" in missing and (log := log_in_field(fields)):
        return log
    return numbered_events(fields, columns, missing)


def _has_object(fields: Sequence[FieldValues], name: str) -> bool:
    return any(field.name.startswith(f"{name}.") for field in fields)


def _other_times(fields: Sequence[FieldValues], rules: ReadingRules, start_date: date) -> list[str]:
    """Return a sentence about the time of day in lines whose preset computes it from other fields."""
    others = {column: text for column, text in rules.expressions.items() if column != "event_time"}
    found, _ = time_keys(fields, replace(rules, expressions=others), {}, start_date)
    expression = found.get("expressions", {}).get("event_time")
    if expression == rules.expressions["event_time"]:
        return []  # the settings have it already
    return [f'the time could be local: add expressions = {{ event_time = "{expression}" }}'] if expression else []
