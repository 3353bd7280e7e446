"""Warns if a site that has visits at other times has none for days, or had none. The definitions are the report's.

A silent source is the subject of deliveries.py, if its `expected_by` is set.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from session_pipeline.checks.verdict import Verdict, verdict
from session_pipeline.errors import StoreError
from session_pipeline.publish import warehouse
from session_pipeline.report import figures
from session_pipeline.report.silence import FEWEST_SILENT_DAYS
from session_pipeline.settings.shortening import shortened

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run


def silent_sites(run: "Run", days: Sequence[date]) -> Verdict:
    """No site has or had days without visits that usually have at least 10 visits together.

    Days since the last visit count from the second one on. Days between others count if they are among the last 14.
    What is usual comes from the four weeks before. All days of the published daily_summary are read; the days that the
    run builds do not matter.
    """
    if not run.folder.warehouse.is_file():
        return Verdict(True, "nothing is published yet")
    try:
        rows = _silence(run)
    except StoreError as error:
        return Verdict(False, str(error))
    except duckdb.Error as error:
        return Verdict(False, f"the warehouse cannot be read {warehouse.reason_and_fix(error)}")
    lasting = [row for row in rows["silent_sites"] if row["day_count"] >= FEWEST_SILENT_DAYS]
    if lasting and lasting[0]["silent_site"] is None:  # all sites; each of them needs no sentence of its own
        lasting = lasting[:1]
    # The usual number grows with each day. An alert is sent once, so its problem only names the site and the first day.
    gaps = rows["missing_days"]
    problems = [*(f"{_site(row)}no visits since {row['since']}" for row in lasting), *map(_gap, gaps)]
    sentences = [
        f"{problem}; usually there are {row['usual_count']:.0f}{_in_days(row['day_count'])}"
        for problem, row in zip(problems, [*lasting, *gaps], strict=True)
    ]
    found = verdict(sentences, "no site is without visits", {"silent": len(lasting), "gaps": len(gaps)})
    return replace(found, problems=tuple(problems))


def _silence(run: "Run") -> dict[str, list[figures.Row]]:
    """Return the sites and the days without visits as the newest report has them; it can have been read already."""
    ahead = run.read_of_published()
    if ahead is not None:
        return {name: ahead.figures.rows(name) for name in ("silent_sites", "missing_days")}
    with closing(warehouse.connect(run.folder.warehouse, run.folder.store)) as connection:
        return figures.silence(connection, run.settings.timezone)


def _gap(row: figures.Row) -> str:
    days = f"on {row['first_day']}" if row["day_count"] == 1 else f"from {row['first_day']} to {row['last_day']}"
    return f"{_site(row)}no visits {days}"


def _site(row: figures.Row) -> str:
    return "" if row["silent_site"] is None else f"site {shortened(row['silent_site'])}: "


def _in_days(count: int) -> str:
    return f" in these {count} days" if count > 1 else ""
