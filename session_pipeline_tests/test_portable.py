"""The lint of the models: each rule catches what it is for, and lets what it recommends pass and run."""

import re
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from session_pipeline import models
from session_pipeline.errors import ModelError
from session_pipeline.portable import find_violations, to_spark
from session_pipeline.portable.names import DIFFERENT
from session_pipeline.portable.rules import RULES

# What a rule calls the construct; the construct; what to write instead.
CASES = (
    # What stands between the tokens.
    (
        "trailing comma",
        "select event_id, event_name, from events",
        "select event_id, event_name from events",
    ),
    (
        "alias id",
        "select event_id id from events",
        "select event_id as id from events",
    ),
    (
        "alias e",
        "select e.event_id from events e",
        "select e.event_id from events as e",
    ),
    (
        "->> without a plain key",
        "select properties ->> 'cart.total' as total from events",
        "select properties ->> '$.cart.total' as total, properties ->> 'plan' as plan from events",
    ),
    # Functions by name.
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
        "today",
        "select event_id from events where event_date < today()",
        "select event_id from events where event_date < $event_date",
    ),
    (
        "random",
        "select event_id from events where random() < 0.1",
        "select event_id from events where md5(event_id) < '1'",
    ),
    (
        "uuid",
        "select uuid() as key from events",
        "select md5(concat_ws('|', site, event_id)) as key from events",
    ),
    (
        "setseed",
        "select setseed(0.5) as x from events",
        "select sha256(event_id) as x from events",
    ),
    (
        "timezone",
        "select timezone('UTC', event_time) as t from events",
        "select event_time >= $day_start as t from events",
    ),
    (
        "epoch",
        "select epoch(event_time) as seconds from events",
        "select date_diff('microsecond', $day_start, event_time) // 1000000 as seconds from events",
    ),
    (
        "epoch_us",
        "select epoch_us(event_time) as age from events",
        "select date_diff('microsecond', $day_start, event_time) as age from events",
    ),
    (
        "dayofweek",
        "select dayofweek(event_date) as day from events",
        "select date_diff('day', cast(date_trunc('week', event_date) as date), event_date) as day from events",
    ),
    (
        "isodow",
        "select isodow(event_date) as day from events",
        "select date_diff('day', cast(date_trunc('week', event_date) as date), event_date) as day from events",
    ),
    (
        "week",
        "select week(event_date) as week_number from events",
        "select weekofyear(event_date) as week_number from events",
    ),
    (
        "date_add",
        "select date_add(event_time, interval 1 day) as next_time from events",
        "select event_time + interval 1 day as next_time from events",
    ),
    (
        "to_minutes",
        "select event_time + to_minutes($inactivity_minutes) as ends_at from events",
        "select event_time + cast($inactivity_minutes as integer) * interval 1 minute as ends_at from events",
    ),
    (
        "strftime",
        "select strftime(event_time, '%Y-%m-%d') as day from events",
        "select cast(cast(event_time as date) as varchar) as day from events",
    ),
    (
        "arg_min",
        "select arg_min(page_path, event_number) as landing_page from events",
        "select min_by(page_path, event_number) as landing_page from events",
    ),
    (
        "arg_max",
        "select arg_max(page_path, event_number) as exit_page from events",
        "select max_by(page_path, event_number) as exit_page from events",
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
        "^",
        "select event_number ^ 2 as square from events",
        "select event_number * event_number as square from events",
    ),
    (
        "ln",
        "select ln(event_number) as x from events",
        "select sqrt(event_number) as x from events",
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
        "json_valid",
        "select json_valid(properties) as is_valid from events",
        "select properties ->> 'plan' is not null as has_plan from events",
    ),
    (
        "len",
        "select len(pages) as page_count from events",
        "select array_length(pages) as page_count, length(page_path) as path_length from events",
    ),
    (
        "list_slice",
        "select list_slice(pages, 1, 2) as pages from events",
        "select list_filter(pages, lambda page: page <> '') as pages from events",
    ),
    (
        "map",
        "select map([event_id], [page_path]) as pages from events",
        "select {'event_id': event_id, 'page': page_path} as pages from events",
    ),
    (
        "columns",
        "with paths as (select columns('page.*') from events) select page_path from paths",
        "with paths as (select page_path from events) select page_path from paths",
    ),
    (
        "generate_series",
        "select n.step_number from generate_series(1, 10) as n(step_number)",
        "select n.step_number from (values (1), (2)) as n(step_number)",
    ),
    (
        "range",
        "select n.step_number from range(10) as n(step_number)",
        "select n.step_number from (values (1), (2)) as n(step_number)",
    ),
    (
        "read_parquet",
        "select event_id from read_parquet('events.parquet')",
        "select event_id from events",
    ),
    (
        "levenshtein",  # stands for every function that nobody has compared
        "select levenshtein(page_path, utm_source) as distance from events",
        "select contains(page_path, utm_source) as is_named from events",
    ),
    # Forms of the tree, in the order of the rules.
    (
        "division by what may be zero",
        "select event_number / page_count as share from events",
        "select event_number / nullif(page_count, 0) as share, event_number / 1000 as thousands from events",
    ),
    (
        "division by what may be zero",
        "select event_number // 0 as part, event_number % page_count as rest from events",
        "select event_number // $max_microseconds as part, event_number % nullif(page_count, 0) as rest from events",
    ),
    (
        "division by what may be zero",
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
        "a type that is not shared",
        "select cast(page_count as hugeint) as x from events",
        "select cast(page_count as decimal(38, 0)) as x, cast(pages as varchar[]) as y from events",
    ),
    (
        "a type that is not shared",
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
        "extract of an odd part",
        "select extract(isodow from event_time) as x from events",
        "select extract(hour from event_time) as x from events",
    ),
    (
        "interval of a value",
        "select event_time + interval (page_count) minute as x from events",
        "select event_time + cast(page_count as integer) * interval 1 minute as x from events",
    ),
    (
        "parameter without a name",
        "select event_id from events where event_time < $1",
        "select event_id from events where event_time < $day_end",
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
        "distinct in a window",
        "select count(distinct visitor_id) over (partition by site) as x from events",
        "select site, count(distinct visitor_id) as x from events group by site",
    ),
    (
        "filter in a window",
        "select count(*) filter (where event_name = 'purchase') over (partition by site) as x from events",
        "select sum(case when event_name = 'purchase' then 1 else 0 end) over (partition by site) as x from events",
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
        "trim of spaces unsaid",
        "select trim(page_path) as x from events",
        "select trim(page_path, ' ') as x from events",
    ),
    (
        "backslash in like",
        r"select page_path like '%\' as x from events",
        r"select ends_with(page_path, '\') as x from events",
    ),
    (
        "glob or similar to",
        "select page_path glob '/shop/*' as x, page_path similar to '/shop/.*' as y from events",
        "select page_path like '/shop/%' as x, regexp_matches(page_path, '^/shop/') as y from events",
    ),
    (
        "map",
        "select map {'page': page_path} as x from events",
        "select {'page': page_path} as x from events",
    ),
    (
        "slice of a list",
        "select pages[1:2] as x from events",
        "select list_filter(pages, lambda page: page <> '') as x from events",
    ),
    (
        "list comprehension",
        "select [page for page in pages if page <> ''] as x from events",
        "select list_filter(pages, lambda page: page <> '') as x from events",
    ),
    (
        "unnest with ordinality",
        "select p.page from events as e cross join unnest(e.pages) with ordinality as p(page, n)",
        "select p.page from events as e cross join unnest(e.pages) as p(page)",
    ),
    (
        "unnest inside an expression",
        "select contains(unnest(pages), 'shop') as x from events",
        "with seen as (select unnest(pages) as page from events) select contains(page, 'shop') as x from seen",
    ),
    (
        "two unnests in a select",
        "select unnest(pages) as page, unnest(pages) as other from events",
        "select unnest(pages) as page from events",
    ),
    (
        "table alias equal to a column",
        "select site.event_id, site.site from events as site",
        "select e.event_id, e.site from events as e",
    ),
    (
        "distinct on",
        "select distinct on (visitor_id) visitor_id, event_id from events order by visitor_id, event_time",
        "select visitor_id, event_id from events"
        " qualify row_number() over (partition by visitor_id order by event_time, event_id) = 1",
    ),
    (
        "* in the last select",
        "with seen as (select event_id from events) select * from seen",
        "with seen as (select * from events) select event_id, count(*) as n from seen group by event_id",
    ),
    (
        "* in the last select",
        "select event_id from events union all select e.* from (select event_id from events) as e",
        "select event_id from events union all select e.event_id from (select * from events) as e",
    ),
    (
        "* replace or rename",
        "with seen as (select * replace (1 as event_number) from events) select event_id from seen",
        "with seen as (select event_id, 1 as event_number from events) select event_id from seen",
    ),
    (
        "union by name",
        "select event_id from events union all by name select event_id from events",
        "select event_id from events union all select event_id from events",
    ),
    (
        "asof or positional join",
        "select e.event_id from events as e asof join events as f on e.site = f.site and e.event_time >= f.event_time",
        "select e.event_id from events as e inner join events as f on e.site = f.site and e.event_time >= f.event_time"
        " qualify row_number() over (partition by e.event_id order by f.event_time desc, f.event_id) = 1",
    ),
    (
        "limit without order by",
        "select event_id from events limit 10",
        "select event_id from events order by event_time, event_id limit 10",
    ),
    (
        "sample",
        "select event_id from events using sample 10%",
        "select event_id from events where md5(event_id) < '1'",
    ),
    (
        "pivot",
        "select p.web from (pivot events on site using count(*)) as p",
        "select count(*) filter (where site = 'web') as web from events",
    ),
    (
        "file as a table",
        "select event_id from 'events.parquet'",
        "select event_id from events",
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

# The ways of a real model: order, carried sessions, gaps, breaks, ids, ordered lists.
VISITS = """
-- One row is a visit: a visitor's events without a gap longer than the timeout.
with arrived as (
    select
        site,
        visitor_id,
        event_id,
        event_time,
        page_path
    from events
    where event_time >= $day_start and event_time < $day_end
),

placed as (
    select
        *,
        row_number() over visitor_in_order as _place,
        lag(event_time) over visitor_in_order as _previous_time
    from arrived
    window visitor_in_order as (partition by site, visitor_id order by event_time, event_id)
),

broken as (
    select
        *,
        case
            when _previous_time is null then 'inactivity'
            when event_time - _previous_time > cast($inactivity_minutes as integer) * interval 1 minute
                then 'inactivity'
            when $split_at_midnight and _previous_time < $day_start then 'midnight'
        end as _break_reason
    from placed
),

numbered as (
    select
        *,
        last_value(case when _break_reason is not null then event_id end ignore nulls) over until_now as _first_id,
        last_value(case when _break_reason is not null then event_time end ignore nulls) over until_now as _started_at
    from broken
    window until_now as (
        partition by site, visitor_id order by _place
        rows between unbounded preceding and current row
    )
)

select
    md5(concat_ws('|', site, visitor_id, _first_id, cast(_started_at as varchar))) as visit_id,
    date_diff('microsecond', _started_at, event_time) // $max_microseconds as part,
    list_transform(
        list_sort(list({'place': _place, 'page': page_path}) filter (where page_path is not null)),
        lambda visited: visited.page
    ) as pages,
    count(*) as event_count
from numbered
group by all
having count(*) > 1
"""


@pytest.fixture
def connection():
    with duckdb.connect() as memory:
        memory.execute(EVENTS)
        yield memory


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return connection.execute(sql, {name: PARAMETERS[name] for name in parameters(sql)}).fetchall()


def parameters(sql: str) -> list[str]:
    return re.findall(r"\$([a-z_]+)", sql)


def constructs(sql: str) -> set[str]:
    return {violation.construct for violation in find_violations(sql)}


@pytest.mark.parametrize(("construct", "bad", "good"), CASES, ids=[case[0] for case in CASES])
def test_a_construct_is_caught_and_its_alternative_is_shared(construct, bad, good, connection):
    assert constructs(bad) == {construct}
    assert find_violations(good) == []
    run(connection, good)
    sqlglot.parse_one(to_spark(good), read="spark")


def test_every_rule_has_a_case():
    assert {rule.construct for rule in RULES} <= {construct for construct, _, _ in CASES}


@pytest.mark.parametrize("name", sorted(name for name in DIFFERENT if name.isidentifier()))
def test_a_function_that_differs_is_caught_in_any_case_of_letters(name):
    calls = (f"{name}(event_id)", f"{name.upper()} (event_id, 2)")
    assert any(name in constructs(f"select {call} as x from events") for call in calls)


def test_names_of_our_own_are_no_functions():
    assert find_violations("with hash(first) as (select 1 as first) select h.range from hash as h(range)") == []


def test_words_in_comments_and_texts_are_no_code():
    assert find_violations("-- now() is never asked, \n select 'random(), ' as word from events") == []


def test_a_violation_says_where_and_what_to_write():
    found = find_violations("select\n    event_id,\n    epoch_us(event_time) as t\nfrom events limit 1")
    assert [(violation.line, violation.construct) for violation in found] == [
        (3, "epoch_us"),
        (4, "limit without order by"),
    ]
    assert str(found[0]) == "line 3: epoch_us: differs or fails on Spark. Write date_diff('microsecond', a, b)."


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "select 1 as x; select 2 as y",
        "create table copies as select event_id from events",
        "insert into events select event_id from events",
        "copy events to 'events.csv'",
        "values (1)",
        "set threads = 1",
    ],
)
def test_a_model_is_one_select(sql):
    assert constructs(sql) == {"not one select"}


