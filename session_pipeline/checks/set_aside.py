"""When too many lines of a file are set aside: for which reason most of them, and which setting to change.

Knows reasons and keys of settings.toml. Does not know files, nor who asks.
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
    "not_an_object": "sources.{source}.format",
}
# What no setting changes: these lines are mended where they come from.
NO_KEY = frozenset(("invalid_utf8", "nul_byte", "line_too_long", "invalid_request", "time_beyond_2100"))


def key_to_change(reason: str, source: str) -> str | None:
    """The setting that decides whether lines are set aside for a reason; None where none does."""
    if reason in NO_KEY:
        return None
    if reason.startswith(OTHER_LOG_FORMAT):
        return f"sources.{source}.log_format"
    column = reason.removeprefix("missing_").removeprefix("invalid_")
    return KEYS.get(reason, f"sources.{{source}}.columns.{column}").format(source=source)


def too_many_set_aside(facts: Mapping[str, Any], reasons: Mapping[str, int]) -> str | None:
    """What to say of a file of which more lines were set aside than of one that is well; else None.

    Args:
        facts: Its row of source_files.
        reasons: How many lines were set aside for which reason.
    """
    if facts["set_aside_count"] <= LARGEST_SET_ASIDE_RATE * facts["line_count"]:
        return None
    reason, count = min(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
    if reason.startswith(OTHER_LOG_FORMAT):
        return _other_log_format(facts, reason.removeprefix(OTHER_LOG_FORMAT), count)
    key = key_to_change(reason, facts["source"])
    what = f"change {key} in settings.toml, and they are taken" if key else "mend them where they come from"
    return (
        f"{facts['path']}: {facts['set_aside_count']:,} of {facts['line_count']:,} lines were set aside, {count:,} of"
        f" them for {reason}; see quarantined_lines, then {what}"
    )


def _other_log_format(facts: Mapping[str, Any], log_format: str, count: int) -> str:
    """The warning for a file with many lines of another known log format."""
    setting = f'log_format = "{log_format}"'
    fix = (
        f"deliver them in a folder of their own, as a source with {setting}"
        if facts["accepted_count"] > count
        else f"set sources.{facts['source']}.{setting} in settings.toml, and they are taken"
    )
    return (
        f"{facts['path']}: {facts['set_aside_count']:,} of {facts['line_count']:,} lines were set aside, {count:,} of"
        f" them because they fit the log format {log_format} and not the one of the source; {fix}"
    )
