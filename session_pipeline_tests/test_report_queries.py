"""Tests queries of the report on a few rows of the tables that they read.

test_report_actions.py tests those about pages and other actions.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from session_pipeline.publish.native_rows import columns_of
from session_pipeline.report.figures import Row, Window, run_query
from session_pipeline.tables import models, table

LAST = date(2024, 3, 15)
FIRST = LAST - timedelta(days=6)
DAY = timedelta(days=1)


def answer(query: str, parameters: Mapping[str, Any] | None = None, /, **tables: Sequence[Row]) -> list[Row]:
    """Return the rows of a query, for the week that ends with LAST by default. Columns that are not given are null."""
    with duckdb.connect() as connection:
        connection.execute(models.macros())
        for name, rows in tables.items():
            connection.execute(f"create table {name} ({columns_of(table(name))})")
            for row in rows:
                values = ", ".join("?" for _ in row)
                connection.execute(f"insert into {name} ({', '.join(row)}) values ({values})", list(row.values()))
        of_week = Window((FIRST - 7 * DAY, LAST), LAST, LAST, is_full=True).parameters
        return run_query(connection, query, parameters or of_week).rows


def rows_of(name: str, tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Return the rows of a query; by default, the rows of its tables are those of the last day, of all visits."""
    filled = {table_name: [_of_all(table_name) | row for row in rows] for table_name, rows in tables.items()}
    return answer(name, **filled)


def _of_all(table_name: str) -> dict[str, Any]:
    values = {"site": "main", "dimension": "all"}
    columns = {column.name for column in table(table_name).columns}
    return {"session_date": LAST} | {name: value for name, value in values.items() if name in columns}


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


def test_search_terms_are_those_of_at_least_five_visitors() -> None:
    """One visitor searched five times for a name, and five for a lamp. A bot does not count."""
    searches = [("v0", "Ann  Example", n) for n in range(5)] + [
        (f"v{n}", " Red\t LAMP" if n else "red lamp ", 9) for n in range(5)
    ]
    sessions = [(f"{visitor}-{number}", visitor, term) for visitor, term, number in searches]
    facts = [
        {"session_date": LAST, "site": "main", "session_id": key, "visitor_id": visitor}
        | {"is_bot": False, "is_converted": key in ("v1-9", "v0-1")}
        for key, visitor, _ in sessions
    ]
    bot = {"session_date": LAST, "site": "main", "session_id": "bot", "visitor_id": "b", "is_bot": True}
    events = [
        {"event_date": LAST, "session_date": LAST, "session_id": key, "search_term": term}
        for key, _, term in [*sessions, *sessions, ("bot", "b", "red lamp")]
    ]
    before = {"event_date": FIRST - DAY, "session_date": FIRST - DAY, "session_id": "v1-9", "search_term": "old"}
    signal = {"session_date": LAST, "session_id": "v2-9", "signal": "repeated_search"}
    found = answer(
        "search_terms",
        events=[*events, before],
        session_facts=[*facts, bot],
        session_friction=[signal],
        daily_friction=[{"session_date": LAST, "site": "main", "repeated_search_count": 1}],
    )
    columns = ("search_term", "session_count", "converted_count", "conversion_rate", "repeated_rate")
    assert [[row[name] for name in columns] for row in found] == [[None, 10, 2, 0.2, 0.1], ["red lamp", 5, 1, 0.2, 0.2]]


def test_one_person_on_five_sites_is_one_visitor_who_searches() -> None:
    """Sites can share a cookie, and logs have equal ids on all sites."""
    keys = [f"s{number}" for number in range(5)]
    day = {"session_date": LAST, "is_bot": False, "is_converted": False}
    found = answer(
        "search_terms",
        events=[{"event_date": LAST, "session_date": LAST, "session_id": key, "search_term": "ann"} for key in keys],
        session_facts=[day | {"site": key, "session_id": key, "visitor_id": "ann"} for key in keys],
        session_friction=[],
        daily_friction=[],
    )
    assert [(row["search_term"], row["session_count"]) for row in found] == [(None, 5)]


def test_without_searches_there_are_no_search_terms() -> None:
    assert answer("search_terms", events=[], session_facts=[], session_friction=[], daily_friction=[]) == []


def test_smallest_detectable_drop_of_each_window_comes_first() -> None:
    """A step of many visits can need a larger drop; of equal drops, those of all visits come first.

    A rate that is as low already, as after a page was renamed without a loss, is left out.
    """
    rows = [
        {"window_days": days, "dimension": dimension, "action": action, "session_count": count}
        | {"detectable_rate": detectable, "progress_rate": rate, "usual_rate": usual, "next_action": "/next"}
        for days, dimension, action, count, detectable, rate, usual in (
            (7, "all", "/most", 900, 0.01, 0.02, 0.02),
            (7, "device", "/phone", 80, 0.32, 0.4, 0.4),
            (28, "device", "/cart", 500, 0.72, 0.8, 0.8),
            (28, "all", "/list", 400, 0.18, 0.2, 0.2),
            (28, "all", "/renamed", 1000, 0.9, 0.03, 1.0),
            (28, "all", "/unknown", 9000, None, 0.2, 0.2),
        )
    ]
    found = rows_of("detectable", {"progress_changes": rows})
    assert [(row["window_days"], row["action"]) for row in found] == [(28, "/list"), (7, "/phone")]


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
    orders = [
        [row["window_days"] for row in answer(name, **{name: each, "action_friction": []})]
        for each in (rows, rows[::-1])
    ]
    assert orders == [[7, 28], [7, 28]]


def test_visits_whose_paths_are_all_rare_are_counted_in_both_windows() -> None:
    """The setting min_session_count leaves the paths of all but the visits without a conversion out."""
    day = {"site": "main", "converted_count": 5, "bounce_count": 1}
    path = {"window_days": 28, "outcome": "(not converted)", "rank": 1, "session_count": 2, "group_session_count": 7}
    rows = {
        "typical_paths": [path | {"segment": "(all)"}],
        "daily_summary": [
            day | {"session_count": 10},
            day | {"session_count": 9, "session_date": LAST - 27 * DAY},
            day | {"session_count": 9, "session_date": LAST - 28 * DAY},
        ],
        "daily_outcomes": [{"outcome": "purchase", "session_count": 3}, {"outcome": "bounce", "session_count": 0}],
    }
    columns = ("window_days", "outcome", "rank", "group_session_count")
    assert [tuple(row[name] for name in columns) for row in rows_of("usual_paths", rows)] == [
        (7, "(converted)", None, 5),
        (7, "(not converted)", None, 4),
        (7, "purchase", None, 3),
        (28, "(converted)", None, 10),
        (28, "(not converted)", 1, 7),
        (28, "purchase", None, 3),
    ]


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
