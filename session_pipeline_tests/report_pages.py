"""Helpers of the tests of the report: lines of visits, and the content of a page."""

from datetime import date
from html.parser import HTMLParser
from typing import Any

from session_pipeline import report
from session_pipeline.report import formats
from session_pipeline_tests.deployment import Deployment

LAST = date(2024, 3, 15)
HOSTILE = "/<script>document.title='owned'</script>"
HOSTILE_STEP = "<img src=x onerror=alert(1)>"
BUYING = [*(f"/shop/{name}" for name in "abc"), "add_to_cart", "begin_checkout", "purchase"]
BROWSING = ["/shop/c", HOSTILE, "/shop/d"]


class Visits:
    """Lines of visits: the actions of each visit, a minute apart, one visitor per visit."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._number = 0

    def add(self, day: date, count: int, actions: list[str], **fields: Any) -> None:
        for _ in range(count):
            self._number += 1
            for minute, action in enumerate(actions):
                happened: dict[str, Any] = (
                    {"event_name": "page_view", "page_url": f"https://shop.example{action}"}
                    if action.startswith("/")
                    else {"event_name": action}
                )
                if action == "purchase":
                    happened |= {"value": 10.5, "currency": "EUR"}
                self.lines.append(
                    {
                        "event_id": f"{self._number}-{minute}",
                        "visitor_id": f"v{self._number}",
                        "event_time": f"{day}T10:{minute:02}:00Z",
                        **happened,
                        **fields,
                    }
                )


class Page(HTMLParser):
    """The content of a page: its text, the cells of its table rows, its ids, its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.rows: list[list[str]] = []
        self.ids: list[str] = []
        self.elements: set[str] = set()
        self._texts: list[str] = []
        self._in_cell = self._in_style = self._in_image = False
        self.feed(html.replace("<wbr>", ""))
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self._in_style = tag == "style"
        self._in_image = self._in_image or tag == "svg"
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")
        self._in_image = self._in_image and tag != "svg"
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        data = data.replace(formats.THIN_SPACE, " ")
        if not self._in_style:
            self._texts.append(data)
        if self._in_cell and not self._in_image:
            self.rows[-1][-1] += data

    def row(self, first: str) -> list[str]:
        return next(row for row in self.rows if row[0] == first)


def written(deployment: Deployment) -> Page:
    return Page(report.write(deployment.folder).path.read_text(encoding="utf-8"))
