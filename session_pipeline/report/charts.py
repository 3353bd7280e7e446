"""Draws the charts of the report with altair, as SVG without scripts, fonts or external references.

Colours are custom properties of the page, so that one drawing works in light mode, in dark mode and on paper. The
figures come from figures.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from session_pipeline.report import formats
from session_pipeline.report.figures import Row

INK, MUTED, LINE, PAPER, ACCENT = (f"var(--{name})" for name in ("ink", "muted", "line", "paper", "accent"))
TEXT_SIZE = 12.5
CHARACTER_WIDTH = 7.0  # in the widest fonts that the text may have, at TEXT_SIZE
STEP_HEIGHT = 45
BAR_TOP, BAR_BOTTOM = 20, 38
SHARES: dict[str, Any] = {"scale": alt.Scale(domain=[0, 1]), "axis": None}

CONFIG: dict[str, Any] = {
    "font": "sans-serif",
    "background": "transparent",
    "aria": False,
    "view": {"stroke": None},
    "text": {"fontSize": TEXT_SIZE, "color": INK},
    "axis": {
        "labelFontSize": TEXT_SIZE,
        "labelColor": INK,
        "gridColor": LINE,
        "domain": False,
        "ticks": False,
        "title": None,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "titleFontSize": TEXT_SIZE,
    },
}


@dataclass(frozen=True)
class Bar:
    """A bar that consists of parts: its label in two lines, and each part as (name, share, colour)."""

    label: str
    detail: str
    parts: Sequence[tuple[str, float, str]]


def stacked(bars: Sequence[Bar], width: int) -> str:
    """Draws bars of equal length, one below the other, divided into shares. Parts have their names where these fit."""
    label_width = 104
    room = width - label_width
    parts = []
    for bar in bars:
        start = 0.0
        for name, share, colour in bar.parts:
            texts = (f"{name} {formats.percent(share)}", formats.percent(share), "")
            fitting = (text for text in texts if len(text) * CHARACTER_WIDTH + 8 <= share * room)
            parts.append(
                {
                    "bar": f"{bar.label}\n{bar.detail}",
                    "start": start,
                    "middle": start + share / 2,
                    "end": start + share,
                    "text": next(fitting, ""),
                    "fill": f"var(--{colour})",
                    "ink": f"var(--on-{colour})",
                }
            )
            start += share
    labels = alt.Axis(
        labelExpr="split(datum.label, '\\n')",
        labelAlign="left",
        labelPadding=label_width - 1,
        labelLimit=0,
        labelOffset=-7,
        labelLineHeight=15,
    )
    base = alt.Chart(pd.DataFrame(parts)).encode(y=alt.Y("bar:N", sort=None, axis=labels))
    drawn = base.mark_bar(height=42, stroke=PAPER, strokeWidth=1.5).encode(
        x=alt.X("start:Q", **SHARES), x2="end:Q", color=alt.Color("fill:N", scale=None)
    )
    named = base.mark_text().encode(x=alt.X("middle:Q", **SHARES), text="text:N", color=alt.Color("ink:N", scale=None))
    return _svg(drawn + named, room, 55 * len(bars), left=label_width)


def funnel(steps: Sequence[Row], width: int = 380) -> str:
    """Draws a bar for each funnel step and, behind it and paler, the loss since the previous one; marks the largest."""
    height = STEP_HEIGHT * len(steps)
    y: dict[str, Any] = {"scale": alt.Scale(domain=[0, height], reverse=True), "axis": None}
    base = alt.Chart(pd.DataFrame(_step_bars(steps, width)))
    bar = base.encode(y=alt.Y("bar_top:Q", **y), y2="bar_bottom:Q")
    line = base.encode(y=alt.Y("top:Q", **y))
    text: dict[str, Any] = {"baseline": "top", "dy": 3}
    loss = base.encode(
        x=alt.X("loss_at:Q", **SHARES),
        y=alt.Y("bar_top:Q", **y),
        text="loss:N",
        color=alt.Color("loss_ink:N", scale=None),
    )
    layers = [
        bar.mark_rect().encode(x=alt.X("share:Q", **SHARES), x2="before:Q", color=alt.Color("loss_fill:N", scale=None)),
        bar.mark_rect(fill=ACCENT).encode(x=alt.X("share:Q", **SHARES), x2=alt.datum(0)),
        loss.mark_text(align="left", dx=6, dy=9).transform_filter("!datum.is_inside"),
        loss.mark_text(align="right", dx=-6, dy=9).transform_filter("datum.is_inside"),
        line.mark_text(align="left", limit=width * 0.44, **text).encode(x=alt.value(0), text="name:N"),
        line.mark_text(align="right", fontWeight="bold", dx=-96, **text).encode(x=alt.value(width), text="figures:N"),
        line.mark_text(align="right", fontSize=11, color=MUTED, baseline="top", dy=4).encode(
            x=alt.value(width), text="interval:N"
        ),
    ]
    return _svg(alt.layer(*layers), width, height)


def _step_bars(steps: Sequence[Row], width: int) -> list[Row]:
    """Returns for each funnel step the start and end of its bar, and its texts with their positions."""
    rows: list[Row] = []
    before: Row | None = None
    for index, step in enumerate(steps):
        share = step["conversion_rate"] or 0.0
        # A step that matches no event shows no loss, because nobody could reach it.
        share_before = (before["conversion_rate"] or 0.0) if before and not step["is_unmatched"] else share
        is_largest = bool(before and before["is_largest_loss"])
        loss, place = _loss(before, is_largest, share, share_before, width)
        if step["is_unmatched"]:
            loss, place = "matches no event", "after"
        rows.append(
            {
                "top": index * STEP_HEIGHT,
                "bar_top": index * STEP_HEIGHT + BAR_TOP,
                "bar_bottom": index * STEP_HEIGHT + BAR_BOTTOM,
                "share": share,
                "before": share_before,
                "name": f"{step['step_number']}  {step['step']}",
                "figures": f"{formats.number(step['reached_count'])} · {formats.percent(step['conversion_rate'])}",
                "interval": f"({formats.interval(step['low'], step['high'])})" if before else "",
                "loss": loss,
                "loss_at": share_before if place == "after" else share,
                "loss_fill": "var(--loss)" if is_largest else "var(--ghost)",
                "loss_ink": "var(--on-accent)" if place == "inside" else "var(--on-loss)" if is_largest else MUTED,
                "is_inside": place == "inside",
            }
        )
        before = step
    return rows


def _loss(before: Row | None, is_largest: bool, share: float, share_before: float, width: int) -> tuple[str, str]:
    """Returns the text for the loss before a step, and the place where it fits: on the loss, after it, or inside."""
    if not before or not before["dropped_count"]:
        return "", ""
    rate = formats.percent(before["dropped_count"] / before["reached_count"])
    short = f"{formats.MINUS}{formats.number(before['dropped_count'])} ({rate})"
    room = {"on": share_before - share, "after": 1 - share_before, "inside": share}
    for text in (f"{short}, the largest loss", short) if is_largest else (short,):
        for place, available in room.items():
            if available * width >= len(text) * CHARACTER_WIDTH + 6:
                return text, place
    return "", ""


def rates(rows: Sequence[Row], highest: float, width: int = 420) -> str:
    """Draws a point for each value's conversion rate on the line of its interval, on a scale up to `highest`."""
    label_width = 120
    frame = pd.DataFrame(
        {
            "value": [formats.words(row["dimension_value"]) for row in rows],
            "rate": [row["conversion_rate"] for row in rows],
            "low": [row["low"] for row in rows],
            "high": [row["high"] for row in rows],
        }
    )
    labels = alt.Axis(labelAlign="left", labelPadding=label_width - 1, labelLimit=label_width - 8)
    shares = alt.Axis(format="%", tickCount=4, labelColor=MUTED, labelPadding=5, labelFlush=False, grid=True)
    scale = alt.Scale(domain=[0, highest], nice=True)
    base = alt.Chart(frame).encode(y=alt.Y("value:N", sort=None, axis=labels))
    span = base.mark_rule(stroke=ACCENT, strokeWidth=5, opacity=0.35).encode(
        x=alt.X("low:Q", scale=scale, axis=shares), x2="high:Q"
    )
    point = base.mark_circle(fill=ACCENT, size=70, opacity=1).encode(x=alt.X("rate:Q", scale=scale))
    return _svg(span + point, width - label_width - 20, 26 * len(rows), left=label_width, right=20, bottom=22)


