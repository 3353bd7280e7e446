"""Queries the warehouse for the figures of the report; each figure is a query and its rows.

A query is a file in queries/. The page shows each query with the values of its parameters. All queries read daily
tables, or one narrow scan of sessions or visitors; events are only counted, or read for the searches of the week.
page.py renders the figures.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from importlib.resources import files
from typing import Any

import duckdb

from session_pipeline.engines.sql import fill
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.publish import warehouse
from session_pipeline.reference.days import ONE_DAY, zone
from session_pipeline.report.constants import CONSTANTS
from session_pipeline.report.window import Window
from session_pipeline.tables.parameters import Scalar

Row = dict[str, Any]

VISIT_QUERIES = (
    "visits",
    "value",
    "changed_values",
    "outcomes",
    "outcome_days",
    "days",
    "silent_sites",
    "missing_days",
    "comparisons",
    "changed_steps",
    "changed_outcomes",
    "opportunities",
    "detectable",
    "usual_paths",
    "common_actions",
    "gains",
    "possible_conversions",
    "next_best_actions",
    "funnels",
    "funnel_drops",
    "steps",
    "transitions",
    "friction_by_page",
    "landing_pages",
    "exit_pages",
    "search_terms",
    "searches",
    "breakdowns",
    "retention",
    "sites",
    "unfolded_actions",
)
FILE_QUERIES = ("ledger", "files", "quarantined_lines")


@dataclass(frozen=True)
class Figure:
    """A query with the values of its parameters, and its rows as dictionaries, with None for null."""

    sql: str
    rows: list[Row]


@dataclass(frozen=True)
class Figures:
    """All figures of a report.

    Attributes:
        published: The row of warehouse_info.
        window: The days that the report covers; None if there are no visits. Bot sessions are not visits.
    """

    published: Row
    window: Window | None
    _by_name: Mapping[str, Figure]

    @property
    def names(self) -> list[str]:
        """Names of the figures, in the order of the page."""
        return list(self._by_name)

    def rows(self, name: str) -> list[Row]:
        """Return the rows of a figure; an empty list if the figure was not queried."""
        return self._by_name[name].rows if name in self._by_name else []

    @property
    def week(self) -> Row:
        """The row of the visits of the week."""
        return next(row for row in self.rows("visits") if row["period"] == "week")

    def query(self, name: str) -> str:
        """Return the query of a figure, ready to run."""
        return self._by_name[name].sql


def read(
    connection: duckdb.DuckDBPyConnection,
    timezone: str,
    last_day: date | None = None,
    open_days: Mapping[str, int] | None = None,
) -> Figures:
    """Query a warehouse for all figures.

    Args:
        connection: A connection to the warehouse.
        timezone: The time zone of its days.
        last_day: The last day of the report; None for the last full day with visits.
        open_days: How many days up to the last one do not count yet in a funnel, by its name; 0 for other funnels.

    Raises:
        StoreError: warehouse_info is empty, or another version wrote the warehouse and a table or column is missing.
        WrongUseError: The warehouse has no visits on or before `last_day`, or none on or after it.
    """
    try:
        published = _published(connection)
        window = _window(connection, published, timezone, last_day)
        names = FILE_QUERIES if window is None else (*VISIT_QUERIES, *FILE_QUERIES)
        parameters = {} if window is None else {**window.parameters, **_of_funnels(open_days or {})}
        figures = {name: run_query(connection, name, parameters) for name in names}
    except warehouse.MISSING as error:
        raise warehouse.of_another_version(error) from None
    return Figures(published, window, figures)


def silence(connection: duckdb.DuckDBPyConnection, timezone: str) -> dict[str, list[Row]]:
    """Return the rows of silent_sites and of missing_days, as the newest report has them.

    Args:
        connection: A connection to the warehouse.
        timezone: The time zone of its days.

    Raises:
        StoreError: warehouse_info is empty.
    """
    window = _window(connection, _published(connection), timezone, None)
    names = ("silent_sites", "missing_days")
    return {name: run_query(connection, name, window.parameters).rows if window else [] for name in names}


def _of_funnels(open_days: Mapping[str, int]) -> dict[str, Scalar]:
    return {"open_days": json.dumps(open_days), "most_open_days": max(open_days.values(), default=0)}


def _published(connection: duckdb.DuckDBPyConnection) -> Row:
    rows = run_query(connection, "published", {}).rows
    if not rows:
        raise StoreError("the warehouse has no row in warehouse_info; run `session-pipeline run` to write it again")
    return rows[0]


def _window(
    connection: duckdb.DuckDBPyConnection, published: Row, timezone: str, last_day: date | None
) -> Window | None:
    built_on = published["built_at"].replace(tzinfo=UTC).astimezone(zone(timezone)).date()
    days = [row["session_date"] for row in run_query(connection, "days_with_visits", {}).rows]
    if last_day is not None and (not days or not days[0] <= last_day <= days[-1]):
        known = f"the days from {days[0]} to {days[-1]}" if days else "no day"
        raise WrongUseError(f"there is no report of {last_day}: the warehouse has {known}; choose one of these days")
    if not days:
        return None
    last = last_day or max((day for day in days if day < built_on), default=days[-1])
    known_until = last_day or max(last, min(published["data_until"], built_on - ONE_DAY))
    return Window(days, last, known_until, is_full=last < built_on, is_chosen=last_day is not None)


def run_query(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Scalar]) -> Figure:
    """Run a query of queries/ with these parameters, and the constants of constants.py."""
    sql = filled(name, parameters)
    result = connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    return Figure(sql, [dict(zip(names, values, strict=True)) for values in result.fetchall()])


def filled(name: str, parameters: Mapping[str, Scalar]) -> str:
    """Return a query of queries/ with the values of its parameters and constants, ready to run."""
    text = files(__package__).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
    return fill(text, {**CONSTANTS, **parameters}).strip()
