"""Writes SVG elements as text. All content is escaped and allowed in XML; a number has at most two decimals.

charts/ decides what is drawn; page.css defines fonts and colours.
"""

from importlib.resources import files

from markupsafe import Markup, escape

from session_pipeline.report import formats

FONT = ".chart{font-family:system-ui,sans-serif}"
Value = str | float | None


def element(name: str, *children: Markup | str, **attributes: Value) -> Markup:
    """Return an element. In names of attributes, `_` stands for `-`; attributes that are None are left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{number(value) if _is_number(value) else escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(child if isinstance(child, Markup) else escape(formats.allowed(child)) for child in children)
    return Markup(f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>")


def image(key: str, width: float, height: float, title: str, description: str, *children: Markup) -> Markup:
    """Return a complete image with an accessible name and description.

    Args:
        key: Start of the ids in the image; different for each image of the page.
        width: Width in pixels.
        height: Height in pixels.
        title: What the image shows.
        description: The values that it shows, for people who cannot see it.
        *children: The elements of the image.
    """
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        *children,
        class_="chart",
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
    )


def standalone(drawing: Markup) -> str:
    """Return an image as a complete SVG file: in light colours on paper, with the styles that it needs."""
    css = files(__package__).joinpath("templates", "page.css").read_text(encoding="utf-8")
    colours = css[css.index(":root {") : css.index("}") + 1]
    styles = [rule for rule in css.splitlines() if rule.startswith(".chart")]
    style = "".join([colours.replace("color-scheme: light dark;", ""), *styles, FONT])
    start, rest = drawing.split(">", 1)
    background = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    return f'{start} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{background}{rest}'


def text(content: str, x: float, y: float, style: str | None = None, **attributes: Value) -> Markup:
    """Return a text whose baseline is at y; `style` is a class of page.css."""
    return element("text", content, x=x, y=y, class_=style, **attributes)


def rectangle(x: float, y: float, width: float, height: float, fill: str, tooltip: str = "") -> Markup:
    """Return a rectangle in a colour of page.css; browsers show the tooltip when the pointer is on it."""
    content = (element("title", tooltip),) if tooltip else ()
    return element("rect", *content, x=x, y=y, width=width, height=height, fill=f"var(--{fill})")


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """Return a straight line; `style` is a class of page.css."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=style)


def number(value: Value) -> str:
    """Format a coordinate with at most two decimals, the same on all machines."""
    return f"{float(value or 0):.2f}".rstrip("0").rstrip(".")


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)
