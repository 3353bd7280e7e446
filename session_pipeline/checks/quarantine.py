"""Decides whether too many lines of a file were quarantined, and names the main reason and the setting to change.

Works on counts, reasons and the first quarantined lines only; checks/deliveries.py collects them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from session_pipeline.ingest.admission.recognition import MOST_LINES, likely_preset, preset_of
from session_pipeline.ingest.admission.unsplit_rows import QUOTED_ROWS, are_quoted_rows, other_delimiter
from session_pipeline.ingest.admission.wrapped_records import is_one_object, list_of_rows, wrapped_records
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.reference.log_formats import OTHER_LOG_FORMAT
from session_pipeline.settings import path_of_source
from session_pipeline.store.file_facts import FileFacts

LARGEST_QUARANTINED_RATE = 0.2
# The setting that decides, by reason; {source} stands for the path of the source.
KEYS: Mapping[str, str] = {
    "time_before_start": "start_date",
    "time_after_receipt": "{source}.clock_tolerance_minutes",
    "invalid_log_line": "{source}.log_format",
    "ragged_row": "{source}.delimiter",
    "invalid_csv": "{source}.delimiter",
    "invalid_json": "{source}.format",
}
# How to fix lines at their source, for reasons whose names do not say it.
FIXES: Mapping[str, str] = {
    "invalid_json": "write each line as one complete JSON object",
    "invalid_utf8": "write them as text in UTF-8, in Excel as CSV UTF-8",
    "not_an_object": "write each line as a JSON object",
    "too_nested": "write at most 200 objects or lists within each other, and at most 5,000 in a line",
    "too_many_values": "write at most 10,000 values in the properties of an event",
    "too_many_events": "write fewer events into a line, or less outside their list",
    "duplicate_key": "write each key of an object once",
    "ragged_row": "write as many fields as the header has, and quote fields that contain the delimiter; remove a first"
    " line such as sep=;",
    "invalid_csv": "close every quote, and write a quote within a field twice",
}
# The same by format, for formats without quotes. No delimiter is found out in them, so another one is not the reason.
FIXES_OF_FORMAT: Mapping[tuple[str, str], str] = {
    ("ragged_row", "tsv"): "write as many fields as the header has, and no tab within a field",
    ("ragged_row", "w3c"): "write as many fields as #Fields names, and a + for each space within a field",
}
# Settings that can accept lines with another number of fields.
OF_RAGGED_ROWS: Mapping[str, str] = {
    "tsv": "if the first line is no header, set {source}.header in settings.toml; if a backslash stands before tabs"
    " within fields, set {source}.escape; otherwise ",
}
# Another setting that can decide, and when it does.
OTHER_KEYS: Mapping[str, str] = {
    "invalid_value": "; if numbers are written as 12,50, set {source}.decimal_comma = true; if they have the sign of a"
    " currency, remove it with {source}.expressions.value",
    "invalid_event_time": "; if times are written as 20.11.2026 18:10:00, set {source}.time_format",
}
HEADER = "; if the file has no header, set {source}.header"  # of CSV and TSV, if no line was accepted
BYTE_ORDER_MARK = "\ufeff"
_JSON_BLANKS = " \t\r\n"
SEPARATED = ("csv", "tsv")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Reasons that a setting affects only if it makes all lines unusable.
OF_WHOLE_FILES = frozenset(("ragged_row", "invalid_csv"))


def key_to_change(reason: str, source: str) -> str | None:
    """Return the setting that decides whether lines are quarantined for a reason.

    None if no setting affects them, as for a NUL byte. Such lines must be fixed at the source.
    """
    if reason.startswith(OTHER_LOG_FORMAT):
        return path_of_source(source, "log_format")
    if reason in KEYS:
        return KEYS[reason].format(source=path_of_source(source))
    column = reason.removeprefix("missing_").removeprefix("invalid_")
    return f"{path_of_source(source)}.columns.{column}" if column in DELIVERED_COLUMNS else None


def fix_at_source(reason: str, format: str) -> str | None:
    """Return how to fix lines of a format at their source; None if the name of the reason says it."""
    return FIXES_OF_FORMAT.get((reason, format)) or FIXES.get(reason)


def has_too_many_quarantined(facts: FileFacts) -> bool:
    """Whether more than LARGEST_QUARANTINED_RATE of a file's lines were quarantined."""
    return facts["set_aside_count"] > LARGEST_QUARANTINED_RATE * facts["line_count"]


