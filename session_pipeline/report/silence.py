"""Finds the sites without visits, for days or on the last day."""

from collections.abc import Sequence

from session_pipeline.report import formats
from session_pipeline.report.figures import FEWEST_SILENT_DAYS, Figures, Row
from session_pipeline.report.flaw import MOST, Flaw


def lasting_silence(figures: Figures) -> list[Flaw]:
    """Return one flaw about the sites that have no visits any more, or about all sites together."""
    lasting = [row for row in figures.rows("silent_sites") if row["day_count"] >= FEWEST_SILENT_DAYS]
    sentences = [
        f"No visits{_of_site(row)} since {formats.day(row['since'])}; usually there are"
        f" {formats.number(row['usual_count'])} in these {row['day_count']} days."
        for row in _all_or_each(lasting)
    ]
    if not sentences:
        return []
    return [_no_visits(figures, [*_first(sentences), "Check the tracking and the delivery of events."])]


def silence_of_the_last_day(figures: Figures) -> list[Flaw]:
    """Return one mild flaw about the sites that have no visits on the last day: files often arrive later."""
    rows = figures.rows("silent_sites")
    if any(row["silent_site"] is None and row["day_count"] >= FEWEST_SILENT_DAYS for row in rows):
        return []
    sentences = [
        f"No visits{_of_site(row)} on {formats.day(row['since'])} so far; usually there are"
        f" {formats.number(row['usual_count'])}."
        for row in _all_or_each([row for row in rows if row["day_count"] < FEWEST_SILENT_DAYS])
    ]
    if not sentences:
        return []
    return [_no_visits(figures, [*_first(sentences), "Files of the last day often arrive later."], is_mild=True)]


def _no_visits(figures: Figures, sentences: Sequence[str], *, is_mild: bool = False) -> Flaw:
    return Flaw("No visits", " ".join(sentences), figures.query("silent_sites"), is_mild=is_mild)


def _all_or_each(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the row of all sites together if there is one; it comes first."""
    return rows[:1] if rows and rows[0]["silent_site"] is None else rows


def _first(sentences: Sequence[str]) -> list[str]:
    more = [f"And {formats.counted(len(sentences) - MOST, 'more site')}."] if len(sentences) > MOST else []
    return [*sentences[:MOST], *more]


def _of_site(row: Row) -> str:
    return "" if row["silent_site"] is None else f" on site {formats.isolated(row['silent_site'])}"
