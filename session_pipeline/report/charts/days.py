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


def days(key: str, width: int, rows: Sequence[Row]) -> Markup:
    """Draws two line charts by day: visits and their conversion rate. Days that are not final have hollow points."""
    top, height, panel_height = 26, 110, 174
    right = 22
    highest_count = max(row["session_count"] for row in rows)
    highest_rate = max(row["conversion_rate"] or 0.0 for row in rows)
    panels = (
        ("Visits", "session_count", nice_ticks(highest_count, 5, 1), formats.number),
        ("Conversion rate", "conversion_rate", nice_ticks(highest_rate, 5, 0.01), formats.percent),
    )
    left = max(50, 12 + text_width(formats.number(panels[0][2][-1])))
    room = width - left - right
    x = [left + room * (index + 0.5) / len(rows) for index in range(len(rows))]
    drawn: list[Markup] = []
    for index, (title, column, ticks, shown) in enumerate(panels):
        offset = index * panel_height
        y = Scale(ticks[-1], offset + top + height, offset + top)
        drawn.append(text(title, 0, offset + 11, "muted"))
        for tick in ticks:
            drawn += [
                line(left, y(tick), width - right, y(tick), "axis" if tick == 0 else "grid"),
                text(tick_label(tick, column == "conversion_rate"), left - 8, y(tick) + BASELINE, "end muted"),
            ]
        drawn += _dates(rows, x, offset + top + height)
        drawn += lines([(x[n], None if row[column] is None else y(row[column])) for n, row in enumerate(rows)])
        for position, row in zip(x, rows, strict=True):
            if row[column] is not None:
                tooltip = f"{formats.day(row['session_date'])}: {shown(row[column])}"
                drawn.append(point(position, y(row[column]), tooltip, is_hollow=not row["is_final"]))
    total_height = panel_height + top + height + AXIS_HEIGHT
    return image(key, width, total_height, "Visits and conversion rate by day", _description(rows), *drawn)


def _description(rows: Sequence[Row]) -> str:
    most = max(rows, key=lambda row: row["session_count"])
    visits = formats.counted(most["session_count"], "visit")
    return (
        f"The day with the most visits is {formats.day(most['session_date'])}, with {visits}. The table has all days."
    )


def _dates(rows: Sequence[Row], x: Sequence[float], bottom: float) -> list[Markup]:
    """Returns the labels of the days, as many as fit. The last day always has one."""
    pitch = x[1] - x[0] if len(x) > 1 else math.inf
    stride = max(1, math.ceil(6 * CHARACTER_WIDTH / pitch))
    labelled = range(len(rows) - 1, -1, -stride)
    return [
        text(formats.short_day(rows[index]["session_date"]), x[index], bottom + 16, "middle muted")
        for index in reversed(labelled)
    ]
