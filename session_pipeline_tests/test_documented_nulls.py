"""Tests that columns are null only where their meaning says so, and that the bounds of a rate contain it."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from session_pipeline.engines.connections import private_connection
from session_pipeline.tables import TABLES, models
from session_pipeline_tests.deployment import Deployment

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"
FUNNEL = {
    "steps": [{"name": name, "where": f"event_name = '{name}'"} for name in ("cart", "pay")],
    "exclusions": [{"where": "event_name = 'log_out'"}],
}
SETTINGS: dict[str, dict[str, Any]] = {
    "no signals": {"friction": {"signals": []}},
    "any entry, by device": {"funnels": [{"name": "shop", "entry": "any", "breakdown": "device", **FUNNEL}]},
    "each attempt": {"funnels": [{"name": "shop", "grain": "attempt", **FUNNEL}]},
}
# Visitor, minute and event name, with a page or None, and with a user agent or None.
EVENTS = (
    ("ann", 0, "page_view", "https://shop.example/a", None),
    ("ann", 1, "pay", "/pay", None),
    ("ann", 2, "pay", None, None),
    ("ben", 0, "cart", None, "curl/8"),
    ("ben", 1, "log_out", None, "curl/8"),
    ("dan", 0, "scroll", None, None),
    ("eve", 0, "page_view", "shop.example", BOT),
)


@pytest.fixture(scope="module", params=SETTINGS)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("nulls"), SETTINGS[request.param])
    deployment.deliver(
        "lines",
        [
            {
                "visitor_id": visitor,
                "event_time": f"2024-03-15T10:{minute:02}:00Z",
                "event_name": name,
                "page_url": page,
                "user_agent": agent,
            }
            for visitor, minute, name, page, agent in EVENTS
        ],
    )
    deployment.run()
    return deployment


def undocumented_nulls(deployment: Deployment) -> list[str]:
    """Return the columns that have a null, and whose meaning does not say when."""
    with duckdb.connect(deployment.folder.warehouse, read_only=True) as warehouse:
        return [
            f"{name}.{column.name}"
            for name, table in TABLES.items()
            if table.is_published and (name,) in warehouse.sql("select table_name from duckdb_columns()").fetchall()
            for column in table.columns
            if "null" not in column.meaning.lower()
            and warehouse.sql(f'from {name} where "{column.name}" is null limit 1').fetchall()
        ]


def test_columns_are_null_only_where_their_meaning_says_so(deployment: Deployment) -> None:
    assert undocumented_nulls(deployment) == []


def test_columns_of_the_sample_are_null_only_where_their_meaning_says_so(sample_deployment: Deployment) -> None:
    assert undocumented_nulls(sample_deployment) == []


@pytest.fixture(scope="module")
def macros() -> Iterator[duckdb.DuckDBPyConnection]:
    with private_connection(threads=1) as connection:
        connection.execute(models.macros())
        yield connection


def test_wilson_interval_contains_its_rate(macros: duckdb.DuckDBPyConnection) -> None:
    outside = """
        with rates as (
            select count, total, count / total as rate
            from generate_series(1, 400) as totals (total), generate_series(0, 400) as counts (count)
            where count <= total
        )
        select count, total
        from rates
        where not (
            0 <= wilson_low(rate, total, 1.959963984540054)
            and wilson_low(rate, total, 1.959963984540054) <= rate
            and rate <= wilson_high(rate, total, 1.959963984540054)
            and wilson_high(rate, total, 1.959963984540054) <= 1
        )
    """
    assert macros.sql(outside).fetchall() == []


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [  # R. G. Newcombe, Two-sided confidence intervals for the single proportion, 1998, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # what prop.test(correct = FALSE) of R gives
        (0, 1, 0.0000, 0.7935),
        (1, 1, 0.2065, 1.0000),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0000),
    ],
)
def test_wilson_intervals_are_the_published_ones(
    count: int, total: int, low: float, high: float, macros: duckdb.DuckDBPyConnection
) -> None:
    z = 1.959963984540054
    found = macros.execute("select wilson_low($1 / $2, $2, $3), wilson_high($1 / $2, $2, $3)", [count, total, z])
    assert found.fetchone() == pytest.approx((low, high), abs=0.00005)
