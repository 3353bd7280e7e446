"""Reads one file and builds its first sessions in a temporary folder, and returns what came out.

A trial uses the same code as a run, so the two cannot disagree. It changes nothing in the data folder. try_file.py
decides what is tried; cli/trying.py prints the result.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline.build.wanted import days_with_events
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.duckdb_jobs import Job
from session_pipeline.engines.sql import fill, query_text, quote
from session_pipeline.ingest.formats.compression import compression_of_name
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.reference.days import ONLY_DATES, are_midnights
from session_pipeline.run.opened import today_in
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.settings import (
    OWN_FOLDER,
    load_settings,
    path_of_source,
    settings_template,
    source_section,
)
from session_pipeline.store.files import copy_file
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline.trial.result import NO_SOURCE, Field, QuarantineReason, Trial, named_source
from session_pipeline.trial.suggested_keys import Suggested
from session_pipeline.trial.suggested_reading import likely_preset_of, only_object_of, suggested_for

BUILT = ("sessions", "session_actions", "outcome_matches", "session_outcomes")
SHOWN = ("duplicate_events", "sessions", "session_actions", "session_outcomes")
TRIED_DAYS = 7
FEWEST_DATES = 10  # accepted lines from which on midnight is no coincidence
MOST_DATES = 1_000  # times that are looked at
SHOWN_LINES = 3
SHOWN_SESSIONS = 5
LONGEST_SHOWN = 120
LONGEST_DETAIL = 240  # of what is wrong with a line, which ends with what to do


def attempt(
    file: Path,
    folder: DataFolder | None,
    source: str,
    keys: Mapping[str, Any],
    *,
    ending: str = "",
    start_date: date | None = None,
    has_sessions: bool = True,
) -> Trial:
    """Read a file with some keys of its source, and build the sessions of its first days.

    Args:
        file: The file.
        folder: The data folder whose settings are used; None uses the packaged settings.
        source: The source.
        keys: The keys.
        ending: An ending that is added to its name, before that of a compression.
        start_date: Another start_date for the packaged settings.
        has_sessions: False to build no sessions: the trial then has no outcomes, sessions and duplicates.
    """
    with (
        _temporary_folder(file, folder, source, keys, ending, start_date) as trial,
        open_run(trial, run_id=NO_SOURCE, until=today_in(load_settings(trial.path).timezone)) as run,
    ):
        run.ingest()
        read = _read_lines(trial, run, source, file)
        frame = run.planner.frame
        days = sorted(days_with_events(run.store.of_table("raw_events"), frame.calendar, run.settings.start_date))
        tried = [day for day in days if frame.is_wanted(day)][:TRIED_DAYS]
        for name in BUILT if has_sessions else ():
            run.build(STEP_OF_TABLE[name], tried)
        with run.engine.job() as job:
            for name in SHOWN:
                _add(job, run, name, tried)
            outcomes, bot_session_count = _outcomes(job)
            return replace(
                read,
                days=tried,
                day_count=len(days),
                duplicate_count=job.rows("select 1 as one from duplicate_events").num_rows,
                outcomes=outcomes,
                bot_session_count=bot_session_count,
                sessions=_sessions(job),
            )


def _read_lines(trial: DataFolder, run: Run, source: str, file: Path) -> Trial:
    """Return the trial of the only file of a run, a copy of `file`, once the run has read its lines."""
    [ledgered] = run.store.catalog.source_files().values()
    facts = ledgered.facts
    with run.engine.job() as job:
        _add(job, run, "raw_events")
        _add(job, run, "quarantined_lines")
        fields, others = _fields(job, facts["mapping"]), _other_fields(job)
        quarantined = _quarantined(job, source)
        only_object, likely = only_object_of(job, facts), likely_preset_of(job, facts, file)
        has_only_dates = _has_only_dates(job, run.settings.source(source).timezone)
    if likely is not None:
        suggested = Suggested(keys={"preset": likely})
    else:
        filled = frozenset(field.column for field in fields if field.filled_count)
        suggested = suggested_for(trial, run, facts, filled, quarantined, only_object)
    if has_only_dates:
        suggested = replace(suggested, remarks=[*suggested.remarks, f"all times are midnight: {ONLY_DATES}"])
    return Trial(
        facts={**facts, "path": str(file)},
        fields=fields,
        other_fields=others,
        set_aside=quarantined,
        suggested_columns=suggested.columns,
        suggested=suggested.keys,
        remarks=suggested.remarks,
        missing=suggested.missing,
    )


@contextmanager
def _temporary_folder(
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


def _quarantined(job: Job, source: str) -> list[QuarantineReason]:
    def detail(text: str | None) -> str | None:
        """Return what is wrong with a line, with the source that a reader can have."""
        tried, named = path_of_source(source), path_of_source(named_source(source))
        return _short(text and text.replace(f"{tried}.", f"{named}."), LONGEST_DETAIL)

    found = job.rows(fill(query_text(__package__, "quarantined_examples"), {"shown_lines": SHOWN_LINES})).to_pylist()
    reasons = {row["reason"]: row["line_count"] for row in found}
    return [
        QuarantineReason(
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
