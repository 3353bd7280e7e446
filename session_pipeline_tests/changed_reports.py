"""Reports of a small warehouse into which rows of other tables are written, because real ones need months of visits."""

import re
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from copy import deepcopy
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import warehouse
from session_pipeline.report import figures, flaws, formats, hard_times, lost_values
from session_pipeline.tables import TABLES
from session_pipeline.tables.parameters import Scalar
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import Page, Visits

BUYING = ["/shop/a", "add_to_cart", "begin_checkout", "purchase"]
OTHER_SITE = {"site": "jp", "session_count": 10, "visitor_count": 1, "converted_count": 0, "bounce_count": 0}
LAST = date(2024, 3, 15)  # a Friday
STEP = {
    "site": "main",
    "rank": 1,
    "window_days": 7,
    "dimension": "device",
    "dimension_value": "mobile",
    "action": "/shipping",
    "next_action": "/payment",
    "session_count": 100,
    "progress_rate": 0.24,
    "usual_rate": 0.77,
    "before_rate": 0.78,
    "others_rate": 0.74,
    "associated_lost": 25.0,
    "score": -5.0,
    "is_alert": True,
    "since": date(2024, 3, 9),
    "example_session_ids": "aaa bbb ccc",
}
GAIN = STEP | {"score": 4.2, "associated_lost": -25.0, "is_alert": False, "sentence": "More visits go on."}
QUIET_STEP = STEP | {"is_alert": False, "progress_rate": 0.75, "score": -0.5}

# The queries that pages show and that were run. Most pages show the same ones, which take as long as the page.
_queries: set[str] = set()
# The figures of the pages, by the warehouse and its time, the query, and the rows that were added to the tables that it
# reads. To plan the queries takes half the time of a page, and most pages have other rows in few tables.
_figures: dict[tuple[Path, int, str, str], figures.Figure] = {}


def build_reported_week(folder: Path) -> Deployment:
    """Build a week with 12 purchases of 20 visits; 6 of the others saw an error at /pay."""
    visits = Visits()
    visits.add(LAST - timedelta(days=1), 12, BUYING)
    visits.add(LAST, 2, ["/shop/a", "/shop/b"])
    visits.add(LAST, 6, ["/pay", "error"], page_url="https://shop.example/pay")
    deployment = Deployment(folder)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    return deployment


def gain_rows(visits: int, converted: int) -> dict[str, list[dict[str, Any]]]:
    """Return a gain with the visits at its action, after two days of the week before with 25 conversions of 50 each."""
    of_action = {name: GAIN[name] for name in ("site", "dimension", "dimension_value", "action")}
    usual_days = [LAST - timedelta(days=days) for days in (7, 8)]
    usual = {"session_count": 50, "converted_count": 25}
    return {
        "progress_changes": [GAIN],
        "action_visits": [
            of_action | {"session_count": visits, "converted_count": converted},
            *(of_action | usual | {"session_date": day} for day in usual_days),
        ],
        "daily_summary": [OTHER_SITE | {"site": GAIN["site"], "session_date": day} for day in usual_days],
    }


def charts_with(deployment: Deployment, tmp_path: Path, rows: Mapping[str, list[dict[str, Any]]]) -> Mapping[str, str]:
    """Return the images of the report of a copy of the warehouse with more rows, by title."""
    return _written(_folder_with(deployment, tmp_path, rows), deployment, rows).charts


def page_with(deployment: Deployment, tmp_path: Path, rows: Mapping[str, list[dict[str, Any]]]) -> Page:
    """Return the report of a copy of the warehouse with more rows, of the last day unless the row says otherwise.

    The queries that it shows can be run.
    """
    folder = _folder_with(deployment, tmp_path, rows)
    text = _written(folder, deployment, rows).path.read_text(encoding="utf-8")
    shown = map(unescape, re.findall(r"<pre tabindex=\"0\"[^>]*><code>(.*?)</code></pre>", text, flags=re.DOTALL))
    if new := sorted({*shown} - _queries):
        with warehouse.connect(folder.warehouse, folder.store) as connection:
            for query in new:
                connection.execute(query).fetchall()
        _queries.update(new)
    return Page(text)


def _written(folder: DataFolder, deployment: Deployment, rows: Mapping[str, list[dict[str, Any]]]) -> report.Written:
    """Write the report of a copy of the warehouse with more rows; query the figures that do not depend on them once."""

    def once(connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Scalar]) -> figures.Figure:
        sql = figures.filled(name, parameters)
        added = {table: new for table, new in rows.items() if re.search(rf"\b{table}\b", sql)}
        key = warehouse_file, changed_at, sql, repr(added)
        if key not in _figures:
            _figures[key] = run_query(connection, name, parameters)
        return deepcopy(_figures[key])

    run_query, warehouse_file = figures.run_query, deployment.folder.warehouse
    changed_at = warehouse_file.stat().st_mtime_ns
    with ExitStack() as stack:
        for module in (figures, flaws, hard_times, lost_values):  # each has the function under a name of its own
            stack.enter_context(patch.object(module, "run_query", once))
        return report.write(folder)


def _folder_with(deployment: Deployment, tmp_path: Path, rows: Mapping[str, list[dict[str, Any]]]) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.path.mkdir(parents=True)
    shutil.copy(deployment.folder.warehouse, folder.warehouse)
    shutil.copy(deployment.folder.settings, folder.settings)
    with duckdb.connect(str(folder.warehouse)) as connection:
        for name, added in rows.items():
            for row in added:
                values = {**({"session_date": LAST} if TABLES[name].date_column == "session_date" else {}), **row}
                columns, marks = ", ".join(values), ", ".join("?" * len(values))
                connection.execute(f"insert into {name} ({columns}) values ({marks})", list(values.values()))
    return folder


def flaws_of(page: Page) -> list[str]:
    """Return the sentences of the flaws, in their order."""
    found = re.findall(r'<p class="sentence">(.*?)</p>', page.html.split('id="works"')[0])
    return [unescape(sentence).replace(formats.THIN_SPACE, " ") for sentence in found]


def weeks_of_visits(site: str, latest: int, count: int = 50) -> list[dict[str, Any]]:
    """Return five weeks of visits to a site, up to `latest` days before the last."""
    days = [LAST - timedelta(days=days_ago) for days_ago in range(latest, latest + 35)]
    return [OTHER_SITE | {"site": site, "session_date": day, "session_count": count} for day in days]


def known_until(day: date) -> dict[str, Any]:
    """Return a row of warehouse_info: everything is known until this day."""
    return {"data_until": day, "built_at": day + timedelta(days=1), "generation": 10**6, "package_version": "0"}
