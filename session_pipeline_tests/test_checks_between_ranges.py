"""A late file makes two separate ranges of days stale: no check fails after the first one is built."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.checks import CHECKS, Verdict
from session_pipeline.run.pipeline import open_run
from session_pipeline.run.run import Run
from session_pipeline.tables.steps import steps_of
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import SMALL, shop_lines

EARLY, LATE, UNTIL = date(2024, 5, 3), date(2024, 5, 20), date(2024, 5, 25)
VISITOR_FUNNEL = {
    "name": "later",
    "grain": "visitor",
    "window_seconds": 5 * 86_400,
    "steps": [
        {"name": "view", "where": "event_name = 'page_view'"},
        {"name": "purchase", "where": "event_name = 'purchase'"},
    ],
}
SETTINGS = {**SMALL, "funnels": [*SMALL["funnels"], VISITOR_FUNNEL], "definitions": {"also": ["umami"]}}  # type: ignore[misc]


def lines_of(day: date, *visitors: int) -> list[dict[str, Any]]:
    """Return the visits of some visitors of a day, all with a user id; the last one of five buys."""
    names = {f"visitor {visitor}" for visitor in visitors}
    return [
        {**line, "user_id": f"user of {line['visitor_id']}"}
        for line in shop_lines(day, visitors=20)
        if line["visitor_id"] in names
    ]


def build_ranges(deployment: Deployment) -> Iterator[tuple[Run, Sequence[date]]]:
    """Ingest, then build the ranges of the plan as the command line does; yield the days after each."""
    with open_run(deployment.folder, run_id="test", until=UNTIL, wait_seconds=60) as run:
        run.ingest()
        for first, last in run.plan().ranges():
            days = [day for day in run.planner.frame.wanted if first <= day <= last]
            for step in steps_of(run.settings):
                run.build(step, days if step.is_daily else (None,))
            yield run, days


def verdicts(deployment: Deployment) -> list[dict[str, Verdict]]:
    return [{check.name: check.run(run, days) for check in CHECKS} for run, days in build_ranges(deployment)]


@pytest.mark.long
@pytest.mark.parametrize("identity", [pytest.param("visitor", marks=pytest.mark.nightly), "person"])
def test_no_check_fails_between_two_ranges(tmp_path: Path, identity: str) -> None:
    settings = {**SETTINGS, "identity": {"by": identity}}
    deployment = Deployment(tmp_path / "data", settings)
    deployment.deliver("first", [*lines_of(EARLY, 1), *lines_of(LATE, 2, 4)])
    deployment.run(UNTIL)
    late = [*lines_of(EARLY, 3, 9), *lines_of(LATE, 14)]
    deployment.deliver("late", late)
    found = verdicts(deployment)
    assert len(found) == 2
    assert [[(name, each.sentence) for name, each in one.items() if not each.holds] for one in found] == [[], []]
    sentence = "they differ, and visitors and retention will be built again after other days"
    assert found[0]["cohorts_cover_visitors"].sentence == sentence
    assert found[1]["cohorts_cover_visitors"].sentence == "every visitor is in one cohort"
