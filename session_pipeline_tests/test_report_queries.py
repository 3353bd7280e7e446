"""Tests queries of the report on rows of their own: real ones would need hundreds of pages or weeks of visits."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd

from session_pipeline.report.figures import Row, run_query

LAST = date(2024, 3, 15)
WEEK = {"first_day": LAST - timedelta(days=6), "last_day": LAST}
OF_ALL = {"site": "main", "session_date": LAST, "dimension": "all"}


def rows_of(name: str, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    """Returns the rows of a query over the week, from rows of its tables; they are of the last day by default."""
    with duckdb.connect() as connection:
        for table, rows in tables.items():
            connection.register(table, pd.DataFrame([{**OF_ALL, **row} for row in rows]).convert_dtypes())
        return run_query(connection, name, WEEK).rows


def exits(action: str, exit_count: int, days_ago: int = 0, converted_count: int = 0) -> dict[str, Any]:
    return {
        "session_date": LAST - timedelta(days=days_ago),
        "transition": "exit",
        "from_action": action,
        "session_count": exit_count + converted_count,
        "converted_count": converted_count,
    }


def visits(action: str, count: int, days_ago: int = 0) -> dict[str, Any]:
    return {"session_date": LAST - timedelta(days=days_ago), "action": action, "session_count": count}


def test_share_of_exits_counts_all_visits_at_a_page() -> None:
    """On the day before, 200 other actions had more visits, so action_visits does not have the page."""
    tables = {
        "action_transitions": [exits("/a", 3, converted_count=1), exits("/a", 2, days_ago=1)],
        "action_friction": [visits("/a", 7), visits("/a", 3, days_ago=1)],
        "action_visits": [visits("/a", 7)],
    }
    [row] = rows_of("exit_pages", tables)
    assert (row["action"], row["exit_count"], row["session_count"], row["exit_rate"]) == ("/a", 5, 10, 0.5)


def test_share_of_exits_is_unknown_if_visits_of_a_day_are_not_counted() -> None:
    tables = {
        "action_transitions": [exits("click", 3), exits("click", 2, days_ago=1), exits("search", 1)],
        "action_friction": [visits("/a", 7)],
        "action_visits": [visits("click", 4), visits("search", 4)],
    }
    found = [(row["action"], row["exit_count"], row["session_count"]) for row in rows_of("exit_pages", tables)]
    assert found == [("click", 5, None), ("search", 1, 4)]


def test_common_actions_leave_out_what_follows_a_conversion() -> None:
    """Of 10 visits, 8 convert and then see /thanks; so does one of the others. All begin with /a."""
    steps = [("/a", 1, 10, 8), ("purchase", 2, 8, 8), ("/thanks", 2, 1, 0), ("/thanks", 3, 8, 8)]
    tables = {
        "daily_summary": [{"session_count": 10, "converted_count": 8}],
        "action_steps": [
            {"action": action, "step_number": number, "session_count": count, "converted_count": converted}
            for action, number, count, converted in steps
        ],
        "action_visits": [
            visits("/a", 10) | {"converted_count": 8},
            visits("/thanks", 9) | {"converted_count": 0},
        ],
    }
    found = {row["action"]: (row["converted_share"], row["other_share"]) for row in rows_of("common_actions", tables)}
    assert found == {"/a": (1.0, 1.0), "/thanks": (0.0, 0.5)}
