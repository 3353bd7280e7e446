"""Draws conversion rates with their intervals."""

from collections.abc import Sequence

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.charts.marks import (
    AXIS_HEIGHT,
    BASELINE,
    Scale,
    fitted,
    nice_ticks,
    point,
    text_width,
    vertical_grid,
)
from session_pipeline.report.figures import Row
from session_pipeline.report.svg import image, rectangle, text

LEAST_LABEL_WIDTH = 118
MOST_LABEL_SHARE = 0.36


def rates(key: str, width: int, title: str, rows: Sequence[Row], highest: float) -> Markup:
    """Draw the conversion rate of each value as a point on its 95 % interval, on a scale up to `highest`.

    Intervals that reach beyond the scale are cut.
    """
    rate_width, pitch = 58, 26
    longest = max(text_width(row["label"]) for row in rows) + 4
    label_width = max(LEAST_LABEL_WIDTH, min(longest, MOST_LABEL_SHARE * width))
    bottom = pitch * len(rows) + 2
    ticks = nice_ticks(highest, 5 if width > 450 else 3, 0.01)
    x = Scale(ticks[-1], label_width, width - rate_width)
    drawn = vertical_grid(ticks, x, bottom)
    for index, row in enumerate(rows):
        middle = index * pitch + pitch / 2
        rate = formats.percent(row["conversion_rate"])
        value = row["label"]
        left, right = x(row["low"]), x(min(row["high"], ticks[-1]))
        name = formats.isolated(formats.shortened(value))
        tooltip = f"{name}: {rate}, 95 % interval {formats.interval(row['low'], row['high'])}"
        drawn += [
            text(fitted(value, label_width - 4), 0, middle + BASELINE),
            rectangle(left, middle - 3, right - left, 6, "interval", tooltip),
            point(x(row["conversion_rate"]), middle, tooltip, radius=4.5),
            text(rate, width, middle + BASELINE, "end"),
        ]
    return image(key, width, bottom + AXIS_HEIGHT, title, _description(rows), *drawn)


def _description(rows: Sequence[Row]) -> str:
    best = max(rows, key=lambda row: row["conversion_rate"])
    name = formats.isolated(formats.shortened(best["label"], 40))
    return f"The highest rate is {formats.percent(best['conversion_rate'])}, of {name}. The table has all rates."
