"""Decides whether too many lines of a file were quarantined, and names the main reason and the setting to change.

Works on counts and reasons only; checks/deliveries.py collects them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from session_pipeline.reference.log_formats import OTHER_LOG_FORMAT

LARGEST_SET_ASIDE_RATE = 0.2
KEYS: Mapping[str, str] = {
    "time_before_start": "start_date",
    "time_after_receipt": "sources.{source}.clock_tolerance_minutes",
    "invalid_log_line": "sources.{source}.log_format",
    "ragged_row": "sources.{source}.delimiter",
    "invalid_csv": "sources.{source}.delimiter",
    "invalid_json": "sources.{source}.format",
}
# Reasons that no setting affects. Such lines must be fixed at the source.
NO_KEY = frozenset(
    ("invalid_utf8", "nul_byte", "line_too_long", "invalid_request", "time_beyond_2100", "not_an_object")
)
# How to fix lines at their source, for reasons whose names do not say it.
FIXES: Mapping[str, str] = {
    "not_an_object": "write each line as a JSON object",
    "ragged_row": "write as many fields as the header has, and quote fields that contain the delimiter; remove a first"
    " line such as sep=;",
    "invalid_csv": "close every quote, and write a quote within a field twice",
}
# Another setting that can decide, and when it does.
OTHER_KEYS: Mapping[str, str] = {
    "invalid_value": "; if numbers are written as 12,50, set sources.{source}.decimal_comma = true",
    "invalid_event_time": "; if times are written as 20.11.2026 18:10:00, set sources.{source}.time_format",
}
HEADER = "; if the file has no header, set sources.{source}.header"  # of CSV and TSV, if no line was accepted
# Reasons that a setting affects only if it makes all lines unusable.
OF_WHOLE_FILES = frozenset(("ragged_row", "invalid_csv"))


def key_to_change(reason: str, source: str) -> str | None:
    """Return the setting that decides whether lines are quarantined for a reason; None if there is none."""
    if reason in NO_KEY:
        return None
    if reason.startswith(OTHER_LOG_FORMAT):
        return f"sources.{source}.log_format"
    column = reason.removeprefix("missing_").removeprefix("invalid_")
    return KEYS.get(reason, f"sources.{{source}}.columns.{column}").format(source=source)


def too_many_set_aside(
    facts: Mapping[str, Any], reasons: Mapping[str, int], records_in: str | None = None
) -> str | None:
    """Return a warning if more than LARGEST_SET_ASIDE_RATE of a file's lines were quarantined; else None.

    Args:
        facts: Its row of source_files.
        reasons: Number of quarantined lines, by reason.
        records_in: The only list of objects in the only line of the file; None if there is none.
    """
    if facts["set_aside_count"] <= LARGEST_SET_ASIDE_RATE * facts["line_count"]:
        return None
    reason, count = min(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
    if reason.startswith(OTHER_LOG_FORMAT):
        return _other_log_format(facts, reason.removeprefix(OTHER_LOG_FORMAT), count)
    if records_in is not None:
        return (
            f"{facts['path']}: its only line was quarantined for {reason}; if the objects in {records_in} are its"
            f' events, set sources.{facts["source"]}.records_in = "{records_in}" in settings.toml'
        )
    key = key_to_change(reason, facts["source"])
    what = f"change {key} in settings.toml to accept them"
    if key is None or (reason in OF_WHOLE_FILES and facts["accepted_count"]):
        what = f"fix them at their source{': ' + FIXES[reason] if reason in FIXES else ''}"
    elif reason in OF_WHOLE_FILES:
        what += f"; if it is right, fix them at their source: {FIXES[reason]}"
    else:
        is_table = facts.get("format") in ("csv", "tsv") and not facts["accepted_count"]
        other = HEADER if is_table and reason.startswith("missing_") else ""
        what += OTHER_KEYS.get(reason, other).format(source=facts["source"])
    return (
        f"{facts['path']}: {facts['set_aside_count']:,} of {facts['line_count']:,} lines were quarantined, {count:,} of"
        f" them for {reason}; see quarantined_lines, then {what}"
    )


def _other_log_format(facts: Mapping[str, Any], log_format: str, count: int) -> str:
    """Return the warning for a file with many lines of another known log format."""
    setting = f'log_format = "{log_format}"'
    fix = (
        f"deliver them in a separate folder, as a source with {setting}"
        if facts["accepted_count"] > count
        else f"set sources.{facts['source']}.{setting} in settings.toml to accept them"
    )
    return (
        f"{facts['path']}: {facts['set_aside_count']:,} of {facts['line_count']:,} lines were quarantined, {count:,} of"
        f" them because they fit the log format {log_format} and not that of the source; {fix}"
    )
