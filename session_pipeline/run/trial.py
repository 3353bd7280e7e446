"""Reads one file and builds its first sessions in a temporary folder, and returns what came out.

A trial uses the same code as a run, so the two cannot disagree. It changes nothing in the data folder. try_file.py
decides what is tried; cli/trying.py prints the result.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from session_pipeline.build.wanted import days_with_events
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.connections import private_connection
from session_pipeline.engines.duckdb import Job
from session_pipeline.engines.sql import fill, query_text, quote
from session_pipeline.ingest.admission.admit import admit, beginning_of
from session_pipeline.ingest.admission.recognition import MOST_LINES, likely_preset, preset_of
from session_pipeline.ingest.admission.tabbed_logs import CLOUDFRONT, FLUENTD, is_of_cloudfront, is_of_fluentd
from session_pipeline.ingest.admission.unknown_names import whole_lines
from session_pipeline.ingest.admission.wrapped_records import WrappedRecords, is_one_object, wrapped_records
from session_pipeline.ingest.formats import AccessLog, JsonLines, format_named
from session_pipeline.ingest.formats.compression import compression_of_name
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.reference.columns import DELIVERED_COLUMNS
from session_pipeline.reference.days import ONLY_DATES, are_midnights, zone
from session_pipeline.reference.extended_log_formats import extended_log_format
from session_pipeline.reference.log_formats import parse_log_format
from session_pipeline.run.field_values import FieldValues
from session_pipeline.run.pipeline import Run, open_run
from session_pipeline.run.sampled_fields import fields_in, fields_of
from session_pipeline.run.suggested_keys import ONLY_COUNTS, Suggested, suggested_keys
from session_pipeline.run.suggestions import are_counts, is_like_data, suggested_log_format
from session_pipeline.settings import (
    OWN_FOLDER,
    key_of_source,
    load_settings,
    path_of_source,
    settings_template,
    source_section,
)
from session_pipeline.store.files import copy_file
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEP_OF_TABLE

NO_SOURCE = "try"  # a source that is not in the settings is read with the defaults
USUAL_SOURCE = "web"  # the source that settings are suggested for if none is named
TRIED_DAYS = 7
INVALID_LOG_LINE = "invalid_log_line"  # the reason for lines that fit no known log format
RAGGED_ROW = "ragged_row"  # the reason for records with more or fewer fields than the header
NO_HEADER = "the first line looks like data; if the file has no header"
NO_USER_AGENT = (
    "the log has no user agent: all visitors of one network are one visitor, and bots are not recognized by their name;"
    " log it if you can, in HAProxy with `http-request capture req.hdr(User-Agent) len 256`"
)
FEWEST_DATES = 10  # accepted lines from which on midnight is no coincidence
MOST_DATES = 1_000  # times that are looked at
SHOWN_LINES = 3
SHOWN_SESSIONS = 5
LONGEST_SHOWN = 120
LONGEST_DETAIL = 240  # of what is wrong with a line, which ends with what to do


@dataclass(frozen=True)
class Field:
    """A column of events, and the field of the file that it is read from.

    Attributes:
        column: The name of the column.
        origin: The name of the field in the file, or the constant; None if there is none, or if the value comes from
            the URL.
        filled_count: The number of accepted lines that have a value.
        example: The first value, as text; None if there is no value.
    """

    column: str
    origin: str | None
    filled_count: int
    example: str | None


@dataclass(frozen=True)
class SetAside:
    """The lines that are quarantined for one reason.

    Attributes:
        reason: The reason.
        line_count: The number of these lines.
        lines: The first of these lines: line number, what is wrong, and the line itself.
    """

    reason: str
    line_count: int
    lines: Sequence[tuple[int, str | None, str]]


@dataclass(frozen=True)
class Trial:
    """The result of trying one file.

    Attributes:
        facts: The file's row of source_files.
        fields: Every column that a source can deliver.
        other_fields: The fields that are kept in `properties`: the number of accepted lines that have it, by name.
        set_aside: Quarantined lines by reason, the most frequent first.
        suggested_columns: Suggested fields for columns without a value: the field's name, by column.
        suggested: Suggested keys of the source, as they are written in TOML, by key.
        remarks: Sentences about the fields that the suggested keys do not say.
        missing: The columns that every event needs and that have no field, also with the suggested keys. For each, the
            fields that could be meant.
        accepted_with_suggested: The number of lines that were accepted with these keys; None if there are none.
        lines_with_suggested: The number of lines with these keys, which can be records of one line; None if there are
            none.
        days: The first days of the file; only their sessions are built.
        day_count: The number of days with events in the file.
        duplicate_count: The number of lines of `days` that duplicate an event.
        outcomes: The number of sessions of `days` without bots by outcome, the most frequent first.
        bot_session_count: The number of bot sessions of `days`.
        sessions: The first sessions of `days`.
    """

    facts: Mapping[str, Any]
    fields: Sequence[Field]
    other_fields: Mapping[str, int]
    set_aside: Sequence[SetAside]
    suggested_columns: Mapping[str, str]
    suggested: Mapping[str, Any]
    remarks: Sequence[str]
    missing: Mapping[str, Sequence[str]]
    accepted_with_suggested: int | None
    lines_with_suggested: int | None
    days: Sequence[date]
    day_count: int
    duplicate_count: int
    outcomes: Mapping[str, int]
    bot_session_count: int
    sessions: Sequence[Mapping[str, Any]]


def attempt(
    file: Path,
    folder: DataFolder | None,
    source: str,
    keys: Mapping[str, Any],
    *,
    ending: str = "",
    start_date: date | None = None,
) -> Trial:
    """Read a file with some keys of its source, and build the sessions of its first days.

    Args:
        file: The file.
        folder: The data folder whose settings are used; None uses the packaged settings.
        source: The source.
        keys: The keys.
        ending: An ending that is added to its name, before that of a compression.
        start_date: Another start_date for the packaged settings.
    """
    with (
        _thrown_away(file, folder, source, keys, ending, start_date) as trial,
        open_run(trial, run_id=NO_SOURCE, until=_today(trial)) as run,
    ):
        run.ingest()
        [ledgered] = run.store.catalog.source_files().values()
        with run.engine.job() as job:
            _add(job, run, "raw_events")
            _add(job, run, "quarantined_lines")
            fields, others = _fields(job, ledgered.facts["mapping"]), _other_fields(job)
            set_aside = _set_aside(job, source)
            wrapped, likely = _wrapped(job, ledgered.facts), _likely_preset(job, ledgered.facts)
            has_only_dates = _has_only_dates(job, run.settings.source(source).timezone)
        filled = frozenset(field.column for field in fields if field.filled_count)
        suggested = (
            Suggested(keys={"preset": likely})
            if likely is not None
            else _suggested(trial, run, ledgered.facts, filled, set_aside, wrapped)
        )
        if has_only_dates:
            suggested = replace(suggested, remarks=[*suggested.remarks, f"all times are midnight: {ONLY_DATES}"])
        frame = run.planner.frame
        days = sorted(days_with_events(run.store.of_table("raw_events"), frame.calendar, run.settings.start_date))
        tried = [day for day in days if frame.is_wanted(day)][:TRIED_DAYS]
        for name in ("sessions", "session_actions", "outcome_matches", "session_outcomes"):
            run.build(STEP_OF_TABLE[name], tried)
        with run.engine.job() as job:
            for name in ("duplicate_events", "sessions", "session_actions", "session_outcomes"):
                _add(job, run, name, tried)
            outcomes, bot_session_count = _outcomes(job)
            return Trial(
                facts={**ledgered.facts, "path": str(file)},
                fields=fields,
                other_fields=others,
                set_aside=set_aside,
                suggested_columns=suggested.columns,
                suggested=suggested.keys,
                remarks=suggested.remarks,
                missing=suggested.missing,
                accepted_with_suggested=None,
                lines_with_suggested=None,
                days=tried,
                day_count=len(days),
                duplicate_count=job.rows("select 1 as one from duplicate_events").num_rows,
                outcomes=outcomes,
                bot_session_count=bot_session_count,
                sessions=_sessions(job),
            )


@contextmanager
def _thrown_away(
    file: Path,
    folder: DataFolder | None,
    source: str,
    keys: Mapping[str, Any],
    ending: str,
    start_date: date | None,
) -> Iterator[DataFolder]:
    """Yield a temporary data folder with this file, the settings, and keys of its source; delete it at the end."""
    with tempfile.TemporaryDirectory(prefix="session-pipeline-try-") as path:
        trial = DataFolder(Path(path))
        if folder is None or not folder.has_settings:
            trial.settings.write_text(settings_template(start_date), encoding="utf-8")
        else:
            shutil.copyfile(folder.settings, trial.settings)
            if (folder.path / OWN_FOLDER).is_dir():
                shutil.copytree(folder.path / OWN_FOLDER, trial.path / OWN_FOLDER)
        if keys:
            with trial.settings.open("a", encoding="utf-8") as settings:
                settings.write(f"\n{source_section(source, keys)}")
        compression = compression_of_name(file.name.lower())
        length = len(file.name) - len(compression.ending if compression else "")
        delivered = trial.raw / source / f"{file.name[:length]}{ending}{file.name[length:]}"
        delivered.parent.mkdir(parents=True)
        if file.is_symlink():
            delivered.symlink_to(file.resolve())  # ingest refuses a link, as it would under raw/
        else:
            copy_file(file, delivered)  # not a hard link, which would change the ctime of the original
        yield trial


def _today(folder: DataFolder) -> date:
    return datetime.now(UTC).astimezone(zone(load_settings(folder.path).timezone)).date()


def _add(job: Job, run: Run, name: str, days: Sequence[date] | None = None) -> None:
    partitions = [item for item in run.store.of_table(name) if days is None or item.key.date in days]
    job.add_input(table(name), [path for item in partitions for path in run.store.paths_of(item)])


def _fields(job: Job, mapping: Mapping[str, str]) -> list[Field]:
    columns = [name for name in DELIVERED_COLUMNS if name != "properties"]
    asked = ", ".join(
        f"count({quote(name)}) as {quote(name)}, min_by(cast({quote(name)} as varchar), line_number)"
        f" filter ({quote(name)} is not null) as {quote(f'{name} example')}"
        for name in columns
    )
    [found] = job.rows(f"select {asked} from raw_events").to_pylist()
    return [Field(name, mapping.get(name), found[name], _short(found[f"{name} example"])) for name in columns]


def _other_fields(job: Job) -> dict[str, int]:
    found = job.rows(query_text(__package__, "other_fields"))
    return {row["name"]: row["line_count"] for row in found.to_pylist()}


def _has_only_dates(job: Job, timezone: str) -> bool:
    """Whether the accepted lines have dates without a time of day."""
    counted = "select event_time, count(*) as line_count from raw_events group by all"
    found = job.rows(f"{counted} order by all limit {MOST_DATES}")
    lines = sum(found.column("line_count").to_pylist())
    return lines >= FEWEST_DATES and are_midnights(found.column("event_time").to_pylist(), timezone)


def named_source(source: str) -> str:
    """Return the source that settings are suggested for."""
    return USUAL_SOURCE if source == NO_SOURCE else source


def _set_aside(job: Job, source: str) -> list[SetAside]:
    def detail(text: str | None) -> str | None:
        """Return what is wrong with a line, with the source that a reader can have."""
        tried, named = path_of_source(source), path_of_source(named_source(source))
        return _short(text and text.replace(f"{tried}.", f"{named}."), LONGEST_DETAIL)

    found = job.rows(fill(query_text(__package__, "quarantined_examples"), {"shown_lines": SHOWN_LINES})).to_pylist()
    reasons = {row["reason"]: row["line_count"] for row in found}
    return [
        SetAside(
            reason,
            line_count,
            [
                (row["line_number"], detail(row["detail"]), _short(row["line"]) or "")
                for row in found
                if row["reason"] == reason
            ],
        )
        for reason, line_count in reasons.items()
    ]


def _suggested(
    trial: DataFolder,
    run: Run,
    facts: Mapping[str, Any],
    filled: frozenset[str],
    set_aside: Sequence[SetAside],
    wrapped: WrappedRecords | None,
) -> Suggested:
    """Return what is suggested for a file that was read with the present keys."""
    if facts["status"] != "accepted":
        return Suggested()
    reasons = {item.reason: item.line_count for item in set_aside}
    too_early = []
    if (early := reasons.get("time_before_start", 0)) > facts["accepted_count"]:
        start = run.settings.start_date
        too_early = [f"{early:,} times are before start_date {start}; set start_date to an earlier day"]
    [path] = (path for path in trial.raw.glob("*/*"))
    source = path.parent.name
    rules = rules_of(run.settings, source, None, facts.get("preset"))
    if not facts["accepted_count"] and not rules.header:
        first = whole_lines(beginning_of(path))
        if is_of_fluentd(first):
            return Suggested(keys=FLUENTD)
        if is_of_cloudfront(first):
            return Suggested(keys={"format": Tsv.name}, remarks=[CLOUDFRONT])
    log_format = suggested_log_format(reasons)
    if log_format is None and reasons.get(INVALID_LOG_LINE, 0) > facts["accepted_count"]:
        log_format = extended_log_format(_first_texts(path))
    if log_format:
        return Suggested(keys={"log_format": log_format}, remarks=too_early)
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
            if wrapped is not None and _are_events(wrapped, rules, connection):
                preset = preset_of(iter(wrapped.records[:MOST_LINES]))
                return Suggested(keys={**({"preset": preset} if preset else {}), "records_in": wrapped.records_in})
        has_header = format_named(admitted.format).has_header and not rules.header
        if has_header and not facts["accepted_count"] and (lines := _lines_before_header(set_aside, facts, fields)):
            return Suggested(remarks=[lines])
        if has_header and not facts["accepted_count"] and is_like_data(field.name for field in fields):
            section = key_of_source(named_source(source))
            return Suggested(remarks=[f"{NO_HEADER}, set header in {section} to the names of its fields"])
        if admitted.format == Tsv.name and fields and all(field.name.startswith('"') for field in fields):
            return Suggested(keys={"format": Csv.name})  # TSV has no quotes
        found = suggested_keys(
            fields, rules, filled, run.settings.start_date, has_preset=facts.get("preset") is not None
        )
        no_agent = [NO_USER_AGENT] if admitted.format == AccessLog.name and not _has_user_agent(rules) else []
        return replace(found, remarks=[*found.remarks, *too_early, *no_agent])
    finally:
        admitted.discard()


def _has_user_agent(rules: ReadingRules) -> bool:
    return "user_agent" in parse_log_format(rules.log_format).names


def _first_texts(path: Path) -> list[str]:
    """Return the first lines of a file."""
    return [line.decode(errors="replace") for line in whole_lines(beginning_of(path))]


def _lines_before_header(
    set_aside: Sequence[SetAside], facts: Mapping[str, Any], fields: Sequence[FieldValues]
) -> str | None:
    """Return a sentence about a table whose first line is probably not its header: a title, or Excel's sep=;.

    The reports of analytics tools, which begin with a title, have no events in any case.
    """
    ragged = next((item for item in set_aside if item.reason == RAGGED_ROW), None)
    if ragged is None or (len(fields) > 1 and 2 * ragged.line_count <= facts["line_count"]):
        return None
    number, detail, text = ragged.lines[0]
    if are_counts(re.split("[,;\t]", text)):
        return ONLY_COUNTS
    return (
        f"the first line is probably not the header (line {number} has {detail}): remove the lines before the header,"
        " such as sep=; or a title"
    )


def _wrapped(job: Job, facts: Mapping[str, Any]) -> WrappedRecords | None:
    """Return the records in the only object of a file, if it could not be read as an event itself."""
    if not is_one_object(facts):
        return None
    [line] = job.rows("select line from quarantined_lines").column("line").to_pylist()
    return wrapped_records(line or "")


def _likely_preset(job: Job, facts: Mapping[str, Any]) -> str | None:
    """Return the preset that most of the first lines of JSON fit, if most lines could not be read without it."""
    if facts.get("preset") or facts["set_aside_count"] <= facts["accepted_count"] or facts["format"] != JsonLines.name:
        return None
    found = job.rows(f"select line from quarantined_lines order by line_number limit {MOST_LINES}")
    return likely_preset([line or "" for line in found.column("line").to_pylist()])


def _are_events(wrapped: WrappedRecords, rules: ReadingRules, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether records have times, as events do and the items of an order do not."""
    return any(
        field.is_filled() and field.is_time() for field in fields_in(wrapped.records, rules, connection, is_nested=True)
    )


def _outcomes(job: Job) -> tuple[dict[str, int], int]:
    """Return the number of human sessions by outcome, and the number of bot sessions."""
    found = job.rows(query_text(__package__, "outcome_counts")).to_pylist()
    people = {row["outcome"]: row["session_count"] for row in found if row["session_count"]}
    return people, sum(row["bot_session_count"] for row in found)


def _sessions(job: Job) -> list[dict[str, Any]]:
    found = job.rows(fill(query_text(__package__, "first_sessions"), {"shown_sessions": SHOWN_SESSIONS}))
    return list(found.to_pylist())


def _short(text: str | None, longest: int = LONGEST_SHOWN) -> str | None:
    return text if text is None or len(text) <= longest else f"{text[: longest - 1]}…"
