"""Draws two or three rates below each other, such as now, before and elsewhere."""

from collections.abc import Sequence

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.charts.marks import BASELINE, text_width
from session_pipeline.report.svg import image, rectangle, text


def comparison(key: str, width: int, title: str, rates: Sequence[tuple[str, float, str]]) -> Markup:
    """Draw a bar for each rate: its label, its value from 0 to 1, and its colour. All bars have the same scale."""
    pitch, bar_height, rate_width = 19, 11, 54
    label_width = max(text_width(label) for label, _, _ in rates) * 0.9 + 4
    highest = max(max(rate for _, rate, _ in rates), 0.0001)
    room = width - label_width - rate_width
    drawn: list[Markup] = []
    for index, (label, rate, colour) in enumerate(rates):
        middle = index * pitch + pitch / 2
        length = max(room * rate / highest, 1)
        drawn += [
            text(label, 0, middle + BASELINE, "small muted"),
            rectangle(label_width, middle - bar_height / 2, length, bar_height, colour),
            text(
                formats.percent(rate), label_width + length + 5, middle + BASELINE, "small" if index else "small strong"
            ),
        ]
    description = ", ".join(f"{label} {formats.percent(rate)}" for label, rate, _ in rates) + "."
    return image(key, width, pitch * len(rates), title, formats.sentence_start(description), *drawn)
