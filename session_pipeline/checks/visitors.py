"""Checks that the tables of visitors agree with sessions and with each other."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from session_pipeline.checks.verdict import Verdict, rows_by_stretch, stale_tables, verdict, wrong_figures
from session_pipeline.engines.sql import query_text
from session_pipeline.store.records import Key
from session_pipeline.tables import spans, table

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run

COHORT_TABLES = ("visitors", "retention")


def visitors_add_up(run: "Run", days: Sequence[date]) -> Verdict:
    """Visitors by life cycle are the distinct visitors of the day's sessions, and their sessions are all sessions."""
    wrong = rows_by_stretch(
        run,
        days,
        "visitor_counts",
        ("visitor_days", "daily_visitors", "daily_summary"),
        wider={"sessions": spans.TWO_DAYS},
        has_days=True,
    )
    return verdict(wrong_figures(wrong), "visitors, their sessions and their life cycles add up")


def cohorts_cover_visitors(run: "Run", days: Sequence[date]) -> Verdict:
    """Each visitor is in one cohort of first visits and, after a conversion, in one of first conversions.

    Both tables are of all days. They may differ while one of them is stale because other days are not built yet.
    """
    with run.engine.job() as job:
        for name in COHORT_TABLES:
            found = run.store.get(Key(name, None))
            job.add_input(table(name), [] if found is None else run.store.paths_of(found))
        wrong = job.rows(query_text(__package__, "visitors_of_cohorts")).to_pylist()
    problems = [
        f"{row['cohort']} of {row['site']}: {row['in_visitors']} in visitors, {row['in_retention']} in retention"
        for row in wrong
    ]
    if problems and (stale := stale_tables(run, COHORT_TABLES)):
        return Verdict(True, f"they differ, and {' and '.join(stale)} will be built again after other days")
    return verdict(problems, "every visitor is in one cohort")
