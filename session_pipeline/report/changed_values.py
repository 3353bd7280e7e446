"""Finds conversions whose value is another one than usual, as if it was sent in another unit or currency."""

from session_pipeline.report import formats, sites
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.flaw import MOST, Flaw

CHECK = "Check the unit and the currency that are sent, unless prices changed."


def changed_values(figures: Figures) -> list[Flaw]:
    """Return one flaw about the outcomes whose usual value halved or doubled, those of the most visits first."""
    rows = figures.rows("changed_values")
    if not rows:
        return []
    sentences = [_sentence(figures, row) for row in rows[:MOST]]
    return [Flaw("Other values", " ".join([*sentences, CHECK]), figures.query("changed_values"))]


def _sentence(figures: Figures, row: Row) -> str:
    now, usual = (formats.money(row[name], row["currency"]) for name in ("week_median", "usual_median"))
    change = "less" if row["week_median"] < row["usual_median"] else "more"
    return (
        f"Visits with {formats.isolated(formats.words(row['outcome']))}{sites.place(figures, row)} are worth {change}:"
        f" the median of {formats.counted(row['week_count'], 'visit')} of the week is {now}, that of the four weeks"
        f" before {usual}."
    )
