"""Draws the charts of the report as SVG, without scripts, fonts or external references.

Colours are custom properties of page.css, so one image works in light mode, in dark mode and on paper. An image has a
fixed width, because texts are only drawn where they fit. page.py decides which widths a chart is drawn in, and svg.py
writes the elements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from unicodedata import east_asian_width

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.figures import Row
from session_pipeline.report.svg import Value, element, image, line, rectangle, text

CHARACTER_WIDTH = 7.6  # upper bound of the average width of a Latin character in the font of page.css
WIDE_CHARACTER_WIDTH = 13.0  # the same for Chinese, Japanese and Korean
BASELINE = 4.5  # from the middle of a text to its baseline
AXIS_HEIGHT = 20


@dataclass(frozen=True)
class Bar:
    """A bar that consists of parts: its label in two lines, and each part as (name, count, share, colour)."""

    label: str
    detail: str
    parts: Sequence[tuple[str, int, float, str]]


@dataclass(frozen=True)
class Scale:
    """Converts values from 0 to `highest` into positions between two coordinates."""

    highest: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Returns the position of a value."""
        return self.start + (self.end - self.start) * value / self.highest


def stacked_bars(key: str, width: int, bars: Sequence[Bar]) -> Markup:
    """Draws bars of equal length, one below the other, divided into shares. Parts have their names where these fit."""
    pitch, bar_height = 48, 38
    label_width = max([104.0, *(10 + _width(bar.detail) for bar in bars)])
    bottom = pitch * len(bars) - 4
    x = Scale(1, label_width, width - 22)
    drawn = _vertical_grid([0, 0.25, 0.5, 0.75, 1], x, bottom)
    for index, bar in enumerate(bars):
        top = index * pitch + 2
        middle = top + bar_height / 2
        drawn += [text(bar.label, 0, middle - 3), text(bar.detail, 0, middle + 13, "muted")]
        start = 0.0
        for name, count, share, colour in bar.parts:
            left, right = x(start), x(start + share)
            tooltip = f"{name}: {formats.counted(count, 'visit')}, {formats.percent(share)}"
            drawn.append(rectangle(left, top, max(right - left - 1, 0.5), bar_height, colour, tooltip))
            texts = (f"{name} {formats.percent(share)}", formats.percent(share))
            fitting = next((label for label in texts if _width(label) + 4 <= right - left), "")
            if fitting:
                ink = f"var(--on-{colour})"
                drawn.append(text(fitting, (left + right) / 2, middle + BASELINE, "middle", fill=ink))
            start += share
    description = " ".join(
        f"{bar.label}, {bar.detail}: "
        + ", ".join(f"{name} {formats.percent(share)}" for name, _, share, _ in bar.parts)
        + "."
        for bar in bars
    )
    return image(key, width, bottom + AXIS_HEIGHT, "Shares of outcomes", description, *drawn)


def funnel(key: str, width: int, name: str, steps: Sequence[Row]) -> Markup:
    """Draws a bar for each funnel step, followed by the loss since the previous step; highlights the largest loss."""
    pitch, bar_top, bar_height = 45, 20, 18
    interval_width = 92
    drawn: list[Markup] = []
    sentences = []
    for index, step in enumerate(steps):
        before = steps[index - 1] if index else None
        top = index * pitch
        share = step["conversion_rate"] or 0.0
        figures = f"{formats.number(step['reached_count'])} · {formats.percent(step['conversion_rate'])}"
        label_room = width - interval_width - 1.1 * _width(figures) - 8  # the figures are bold
        label = _shortened(f"{step['step_number']}  {step['step']}", label_room)
        drawn += [
            text(label, 0, top + 14),
            text(figures, width - interval_width, top + 14, "end strong"),
            rectangle(0, top + bar_top, share * width, bar_height, "accent", f"{step['step']}: {figures}"),
        ]
        if before:
            interval = f"({formats.interval(step['low'], step['high'])})"
            drawn += [text(interval, width, top + 14, "end small muted"), *_loss(before, step, width, top + bar_top)]
        sentences.append(
            f"{step['step']}: {figures}"
            + (", matches no event" if step["is_unmatched"] else "")
            + (", followed by the largest loss" if step["is_largest_loss"] else "")
            + "."
        )
    return image(key, width, pitch * len(steps), f"Funnel {name}", " ".join(sentences), *drawn)


