"""Tests that the queries of docs/queries.md are correct: their results, several sites, bots, days without sessions."""

import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from session_pipeline.publish import reader
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documented_output import OUTPUT_AGAIN, QUERIES, answer, with_answers
from session_pipeline_tests.documents import ROOT, Block, blocks

SQL = [block for block in blocks(QUERIES.read_text()) if block.language == "sql"]
# Changes are looked for from the 29th day on, and the sample has seven days. The page says so below the query.
NEEDS_MORE_DAYS = "16. What changed, and what should we look at first?"


def test_queries_are_numbered() -> None:
    assert [block.heading.partition(".")[0] for block in SQL] == [str(number + 1) for number in range(len(SQL))]


def test_query_results_equal_the_page(sample_deployment: Deployment) -> None:
    with reader.connect(sample_deployment.folder.path) as warehouse:
        without_rows = {block.heading for block in SQL if answer(warehouse, block.code).count("\n") <= 2}
        assert without_rows == {NEEDS_MORE_DAYS}
        assert with_answers(QUERIES.read_text(), warehouse) == QUERIES.read_text(), OUTPUT_AGAIN


# Of two sites with equal visits, this lists single sessions. All other queries count both sites, or have rows for each.
LISTS_SESSIONS = "28. How do I give everything about sessions to a spreadsheet or a BI tool?"
INTERVAL = ("low", "high")
NUMBERS = {"step_number", "next_number", "days_after", "rank"}  # all other whole and decimal numbers are sums


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The committed sample, delivered for two sites."""
    deployment = Deployment(tmp_path_factory.mktemp("two_sites") / "data")
    settings = (ROOT / "data" / "settings.toml").read_text()
    deployment.folder.settings.write_text(f"{settings}\n[sources.again]\nsite = 'again'\n")
    for source in ("sample", "again"):
        shutil.copytree(ROOT / "data" / "raw" / "sample", deployment.folder.raw / source)
    deployment.run()
    return deployment


def rows_of(deployment: Deployment, sql: str) -> list[dict[str, Any]]:
    """Return all rows of a query, also those beyond its limit."""
    with reader.connect(deployment.folder.path) as warehouse:
        cursor = warehouse.execute(re.sub(r"\nlimit \d+\s*$", "", sql))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a row is about: its texts, dates and numbers of an order."""
    return tuple(
        value for name, value in row.items() if isinstance(value, str | date) or name in NUMBERS or name == "site"
    )


# One test for all queries: several could be run by two processes, and each would build both sites.
@pytest.mark.long
def test_queries_distinguish_sites_or_add_them_up(
    sample_deployment: Deployment, two_sites: Deployment, subtests: pytest.Subtests
) -> None:
    for block in SQL:
        with subtests.test(block.heading):
            require_both_sites(block, sample_deployment, two_sites)


def require_both_sites(block: Block, sample_deployment: Deployment, two_sites: Deployment) -> None:
    one, two = rows_of(sample_deployment, block.code), rows_of(two_sites, block.code)
    found = {key_of(row): row for row in two}
    assert len(found) == len(two), "two rows look the same"
    if any("site" in row for row in two):
        for site in ("main", "again"):
            assert [row | {"site": "main"} for row in two if row["site"] == site] == one
        return
    for row in one:
        factor = 1 if block.heading == LISTS_SESSIONS else 2
        for name, value in found[key_of(row)].items():
            is_sum = isinstance(value, int | Decimal) and not isinstance(value, bool) and name not in NUMBERS
            expected = factor * row[name] if is_sum else row[name]
            if name in INTERVAL:
                assert abs(value - row["purchase_rate"]) < abs(expected - row["purchase_rate"])  # of twice as many
            else:
                assert value == pytest.approx(expected, abs=1 if name == "minutes_lost" else None), name


def query(number: int) -> str:
    return SQL[number - 1].code


def test_rules_for_currencies_local_times_and_dimensions_hold(sample_deployment: Deployment) -> None:
    """What the rules say to write: it runs, and the sums are those of the tables of counts."""
    rules = QUERIES.read_text().partition("rules for correct numbers:")[2].partition("\n## ")[0]
    for text in ("`session_outcomes` where `is_converted` by `currency`", "at time zone 'UTC' at time zone"):
        assert text in rules
    by_currency = "select sum(value) from session_outcomes where is_converted and not is_bot group by currency"
    assert (
        sum(value or 0 for [value] in sample_deployment.query(by_currency))
        == sample_deployment.query("select sum(value) from daily_summary")[0][0]
    )
    [[earlier]] = sample_deployment.query("""
        select distinct date_diff('minute', started_at, started_at at time zone 'UTC' at time zone 'Asia/Kolkata')
        from sessions
    """)
    assert earlier == 330
    in_dimensions = sample_deployment.query("select sum(session_count) from daily_breakdowns group by dimension")
    assert {*in_dimensions} == {*sample_deployment.query("select sum(session_count) from daily_summary")}


