"""Reads the example files of all presets as a user's run does, and return what each of them tells.

Each file is a source with its own site, so all files are read in one data folder.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from session_pipeline.build.wanted import days_with_events
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.presets.story import EVENTS, StoryEvent, StorySession

EXAMPLES = Path(__file__).parent / "examples"
UNTIL = date(2026, 5, 7)
# Other events are not part of the story.
STORY_EVENT_NAMES = {"page_view", "add_to_cart", "purchase", "contact", "submit"}
BUILT = ("sessions", "session_actions", "outcome_matches", "session_outcomes")
# The column of the source, which is also its site, and the query. One of all sources takes as long as one of each.
QUERIES = (
    ("site", "select * from events order by event_time, event_number"),
    ("source", "select source, event_name, count(*) as n from raw_events group by all"),
    (
        "site",
        "select s.*, o.outcome, o.value as outcome_value from sessions as s"
        " inner join session_outcomes as o on s.session_id = o.session_id order by s.started_at",
    ),
    ("source", "select * from quarantined_lines"),
)
Row = dict[str, Any]
RowsOfSource = dict[str, list[Row]]


@dataclass(frozen=True)
class FileResult:
    """What is read from one example file.

    Attributes:
        facts: Its row of the ledger.
        names: Number of events by name.
        events: The events of the story, in order.
        sessions: The sessions, in order.
        quarantined: Line number, reason and detail of each quarantined line.
    """

    facts: Mapping[str, object]
    names: Mapping[str, int]
    events: Sequence[StoryEvent]
    sessions: Sequence[StorySession]
    quarantined: Sequence[tuple[int, str, str | None]]


def examples(folder: Path = EXAMPLES) -> list[Path]:
    """Return the example files, by preset."""
    return sorted(path for path in folder.glob("*/*") if path.is_file() and not path.name.startswith((".", "_")))


def read_files(folder: Path, files: Mapping[str, tuple[str | None, Path]]) -> dict[str, FileResult]:
    """Read files in one data folder, and return the result of each.

    Args:
        folder: An empty folder.
        files: For each source, its preset (None: it is recognized) and its file.
    """
    settings = {
        source: {"site": source, **({"preset": preset} if preset else {})} for source, (preset, _) in files.items()
    }
    deployment = Deployment(folder, {"start_date": date(2026, 5, 1), "sources": settings})
    for source, (_, path) in files.items():
        delivered = deployment.folder.raw / source / path.name
        delivered.parent.mkdir(parents=True)
        delivered.write_bytes(path.read_bytes())
    with open_run(deployment.folder, run_id="presets", until=UNTIL) as run:
        run.ingest()
        frame = run.planner.frame
        days = sorted(days_with_events(run.store.of_table("raw_events"), frame.calendar, run.settings.start_date))
        for name in BUILT:
            run.build(STEP_OF_TABLE[name], days)
        facts = {str(each.facts["source"]): each.facts for each in run.store.catalog.source_files().values()}
        rows = _rows(run)
    return {source: _result_of(facts[source], *(found[source] for found in rows)) for source in files}


def _rows(run: Run) -> tuple[RowsOfSource, ...]:
    """Return events, their names, sessions and quarantined lines, each by source."""
    with run.engine.job() as job:
        for name in ("raw_events", "quarantined_lines", "events", "sessions", "session_outcomes"):
            job.add_input(table(name), [run.store.path_of(item) for item in run.store.of_table(name)])
        found = []
        for of_source, query in QUERIES:
            rows: RowsOfSource = defaultdict(list)
            for row in job.rows(query).to_pylist():
                rows[row[of_source]].append(row)
            found.append(rows)
    return tuple(found)


def _result_of(
    facts: Mapping[str, object],
    events: Sequence[Row],
    names: Sequence[Row],
    sessions: Sequence[Row],
    aside: Sequence[Row],
) -> FileResult:
    return FileResult(
        facts,
        {row["event_name"]: row["n"] for row in names},
        [
            StoryEvent(
                _visitor(row["event_time"]),
                row["event_time"],
                row["event_name"],
                row["page_path"] or "",
                "&".join(f"{name}={row[name]}" for name in ("utm_source", "utm_medium") if row[name] is not None),
                _money(row["value"]) if row["event_name"] == "purchase" else None,
            )
            for row in events
            if row["event_name"] in STORY_EVENT_NAMES
        ],
        [
            StorySession(
                _visitor(row["started_at"]),
                row["started_at"],
                row["page_view_count"],
                row["outcome"],
                row["is_bot"],
                _money(row["outcome_value"]),
            )
            for row in sessions
        ],
        [(row["line_number"], row["reason"], row["detail"]) for row in aside],
    )


def _visitor(time: datetime) -> str:
    """Return who is meant, because ids of visitors differ between tools: the time says it."""
    found = [event for event in EVENTS if abs(event.time - time) < timedelta(seconds=2)]
    return found[0].visitor if found else "nobody"


def _money(value: Decimal | None) -> Decimal | None:
    return None if not value else value.quantize(Decimal("0.01"))
