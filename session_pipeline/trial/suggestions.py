"""Suggests keys of a source: above all, which field of a file is meant for a column of events, by its values and name.

Names alone mislead: `event` is similar to event_time. So a field is suggested for a time only if its values are times,
for a visitor only if its values repeat, and so on. field_names.py knows the usual names, sampled_fields.py reads the
values; suggested_keys.py combines the suggestions.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from session_pipeline.ingest.admission.wrapped_records import Number
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS, REQUIRED_COLUMNS
from session_pipeline.trial.field_names import (
    SESSIONS,
    TOP_ONLY,
    USUAL_NAMES,
    field_called,
    is_called,
    names_for,
    plain_name,
)
from session_pipeline.trial.field_values import DECIMAL, MOST, URL, WRITTEN_TIME, FieldValues
from session_pipeline.trial.suggested_addresses import address_of
from session_pipeline.trial.translated_names import TRANSLATED_COUNTS, TRANSLATED_NAMES

OF_REQUEST = ("event_name", "page_url", "page_title")  # columns that follow from the request in a server's log

# Columns of reports, as GA4, Matomo, Plausible and others export them from their pages.
COUNTS = frozenset(
    ("views", "pageviews", "screenpageviews", "uniquepageviews", "users", "totalusers", "activeusers", "newusers",
     "visitors", "uniquevisitors", "uniques", "sessions", "engagedsessions", "visits", "hits", "eventcount",
     "bouncerate", "keyevents", "conversions", "impressions", "engagementrate", "totalrevenue", "avgduration")
)  # fmt: skip

ENOUGH_LINES = 20  # lines that are enough to assess a field by its number of distinct values
LONGEST_NAME = 100
VISITOR_NAME = re.compile(
    r"visitor|user|customer|member|client|device|cookie|session|e-?mail|(^|[^a-z])ip(_?addr|[^a-z]|$)"
    r"|besucher|nutzer|(?<!se)kunde|visiteur|visitante|visitatore|bezoeker|utilisateur|usu[aá]rio|utente|gebruiker|klant",
    re.IGNORECASE,
)
LETTER = re.compile(r"[^\W\d_]")
FLAG = re.compile("true|false|yes|no", re.IGNORECASE)
CURRENCY = re.compile(r"[A-Za-z]{3}")
COOKIES = re.compile(r"\w=[^=]")  # of a header, with the names of the cookies
HTTP_STATUS = re.compile(r"[1-5]\d\d")


def _can_be_visitor(field: FieldValues) -> bool:
    """Whether a field can be the visitor id. Visitors return, so the ids are neither all distinct nor all equal."""
    if not field.is_filled() or not field.is_identity() or not field.is_mostly(lambda text: not COOKIES.search(text)):
        return False
    return len(field.values) < ENOUGH_LINES or 1 < field.different_count <= MOST * len(field.values)


def _can_be_event_name(field: FieldValues) -> bool:
    """Whether a field can be the event name. Event names are short strings with few distinct values, and no numbers."""
    return (
        field.is_filled()
        and field.is_identity()
        and not field.is_time()
        and not field.is_mostly(address_of)
        and not field.is_mostly(DECIMAL.fullmatch)
        and not field.is_mostly(FLAG.fullmatch)
        and field.is_mostly(LETTER.search)
        and not _are_distinct(field)
        and field.is_mostly(lambda text: not isinstance(text, Number) and len(text) <= LONGEST_NAME)
        and field.different_count <= _most_names(field)
    )


def _are_distinct(field: FieldValues) -> bool:
    """Whether nearly every line has another value, as ids and titles do; a few lines do not show it."""
    return len(field.values) >= ENOUGH_LINES // 2 and field.different_count >= MOST * len(field.values)


def _most_names(field: FieldValues) -> int:
    """Return the largest number of distinct names. Names with digits can be numbers of orders, so they must repeat."""
    most = max(ENOUGH_LINES, len(field.values) // 4)
    has_digits = field.is_mostly(lambda text: re.search(r"\d", text))
    return min(most, max(1, len(field.values) // 2)) if has_digits else most


CAN_BE: Mapping[str, Callable[[FieldValues], bool]] = {
    "visitor_id": _can_be_visitor,
    "event_time": lambda field: field.is_filled() and field.is_time() and not field.is_date(),
    "event_name": _can_be_event_name,
    "event_id": lambda field: field.is_identity() and field.different_count >= MOST * len(field.values),
    "user_id": FieldValues.is_identity,
    "client_session_id": FieldValues.is_identity,
    "received_at": FieldValues.is_time,
    "page_url": lambda field: field.is_mostly(URL.match),
    "page_title": lambda field: field.is_mostly(lambda text: not URL.match(text) and not DECIMAL.fullmatch(text)),
    "referrer": lambda field: field.is_mostly(URL.match, 0.5),  # the others are values such as $direct
    "value": lambda field: field.is_mostly(DECIMAL.fullmatch),
    "currency": lambda field: field.is_mostly(CURRENCY.fullmatch),
    "user_agent": lambda field: field.is_mostly(lambda text: "/" in text, 0.5),
}


def _could_be_time(field: FieldValues) -> bool:
    """Whether a field has times that are only read with another start_date or a time_format."""
    is_other = field.is_readable_time() or bool(field.formats)
    return field.is_filled() and is_other and not field.is_date()


def suggested_key_values(columns: Mapping[str, str], fields: Sequence[FieldValues]) -> list[str]:
    """Return the lists of keys and values that suggested columns are read from."""
    lists = {field.list_name for field in fields if field.list_name and field.name in columns.values()}
    return sorted(lists)


def suggested_columns(fields: Sequence[FieldValues], rules: ReadingRules, filled: frozenset[str]) -> dict[str, str]:
    """Suggest a field for each column that has no value and no field with fitting values. Each field is used once.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        filled: The columns that have a value in some accepted line.

    Returns:
        The name of the suggested field, by column.
    """
    found = {field.name: field for field in fields}
    taken, read = _read_fields(rules, DELIVERED_COLUMNS), _read_fields(rules, filled)
    enveloped = _enveloped(found)
    suggested: dict[str, str] = {}
    for column, usual_names in USUAL_NAMES.items():
        current = next((found[name] for name in rules.fields_of(column) if name in found), None)
        if column in filled or _needs_no_field(column, current, rules):
            continue
        if column == "visitor_id" and rules.request:
            usual_names = tuple(name for name in usual_names if name != "user")  # of HTTP authentication
        unfit = {*suggested.values(), *read, *(taken - set(usual_names))}
        others = [field for field in found.values() if field is not current]
        free = {field.name: field for field in _fitting(column, current, others) if field.name not in unfit}
        # A word that is the same in every line is less sure than a name within: "type": "record".
        several = {
            name: field for name, field in free.items() if not (name.lower() in TOP_ONLY and field.is_constant())
        }
        # In a server's log, such a name can be that of HTTP authentication, too.
        translated = () if rules.request else TRANSLATED_NAMES.get(column, ())
        names = partial(field_called, column, usual_names, translated, events_in=rules.events_in)
        of_event = f"{enveloped}.{column}" if enveloped else ""
        match = of_event if of_event in free else (column == "event_name" and names(several)) or names(free)
        if match is None and column == "visitor_id" and not rules.request:  # there, it can be that of a connection
            match = next((name for session in SESSIONS for name in sorted(free) if is_called(name, session)), None)
        if match:
            suggested[column] = match
    return suggested


def _enveloped(fields: Iterable[str]) -> str | None:
    """Return the field in which a line has a whole event under the names of our columns; None if there is none.

    The line is an envelope then, as of a message queue, and has a time of its own.
    """
    names = set(fields)
    outer = (name.removesuffix(".event_time") for name in sorted(names) if name.endswith(".event_time"))
    return next((each for each in outer if all(f"{each}.{column}" in names for column in REQUIRED_COLUMNS)), None)


def _needs_no_field(column: str, current: FieldValues | None, rules: ReadingRules) -> bool:
    """Whether a column is read from a field with fitting values, the current one, or from none."""
    return (
        column in rules.constants
        or column in rules.expressions
        or not rules.fields_of(column)
        or (column in OF_REQUEST and bool(rules.request))
        or (column == "visitor_id" and rules.visitor_address is not None)
        or (current is not None and CAN_BE[column](current))
        or (column == "event_time" and current is not None and current.is_readable_time())  # before start_date
    )


def _fitting(column: str, current: FieldValues | None, others: Sequence[FieldValues]) -> list[FieldValues]:
    """Return the fields whose values fit a column, also those that fit it with another key if it needs one."""
    fitting = [field for field in others if CAN_BE[column](field)]
    if column == "event_time" and not fitting and not (current and _could_be_time(current)):
        return [field for field in others if _could_be_time(field)]
    if column == "value" and not (current and current.has_decimal_comma()):
        return [*fitting, *(field for field in others if field.has_decimal_comma())]  # other numbers can be ids
    return fitting


def needs_decimal_comma(fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]) -> bool:
    """Whether the field that values are read from has a decimal comma, which the settings do not say yet."""
    names = names_for("value", columns, rules)
    is_read = not rules.decimal_comma and "value" not in rules.expressions
    return is_read and any(field.has_decimal_comma() for field in fields if field.name in names[:1])


def field_of_value(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]
) -> FieldValues | None:
    """Return the field that values are read from, or could be by its name; None if there is none, or an expression."""
    if "value" in {*rules.constants, *rules.expressions} or not rules.fields_of("value"):
        return None
    found = {field.name: field for field in fields}
    for name in names_for("value", columns, rules):
        if name in found:
            return found[name]
    taken = {*columns.values(), *_read_fields(rules, DELIVERED_COLUMNS)}
    free = {name: field for name, field in found.items() if name not in taken}
    named = field_called(
        "value", USUAL_NAMES["value"], TRANSLATED_NAMES.get("value", ()), free, events_in=rules.events_in
    )
    return found[named] if named else None


def is_like_data(header: Iterable[str]) -> bool:
    """Whether names of fields are probably values of a first line: one is a time, an address on the web or a number."""
    return any(WRITTEN_TIME.match(name) or "://" in name or DECIMAL.fullmatch(name) for name in header)


def missing_columns(
    fields: Sequence[FieldValues], rules: ReadingRules, filled: frozenset[str], suggested: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the columns that every event needs and that no field was found for, with the fields that could be meant.

    A field could be meant if its values fit and no other column is read from it. Of several, the likelier ones come
    first: for visitors those with a fitting name, then those whose values repeat and are many; for names of events
    those with few different values, and last those with only one.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read at present.
        filled: The columns that have a value in some accepted line.
        suggested: The suggested keys of the source.
    """
    if not fields:
        return {}
    columns = suggested.get("columns", {})
    names = {field.name for field in fields}
    has = {*filled, *columns, *suggested.get("expressions", ()), *rules.constants, *rules.expressions}
    has |= {column for column in REQUIRED_COLUMNS if names.intersection(rules.fields_of(column))}
    if rules.visitor_address is not None or "visitor_address" in suggested:
        has.add("visitor_id")
    if rules.request or rules.events or "request" in suggested:
        has.add("event_name")
    taken = {*_read_fields(rules, DELIVERED_COLUMNS), *columns.values()}
    missing = {}
    for column in REQUIRED_COLUMNS:
        if column not in has:
            fitting = [field for field in fields if field.name not in taken and CAN_BE[column](field)]
            if column == "event_time" and not fitting:
                fitting = [
                    field for field in fields if field.is_filled() and (_could_be_time(field) or field.is_date())
                ]
            fitting.sort(key=_unlikeliness if column == "visitor_id" else _by_values)
            missing[column] = [field.name for field in fitting]
    return missing