def test_advice_on_lists_in_a_text_finds_exact_names(sample_deployment: Deployment) -> None:
    advice = "list_contains(string_split(friction_signals, ', '), 'repeat')"
    assert f"`{advice}`" in QUERIES.read_text()
    exact, similar = (
        sample_deployment.query(f"select count(*) from session_facts where {condition}")
        for condition in (advice, "friction_signals like '%repeat%'")
    )
    signals = "select count(distinct session_id) from session_friction where signal = 'repeat'"
    assert exact == sample_deployment.query(signals) != similar


def test_query_of_lines_does_not_call_erased_ones_waiting() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("create table source_files as select 10 as line_count, 3 as erased_count")
        for name, count in (("quarantined_lines", 1), ("duplicate_events", 2), ("events", 4)):
            warehouse.execute(f"create table {name} as select 1 from range({count})")
        assert warehouse.execute(query(11)).fetchall() == [(10, 3, 1, 2, 4, 0)]


def test_query_of_search_terms_ignores_capital_letters_and_spaces() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table events as
            select session_id, 1 as event_number, 'search' as event_name, search_term
            from (values ('s1', 'Red  Lamp'), ('s2', 'red lamp '), ('s2', 'wok')) as searches (session_id, search_term)
        """)
        warehouse.execute("""
            create table session_facts as
            select unnest(['s1', 's2']) as session_id, 'engaged' as outcome, false as is_bot
        """)
        assert warehouse.execute(query(10)).fetchall() == [("red lamp", 2, 0, 0), ("wok", 1, 0, 0)]


def test_query_of_actions_has_days_without_user_agents() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table action_visits as
            select '/cart' as action, * from (values
                ('all', 'all', 10, 5), ('device', 'mobile', 4, 1), ('device', '(none)', 6, 4),
                ('all', 'all', 90, 5), ('channel', 'direct', 90, 5)
            ) as counts (dimension, dimension_value, session_count, converted_count)
        """)
        assert warehouse.execute(query(15)).fetchall() == [("/cart", 100, 0.1, 0.25)]


def test_query_of_hard_times_leaves_out_visits_that_cannot_show_them() -> None:
    columns = ("error_count", "u_turn_count", "repeated_search_count", "seconds_lost")
    nulls = ", ".join(f"null::bigint as {name}" for name in columns)
    with duckdb.connect() as warehouse:
        warehouse.execute("create table daily_summary as select date '2026-10-05' as session_date")
        warehouse.execute(f"""
            create table action_friction as
            select date '2026-10-05' as session_date, '/' as action, session_count, hard_time_count, {nulls}
            from (values (100, 10), (300, null)) as counts (session_count, hard_time_count)
        """)
        assert warehouse.execute(query(13)).fetchall()[0][:4] == ("/", 400, 10, 0.1)


def test_queries_find_their_days_in_the_data() -> None:
    assert [block.heading for block in SQL if re.search(r"\d{4}-\d{2}-\d{2}", block.code)] == []


