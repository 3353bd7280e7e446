"""Data folders whose first of October is frozen, because its raw events have expired, for tests of erasures."""

from datetime import date
from pathlib import Path
from typing import Any

from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.run import erasure
from session_pipeline.run.held import Held
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import begin

UNTIL = date(2026, 10, 9)
STEPS = [{"name": name, "where": f"event_name = '{name}'"} for name in ("page_view", "purchase")]
SETTINGS: dict[str, Any] = {
    "start_date": date(2026, 10, 1),
    "funnels": [{"name": "checkout", "grain": "session", "mode": "ordered", "steps": STEPS}],
    "privacy": {"keep_days": {"raw": 7}},
}


def deployed(folder: Path, settings: dict[str, Any], **lines: list[dict[str, Any]]) -> Deployment:
    """Deliver the lines of each source and run until UNTIL."""
    deployment = Deployment(folder, settings)
    for source, its_lines in lines.items():
        deployment.deliver("events", its_lines, source=source)
    deployment.run(UNTIL)
    return deployment


def erase(deployment: Deployment, person: Person) -> Held:
    """Erase a person, finish the erasure, and return what is held about the person."""
    held = begin(deployment, person, UNTIL)
    deployment.run(UNTIL)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        left = unfinished_in(deployment.folder)
        assert left is not None
        erasure.delete_leftovers(run, left)
        erasure.finish(run)
    return held


def pairs(deployment: Deployment, table: str, *columns: str) -> list[tuple[str, ...]]:
    """Return some columns of a table as sorted texts; nulls are empty."""
    rows = deployment.table(table)[list(columns)].fillna("")
    return sorted(tuple(map(str, row)) for row in rows.to_numpy())
