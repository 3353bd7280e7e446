"""Draws how visits are divided into outcomes, as bars of equal length."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.charts.marks import BASELINE, Scale, fitted, text_width
from session_pipeline.report.svg import image, rectangle, text


@dataclass(frozen=True)
class Bar:
    """A bar that consists of parts: its label, and each part as (name, count, share, colour)."""

    label: str
    parts: Sequence[tuple[str, int, float, str]]


def stacked_bars(key: str, width: int, bars: Sequence[Bar], *, has_legend: bool = False) -> Markup:
    """Draw bars of equal length, one below the other, divided into shares. Parts have their names where these fit.

    A legend has the names and the shares of all parts of the first bar, for places without a table next to the chart.
    """
    pitch, bar_height = 32, 26
    label_width = max(text_width(bar.label) for bar in bars) * 0.9 + 8
    x = Scale(1, label_width, width)
    drawn: list[Markup] = []
    for index, bar in enumerate(bars):
        top = index * pitch
        middle = top + bar_height / 2
        drawn.append(text(bar.label, 0, middle + BASELINE, "muted" if index else None))
        start = 0.0
        for name, count, share, colour in bar.parts:
            left, right = x(start), x(start + share)
            tooltip = f"{name}: {formats.counted(count, 'visit')}, {formats.percent(share)}"
            drawn.append(rectangle(left, top, max(right - left - 1, 0.5), bar_height, colour, tooltip))
            texts = (f"{name} {formats.percent(share)}", formats.percent(share))
            fitting = next((label for label in texts if text_width(label) * 0.95 + 4 <= right - left), "")
            if fitting:
                ink = f"var(--on-{colour})"
                drawn.append(text(fitting, (left + right) / 2, middle + BASELINE, "middle", fill=ink))
            start += share
    height: float = pitch * len(bars) - (pitch - bar_height)
    if has_legend:
        legend, height = _legend(bars[0], width, height + 8)
        drawn += legend
    return image(key, width, height, "Shares of outcomes", _description(bars), *drawn)


def _description(bars: Sequence[Bar]) -> str:
    name, _, share, _ = max(bars[0].parts, key=lambda part: part[2])
    return f"{bars[0].label}: {name} is the most frequent outcome, with {formats.percent(share)}. The table has all."


def _legend(bar: Bar, width: int, top: float) -> tuple[list[Markup], float]:
    """Return the parts of a bar with their colours, in as many lines as they need, and the bottom of the last line."""
    chip, chip_room, gap, line_height = 10, 16, 12, 20
    drawn: list[Markup] = []
    left = 0.0
    for name, _, share, colour in bar.parts:
        content = fitted(f"{name} {formats.percent(share)}", width - chip_room)
        right = left + chip_room + text_width(content)
        if left and right > width:
            left, right, top = 0.0, right - left, top + line_height
        middle = top + line_height / 2
        drawn += [
            rectangle(left, middle - chip / 2, chip, chip, colour),
            text(content, left + chip_room, middle + BASELINE),
        ]
        left = right + gap
    return drawn, top + line_height
