"""Tests when the report says that conversions have another value than usual: not by chance."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from session_pipeline.report.figures import run_query
from session_pipeline.report.window import Window
from session_pipeline_tests.changed_reports import LAST, STEP, flaws_of, page_with
from session_pipeline_tests.deployment import Deployment

USUAL_DAYS, WEEK = range(7, 35), range(7)
Visit = tuple[int, float | None]  # days before the last one, and the value


def rows(visits: Sequence[Visit], *, currency: str | None = "EUR", **other: Any) -> list[dict[str, Any]]:
    """Return rows of session_outcomes."""
    defaults = {"site": "main", "outcome": "purchase", "is_converted": True, "is_bot": False} | other
    return [
        {"session_id": f"{currency}{number}", "session_date": LAST - timedelta(days=days), "value": value}
        | {"currency": currency}
        | defaults
        for number, (days, value) in enumerate(visits)
    ]


def found(of_tables: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return site, outcome, currency and the medians of the values that changed."""
    with duckdb.connect() as connection:
        connection.register("given", pa.Table.from_pylist(list(of_tables)))
        connection.execute(
            "create table session_outcomes as select * replace"
            " (cast(value as decimal(18, 6)) as value, cast(currency as varchar) as currency) from given"
        )
        answers = run_query(connection, "changed_values", Window((LAST,), LAST, LAST, is_full=True).parameters).rows
    names = ("site", "outcome", "currency", "week_median", "usual_median")
    return [tuple(row[name] for name in names) for row in answers]


def visits(now: float, usual: float = 50.0, *, a_day: int = 5) -> list[Visit]:
    """Return visits of four weeks with a value, and of the week after them with another one."""
    days = [*((day, usual) for day in USUAL_DAYS), *((day, now) for day in WEEK)]
    return [(day, value * factor) for day, value in days for factor in [0.6, 0.8, 1.0, 1.2, 1.6][:a_day]]


@pytest.mark.parametrize(
    ("now", "is_found"), [(50, False), (26, False), (25, True), (99, False), (100, True), (5000, True), (-50, True)]
)
def test_half_or_twice_the_usual_value_is_found(now: float, is_found: bool) -> None:
    assert found(rows(visits(now))) == [("main", "purchase", "EUR", now, 50)] * is_found


@pytest.mark.parametrize(("count", "is_found"), [(13, False), (14, True)])
def test_few_visits_can_be_chance(count: int, is_found: bool) -> None:
    many = [(day, 50.0) for day in USUAL_DAYS for _ in range(5)]
    assert bool(found(rows([*many, *((0, 0.5) for _ in range(count))]))) == is_found


def test_values_that_differ_much_are_rarely_found_by_chance() -> None:
    """Of 20 visits a week whose values differ by a factor of 4, the median often halves."""

    def quiet(seed: int) -> list[dict[str, Any]]:
        random = Random(seed)
        visits = [(day % 35, 50 * random.lognormvariate(0, 1.4)) for day in range(105)]
        return rows(visits, site=f"quiet {seed}")

    assert len(found([row for seed in range(200) for row in quiet(seed)])) <= 1


def test_currencies_sites_and_outcomes_are_compared_apart() -> None:
    usual = rows(visits(50))
    assert found([*usual, *rows([(0, 8000.0)] * 99, currency="JPY")]) == [], "a new currency"
    assert found([*usual, *rows([(0, 1.0)] * 99, outcome="contact")]) == [], "a new outcome"
    assert found([*usual, *rows(visits(5), site="b")]) == [("b", "purchase", "EUR", 5, 50)]
    assert found(rows(visits(5), currency=None)) == [("main", "purchase", None, 5, 50)]


@pytest.mark.parametrize("other", [{"is_bot": True}, {"is_converted": False}, {"currency": "XXX"}])
def test_values_that_are_no_sum_of_conversions_do_not_count(other: dict[str, Any]) -> None:
    assert found(rows(visits(5), **other)) == []


def test_conversions_that_are_all_free_are_usual() -> None:
    assert found(rows(visits(0, 0))) == []
    assert found(rows([(day, None) for day, _ in visits(0)])) == []


@pytest.mark.parametrize(("now", "is_found"), [(-9, False), (-19, False), (-20, True), (-5, True), (10, True)])
def test_negative_values_are_compared_by_size_and_sign(now: float, is_found: bool) -> None:
    """As of refunds."""
    assert found(rows(visits(now, -10))) == [("main", "purchase", "EUR", now, -10)] * is_found


def test_other_values_come_after_steps(reported_week: Deployment, tmp_path: Path) -> None:
    """A sale halves the values of a week, which is less than a step that is broken."""
    changed = {
        "session_outcomes": rows(visits(0.5), outcome="order"),
        "progress_changes": [STEP | {"sentence": "Fewer go on."}],
    }
    assert flaws_of(page_with(reported_week, tmp_path, changed))[:2] == [
        "Fewer go on.",
        "Visits with order are worth less: the median of 35 visits of the week is 0.50 EUR, that of the four weeks"
        " before 50.00 EUR. Check the unit and the currency that are sent, unless prices changed.",
    ]
