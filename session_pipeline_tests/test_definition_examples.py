"""Runs the examples of docs/definitions.md and other_tools.md through the pipeline: cells in bold are the results."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.engines.duckdb_jobs import Job
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables import table
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT, Example, examples

PAGES = ("definitions.md", "other_tools.md")
EXAMPLES = [example for page in PAGES for example in examples((ROOT / "docs" / page).read_text())]
BEGIN = datetime(2024, 5, 6, 10)
UNTIL = date(2024, 5, 31)
UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}

TABLES = (
    *("events", "duplicate_events", "sessions", "session_actions", "session_outcomes", "session_friction"),
    "funnel_entries",
)
# The result of each line of one visitor.
LINES = """
    select
        e.line_number, 'event' as becomes, e.event_number, e.break_reason, e.event_date, e.session_date,
        dense_rank() over (order by s.session_date, s.day_session_number) as session
    from events as e join sessions as s using (session_id) where e.visitor_id = '{0}'
    union all by name
    select line_number, 'duplicate' as becomes from duplicate_events where visitor_id = '{0}'
    order by line_number
"""
# What comes of each visitor; of the first session, where it is not of a funnel.
VISITORS = """
    select
        s.*, o.* exclude (session_id, site, session_date), a.action,
        (
            select string_agg(distinct f.signal, ', ' order by f.signal)
            from session_friction as f where f.session_id = s.session_id
        ) as signals
    from sessions as s
    join session_outcomes as o using (session_id)
    left join session_actions as a on s.session_id = a.session_id and a.is_landing
    where s.visitor_id like '{0}-%'
    qualify row_number() over (partition by s.visitor_id order by s.session_date, s.day_session_number) = 1
    order by s.visitor_id
"""
FUNNELS = """
    select
        visitor_id,
        funnel,
        string_agg(step_reached || if(is_excluded, ', excluded', ''), ', ' order by entered_at) as steps
    from funnel_entries group by visitor_id, funnel
"""


# The usual tests have the examples with the packaged settings, which are most, the long ones all others.
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, marks=[pytest.mark.long] if settings else [])
        for settings in dict.fromkeys(example.settings for example in EXAMPLES)
    ],
)
def test_examples_come_out_as_they_say(settings: str, tmp_path: Path) -> None:
    same_settings = {f"example{n:02}": one for n, one in enumerate(EXAMPLES) if one.settings == settings}
    given = tomllib.loads(settings)
    deployment = Deployment(tmp_path, given, only=TABLES)
    for name, example in same_settings.items():
        deployment.deliver(name, list(lines_of(name, example)), next(iter(given.get("sources", {})), "test"))
    deployment.run(until=UNTIL)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run, run.engine.job() as job:
        for name in TABLES:
            paths = [path for partition in run.store.of_table(name) for path in run.store.paths_of(partition)]
            job.add_input(table(name), paths, with_date=True)
        found = {name: what_came_of(job, name, example) for name, example in same_settings.items()}
    assert found == {name: list(example.expected) for name, example in same_settings.items()}


def test_there_are_examples_of_what_has_borders() -> None:
    headings = {example.heading for example in EXAMPLES}
    assert headings >= {
        "Duplicate",
        "Order",
        "Session",
        "Engaged and bounce",
        "Outcome",
        "Funnel",
        "Action",
        "Friction",
        "Channel",
    }


def lines_of(name: str, example: Example) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(example.given):
        if "time" in row:
            yield {"visitor_id": name, "event_id": f"e-{number}", **line_of(row)}
        else:
            for step, said in enumerate(what_happened(row.get("what happened", "page_view"))):
                yield {"visitor_id": f"{name}-{number:02}", "event_id": f"e-{step}", **line_of(row), **said}


def line_of(row: Mapping[str, str]) -> dict[str, Any]:
    """A row's own columns as fields of a line; what a row does not say is left out."""
    names = {"time": "event_time", "event": "event_name"}
    said: dict[str, Any] = {names.get(name, name): text for name, text in row.items() if text}
    said.pop("what happened", None)
    if path := said.pop("page_path", None):
        said["page_url"] = f"https://shop.example{path}"
    return {"event_name": "page_view", "event_time": BEGIN.isoformat(), **said}


def what_happened(text: str) -> Iterator[dict[str, Any]]:
    """The lines of `page_view /cart, 9 s, purchase 40`: an event a part, a second apart unless a pause is said."""
    now = BEGIN
    pause: timedelta | None = timedelta()
    for part in text.split(", "):
        if length := re.fullmatch(r"(\d+) (s|min|h|d)", part):
            pause = (pause or timedelta()) + timedelta(**{UNITS[length[2]]: int(length[1])})
            continue
        now += timedelta(seconds=1) if pause is None else pause
        pause = None
        name, _, more = part.partition(" ")
        said = {"event_time": now.isoformat(), "event_name": name}
        if more:
            said |= {"page_url": f"https://shop.example{more}"} if more.startswith("/") else {"value": more}
        yield said


def what_came_of(job: Job, name: str, example: Example) -> list[dict[str, str]]:
    """The rows of the example's visitors, in the columns that it expects."""
    if "time" in example.given[0]:
        found = rows(job, LINES.format(name))
    else:
        steps = {(row["visitor_id"], row["funnel"]): row["steps"] for row in rows(job, FUNNELS)}
        found = [
            row | {funnel: text for (visitor_id, funnel), text in steps.items() if visitor_id == row["visitor_id"]}
            for row in rows(job, VISITORS.format(name))
        ]
    return [{column: row[column] for column in example.expected[0]} for row in found]


def rows(job: Job, sql: str) -> list[dict[str, str]]:
    return [{name: as_text(value) for name, value in row.items()} for row in job.rows(sql).to_pylist()]


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | date) else f"{float(value):g}"
