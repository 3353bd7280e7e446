"""Prepares breakdowns: conversion rates by channel, device, campaign and own dimensions, with their charts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter

from markupsafe import Markup

from session_pipeline.report import charts, formats, names
from session_pipeline.report.chance import FEWEST
from session_pipeline.report.figures import Row
from session_pipeline.report.widths import NARROW, WIDE, in_each_width

CHART_ROWS = 8
SIZES = {"wide": WIDE, "narrow": NARROW}
COMMON_DIMENSIONS = ("channel", "device", "lifecycle", "utm_campaign")
DIMENSIONS = {"utm_campaign": "campaign", "lifecycle": "visitor"}
LIFECYCLES = {"new": "new", "returning": "also there the day before", "resurrected": "back after a pause"}


@dataclass(frozen=True)
class Breakdown:
    """A dimension of visits.

    Attributes:
        title: Its name in words.
        rows: Its values, each with its label.
        chart: The chart of the page.
        image: The chart for other places.
        arrows: The widths of the page, `wide` or `narrow`, in which an interval of the chart ends with an arrow.
    """

    title: str
    rows: Sequence[Row]
    chart: Markup
    image: Markup
    arrows: Collection[str]


def breakdowns(rows: Sequence[Row], room: int) -> tuple[list[Breakdown], int]:
    """Return the dimensions with more than one value that the page has room for, and how many more there are.

    All charts have one scale. The intervals of few visits do not decide it.
    """
    groups = {name: list(group) for name, group in groupby(rows, itemgetter("dimension"))}
    compared = {name: group for name, group in groups.items() if len(group) > 1}
    shown = _shown(compared, room)
    drawn = [row for group in shown.values() for row in group[:CHART_ROWS]]
    certain = [row["high"] for row in drawn if row["session_count"] >= FEWEST]
    highest = max([*certain, *(row["conversion_rate"] for row in drawn)], default=1.0)
    found = []
    for number, (name, group) in enumerate(shown.items(), start=1):
        title = _title(name, shown)
        labelled = [{**row, "label": _label(name, row["dimension_value"])} for row in group]
        in_chart = labelled[:CHART_ROWS]
        draw = partial(charts.rates, title=f"Conversion rate by {title}", rows=in_chart, highest=highest)
        chart, image = in_each_width(draw, f"rates-{number}"), draw(f"rates-{number}", WIDE)
        arrows = [size for size, width in SIZES.items() if charts.has_arrows(width, in_chart, highest)]
        found.append(Breakdown(title, labelled, chart, image, arrows))
    return found, len(compared) - len(shown)


def _shown(compared: Mapping[str, list[Row]], room: int) -> dict[str, list[Row]]:
    """Return the dimensions that have room: those of each site first, then own dimensions by name."""
    first = sorted(compared, key=lambda name: (name not in COMMON_DIMENSIONS, name))[:room]
    return {name: rows for name, rows in compared.items() if name in first}


def _label(name: str, value: str) -> str:
    """Return the name of a value for people."""
    return (LIFECYCLES.get(value) if name == "lifecycle" else None) or names.value_label(name, value)


def _title(name: str, all_names: Collection[str]) -> str:
    """Return a dimension in words. A packaged one has its short title unless that is the title of an own dimension."""
    own = {formats.words(other) for other in all_names if other not in DIMENSIONS}
    title = DIMENSIONS.get(name, "")
    return formats.words(name) if title in ("", *own) else title
