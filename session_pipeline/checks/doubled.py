"""Warns if page views come twice, with different ids: the tag is on the pages twice, or two sources deliver them."""

from collections.abc import Sequence
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from session_pipeline.checks.verdict import Verdict, add_input, rows_of, stretches, verdict
from session_pipeline.engines.sql import fill, query_text
from session_pipeline.reference.days import day_ranges
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings.shortening import shortened

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run

FEWEST_SESSIONS = 30
LARGEST_BOUNCE_SHARE = 0.05  # of sessions with page views; few sites have fewer, so only their events are read
SMALLEST_DOUBLED_SHARE = 0.4  # of page views; it is a half if each comes twice
SECONDS = 1
MOST_SESSIONS = 10_000  # about so many of a site and day are looked at, so that the cost of big days is bounded
LOOKED_AT = {"session_date": "DATE", "site": "VARCHAR", "session_ids_before": "VARCHAR"}
DIGITS = 8  # of a limit of ids
AFTER_ALL_IDS = "g"


def doubled_page_views(run: "Run", days: Sequence[date]) -> Verdict:
    """On a day of a site, less than 40 % of the page views come within a second after a view of the same page.

    If each page view is counted twice, no session has a single one, so there are no bounces, and all counts of views
    are too high. Days of a site with fewer than 30 sessions are not checked, nor those on which more than 5 % of the
    sessions have a single page view. Of more than 10,000 sessions with page views, about 10,000 are looked at, the same
    ones each time.
    """
    limits = {"fewest_sessions": FEWEST_SESSIONS, "largest_share": LARGEST_BOUNCE_SHARE}
    suspected = rows_of(run, fill(query_text(__package__, "sites_without_bounces"), limits), ["sessions"], days)
    sampled = {(row["session_date"], row["site"]) for row in suspected if row["session_count"] > MOST_SESSIONS}
    found: dict[str, list[dict[str, Any]]] = {}
    for stretch in stretches(run, sorted({row["session_date"] for row in suspected})):
        for row in _counts(run, [row for row in suspected if row["session_date"] in stretch], stretch):
            if row["doubled_count"] >= SMALLEST_DOUBLED_SHARE * row["view_count"]:
                found.setdefault(row["site"], []).append({**row, "is_sampled": (row["day"], row["site"]) in sampled})
    sentences = [_sentence(rows) for rows in found.values()]
    problems = [f"{row['day']}: {_site(row)}page views come twice" for rows in found.values() for row in rows]
    several = verdict(sentences, "page views are not doubled")
    return Verdict(several.holds, several.sentence, problems=tuple(sorted(problems)))


def _counts(run: "Run", suspected: Sequence[dict[str, Any]], days: Sequence[date]) -> list[dict[str, Any]]:
    """Return the counts of page views of suspected days of sites, all of which are among these days."""
    looked_at = [(row["session_date"], row["site"], _end_of_sample(row["session_count"])) for row in suspected]
    sql = fill(query_text(__package__, "doubled_page_views"), {"seconds": SECONDS})
    with run.engine.job() as job:
        add_input(job, run, "events", days)
        job.add_rows("looked_at", SmallTable(LOOKED_AT, [dict(zip(LOOKED_AT, row, strict=True)) for row in looked_at]))
        rows: list[dict[str, Any]] = job.rows(sql).to_pylist()
    return rows


def _end_of_sample(session_count: int) -> str:
    """Return a text that is larger than about MOST_SESSIONS ids of so many sessions; larger than all of fewer ids.

    Ids of sessions are hashes in hexadecimal digits, which are evenly distributed.
    """
    if session_count <= MOST_SESSIONS:
        return AFTER_ALL_IDS
    return f"{16**DIGITS * MOST_SESSIONS // session_count:0{DIGITS}x}"


def _sentence(rows: Sequence[dict[str, Any]]) -> str:
    """Return the days of a site, the counts of the day with the most doubled page views, and what to do."""
    most = max(rows, key=itemgetter("doubled_count"))
    looked_at = " of the sessions looked at" if any(row["is_sampled"] for row in rows) else ""
    counts = f"{'up to ' if len(rows) > 1 else ''}{most['doubled_count']} of {most['view_count']} page views{looked_at}"
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
