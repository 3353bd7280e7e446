"""What one file would give: read, sessionized and judged in a folder of its own that is thrown away.

The very code that a run goes through does it, so a trial and a run cannot disagree. Knows the pipeline and how to ask
its tables. Changes nothing in the data folder, and does not know how the answers look.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from session_pipeline.build.plan import days_with_events
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.duckdb import Job
from session_pipeline.engines.sql import quote
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.admit import admit
from session_pipeline.ingest.deliveries import rules_of
from session_pipeline.publish.warehouse import copy_file
from session_pipeline.reference.columns import DELIVERED_COLUMNS
from session_pipeline.reference.days import zone
from session_pipeline.run.pipeline import Run, open_run
from session_pipeline.run.suggestions import fields_of, suggested_columns
from session_pipeline.settings import load_settings, settings_template
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEP_OF_TABLE

NO_SOURCE = "try"  # a source that the settings do not name is read with the defaults
TRIED_DAYS = 7
SHOWN_LINES = 3
SHOWN_SESSIONS = 5
LONGEST_SHOWN = 120


@dataclass(frozen=True)
class Field:
    """A column of an event and where a file has it from.

    Attributes:
        column: Our name.
        origin: The field's name in the file, or the constant; None where it has none, or comes from the URL.
        filled_count: Accepted lines that have a value.
        example: The first value, as text; None without any.
    """

    column: str
    origin: str | None
    filled_count: int
    example: str | None


@dataclass(frozen=True)
class SetAside:
    """Lines that cannot be events, for one reason.

    Attributes:
        lines: The first of them: number, what is wrong, and the line itself.
    """

    reason: str
    line_count: int
    lines: Sequence[tuple[int, str | None, str]]


@dataclass(frozen=True)
class Trial:
    """What one file would give.

    Attributes:
        facts: Its row of source_files.
        fields: Every column that a source can deliver.
        other_fields: What is kept in `properties`: names, and how many accepted lines have them.
        set_aside: By reason, the most frequent first.
        suggested_columns: Ours = theirs, for columns that no line has, where it has a field whose values fit.
        days: Days whose sessions are shown, the first of the file.
        day_count: Days with events in the file.
        duplicate_count: Lines of these days that repeat an event.
        outcomes: Sessions of these days by outcome, the most frequent first.
        sessions: The first of them.
    """

    facts: Mapping[str, Any]
    fields: Sequence[Field]
    other_fields: Mapping[str, int]
    set_aside: Sequence[SetAside]
    suggested_columns: Mapping[str, str]
    days: Sequence[date]
    day_count: int
    duplicate_count: int
    outcomes: Mapping[str, int]
    sessions: Sequence[Mapping[str, Any]]


def source_of(file: Path, folder: DataFolder | None) -> str:
    """The source that a file is delivered by: its folder under raw/, when it lies there."""
    path = file.absolute()
    if folder is not None and path.is_relative_to(folder.raw) and path.parent != folder.raw:
        return path.relative_to(folder.raw).parts[0]
    return NO_SOURCE


def try_file(file: Path, *, folder: DataFolder | None, source: str) -> Trial:
    """Read one file by the rules of a source, and make sessions of its first days; nothing is kept.

    Args:
        file: The file, anywhere.
        folder: The data folder whose settings count; None: the packaged ones.
        source: The source whose settings count.

    Raises:
        WrongUseError: There is no such file, or it is none.
        SettingsError: The settings cannot be used.
    """
    if not file.is_file():
        raise WrongUseError(f"{file} is {'no file' if file.exists() else 'not there'}; name a file of events")
    if file.name.startswith("."):
        raise WrongUseError(f"{file} begins with a dot, and such files are not read; give it another name")
    with _thrown_away(file, folder, source) as trial, open_run(trial, run_id=NO_SOURCE, until=_today(trial)) as run:
        run.ingest()
        [ledgered] = run.store.catalog.source_files().values()
        with run.engine.job() as job:
            _add(job, run, "raw_events")
            _add(job, run, "quarantined_lines")
            fields, others = _fields(job, ledgered.facts["mapping"]), _other_fields(job)
            set_aside = _set_aside(job)
        filled = frozenset(field.column for field in fields if field.filled_count)
        suggested = _suggested(trial, run, ledgered.facts["status"], filled)
        frame = run.planner.frame
        days = sorted(days_with_events(run.store.of_table("raw_events"), frame.calendar, run.settings.start_date))
        tried = [day for day in days if frame.is_wanted(day)][:TRIED_DAYS]
        for day in tried:
            for name in ("sessions", "session_actions", "session_outcomes"):
                run.build(STEP_OF_TABLE[name], day)
        with run.engine.job() as job:
            for name in ("duplicate_events", "sessions", "session_actions", "session_outcomes"):
                _add(job, run, name, tried)
            return Trial(
                facts={**ledgered.facts, "path": str(file)},
                fields=fields,
                other_fields=others,
                set_aside=set_aside,
                suggested_columns=suggested,
                days=tried,
                day_count=len(days),
                duplicate_count=job.rows("select 1 as one from duplicate_events").num_rows,
                outcomes=_outcomes(job),
                sessions=_sessions(job),
            )


@contextmanager
def _thrown_away(file: Path, folder: DataFolder | None, source: str) -> Iterator[DataFolder]:
    """A data folder that has this one file and the settings, and is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="session-pipeline-try-") as path:
        trial = DataFolder(Path(path))
        if folder is None or not folder.has_settings:
            trial.settings.write_text(settings_template(), encoding="utf-8")
        else:
            shutil.copyfile(folder.settings, trial.settings)
        delivered = trial.raw / source / file.name
        delivered.parent.mkdir(parents=True)
        if file.is_symlink():
            delivered.symlink_to(file.resolve())  # refused, as it would be under raw/
        else:
            copy_file(file, delivered)  # and no link, which would change the file's own times
        yield trial


