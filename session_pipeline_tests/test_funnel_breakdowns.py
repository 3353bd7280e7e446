"""Tests breakdowns with all other options of funnels on random events: each attempt has the value of the right session.

The events and the options are those of test_funnel_options.py. A session's value is the first of some event names.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest

from session_pipeline_tests.deliveries import read_lines, settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles import sessions as oracle
from session_pipeline_tests.oracles.expected_tables import entry_row
from session_pipeline_tests.oracles.funnel_counts import step_rows
from session_pipeline_tests.oracles.funnels import Attempt, Funnel, attempts
from session_pipeline_tests.oracles.sessions import Event
from session_pipeline_tests.test_funnel_options import (
    DAY,
    FEW_VISITORS,
    RULES,
    UNTIL,
    VISITOR_COUNT,
    Row,
    plain,
    random_funnels,
    rows_by_funnel,
    visits,
    with_values,
)

FUNNEL_COUNT = 20
NAMES = [f"{number}" for number in range(FUNNEL_COUNT)]
VALUED = ("b", "d", "x")
NOT_REACHED, NO_VALUE = "(not reached)", "(none)"
TABLES = ("funnel_entries", "funnel_steps")


def values_of_sessions(events: Iterable[Event]) -> dict[str, str]:
    """Return the first of the event names that count as a value, by session."""
    values: dict[str, str] = {}
    for event in sorted(events, key=lambda event: event.order):
        if event.line.event_name in VALUED:
            values.setdefault(event.session_id, event.line.event_name)
    return values


@dataclass(frozen=True)
class Case:
    """The funnels, the step that decides the value of each, the attempts, and the rows of the tables."""

    funnels: dict[str, Funnel]
    places: dict[str, str | int]
    attempts: dict[str, list[Attempt]]
    values: dict[str, str]
    worth: dict[str, int | None]
    rows: dict[str, dict[str, list[Row]]]

    def breakdown(self, name: str, attempt: Attempt) -> str:
        place = self.places[name]
        step = {"first": attempt.steps[0], "last": attempt.step_reached}.get(str(place), place)
        if step not in attempt.steps:
            return NOT_REACHED
        return self.values.get(attempt.taken[attempt.steps.index(int(step))].session_id, NO_VALUE)


@pytest.fixture(
    scope="module",
    params=[
        (22, FEW_VISITORS),
        pytest.param((24, FEW_VISITORS), marks=pytest.mark.long),
        *(pytest.param((seed, VISITOR_COUNT), marks=pytest.mark.nightly) for seed in (24, 26, 32)),
    ],
    ids=str,
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    seed, visitor_count = request.param
    random = Random(seed)
    delivered = visits(random, visitor_count=visitor_count)
    funnels = random_funnels(random, FUNNEL_COUNT)
    places: dict[str, str | int] = {}
    said = settings(RULES, DAY - timedelta(days=1), funnels)
    names = ", ".join(f"'{name}'" for name in VALUED)
    said["dimensions"] = {"kind": f"case when event_name in ({names}) then event_name end"}
    for name, funnel in funnels.items():
        steps = [] if funnel.mode == "unordered" else list(funnel.numbers)
        place = places[name] = random.choice(("first", "last", *steps))
        funnel_said = said["funnels"][int(name)]
        funnel_said["breakdown"] = "kind"
        if place != "first":
            funnel_said["breakdown_at"] = f"step {place}" if isinstance(place, int) else place
    deployment = Deployment(tmp_path_factory.mktemp("breakdowns"), said, only=TABLES)
    deployment.deliver(delivered.name, delivered.lines)
    deployment.run(until=UNTIL)
    events = oracle.sessionize(read_lines([delivered]), RULES)
    return Case(
        funnels,
        places,
        {name: attempts(events, funnel, RULES, UNTIL) for name, funnel in funnels.items()},
        values_of_sessions(events),
        {event.line.event_id: value for event, value in with_values(events, delivered)},
        {table: rows_by_funnel(deployment.table(table)) for table in TABLES},
    )


def compare(case: Case, table: str, name: str, expected: list[Row]) -> None:
    found = case.rows[table].get(name, [])
    rows = sorted((plain({column: row[column] for column in expected[0]}) for row in found), key=str)
    assert rows == sorted(map(plain, expected), key=str), (case.funnels[name], case.places[name])


@pytest.mark.parametrize("name", NAMES)
def test_entries_have_the_value_of_the_session_of_a_step(name: str, case: Case) -> None:
    funnel = case.funnels[name]
    compare(
        case,
        "funnel_entries",
        name,
        [
            entry_row(name, funnel, one, RULES.timezone) | {"breakdown": case.breakdown(name, one)}
            for one in case.attempts[name]
        ],
    )


@pytest.mark.parametrize("name", NAMES)
def test_steps_count_the_attempts_of_a_value(name: str, case: Case) -> None:
    funnel = case.funnels[name]
    by_value = defaultdict(list)
    for one in case.attempts[name]:
        by_value[case.breakdown(name, one)].append(one)
    compare(
        case,
        "funnel_steps",
        name,
        [
            row | {"breakdown": value}
            for value, some in by_value.items()
            for row in step_rows(name, funnel, some, RULES.timezone, lambda event: case.worth[event.line.event_id])
        ],
    )


def test_breakdowns_are_at_every_kind_of_step(case: Case) -> None:
    chosen = {
        (case.funnels[name].mode, case.funnels[name].grain, place if isinstance(place, str) else "a step")
        for name, place in case.places.items()
    }
    assert {place for _, _, place in chosen} == {"first", "last", "a step"}
    assert {mode for mode, _, place in chosen if place == "last"} == {"ordered", "strict", "unordered"}
    found = {case.breakdown(name, one) for name in NAMES for one in case.attempts[name]}
    assert found == {*VALUED, NO_VALUE, NOT_REACHED}