def rates(key: str, width: int, title: str, rows: Sequence[Row], highest: float) -> Markup:
    """Draws the conversion rate of each value as a point on its 95 % interval, on a scale up to `highest`."""
    label_width, rate_width, pitch = 118, 58, 26
    bottom = pitch * len(rows) + 2
    ticks = nice_ticks(highest, 5 if width > 450 else 3, 0.01)
    x = Scale(ticks[-1], label_width, width - rate_width)
    drawn = _vertical_grid(ticks, x, bottom)
    for index, row in enumerate(rows):
        middle = index * pitch + pitch / 2
        rate = formats.percent(row["conversion_rate"])
        value = formats.words(row["dimension_value"])
        left, right = x(row["low"]), x(row["high"])
        tooltip = f"{value}: {rate}, 95 % interval {formats.interval(row['low'], row['high'])}"
        drawn += [
            text(_shortened(value, label_width - 4), 0, middle + BASELINE),
            rectangle(left, middle - 3, right - left, 6, "interval", tooltip),
            _point(x(row["conversion_rate"]), middle, tooltip, radius=4.5),
            text(rate, width, middle + BASELINE, "end"),
        ]
    description = " ".join(
        f"{formats.words(row['dimension_value'])}: {formats.percent(row['conversion_rate'])}." for row in rows
    )
    return image(key, width, bottom + AXIS_HEIGHT, title, description, *drawn)


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
    left = max(50, 12 + _width(formats.number(panels[0][2][-1])))
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
                text(_tick_label(tick, column == "conversion_rate"), left - 8, y(tick) + BASELINE, "end muted"),
            ]
        drawn += _dates(rows, x, offset + top + height)
        drawn += _lines([(x[n], None if row[column] is None else y(row[column])) for n, row in enumerate(rows)])
        for position, row in zip(x, rows, strict=True):
            if row[column] is not None:
                tooltip = f"{formats.day(row['session_date'])}: {shown(row[column])}"
                drawn.append(_point(position, y(row[column]), tooltip, is_hollow=not row["is_final"]))
    description = " ".join(
        f"{formats.day(row['session_date'])}: {formats.counted(row['session_count'], 'visit')}, "
        f"{formats.percent(row['conversion_rate'])}."
        for row in rows
    )
    total_height = panel_height + top + height + AXIS_HEIGHT
    return image(key, width, total_height, "Visits and conversion rate by day", description, *drawn)


def nice_ticks(highest: float, count: int, smallest_step: float) -> list[float]:
    """Returns ticks from 0 to at least `highest`, at most `count` steps of 1, 2 or 5 times a power of ten.

    A step is not smaller than `smallest_step`. There is always at least one step.
    """
    step = Decimal(str(smallest_step))
    while step * count < Decimal(str(highest)):
        # 1, 2, 5, 10, 20, 50, ...
        step *= Decimal("2.5") if step.normalize().as_tuple().digits == (2,) else 2
    steps = max(1, math.ceil(Decimal(str(highest)) / step))
    return [float(step * index) for index in range(steps + 1)]


def _loss(before: Row, step: Row, width: int, top: float) -> list[Markup]:
    """Returns the bar of the loss before a step, and its text where there is room for it.

    A step that matches no event has no loss, because no visit could reach it.
    """
    share, share_before = step["conversion_rate"] or 0.0, before["conversion_rate"] or 0.0
    is_largest = before["is_largest_loss"]
    if step["is_unmatched"]:
        return [text("matches no event", share * width + 6, top + 13, "muted")]
    drawn = [rectangle(share * width, top, (share_before - share) * width, 18, "loss" if is_largest else "ghost")]
    if not before["dropped_count"]:
        return []
    rate = formats.percent(before["dropped_count"] / before["reached_count"])
    short = f"{formats.MINUS}{formats.number(before['dropped_count'])} ({rate})"
    on_loss = "on-loss" if is_largest else "muted"
    places = (
        (share_before - share, share, 6, on_loss),  # on the loss
        (1 - share_before, share_before, 6, on_loss),  # after the loss
        (share, share, -6, "end on-accent"),  # in the bar of the step
    )
    for content in (f"{short}, largest loss", short) if is_largest else (short,):
        for room, at, shift, style in places:
            if room * width >= _width(content) + 6:
                return [*drawn, text(content, at * width + shift, top + 13, style)]
    return drawn


def _vertical_grid(ticks: Sequence[float], x: Scale, bottom: float) -> list[Markup]:
    """Returns the grid lines and labels of a horizontal axis of shares."""
    drawn = []
    for tick in ticks:
        drawn += [
            line(x(tick), 0, x(tick), bottom, "axis" if tick == 0 else "grid"),
            text(_tick_label(tick, is_share=True), x(tick), bottom + 15, "middle muted"),
        ]
    return drawn


def _tick_label(tick: float, is_share: bool) -> str:
    return f"{round(tick * 100)}{formats.THIN_SPACE}%" if is_share else formats.number(tick)


def _width(content: str) -> float:
    """Returns an upper bound of the width of a text in pixels."""
    wide = sum(east_asian_width(character) in "WF" for character in content)
    return wide * WIDE_CHARACTER_WIDTH + (len(content) - wide) * CHARACTER_WIDTH


def _shortened(content: str, room: float) -> str:
    """Shortens a text so that it fits."""
    length = len(content)
    while length > 1 and _width(formats.shortened(content, length)) > room:
        length -= 1
    return formats.shortened(content, length)


def _dates(rows: Sequence[Row], x: Sequence[float], bottom: float) -> list[Markup]:
    """Returns the labels of the days, as many as fit. The last day always has one."""
    pitch = x[1] - x[0] if len(x) > 1 else math.inf
    stride = max(1, math.ceil(6 * CHARACTER_WIDTH / pitch))
    labelled = range(len(rows) - 1, -1, -stride)
    return [
        text(formats.short_day(rows[index]["session_date"]), x[index], bottom + 16, "middle muted")
        for index in reversed(labelled)
    ]


def _lines(points: Sequence[tuple[float, float | None]]) -> list[Markup]:
    """Returns a line through the points, with a gap where a value is missing."""
    return [line(x1, y1, x2, y2, "series") for (x1, y1), (x2, y2) in pairwise(points) if not (y1 is None or y2 is None)]


def _point(x: float, y: float, tooltip: str, *, radius: float = 3.5, is_hollow: bool = False) -> Markup:
    attributes: dict[str, Value] = {"cx": x, "cy": y, "r": radius, "class_": "hollow point" if is_hollow else "point"}
    return element("circle", element("title", tooltip), **attributes)
