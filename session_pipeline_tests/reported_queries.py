"""Opens a report next to its warehouse, so that tests can compare what the page shows with queries of their own."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import duckdb

from session_pipeline import report
from session_pipeline.publish import warehouse
from session_pipeline.settings import Settings, load_settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_tables import ReportTables

FOLDER = r"^(/.+)/[^/]+$"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Reported:
    """A report and the warehouse that it is about."""

    html: str
    connection: duckdb.DuckDBPyConnection
    settings: Settings

    @cached_property
    def page(self) -> ReportTables:
        return ReportTables(self.html)

    @cached_property
    def last(self) -> date:
        """The last day with visits; the warehouses of these tests are older than today."""
        return self._first("select max(session_date) from sessions where not is_bot")

    @cached_property
    def known_first(self) -> date:
        return self._first("select min(session_date) from sessions where not is_bot")

    @property
    def first(self) -> date:
        return self.last - timedelta(days=6)

    @cached_property
    def days(self) -> list[date]:
        """The days that are shown one by one, the latest first."""
        first = max(self.last - timedelta(days=27), self.known_first)
        return [self.last - timedelta(days=n) for n in range((self.last - first).days + 1)]

    @cached_property
    def is_compared(self) -> bool:
        """Whether the same weekdays have visits in the week and in the week before."""
        rows = self.rows("select distinct session_date from sessions where not is_bot")
        ages = {(self.last - row[0]).days for row in rows}
        return {age for age in ages if age < 7} == {age - 7 for age in ages if 7 <= age < 14}

    def rows(self, query: str, **parameters: Any) -> Rows:
        """Run a query. $first and $last are the week; visits are the sessions of people, with their outcomes."""
        given = {"first": self.first, "last": self.last, **parameters}
        given = {name: value for name, value in given.items() if re.search(rf"\${name}\b", query)}
        return self.connection.execute(query, given).fetchall()

    def week(self, query: str, **parameters: Any) -> Rows:
        return self.rows(query.replace("of_week", "session_date between $first and $last"), **parameters)

    def before(self, query: str, **parameters: Any) -> Rows:
        week = timedelta(days=7)
        return self.week(query, first=self.first - week, last=self.last - week, **parameters)

    def _first(self, query: str) -> Any:
        return self.connection.execute(query).fetchall()[0][0]


VIEWS = f"""
    create temp view visits as
    select s.*, o.outcome, o.is_converted, o.value, o.currency
    from sessions as s inner join session_outcomes as o using (session_id)
    where not s.is_bot;

    create temp view done as
    select a.*, v.outcome, v.is_converted
    from session_actions as a inner join visits as v using (session_id);

    create temp macro folder_of(action) as regexp_extract(action, '{FOLDER}', 1);
"""


def opened(deployment: Deployment) -> Iterator[Reported]:
    path = report.write(deployment.folder).path
    with closing(warehouse.connect(deployment.folder.warehouse, deployment.folder.store)) as connection:
        connection.execute(VIEWS)
        yield Reported(path.read_text(encoding="utf-8"), connection, load_settings(deployment.folder.path))
