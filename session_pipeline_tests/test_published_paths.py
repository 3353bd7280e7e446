"""Runs published cases of sequences, next actions, transitions and steps through settings, events and tables.

The cases of retention in the same files belong to other tables.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import Any

import duckdb
import pytest

from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.published_cases import FIXTURES, NEEDS_FIXTURES, read_cases
from session_pipeline_tests.oracles.published_paths import next_action_pattern, pattern_of, places_of_route, quoted

pytestmark = NEEDS_FIXTURES

FIRST_DAY = date(2024, 1, 1)
SEQUENCES = [case for case in read_cases("sequence_cases.json") if "pattern" in case]
JOURNEYS = {"1": ["A", "B", "C", "A", "B", "D"], "2": ["B", "A", "B"], "3": ["A", "A", "B", "A"], "4": ["C"]}
# The bases that the published cases lack, with answers by hand.
FURTHER_NEXT_ACTIONS = [
    {
        "journeys": JOURNEYS,
        "direction": direction,
        "base": base,
        "chain": chain,
        "expected_next_node_per_visitor": found,
    }
    for direction, base, chain, found in (
        ("forward", "last_match", ["A"], {"1": "B", "2": "B", "3": None, "4": None}),
        ("forward", "last_match", ["A", "B"], {"1": "D", "2": None, "3": None, "4": None}),
        ("forward", "last_match", ["A", "A"], {"1": None, "2": None, "3": None, "4": None}),
        ("forward", "first_match", ["A", "A"], {"1": None, "2": None, "3": "B", "4": None}),
        ("forward", "tail", ["B"], {"1": None, "2": None, "3": None, "4": None}),
        ("backward", "last_match", ["A"], {"1": "C", "2": "B", "3": "B", "4": None}),
        ("backward", "last_match", ["B", "A"], {"1": "C", "2": "B", "3": "A", "4": None}),
        ("backward", "first_match", ["B", "A"], {"1": None, "2": None, "3": "A", "4": None}),
        ("backward", "head", ["A"], {"1": None, "2": None, "3": None, "4": None}),
    )
]
NEXT_ACTIONS = [case for case in read_cases("sequence_cases.json") if "chain" in case] + FURTHER_NEXT_ACTIONS
MATRICES = [case for case in read_cases("transition_cases.json") if "labels" in case]
ROUTES = [case for case in read_cases("transition_cases.json") if case.get("kind") == "route"]
TABLES = ("action_steps", "action_transitions", "session_actions", "session_paths", "session_patterns", "sessions")

Line = dict[str, Any]


def line(visitor: str, action: str, moment: datetime, number: int) -> Line:
    return {
        "event_id": f"{number:03d}",
        "visitor_id": visitor,
        "event_name": action,
        "event_time": f"{moment.isoformat()}Z",
    }


def moment(seconds: float = 0, day: int = 0) -> datetime:
    return datetime.combine(FIRST_DAY, datetime.min.time()) + timedelta(days=day, hours=1, seconds=seconds)


def asked_of(case: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    return case["direction"], case["base"], case["chain"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """All cases in one data folder: each has visitors of its own, those of daily tables a day of their own."""
    patterns, lines = [], []
    for number, case in enumerate(SEQUENCES):
        names = {number: condition.replace("data=", "d") for number, condition in case["conditions"].items()}
        pattern, among = pattern_of(case["pattern"], names)
        patterns.append({"name": f"sequence {number}", "pattern": pattern, "among": among})
        for place, (seconds, data) in enumerate(case["events"]):
            lines.append(line(f"sequence {number}", f"d{data}", moment(seconds), place))
    for number, case in enumerate(NEXT_ACTIONS):
        patterns.append({"name": f"next {number}", "pattern": next_action_pattern(*asked_of(case))[0]})
        for visitor, journey in case["journeys"].items():
            for place, action in enumerate(journey):
                lines.append(line(f"next {number} {visitor}", action, moment(place), place))
    for number, case in enumerate(MATRICES):
        lines += matrix_lines(case, day=number + 1)
    for number, case in enumerate(ROUTES):
        patterns.append({"name": f"route {number}", "pattern": " -> ".join(map(quoted, case["route"]))})
        for visitor, journey in case["journeys"].items():
            for place, action in enumerate(journey):
                seconds, day = place * case["step_seconds"], len(MATRICES) + number + 1
                lines.append(line(f"route {number} {visitor}", action, moment(seconds, day), place))
    deployment = Deployment(
        tmp_path_factory.mktemp("paths"), {"start_date": FIRST_DAY, "patterns": patterns}, only=TABLES
    )
    deployment.deliver("cases", lines)
    deployment.run(FIRST_DAY + timedelta(days=len(MATRICES) + len(ROUTES) + 1))
    with deployment.stored() as connection:
        yield connection


def matrix_lines(case: Mapping[str, Any], day: int) -> list[Line]:
    file = FIXTURES / case["input"].partition(" ")[0]
    with file.open(encoding="utf-8", newline="") as rows:
        read = list(csv.DictReader(filter(str.strip, rows), delimiter="\t"))
    return [
        line(f"matrix {day} {row[case['group_by']]}", row["event"], moment(day=day), place)
        for place, row in enumerate(read)
    ]


def all_rows(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return connection.execute(sql, list(values)).fetchall()


@pytest.mark.parametrize("number", range(len(SEQUENCES)), ids=lambda number: SEQUENCES[number]["pattern"])
def test_matches_equal_the_published_sequences(number: int, tables: duckdb.DuckDBPyConnection) -> None:
    case = SEQUENCES[number]
    found = all_rows(
        tables,
        "select p.match_count, first.event_id, last.event_id from session_patterns as p"
        " join sessions as s using (session_id)"
        " join session_actions as first on p.session_id = first.session_id"
        " and p.first_action_number = first.action_number"
        " join session_actions as last on p.session_id = last.session_id and p.last_action_number = last.action_number"
        " where p.pattern = $1 and s.visitor_id = $1",
        [f"sequence {number}"],
    )
    assert bool(found) == case["expected_match"]
    if found:
        count, first, last = found[0]
        assert count == case["expected_count"]
        events = case["expected_match_events_longest_prefix"]
        if events:
            assert (int(first), int(last)) == (events[0], events[-1])


@pytest.mark.parametrize("number", range(len(NEXT_ACTIONS)), ids=lambda number: str(number))
def test_next_actions_equal_the_published_ones(number: int, tables: duckdb.DuckDBPyConnection) -> None:
    case = NEXT_ACTIONS[number]
    place = next_action_pattern(*asked_of(case))[1]
    found = dict(
        all_rows(
            tables,
            "select s.visitor_id, a.action from session_patterns as p join sessions as s using (session_id)"
            f" join session_actions as a on p.session_id = a.session_id and a.action_number = p.{place}"
            " where p.pattern = $1 and starts_with(s.visitor_id, $1 || ' ')",
            [f"next {number}"],
        )
    )
    asked = {visitor: found.get(f"next {number} {visitor}") for visitor in case["journeys"]}
    if not case["chain"]:  # the published answer is the exit event
        assert case["note"] == "no chain = exit event"
    assert asked == case["expected_next_node_per_visitor"]


def name_of(label: str) -> str:
    return {"path_start": "(start)", "path_end": "(end)"}.get(label, label)


@pytest.mark.parametrize(
    "number", [number for number, case in enumerate(MATRICES) if "expected_counts" in case], ids=str
)
def test_transitions_equal_the_published_matrices(number: int, tables: duckdb.DuckDBPyConnection) -> None:
    case = MATRICES[number]
    day = FIRST_DAY + timedelta(days=number + 1)
    found = Counter(
        {
            (row[0], row[1]): row[2]
            for row in all_rows(
                tables,
                "select from_action, to_action, sum(transition_count)::bigint from action_transitions"
                " where session_date = $1 group by all",
                [day],
            )
        }
    )
    labels = list(map(name_of, case["labels"]))
    assert [[found[source, target] for target in labels] for source in labels] == case["expected_counts"]
    assert found.total() == case["total"]
    [(paths,)] = all_rows(tables, "select sum(session_count) from session_paths where session_date = $1", [day])
    assert paths == case["paths"]


@pytest.mark.parametrize(
    "number", [number for number, case in enumerate(MATRICES) if "expected_share" in case], ids=str
)
def test_shares_of_steps_equal_the_published_ones(number: int, tables: duckdb.DuckDBPyConnection) -> None:
    case = MATRICES[number]
    found = {
        (row[0], row[1]): row[2]
        for row in all_rows(
            tables,
            "with steps as (from action_steps where session_date = $1),"
            " total as (select sum(session_count) as sessions from steps where step_number = 0)"
            " select action, step_number, sum(session_count) / any_value(total.sessions) from steps, total"
            " group by all",
            [FIRST_DAY + timedelta(days=number + 1)],
        )
    }
    for label, shares in zip(case["labels"], case["expected_share"], strict=True):
        asked = [found.get((name_of(label), step), 0.0) for step in case["columns"]]
        if label == "path_end":  # there, a path that ended is at its end at all later steps, too
            asked = list(accumulate(asked))
        assert asked == pytest.approx(shares), label


@pytest.mark.parametrize("number", range(len(ROUTES)), ids=lambda number: "-".join(ROUTES[number]["route"]))
def test_figures_of_routes_equal_the_published_ones(number: int, tables: duckdb.DuckDBPyConnection) -> None:
    case = ROUTES[number]
    day = FIRST_DAY + timedelta(days=len(MATRICES) + number + 1)
    sessions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for session_id, action_number, action in all_rows(
        tables, "select session_id, action_number, action from session_actions where session_date = $1", [day]
    ):
        sessions[session_id].append({"action_number": action_number, "action": action})
    places = [len(places_of_route(actions, case["route"])) for actions in sessions.values()]
    assert sum(places) == case["occurrences"]
    assert sum(map(bool, places)) == case["unique_paths"]
    if "median_seconds" in case:
        found = all_rows(
            tables,
            "select match_seconds from session_patterns where pattern = $1 and session_date = $2",
            [f"route {number}", day],
        )
        assert (median(seconds for (seconds,) in found) if found else None) == case["median_seconds"]
    if "probability" in case:
        moves = all_rows(
            tables,
            "select from_action, to_action, sum(transition_count) from action_transitions where session_date = $1"
            " group by all",
            [day],
        )
        leaving = Counter[str]()
        for source, _, count in moves:
            leaving[source] += count
        chance = {(source, target): count / leaving[source] for source, target, count in moves}
        probability = 1.0
        for pair in zip(case["route"], case["route"][1:], strict=False):
            probability *= float(chance.get(pair, 0))
        assert probability == pytest.approx(case["probability"], abs=1e-9)
