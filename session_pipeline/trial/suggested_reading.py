"""Suggests how to read a tried file: its preset, format, log format or header, and then the keys for its fields.

suggested_keys.py suggests keys from the values of the fields. attempt.py reads the file and passes on what came out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import duckdb

from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.duckdb_jobs import Job
from session_pipeline.ingest.admission.admit import admit, beginning_of
from session_pipeline.ingest.admission.recognition import MOST_LINES, likely_preset, preset_of
from session_pipeline.ingest.admission.unknown_names import whole_lines
from session_pipeline.ingest.admission.unsplit_rows import QUOTED_ROWS, are_quoted_rows, other_delimiter
from session_pipeline.ingest.admission.wrapped_records import is_one_object, list_of_rows, wrapped_records
from session_pipeline.ingest.formats import AccessLog, JsonLines, format_named
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.run.run import Run
from session_pipeline.settings import Settings, key_of_source, packaged_preset
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.flat_exports import preset_of_flat, with_preset
from session_pipeline.trial.result import QuarantineReason, named_source
from session_pipeline.trial.sampled_fields import fields_in, fields_of, json_fields_in
from session_pipeline.trial.suggested_keys import ONLY_COUNTS, Suggested, suggested_keys, with_json_fields
from session_pipeline.trial.suggested_logs import about_log, likely_preset_of_log, other_format, tabbed_log
from session_pipeline.trial.suggestions import are_counts, is_like_data

RAGGED_ROW = "ragged_row"  # the reason for records with more or fewer fields than the header
NO_HEADER = "the first line looks like data; if the file has no header"
ROWS_AS_LISTS = (
    "the records in {rows} are lists of values, and such records are not read: export them as objects, with a name for"
    " each value, or as CSV"
)


@dataclass(frozen=True)
class Sampled:
    """What the first lines of a file have.

    Attributes:
        format: The format of the file.
        fields: Their fields.
        json_fields: Fields with JSON as text, which the rules do not name.
        inner: Their fields, also those within json_fields; empty without json_fields.
        wrapped: How to read the events in a list of the only object; None if there is no such list.
        lists: The fields with lists of events.
    """

    format: str
    fields: Sequence[FieldValues]
    json_fields: Sequence[str]
    inner: Sequence[FieldValues]
    wrapped: Suggested | None
    lists: Sequence[str]


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
    [path] = trial.raw.glob("*/*")
    source = path.parent.name
    rules = rules_of(run.settings, source, None, facts.get("preset"))
    reasons = {item.reason: item.line_count for item in quarantined}
    too_early = _too_early(reasons, facts, run.settings.start_date)
    own = run.settings.sources.get(source)
    if (tabbed := tabbed_log(path, rules, facts)) is not None:
        return tabbed
    if other := other_format(path, reasons, facts, has_own_section=own is not None):
        # Without a section, try_file.py drops the keys if fewer lines fit them. The remarks are then those that stay.
        of_present = [] if own is not None else about_log(rules, reasons)
        return Suggested(keys=other, remarks=[*too_early, *of_present])
    sampled = _sampled(trial, run, path, rules, facts, only_object)
    other_table = sampled.wrapped or _other_table(sampled, rules, facts, quarantined)
    if other_table is not None:
        return other_table
    suggest = partial(
        suggested_keys,
        filled=filled,
        start_date=run.settings.start_date,
        has_preset=facts.get("preset") is not None,
        has_timezone=own is not None and "timezone" in own.model_fields_set,
    )
    found = _by_fields(sampled, rules, facts, run.settings, suggest)
    if found.missing and (rows := list_of_rows(only_object)) is not None:
        return Suggested(remarks=[ROWS_AS_LISTS.format(rows=rows)])
    if sampled.lists and found.missing.keys() & {"event_time", "event_name"}:
        return Suggested(keys={"events_in": sampled.lists[0]})
    of_log = about_log(rules, reasons) if sampled.format == AccessLog.name else []
    return replace(found, remarks=[*found.remarks, *too_early, *of_log])


def _sampled(
    trial: DataFolder, run: Run, path: Path, rules: ReadingRules, facts: FileFacts, only_object: str
) -> Sampled:
    """Read the fields of the first lines."""
    admitted = admit(
        path,
        root=trial.raw,
        source=rules.source,
        format=rules.format,
        scratch=run.store.scratch,
        layout=rules.layout,
    )
    try:
        with private_connection() as connection:
            fields = fields_of(admitted, rules, connection, run.store.scratch)
            json_fields = [] if facts.get("preset") is not None else json_fields_in(fields, rules)
            with_json = _with_json(rules, json_fields)
            return Sampled(
                admitted.format,
                fields,
                json_fields,
                inner=fields_of(admitted, with_json, connection, run.store.scratch) if json_fields else [],
                wrapped=_wrapped_events(only_object, rules, connection),
                lists=_lists_of_events(fields, rules, connection),
            )
    finally:
        admitted.discard()


def _with_json(rules: ReadingRules, json_fields: Sequence[str]) -> ReadingRules:
    return replace(rules, json_fields=(*rules.json_fields, *json_fields))


def _by_fields(
    sampled: Sampled, rules: ReadingRules, facts: FileFacts, settings: Settings, suggest: Callable[..., Suggested]
) -> Suggested:
    """Return what the fields show, with the preset of a flat export if they are those of one."""
    fields, json_fields = sampled.fields, sampled.json_fields
    with_json = _with_json(rules, json_fields)
    read = with_json_fields(suggest(sampled.inner, with_json), rules, json_fields) if json_fields else None
    found = read or suggest(fields, rules)
    is_open = not facts["accepted_count"] and facts.get("preset") is None and settings.recognizes(rules.source)
    flat = preset_of_flat(fields) if is_open else None
    if flat is None:
        return found
    with_flat = rules_of(settings, rules.source, None, flat)
    names = {field.name for field in fields}
    return with_preset(found, flat, suggest(fields, with_flat, has_preset=True), with_flat, names)


def _other_table(
    sampled: Sampled, rules: ReadingRules, facts: FileFacts, quarantined: Sequence[QuarantineReason]
) -> Suggested | None:
    """Return how to read a table whose rows are not split, or that has no header; None for other files."""
    has_header = format_named(sampled.format).has_header and not rules.header
    if has_header and not facts["accepted_count"]:
        if (unsplit := _rows_of_one_field(sampled.fields, sampled.format, rules)) is not None:
            return unsplit
        if wrong := _wrong_header(rules.source, quarantined, facts, sampled.fields):
            return Suggested(remarks=[wrong])
    if sampled.format == Tsv.name and sampled.fields and all(field.name.startswith('"') for field in sampled.fields):
        return Suggested(keys={"format": Csv.name})  # TSV has no quotes
    return None


def _too_early(reasons: Mapping[str, int], facts: FileFacts, start: date) -> list[str]:
    """Return a sentence if more lines are before start_date than were accepted."""
    early = reasons.get("time_before_start", 0)
    if early <= facts["accepted_count"]:
        return []
    times = "time is" if early == 1 else "times are"
    return [f"{early:,} {times} before start_date {start}; set start_date to an earlier day"]


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
        return likely_preset_of_log(whole_lines(beginning_of(file))[:MOST_LINES])
    if not is_table and facts["format"] != JsonLines.name:
        return None
    found = job.rows(f"select line from quarantined_lines order by line_number limit {MOST_LINES}")
    likely = likely_preset([line or "" for line in found.column("line").to_pylist()])
    return None if likely and is_table and packaged_preset(likely).format == JsonLines.name else likely


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
