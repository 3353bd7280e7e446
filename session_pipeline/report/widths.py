"""Draws a chart in each width of the page: on a desktop, on a phone, and in between."""

from collections.abc import Callable

from markupsafe import Markup

WIDE, NARROW = 540, 358  # widths of charts in pixels: on a desktop, and on a phone
OUTCOMES_WIDE, PAGE_WIDE = 688, 1236


def in_each_width(draw: Callable[[str, int], Markup], key: str, wide: int = WIDE, medium: int | None = None) -> Markup:
    """Draw a chart in two widths, or three; sections.css shows the one for the window or for paper."""
    widths = {"wide": wide, "medium": medium, "narrow": NARROW}
    images = [(size, draw(f"{key}-{size}", width)) for size, width in widths.items() if width is not None]
    return Markup("").join(Markup('<div class="{}">{}</div>').format(size, image) for size, image in images)
