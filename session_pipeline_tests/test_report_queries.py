"""Tests queries of the report on a few rows of the tables that they read."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from session_pipeline.publish.native_rows import columns_of
from session_pipeline.report.figures import Row, Window, run_query
from session_pipeline.tables import table

LAST = date(2024, 3, 15)
FIRST = LAST - timedelta(days=6)
DAY = timedelta(days=1)


def answer(query: str, **tables: Sequence[Row]) -> list[Row]:
    """Returns the rows of a query for the week that ends with LAST. Columns that are not given are null."""
    with duckdb.connect() as connection:
        for name, rows in tables.items():
            connection.execute(f"create table {name} ({columns_of(table(name))})")
            for row in rows:
                values = ", ".join("?" for _ in row)
                connection.execute(f"insert into {name} ({', '.join(row)}) values ({values})", list(row.values()))
        return run_query(connection, query, Window(FIRST - 7 * DAY, LAST, LAST, is_full=True).parameters).rows


def test_visits_that_are_over_count_at_every_later_position() -> None:
    """One visit of /home, and two of /home, /list, /item: none ends before position 3, but one is over there."""
    counts = {(1, "/home"): 3, (2, "(end)"): 1, (2, "/list"): 2, (3, "/item"): 2, (4, "(end)"): 2}
    rows = [
        {"session_date": LAST, "step_number": number, "action": action, "session_count": count}
        for (number, action), count in counts.items()
    ]
    found = {(row["step_number"], row["action"]): row["share"] for row in answer("steps", action_steps=rows)}
    assert found == {
        (1, "/home"): 1.0,
        (2, "(end)"): 1 / 3,
        (2, "/list"): 2 / 3,
        (3, "(end)"): 1 / 3,
        (3, "/item"): 2 / 3,
        (4, "(end)"): 1.0,
    }


def test_repeated_searches_are_a_share_of_the_visits_that_can_show_them() -> None:
    search = {"site": "main", "action": "search"}
    rows = [
        search | {"session_date": FIRST, "session_count": 90, "repeated_search_count": None},
        search | {"session_date": LAST, "session_count": 10, "repeated_search_count": 2},
    ]
    [found] = answer("searches", action_friction=rows)
    assert (found["session_count"], found["repeated_search_count"], found["repeated_rate"]) == (10, 2, 0.2)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("opportunities", {"action": "/a", "signal": "error"}, {"action": "/b", "signal": "error"}),
        (
            "next_best_actions",
            {"at_action": "/a", "seen_action": "/c", "difference": 0.1},
            {"at_action": "/b", "seen_action": "/c", "difference": 0.1},
        ),
    ],
)
def test_rows_of_several_windows_with_the_same_rank_have_one_order(name: str, first: Row, second: Row) -> None:
    same = {"site": "main", "session_date": LAST, "rank": 1, "score": 5.0, "is_significant": True}
    rows: list[dict[str, Any]] = [same | first | {"window_days": 28}, same | second | {"window_days": 7}]
    orders = [[row["window_days"] for row in answer(name, **{name: each})] for each in (rows, rows[::-1])]
    assert orders == [[7, 28], [7, 28]]


def test_retention_has_no_cell_of_a_week_that_is_not_over() -> None:
    """The visitors of the week before the last have no whole week after theirs yet."""
    rows = [
        {"cohort": "first_visit", "period": "week", "cohort_date": LAST - days * DAY}
        | {"periods_after": 1, "visitor_count": 3, "returned_count": 1}
        for days in (8, 15)
    ]
    assert [(row["first_day"], row["visitor_count"]) for row in answer("retention", retention=rows)] == [
        (LAST - 20 * DAY, 3)
    ]


def test_visitor_on_the_first_and_the_third_day_counts_once_in_the_week() -> None:
    rows: list[Row] = [
        {"session_date": FIRST, "visitor_id": "v", "previous_visit_date": FIRST - 9 * DAY},
        {"session_date": FIRST + 2 * DAY, "visitor_id": "v", "previous_visit_date": FIRST},
    ]
    found = answer("visits", visitor_days=rows, daily_summary=[], daily_friction=[])
    assert {row["period"]: row["visitor_count"] for row in found} == {"week": 1, "before": 0, "day": 0}