def test_a_semicolon_and_a_comment_may_follow():
    assert find_violations("select event_id from events; -- done") == []


def test_text_that_is_no_sql_is_a_violation_with_its_line():
    (found,) = find_violations("select event_id\nfrom events where (")
    assert (found.line, found.construct) == (2, "syntax")
    (found,) = find_violations("select 'open from events")
    assert found.construct == "syntax"


def test_spark_gets_named_parameters_for_its_own_and_total_orders_of_nulls():
    spark = to_spark(VISITS)
    tree = sqlglot.parse_one(spark, read="spark")
    assert {parameter.name for parameter in tree.find_all(exp.Placeholder)} == set(parameters(VISITS))
    assert "$" not in spark
    assert "CAST(:inactivity_minutes AS INT) * INTERVAL '1' MINUTE" in spark
    assert "ORDER BY event_time NULLS LAST, event_id NULLS LAST" in spark
    assert "DIV :max_microseconds" in spark
    assert "IGNORE NULLS" in spark
    assert "visited -> visited.page" in spark


def test_the_text_for_spark_is_sql_of_spark_to_its_last_word():
    spark = to_spark(VISITS)
    again = sqlglot.parse_one(spark, read="spark").sql("spark", pretty=True, comments=False)
    assert again == spark
    assert find_violations(VISITS) == []


def test_what_was_replaced_before_stays_a_constant():
    spark = to_spark(VISITS.replace("$split_at_midnight", "false"))
    assert "WHEN FALSE AND _previous_time < :day_start" in spark


def test_what_spark_has_no_word_for_is_refused():
    with pytest.raises(ModelError, match="cannot be put into Spark's SQL"):
        to_spark("select max(event_id, 3) as ids from events")
    with pytest.raises(ModelError, match="cannot be put into Spark's SQL"):
        to_spark("select from where")


MODELS = sorted(Path(models.__file__).parent.glob("*.sql"))


@pytest.mark.parametrize("path", MODELS, ids=[path.stem for path in MODELS])
def test_every_model_is_shared_by_duckdb_and_spark(path):
    sql = path.read_text(encoding="utf-8")
    assert "\n".join(map(str, find_violations(sql))) == ""
    spark = to_spark(sql)
    assert sqlglot.parse_one(spark, read="spark").sql("spark", pretty=True, comments=False) == spark