def _today(folder: DataFolder) -> date:
    return datetime.now(UTC).astimezone(zone(load_settings(folder.path).timezone)).date()


def _add(job: Job, run: Run, name: str, days: Sequence[date] | None = None) -> None:
    partitions = [item for item in run.store.of_table(name) if days is None or item.key.date in days]
    job.add_input(table(name), [run.store.path_of(item) for item in partitions])


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
    found = job.rows(
        "select name, count(*) as line_count from (select unnest(json_keys(properties)) as name from raw_events)"
        " group by name order by line_count desc, name"
    )
    return {row["name"]: row["line_count"] for row in found.to_pylist()}


def _set_aside(job: Job) -> list[SetAside]:
    found = job.rows(
        "select reason, line_number, detail, line, count(*) over (partition by reason) as line_count"
        " from quarantined_lines qualify row_number() over (partition by reason order by line_number)"
        f" <= {SHOWN_LINES} order by line_count desc, reason, line_number"
    ).to_pylist()
    reasons = {row["reason"]: row["line_count"] for row in found}
    return [
        SetAside(
            reason,
            line_count,
            [
                (row["line_number"], _short(row["detail"]), _short(row["line"]) or "")
                for row in found
                if row["reason"] == reason
            ],
        )
        for reason, line_count in reasons.items()
    ]


def _suggested(trial: DataFolder, run: Run, status: str, filled: frozenset[str]) -> dict[str, str]:
    """Columns that no accepted line has, with those of the fields that are probably meant."""
    if status != "accepted":
        return {}
    [path] = (path for path in trial.raw.glob("*/*"))
    source = path.parent.name
    rules = rules_of(run.settings, source, None)
    admitted = admit(
        path,
        root=trial.raw,
        source=source,
        format=rules.format,
        scratch=run.store.scratch,
        delimiter=rules.delimiter,
    )
    try:
        with duckdb.connect() as connection:
            return suggested_columns(fields_of(admitted, rules, connection, run.store.scratch), rules, filled)
    finally:
        admitted.discard()


def _outcomes(job: Job) -> dict[str, int]:
    found = job.rows(
        "select outcome, count(*) as session_count from session_outcomes group by outcome"
        " order by session_count desc, outcome"
    )
    return {row["outcome"]: row["session_count"] for row in found.to_pylist()}


def _sessions(job: Job) -> list[dict[str, Any]]:
    found = job.rows(
        "select s.started_at, s.visitor_id, s.duration_seconds, s.event_count, s.page_view_count, s.landing_page,"
        " s.is_bot, o.outcome, a.path"
        " from sessions as s join session_outcomes as o on o.session_id = s.session_id"
        " left join (select session_id, string_agg(action, ' > ' order by action_number) as path"
        " from session_actions group by session_id) as a on a.session_id = s.session_id"
        f" order by s.started_at, s.session_id limit {SHOWN_SESSIONS}"
    )
    return list(found.to_pylist())


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
