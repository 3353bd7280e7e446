"""Tests what Spark computes with DuckDB in its tasks. test_spark_values.py compares the values of both engines."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from session_pipeline.engines import spark_functions
from session_pipeline.engines.spark_functions import IN_DUCKDB, computed
from session_pipeline.engines.spark_sql import for_spark
from session_pipeline.tables import models


def compute(sql: str, x: pa.Array) -> list[str | None]:
    found = computed(pa.array([sql] * len(x)), x)
    assert found.type == pa.string()
    values: list[str | None] = found.to_pylist()
    return values


def calls(sql: str) -> list[tuple[str, str]]:
    """Return the calls of the function in a SELECT in DuckDB's SQL: the expression, and the value that is its `x`."""
    found = sqlglot.parse_one(for_spark(sql), read="spark").find_all(exp.Anonymous)
    return [(call.expressions[0].name, call.expressions[1].sql()) for call in found if call.name.lower() == IN_DUCKDB]


def test_nulls_and_empty_batches_stay() -> None:
    assert compute("upper(x)", pa.array([], pa.string())) == []
    assert compute("upper(x)", pa.array([None, None], pa.string())) == [None, None]
    assert compute("x ->> '$.k'", pa.array(['{"k": 12345678.9}', None, "{}"])) == ["12345678.9", None, None]


def test_many_rows_keep_their_order() -> None:
    count = 300_000
    assert compute("lower(x)", pa.array([f"A{n}" for n in range(count)])) == [f"a{n}" for n in range(count)]


def test_values_that_are_not_text_can_be_cast() -> None:
    assert compute("try_cast(x as decimal(18, 1))", pa.array([1.25, None, 1e300])) == ["1.3", None, None]
    assert compute("try_cast(x as boolean)", pa.array([0, 2, None])) == ["false", "true", None]


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(spark_functions, "_MEMORY", "100MB")
    spark_functions._connection.cache_clear()
    yield
    spark_functions._connection.cache_clear()


@pytest.mark.usefixtures("little_memory")
def test_long_values_need_little_memory() -> None:
    """DuckDB keeps what it parsed of 2,048 values, if it reads them at once."""
    text = json.dumps({"k": 1.5, "list": [{"n": n} for n in range(2000)]})
    assert compute("x ->> '$.k'", pa.array([text] * 2048)) == ["1.5"] * 2048


def test_one_call_computes_functions_of_one_another() -> None:
    sql = "select try_cast(lower(properties ->> '$.price') as decimal(9, 2)) as price from events"
    assert calls(sql) == [("(TRY_CAST((LOWER((x ->> '$.price'))) AS DECIMAL(9, 2)))", "properties")]
    assert "CAST(IN_DUCKDB" in for_spark(sql)
    assert "AS DECIMAL(9, 2))" in for_spark(sql)


FOR_JAVA = ("^/a$", r"\bche", "^/[^/]+$", r"^[0-9]{2,3}[a-f]{4}", "(?:a|b)?", r"\+[*]", "/blog/?$")
FOR_RE2 = (
    "^(/[a-z]+)*$", "(a)+", "(a){3}", "^/users/{id}$", "{", "a{,5}", "(?i)i", "(?s)(?i)k", "(?m)^a", r"\p{Greek}",
    r"\PL", r"\Q.\E", r"\101", r"[a\S]", r"[\]\S]",
)  # fmt: skip
# Java's time grows with the square of a text of slashes, spaces or letters, or faster.
SLOW_IN_JAVA = ("/+$", r"\s*$", "[0-9]{2,}x", "^/.*/.*x", r"\.[a-z]+$", "^a|b+c")


@pytest.mark.parametrize("pattern", FOR_JAVA)
def test_java_reads_patterns_that_mean_the_same(pattern: str) -> None:
    assert calls(f"select regexp_matches(page_path, '{pattern}') as a from events") == []


@pytest.mark.parametrize("pattern", [*FOR_RE2, *SLOW_IN_JAVA])
@pytest.mark.parametrize("function", ["regexp_matches(a, '{}')", "regexp_extract(a, '{}', 0)"])
def test_duckdb_reads_the_other_patterns(pattern: str, function: str) -> None:
    [(expression, value)] = calls(f"select {function.replace('{}', pattern)} as b from events")
    assert pattern in expression
    assert value == "a"


@pytest.mark.parametrize(
    ("pattern", "is_for_spark"),
    [("/a/%", True), ("%a", True), ("%/a/%", True), ("a%b", True), ("%a%b", False), ("%a%b%", False), ("%a_%", False)],
)
def test_duckdb_matches_like_with_several_wildcards(pattern: str, is_for_spark: bool) -> None:
    found = calls(f"select page_path like '{pattern}' as a from events")
    assert found == ([] if is_for_spark else [(f"(x LIKE '{pattern}')", "page_path")])


@pytest.mark.long
def test_models_call_it_only_where_spark_computes_python() -> None:
    """Spark computes no Python in a lambda; in the condition of an outer join, only over one of the tables."""
    callers = set()
    for model in models.names():
        query = sqlglot.parse_one(for_spark(models.PARAMETER.sub("'(a)*'", models.text(model))), read="spark")
        for call in query.find_all(exp.Anonymous):
            if call.name.lower() == IN_DUCKDB:
                assert call.find_ancestor(exp.Lambda) is None, model
                if call.find_ancestor(exp.Join):
                    assert len({column.table for column in call.find_all(exp.Column)} - {""}) == 1, model
                callers.add(model)
    assert {"events", "next_untimed_matches", "next_part_matches"} <= callers
