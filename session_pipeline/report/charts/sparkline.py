"""Draws a sparkline: the trend of a figure over some weeks, as small as a word."""

from collections.abc import Sequence

from markupsafe import Markup

from session_pipeline.report.svg import element, image, number, rectangle

WEEK = 7


def sparkline(
    key: str, width: int, height: int, title: str, description: str, values: Sequence[float | None]
) -> Markup:
    """Draw a line through the values of the days, from 0 to the largest, with the last week on a band.

    Days without a value are left out. Fewer than two values give no image.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    margin = 3.0
    highest = max(known) or 1
    pitch = (width - 2 * margin) / (len(values) - 1)

    def place(index: int, value: float) -> tuple[float, float]:
        return margin + index * pitch, height - margin - (height - 2 * margin) * max(value, 0) / highest

    places = [place(index, value) for index, value in enumerate(values) if value is not None]
    drawn: list[Markup] = []
    if len(values) > WEEK:
        left = margin + (len(values) - WEEK - 0.5) * pitch
        drawn.append(rectangle(left, 0, width - left, height, "band"))
    drawn.append(
        element("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in places), class_="series thin")
    )
    x, y = places[-1]
    drawn.append(element("circle", cx=x, cy=y, r=2.5, class_="point"))
    return image(key, width, height, title, description, *drawn)