def not_numbers(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows that have NaN or infinity, the results of a division by 0."""
    rows = warehouse.execute(sql).fetchall()
    return [row for row in rows if any(isinstance(value, float) and not math.isfinite(value) for value in row)]


@pytest.fixture(scope="module")
def day_of_bots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A day on which a visitor dropped out of the checkout, and a day on which only a bot came."""
    deployment = Deployment(tmp_path_factory.mktemp("day_of_bots") / "data")
    events = [
        ("a", "2026-10-05T10:00:00Z", "add_to_cart", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Firefox/130.0"),
        ("b", "2026-10-06T10:00:00Z", "add_to_cart", "curl/8.4.0"),
    ]
    names = ("visitor_id", "event_time", "event_name", "user_agent")
    deployment.deliver("events", [dict(zip(names, event, strict=True)) for event in events])
    deployment.run(date(2026, 10, 7))
    with reader.connect(deployment.folder.path) as warehouse:
        yield warehouse


@pytest.mark.long
def test_queries_divide_by_no_zero(day_of_bots: duckdb.DuckDBPyConnection, subtests: pytest.Subtests) -> None:
    for block in SQL:
        with subtests.test(block.heading):
            assert not_numbers(day_of_bots, block.code) == []


def test_query_of_channels_works_with_all_dimensions(sample_deployment: Deployment) -> None:
    with reader.connect(sample_deployment.folder.path) as warehouse:
        dimensions = warehouse.execute("select distinct dimension from daily_breakdowns").fetchall()
        assert ("device",) in dimensions
        for (dimension,) in dimensions:
            sql = query(3).replace("'channel'", f"'{dimension}'")
            assert not_numbers(warehouse, sql) == []
            assert [row for row in warehouse.execute(sql).fetchall() if row[1] == 0] == []


def test_query_of_days_has_no_rates_on_days_of_bots() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table daily_summary as
            select date '2026-10-05' as session_date, 'main' as site, 0 as session_count, 0 as visitor_count,
                0 as engaged_count, 0 as converted_count, null::decimal(38, 6) as value, true as is_final
        """)
        assert warehouse.execute(query(1)).fetchall() == [
            (date(2026, 10, 5), "main", 0, 0, None, None, None, True),
        ]


def test_query_of_funnel_has_no_share_without_attempts() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table funnel_steps as
            select 'checkout' as funnel, 1 as step_number, 'cart' as step, 1 as entered_count, 1 as excluded_count,
                0 as reached_count, 0 as dropped_count
        """)
        assert warehouse.execute(query(4)).fetchall() == [(1, "cart", 0, 0, None)]


def create_checkout(warehouse: duckdb.DuckDBPyConnection, *attempts: tuple[Any, ...]) -> None:
    """Create the tables of a funnel and its attempts: site, visitor, time of the last step, action after it."""
    warehouse.execute("create table funnel_steps as select 'checkout' as funnel, 1 as step_number, 'cart' as step")
    warehouse.execute("""
        create table funnel_entries (
            funnel varchar, step_reached bigint, site varchar, visitor_id varchar, last_step_at timestamp,
            dropped_to_action varchar, dropped_to_action_2 varchar, dropped_to_action_3 varchar,
            is_converted boolean, is_excluded boolean, is_bot boolean
        )
    """)
    for attempt in attempts:
        warehouse.execute(
            "insert into funnel_entries values ('checkout', 1, $1, $2, $3, $4, null, null, false, false, false)",
            attempt,
        )


def test_query_of_drops_counts_all_actions_of_all_days() -> None:
    shops = [f"/{letter}" for letter in "abcdefghijkl"]  # funnel_drops names ten actions of a day
    first = [("main", page, "2026-10-05", page) for page in shops for _ in range(2)]
    second = [("main", "v", "2026-10-06", "/l")]
    with duckdb.connect() as warehouse:
        create_checkout(warehouse, *first, *second)
        assert warehouse.execute(query(5)).fetchall()[:2] == [("cart", 1, "/l", 3), ("cart", 1, "/a", 2)]


def test_query_of_later_purchases_counts_sessions_after_the_attempt() -> None:
    drop = "2026-10-05 10:00:00"
    with duckdb.connect() as warehouse:
        create_checkout(
            warehouse,
            *[("main", visitor, drop, None) for visitor in ("away", "back", "buyer", "early", "bot", "elsewhere")],
            ("main", "buyer", "2026-10-05 10:20:00", None),
        )
        warehouse.execute("""
            create table session_facts as
            select 'main' as site, visitor_id, timestamp '2026-10-05 09:50:00' as started_at,
                if(visitor_id = 'early', 'purchase', 'abandoned_cart') as outcome, false as is_bot
            from (select distinct visitor_id from funnel_entries)
            union all
            select * from (values
                ('main', 'back', timestamp '2026-10-06 10:00:00', 'bounce', false),
                ('main', 'buyer', timestamp '2026-10-06 10:00:00', 'purchase', false),
                ('main', 'buyer', timestamp '2026-10-07 10:00:00', 'bounce', false),
                ('main', 'bot', timestamp '2026-10-06 10:00:00', 'purchase', true),
                ('other', 'elsewhere', timestamp '2026-10-06 10:00:00', 'purchase', false)
            ) as later
        """)
        assert warehouse.execute(query(6)).fetchall() == [("cart", 7, 6, 3, 2)]


def test_query_of_times_to_purchase_leaves_out_excluded_attempts() -> None:
    """As funnel_steps does. An excluded attempt can be converted."""
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table funnel_entries as
            select 'product to purchase' as funnel, 'main' as site, *, true as is_converted
            from (values
                ('a', 60, false, false), ('b', 120, false, false),
                ('excluded', 60, true, false), ('bot', 60, false, true)
            ) as attempts (visitor_id, seconds_to_convert, is_excluded, is_bot)
        """)
        assert [row[:3] for row in warehouse.execute(query(7)).fetchall()] == [("within the hour", 2, 2)]


def test_query_of_searches_reads_page_views_and_excludes_sessions_of_bots() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table events as
            select * from (values
                ('bot', 1, 'search', 'lamp', false), ('bot', 2, 'page_view', null, true),
                ('pages', 1, 'page_view', 'lamp', false), ('pages', 2, 'page_view', null, false),
                ('leaves', 1, 'page_view', 'lamp', false), ('leaves', 2, 'page_view', 'wok', false),
                ('leaves', 3, 'scroll', null, false)
            ) as rows (session_id, event_number, event_name, search_term, is_bot)
        """)
        warehouse.execute("""
            create table session_facts as
            select session_id, bool_or(is_bot) as is_bot, if(session_id = 'leaves', 'bounce', 'purchase') as outcome
            from events
            group by session_id
        """)
        assert warehouse.execute(query(10)).fetchall() == [("lamp", 2, 1, 0), ("wok", 1, 0, 1)]