def _read_fields(rules: ReadingRules, columns: Iterable[str]) -> set[str]:
    """Return the names of the fields that columns are read from."""
    return {name for column in columns for name in rules.fields_of(column)}


def _unlikeliness(field: FieldValues) -> tuple[bool, bool, int]:
    """Return a sort key by which the likeliest field of visitors comes first."""
    has_other_name = VISITOR_NAME.search(field.name) is None
    return has_other_name, field.different_count == len(field.values), -field.different_count


def _by_values(field: FieldValues) -> tuple[bool, int]:
    """Return a sort key by which fields with few different values come first; one that is always the same is last."""
    return field.is_constant(), field.different_count


def are_counts(names: Iterable[str]) -> bool:
    """Whether a table has counts, as the report of an analytics tool, by the names of its fields."""
    return len((COUNTS | TRANSLATED_COUNTS).intersection(map(plain_name, names))) >= 2


def names_of_some_lines(fields: Sequence[FieldValues], chosen: str) -> str | None:
    """Return the field with the event names of some lines if the names were found in a field that is less sure.

    So tools write `type` into every line, and the name of an event of the site's own into `event_name`.
    """
    usual_names = USUAL_NAMES["event_name"]
    for name in usual_names:
        for field in fields:
            if field.name == chosen or is_called(chosen, name):
                return None
            whole = replace(field, line_count=len(field.values))
            if field.name == name and not field.is_filled() and CAN_BE["event_name"](whole):
                return name
    return None
