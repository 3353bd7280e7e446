"""Warns if a site that has visits at other times has none for days. The definition is that of the report.

A silent source is the subject of deliveries.py, if its `expected_by` is set.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from session_pipeline.checks.verdict import Verdict, verdict
from session_pipeline.errors import StoreError
from session_pipeline.publish import warehouse
from session_pipeline.report import figures
from session_pipeline.settings.shortening import shortened

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run


def silent_sites(run: "Run", days: Sequence[date]) -> Verdict:
    """No site has been without visits for two days or more, on days that usually have at least 10 visits together.

    What is usual comes from the four weeks before the last visit. All days of the published daily_summary are read; the
    days that the run builds do not matter.
    """
    if not run.folder.warehouse.is_file():
        return Verdict(True, "nothing is published yet")
    try:
        rows = _silent_sites(run)
    except StoreError as error:
        return Verdict(False, str(error))
    except duckdb.Error as error:
        return Verdict(False, f"the warehouse cannot be read {warehouse.reason_and_fix(error)}")
    lasting = [row for row in rows if row["day_count"] >= figures.FEWEST_SILENT_DAYS]
    if lasting and lasting[0]["silent_site"] is None:  # all sites; each of them needs no sentence of its own
        lasting = lasting[:1]
    # The usual number grows with each day. An alert is sent once, so its problem only names the site and the first day.
    problems = [_problem(row) for row in lasting]
    sentences = [
        f"{problem}; usually there are {row['usual_count']:.0f} in these {row['day_count']} days"
        for problem, row in zip(problems, lasting, strict=True)
    ]
    found = verdict(sentences, "no site is without visits", {"silent": len(lasting)})
    return replace(found, problems=tuple(problems))


def _silent_sites(run: "Run") -> list[figures.Row]:
    """Return the sites without visits as the newest report names them; it can have been read already."""
    ahead = run.read_of_published()
    if ahead is not None:
        return ahead.figures.rows("silent_sites")
    with closing(warehouse.connect(run.folder.warehouse, run.folder.store)) as connection:
        return figures.silent_sites(connection, run.settings.timezone)


def _problem(row: dict[str, Any]) -> str:
    place = "" if row["silent_site"] is None else f"site {shortened(row['silent_site'])}: "
    return f"{place}no visits since {row['since']}"
