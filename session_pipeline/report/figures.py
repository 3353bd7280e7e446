"""Queries the warehouse for the figures of the report; each figure is a query and its rows.

A query is a file in queries/. The page shows each query with the values of its parameters. This module also determines
the days that the report covers. page.py renders the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from importlib.resources import files
from typing import Any

import duckdb

from session_pipeline.engines.sql import fill
from session_pipeline.errors import StoreError
from session_pipeline.reference.days import zone
from session_pipeline.tables.frame import Z_95, Scalar

Row = dict[str, Any]

VISIT_QUERIES = ("visits", "value", "outcomes", "paths", "funnels", "breakdowns", "days", "sites")
FILE_QUERIES = ("ledger", "files", "quarantined_lines")


@dataclass(frozen=True)
class Window:
    """The days that the report covers: a week that ends with the last full day, and the week before.

    Attributes:
        first_known_day: First day that has visits.
        last_day: Last full day with visits. If there is no full day, the last day with visits.
        latest_day: Last day with visits, full or not.
        is_full: Whether last_day was over when the warehouse was written.
    """

    first_known_day: date
    last_day: date
    latest_day: date
    is_full: bool

    @property
    def first_day(self) -> date:
        """First day of the week."""
        return self.last_day - timedelta(days=6)

    @property
    def before_first_day(self) -> date:
        """First day of the week before."""
        return self.last_day - timedelta(days=13)

    @property
    def before_last_day(self) -> date:
        """Last day of the week before."""
        return self.last_day - timedelta(days=7)

    @property
    def history_first_day(self) -> date:
        """First day that the report shows individually."""
        return max(self.before_first_day, self.first_known_day)

    @property
    def has_before(self) -> bool:
        """Whether the first day with visits is not later than the first day of the week before."""
        return self.first_known_day <= self.before_first_day

    @property
    def has_some_before(self) -> bool:
        """Whether the first day with visits is in the week before, or earlier."""
        return self.first_known_day <= self.before_last_day

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """The parameters of the queries."""
        names = ("first_day", "last_day", "before_first_day", "before_last_day", "history_first_day")
        return {"z": Z_95, **{name: getattr(self, name) for name in names}}


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
        """Returns the rows of a figure; an empty list if the figure was not queried."""
        return self._by_name[name].rows if name in self._by_name else []

    def query(self, name: str) -> str:
        """Returns the query of a figure, ready to run."""
        return self._by_name[name].sql


def read(connection: duckdb.DuckDBPyConnection, timezone: str) -> Figures:
    """Queries a warehouse for all figures; `timezone` is the time zone of its days.

    Raises:
        StoreError: warehouse_info is empty, or another version wrote the warehouse and a table or column is missing.
    """
    try:
        published = _run_query(connection, "published", {}).rows
        if not published:
            raise StoreError("the warehouse has no row in warehouse_info; run `session-pipeline run` to write it again")
        window = _window(connection, published[0], timezone)
        names = FILE_QUERIES if window is None else (*VISIT_QUERIES, *FILE_QUERIES)
        parameters = {} if window is None else window.parameters
        figures = {name: _run_query(connection, name, parameters) for name in names}
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise StoreError(
            f"another version wrote the warehouse ({str(error).splitlines()[0]}); run `session-pipeline run`"
        ) from None
    return Figures(published[0], window, figures)


def _window(connection: duckdb.DuckDBPyConnection, published: Row, timezone: str) -> Window | None:
    built_on = published["built_at"].replace(tzinfo=UTC).astimezone(zone(timezone)).date()
    found = _run_query(connection, "days_with_visits", {"built_on": built_on}).rows[0]
    if found["last_day"] is None:
        return None
    return Window(found["first_day"], found["last_day"], found["latest_day"], found["last_day"] < built_on)


def _run_query(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Scalar]) -> Figure:
    text = files(__package__).joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
    sql = fill(text, parameters).strip()
    result = connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    return Figure(sql, [dict(zip(names, values, strict=True)) for values in result.fetchall()])
