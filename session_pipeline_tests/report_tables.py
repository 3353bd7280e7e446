"""Reads a report for tests: its tables by their label, its tiles, its sections, and where its links lead.

It also writes numbers as the report should, without the code of the report.
"""

from collections import defaultdict
from datetime import date
from html.parser import HTMLParser
from math import sqrt

NOTHING = "–"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
Z_95 = 1.959963984540054


class ReportTables(HTMLParser):
    """What a report shows.

    Attributes:
        tables: The rows of each table by the label of its region, the head first. A row is the texts of its cells.
        tiles: The texts of each tile by its name.
        sections: The text of each section, without images and queries, by the id of its heading or its label.
        headings: The level of each heading, in their order.
        ids, links: All ids, and the targets of all links.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = defaultdict(list)
        self.tiles: dict[str, list[str]] = {}
        self.sections: dict[str, str] = {}
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self._region = self._section = ""
        self._tile: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.tables = {label: [list(map(_plain, row)) for row in rows] for label, rows in self.tables.items()}
        self.tiles = {_plain(name): list(map(_plain, texts[1:])) for name, texts in self.tiles.items()}
        self.sections = {name: _plain(text) for name, text in self.sections.items()}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if tag == "a" else []
        if tag in ("svg", "style", "pre"):
            self._open.append(tag)
        if tag == "section" or tag in ("header", "footer"):
            self._section = attributes.get("aria-labelledby") or attributes.get("aria-label") or tag
            self.sections[self._section] = ""
        if attributes.get("role") == "region":
            self._region = attributes["aria-label"]
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))
        if tag == "tr":
            self.tables[self._region].append([])
        if tag in ("td", "th"):
            self.tables[self._region][-1].append("")
            self._open.append("cell")
        if tag in ("dt", "dd") and self._section == "The week in figures":
            if tag == "dt":
                self._tile = []
            self._tile.append("")
            self._open.append("tile")

    def handle_endtag(self, tag: str) -> None:
        kind = {"td": "cell", "th": "cell", "dt": "tile", "dd": "tile"}.get(tag, tag)
        if self._open and self._open[-1] == kind:
            self._open.pop()
        if kind == "tile" and self._tile:
            self.tiles[self._tile[0]] = self._tile
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if any(tag in self._open for tag in ("svg", "style", "pre")):
            return
        if self._section:
            self.sections[self._section] += f" {data}"
        if "cell" in self._open:
            self.tables[self._region][-1][-1] += data
        elif "tile" in self._open:
            self._tile[-1] += data

    def rows(self, label: str) -> list[list[str]]:
        """Return the rows of a table without its head; an empty list if the page has no such table."""
        return self.tables.get(label, [])[1:]


def _plain(text: str) -> str:
    return " ".join(text.replace(NARROW_SPACE, " ").split())


def share(part: float | None, whole: float | None) -> str:
    """Return a share as a percentage; a dash without a whole."""
    if part is None or not whole:
        return NOTHING
    percent = 100 * float(part) / float(whole)
    if part < whole and percent >= 99.95:
        return ">99.9 %"
    return "<0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


def points(part: int, whole: int, before_part: int, before_whole: int) -> str:
    """Return the difference of two shares in percentage points."""
    return _signed(100 * (part / whole - before_part / before_whole), "pp")


def growth(now: float, before: float) -> str:
    """Return how much a number grew."""
    return _signed(100 * (float(now) / float(before) - 1), "%")


def _signed(change: float, unit: str) -> str:
    text = f"{change:+,.1f}".replace("-", "−")
    return f"±0.0 {unit}" if text in ("+0.0", "−0.0") else f"{text} {unit}"


def wilson(part: int, whole: int) -> str:
    """Return the bounds of the 95 % Wilson interval, by its textbook formula."""
    low, high = wilson_bounds(part, whole)
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def wilson_bounds(part: int, whole: int) -> tuple[float, float]:
    rate, z2 = part / whole, Z_95**2
    reach = Z_95 / (1 + z2 / whole) * sqrt(rate * (1 - rate) / whole + z2 / (4 * whole**2))
    centre = (rate + z2 / (2 * whole)) / (1 + z2 / whole)
    return max(0.0, centre - reach), min(1.0, centre + reach)


def day(value: date) -> str:
    """Return a day with its weekday, in English whatever the language of the machine."""
    weekday = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[value.weekday()]
    return f"{weekday} {short_day(value)}"


def short_day(value: date) -> str:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{value.day} {months[value.month - 1]}"


def short_days(first: date, last: date) -> str:
    start = f"{first.day}–" if first.month == last.month else f"{short_day(first)} – "
    return start + short_day(last)


def money(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.2f}"


def duration(seconds: float | None) -> str:
    """Return a duration in seconds, minutes or hours."""
    if seconds is None:
        return NOTHING
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def named(action: str | None) -> str:
    """Return the name of an action that needs no decoding and no shortening."""
    if action is None:
        return "all others"
    return "home page" if action == "/" else action if action.startswith("/") else action.replace("_", " ")
