"""Tests that patterns, and conditions and values of the settings, give the same on Spark and DuckDB."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal

import duckdb
import hypothesis
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import strategies as st

from session_pipeline.engines.spark import SparkEngine
from session_pipeline.engines.spark_sql import for_spark
from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS
from session_pipeline.settings.conditions import parse_condition, parse_scalar
from session_pipeline.tables import table
from session_pipeline_tests import test_random_conditions as conditions
from session_pipeline_tests.test_spark import needs_spark, quiet, settings_of


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    with closing(SparkEngine(settings_of("local[2]"), tmp_path_factory.mktemp("spark"))) as engine:
        yield engine


PATTERNS = (
    r"\bche", r"(?i)\bk.chE\b", r"K\B", r"\$|b\s*$", r"^a.b$", r"(?i)küche", r"^\S+$", r"[\s]", r"(?m)^b$", r"(?s)a.b",
    r"(?i)ÉCOLE|x$", r"[^a]$", r"\w+$", "^/users/{id}$", r"\p{Greek}", r"\Q$\E", r"^\101", "(?i)^i", r"[c\S]$",
    "^(/[a-z]+)*$",
)  # fmt: skip


TEXTS = (
    "küche", "k-che", "Kü", "$", "a", "a\n", "a\r", "a\nb", "a\rb", "a\u0085b", "a\u2028b", "KÜCHE", "\v", "b\n",
    "x\r\n", "école", "", "/users/{id}", "σ", "A", "İ", "/ab" * 5_000,
)  # fmt: skip


def assert_equal_on_both(engine: SparkEngine, columns: str, texts: Sequence[str]) -> None:
    """Check that columns computed from each text, as t, are equal on Spark and DuckDB."""
    values = ", ".join(f"('{text}')" for text in texts)
    query = f"select {columns} from (values {values}) as texts (t)"
    found = [list(row) for row in engine.session.sql(for_spark(query)).collect()]
    with duckdb.connect() as connection:
        assert found == [list(row) for row in connection.execute(query).fetchall()]


@needs_spark
@pytest.mark.spark
def test_patterns_match_the_same_texts(engine: SparkEngine) -> None:
    columns = ", ".join(f"regexp_matches(t, '{pattern}') as p{number}" for number, pattern in enumerate(PATTERNS))
    assert_equal_on_both(engine, columns, TEXTS)


REPLACED = (r"s?\b", r"\bs|\b", r"(/|\b)s", r"[/]?\b", "s{2}|/", "^/s?")


PATHS = ("/items", "sss", "/a-b s", "items/", "", "/", "é s", "/ss\nss")


@needs_spark
@pytest.mark.spark
def test_patterns_replace_the_same_texts(engine: SparkEngine) -> None:
    columns = ", ".join(f"regexp_replace(t, '{pattern}', '!', 'g') as p{n}" for n, pattern in enumerate(REPLACED))
    assert_equal_on_both(engine, columns, PATHS)


# Values that Spark's own functions read or write differently, or not at all.
DIFFERING = (
    {"k": 1704067200.5}, {"k": 0.00001}, {"k": 12345678.9}, {"k": 1e20}, {"k": [1.0, {"b": 2.5e-7}]}, {"k": "ﬁ"},
    {"k": "long", "y" * 50_001: 1}, {"k": "digits", "big": int("1" * 1_001)}, {"k": " true "}, {"k": "1_000"},
    {"k": "１２"}, {"k": "1e3"}, {"k": "İ"}, {"k": "ΑΣ"}, {"k": "t"}, {"k": "no"}, {"k": "\u00a01"}, {"k": None}, {},
)  # fmt: skip


READ = (
    "properties ->> 'k'",
    "cast(properties ->> 'k' as decimal(18, 6))",
    "cast(properties ->> 'k' as decimal)",
    "cast(properties ->> 'k' as boolean)",
    "lower(properties ->> 'k') || upper(properties ->> 'k')",
    "properties ->> 'k' ilike '%i%'",
    "cast(value as decimal(18, 1))",
    "cast(cast(value as decimal(3, 3)) as varchar) || cast(value as decimal(2, 2))",
    "case when page_path = '/${id}' then 'template' end",
)


@quiet
@needs_spark
@pytest.mark.spark
def test_settings_give_the_values_of_the_other_engine(engine: SparkEngine) -> None:
    given = pa.table(
        {
            "number": range(len(DIFFERING)),
            "properties": [json.dumps(each, ensure_ascii=False) for each in DIFFERING],
            "page_path": ["/${id}"] * len(DIFFERING),
            "value": pa.array([Decimal("1.25"), None] * 9 + [Decimal("-0.05")], pa.decimal128(18, 6)),
        }
    )
    values = [parse_scalar(text, EVENT_CONDITION_COLUMNS, key="x").sql("duckdb") for text in READ]
    columns = ", ".join(f"cast({value} as varchar) as c{place}" for place, value in enumerate(values))
    query = f"select number, {columns} from given order by number"
    with engine.job() as job, duckdb.connect() as connection:
        job.add_rows("given", given)
        connection.register("given", given)
        expected = connection.sql(query).fetchall()
        assert [tuple(row.values()) for row in job.rows(query).to_pylist()] == expected
    assert {row[-1] for row in expected} == {"template"}


@quiet
@needs_spark
@pytest.mark.spark
@hypothesis.settings(max_examples=5, phases=[hypothesis.Phase.generate])  # to shrink a failure takes too long
@hypothesis.given(
    st.lists(conditions.WHOLE, min_size=40, max_size=40),
    st.lists(conditions.NUMBERS | conditions.TEXTS, min_size=20, max_size=20),
    st.lists(conditions.ROWS, min_size=40, max_size=40),
)
def test_random_settings_give_the_values_of_the_other_engine(
    engine: SparkEngine, truths: list[str], scalars: list[str], rows: list[dict[str, object]]
) -> None:
    fields = [(name, table("events").schema.field(name).type) for name in rows[0]]
    given = pa.Table.from_pylist(
        [{"number": number, **row} for number, row in enumerate(rows)], pa.schema([("number", pa.int64()), *fields])
    )
    values = [parse_condition(text, EVENT_CONDITION_COLUMNS, key="x").sql("duckdb") for text in truths]
    values += [
        f"cast({parse_scalar(text, EVENT_CONDITION_COLUMNS, key='x').sql('duckdb')} as varchar)" for text in scalars
    ]
    columns = ", ".join(f"{value} as c{place}" for place, value in enumerate(values))
    query = f"select number, {columns} from given order by number"
    with engine.job() as job, duckdb.connect() as connection:
        job.add_rows("given", given)
        connection.register("given", given)
        assert job.rows(query).to_pylist() == connection.sql(query).to_arrow_table().to_pylist()


IN_QUERIES = (
    "select lower(name) as low, max(upper(name)) as up, count(*) filter (where name ilike 'a%') as n from given"
    " group by lower(name) having max(lower(name)) <> 'e'",
    "select name, count(*) over (partition by lower(name) order by upper(name)) as n from given",
    "select list_filter([lower(name), null], lambda each: each is not null) as l from given where upper(name) <> 'A'",
    "select g.name, o.name as other from given as g inner join given as o"
    " on lower(g.name) = lower(o.name) and g.name ilike 'a%'",
    "select g.name, o.name as other from given as g left join given as o"
    " on g.name = o.name and o.name ilike 'a%' where lower(g.name) in (select lower(name) from given)",
    "select g.name, o.name as other from given as g left join given as o on lower(g.name) = o.name",
)


@quiet
@needs_spark
@pytest.mark.spark
@pytest.mark.parametrize("query", IN_QUERIES)
def test_duckdb_computes_values_in_each_part_of_a_query(query: str, engine: SparkEngine) -> None:
    given = pa.table({"name": ["a", "A", "B", "b", "C", "d", "e", None, "Ab"]})
    with engine.job() as job, duckdb.connect() as connection:
        job.add_rows("given", given)
        connection.register("given", given)
        expected = connection.sql(query).to_arrow_table().to_pylist()
        assert sorted(map(repr, job.rows(query).to_pylist())) == sorted(map(repr, expected))


def test_lists_begin_at_one_and_patterns_match_as_a_whole() -> None:
    for index in ("1", "-1", "n", "n + 1", "cast(n as bigint)", "length(x)"):
        found = for_spark(f"select pages[{index}] as page from e").upper().replace(" + 0", "")
        assert f"TRY_ELEMENT_AT(PAGES, {index.upper()})" in found
    assert "', 0)" in for_spark("select regexp_extract(a, '(b)c') as x from events")


def test_lists_are_reduced_from_a_first_value() -> None:
    sql = "select list_reduce(pages, lambda longest, page: greatest(longest, page), '') as longest from events"
    assert "REDUCE(pages, '', (longest, page) -> GREATEST(longest, page))" in for_spark(sql)
