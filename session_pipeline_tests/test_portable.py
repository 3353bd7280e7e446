"""Tests the portable SQL lint: it finds each construct, accepts its alternative, and accepts every model."""

import re
from collections.abc import Iterator
from datetime import date, datetime

import duckdb
import pytest
import sqlglot

from session_pipeline.engines.spark_macros import expand
from session_pipeline.tables import models
from session_pipeline_tests.portable import find_violations, to_spark
from session_pipeline_tests.portable.forms import FORMS

MACROS = ("wilson_low", "wilson_high", "path_label", "kind_of_action")

# The lint's name of the construct; the construct; its alternative.
CASES = (
    (
        "->> without a plain key",
        "select properties ->> 'cart.total' as total from events",
        "select properties ->> '$.cart.total' as total, properties ->> 'plan' as plan from events",
    ),
    (
        "now",
        "select now() - event_time as age from events",
        "select $day_end - event_time as age from events",
    ),
    (
        "current_date",
        "select event_id from events where event_date < current_date",
        "select event_id from events where event_date < $event_date",
    ),
    (
        "random",
        "select event_id from events where random() < 0.1",
        "select event_id from events where md5(event_id) < '1'",
    ),
    (
        "epoch",
        "select epoch(event_time) as seconds from events",
        "select date_diff('microsecond', $day_start, event_time) // 1000000 as seconds from events",
    ),
    (
        "dayofweek",
        "select dayofweek(event_date) as day from events",
        "select date_diff('day', cast(date_trunc('week', event_date) as date), event_date) as day from events",
    ),
    (
        "arg_min",
        "select arg_min(page_path, event_number) as landing_page from events",
        "select min_by(page_path, event_number) as landing_page from events",
    ),
    (
        "first",
        "select first(page_path order by event_number) as landing_page from events",
        "select page_path as landing_page from events qualify row_number() over (order by event_number) = 1",
    ),
    (
        "any_value",
        "select visitor_id, any_value(site) as site from events group by visitor_id",
        "select visitor_id, min(site) as site from events group by visitor_id",
    ),
    (
        "avg",
        "select avg(value) as mean_value from events",
        "select cast(sum(value) as double) / nullif(count(value), 0) as mean_value from events",
    ),
    (
        "quantile_cont",
        "select quantile_cont(event_number, 0.5) as middle from events",
        "select median(event_number) as middle from events",
    ),
    (
        "approx_count_distinct",
        "select approx_count_distinct(visitor_id) as visitor_count from events",
        "select count(distinct visitor_id) as visitor_count from events",
    ),
    (
        "hash",
        "select hash(event_id) as bucket from events",
        "select md5(event_id) as bucket from events",
    ),
    (
        "round",
        "select round(value, 2) as x from events",
        "select floor(value + 0.5) as x from events",
    ),
    (
        "lower",
        "select lower(utm_source) as x from events",
        "select translate(utm_source, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') as x from events",
    ),
    (
        "->",
        "select properties -> 'cart' as cart from events",
        "select properties ->> '$.cart.total' as total from events",
    ),
    (
        "levenshtein",  # an example of all functions that nobody has compared
        "select levenshtein(page_path, utm_source) as distance from events",
        "select contains(page_path, utm_source) as is_named from events",
    ),
    (
        "division by a value that may be zero",
        "select event_number / page_count as share from events",
        "select event_number / nullif(page_count, 0) as share, event_number / 1000 as thousands from events",
    ),
    (
        "division by a value that may be zero",
        "select event_number // 0 as part, event_number % page_count as rest from events",
        "select event_number // $max_microseconds as part, event_number % nullif(page_count, 0) as rest from events",
    ),
    (
        "division by a value that may be zero",
        "select event_number / nullif(page_count, 1) as share from events",
        "select event_number / nullif(page_count, 0) as share from events",
    ),
    (
        "division of decimals",
        "select cast(value as decimal(18, 6)) / nullif(event_number, 0) as x from events",
        "select cast(cast(value as decimal(18, 6)) as double) / nullif(event_number, 0) as x from events",
    ),
    (
        "division of decimals",
        "select event_number / 1000.0 as x from events",
        "select event_number / 1000 as x from events",
    ),
    (
        "sum of doubles",
        "select sum(case when value > 0 then cast(value as double) end) as total from events",
        "select cast(sum(case when value > 0 then value end) as double) as total from events",
    ),
    (
        "double cast to an integer",
        "select cast(page_count / 2 as bigint) as half from events",
        "select cast(floor(page_count / 2) as bigint) as half from events",
    ),
    (
        "double cast to text",
        "select cast(cast(value as double) as varchar) as spelled from events",
        "select cast(value as varchar) as spelled from events",
    ),
    (
        "try_cast to an integer",
        "select try_cast(properties ->> 'count' as bigint) as item_count from events",
        "select case when regexp_matches(properties ->> 'count', '^[0-9]{1,18}$')"
        " then cast(properties ->> 'count' as bigint) end as item_count from events",
    ),
    (
        "a type that Spark reads as another",
        "select cast(page_count as hugeint) as x from events",
        "select cast(page_count as decimal(38, 0)) as x, cast(pages as varchar[]) as y from events",
    ),
    (
        "a type that Spark reads as another",
        "select cast(event_time as timestamptz) as x from events",
        "select cast(event_time as timestamp) as x from events",
    ),
    (
        "at time zone",
        "select event_time at time zone 'UTC' as x from events",
        "select event_time >= $day_start and event_time < $day_end as x from events",
    ),
    (
        "date - date",
        "select event_date - session_date as x from events",
        "select date_diff('day', session_date, event_date) as x, event_date - 1 as y from events",
    ),
    (
        "date_diff in other than microseconds, or days of dates",
        "select date_diff('second', event_time, ended_at) as x from events",
        "select date_diff('microsecond', event_time, ended_at) // 1000000 as x from events",
    ),
    (
        "date_diff in other than microseconds, or days of dates",
        "select date_diff('day', event_time, ended_at) as x from events",
        "select date_diff('day', cast(event_time as date), cast(ended_at as date)) as x from events",
    ),
    (
        "extract of an uncommon part",
        "select extract(isodow from event_time) as x from events",
        "select extract(hour from event_time) as x from events",
    ),
    (
        "window without order by",
        "select row_number() over (partition by visitor_id) as n from events",
        "select row_number() over (partition by visitor_id order by event_time, event_id) as n from events",
    ),
    (
        "window without order by",
        "select last_value(page_path ignore nulls) over visits as x from events window visits as (partition by site)",
        "select last_value(page_path ignore nulls) over visits as x from events"
        " window visits as (partition by site order by event_time, event_id)",
    ),
    (
        "window without order by",
        "select sum(page_count) over (partition by site rows between 1 preceding and current row) as x from events",
        "select sum(page_count) over (partition by site) as x from events",
    ),
    (
        "list without list_sort, or with order by",
        "select list(page_path order by event_time, event_id) as pages from events",
        "select list_transform(list_sort(list({'t': event_time, 'id': event_id, 'x': page_path})), lambda r: r.x)"
        " as pages from events",
    ),
    (
        "list without list_sort, or with order by",
        "select array_length(array_agg(page_path)) as n, list(page_path) as pages from events",
        "select list_sort(list(page_path) filter (where page_path is not null)) as pages from events",
    ),
    (
        "string_agg without order by",
        "select string_agg(page_path, ' > ') as path from events",
        "select string_agg(page_path, ' > ' order by event_number) as path from events",
    ),
    (
        "regexp_replace other than of all matches by plain text",
        "select regexp_replace(page_path, '[0-9]+', '{id}') as action from events",
        "select regexp_replace(page_path, '[0-9]+', '{id}', 'g') as action from events",
    ),
    (
        "regexp_replace other than of all matches by plain text",
        r"select regexp_replace(page_path, '^/(..)/', '\1', 'g') as language from events",
        "select regexp_extract(page_path, '^/(..)/', 1) as language from events",
    ),
    (
        "options of a regular expression",
        "select regexp_matches(page_path, 'cart', 'i') as is_cart from events",
        "select regexp_matches(page_path, '(?i)cart') as is_cart from events",
    ),
    (
        "trim without characters",
        "select trim(page_path) as x from events",
        "select trim(page_path, ' ') as x from events",
    ),
    (
        "unnest with ordinality",
        "select p.page from events as e cross join unnest(e.pages) with ordinality as p(page, n)",
        "select p.page from events as e cross join unnest(e.pages) as p(page)",
    ),
    (
        "distinct on",
        "select distinct on (visitor_id) visitor_id, event_id from events order by visitor_id, event_time",
        "select visitor_id, event_id from events"
        " qualify row_number() over (partition by visitor_id order by event_time, event_id) = 1",
    ),
    (
        "limit without order by",
        "select event_id from events limit 10",
        "select event_id from events order by event_time, event_id limit 10",
    ),
)

