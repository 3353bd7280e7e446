"""Tests numbers over all rows on Spark: the numbers stay the same, in many tasks, and a list of what stays in one."""

import importlib.util
from collections.abc import Iterator
from contextlib import closing
from hashlib import md5
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_macros import expand
from session_pipeline.engines.spark_numbers import count_in_many_tasks
from session_pipeline.engines.spark_sql import for_spark
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.tables import models
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.parity.builds import SMALL_CONF

# Windows over all rows that stay in one task, because they have few rows: files, labels of actions, actions of days,
# outcomes, and dimension values. The others are the starts of parts, which spark_numbers.py adds.
IN_ONE_TASK = {
    "friction_sessions": ["part"],
    "numbered_actions": ["session_date, site, action"],
    "numbered_sessions": ["part"],
    "path_groups": ["session_date, site, outcome"],
    "path_labels": ["label"],
    "path_sessions": ["part"],
    "session_actions": ["part"],
    "session_segments": ["dimension, dimension_value"],
    "sessionized": ["file_id"],
}
# Keys that spread rows evenly, and models with windows by other keys, such as days and sites. docs/scale.md says which
# rows they have: only funnel_steps ranks rows that are not counted or listed before.
SPREAD_KEYS = {
    "attempt_id",
    "event_id",
    "person_id",
    "series_id",
    "session_id",
    "session_number",
    "unit_id",
    "user_agent_id",
    "user_group",
    "user_id",
    "visiting_id",
    "visitor_id",
}
BY_FEW_KEYS = {
    "action_transitions",
    "action_visits",
    "counted_actions",
    "counted_paths",
    "first_actions",
    "funnel_drops",
    "funnel_steps",
    "outcome_changes",
    "outcome_counts",
    "path_counts",
    "session_channels",
    "session_paths",
    "session_segments",
    "shown_paths",
    "typical_paths",
}
NUMBERS = {
    "all rows": "select session_id, row_number() over (order by session_id) as n from sessions",
    "some rows of a join": """
        select s.session_id, cast(row_number() over (order by s.session_id) as integer) as n, o.outcome
        from sessions as s inner join outcomes as o on s.session_id = o.session_id where not s.is_bot""",
    "within a larger query": """
        with numbered as (
            select s.session_id, row_number() over (order by s.session_id) as n, o.outcome
            from sessions as s left join outcomes as o on s.session_id = o.session_id
        )
        select n.session_id, n.n, n.outcome, s.is_bot
        from numbered as n inner join sessions as s on n.session_id = s.session_id""",
}
LEFT_AS_THEY_ARE = (
    "select site, row_number() over (order by site) as n from sessions",
    "select session_id, row_number() over (order by session_id desc) as n from sessions",
    "select session_id, rank() over (order by session_id) as n from sessions",
    "select session_id, dense_rank() over (order by session_id) as n from sessions",
    "select session_id, dense_rank() over (order by site) as n from sessions",
    "select session_id, row_number() over (partition by site order by session_id) as n from sessions",
    "select session_id, row_number() over (order by session_id) as n from sessions group by session_id",
    "select distinct session_id, row_number() over (order by session_id) as n from sessions",
    "select session_id from sessions qualify row_number() over (order by session_id) = 1",
)


def rows() -> dict[str, pa.Table]:
    """Return sessions of three sites; every third has no outcome, and some outcomes are null."""
    ids = [md5(str(number).encode(), usedforsecurity=False).hexdigest() for number in range(3000)]
    # Several ids begin with the same digits.
    ids += [f"abcd{number:028x}" for number in range(50)]
    sessions = [
        {"session_id": key, "site": f"site {place % 3}", "is_bot": place % 7 == 0} for place, key in enumerate(ids)
    ]
    outcomes = [
        {"session_id": key, "outcome": (None, "buy", "bounce")[place % 3]}
        for place, key in enumerate(ids)
        if place % 3 or place % 2
    ]
    return {"sessions": pa.Table.from_pylist(sessions), "outcomes": pa.Table.from_pylist(outcomes)}


