"""Suggests how the times of events are read: a time format, or one expression for a date and a time of day.

suggestions.py finds the field of the time; sampled_fields.py reads the values.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from session_pipeline.engines.sql import literal
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.trial.field_names import names_for, plain_name
from session_pipeline.trial.field_values import FieldValues

CLOCK = re.compile(r"\d\d:\d\d(:\d\d([.,]\d+)?)?")
# A time of day at the end, without an offset from UTC after it.
LOCAL = re.compile(r"(?!.*[+-]\d\d:?\d\d$).*\d:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?")
AS_UTC = (
    "the times have no offset and are read as UTC; if they are local, set the zone of the source, as in timezone ="
    ' "Europe/Berlin"'
)
# In English and in the languages of translated_names.py, as plain_name writes them.
USUAL_DAYS = ("date", "eventdate", "day", "datum", "fecha", "data")
USUAL_CLOCKS = ("time", "eventtime", "timeofday", "clock", "uhrzeit", "heure", "hora", "ora", "tijd")


def time_keys(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str], start_date: date
) -> tuple[dict[str, Any], list[str]]:
    """Suggest keys of the source for the field that the time is read from, and say what is wrong with its values.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        columns: The suggested fields, by column.
        start_date: The first day of the settings.

    Returns:
        The suggested keys, and sentences for the user.
    """
    if rules.time_format or "event_time" in {*rules.constants, *rules.expressions}:
        return {}, []
    field = _field_of_times(fields, rules, columns)
    if field is None:
        field = _only_day(fields)
    if field is None:
        return {}, []
    if field.is_date():
        return _with_time_of_day(field, fields)
    if field.is_time():
        return {}, []
    if field.is_readable_time():
        sentence = f"{field.name} has times before start_date {start_date}; set start_date to an earlier day"
        return {}, [sentence] if "event_time" in columns else []
    return _with_format(field.formats, f"the times in {field.name}")


def about_local_times(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str], keys: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a sentence if nearly all times have no offset from UTC.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present, without a timezone of the source.
        columns: The suggested fields, by column.
        keys: The suggested keys for the times.
    """
    is_joined = "event_time" in keys.get("expressions", {})  # a date and a time of day
    field = _field_of_times(fields, rules, columns)
    is_read = is_joined or "time_format" in keys or (field is not None and field.is_time())
    if not is_read or "event_time" in {*rules.constants, *rules.expressions}:
        return
    if is_joined or (field is not None and field.is_mostly(LOCAL.fullmatch)):
        yield AS_UTC


def _field_of_times(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]
) -> FieldValues | None:
    """Return the field that event_time is read from; None if there is none."""
    names = names_for("event_time", columns, rules)
    return next((field for name in names for field in fields if field.name == name), None)


def _only_day(fields: Sequence[FieldValues]) -> FieldValues | None:
    """Return the field with dates; of several, the one with a usual name; None if there is none, or no such name."""
    days = {field.name: field for field in fields if field.is_filled() and field.is_date()}
    name = _named_like(USUAL_DAYS, days) or (min(days) if len(days) == 1 else "")
    return days.get(name)


def _named_like(usual_names: Sequence[str], fields: Iterable[str]) -> str | None:
    """Return the field with the first of some usual names; None if no field has one."""
    own = {plain_name(field): field for field in sorted(fields, reverse=True)}
    return next((own[name] for name in usual_names if name in own), None)


def _with_time_of_day(day: FieldValues, fields: Sequence[FieldValues]) -> tuple[dict[str, Any], list[str]]:
    """Suggest to join a date with the field that has the time of day."""
    clocks = {field.name: field for field in fields if field.is_filled() and field.is_mostly(CLOCK.fullmatch)}
    likely = (plain_name(day.name).replace("date", "time"), *USUAL_CLOCKS)
    name = _named_like(likely, clocks) or (min(clocks) if len(clocks) == 1 else None)
    if name is None:
        could = f"; it could be in {' or '.join(sorted(clocks))}" if clocks else ""
        return {}, [f"{day.name} has no time of day{could}: all events of a day would be at midnight"]
    joined = f"(line ->> {literal(day.name)}) || ' ' || (line ->> {literal(name)})"
    keys: dict[str, Any] = {"expressions": {"event_time": joined}}
    if not day.formats:
        return keys, []
    lengths = {len(str(text)) for text in clocks[name].values if CLOCK.fullmatch(str(text))}
    clock = {frozenset((5,)): "%H:%M", frozenset((8,)): "%H:%M:%S"}.get(frozenset(lengths), "%H:%M:%S.%f")
    further, sentences = _with_format([f"{format} {clock}" for format in day.formats], f"the dates in {day.name}")
    return {**keys, **further}, sentences


def _with_format(formats: Sequence[str], what: str) -> tuple[dict[str, Any], list[str]]:
    if len(formats) == 1:
        return {"time_format": formats[0]}, []
    could = " and ".join(f'time_format = "{format}"' for format in formats)
    return {}, [f"{what} fit {could}; write the right one into the source"] if formats else []
