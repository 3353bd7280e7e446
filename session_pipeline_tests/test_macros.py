"""Tests the table macros of the warehouse: on native tables, on views, in an export, and against other tables."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline.engines.sql import query_text
from session_pipeline.publish import reader
from session_pipeline.publish.macros import MACROS
from session_pipeline.tables import models
from session_pipeline_tests.deployment import Deployment

PATHS = (
    ("anna", "home search product cart purchase"),
    ("ben", "home search product"),
    ("carl", "home search search product cart cart"),
    ("dora", "home"),
    ("emil", "cart search cart purchase"),
    ("gina", "(start) help"),
    ("hugo", "help (end)"),
    ("ida", "help"),
    ("bot", "home search product cart purchase"),
)


def line(visitor: str, place: int, action: str) -> dict[str, Any]:
    agent = "Googlebot/2.1 (+http://www.google.com/bot.html)" if visitor == "bot" else None
    return {
        "visitor_id": visitor,
        "event_name": action,
        "event_time": f"2026-10-05T10:{place:02d}:00Z",
        **({"user_agent": agent} if agent else {}),
    }


@pytest.fixture(scope="module", params=["tables", pytest.param("views", marks=pytest.mark.long)])
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    limit = {"tables": 0.2, "views": 0.0}[request.param]
    deployment = Deployment(tmp_path_factory.mktemp("macros"), {"publish": {"native_limit_gb": limit}})
    lines = [line(visitor, place, action) for visitor, path in PATHS for place, action in enumerate(path.split())]
    times = (("basket", "00:00"), ("basket", "00:50"), ("look", "01:00"), ("pay", "01:40"))
    lines += [line("fred", 0, action) | {"event_time": f"2026-10-05T10:{time}Z"} for action, time in times]
    deployment.deliver("lines", lines)
    deployment.run()
    return deployment


def test_every_macro_is_described() -> None:
    sql = models.macros() + query_text("session_pipeline.publish", "macros")
    created = re.findall(r"create or replace macro (\w+)", sql)
    assert set(created) == MACROS.keys(), "publish/macros.py describes each macro: comments, `query --tables`"


@pytest.mark.long
def test_paths_after_counts_what_follows_an_action(warehouse: Deployment) -> None:
    found = warehouse.query("select path, session_count, converted_count from paths_after('search', step_count := 2)")
    assert found == [
        ("cart > purchase", 1, 1),
        ("product > (end)", 1, 0),
        ("product > cart", 1, 1),
        ("search > product", 1, 0),
    ]
    assert warehouse.query("select path, session_count from paths_after('purchase')") == [("(end)", 2)]


def test_paths_before_counts_what_precedes_an_action(warehouse: Deployment) -> None:
    found = warehouse.query("select path, session_count, share from paths_before('search', step_count := 1)")
    assert found == [("home", 3, 0.75), ("cart", 1, 0.25)]
    found = warehouse.query("select path, session_count from paths_before('search', step_count := 2)")
    assert found == [("(start) > home", 3), ("(start) > cart", 1)]
    assert warehouse.query("select path, session_count from paths_before('home')") == [("(start)", 4)]


def test_actions_named_like_an_end_differ_from_it(warehouse: Deployment) -> None:
    found = warehouse.query("select path, session_count from paths_after('help', step_count := 1)")
    assert found == [("(end)", 2), ("action (end)", 1)]
    found = warehouse.query("select path, session_count from paths_before('help', step_count := 1)")
    assert found == [("(start)", 2), ("action (start)", 1)]


def test_ad_hoc_funnel_counts_sessions_within_its_window(warehouse: Deployment) -> None:
    funnel = "select step_number, step, session_count from ad_hoc_funnel(['cart', 'search', 'purchase']{})"
    assert warehouse.query(funnel.format("")) == [(1, "cart", 3), (2, "search", 1), (3, "purchase", 1)]
    assert warehouse.query(funnel.format(", 179"))[2] == (3, "purchase", 0)
    assert warehouse.query(funnel.format(", 180"))[2] == (3, "purchase", 1)
    assert warehouse.query(funnel.format(", 3600"))[2] == (3, "purchase", 1)
    assert warehouse.query(funnel.format(", 179.5"))[2] == (3, "purchase", 0)
    assert warehouse.query(funnel.format(", 6048000000000000"))[2] == (3, "purchase", 1)
    rates = warehouse.query("select conversion_rate, step_conversion_rate from ad_hoc_funnel(['search', 'cart'])")
    assert rates == [(1.0, None), (0.75, 0.75)]


def test_latest_of_several_first_steps_has_the_most_time_left(warehouse: Deployment) -> None:
    """The purchase is 100 s after the first time at the basket, and 50 s after the second."""
    funnel = "select session_count from ad_hoc_funnel(['basket', 'look', 'pay'], window_seconds := {})"
    assert warehouse.query(funnel.format(80)) == [(1,), (1,), (1,)]
    assert warehouse.query(funnel.format(49)) == [(1,), (1,), (0,)]


def test_step_can_be_one_of_several_actions(warehouse: Deployment) -> None:
    found = warehouse.query("select step, session_count from ad_hoc_funnel([['home', 'help'], ['product'], ['cart']])")
    assert found == [("home or help", 7), ("product", 3), ("cart", 2)]
    found = warehouse.query("select session_count from ad_hoc_funnel([['cart', 'search'], ['cart', 'search']])")
    assert found == [(4,), (3,)]  # an action is one step only
    assert warehouse.query("from ad_hoc_funnel([['cart'], ['search']])") == warehouse.query(
        "from ad_hoc_funnel(['cart', 'search'])"
    )


def test_step_is_a_later_action(warehouse: Deployment) -> None:
    found = warehouse.query("select session_count from ad_hoc_funnel(['cart', 'cart', 'cart'])")
    assert found == [(3,), (2,), (0,)]


def test_days_limit_the_sessions(warehouse: Deployment) -> None:
    for call in (
        "paths_after('home', first_day := '2026-10-06')",
        "paths_before('cart', last_day := '2026-10-04')",
        "ad_hoc_funnel(['home', 'cart'], first_day := '2026-10-06')",
    ):
        assert warehouse.query(f"select coalesce(sum(session_count), 0) from {call}") == [(0,)]
    assert warehouse.query("select sum(session_count) from paths_after('home', last_day := '2026-10-05')") == [(4,)]


def test_arguments_can_be_named(warehouse: Deployment) -> None:
    for name, macro in MACROS.items():
        with reader.connect(warehouse.folder.path) as connection:
            found = connection.execute(
                "select parameters from duckdb_functions() where function_name = $1", [name]
            ).fetchall()
        assert found == [([argument.name for argument in macro.arguments],)]
    assert warehouse.query("select path, session_count from paths_after(given_action := 'purchase')") == [("(end)", 2)]
    found = warehouse.query("select step, session_count from ad_hoc_funnel(given_steps := ['cart', 'purchase'])")
    assert found == [("cart", 3), ("purchase", 2)]


@pytest.mark.long
def test_bounds_are_those_of_the_wilson_interval(warehouse: Deployment) -> None:
    from statsmodels.stats.proportion import (
        proportion_confint,  # takes seconds, which each worker of the tests would need
    )

    counts = ((0, 10), (3, 10), (10, 10), (71, 2351), (15_000, 30_000))
    values = ", ".join(f"({part}, {whole})" for part, whole in counts)
    bounds = ", ".join(f"wilson_{side}(part / whole, whole, 1.959964)" for side in ("low", "high"))
    found = warehouse.query(f"select {bounds} from (values {values}) as counts (part, whole)")
    for (part, whole), row in zip(counts, found, strict=True):
        assert row == pytest.approx(proportion_confint(part, whole, method="wilson"), abs=1e-6)
    assert warehouse.query("select wilson_low(null, 0, 1.96), wilson_high(0.5, 0, 1.96)") == [(None, None)]
    assert warehouse.query("select wilson_low(null, 10, 1.96), wilson_high(null, 10, 1.96)") == [(None, None)]


def test_labels_and_kinds_of_actions_are_those_of_the_tables_of_paths(warehouse: Deployment) -> None:
    labels = "select distinct path_label(action) from session_actions where not is_bot"
    found = "select distinct from_action from action_transitions where from_action <> '(start)'"
    assert {*warehouse.query(found)} == {*warehouse.query(labels)}
    assert warehouse.query("select path_label('(start)'), kind_of_action('/a/b/7'), kind_of_action('search')") == [
        ("action (start)", "/a/b/…", "(other event)")
    ]


def test_site_limits_the_sessions(warehouse: Deployment) -> None:
    for call in ("paths_after('home'", "paths_before('cart'", "ad_hoc_funnel(['home', 'cart']"):
        of_all = warehouse.query(f"from {call})")
        assert warehouse.query(f"from {call}, given_site := null)") == of_all
        assert warehouse.query(f"from {call}, given_site := 'main')") == of_all
        assert warehouse.query(f"select coalesce(sum(session_count), 0) from {call}, given_site := 'another')") == [
            (0,)
        ]


@pytest.mark.parametrize("macro", ["paths_after", "paths_before"])
@pytest.mark.parametrize("count", ["0", "-1", "null", "1.5"])
def test_paths_need_a_number_of_actions(warehouse: Deployment, macro: str, count: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=f"step_count of {macro} must be a whole number"):
        warehouse.query(f"from {macro}('home', step_count := {count})")


@pytest.mark.parametrize(
    "steps", ["'cart'", "[]", "null", "['cart', null]", "[['cart'], []]", "[['cart'], null]", "[['cart', null]]"]
)
def test_ad_hoc_funnel_needs_a_list_of_actions(warehouse: Deployment, steps: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="ad_hoc_funnel needs a list of actions"):
        warehouse.query(f"from ad_hoc_funnel({steps})")


@pytest.mark.parametrize("window", ["-1", "'cart'"])
def test_ad_hoc_funnel_needs_a_window_from_0(warehouse: Deployment, window: str) -> None:
    """The first step has no time before it, so it would count without an error."""
    with pytest.raises(duckdb.InvalidInputException, match="window_seconds of ad_hoc_funnel must be at least 0"):
        warehouse.query(f"from ad_hoc_funnel(['cart', 'purchase'], {window})")
    assert warehouse.query("select session_count from ad_hoc_funnel(['cart', 'purchase'], 0)") == [(3,), (0,)]


@pytest.mark.long
def test_export_has_the_macros(warehouse: Deployment, tmp_path: Path) -> None:
    from session_pipeline.cli.exporting import export

    export(tmp_path / "export.duckdb", data=warehouse.folder.path)
    with closing(duckdb.connect(str(tmp_path / "export.duckdb"), read_only=True)) as connection:
        found = connection.execute("select path, session_count from paths_after('purchase')").fetchall()
        comments = connection.execute(
            "select function_name, comment from duckdb_functions() where database_name = 'export' and not internal"
        ).fetchall()
    assert found == [("(end)", 2)]
    assert {name for name, comment in comments if comment} == MACROS.keys()
