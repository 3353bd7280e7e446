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
from session_pipeline.report.svg import element, image, number, rectangle, text

LEAST_LABEL_WIDTH = 118
MOST_LABEL_SHARE = 0.36
LABEL_HEIGHT = 17  # of a label above its interval
MARGIN = 12  # left of the axis if labels are above, for half of the first tick label


def rates(key: str, width: int, title: str, rows: Sequence[Row], highest: float) -> Markup:
    """Draw the conversion rate of each value as a point on its 95 % interval, on a scale up to `highest`.

    Intervals that reach beyond the scale are cut, and end with an arrow. If the longest label does not fit beside its
    interval, all labels are above.
    """
    rate_width, pitch = 58, 26
    longest = max(text_width(row["label"]) for row in rows) + 4
    if longest <= max(LEAST_LABEL_WIDTH, MOST_LABEL_SHARE * width):
        axis = max(LEAST_LABEL_WIDTH, longest)
        label_left, label_room, label_height = 0, axis - 4, 0
    else:
        axis, label_left, label_height = MARGIN, MARGIN + 5, LABEL_HEIGHT
        label_room = width - label_left
        pitch += label_height
    bottom = pitch * len(rows) + 2
    ticks = _ticks(width, highest)
    x = Scale(ticks[-1], axis, width - rate_width)
    drawn = vertical_grid(ticks, x, bottom)
    for index, row in enumerate(rows):
        middle = index * pitch + (pitch + label_height) / 2
        rate = formats.percent(row["conversion_rate"])
        value = row["label"]
        left, right = x(row["low"]), x(min(row["high"], ticks[-1]))
        name = formats.isolated(formats.shortened(value))
        tooltip = f"{name}: {rate}, 95 % interval {formats.interval(row['low'], row['high'])}"
        drawn += [
            text(fitted(value, label_room), label_left, middle - label_height + BASELINE),
            rectangle(left, middle - 3, right - left, 6, "interval", tooltip),
            *([_arrow(right, middle, tooltip)] if row["high"] > ticks[-1] else []),
            point(x(row["conversion_rate"]), middle, tooltip, radius=4.5),
            text(rate, width, middle + BASELINE, "end"),
        ]
    return image(key, width, bottom + AXIS_HEIGHT, title, _description(rows), *drawn)


def has_arrows(width: int, rows: Sequence[Row], highest: float) -> bool:
    """Whether an interval of rates() reaches beyond the scale of this width."""
    return any(row["high"] > _ticks(width, highest)[-1] for row in rows)


def _ticks(width: int, highest: float) -> list[float]:
    return nice_ticks(highest, 5 if width > 450 else 3, 0.01)


def _arrow(x: float, y: float, tooltip: str) -> Markup:
    """Return the end of an interval that goes on beyond the scale."""
    points = " ".join(f"{number(x + dx)},{number(y + dy)}" for dx, dy in ((0, -6), (9, 0), (0, 6)))
    return element("polygon", element("title", tooltip), points=points, fill="var(--interval)")


def _description(rows: Sequence[Row]) -> str:
    best = max(rows, key=lambda row: row["conversion_rate"])
    name = formats.isolated(formats.shortened(best["label"], 40))
    return f"The highest rate is {formats.percent(best['conversion_rate'])}, of {name}. The table has all rates."
