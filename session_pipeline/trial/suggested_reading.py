"""Suggests how to read a tried file: its preset, format, log format or header, and then the keys for its fields.

suggested_keys.py suggests keys from the values of the fields. attempt.py reads the file and passes on what came out.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.duckdb_jobs import Job
from session_pipeline.ingest.admission.admit import admit, beginning_of
from session_pipeline.ingest.admission.recognition import MOST_LINES, likely_preset, preset_of, preset_of_text
from session_pipeline.ingest.admission.tabbed_logs import CLOUDFRONT, FLUENTD, is_of_cloudfront, is_of_fluentd
from session_pipeline.ingest.admission.unknown_names import table_format, whole_lines
from session_pipeline.ingest.admission.unsplit_rows import QUOTED_ROWS, are_quoted_rows, other_delimiter
from session_pipeline.ingest.admission.wrapped_records import is_one_object, list_of_rows, wrapped_records
from session_pipeline.ingest.formats import AccessLog, JsonLines, W3c, format_named
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.reference.extended_log_formats import extended_log_format
from session_pipeline.reference.log_formats import NAMED_FORMATS, OTHER_LOG_FORMAT, parse_log_format
from session_pipeline.run.run import Run
from session_pipeline.settings import key_of_source, packaged_preset
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.flat_exports import preset_of_flat, with_preset
from session_pipeline.trial.result import QuarantineReason, named_source
from session_pipeline.trial.sampled_fields import fields_in, fields_of, json_fields_in
from session_pipeline.trial.suggested_keys import ONLY_COUNTS, Suggested, suggested_keys, with_json_fields
from session_pipeline.trial.suggestions import are_counts, is_like_data, suggested_log_format

INVALID_LOG_LINE = "invalid_log_line"  # the reason for lines that fit no known log format
RAGGED_ROW = "ragged_row"  # the reason for records with more or fewer fields than the header
NO_HEADER = "the first line looks like data; if the file has no header"
ROWS_AS_LISTS = (
    "the records in {rows} are lists of values, and such records are not read: export them as objects, with a name for"
    " each value, or as CSV"
)
NO_USER_AGENT = (
    "the log has no user agent: all visitors of one network are one visitor, and bots are not recognized by their name;"
    " log it if you can, {how}"
)
HAPROXY_AGENT = "in HAProxy with `http-request capture req.hdr(User-Agent) len 256`"
USUAL_AGENT = "in Apache and nginx with the format combined"  # if the log has their format common
OTHER_AGENT = "and add it to log_format"
NAMES_OF_FIELDS = re.compile(rb"(?i)#fields:")  # of a W3C log


def suggested_for(
    trial: DataFolder,
    run: Run,
    facts: FileFacts,
    filled: frozenset[str],
    quarantined: Sequence[QuarantineReason],
    only_object: str,
) -> Suggested:
    """Return what is suggested for a file that was read with the present keys.

    Args:
        trial: The data folder with the file.
        run: The run that read it.
        facts: What the ledger has about it.
        filled: The columns with a value.
        quarantined: Its quarantined lines, by reason.
        only_object: What only_object_of returned.
    """
    if facts["status"] != "accepted":
        return Suggested()
    reasons = {item.reason: item.line_count for item in quarantined}
    too_early = _too_early(reasons, facts, run.settings.start_date)
    [path] = trial.raw.glob("*/*")
    source = path.parent.name
    rules = rules_of(run.settings, source, None, facts.get("preset"))
    if not facts["accepted_count"] and not rules.header and (tabbed := _tabbed_log(path)) is not None:
        return tabbed
    own = run.settings.sources.get(source)
    has_own_section = own is not None
    if other_format := _other_format(path, reasons, facts, has_own_section=has_own_section):
        # Without a section, try_file.py drops the keys if fewer lines fit them. The remarks are then those that stay.
        of_present = [] if has_own_section else _about_log(rules, reasons)
        return Suggested(keys=other_format, remarks=[*too_early, *of_present])
    has_preset = facts.get("preset") is not None
    admitted = admit(
        path,
        root=trial.raw,
        source=source,
        format=rules.format,
        scratch=run.store.scratch,
        layout=rules.layout,
    )
    try:
        with private_connection() as connection:
            fields = fields_of(admitted, rules, connection, run.store.scratch)
            json_fields = [] if has_preset else json_fields_in(fields, rules)
            with_json = replace(rules, json_fields=(*rules.json_fields, *json_fields))
            inner = fields_of(admitted, with_json, connection, run.store.scratch) if json_fields else []
            wrapped = _wrapped_events(only_object, rules, connection)
            lists = _lists_of_events(fields, rules, connection)
    finally:
        admitted.discard()
    if wrapped is not None:
        return wrapped
    has_header = format_named(admitted.format).has_header and not rules.header
    if has_header and not facts["accepted_count"]:
        if (unsplit := _rows_of_one_field(fields, admitted.format, rules)) is not None:
            return unsplit
        if wrong := _wrong_header(source, quarantined, facts, fields):
            return Suggested(remarks=[wrong])
    if admitted.format == Tsv.name and fields and all(field.name.startswith('"') for field in fields):
        return Suggested(keys={"format": Csv.name})  # TSV has no quotes
    suggest = partial(
        suggested_keys,
        filled=filled,
        start_date=run.settings.start_date,
        has_preset=has_preset,
        has_timezone=own is not None and "timezone" in own.model_fields_set,
    )
    read = with_json_fields(suggest(inner, with_json), rules, json_fields) if json_fields else None
    found = read or suggest(fields, rules)
    is_open = not facts["accepted_count"] and not has_preset and run.settings.recognizes(source)
    if is_open and (flat := preset_of_flat(fields)):
        with_flat = rules_of(run.settings, source, None, flat)
        names = {field.name for field in fields}
        found = with_preset(found, flat, suggest(fields, with_flat, has_preset=True), with_flat, names)
    if found.missing and (rows := list_of_rows(only_object)) is not None:
        return Suggested(remarks=[ROWS_AS_LISTS.format(rows=rows)])
    if lists and found.missing.keys() & {"event_time", "event_name"}:
        return Suggested(keys={"events_in": lists[0]})
    of_log = _about_log(rules, reasons) if admitted.format == AccessLog.name else []
    return replace(found, remarks=[*found.remarks, *too_early, *of_log])


def _too_early(reasons: Mapping[str, int], facts: FileFacts, start: date) -> list[str]:
    """Return a sentence if more lines are before start_date than were accepted."""
    early = reasons.get("time_before_start", 0)
    if early <= facts["accepted_count"]:
        return []
    times = "time is" if early == 1 else "times are"
    return [f"{early:,} {times} before start_date {start}; set start_date to an earlier day"]


def _tabbed_log(path: Path) -> Suggested | None:
    """Return how to read a log with tabs between its fields, by its first lines; None if it is not a known one."""
    first = whole_lines(beginning_of(path))
    if is_of_fluentd(first):
        return Suggested(keys=FLUENTD)
    if is_of_cloudfront(first):
        return Suggested(keys={"format": Tsv.name}, remarks=[CLOUDFRONT])
    return None


def _other_format(path: Path, reasons: Mapping[str, int], facts: FileFacts, *, has_own_section: bool) -> dict[str, str]:
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


def _rows_of_one_field(fields: Sequence[FieldValues], format: str, rules: ReadingRules) -> Suggested | None:
    """Return how to read a table of whose fields only one has values, because its rows are not split; else None."""
    filled = [field for field in fields if field.values]
    if len(filled) != 1:
        return None
    rows = [filled[0].name, *map(str, filled[0].values)]
    if format == Csv.name and rules.delimiter is None and are_quoted_rows(rows):
        return Suggested(remarks=[QUOTED_ROWS])
    delimiter = other_delimiter(rows)
    return Suggested(keys={"delimiter": delimiter}) if delimiter else None


def _wrong_header(
    source: str, quarantined: Sequence[QuarantineReason], facts: FileFacts, fields: Sequence[FieldValues]
) -> str | None:
    """Return a sentence about a table whose first line is probably not its header; else None."""
    if lines := _lines_before_header(quarantined, facts, fields):
        return lines
    if is_like_data(field.name for field in fields):
        return f"{NO_HEADER}, set header in {key_of_source(named_source(source))} to the names of its fields"
    return None


def _about_log(rules: ReadingRules, reasons: Mapping[str, int]) -> Iterator[str]:
    """Yield sentences about an access log: lines of a second format, and no user agent."""
    if other := suggested_log_format(reasons):
        count = reasons[OTHER_LOG_FORMAT + other]
        lines = "1 line has" if count == 1 else f"{count:,} lines have"
        yield f"{lines} another log format, {other}: deliver such lines in files of another source"
    if "user_agent" not in parse_log_format(rules.log_format).names:
        written = NAMED_FORMATS.get(rules.log_format, rules.log_format)
        common = USUAL_AGENT if NAMED_FORMATS["common"] in written else OTHER_AGENT
        yield NO_USER_AGENT.format(how=HAPROXY_AGENT if "$haproxy_time" in written else common)


def _lines_before_header(
    quarantined: Sequence[QuarantineReason], facts: FileFacts, fields: Sequence[FieldValues]
) -> str | None:
    """Return a sentence about a table whose first line is probably not its header: a title, or Excel's sep=;.

    The reports of analytics tools, which begin with a title, have no events in any case.
    """
    ragged = next((item for item in quarantined if item.reason == RAGGED_ROW), None)
    if ragged is None or (len(fields) > 1 and 2 * ragged.line_count <= facts["line_count"]):
        return None
    number, detail, text = ragged.lines[0]
    if are_counts(re.split("[,;\t]", text)):
        return ONLY_COUNTS
    return (
        f"the first line is probably not the header (line {number} has {detail}): remove the lines before the header,"
        " such as sep=; or a title"
    )


def only_object_of(job: Job, facts: FileFacts) -> str:
    """Return the text of the only object of a file, if it could not be read as an event itself, else an empty text."""
    if not is_one_object(facts):
        return ""
    [line] = job.rows("select line from quarantined_lines").column("line").to_pylist()
    return line or ""


def likely_preset_of(job: Job, facts: FileFacts, file: Path) -> str | None:
    """Return the preset that most of the first lines fit, if most lines could not be read without it.

    So the preset of a table is found whose header is in the settings, and that of a log whose first line was cut.

    Args:
        job: A job with the quarantined lines.
        facts: What the ledger has about the file.
        file: The file.
    """
    if facts.get("preset") or facts["set_aside_count"] <= facts["accepted_count"]:
        return None
    is_table = facts["format"] in (Csv.name, Tsv.name)
    if facts["format"] == AccessLog.name:
        return _likely_preset_of_log(whole_lines(beginning_of(file))[:MOST_LINES])
    if not is_table and facts["format"] != JsonLines.name:
        return None
    found = job.rows(f"select line from quarantined_lines order by line_number limit {MOST_LINES}")
    likely = likely_preset([line or "" for line in found.column("line").to_pylist()])
    return None if likely and is_table and packaged_preset(likely).format == JsonLines.name else likely


def _likely_preset_of_log(lines: Sequence[bytes]) -> str | None:
    """Return the preset that most lines of a log fit, or whose directives are among them; None if there is none."""
    if any(map(NAMES_OF_FIELDS.match, lines)):
        return W3c.name
    presets = Counter(map(preset_of_text, lines))
    return next((preset for preset, count in presets.items() if 2 * count > len(lines)), None)


def _wrapped_events(only_object: str, rules: ReadingRules, connection: duckdb.DuckDBPyConnection) -> Suggested | None:
    """Return how to read the events in a list of a file's only object; None if it has no such list."""
    wrapped = wrapped_records(only_object)
    if wrapped is None or not _are_events(wrapped.records, rules, connection):
        return None
    preset = preset_of(iter(wrapped.records[:MOST_LINES]))
    return Suggested(keys={**({"preset": preset} if preset else {}), "records_in": wrapped.records_in})


def _lists_of_events(
    fields: Sequence[FieldValues], rules: ReadingRules, connection: duckdb.DuckDBPyConnection
) -> list[str]:
    """Return the fields with lists of events; the items of an order are not events."""
    elements = {
        field.name: [
            each for value in field.values if isinstance(value, list) for each in value if isinstance(each, dict)
        ]
        for field in fields
    }
    return [name for name, found in elements.items() if found and _are_events(found, rules, connection)]


def _are_events(
    records: Sequence[Mapping[str, object]], rules: ReadingRules, connection: duckdb.DuckDBPyConnection
) -> bool:
    """Whether records have times, as events do and the items of an order do not."""
    alone = replace(rules, events_in=None)
    return any(field.is_filled() and field.is_time() for field in fields_in(records, alone, connection))
