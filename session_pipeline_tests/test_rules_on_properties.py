"""Tests that rules which read properties find the same events whether they are few or many, on both engines."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_sql import for_spark
from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_condition
from session_pipeline.tables.settings_sql import FEW_READS, Rule, with_rules_met
from session_pipeline_tests.test_spark import needs_spark, settings_of

CONDITIONS = (
    "properties ->> 'form' = 'a'",
    "properties ->> '$browser' = 'b'",
    "properties ->> '$.deep.er' = '1'",
    "properties ->> 'Is Member?' is null",
    "cast(properties ->> 'n' as decimal(18, 6)) > 2",
    "event_name = 'click'",
    "event_name = 'click' and properties ->> 'form' = 'c'",
    "contains(properties ->> 'form', 'a') or properties ->> 'n' = '3'",
)
PROPERTIES: tuple[dict[str, Any] | None, ...] = (
    {"form": "a", "n": 3},
    {"$browser": "b", "deep": {"er": 1}, "Is Member?": True},
    {"form": "c", "n": "x"},
    {},
    None,
)


def rules_of(conditions: Sequence[str]) -> list[Rule]:
    found = []
    for number, condition in enumerate(conditions):
        where = parse_condition(condition, EVENT_CONDITION_COLUMNS, key="where").sql("duckdb")
        found.append(Rule(where, {"number": f"cast({number} as bigint)"}))
    return found


def query(conditions: Sequence[str]) -> str:
    """Return SQL that gives, for each event, whether it meets a rule, and which rules it meets."""
    values = [
        f"({number}, '{name}', {'null' if given is None else repr(json.dumps(given))})"
        for number, (name, given) in enumerate((name, given) for name in ("click", "view") for given in PROPERTIES)
    ]
    events = f"(select * from (values {', '.join(values)}) as given (id, event_name, properties)) as events"
    met = with_rules_met(events, rules_of(conditions), "is_met", "met", {"number": "bigint"})
    return f"select id, is_met, met from ({met}) as found order by id"


def numbers(rows: Sequence[Sequence[Any]]) -> list[tuple[int, bool, list[int]]]:
    return [(event, bool(is_met), [rule["number"] for rule in met or []]) for event, is_met, met in rows]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_many_rules_find_what_each_finds_alone(connection: duckdb.DuckDBPyConnection) -> None:
    assert sum("->>" in condition for condition in CONDITIONS) > FEW_READS
    assert "json_extract_string" in query(CONDITIONS)
    assert "json_extract_string" not in query(CONDITIONS[:1])
    found = numbers(connection.execute(query(CONDITIONS)).fetchall())
    alone = [numbers(connection.execute(query([condition])).fetchall()) for condition in CONDITIONS]
    for number, (event, is_met, met) in enumerate(found):
        assert met == [rule for rule, rows in enumerate(alone) if rows[number][1]], event
        assert is_met is bool(met)
    assert {rule for _, _, met in found for rule in met} == set(range(len(CONDITIONS)))


def test_many_rules_need_little_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Functions of their own would hold the parsed properties of 2,048 events for each of the 40 rules."""
    connection.execute("set memory_limit = '200MB'; set threads = 1; set max_temp_directory_size = '0KB'")
    given = "json_object('form', 'f' || n % 50, 'text', repeat('x', 4000))"
    connection.execute(
        f"create table events as select 'view' as event_name, cast({given} as varchar) as properties"
        " from range(4000) as numbers (n)"
    )
    rules = rules_of([f"event_name = 'view' and properties ->> 'form' = 'f{number}'" for number in range(40)])
    met = with_rules_met("events", rules, "is_met", "met", {"number": "bigint"})
    count = f"select count(*) from (select unnest(met) as rule from ({met}) where is_met)"
    assert connection.execute(count).fetchall() == [(3200,)]


@needs_spark
@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")
def test_spark_finds_the_same(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with closing(SparkEngine(settings_of("local[1]"), tmp_path)) as engine:
        for conditions in (CONDITIONS, CONDITIONS[:2]):
            rows = engine.session.sql(for_spark(query(conditions))).collect()
            assert numbers(rows) == numbers(connection.execute(query(conditions)).fetchall())
