"""Finds two things that work: what visits with a conversion also looked at, steps that improve, the best channels.

These are associations, and the sentences say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, log1p
from typing import NamedTuple

from session_pipeline.report import formats, lost_values, names, sites
from session_pipeline.report.chance import FEWEST
from session_pipeline.report.figures import Figures, Row
from session_pipeline.report.window import Window

MOST = 2
NEGLIGIBLE = 1e-12
CHANCE = 0.05  # of any finding among the groups of a week, if no group differs from all visits
CAUTION = "An association, not an effect: interested visitors look at more."
IMPROVED = "Nothing says what causes it; with many steps, one improves by chance now and then."
OTHER_WAYS = "A comparison of groups that can also differ in other ways."
OF_SITES = "A comparison of groups over all sites. They can also differ in other ways, such as in their sites."
COMPARED = "By chance alone, any group stands out like this in fewer than 5 of 100 weeks."
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


class Group(NamedTuple):
    """The visits with a value of a dimension."""

    dimension: str
    value: str
    row: Row


class UsualRate(NamedTuple):
    """A conversion rate that groups are compared with.

    Attributes:
        of_week: The rate of the week.
        highest: The rate to exceed: that of the week, or that of the week before if it is higher and of enough visits.
    """

    of_week: float
    highest: float


@dataclass(frozen=True)
class UsualRates:
    """The conversion rates that groups are compared with.

    Attributes:
        of_all: The rate of all visits.
        of_site: The rate of the visits to each site; empty if there is one site.
        has_several_sites: Whether there are several sites.
    """

    of_all: UsualRate
    of_site: Mapping[str, UsualRate]
    has_several_sites: bool

    def is_of_site(self, row: Row) -> bool:
        """Whether a group is compared with the visits to its site."""
        return row.get("site") in self.of_site

    def rate_for(self, row: Row) -> UsualRate:
        """Return the rate that a group is compared with."""
        return self.of_site[row["site"]] if self.is_of_site(row) else self.of_all


def strengths(figures: Figures, window: Window) -> list[Strength]:
    """Return at most two things that work, of different kinds where possible, about the visits of this window."""
    by_kind = [
        [
            Strength(row["sentence"], f"{_days(row, window)} {CAUTION}", "next_best_actions")
            for row in sites.with_sentences(figures, "next_best_actions")
        ],
        [
            # Without the value, because that can be a sum of several currencies.
            Strength(lost_values.VALUE.sub("", row["sentence"]), IMPROVED, "gains")
            for row in sites.with_sentences(figures, "gains")
        ],
        _best_groups(figures, window),
    ]
    first = [kind[0] for kind in by_kind if kind]
    rest = [found for kind in by_kind for found in kind[1:]]
    return [*first, *rest][:MOST]


def has_large_groups(figures: Figures) -> bool:
    """Whether any value of a dimension or any landing page has enough visits to be compared with all visits."""
    return any(_large(figures).values())


def _days(row: Row, window: Window) -> str:
    """Return the days of a comparison as a sentence, because they are not the week of the page."""
    return f"Visits of the last {formats.counted(min(row['window_days'], window.known_days), 'day')}."


def _best_groups(figures: Figures, window: Window) -> list[Strength]:
    """Return the best value of each dimension that surely converts more often than all visits; pages come last.

    A landing page is compared with all visits to its site, because another site can convert more often as a whole.

    Chance must give so many conversions with a probability below CHANCE divided by the number of groups, so that it
    rarely causes any finding. A page to which most of its visits come later, such as the cart, is left out: visits that
    begin there go on with an earlier one. A group of which all visits convert is left out: it is the conversion, such
    as an order that a server sent, or a way of paying. So are all first actions if rare ones are combined, because
    their rates are not known. A dimension with a change in the week is left out: while mobile visits meet a fault,
    those on desktop convert more often than all visits.
    """
    changed = _changed_dimensions(figures, window)
    groups = {
        figure: [
            group
            for group in large
            if group.dimension not in changed and not _is_conversion(group) and not _is_mostly_later(group)
        ]
        for figure, large in _large(figures).items()
    }
    level = CHANCE / max(1, sum(map(len, groups.values())))
    usual = _usual_rates(figures)
    return [
        _strength(figures, figure, group, usual)
        for figure, compared in groups.items()
        for group in _best_of_dimensions(compared, usual, level)
    ]


def _usual_rates(figures: Figures) -> UsualRates:
    periods = {row["period"]: row for row in figures.rows("visits")}
    before = periods.get("before", {"session_count": 0, "conversion_rate": None})
    of_all = _usual_rate(figures.week["conversion_rate"], before["conversion_rate"], before["session_count"])
    has_several = sites.has_several(figures)
    of_site = {
        row["site"]: _usual_rate(row["conversion_rate"], row["conversion_rate_before"], row["before_count"])
        for row in figures.rows("sites")
    }
    return UsualRates(of_all, of_site if has_several else {}, has_several)


def _usual_rate(of_week: float | None, before: float | None, visits_before: int) -> UsualRate:
    of_week = of_week or 0.0
    return UsualRate(of_week, max(of_week, (before or 0.0) if visits_before >= FEWEST else 0.0))


def _best_of_dimensions(groups: Sequence[Group], usual: UsualRates, level: float) -> list[Group]:
    """Return the best group of each dimension whose conversions chance gives less often than `level`, surest first."""
    best: dict[str, Group] = {}
    for group in groups:
        row, known = group.row, best.get(group.dimension)
        is_better = chance_of(row["converted_count"], row["session_count"], usual.rate_for(row).highest) < level
        if is_better and (known is None or row["low"] > known.row["low"]):
            best[group.dimension] = group
    return sorted(best.values(), key=lambda group: (-group.row["low"], group.dimension))


def _strength(figures: Figures, figure: str, group: Group, usual: UsualRates) -> Strength:
    is_of_site = usual.is_of_site(group.row)
    place = sites.place(figures, group.row) if is_of_site else ""
    visits = "all visits to the site" if is_of_site else "all visits"
    against = f"{formats.percent(usual.rate_for(group.row).of_week)} of {visits}"
    note = f"{OF_SITES if usual.has_several_sites and not is_of_site else OTHER_WAYS} {COMPARED}"
    return Strength(_sentence(group, against, place), note, figure)


def _large(figures: Figures) -> dict[str, list[Group]]:
    """Return the groups with enough visits of each figure."""
    groups = {
        "breakdowns": [Group(row["dimension"], row["dimension_value"], row) for row in figures.rows("breakdowns")],
        "landing_pages": [
            Group(names.LANDING, row["action"], row)
            for row in figures.rows("landing_pages")
            if row["conversion_rate"] is not None
        ],
    }
    return {figure: [group for group in found if _is_large(group)] for figure, found in groups.items()}


def _is_large(group: Group) -> bool:
    return group.value not in (None, "(none)") and bool(group.row["session_count"] >= FEWEST)


def _is_conversion(group: Group) -> bool:
    return bool(group.row["converted_count"] == group.row["session_count"])


def _is_mostly_later(group: Group) -> bool:
    """Whether a landing page has more visits that come to it later than visits that begin there."""
    return bool((group.row.get("later_count") or 0) > group.row["session_count"])


def _changed_dimensions(figures: Figures, window: Window) -> set[str]:
    """Return the dimensions with a changed step or outcome in the week; a number of visits is no rate."""
    outcomes = [row for row in figures.rows("changed_outcomes") if row["outcome"] != "(sessions)"]
    rows = [*figures.rows("changed_steps"), *outcomes]
    return {row["dimension"] for row in rows if row["last_seen_day"] >= window.first_day}


def chance_of(converted: int, visits: int, rate: float) -> float:
    """Return the binomial probability that at least `converted` of `visits` convert; 1 if no more than expected do."""
    if converted <= rate * visits:
        return 1.0
    if rate <= 0:
        return 0.0
    ways = lgamma(visits + 1) - lgamma(converted + 1) - lgamma(visits - converted + 1)
    term = exp(ways + converted * log(rate) + (visits - converted) * log1p(-rate))
    total = term
    for count in range(converted, visits):
        term *= (visits - count) / (count + 1) * rate / (1 - rate)
        total += term
        if term <= total * NEGLIGIBLE:
            break
    return total


def _sentence(group: Group, against: str, place: str) -> str:
    dimension, value, row = group
    name = names.value_in_sentence(dimension, value)
    places = {names.LANDING: f"that begin at {name}{place}", "device": f"on {name}"}
    where = LIFECYCLES[value] if dimension == "lifecycle" else places.get(dimension)
    where = where or f"with {names.dimension_in_sentence(dimension)} {name}"
    return (
        f"Visits {where} convert more often: {formats.percent(row['conversion_rate'])}"
        f" ({formats.interval(row['low'], row['high'])}) against {against}."
    )
