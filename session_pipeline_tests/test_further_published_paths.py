"""Tests sequences, next actions, routes and transitions of other products through settings, events and tables."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.deliveries import delivery
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.further_published_funnels import lines_of
from session_pipeline_tests.oracles.further_published_paths import (
    JOURNEYS,
    NEXT_ACTIONS,
    PAGES,
    PAIRS,
    ROUTES,
    TIMES,
    TRANSITIONS,
    matches,
    searches,
    without_brackets,
)
from session_pipeline_tests.oracles.published_cases import FIRST_MOMENT
from session_pipeline_tests.oracles.published_paths import next_action_pattern, places_of_route

Row = dict[str, Any]

SEARCHES = searches()
NEXT_JOURNEYS = {"letters": [" ".join(journey) for journey in JOURNEYS.values()], "pages": list(PAGES)}
FURTHER = {f"route {number}": paths for number, (paths, *_) in enumerate(ROUTES)}


class Tables:
    """The tables of a run over all cases: each has visitors of its own."""

    def __init__(self, deployment: Deployment) -> None:
        self.visitor_of = {row["session_id"]: row["visitor_id"] for row in deployment.records("sessions")}
        self.found = {
            (row["pattern"], self.visitor_of[row["session_id"]]): row for row in deployment.records("session_patterns")
        }
        self.actions: dict[str, list[Row]] = defaultdict(list)
        for row in deployment.records("session_actions"):
            self.actions[self.visitor_of[row["session_id"]]].append(row)

    def action(self, visitor: str, number: int) -> str:
        [action] = [row["action"] for row in self.actions[visitor] if row["action_number"] == number]
        return str(action)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    patterns: list[Mapping[str, Any]] = []
    for number, search in enumerate(SEARCHES):
        limits = {"among": search.among, "within_seconds": search.within_seconds}
        given = {key: value for key, value in limits.items() if value is not None}
        patterns.append({"name": f"search {number}", "pattern": search.pattern, **given})
    happened = (each for search in SEARCHES for each in map(without_brackets, search.happened))
    return built(tmp_path_factory.mktemp("searches"), patterns, happened)


@pytest.fixture(scope="module")
def next_tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    patterns = [
        {"name": f"next {number}", "pattern": next_action_pattern(direction, base, chain.split())[0]}
        for number, (direction, base, chain, _) in enumerate(NEXT_ACTIONS)
    ]
    journeys = (journey for each in (*NEXT_JOURNEYS.values(), *FURTHER.values()) for journey in each)
    return built(tmp_path_factory.mktemp("next"), patterns, journeys)


def built(folder: Path, patterns: Sequence[Mapping[str, Any]], journeys: Iterable[str]) -> Tables:
    """Build the sessions of visitors who are named after what they did."""
    deployment = Deployment(
        folder,
        {"start_date": FIRST_MOMENT.date(), "patterns": patterns},
        only=("session_patterns", "session_actions", "sessions"),
    )
    deliver(deployment, "journeys", {journey: journey for journey in journeys})
    deployment.run(FIRST_MOMENT.date())
    return Tables(deployment)


def deliver(deployment: Deployment, name: str, visitors: Mapping[str, str], days: int = 0) -> None:
    """Deliver what each visitor did, some days after the first moment."""
    lines = [
        {**line, "event_time": line["event_time"] + timedelta(days=days)}
        for visitor, happened in sorted(visitors.items())
        for line in lines_of(visitor, happened)
    ]
    file = delivery(name, lines)
    deployment.deliver(file.name, file.lines)


def test_patterns_have_room_for_further_cases() -> None:
    assert len(SEARCHES) <= 100, "the settings have at most 100 patterns; build another folder"


@pytest.mark.parametrize("number", range(len(SEARCHES)), ids=lambda number: SEARCHES[number].pattern)
def test_patterns_find_what_other_products_find(number: int, tables: Tables) -> None:
    for happened in SEARCHES[number].happened:
        row = tables.found.get((f"search {number}", without_brackets(happened)))
        found = row and (row["match_count"], row["first_action_number"], row["last_action_number"])
        expected = matches(happened)
        assert found == ((len(expected), *expected[0]) if expected else None), happened


@pytest.mark.parametrize("number", range(len(NEXT_ACTIONS)), ids=lambda number: " ".join(NEXT_ACTIONS[number][:3]))
def test_next_actions_are_those_of_clickhouse(number: int, next_tables: Tables) -> None:
    direction, base, chain, answers = NEXT_ACTIONS[number]
    place = next_action_pattern(direction, base, chain.split())[1]
    column, _, offset = place.replace("- ", "-").replace("+ ", "").partition(" ")
    found = []
    for journey in NEXT_JOURNEYS["letters" if len(answers.split()) == len(JOURNEYS) else "pages"]:
        row = next_tables.found.get((f"next {number}", journey))
        found.append("-" if row is None else next_tables.action(journey, row[column] + int(offset or 0)))
    assert " ".join(found) == answers


@pytest.mark.parametrize("number", range(len(ROUTES)), ids=lambda number: " ".join(ROUTES[number][1]))
def test_places_of_routes_are_those_of_retentioneering(number: int, next_tables: Tables) -> None:
    paths, route, path_count, place_count = ROUTES[number]
    places = [len(places_of_route(next_tables.actions[path], route)) for path in paths]
    assert (sum(map(bool, places)), sum(places)) == (path_count, place_count)


@pytest.fixture(scope="module")
def transitions(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    """The rows of action_transitions: each case has a day of its own."""
    deployment = Deployment(
        tmp_path_factory.mktemp("transitions"), {"start_date": FIRST_MOMENT.date()}, only=("action_transitions",)
    )
    cases = [*(journeys for journeys, _ in TRANSITIONS.values()), *(journeys for journeys, _ in TIMES)]
    for day, journeys in enumerate(cases):
        deliver(deployment, f"day {day}", {f"{day} {number}": journey for number, journey in enumerate(journeys)}, day)
    deployment.run(FIRST_MOMENT.date() + timedelta(days=len(cases)))
    return deployment.records("action_transitions")


def of_day(rows: Sequence[Row], number: int) -> Iterator[tuple[str, Row]]:
    day: date = FIRST_MOMENT.date() + timedelta(days=number)
    for row in rows:
        if row["session_date"] == day:
            yield f"{row['from_action']} {row['to_action']}", row


@pytest.mark.parametrize("number", range(len(TRANSITIONS)), ids=lambda number: list(TRANSITIONS)[number])
def test_transitions_are_those_of_other_products(number: int, transitions: Sequence[Row]) -> None:
    found = Counter[str]()
    for pair, row in of_day(transitions, number):
        found[pair] += row["transition_count"]
    assert found == Counter(list(TRANSITIONS.values())[number][1])


@pytest.mark.parametrize("number", range(len(TIMES)))
def test_median_times_of_transitions_are_those_of_other_products(number: int, transitions: Sequence[Row]) -> None:
    found = dict(of_day(transitions, len(TRANSITIONS) + number))
    for pair, expected in TIMES[number][1].items():
        assert found[pair]["median_seconds"] == expected, pair


def test_steps_are_the_pairs_of_posthog(tmp_path: Path) -> None:
    journeys, expected = PAIRS
    deployment = Deployment(
        tmp_path,
        {"start_date": FIRST_MOMENT.date(), "sessions": {"at_border": "starts"}},
        only=("action_transitions",),
    )
    deliver(deployment, "journeys", {journey: journey for journey in journeys})
    deployment.run(FIRST_MOMENT.date())
    found = Counter[str]()
    for row in deployment.records("action_transitions"):
        if row["transition"] == "step":
            found[f"{row['from_action']} {row['to_action']}"] += row["transition_count"]
    assert found == Counter(expected)
