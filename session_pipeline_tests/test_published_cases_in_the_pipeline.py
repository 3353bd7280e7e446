"""Cases of sessions and funnels that others published, through the whole pipeline.

The cases whose rules are equal share a data folder; each has visitors of its own.
"""

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.deliveries import delivery, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.fixture_cases import (
    NEEDS_FIXTURES,
    FunnelCase,
    SessionCase,
    entered_counts,
    funnel_cases,
    funnel_levels,
    session_cases,
    session_numbers,
)
from session_pipeline_tests.oracle import Rules

START_DATE = date(2009, 1, 1)
UNTIL = date(2024, 3, 1)

pytestmark = NEEDS_FIXTURES


def rows(deployment: Deployment, table: str, visitors: set[str]) -> Iterator[dict[str, Any]]:
    """The rows of a case's visitors, in the table's order."""
    for row in deployment.table(table).to_dict("records"):
        if row["visitor_id"] in visitors:
            yield row


def test_published_sessions(tmp_path: Path) -> None:
    def rules_of(case: SessionCase) -> str:
        return repr(case.rules)

    for place, (_, cases) in enumerate(groupby(sorted(session_cases(), key=rules_of), rules_of)):
        alike = list(cases)
        deployment = Deployment(tmp_path / str(place), settings(alike[0].rules, START_DATE))
        lines = [line for case in alike for line in case.lines]
        file = delivery("published", lines)
        deployment.deliver(file.name, list(file.lines))
        deployment.run(until=UNTIL)
        for case in alike:
            check_sessions(case, deployment)


def check_sessions(case: SessionCase, deployment: Deployment) -> None:
    visitors = {line["visitor_id"] for line in case.lines}
    events = sorted(
        rows(deployment, "events", visitors),
        key=lambda row: (row["visitor_id"], row["event_time"], row["session_id"]),
    )
    found = session_numbers(
        (row["visitor_id"], row["event_id"], row["session_id"]) for row in events
    )
    compared = {event_id: found.get(event_id) for event_id in case.session_numbers}
    assert compared == case.session_numbers, case.name
    if case.page_view_count is not None:
        [session] = rows(deployment, "sessions", visitors)
        assert session["page_view_count"] == session["event_count"] == case.page_view_count
        assert session["duration_seconds"] == 0
        assert session["is_bounce"]


@pytest.fixture(scope="module")
def funnels(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """All funnel cases in one data folder, each with a funnel of its own name."""
    cases = funnel_cases()
    deployment = Deployment(
        tmp_path_factory.mktemp("funnels"),
        settings(Rules(), START_DATE, {case.name: case.funnel for case in cases}),
    )
    file = delivery("published", [line for case in cases for line in case.lines])
    deployment.deliver(file.name, list(file.lines))
    deployment.run(until=UNTIL)
    return deployment


@pytest.mark.parametrize("case", funnel_cases(), ids=lambda case: case.name)
def test_published_funnels(case: FunnelCase, funnels: Deployment) -> None:
    attempts = [
        (row["visitor_id"], row["step_reached"], row["is_excluded"])
        for row in rows(funnels, "funnel_entries", case.visitors)
        if row["funnel"] == case.name
    ]
    levels = funnel_levels(case.visitors, attempts)
    assert {visitor: levels[visitor] for visitor in case.levels} == case.levels
    if case.entered:
        assert entered_counts(levels, len(case.funnel.steps)) == case.entered
