"""Draws a funnel: how many attempts reach each step, and where they are lost."""

from collections.abc import Sequence
from itertools import product

from markupsafe import Markup

from session_pipeline.report import formats
from session_pipeline.report.charts.marks import fitted, text_width
from session_pipeline.report.figures import Row
from session_pipeline.report.svg import image, rectangle, text


def funnel(key: str, width: int, name: str, steps: Sequence[Row]) -> Markup:
    """Draw a bar for each funnel step, followed by the loss since the previous step; highlight the largest loss."""
    pitch, bar_top, bar_height = 45, 20, 18
    interval_width = 92
    drawn: list[Markup] = []
    for index, step in enumerate(steps):
        before = steps[index - 1] if index else None
        top = index * pitch
        share = step["conversion_rate"] or 0.0
        figures = f"{formats.number(step['reached_count'])} · {formats.percent(step['conversion_rate'])}"
        label_room = width - interval_width - 1.1 * text_width(figures) - 8  # the figures are bold
        label = _label(step, label_room)
        drawn += [
            text(label, 0, top + 14),
            text(figures, width - interval_width, top + 14, "end strong"),
            rectangle(
                0, top + bar_top, share * width, bar_height, "accent", f"{formats.isolated(step['step'])}: {figures}"
            ),
        ]
        if before:
            interval = "so far" if step.get("is_open") else f"({formats.interval(step['low'], step['high'])})"
            drawn += [text(interval, width, top + 14, "end small muted"), *_loss(before, step, width, top + bar_top)]
    return image(key, width, pitch * len(steps), f"Funnel {formats.isolated(name)}", _description(steps), *drawn)


def _label(step: Row, room: float) -> str:
    """Return the number and the name of a step, shortened to fit; the table says optional even if it does not fit."""
    label = f"{step['number']}  {step['step']}".strip()
    optional = f"{label} (optional)"
    return optional if step["is_optional"] and text_width(optional) <= room else fitted(label, room)


def _description(steps: Sequence[Row]) -> str:
    last = steps[-1]
    reached = f"{formats.percent(last['conversion_rate'])} of {formats.counted(last['base_count'], 'attempt')}"
    sentences = [f"{reached} reach {formats.isolated(last['step'])}."]
    sentences += [
        f"The largest loss is after {formats.isolated(step['step'])}." for step in steps if step["is_largest_loss"]
    ]
    sentences += [f"{formats.isolated(step['step'])} is optional." for step in steps if step["is_optional"]]
    sentences += [f"{formats.isolated(step['step'])} matches no event." for step in steps if _is_barrier(step)]
    return " ".join(sentences)


def _is_barrier(step: Row) -> bool:
    """Whether no visit can reach a step, because it is required and matches no event."""
    return bool(step["is_unmatched"] and not step["is_optional"])


def _loss(before: Row, step: Row, width: int, top: float) -> list[Markup]:
    """Return the bar of the loss before a step, and its text where there is room for it; a barrier has no loss."""
    share = step["conversion_rate"] or 0.0
    lost = before["dropped_count"] / step["base_count"] if step["base_count"] else 0.0
    is_largest = before["is_largest_loss"]
    if _is_barrier(step):
        return [text("matches no event", share * width + 6, top + 13, "muted")]
    if not before["dropped_count"]:
        return []
    drawn = [rectangle(share * width, top, lost * width, 18, "loss" if is_largest else "ghost")]
    rate = formats.percent(before["dropped_count"] / before["reached_count"])
    short = f"{formats.MINUS}{formats.number(before['dropped_count'])} ({rate})"
    on_loss = "on-loss" if is_largest else "muted"
    contents = (f"{short}, largest loss", short) if is_largest else (short,)
    on_the_loss = (lost, share, 6, on_loss)
    after_the_loss = (1 - share - lost, share + lost, 6, on_loss)
    in_the_bar = (share, share, -6, "end on-accent")  # of those who stayed: only if there is no other room
    for content, place in (*product(contents, (on_the_loss, after_the_loss)), *product(contents, (in_the_bar,))):
        room, at, shift, style = place
        if room * width >= text_width(content) + 6:
            return [*drawn, text(content, at * width + shift, top + 13, style)]
    return drawn
