"""Finds two things that work: what visits with a conversion also looked at, steps that improve, the best channels.

These are associations, and the sentences say so.
"""

from dataclasses import dataclass

from session_pipeline.report import formats, sites
from session_pipeline.report.figures import Figures, Row

MOST = 2
FEWEST_VISITS = 30
CAUTION = "An association, not an effect: interested visitors look at more."
IMPROVED = "Nothing says what causes it; with many steps, one improves by chance now and then."
COMPARED = "A comparison of groups that can also differ in other ways."
LIFECYCLES = {
    "new": "of new visitors",
    "returning": "of visitors who were also there the day before",
    "resurrected": "of visitors who are back after a pause",
}


@dataclass(frozen=True)
class Strength:
    """Something that works: a plain sentence, what to keep in mind, and the figure with its query."""

    sentence: str
    note: str
    figure: str


def strengths(figures: Figures) -> list[Strength]:
    """Returns at most two things that work, of different kinds where possible."""
    by_kind = [
        [_found(row, CAUTION, "next_best_actions") for row in sites.with_sentences(figures, "next_best_actions")],
        [_found(row, IMPROVED, "gains") for row in sites.with_sentences(figures, "gains")],
        _best_groups(figures),
    ]
    first = [kind[0] for kind in by_kind if kind]
    rest = [found for kind in by_kind for found in kind[1:]]
    return [*first, *rest][:MOST]


def _found(row: Row, note: str, figure: str) -> Strength:
    return Strength(row["sentence"], note, figure)


def _best_groups(figures: Figures) -> list[Strength]:
    """Returns the best value of each dimension whose rate is surely above that of all visits; landing pages come last.

    Visits that begin late in a funnel, such as in the cart, convert more often for no other reason.
    """
    week = next(row for row in figures.rows("visits") if row["period"] == "week")
    usual = week["conversion_rate"]
    rows = [(row["dimension"], row["dimension_value"], row) for row in figures.rows("breakdowns")]
    pages = [("landing page", row["action"], row) for row in figures.rows("landing_pages")]
    found = []
    for named, figure in ((rows, "breakdowns"), (pages, "landing_pages")):
        best: dict[str, tuple[str, Row]] = {}
        for dimension, value, row in named:
            is_better = row["session_count"] >= FEWEST_VISITS and row["low"] > usual and value != "(none)"
            if is_better and (dimension not in best or row["low"] > best[dimension][1]["low"]):
                best[dimension] = (value, row)
        for dimension, (value, row) in sorted(best.items(), key=lambda item: (-item[1][1]["low"], item[0])):
            place = sites.place(figures, row) if figure == "landing_pages" else ""
            found.append(Strength(_sentence(dimension, value, row, usual, place), COMPARED, figure))
    return found


def _sentence(dimension: str, value: str, row: Row, usual: float, place: str) -> str:
    name = formats.shortened(formats.words(value), 50)
    places = {"landing page": f"that begin at {name}{place}", "device": f"on {name}"}
    where = LIFECYCLES[value] if dimension == "lifecycle" else places.get(dimension)
    where = where or f"with {formats.words(dimension).replace('utm ', '')} {name}"
    return (
        f"Visits {where} convert more often: {formats.percent(row['conversion_rate'])}"
        f" ({formats.interval(row['low'], row['high'])}) against {formats.percent(usual)} of all visits."
    )
