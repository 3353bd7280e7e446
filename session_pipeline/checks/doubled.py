"""Warns if page views come twice, with different ids: the tag is on the pages twice, or two sources deliver them."""

from collections.abc import Sequence
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from session_pipeline.checks.verdict import Verdict, rows_of, stretches, verdict
from session_pipeline.engines.sql import fill, query_text
from session_pipeline.reference.days import day_ranges
from session_pipeline.settings.shortening import shortened

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run

FEWEST_SESSIONS = 30
LARGEST_BOUNCE_SHARE = 0.05  # of sessions with page views; few sites have fewer, so only their events are read
SMALLEST_DOUBLED_SHARE = 0.4  # of page views; it is a half if each comes twice
SECONDS = 1


def doubled_page_views(run: "Run", days: Sequence[date]) -> Verdict:
    """On a day of a site, less than 40 % of the page views come within a second after a view of the same page.

    If each page view is counted twice, no session has a single one, so there are no bounces, and all counts of views
    are too high. Days of a site with fewer than 30 sessions are not checked, nor those on which more than 5 % of the
    sessions have a single page view.
    """
    limits = {"fewest_sessions": FEWEST_SESSIONS, "largest_share": LARGEST_BOUNCE_SHARE}
    suspected = _rows(run, "sites_without_bounces", limits, "sessions", days)
    looked_at = {(row["session_date"], row["site"]) for row in suspected}
    if not looked_at:
        return verdict([], "page views are not doubled")
    read_days = sorted({day for day, _ in looked_at})
    found: dict[str, list[dict[str, Any]]] = {}
    for stretch in stretches(run, read_days):
        for row in _rows(run, "doubled_page_views", {"seconds": SECONDS}, "events", stretch):
            is_doubled = row["doubled_count"] >= SMALLEST_DOUBLED_SHARE * row["view_count"]
            if is_doubled and (row["day"], row["site"]) in looked_at:
                found.setdefault(row["site"], []).append(row)
    sentences = [_sentence(rows) for rows in found.values()]
    problems = [f"{row['day']}: {_site(row)}page views come twice" for rows in found.values() for row in rows]
    several = verdict(sentences, "page views are not doubled")
    return Verdict(several.holds, several.sentence, problems=tuple(sorted(problems)))


def _rows(run: "Run", query: str, limits: dict[str, float], table: str, days: Sequence[date]) -> list[dict[str, Any]]:
    return rows_of(run, fill(query_text(__package__, query), limits), [table], days) if days else []


def _sentence(rows: Sequence[dict[str, Any]]) -> str:
    """Return the days of a site, the counts of the day with the most doubled page views, and what to do."""
    most = max(rows, key=itemgetter("doubled_count"))
    counts = f"{'up to ' if len(rows) > 1 else ''}{most['doubled_count']} of {most['view_count']} page views"
    of_sources = [row for row in rows if 2 * row["source_count"] > row["doubled_count"]]
    sources = sorted({row[name] for row in of_sources for name in ("first_source", "second_source")})
    cause = (
        f"the sources {' and '.join(map(shortened, sources))} deliver the same events: keep one of them"
        if sources
        else "see whether the tag is on the pages twice, or reports each view twice"
    )
    return (
        f"{day_ranges(row['day'] for row in rows)}: {_site(most)}{counts} come within a second after a view of the same"
        f" page; {cause}"
    )


def _site(row: dict[str, Any]) -> str:
    return f"site {shortened(row['site'])}: "
