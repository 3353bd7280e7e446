"""Tests sessions of other products with known results, in the oracle, in `events` and in `daily_definitions`."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.deliveries import delivery, read_lines, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.further_published_sessions import DEFINITIONS, Journey, journey_of, session_cases
from session_pipeline_tests.oracles.published_cases import FIRST_MOMENT, session_numbers
from session_pipeline_tests.oracles.sessions import Rules

CASES = list(session_cases())
START_DATE = FIRST_MOMENT.date() - timedelta(days=1)  # the first moment is on that day west of Greenwich
UNTIL = date(2024, 4, 2)


def numbers_of(each: Journey, placed: Iterable[tuple[str, str, str]]) -> tuple[int, ...]:
    found = session_numbers(placed)
    return tuple(found[line["event_id"]] for line in each.lines)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_oracle_gives_the_sessions_of_other_products(number: int) -> None:
    rules, journeys = CASES[number]
    for each in journeys:
        events = oracle.sessionize(read_lines([delivery("journey", each.lines)]), rules)
        found = numbers_of(each, [(event.line.visitor_id, event.line.event_id, event.session_id) for event in events])
        assert found == each.numbers, each.happened


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(CASES)))
def test_pipeline_gives_the_sessions_of_other_products(number: int, tmp_path: Path) -> None:
    rules, journeys = CASES[number]
    deployment = Deployment(tmp_path, settings(rules, START_DATE), only=("events",))
    file = delivery("journeys", [line for each in journeys for line in each.lines])
    deployment.deliver(file.name, file.lines)
    deployment.run(UNTIL)
    events: list[dict[str, Any]] = deployment.records("events")
    in_order = sorted(events, key=lambda row: (row["event_time"], row["event_id"]))
    for each in journeys:
        own = [row for row in in_order if row["visitor_id"] == each.happened]
        found = numbers_of(each, [(row["visitor_id"], row["event_id"], row["session_id"]) for row in own])
        assert found == each.numbers, each.happened


@pytest.mark.long
def test_definitions_count_the_sessions_of_other_products(tmp_path: Path) -> None:
    """Each definition has a site of its own."""
    rules = {name: dict(each) for name, (each, _) in DEFINITIONS.items()}
    deployment = Deployment(
        tmp_path,
        settings(Rules(), START_DATE, sites={name: name for name in DEFINITIONS})
        | {"definitions": {"also": list(rules), "rules": rules}},
        only=("daily_definitions",),
    )
    expected = {}
    for name, (_, happened) in DEFINITIONS.items():
        journeys = list(map(journey_of, happened))
        file = delivery(name, [line for each in journeys for line in each.lines], name)
        deployment.deliver(file.name, file.lines, name)
        expected[name] = sum(each.numbers[-1] for each in journeys)
    deployment.run(UNTIL)
    rows = deployment.table("daily_definitions")
    found = {
        name: rows[(rows["site"] == name) & (rows["definition"] == name)]["session_count"].sum() for name in DEFINITIONS
    }
    assert found == expected