EVENTS = """
create table events (
    event_id varchar, site varchar, visitor_id varchar, event_name varchar, event_time timestamp, ended_at timestamp,
    event_date date, session_date date, event_number bigint, page_count bigint, page_path varchar, pages varchar[],
    utm_source varchar, value decimal(18, 6), properties varchar
)
"""

PARAMETERS = {
    "day_start": datetime(2026, 1, 1),
    "day_end": datetime(2026, 1, 2),
    "event_date": date(2026, 1, 1),
    "inactivity_minutes": 30,
    "max_microseconds": 86_400_000_000,
}


@pytest.mark.parametrize("model", models.names())
def test_model_is_portable(model: str) -> None:
    sql = models.text(model)
    if any(name in sql for name in MACROS):
        sql = expand(sqlglot.parse_one(sql, read="duckdb")).sql("duckdb", comments=False)
    assert "\n".join(map(str, find_violations(sql))) == ""
    spark = to_spark(sql)
    assert sqlglot.parse_one(spark, read="spark").sql("spark", pretty=True, comments=False) == spark


@pytest.fixture(scope="module")
def events() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(EVENTS)
        yield connection


@pytest.mark.parametrize(("construct", "bad", "good"), CASES, ids=[case[0] for case in CASES])
def test_construct_is_found_and_its_alternative_accepted(
    construct: str, bad: str, good: str, events: duckdb.DuckDBPyConnection
) -> None:
    assert {violation.construct for violation in find_violations(bad)} == {construct}
    assert find_violations(good) == []
    events.execute(good, {name: PARAMETERS[name] for name in re.findall(r"\$([a-z_]+)", good)})
    sqlglot.parse_one(to_spark(good), read="spark")


def test_every_form_has_a_case() -> None:
    assert {form.construct for form in FORMS} <= {construct for construct, _, _ in CASES}


def test_own_names_comments_and_texts_are_accepted() -> None:
    assert find_violations("with hash(first) as (select 1 as first) select h.random from hash as h(random)") == []
    assert find_violations("-- now() is never called, \n select 'random(), ' as word from events") == []


def test_violation_has_a_line_and_an_alternative() -> None:
    found = find_violations("select\n    event_id,\n    epoch_us(event_time) as t\nfrom events limit 1")
    assert list(map(str, found)) == [
        "line 3: epoch_us. Write date_diff('microsecond', a, b).",
        "line 4: limit without order by. Write order by ... limit.",
    ]
