"""Finds the sites without visits, for days or on the last day, and days without visits between others."""

from collections.abc import Sequence

from session_pipeline.report import formats
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.flaw import MOST, Flaw
from session_pipeline.tables.changes.phrases import days_text

FEWEST_SILENT_DAYS = 2  # for an alert: the files of the last day often arrive after the run


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


def missing_days(figures: Figures) -> list[Flaw]:
    """Return one flaw about the days without visits between days with visits, of each site or of all together."""
    gaps: dict[str | None, list[Row]] = {}  # by site, in the order of the rows: all sites come first
    for row in figures.rows("missing_days"):
        gaps.setdefault(row["silent_site"], []).append(row)
    sentences = []
    for of_site in gaps.values():
        *days, last = [days_text(row["first_day"], row["last_day"]) for row in of_site]
        when = f"{', '.join(days)} and {last}" if days else last
        day_count = sum(row["day_count"] for row in of_site)
        usual = formats.number(sum(row["usual_count"] for row in of_site))
        in_days = f" in these {day_count} days" if day_count > 1 else ""
        sentences.append(
            f"There were no visits{_of_site(of_site[0])} {when}; usually there are about {usual}{in_days}."
        )
    if not sentences:
        return []
    return [_no_visits(figures, [*_first(sentences), "Check the tracking and the delivery of events."], "missing_days")]


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


def _no_visits(
    figures: Figures, sentences: Sequence[str], figure: str = "silent_sites", *, is_mild: bool = False
) -> Flaw:
    return Flaw("No visits", " ".join(sentences), figures.query(figure), is_mild=is_mild)


def _all_or_each(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the row of all sites together if there is one; it comes first."""
    return rows[:1] if rows and rows[0]["silent_site"] is None else rows


def _first(sentences: Sequence[str]) -> list[str]:
    more = [f"And {formats.counted(len(sentences) - MOST, 'more site')}."] if len(sentences) > MOST else []
    return [*sentences[:MOST], *more]


def _of_site(row: Row) -> str:
    return "" if row["silent_site"] is None else f" on site {formats.isolated(row['silent_site'])}"
