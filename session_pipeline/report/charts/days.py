"""Draws visits and their conversion rate, day by day."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.charts.marks import (
    AXIS_HEIGHT,
    BASELINE,
    CHARACTER_WIDTH,
    Scale,
    lines,
    nice_ticks,
    point,
    text_width,
    tick_label,
)
from session_pipeline.report.figures import Row
from session_pipeline.report.svg import image, line, text

TITLE_HEIGHT, PLOT_HEIGHT, PANEL_HEIGHT = 26, 110, 174
MARGIN = 22  # to the right of the last day
SIDE_BY_SIDE, GAP = 900, 48


def days(key: str, width: int, rows: Sequence[Row]) -> Markup:
    """Draw two line charts by day: visits and their conversion rate. Days that are not final have hollow points.

    On a wide image, the charts are next to each other, otherwise one below the other. Without any conversion, there is
    only the chart of visits.
    """
    highest_count = max(row["session_count"] for row in rows)
    highest_rate = max(row["conversion_rate"] or 0.0 for row in rows)
    panels = [("Visits", "session_count", nice_ticks(highest_count, 5, 1))]
    if highest_rate:
        panels.append(("Conversion rate", "conversion_rate", nice_ticks(highest_rate, 5, 0.01)))
    is_wide = width > SIDE_BY_SIDE
    panel_width = (width - GAP) / 2 if is_wide and len(panels) > 1 else width
    left = max(50, 12 + text_width(formats.number(panels[0][2][-1])))
    drawn: list[Markup] = []
    for index, (name, column, ticks) in enumerate(panels):
        start = index * (panel_width + GAP) if is_wide else 0.0
        top = 0 if is_wide else index * PANEL_HEIGHT
        drawn += _panel(name, column, ticks, rows, (start, start + left, start + panel_width - MARGIN), top)
    height = TITLE_HEIGHT + PLOT_HEIGHT + AXIS_HEIGHT + (0 if is_wide else PANEL_HEIGHT * (len(panels) - 1))
    title = "Visits and conversion rate by day" if len(panels) > 1 else "Visits by day"
    return image(key, width, height, title, _description(rows), *drawn)


def _panel(
    title: str, column: str, ticks: Sequence[float], rows: Sequence[Row], places: tuple[float, float, float], top: float
) -> list[Markup]:
    """Return one chart; `places` are the positions of its title, of its axis and of its right end."""
    start, left, right = places
    is_share = column == "conversion_rate"
    shown = formats.percent if is_share else formats.number
    bottom = top + TITLE_HEIGHT + PLOT_HEIGHT
    y = Scale(ticks[-1], bottom, top + TITLE_HEIGHT)
    x = [left + (right - left) * (index + 0.5) / len(rows) for index in range(len(rows))]
    drawn = [text(title, start, top + 11, "muted")]
    for tick in ticks:
        drawn += [
            line(left, y(tick), right, y(tick), "axis" if tick == 0 else "grid"),
            text(tick_label(tick, is_share), left - 8, y(tick) + BASELINE, "end muted"),
        ]
    drawn += _dates(rows, x, bottom)
    drawn += lines([(x[n], None if row[column] is None else y(row[column])) for n, row in enumerate(rows)])
    for position, row in zip(x, rows, strict=True):
        if row[column] is not None:
            tooltip = f"{formats.day(row['session_date'])}: {shown(row[column])}"
            drawn.append(point(position, y(row[column]), tooltip, is_hollow=not row["is_final"]))
    return drawn


def _description(rows: Sequence[Row]) -> str:
    most = max(rows, key=lambda row: row["session_count"])
    visits = formats.counted(most["session_count"], "visit")
    return (
        f"The day with the most visits is {formats.day(most['session_date'])}, with {visits}. The table has all days."
    )


def _dates(rows: Sequence[Row], x: Sequence[float], bottom: float) -> list[Markup]:
    """Return the labels of the days, as many as fit. The last day always has one."""
    pitch = x[1] - x[0] if len(x) > 1 else math.inf
    stride = max(1, math.ceil(6 * CHARACTER_WIDTH / pitch))
    labelled = range(len(rows) - 1, -1, -stride)
    return [
        text(formats.short_day(rows[index]["session_date"]), x[index], bottom + 16, "middle muted")
        for index in reversed(labelled)
    ]