def too_many_quarantined(
    facts: FileFacts,
    reasons: Mapping[str, int],
    lines: Sequence[tuple[str, str]] = (),
    presets: Collection[str] | None = None,
    table: str | None = None,
    *,
    sets_delimiter: bool = False,
) -> str | None:
    """Return a warning if more than LARGEST_QUARANTINED_RATE of a file's lines were quarantined; else None.

    Args:
        facts: What the ledger has about it.
        reasons: Number of quarantined lines, by reason.
        lines: The first quarantined lines: reason and text.
        presets: The presets that other files of the source were recognized as; None if the settings say how files of
            the source are read.
        table: csv or tsv, if the file is probably a table that was read as an access log.
        sets_delimiter: Whether the settings have the delimiter of the source.
    """
    if not has_too_many_quarantined(facts):
        return None
    reason, count = min(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
    if reason.startswith(OTHER_LOG_FORMAT):
        return _other_log_format(facts, reason.removeprefix(OTHER_LOG_FORMAT), count)
    if lines and is_one_object(facts) and (fix := _fix_of_only_object(facts, lines[0][1])):
        return f"raw/{facts['path']}: its only line was quarantined for {reason}; {fix}"
    fix = _fix_of_table(facts, reason, lines, sets_delimiter=sets_delimiter) or _fix_of_format(
        facts, reason, lines, presets, table
    )
    return (
        f"raw/{facts['path']}: {facts['set_aside_count']:,} of {facts['line_count']:,} lines were quarantined,"
        f" {count:,} of them for {reason}; see quarantined_lines, then {fix or _fix_of_reason(facts, reason)}"
    )


def _fix_of_only_object(facts: FileFacts, text: str) -> str | None:
    """Return how to read a file whose only line has all its records; None if it has none."""
    source = path_of_source(facts["source"])
    if wrapped := wrapped_records(text):
        setting = f'{source}.records_in = "{wrapped.records_in}"'
        if preset := preset_of(iter(wrapped.records[:MOST_LINES])):
            setting = f'{source}.preset = "{preset}" and {setting}'
        return f"if the objects in {wrapped.records_in} are its events, set {setting} in settings.toml"
    if rows := list_of_rows(text):
        return (
            f"the records in {rows} are lists of values, and such records are not read: export them as objects, with a"
            " name for each value, or as CSV"
        )
    return None


def _is_unread_table(facts: FileFacts) -> bool:
    """Whether a file is read as a table, and none of its lines could be accepted."""
    return facts["format"] in SEPARATED and not facts["accepted_count"]


def _fix_of_table(
    facts: FileFacts, reason: str, lines: Sequence[tuple[str, str]], *, sets_delimiter: bool
) -> str | None:
    """Return how to read a table whose rows were probably not split into fields; else None."""
    if not _is_unread_table(facts) or not reason.startswith("missing_"):
        return None
    rows = _rows_of_one_field([text for _, text in lines])
    if not rows:
        return None
    if facts["format"] == "csv" and not sets_delimiter and are_quoted_rows(rows):
        return f"fix them at their source: {QUOTED_ROWS}"
    sign, source = other_delimiter(rows), path_of_source(facts["source"])
    return f'if {sign} separates the fields, set {source}.delimiter = "{sign}" in settings.toml' if sign else None


def _fix_of_format(
    facts: FileFacts,
    reason: str,
    lines: Sequence[tuple[str, str]],
    presets: Collection[str] | None,
    table: str | None,
) -> str | None:
    """Return how to read a file that probably has another format or preset, or is no JSON; else None."""
    source, texts = path_of_source(facts["source"]), [text for _, text in lines]
    if reason.startswith("missing_") and (preset := _preset(facts, texts, presets)):
        return f'if they are of {preset}, set {source}.preset = "{preset}" in settings.toml'
    if reason == "invalid_json" and (facts["accepted_count"] or any(map(_begins_as_object, texts))):
        return f"fix them at their source: {_what_is_wrong([text for found, text in lines if found == reason])}"
    if reason == "invalid_log_line" and table:
        return (
            f"if the file is {table.upper()}, rename it to end in .{table}, or, if all files of the source are, set"
            f' {source}.format = "{table}" in settings.toml'
        )
    return None


def _fix_of_reason(facts: FileFacts, reason: str) -> str:
    """Return the setting to change for a reason, or what to fix at the source if no setting decides."""
    key, source = key_to_change(reason, facts["source"]), path_of_source(facts["source"])
    fix = fix_at_source(reason, facts["format"])
    at_source = f"fix them at their source{': ' + fix if fix else ''}"
    if (reason, facts["format"]) in FIXES_OF_FORMAT:
        return OF_RAGGED_ROWS.get(facts["format"], "").format(source=source) + at_source
    if key is None or (reason in OF_WHOLE_FILES and facts["accepted_count"]):
        return at_source
    change = f"change {key} in settings.toml to accept such lines"
    if reason in OF_WHOLE_FILES:
        return f"{change}; if it is right, {at_source}"
    other = HEADER if _is_unread_table(facts) and reason.startswith("missing_") else ""
    return change + OTHER_KEYS.get(reason, other).format(source=source)


def _preset(facts: FileFacts, texts: Sequence[str], presets: Collection[str] | None) -> str | None:
    """Return the preset that a file was probably meant for: that of most lines, or of the source's other files."""
    if presets is None or facts.get("preset") is not None:
        return None
    likely = likely_preset(texts) if facts["format"] not in SEPARATED else None
    return likely or (next(iter(presets)) if len(presets) == 1 else None)


def _rows_of_one_field(texts: Sequence[str]) -> list[str]:
    """Return the header and the rows of a table that has values in one field only; empty if it has more fields."""
    rows: list[str] = []
    with suppress(ValueError, RecursionError, AttributeError):
        for text in texts:
            [(name, value)] = [(name, value) for name, value in json.loads(text).items() if value]
            rows += [value] if rows else [name, value]
    return rows


def _begins_as_object(text: str) -> bool:
    return text.lstrip(BYTE_ORDER_MARK).startswith("{")


def _what_is_wrong(texts: Sequence[str]) -> str:
    """Return how to fix lines that are no JSON, by the first of them."""
    text = texts[0].strip(_JSON_BLANKS) if texts else ""
    if text.startswith(BYTE_ORDER_MARK):
        return "remove the byte order marks within the file"
    if text.endswith(",") and _is_json(text[:-1]):
        return "write no comma after an object"
    if not _is_json(text):
        return FIXES["invalid_json"]
    if _SURROGATE.search(text) and _is_json(text, parse_constant=_refuse):
        return r"half of a surrogate pair, such as \ud83d, is not a character: cut texts between characters"
    is_json = _is_json(text, parse_constant=_refuse)
    return FIXES["invalid_json"] if is_json else "NaN and Infinity are not JSON: write null"


def _is_json(text: str, parse_constant: Callable[[str], object] | None = None) -> bool:
    """Whether Python reads a text as JSON. Of NaN and Infinity, `parse_constant` decides."""
    with suppress(ValueError, RecursionError):
        json.loads(text, parse_constant=parse_constant)
        return True
    return False


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _other_log_format(facts: FileFacts, log_format: str, count: int) -> str:
    """Return the warning for a file with many lines of another known log format."""
    setting = f'log_format = "{log_format}"'
    source = path_of_source(facts["source"])
    fix = (
        f"deliver them in a separate folder, as a source with {setting}"
        if facts["accepted_count"] > count
        else f"set {source}.{setting} in settings.toml to accept such lines"
    )
    return (
        f"raw/{facts['path']}: {facts['set_aside_count']:,} of {facts['line_count']:,} lines were quarantined,"
        f" {count:,} of them because they fit the log format {log_format} and not that of the source; {fix}"
    )
