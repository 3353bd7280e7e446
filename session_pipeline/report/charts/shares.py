"""Draws how visits are divided into outcomes, as bars of equal length."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.charts.marks import BASELINE, Scale, text_width
from session_pipeline.report.svg import image, rectangle, text


@dataclass(frozen=True)
class Bar:
    """A bar that consists of parts: its label, and each part as (name, count, share, colour)."""

    label: str
    parts: Sequence[tuple[str, int, float, str]]


def stacked_bars(key: str, width: int, bars: Sequence[Bar]) -> Markup:
    """Draw bars of equal length, one below the other, divided into shares. Parts have their names where these fit."""
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
    return image(key, width, pitch * len(bars) - (pitch - bar_height), "Shares of outcomes", _description(bars), *drawn)


def _description(bars: Sequence[Bar]) -> str:
    name, _, share, _ = max(bars[0].parts, key=lambda part: part[2])
    return f"{bars[0].label}: {name} is the most frequent outcome, with {formats.percent(share)}. The table has all."
