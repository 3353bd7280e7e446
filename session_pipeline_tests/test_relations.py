"""Tests SQL generated from settings: few scans for any number of rules, within little memory, with correct rows."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date

import duckdb
import pytest

from session_pipeline.engines.sql import literal
from session_pipeline.settings import Settings, parse_settings
from session_pipeline.tables import models, table
from session_pipeline.tables.matches.from_settings import goals_met, outcomes_met, steps_met
from session_pipeline.tables.outcomes.from_settings import dimension_values, outcome_sessions
from session_pipeline.tables.steps import STEP_OF_TABLE

DAY = date(2026, 10, 5)
EVENT_COUNT = 2000
NAMES = 40
PATHS = 100


def funnels(count: int) -> str:
    return "\n".join(
        f"""
        [[funnels]]
        name = "funnel {number}"
        breakdown = "channel"
        exclusions = [{{ where = "event_name = 'e{(number + 1) % NAMES}'" }}]
        steps = [
            {{ name = "a", where = "event_name = 'e{number % NAMES}'" }},
            {{ name = "b", where = "page_path = '/{number}' or is_bot" }},
        ]
        """
        for number in range(count)
    )


def goals(count: int) -> str:
    where = "event_name = 'e{0}' and value > 0"
    return "\n".join(
        f'[[goals]]\nname = "g{number}"\nvalue = "value"\nwhere = "{where.format(number % NAMES)}"'
        for number in range(count)
    )


def outcomes(count: int) -> str:
    return "\n".join(
        f'[[outcomes]]\nname = "o{number}"\n' + (f"where_session = 'event_count > {number}'" if number % 2 else where)
        for number, where in enumerate(["where = \"event_name = 'e1'\""] * count)
    )


def dimensions(count: int) -> str:
    return "[dimensions]\n" + "\n".join(f"d{number} = \"properties ->> 'k{number}'\"" for number in range(count))


RELATIONS: dict[str, tuple[Callable[[Settings], str], Callable[[int], str], str]] = {
    "outcomes_met": (outcomes_met, outcomes, "events"),
    "goals_met": (goals_met, goals, "events_with_outcomes_met"),
    "steps_met": (steps_met, funnels, "events_with_goals_met"),
    "outcome_sessions": (outcome_sessions, outcomes, "sessions"),
}


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Events in a database with 1 GB of memory: 40 names and 100 paths, each equally frequent."""
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as connection:
        given = {
            "event_name": f"'e' || i % {NAMES}",
            "page_path": f"'/' || i % {PATHS}",
            "value": "cast(i % 3 as decimal(18, 6))",
            "is_bot": "false",
            "event_number": "i",
            "line_number": "i",
            "session_id": "'s' || i // 10",
            "session_date": literal(DAY),
        }
        columns = ", ".join(
            f"cast({given.get(column.name, 'null')} as {column.type}) as {column.name}"
            for column in table("events").columns
        )
        connection.execute(f"create table events as select {columns} from range({EVENT_COUNT}) as numbers(i)")
        yield connection


def add_event_matches(database: duckdb.DuckDBPyConnection, text: str) -> None:
    """Run the model event_matches on the events, with the relations of these settings."""
    for name, relation in STEP_OF_TABLE["funnel_matches"].relations.items():
        database.execute(f"create temp view {name} as {relation.make(parse_settings(text))}")
    database.execute(f"create temp table days as select {literal(DAY)} as event_date")
    sql = models.text("event_matches")
    [(_, physical)] = database.sql(f"explain {sql}").fetchall()
    assert physical.count("Seq Scan") == 2, "events and days"
    database.execute(f"create temp table event_matches as {sql}")


@pytest.mark.parametrize("name", RELATIONS)
@pytest.mark.parametrize("count", [3, 60])
def test_all_rules_share_one_scan(name: str, count: int) -> None:
    make, settings, source = RELATIONS[name]
    assert make(parse_settings(settings(count))).count(f" from {source}") == 1


@pytest.mark.parametrize(("count", "scans"), [(1, 1), (5, 1), (6, 2), (60, 12)])
def test_five_dimensions_share_one_scan_because_each_holds_parsed_properties(count: int, scans: int) -> None:
    assert dimension_values(parse_settings(dimensions(count))).count(" from events") == scans


@pytest.mark.long
@pytest.mark.timeout(60)
def test_four_hundred_funnels_fit_into_little_memory(database: duckdb.DuckDBPyConnection) -> None:
    add_event_matches(database, funnels(400))
    found = Counter(database.sql(f"select step_number from ({models.text('funnel_matches')})").fetchall())
    by_name, by_path = EVENT_COUNT // NAMES, EVENT_COUNT // PATHS
    assert found == {(1,): 400 * by_name, (-1,): 400 * by_name, (2,): PATHS * by_path}


@pytest.mark.long
@pytest.mark.timeout(60)
def test_thousand_goals_fit_into_little_memory(database: duckdb.DuckDBPyConnection) -> None:
    add_event_matches(database, goals(1000))
    sql = models.text("goal_matches")
    [(rows, value)] = database.sql(f"select count(*), sum(value) from ({sql})").fetchall()
    [(events, sum_of_values)] = database.sql("select count(*), sum(value) from events where value > 0").fetchall()
    assert (rows, value) == (events * 1000 // NAMES, sum_of_values * 1000 // NAMES)


def test_rules_of_all_kinds_share_one_scan(database: duckdb.DuckDBPyConnection) -> None:
    add_event_matches(database, outcomes(6) + "\n" + goals(5) + funnels(4))
    counts = [
        database.sql(f"select count(*) from ({models.text(name)})").fetchall()[0][0]
        for name in ("outcome_matches", "goal_matches", "funnel_matches")
    ]
    by_name, by_path = EVENT_COUNT // NAMES, EVENT_COUNT // PATHS
    with_value = database.sql("select count(*) from events where value > 0 and event_name < 'e5'").fetchall()[0][0]
    assert counts[0] == 3 * by_name
    assert 0 < counts[1] < with_value
    assert counts[2] == 4 * (2 * by_name + by_path)
