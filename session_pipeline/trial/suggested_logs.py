"""Suggests how a log of a server is read: its log format or preset, and what its lines do not say.

suggested_reading.py asks for it, and suggests how other files are read.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from session_pipeline.ingest.admission.admit import beginning_of
from session_pipeline.ingest.admission.recognition import preset_of_text
from session_pipeline.ingest.admission.tabbed_logs import CLOUDFRONT, FLUENTD, is_of_cloudfront, is_of_fluentd
from session_pipeline.ingest.admission.unknown_names import table_format, whole_lines
from session_pipeline.ingest.formats import W3c
from session_pipeline.ingest.formats.separated import Tsv
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.extended_log_formats import extended_log_format
from session_pipeline.reference.log_formats import NAMED_FORMATS, OTHER_LOG_FORMAT, parse_log_format
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.trial.suggested_keys import Suggested

INVALID_LOG_LINE = "invalid_log_line"  # the reason for lines that fit no known log format
NO_USER_AGENT = (
    "the log has no user agent: all visitors of one network are one visitor, and bots are not recognized by their name;"
    " log it if you can, {how}"
)
HAPROXY_AGENT = "in HAProxy with `http-request capture req.hdr(User-Agent) len 256`"
USUAL_AGENT = "in Apache and nginx with the format combined"  # if the log has their format common
OTHER_AGENT = "and add it to log_format"
NAMES_OF_FIELDS = re.compile(rb"(?i)#fields:")  # of a W3C log


def tabbed_log(path: Path, rules: ReadingRules, facts: FileFacts) -> Suggested | None:
    """Return how to read a log with tabs between its fields, by its first lines; None if it is not a known one."""
    if facts["accepted_count"] or rules.header:
        return None
    first = whole_lines(beginning_of(path))
    if is_of_fluentd(first):
        return Suggested(keys=FLUENTD)
    if is_of_cloudfront(first):
        return Suggested(keys={"format": Tsv.name}, remarks=[CLOUDFRONT])
    return None


def other_format(path: Path, reasons: Mapping[str, int], facts: FileFacts, *, has_own_section: bool) -> dict[str, str]:
    """Return the log format, or the format of a table, that a file read as an access log probably has; else nothing.

    If the settings have a section of the source, its log format stays unless more lines fit the other one. Without a
    section, try_file.py compares both.
    """
    log_format = suggested_log_format(reasons)
    if has_own_section and log_format and reasons[OTHER_LOG_FORMAT + log_format] <= facts["accepted_count"]:
        return {}
    if log_format is None and reasons.get(INVALID_LOG_LINE, 0) > facts["accepted_count"]:
        log_format = extended_log_format([line.decode(errors="replace") for line in whole_lines(beginning_of(path))])
    if log_format:
        return {"log_format": log_format}
    if reasons.get(INVALID_LOG_LINE) and not facts["accepted_count"] and (table := table_format(beginning_of(path))):
        return {"format": table}
    return {}


def about_log(rules: ReadingRules, reasons: Mapping[str, int]) -> Iterator[str]:
    """Yield sentences about an access log: lines of a second format, and no user agent."""
    if other := suggested_log_format(reasons):
        count = reasons[OTHER_LOG_FORMAT + other]
        lines = "1 line has" if count == 1 else f"{count:,} lines have"
        yield f"{lines} another log format, {other}: deliver such lines in files of another source"
    if "user_agent" not in parse_log_format(rules.log_format).names:
        written = NAMED_FORMATS.get(rules.log_format, rules.log_format)
        common = USUAL_AGENT if NAMED_FORMATS["common"] in written else OTHER_AGENT
        yield NO_USER_AGENT.format(how=HAPROXY_AGENT if "$haproxy_time" in written else common)


def likely_preset_of_log(lines: Sequence[bytes]) -> str | None:
    """Return the preset that most lines of a log fit, or whose directives are among them; None if there is none."""
    if any(map(NAMES_OF_FIELDS.match, lines)):
        return W3c.name
    presets = Counter(map(preset_of_text, lines))
    return next((preset for preset, count in presets.items() if 2 * count > len(lines)), None)


def suggested_log_format(reasons: Mapping[str, int]) -> str | None:
    """Suggest the known log format that most quarantined lines of an access log fit; None if they fit none.

    The accepted lines may not fit it: try_file.py keeps it only if more lines are accepted with it.

    Args:
        reasons: The number of quarantined lines, by reason.
    """
    found = (reason for reason in reasons if reason.startswith(OTHER_LOG_FORMAT))
    reason = min(found, key=lambda reason: (-reasons[reason], reason), default=None)
    return reason and reason.removeprefix(OTHER_LOG_FORMAT)