def days(rows: Sequence[Row], width: int = 420) -> str:
    """Draws two line charts by day: visits, and the share that converted. Days that are not final are hollow."""
    frame = pd.DataFrame(
        {
            "day": [formats.day(row["session_date"]) for row in rows],
            "visits": [row["session_count"] for row in rows],
            "converted": [row["conversion_rate"] for row in rows],
            "fill": [ACCENT if row["is_final"] else PAPER for row in rows],
        }
    )
    dates = alt.Axis(
        labelAngle=0,
        labelOverlap=True,
        labelSeparation=10,
        labelColor=MUTED,
        labelPadding=8,
        labelExpr="slice(datum.label, 4)",
    )
    panels = []
    for column, shape, least in (("visits", ",d", 1), ("converted", "%", 0.01)):
        axis = alt.Axis(
            format=shape,
            tickCount=3,
            tickMinStep=least,
            labelColor=MUTED,
            minExtent=44,
            maxExtent=44,
            title=column,
            titleAngle=0,
            titleAlign="left",
            titleX=-44,
            titleY=-14,
        )
        base = alt.Chart(frame).encode(
            x=alt.X("day:O", sort=None, axis=dates), y=alt.Y(f"{column}:Q", scale=alt.Scale(zero=True), axis=axis)
        )
        points = base.mark_point(stroke=ACCENT, size=36, opacity=1, strokeWidth=2).encode(
            fill=alt.Fill("fill:N", scale=None)
        )
        panels.append((base.mark_line(stroke=ACCENT) + points).properties(width=width - 50, height=96))
    return _drawn(alt.vconcat(*panels, spacing=30), {"padding": 1})


def _svg(chart: alt.TopLevelMixin, width: float, height: float, **room: float) -> str:
    """Draws a chart with exactly this size, plus the given space at the sides for its labels.

    The fonts of the text are not known here, so no size depends on the measured width of text.
    """
    padding = {side: room.get(side, 0) for side in ("left", "right", "top", "bottom")}
    return _drawn(chart.properties(width=width, height=height), {"autosize": "none", "padding": padding})


def _drawn(chart: alt.TopLevelMixin, frame: Row) -> str:
    text: str = vl_convert.vegalite_to_svg(
        chart.to_dict(validate=False) | {"config": CONFIG} | frame, allowed_base_urls=[]
    )
    return text
