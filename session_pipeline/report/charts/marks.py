"""Marks that several charts share: scales, ticks, grids, points, lines, and texts that fit.

Colours are custom properties of page.css, so one image works in light mode, in dark mode and on paper. An image has a
fixed width, because texts are only drawn where they fit. The modules next to this one draw the charts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from unicodedata import east_asian_width

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.svg import Value, element, line, text

CHARACTER_WIDTH = 7.6  # upper bound of the average width of a Latin character in the font of page.css
WIDE_CHARACTER_WIDTH = 13.0  # the same for Chinese, Japanese and Korean, and for M and W
CAPITAL_WIDTH = 9.4  # the same for other capital letters
BASELINE = 4.5  # from the middle of a text to its baseline
AXIS_HEIGHT = 20


@dataclass(frozen=True)
class Scale:
    """Converts values from 0 to `highest` into positions between two coordinates."""

    highest: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        return self.start + (self.end - self.start) * value / self.highest


def nice_ticks(highest: float, count: int, smallest_step: float) -> list[float]:
    """Return ticks from 0 to at least `highest`, at most `count` steps of 1, 2 or 5 times a power of ten.

    A step is not smaller than `smallest_step`. There is always at least one step.
    """
    step = Decimal(str(smallest_step))
    while step * count < Decimal(str(highest)):
        # 1, 2, 5, 10, 20, 50, ...
        step *= Decimal("2.5") if step.normalize().as_tuple().digits == (2,) else 2
    steps = max(1, math.ceil(Decimal(str(highest)) / step))
    return [float(step * index) for index in range(steps + 1)]


def tick_label(tick: float, is_share: bool) -> str:
    """Return the label of a tick: a whole percentage, or a count."""
    return f"{round(tick * 100)}{formats.THIN_SPACE}%" if is_share else formats.number(tick)


def vertical_grid(ticks: Sequence[float], x: Scale, bottom: float) -> list[Markup]:
    """Return the grid lines and labels of a horizontal axis of shares."""
    drawn = []
    for tick in ticks:
        drawn += [
            line(x(tick), 0, x(tick), bottom, "axis" if tick == 0 else "grid"),
            text(tick_label(tick, is_share=True), x(tick), bottom + 15, "middle muted"),
        ]
    return drawn


def text_width(content: str) -> float:
    """Return an upper bound of the width of a text in pixels."""
    return sum(map(_character_width, content))


def _character_width(character: str) -> float:
    if character in "MW" or east_asian_width(character) in "WF":
        return WIDE_CHARACTER_WIDTH
    return CAPITAL_WIDTH if character.isupper() else CHARACTER_WIDTH


def fitted(content: str, room: float) -> str:
    """Shorten a text so that it fits into `room` pixels."""
    length = len(content)
    while length > 1 and text_width(formats.shortened(content, length)) > room:
        length -= 1
    return formats.shortened(content, length)


def lines(points: Sequence[tuple[float, float | None]]) -> list[Markup]:
    """Return a line through the points, with a gap where a value is missing."""
    return [line(x1, y1, x2, y2, "series") for (x1, y1), (x2, y2) in pairwise(points) if not (y1 is None or y2 is None)]


def point(x: float, y: float, tooltip: str, *, radius: float = 3.5, is_hollow: bool = False) -> Markup:
    """Return a point; browsers show the tooltip when the pointer is on it."""
    attributes: dict[str, Value] = {"cx": x, "cy": y, "r": radius, "class_": "hollow point" if is_hollow else "point"}
    return element("circle", element("title", tooltip), **attributes)