@pytest.mark.parametrize("sql", NUMBERS.values(), ids=NUMBERS)
def test_rewritten_numbers_are_the_same(sql: str) -> None:
    rewritten = count_in_many_tasks(sqlglot.parse_one(sql, read="duckdb")).sql("duckdb")
    assert "rows_before" in rewritten or "_rank_0" in rewritten
    with duckdb.connect() as connection:
        for name, given in rows().items():
            connection.register(name, given)
        expected, found = (
            connection.sql(f"select * from ({text}) order by all").fetchall() for text in (sql, rewritten)
        )
    assert len(expected) > 2000
    assert found == expected


@pytest.mark.parametrize("sql", LEFT_AS_THEY_ARE)
def test_other_windows_are_left_as_they_are(sql: str) -> None:
    query = sqlglot.parse_one(sql, read="duckdb")
    assert count_in_many_tasks(query.copy()) == query


@pytest.mark.long
def test_windows_of_the_models_in_one_task_are_those_with_few_rows() -> None:
    found: dict[str, list[str]] = {}
    for model in models.names():
        query = sqlglot.parse_one(for_spark(models.PARAMETER.sub("1", models.text(model))), read="spark")
        for window in query.find_all(exp.Window):
            if not window.args.get("partition_by") and not window.args.get("alias"):
                order = window.args["order"].expressions
                found.setdefault(model, []).append(", ".join(ordered.this.sql() for ordered in order))
        named = [each for select in query.find_all(exp.Select) for each in select.args.get("windows") or []]
        assert all(each.args.get("partition_by") for each in named), model
    assert {model: sorted(orders) for model, orders in found.items()} == IN_ONE_TASK


@pytest.mark.long
def test_windows_by_keys_with_few_values_are_documented() -> None:
    found = set()
    for model in models.names():
        query = expand(sqlglot.parse_one(models.text(model), read="duckdb"))
        named = {each.name: each for select in query.find_all(exp.Select) for each in select.args.get("windows") or []}
        for window in query.find_all(exp.Window):
            name = window.args.get("alias")
            keys = (named[name.name] if name else window).args.get("partition_by") or []
            columns = {column.name for key in keys for column in key.find_all(exp.Column)}
            if columns and not columns & SPREAD_KEYS:
                found.add(model)
    assert found == BY_FEW_KEYS
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert not {model for model in (*BY_FEW_KEYS, *IN_ONE_TASK) if f"`{model}`" not in text}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    # Without broadcasts that are not asked for, so that the rows are in several tasks before they are numbered.
    conf = {**SMALL_CONF, "spark.sql.shuffle.partitions": "3", "spark.sql.autoBroadcastJoinThreshold": "-1"}
    settings = EngineSettings(kind="spark", master="local[2]", remote="", conf=conf)
    with closing(SparkEngine(settings, tmp_path_factory.mktemp("spark"))) as engine:
        yield engine


@pytest.mark.filterwarnings("ignore")
@pytest.mark.spark
@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="PySpark is not installed")
@pytest.mark.parametrize("sql", NUMBERS.values(), ids=NUMBERS)
def test_spark_gives_the_same_numbers_in_several_tasks(sql: str, engine: SparkEngine, tmp_path: Path) -> None:
    with engine.job() as job, duckdb.connect() as connection:
        for name, given in rows().items():
            job.add_rows(name, given)
            connection.register(name, given)
        expected = connection.sql(f"select * from ({sql}) order by all").to_arrow_table().to_pylist()
        found = job.rows(sql).to_pylist()
        assert engine.session.sql(for_spark(sql)).rdd.getNumPartitions() > 1
    key = expected[0].keys() & {"session_id"}
    assert sorted(found, key=lambda row: row[min(key)]) == sorted(expected, key=lambda row: row[min(key)])
