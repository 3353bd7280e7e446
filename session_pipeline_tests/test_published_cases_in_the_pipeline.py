"""Runs published cases of sessions and funnels through the whole pipeline.

Cases with equal rules share a data folder; each case has its own visitors.
"""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.deliveries import delivery, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.published_cases import (
    NEEDS_FIXTURES,
    FunnelCase,
    SessionCase,
    entered_counts,
    funnel_cases,
    funnel_levels,
    session_cases,
    session_numbers,
)
from session_pipeline_tests.oracles.sessions import Rules

START_DATE = date(2009, 1, 1)
UNTIL = date(2024, 3, 1)

pytestmark = NEEDS_FIXTURES


Row = dict[str, Any]


def build(folder: Path, rules: Rules, cases: Sequence[SessionCase] | Sequence[FunnelCase]) -> Deployment:
    """Deliver the lines of all cases as one file, with the funnels of the cases."""
    funnels = {case.name: case.funnel for case in cases if isinstance(case, FunnelCase)}
    deployment = Deployment(
        folder, settings(rules, START_DATE, funnels), only=("sessions", *(["funnel_entries"] if funnels else []))
    )
    file = delivery("published", [line for case in cases for line in case.lines])
    deployment.deliver(file.name, file.lines)
    deployment.run(until=UNTIL)
    return deployment


def rows(deployment: Deployment, table: str) -> list[Row]:
    frame = deployment.table(table)
    columns = list(frame.columns)
    return [dict(zip(columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def rules_of(case: SessionCase) -> str:
    return repr(case.rules)


@pytest.mark.long
def test_pipeline_gives_the_published_sessions(tmp_path: Path) -> None:
    in_order = sorted(session_cases(), key=rules_of)
    for place, (_, group) in enumerate(groupby(in_order, rules_of)):
        cases = list(group)
        deployment = build(tmp_path / str(place), cases[0].rules, cases)
        events, sessions = rows(deployment, "events"), rows(deployment, "sessions")
        for case in cases:
            check_sessions(case, events, sessions)


def check_sessions(case: SessionCase, events: list[Row], sessions: list[Row]) -> None:
    found = session_numbers(
        (row["visitor_id"], row["event_id"], row["session_id"])
        for row in sorted(events, key=lambda row: (row["event_time"], row["line_number"]))
        if row["visitor_id"] in case.visitors
    )
    compared = {event_id: found.get(event_id) for event_id in case.session_numbers}
    assert compared == case.session_numbers, case.name
    if case.page_view_count is not None:
        [session] = [row for row in sessions if row["visitor_id"] in case.visitors]
        assert session["page_view_count"] == session["event_count"] == case.page_view_count
        assert session["duration_seconds"] == 0
        assert session["is_bounce"]


@pytest.fixture(scope="module")
def funnel_entries(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The entries of all funnel cases in one data folder, each with its own funnel name."""
    deployment = build(tmp_path_factory.mktemp("funnels"), Rules(), funnel_cases())
    return rows(deployment, "funnel_entries")


@pytest.mark.parametrize("case", funnel_cases(), ids=lambda case: case.name)
def test_pipeline_gives_the_published_funnels(case: FunnelCase, funnel_entries: list[Row]) -> None:
    levels = funnel_levels(
        case.visitors,
        (
            (row["visitor_id"], row["step_reached"], row["is_excluded"])
            for row in funnel_entries
            if row["funnel"] == case.name and row["visitor_id"] in case.visitors
        ),
    )
    assert {visitor: levels[visitor] for visitor in case.levels} == case.levels
    if case.entered:
        assert entered_counts(levels, len(case.funnel.steps)) == case.entered