def test_query_of_changed_days_has_values_that_appeared_or_disappeared() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table _day_history as
            select date '2026-10-05' as session_date, 'main' as site, 'late file' as reason, changed_at,
                1 as session_count_before, 1 as session_count_after, value_before, value_after
            from (values (1, null, 7), (2, 7, null), (3, null, null)) as days (changed_at, value_before, value_after)
        """)
        assert [row[-1] for row in warehouse.execute(query(12)).fetchall()] == [7, -7, 0]


def test_condition_for_changed_days_keeps_a_late_first_row_of_a_site() -> None:
    condition = re.search(r"`(where reason .+)`", QUERIES.read_text())
    assert condition
    with duckdb.connect() as warehouse:
        warehouse.execute("""
            create table _day_history as
            select date '2026-10-05' as session_date, unnest([
                '2026-10-05 is a new day', '2026-10-06 is a new day', 'file b/late.jsonl'
            ]) as reason
        """)
        kept = warehouse.execute(f"select reason from _day_history {condition[1]} order by reason").fetchall()
    assert kept == [("2026-10-06 is a new day",), ("file b/late.jsonl",)]


def test_query_of_alerts_leaves_out_alerts_before_the_last_two_weeks() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("create table daily_summary as select date '2026-11-30' as session_date")
        warehouse.execute("""
            create table progress_changes as
            select day as session_date, 'main' as site, '' as sentence, day as since, 1 as associated_lost,
                1 as associated_lost_value, 1 as score, null as example_session_ids, true as is_alert
            from (values (date '2026-11-16'), (date '2026-11-17')) as days (day)
        """)
        assert [row[0] for row in warehouse.execute(query(16)).fetchall()] == [date(2026, 11, 17)]
        warehouse.execute("delete from progress_changes where session_date > date '2026-11-16'")
        assert warehouse.execute(query(16)).fetchall() == []


def test_first_query_excludes_bots(sample_deployment: Deployment) -> None:
    first = re.search(r'session-pipeline query "(.+)"', QUERIES.read_text())
    assert first
    with reader.connect(sample_deployment.folder.path) as warehouse:
        counted = dict(warehouse.execute(first[1]).fetchall())
        people = warehouse.execute("select outcome, sum(session_count) from daily_outcomes group by outcome").fetchall()
        everybody = warehouse.execute("select count(*) from session_outcomes").fetchone()
    assert counted == {outcome: count for outcome, count in people if count}
    assert everybody
    assert sum(counted.values()) < everybody[0]


# The channels of a visitor's sessions, each with the days since the one before, and the channel of the last session in
# Google Analytics: the examples of its page about attribution models, and its lookback window of 90 days.
LAST_CHANNELS = (
    ("display 1 organic_social 1 paid_search 1 organic_search", "organic_search"),
    ("display 1 organic_social 1 paid_search 1 email", "email"),
    ("display 1 organic_social 1 paid_search 1 direct", "paid_search"),
    ("direct 1 direct", "direct"),
    ("email 0 direct", "email"),
    ("paid_search 90 direct", "paid_search"),
    ("paid_search 91 direct", "direct"),
    ("paid_search 89 direct 6 direct", "direct"),
    ("organic_search 1 direct 1 affiliates 0 direct", "affiliates"),
)


@pytest.mark.parametrize(("visits", "expected"), LAST_CHANNELS)
def test_query_of_last_channels_counts_like_google_analytics(visits: str, expected: str) -> None:
    channels, pauses = visits.split()[::2], [0, *map(int, visits.split()[1::2])]
    rows = [
        (channel, sum(pauses[:number]), number, is_bot)
        for number, channel in enumerate(channels, start=1)
        for is_bot in (False, True)
    ]
    with duckdb.connect() as warehouse:
        warehouse.execute(f"""
            create table sessions as
            select 'main' as site, 'v1' as visitor_id, channel, date '2026-10-05' + days as session_date,
                day_session_number, is_bot
            from (values {", ".join(map(str, rows))}) as rows (channel, days, day_session_number, is_bot)
        """)
        found = Counter({channel: count for channel, count, _ in warehouse.execute(query(30)).fetchall()})
        warehouse.execute(f"delete from sessions where day_session_number = {len(channels)}")
        found.subtract({channel: count for channel, count, _ in warehouse.execute(query(30)).fetchall()})
    assert +found == Counter([expected])
